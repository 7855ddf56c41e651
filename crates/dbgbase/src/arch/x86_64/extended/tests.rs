//! Registers in areas made by hand, in use and in their initial state.

use super::*;
use crate::arch::x86_64::xsave::XsaveComponent;

fn layout() -> XsaveLayout {
    let component = |feature, offset, size_bytes| XsaveComponent { feature, offset, size_bytes };
    let components = [
        component(AVX, 576, 256),
        component(OPMASK, 1088, 64),
        component(ZMM_HI256, 1152, 512),
        component(HI16_ZMM, 1664, 1024),
        component(PKRU, 2688, 8),
    ];
    XsaveLayout::new(0x2e7, components)
}

const EVERYTHING: u64 = 0x2e7;

/// An area whose byte at `n` is `n % 251`, with these components in use.
fn area(in_use: u64) -> Vec<u8> {
    let mut area: Vec<u8> = (0..2696).map(|at: usize| (at % 251) as u8).collect();
    area[512..576].fill(0);
    area[512..520].copy_from_slice(&in_use.to_le_bytes());
    area
}

fn named(name: &str) -> ExtendedRegister {
    ExtendedRegister::from_name(name).unwrap_or_else(|| panic!("{name} is a register"))
}

fn read(name: &str, area: &[u8]) -> Vec<u8> {
    named(name).read(&layout(), area).expect("there").bytes().to_vec()
}

/// The pattern's bytes.
fn run(start: usize, len: usize) -> Vec<u8> {
    (start..start + len).map(|at| (at % 251) as u8).collect()
}

#[test]
fn every_register_has_one_name_and_a_number_of_its_own() {
    let all: Vec<ExtendedRegister> = ExtendedRegister::all().collect();
    assert_eq!(all.len(), 6 + 8 + 8 + 1 + 3 * 32 + 8 + 1);
    for register in &all {
        assert_eq!(ExtendedRegister::from_name(&register.name()), Some(*register));
    }
    for number in [ExtendedRegister::gdb, ExtendedRegister::dwarf] {
        let mut numbers: Vec<u16> = all.iter().filter_map(|one| number(*one)).collect();
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
        let general = crate::Arch::X86_64.general_registers();
        let taken = general.iter().flat_map(|one| [one.gdb, one.dwarf]).flatten();
        assert!(count > 30 && taken.count() > 30);
    }
    let is_free = |number| {
        let general = crate::Arch::X86_64.general_registers();
        general.iter().all(|one| one.gdb != Some(number))
    };
    assert!(all.iter().filter_map(|one| one.gdb()).all(is_free));
}

#[test]
fn names_are_exact() {
    for name in ["xmm32", "xmm", "xmm00", "st8", "st+1", "k8", "mxcsr0", "xmm-1", "fpcw1", "", "x"]
    {
        assert_eq!(ExtendedRegister::from_name(name), None, "{name}");
    }
    assert_eq!(named("fctrl"), named("fpcw"));
    assert_eq!(named("fioff").name(), "fip");
}

#[test]
fn vectors_are_put_together() {
    let area = area(EVERYTHING);
    assert_eq!(read("xmm3", &area), run(160 + 48, 16));
    assert_eq!(read("ymm3", &area), [run(160 + 48, 16), run(576 + 48, 16)].concat());
    let all = [run(160 + 48, 16), run(576 + 48, 16), run(1152 + 96, 32)].concat();
    assert_eq!(read("zmm3", &area), all);
    assert_eq!(read("xmm17", &area), run(1664 + 64, 16));
    assert_eq!(read("ymm17", &area), run(1664 + 64, 32));
    assert_eq!(read("zmm31", &area), run(1664 + 960, 64));
    assert_eq!(read("k2", &area), run(1088 + 16, 8));
    assert_eq!(read("pkru", &area), run(2688, 4));
}

#[test]
fn initial_states_are_read_whatever_the_bytes_say() {
    let sse = area(1 << SSE);
    assert_eq!(read("ymm3", &sse), [run(160 + 48, 16), vec![0; 16]].concat());
    assert_eq!(read("zmm20", &sse), [0; 64]);
    assert_eq!(read("k7", &sse), [0; 8]);
    assert_eq!(read("st1", &sse), [0; 10]);
    assert_eq!(read("mm1", &sse), [0; 8]);
    assert_eq!(read("fpcw", &sse), [0x7f, 3]);
    assert_eq!(read("fpsw", &sse), [0, 0]);
    assert_eq!(read("fptw", &sse), [0xff, 0xff]);
    assert_eq!(read("mxcsr", &sse), run(24, 4));
    let untouched = area(1 << X87 | 1 << PKRU);
    assert_eq!(read("mxcsr", &untouched), 0x1f80_u32.to_le_bytes());
    assert_eq!(read("xmm0", &untouched), [0; 16]);
}

