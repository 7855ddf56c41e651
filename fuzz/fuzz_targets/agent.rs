//! A site's condition or command, proved sound or refused; if it is sound, followed, and run.
//! What must hold is written once, in the tests of dbgwire.

#![no_main]
#![allow(dead_code, reason = "what is compiled here is used elsewhere as a whole")]

use dbgbase::{Address, Arch, GeneralRegisters, ReadMemory, Unreadable};
use dbgwire::agent::{Code, PRINTED_LEN_MAX, Purpose};

#[path = "../../crates/dbgsrv/src/agent.rs"]
mod agent;
#[path = "../../crates/dbgwire/tests/it/replay.rs"]
mod replay;

/// Memory whose lower half can be read.
struct Half;

impl ReadMemory for Half {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<usize, Unreadable> {
        if address.value() >> 63 != 0 {
            return Err(Unreadable { address });
        }
        buffer.fill(address.value() as u8);
        Ok(buffer.len())
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    replay::check_condition(bytes);
    for arch in [Arch::X86_64, Arch::Aarch64] {
        if let Ok(code) = Code::verify(bytes, arch) {
            let halt = agent::run(&code, &GeneralRegisters::zeroed(arch), &Half).err();
            assert!(halt.is_none_or(|halt| halt.offset < bytes.len()));
        }
        if let Ok(code) = Code::verify_for(Purpose::Commands, bytes, arch) {
            let mut text = Vec::new();
            let registers = GeneralRegisters::zeroed(arch);
            let halt = agent::print(&code, &registers, &Half, &mut text).err();
            assert!(halt.is_none_or(|halt| halt.offset < bytes.len()));
            assert!(text.len() <= PRINTED_LEN_MAX);
        }
    }
});
