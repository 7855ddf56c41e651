//! Instructions of a process as text. It knows how to get their bytes with few round trips; how an
//! instruction reads is the disassembler's business.

use dbgbase::{Address, Arch};
use dbgsym::disasm::{INSTRUCTION_LEN_MAX_BYTES, Instruction, decode};

pub use dbgsym::disasm::InstructionKind;

use crate::symbols::ProcessSymbols;
use crate::{Error, ErrorKind};

/// One instruction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DisassembledInstruction {
    /// Where it is.
    pub address: Address,
    /// Its bytes. One byte and the mnemonic `???` where there is no valid instruction.
    pub bytes: Vec<u8>,
    /// What it does, with its prefixes.
    pub mnemonic: String,
    /// On what; addresses of branches as `module!name+0x12 (address)` where a symbol is known.
    pub operands: String,
    /// The symbol of the memory it refers to relative to its own address. May be empty.
    pub comment: String,
    /// What it does to the flow of control.
    pub kind: InstructionKind,
    /// Where a direct call or jump goes.
    pub target: Option<Address>,
}

/// Reads `count` instructions from `address` on.
///
/// **Shape**: fewer if memory ends.
/// **Errors**: `Unreadable` if not even the first byte can be read; `Unsupported` for a CPU whose
/// instructions cannot be read; those of the connection.
pub(crate) fn disassemble(
    symbols: ProcessSymbols<'_>,
    arch: Arch,
    address: Address,
    count: usize,
) -> Result<Vec<DisassembledInstruction>, Error> {
    let mut listing = Vec::new();
    let mut at = address;
    while listing.len() < count {
        // If more bytes are needed than are known, those of the whole rest are read at once.
        let ahead = (count - listing.len()).saturating_mul(INSTRUCTION_LEN_MAX_BYTES);
        let instruction = match instruction_at(symbols, arch, at, ahead) {
            Ok(instruction) => instruction,
            Err(error) if error.kind() == ErrorKind::Unreadable && !listing.is_empty() => break,
            Err(error) => return Err(error),
        };
        at = instruction.fallthrough();
        listing.push(describe(symbols, &instruction));
        if at <= address {
            break; // The end of the address space.
        }
    }
    Ok(listing)
}

/// The instruction at an address. If its bytes are not known, `ahead` bytes are read.
///
/// **Cost**: none at the pc of the event thread and wherever else its bytes are known.
pub(crate) fn instruction_at(
    symbols: ProcessSymbols<'_>,
    arch: Arch,
    address: Address,
    ahead: usize,
) -> Result<Instruction, Error> {
    let (memory, client) = (&symbols.process.memory, symbols.client);
    let mut bytes = [0; INSTRUCTION_LEN_MAX_BYTES];
    let known = memory.read_known(address, &mut bytes);
    let whole = decode(arch, bytes.get(..known).unwrap_or_default(), address)
        .ok()
        .filter(|instruction| instruction.kind() != InstructionKind::Invalid);
    if let Some(instruction) = whole {
        return Ok(instruction);
    }
    memory.fetch(client, address, ahead.min(READ_AHEAD_MAX) as u64)?;
    let len = memory.read(client, address, &mut bytes)?;
    decode(arch, bytes.get(..len).unwrap_or_default(), address)
        .map_err(|error| Error::new(ErrorKind::Unsupported, error.to_string()))
}

/// The most that is read ahead for a listing.
const READ_AHEAD_MAX: usize = 64 * 1024;

fn describe(symbols: ProcessSymbols<'_>, instruction: &Instruction) -> DisassembledInstruction {
    let name_of = |address: Address| symbols.at(address).map(|symbol| symbol.to_string());
    let text = instruction.text(&name_of);
    let comment = instruction.data_address().and_then(name_of).unwrap_or_default();
    DisassembledInstruction {
        address: instruction.address(),
        bytes: instruction.bytes().to_vec(),
        mnemonic: text.mnemonic,
        operands: text.operands,
        comment,
        kind: instruction.kind(),
        target: instruction.target(),
    }
}
