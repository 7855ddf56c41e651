//! What a stop brings along besides why it is one: memory that the client will read next, and if it
//! has asked for that, extended registers and the other threads. It plans within a limit, and reads
//! with as few calls as there are places.

use dbgbase::{Address, AddressRange, GeneralRegisters, TargetId, Tid};
use dbgwire::event::Stopped;
use dbgwire::verbs::memory::Range;
use dbgwire::verbs::registers::ReadRegisters;
use dbgwire::verbs::window::{STOP_LEN_MAX, SetWindows, WINDOWS_MAX, WindowBase};
use dbgwire::{ErrorCode, Fault};

use super::memory::TargetMemory;
use super::procfs;
use super::registers::{entry_len, read_extended, read_thread};
use super::target::Target;
use super::tracer::Tracer;
use crate::ranges::check_len;

/// How much code is sent before and behind the pc.
const CODE_BEFORE: u64 = 64;
const CODE_BEHIND: u64 = 192;
/// The bytes below the stack pointer that a leaf function may use (System V ABI, AMD64, 3.2.2).
const RED_ZONE: u64 = 128;
/// Debuggers read memory by lines that begin at multiples of this.
const LINE: u64 = 512;
/// The most that is sent of a stack below its stack pointer.
pub(super) const BELOW_STACK_MAX: u64 = RED_ZONE + LINE - 1;
/// What memory is mapped in; on machines with longer pages, their fraction.
const PAGE: u64 = 4096;

/// What a client wants stops of one target to bring along.
#[derive(Clone, Debug)]
pub(super) struct Wishes {
    stack_len: u64,
    windows: Vec<Window>,
    wants_extended: bool,
    wants_threads: bool,
    thread_stack_len: u64,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    base: WindowBase,
    offset: i64,
    len: u64,
}

impl Wishes {
    fn new(request: &SetWindows) -> Result<Wishes, Fault> {
        check_len(request.windows.len(), WINDOWS_MAX)?;
        let lengths = request.windows.iter().map(|window| window.len);
        for len in lengths.chain([request.stack_len, request.thread_stack_len]) {
            check_len(len as usize, STOP_LEN_MAX as usize)?;
        }
        let window = |window: &dbgwire::verbs::window::Window| {
            let base = WindowBase::try_from(window.base).map_err(|_| {
                let detail =
                    format!("windows of base {} are not known to this server", window.base);
                Fault::new(ErrorCode::Unsupported, detail)
            })?;
            Ok(Window { base, offset: window.offset, len: u64::from(window.len) })
        };
        Ok(Wishes {
            stack_len: u64::from(request.stack_len),
            windows: request.windows.iter().map(window).collect::<Result<_, Fault>>()?,
            wants_extended: request.extended,
            wants_threads: request.threads,
            thread_stack_len: u64::from(request.thread_stack_len),
        })
    }
}

impl Window {
    /// Where it is for a thread with these registers.
    fn range(&self, registers: &GeneralRegisters) -> Option<AddressRange> {
        let base = match self.base {
            WindowBase::Absolute => Address::new(0),
            WindowBase::StackPointer => registers.sp(),
            WindowBase::ProgramCounter => registers.pc(),
            WindowBase::FramePointer => Address::new(registers.get(registers.arch().fp())),
        };
        AddressRange::with_len(base.wrapping_offset(self.offset), self.len)
    }
}

impl Tracer {
    /// Says what stops of a target bring along, and those of processes that it makes from now on.
    pub(super) fn set_windows(&mut self, request: &SetWindows) -> Result<(), Fault> {
        let target = self.target(TargetId::new(request.target))?;
        target.policy.wishes = Some(Wishes::new(request)?);
        Ok(())
    }
}

/// Fills in what a stop of `tid` brings along. The bytes of its windows are the event's tail.
pub(super) fn fill(
    event: &mut Stopped,
    target: &Target,
    tid: Tid,
    registers: &GeneralRegisters,
    stack_len: u64,
) -> Vec<u8> {
    let (pc, sp) = (registers.pc(), registers.sp());
    let Some(wishes) = &target.policy.wishes else {
        let (windows, tail) = usual(target, pc, sp, stack_len);
        event.windows = windows;
        return tail;
    };
    let mut plan = Plan { left: u64::from(STOP_LEN_MAX), ranges: Vec::new() };
    plan.add(code(pc));
    plan.add(stack(sp, if wishes.stack_len == 0 { stack_len } else { wishes.stack_len }));
    if wishes.wants_extended {
        let extended = read_extended(tid, target.arch);
        if plan.take(extended.len()) {
            event.extended = extended;
        }
    }
    for window in &wishes.windows {
        plan.add(window.range(registers));
    }
    if wishes.wants_threads {
        event.name = procfs::thread_name(target.pid, tid);
        fill_threads(event, target, tid, wishes.thread_stack_len, &mut plan);
    }
    let (windows, tail) = read(&target.memory, plan.ranges);
    event.windows = windows;
    tail
}

/// The threads that stand still besides `tid`: first the registers of as many as fit, then stacks.
fn fill_threads(event: &mut Stopped, target: &Target, tid: Tid, stack_len: u64, plan: &mut Plan) {
    let request = ReadRegisters { names: true, ..ReadRegisters::default() };
    let others = target.tids().into_iter().filter(|other| *other != tid);
    let still = others.filter(|other| target.standing(*other).is_ok());
    let mut stacks = Vec::new();
    for other in still {
        let Some((thread, sp)) = read_thread(target.pid, other, target.arch, &request) else {
            continue;
        };
        if !plan.take(entry_len(&thread)) {
            break;
        }
        event.threads.push(thread);
        stacks.push(sp);
    }
    for sp in stacks.into_iter().filter(|_| stack_len > 0) {
        plan.add(stack(sp, stack_len));
    }
}

