//! Layouts, patches and areas of extended registers. What must hold is written once, beside the
//! registers in dbgbase.

#![no_main]

use dbgbase::x86_64::extended::ExtendedRegister;
use dbgbase::x86_64::xsave::{self, XsaveLayout};

#[path = "../../crates/dbgbase/src/arch/x86_64/extended/hostile.rs"]
mod hostile;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    hostile::check_area(bytes);
});
