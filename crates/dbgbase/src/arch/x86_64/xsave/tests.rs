//! Areas made by hand, changed as a client may ask for, right and wrong.

use super::*;

/// The layout of a CPU with AVX-512, as Intel's have it.
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

fn area(in_use: u64) -> Vec<u8> {
    // Bytes of components in their initial state mean nothing.
    let mut area = vec![0xaa; 2696];
    area[LEGACY_LEN..AREA_LEN_MIN].fill(0);
    put(&mut area, LEGACY_LEN, &in_use.to_le_bytes());
    put(&mut area, MXCSR_OFFSET, &0x1fa0_u32.to_le_bytes());
    put(&mut area, MXCSR_MASK_OFFSET, &0xffff_u32.to_le_bytes());
    area
}

#[test]
fn a_patch_brings_its_component_into_use() {
    let mut area = area(0);
    layout().patch(&mut area, [(576 + 16, &[1, 2, 3, 4][..])]).expect("ymm1's upper half");
    assert_eq!(in_use(&area), 1 << AVX);
    assert_eq!(area[576 + 16..576 + 20], [1, 2, 3, 4]);
    assert!(area[576..576 + 16].iter().chain(&area[576 + 20..832]).all(|byte| *byte == 0));
    assert_eq!(area[1088], 0xaa, "the next component is left alone");
}

#[test]
fn an_area_that_is_cut_has_no_place_for_a_patch() {
    let mut area = vec![0; 170];
    let outside = |offset| Err(PatchError::Outside { offset });
    assert_eq!(layout().patch(&mut area, [(168, &[1; 4][..])]), outside(168));
    assert_eq!(layout().patch(&mut area, [(160, &[1; 4][..])]), outside(160));
    assert_eq!(layout().patch(&mut area, [(156, &[1; 5][..])]), outside(160));
    assert!(area.iter().skip(160).all(|byte| *byte == 0));
    assert_eq!(layout().patch(&mut area, [(32, &[1; 4][..])]), Ok(()));
}

#[test]
fn initial_states_are_not_all_zero() {
    let mut area = area(0);
    layout().patch(&mut area, [(32, &[7; 10][..]), (160, &[8; 16][..])]).expect("st0 and xmm0");
    assert_eq!(in_use(&area), 1 << X87 | 1 << SSE);
    assert_eq!(area[..2], FPCW_INITIAL.to_le_bytes());
    assert_eq!(area[2..24], [0; 22]);
    assert_eq!(mxcsr(&area), MXCSR_INITIAL);
    assert_eq!(area[28..32], 0xffff_u32.to_le_bytes(), "the mask is the CPU's");
    assert_eq!((area[42], area[176]), (0, 0));
}

#[test]
fn what_is_in_use_keeps_its_bytes() {
    let mut area = area(1 << X87 | 1 << SSE | 1 << AVX);
    let before = area.clone();
    layout().patch(&mut area, [(161, &[1][..])]).expect("a byte of xmm0");
    assert_eq!((area[160], area[161], area[162]), (0xaa, 1, 0xaa));
    assert_eq!(area[..160], before[..160]);
    assert_eq!(in_use(&area), in_use(&before));
}

#[test]
fn mxcsr_belongs_to_avx_as_well() {
    let mut area = area(1 << AVX);
    assert_eq!(mxcsr(&area), 0x1fa0);
    layout().patch(&mut area, [(160, &[0; 16][..])]).expect("xmm0");
    assert_eq!(mxcsr(&area), 0x1fa0);
}

#[test]
fn a_patch_may_span_neighbours() {
    let mut area = area(0);
    layout().patch(&mut area, [(150, &[9; 20][..])]).expect("st7 and xmm0");
    assert_eq!(in_use(&area), 1 << X87 | 1 << SSE);
    assert_eq!(area[150..170], [9; 20]);
    layout().patch(&mut area, [(1140, &[9; 20][..])]).expect("k7 and zmm0");
    assert_eq!(in_use(&area) >> OPMASK, 3);
}

#[test]
fn the_rest_of_the_area_is_not_writable() {
    let patch = |offset, len| {
        let bytes = vec![0; len];
        layout().patch(&mut area(0), [(offset, &bytes[..])])
    };
    assert_eq!(patch(512, 8), Err(PatchError::Header { offset: 512 }));
    assert_eq!(patch(575, 2), Err(PatchError::Header { offset: 575 }));
    assert_eq!(patch(0, 32), Err(PatchError::Outside { offset: 28 }));
    assert_eq!(patch(408, 16), Err(PatchError::Outside { offset: 416 }));
    assert_eq!(patch(832, 1), Err(PatchError::Outside { offset: 832 }));
    assert_eq!(patch(2690, 8), Err(PatchError::Outside { offset: 2696 }));
    assert_eq!(patch(u32::MAX, 9), Err(PatchError::Outside { offset: u64::from(u32::MAX) }));
    assert_eq!(patch(9999, 0), Ok(()), "no byte is written");
}

#[test]
fn components_that_are_not_enabled_or_not_there_are_not_writable() {
    let disabled = XsaveLayout::new(7, layout().components().iter().copied());
    let outside = Err(PatchError::Outside { offset: 1088 });
    assert_eq!(disabled.patch(&mut area(0), [(1088, &[1][..])]), outside);
    assert_eq!(layout().patch(&mut area(0)[..1100], [(1088, &[1][..])]), outside);
}

#[test]
fn mxcsr_gets_only_bits_that_there_are() {
    let mut area = area(1 << SSE);
    layout().patch(&mut area, [(24, &0x1f81_u32.to_le_bytes()[..])]).expect("a sticky flag");
    let value = 0x0001_1f80_u32;
    let refused = layout().patch(&mut area, [(24, &value.to_le_bytes()[..])]);
    assert_eq!(refused, Err(PatchError::Mxcsr { value, allowed: 0xffff }));
    put(&mut area, MXCSR_MASK_OFFSET, &[0; 4]);
    let value = 0x1fc0_u32;
    let refused = layout().patch(&mut area, [(24, &value.to_le_bytes()[..])]);
    assert_eq!(refused, Err(PatchError::Mxcsr { value, allowed: 0xffbf }));
}

#[test]
fn what_is_behind_the_last_component_in_use_need_not_be_kept() {
    assert_eq!(layout().used_len(&area(0)), 576);
    assert_eq!(layout().used_len(&area(1 << AVX)), 832);
    assert_eq!(layout().used_len(&area(1 << AVX | 1 << PKRU)), 2696);
    assert_eq!(layout().used_len(&area(1 << PKRU)[..600]), 600);
    assert_eq!(XsaveLayout::legacy().used_len(&[0; 512]), 512);
}

#[test]
fn impossible_layouts_are_not_believed() {
    let wrong = [(1, 576, 16), (2, 575, 16), (63, 576, 16), (2, 576, 0), (2, u32::MAX, u32::MAX)];
    let components =
        wrong.map(|(feature, offset, size_bytes)| XsaveComponent { feature, offset, size_bytes });
    assert_eq!(XsaveLayout::new(u64::MAX, components).components(), []);
    assert_eq!(layout().offset(200), None);
}