/// What is to be read for one stop.
struct Plan {
    /// How many bytes more it may bring.
    left: u64,
    ranges: Vec<AddressRange>,
}

impl Plan {
    /// As much of a range as fits.
    fn add(&mut self, range: Option<AddressRange>) {
        let Some(range) = range else { return };
        let len = range.len_bytes().min(self.left);
        self.left -= len;
        self.ranges.extend(AddressRange::with_len(range.start(), len).filter(|_| len > 0));
    }

    /// Whether so many bytes fit, which are no memory.
    fn take(&mut self, len: usize) -> bool {
        let left = self.left.checked_sub(len as u64);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
}

fn below(address: Address, len: u64) -> Address {
    Address::new(address.value().saturating_sub(len))
}

/// The code around the pc.
fn code(pc: Address) -> Option<AddressRange> {
    AddressRange::with_len(below(pc, CODE_BEFORE), CODE_BEFORE + CODE_BEHIND)
}

/// The top of a stack.
fn stack(sp: Address, len: u64) -> Option<AddressRange> {
    let [begin, _] = stack_begins(sp);
    AddressRange::with_len(begin, sp.value() - begin.value() + len)
}

/// Where what is sent of a stack begins: with the line that its red zone begins in, or if there is
/// nothing, as in the last page of a stack that has overflown, with that of the stack pointer.
pub(super) fn stack_begins(sp: Address) -> [Address; 2] {
    [below(sp, RED_ZONE), sp].map(|address| address.align_down(LINE))
}

/// Reads ranges, those that touch as one. What cannot be read is a range without bytes.
fn read(memory: &TargetMemory, ranges: Vec<AddressRange>) -> (Vec<Range>, Vec<u8>) {
    let mut windows = Vec::new();
    let mut tail = Vec::new();
    for range in joined(ranges) {
        let mut at = range.start();
        while let Some(len) = range.end().offset_from(at).filter(|len| *len > 0) {
            let filled = tail.len();
            tail.resize(filled + len as usize, 0);
            let count = memory.read_head(at, tail.get_mut(filled..).unwrap_or_default());
            tail.truncate(filled + count);
            let hole = at.wrapping_offset(count as i64);
            if count > 0 {
                windows.push(Range { address: at.value(), len: count as u32 });
            }
            if count as u64 == len {
                break;
            }
            windows.push(Range { address: hole.value(), len: 0 });
            // Whether a byte can be read is so of its whole page.
            let Some(next) = hole.align_down(PAGE).checked_add(PAGE) else { break };
            at = next;
        }
    }
    (windows, tail)
}

/// The same bytes as ranges in ascending order that do not touch.
fn joined(mut ranges: Vec<AddressRange>) -> Vec<AddressRange> {
    ranges.sort_unstable_by_key(|range| (range.start(), range.end()));
    let mut joined: Vec<AddressRange> = Vec::new();
    for range in ranges {
        match joined.last_mut().filter(|last| range.start() <= last.end()) {
            Some(last) => {
                let end = last.end().max(range.end());
                *last = AddressRange::new(last.start(), end).unwrap_or(*last);
            }
            None => joined.push(range),
        }
    }
    joined
}

/// What a client gets that has not said what it wants. Windows that cannot be read at all are left
/// out, or if the client has read there at its last stops, empty.
fn usual(target: &Target, pc: Address, sp: Address, stack_len: u64) -> (Vec<Range>, Vec<u8>) {
    let mut ranges: Vec<AddressRange> =
        [code(pc), stack(sp, stack_len)].into_iter().flatten().collect();
    let recent = target.recent.select(&ranges);
    // What the client would ask for again, and get nothing again, it is told at once.
    let is_recent = |range: &AddressRange| recent.contains(range);
    ranges.extend(&recent);
    let mut windows = Vec::new();
    let mut tail = Vec::new();
    for range in ranges {
        let mut buffer = vec![0; range.len_bytes() as usize];
        let mut start = range.start();
        let mut count = target.memory.read_head(start, &mut buffer);
        if count == 0 && range.contains(pc) {
            // Code before the pc may lie in no mapping; what follows the pc is what counts.
            start = pc;
            buffer.truncate(CODE_BEHIND as usize);
            count = target.memory.read_head(start, &mut buffer);
        }
        let is_asked_for = is_recent(&range);
        if count > 0 || is_asked_for {
            windows.push(Range { address: start.value(), len: count as u32 });
            tail.extend(buffer.into_iter().take(count));
        }
    }
    (windows, tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, end: u64) -> AddressRange {
        AddressRange::new(Address::new(start), Address::new(end)).expect("in order")
    }

    #[test]
    fn ranges_that_touch_are_one() {
        let ranges =
            vec![range(30, 40), range(10, 20), range(15, 18), range(20, 25), range(50, 51)];
        assert_eq!(joined(ranges), [range(10, 25), range(30, 40), range(50, 51)]);
        assert_eq!(joined(Vec::new()), []);
        let top = vec![range(u64::MAX - 8, u64::MAX), range(u64::MAX - 16, u64::MAX - 4)];
        assert_eq!(joined(top), [range(u64::MAX - 16, u64::MAX)]);
    }

    #[test]
    fn a_plan_keeps_its_limit() {
        let mut plan = Plan { left: 100, ranges: Vec::new() };
        plan.add(Some(range(0, 60)));
        assert!(!plan.take(41) && plan.take(10));
        plan.add(None);
        plan.add(Some(range(100, 160)));
        plan.add(Some(range(200, 201)));
        assert_eq!((plan.left, plan.ranges), (0, vec![range(0, 60), range(100, 130)]));
        assert!(!Plan { left: 0, ranges: Vec::new() }.take(1));
    }
}
