//! How frames are left other than by returning: exceptions, and longjmp(3). It knows where both
//! come to light, and how to tell where they lead. Sources: Itanium C++ ABI, Exception Handling,
//! 1.3; the `jmp_buf` of glibc (sysdeps/x86_64/jmpbuf-offsets.h) and of musl.

use dbgbase::{Address, Arch, GeneralRegisters, x86_64};

use super::{Draft, Stepper};
use crate::modules::name::file_name;
use crate::stack::{Images, unwind};
use crate::step::guard::Guard;
use crate::step::line::{LineGoal, Meaning};
use crate::{Error, Module};

/// What throws, or throws on.
const THROWERS: [&str; 4] = [
    "_Unwind_RaiseException",
    "_Unwind_Resume",
    "_Unwind_Resume_or_Rethrow",
    "_Unwind_ForcedUnwind",
];
/// What jumps; the last one is how glibc ends threads (nptl/unwind.c).
const JUMPERS: [&str; 5] = ["longjmp", "_longjmp", "siglongjmp", "__longjmp_chk", "__libc_longjmp"];

/// How the files begin that have these functions, beside the program itself.
const FILES: [&[u8]; 5] = [b"libgcc_s", b"libunwind", b"libc.so", b"libc-", b"ld-musl"];

/// A handler that is further out is not looked for.
const FRAMES_MAX: usize = 1024;

/// The words of a `jmp_buf`: `rbx`, `rbp`, `r12` to `r15`, `rsp`, and where it goes on.
const JUMP_WORDS: usize = 8;
/// Where glibc keeps what it scrambles them with, from the thread pointer on.
const POINTER_GUARD: i64 = 0x30;
const GUARD_ROTATION: u32 = 17;

impl Stepper<'_> {
    /// Sites at the functions that leave frames. Only files that are known to have them are asked.
    pub(super) fn escapes(&self) -> Vec<Draft> {
        let mut drafts: Vec<Draft> = Vec::new();
        for module in self.symbols.process.modules.list().iter().filter(|module| has_any(module)) {
            // A step does not fail because of symbols that it might not need.
            let Ok(Some(image)) = self.symbols.image(module) else { continue };
            let names = THROWERS.map(|name| (name, Meaning::Throw));
            let names = names.into_iter().chain(JUMPERS.map(|name| (name, Meaning::LongJump)));
            for (name, meaning) in names {
                for symbol in image.symbols().by_linker_name(name) {
                    let address = symbol.address().to_address(module.bias);
                    let is_known = drafts.iter().any(|draft| draft.address == address);
                    if symbol.is_code() && !is_known {
                        drafts.push(Draft { address, meaning, guard: Guard::None });
                    }
                }
            }
        }
        drafts
    }

    /// A thread is about to throw: where the frames around the one that is stepped take exceptions.
    /// A frame further in may handle it first. `None` if the thread is on a stack without the frame
    /// that is stepped.
    pub(super) fn handlers(
        &self,
        registers: &GeneralRegisters,
    ) -> Result<Option<Vec<Draft>>, Error> {
        let images = Images::new(self.symbols);
        let (frames, _) = unwind(&images, registers, FRAMES_MAX)?;
        let Some(own) =
            frames.iter().position(|frame| frame.cfa.is_some() && frame.cfa == self.cfa)
        else {
            return Ok(None);
        };
        let mut drafts = Vec::new();
        for frame in frames.iter().skip(own + 1) {
            let call = frame.pc.lookup_pc();
            let Some((image, bias)) = images.at(call) else { continue };
            let pads = image.landing_pads(call.to_link(bias));
            let Some(found) = pads.iter().find(|pad| pad.calls.contains(&call.to_link(bias)))
            else {
                continue;
            };
            drafts.push(Draft {
                address: found.pad.to_address(bias),
                meaning: Meaning::End { calls_ahead: 0 },
                guard: Guard::frame(self.arch, image.frame_address_rule(found.pad), frame.cfa),
            });
            if !found.is_selective {
                break;
            }
        }
        Ok(Some(drafts))
    }

    /// A thread is about to jump: where to, if that is the frame that is stepped or one around it.
    pub(super) fn jump_target(&self, registers: &GeneralRegisters) -> Result<Vec<Draft>, Error> {
        if self.arch != Arch::X86_64 {
            return Ok(Vec::new());
        }
        let (client, memory) = (self.symbols.client, &self.symbols.process.memory);
        let word = |at: Address| {
            let mut bytes = [0; 8];
            let len = memory.read(client, at, &mut bytes)?;
            Ok::<_, Error>((len == bytes.len()).then(|| u64::from_le_bytes(bytes)))
        };
        let buffer = Address::new(registers.get(x86_64::RDI));
        let mut words = [0; JUMP_WORDS];
        for (index, value) in words.iter_mut().enumerate() {
            let Some(known) = word(buffer.wrapping_offset(index as i64 * 8))? else {
                return Ok(Vec::new());
            };
            *value = known;
        }
        let thread_pointer = Address::new(registers.get(x86_64::FS_BASE));
        let guard = word(thread_pointer.wrapping_offset(POINTER_GUARD))?.unwrap_or(0);
        let clear = |value: u64| value.rotate_right(GUARD_ROTATION) ^ guard;
        let [_, bp, _, _, _, _, sp, pc] = words;
        // Scrambled or not, only one of the two leads to code.
        let ways = [[clear(pc), clear(sp), clear(bp)], [pc, sp, bp]];
        let landing = ways.into_iter().find_map(|[pc, sp, bp]| {
            let pc = Address::new(pc);
            self.symbols.process.modules.at(pc).map(|module| (module, pc, sp, bp))
        });
        let Some((module, pc, sp, bp)) = landing else { return Ok(Vec::new()) };
        let rule = self.symbols.image(module)?.and_then(|image| {
            let rule = image.frame_address_rule(pc.to_link(module.bias))?;
            let base = if rule.register == self.arch.sp() { sp } else { bp };
            Some(Address::new(base).wrapping_offset(rule.offset))
        });
        let is_wanted = match (rule, self.cfa) {
            (Some(cfa), Some(own)) if self.goal == LineGoal::Out => cfa > own,
            (Some(cfa), Some(own)) => cfa >= own,
            _ => true,
        };
        let guard = Guard::sp(self.arch, Address::new(sp));
        let draft = Draft { address: pc, meaning: Meaning::End { calls_ahead: 0 }, guard };
        Ok(Vec::from_iter(is_wanted.then_some(draft)))
    }
}

/// Whether a module may have functions that leave frames.
fn has_any(module: &Module) -> bool {
    let name = file_name(&module.path);
    module.is_program || FILES.iter().any(|file| name.starts_with(file))
}