#[test]
fn an_area_may_lack_what_is_not_in_use() {
    let area = area(1 << X87 | 1 << SSE);
    assert_eq!(read("zmm3", &area[..576]), read("zmm3", &area));
    assert_eq!(named("xmm0").read(&layout(), &area[..500]), None);
    let legacy = XsaveLayout::legacy();
    assert_eq!(named("xmm0").read(&legacy, &area[..512]).expect("FXSAVE's").bytes(), run(160, 16));
    assert_eq!(named("st0").read(&legacy, &area[..512]).expect("FXSAVE's").bytes(), run(32, 10));
    assert_eq!(named("ymm0").read(&legacy, &area[..512]), None);
}

#[test]
fn a_machine_without_a_component_lacks_its_registers() {
    let layout = XsaveLayout::new(7, layout().components().iter().copied());
    let area = area(7);
    for name in ["zmm0", "xmm16", "ymm31", "k0", "pkru"] {
        assert_eq!(named(name).read(&layout, &area), None, "{name}");
        assert_eq!(named(name).patches(&layout, &area, &ExtendedValue::new(&[1])), []);
    }
    assert!(named("ymm15").read(&layout, &area).is_some());
}

#[test]
fn x87_has_its_control_words() {
    let mut area = area(EVERYTHING);
    let one = [0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f];
    area[32..160].fill(0);
    area[32..42].copy_from_slice(&one); // st0: 1.0
    area[64..72].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0xc0]); // st2: a denormal number
    area[88..90].copy_from_slice(&[0xff, 0x7f]); // st3: an invalid infinity
    // The top is place 6: st0 to st3 are places 6, 7, 0 and 1, and all four are there.
    area[..24].copy_from_slice(&[
        0x7f,
        2,
        0,
        0x30,
        0b1100_0011,
        0,
        0x34,
        0x12,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        9,
        10,
        11,
        12,
        13,
        14,
        15,
        16,
    ]);
    assert_eq!(read("fpcw", &area), [0x7f, 2]);
    assert_eq!(read("fop", &area), [0x34, 0x12]);
    assert_eq!(read("fip", &area), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(read("fdp", &area), [9, 10, 11, 12, 13, 14, 15, 16]);
    assert_eq!(read("st0", &area), one);
    let tags = u16::from_le_bytes([read("fptw", &area)[0], read("fptw", &area)[1]]);
    // Places 7 to 0: zero, valid, four that are empty, two special ones.
    assert_eq!(tags, 0b01_00_11_11_11_11_10_10, "{tags:#018b}");
    assert_eq!(read("mm6", &area), one[..8]);
    assert_eq!(read("mm0", &area), [0, 0, 0, 0, 0, 0, 0, 0xc0]);
    let patches = named("fptw").patches(&layout(), &area, &ExtendedValue::new(&[0xfa, 0x4f]));
    assert_eq!(patches, [(4, vec![0b1100_0011])]);
}

#[test]
fn what_is_written_is_read_back() {
    for in_use in [0, 1 << SSE, 1 << X87, EVERYTHING] {
        for register in ExtendedRegister::all() {
            let mut area = area(in_use);
            // MXCSR's mask, and a top of the stack.
            area[28..32].copy_from_slice(&0xffff_u32.to_le_bytes());
            area[24..28].copy_from_slice(&0x1fa0_u32.to_le_bytes());
            let bytes: Vec<u8> = (1..=register.size_bytes() as u8).collect();
            let value = match register.name().as_str() {
                "mxcsr" => ExtendedValue::new(&0x1fbf_u32.to_le_bytes()),
                "fptw" => ExtendedValue::new(&[0xff, 0xff]),
                _ => ExtendedValue::new(&bytes),
            };
            let patches = register.patches(&layout(), &area, &value);
            let slices = patches.iter().map(|(offset, bytes)| (*offset, bytes.as_slice()));
            let written = layout().patch(&mut area, slices);
            assert_eq!(written, Ok(()), "{}", register.name());
            assert_eq!(register.read(&layout(), &area), Some(value), "{}", register.name());
        }
    }
}
