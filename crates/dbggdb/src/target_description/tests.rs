//! Numbers and bytes of registers, against GDB's own description.

use super::*;
use dbgbase::x86_64::xsave::XsaveComponent;

/// A machine with AVX-512 and protection keys; offsets as Intel's CPUs have them.
fn layout() -> XsaveLayout {
    let component = |feature, offset, size_bytes| XsaveComponent { feature, offset, size_bytes };
    XsaveLayout::new(
        0x2e7,
        [
            component(2, 576, 256),
            component(5, 1088, 64),
            component(6, 1152, 512),
            component(7, 1664, 1024),
            component(9, 2688, 8),
        ],
    )
}

#[test]
fn numbers_are_those_of_gdbs_own_description() {
    let description = TargetDescription::new(Arch::X86_64, layout()).expect("is described");
    let numbers: Vec<u16> = description.registers().iter().map(|one| one.number).collect();
    assert_eq!(numbers, (0..149).collect::<Vec<u16>>());
    let named = |name: &str| {
        description.registers().iter().find(|one| one.name == name).map(|one| (one.number, one.len))
    };
    assert_eq!(named("rax"), Some((0, 8)));
    assert_eq!(named("rip"), Some((16, 8)));
    assert_eq!(named("gs"), Some((23, 4)));
    assert_eq!(named("st0"), Some((24, 10)));
    assert_eq!(named("fiseg"), Some((35, 4)));
    assert_eq!(named("fop"), Some((39, 4)));
    assert_eq!(named("mxcsr"), Some((56, 4)));
    assert_eq!(named("orig_rax"), Some((57, 8)));
    assert_eq!(named("ymm0h"), Some((60, 16)));
    assert_eq!(named("k0"), Some((108, 8)));
    assert_eq!(named("zmm31h"), Some((147, 32)));
    assert_eq!(named("pkru"), Some((148, 4)));
}

#[test]
fn a_machine_without_avx_has_no_such_registers() {
    let description = TargetDescription::new(Arch::X86_64, XsaveLayout::legacy()).expect("is");
    assert_eq!(description.registers().len(), 60);
    assert!(!description.xml().contains("avx"));
    assert!(TargetDescription::new(Arch::Aarch64, XsaveLayout::legacy()).is_none());
}

#[test]
fn halves_of_a_register_are_changed_together() {
    let description = TargetDescription::new(Arch::X86_64, layout()).expect("is described");
    let layout = layout();
    let general = GeneralRegisters::zeroed(Arch::X86_64);
    let mut area = vec![0u8; 2696];
    area[512] = 0xff;
    // Every register that has bytes of its own is given other ones.
    let mut wanted = area.clone();
    wanted[..512].iter_mut().enumerate().for_each(|(at, byte)| *byte = at as u8 | 1);
    // The CPU has only some bits of MXCSR.
    wanted[24..28].copy_from_slice(&0x1fa0_u32.to_le_bytes());
    wanted[576..2696].iter_mut().enumerate().for_each(|(at, byte)| *byte = at as u8 | 1);
    let changes = description.changes((&general, &wanted), (&general, &area));
    for change in changes {
        let RegisterChange::Extended(patches) = change else { panic!("an extended register") };
        let patches = patches.iter().map(|(offset, bytes)| (*offset, bytes.as_slice()));
        layout.patch(&mut area, patches).expect("is within the area");
    }
    for register in description.registers() {
        let read = |area| description.read(register, &general, area);
        // The tags are sent in another form than they are kept in.
        if register.name != "ftag" {
            assert_eq!(read(&area), read(&wanted), "{}", register.name);
        }
    }
}

#[test]
fn half_registers_are_written_without_their_other_half() {
    let description = TargetDescription::new(Arch::X86_64, layout()).expect("is described");
    let layout = layout();
    let mut area = vec![0u8; 2696];
    area[512] = 0xff; // All components are in use.
    area[160..176].copy_from_slice(&[1; 16]);
    area[576..592].copy_from_slice(&[2; 16]);
    let upper = description.register(60).expect("ymm0h");
    let general = GeneralRegisters::zeroed(Arch::X86_64);
    assert_eq!(description.read(upper, &general, &area), Some(vec![2; 16]));
    let change = description.write(upper, &[9; 16], &area).expect("can be written");
    let RegisterChange::Extended(patches) = change else { panic!("an extended register") };
    let patches = patches.iter().map(|(offset, bytes)| (*offset, bytes.as_slice()));
    layout.patch(&mut area, patches).expect("is within the area");
    assert_eq!(description.read(upper, &general, &area), Some(vec![9; 16]));
    let lower = description.register(40).expect("xmm0");
    assert_eq!(description.read(lower, &general, &area), Some(vec![1; 16]));
    assert_eq!(description.write(upper, &[9; 15], &area), None);
}
