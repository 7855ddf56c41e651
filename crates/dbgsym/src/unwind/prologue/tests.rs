//! Tests.

use super::*;

/// Depth, depth of the frame pointer, saved registers.
type Effect = (Option<i64>, Option<i64>, Vec<(RegisterId, i64)>);

fn effect(code: &[u8]) -> Effect {
    let effect = effect_of(code);
    (effect.depth_bytes, effect.frame_pointer_depth_bytes, effect.saved)
}

#[test]
fn prologues_are_followed_instruction_by_instruction() {
    let push_rbp = [0x55];
    let mov_rbp_rsp = [0x48, 0x89, 0xe5];
    let push_rbx = [0x53];
    let sub_rsp_18h = [0x48, 0x83, 0xec, 0x18];
    let saved_rbp = vec![(x86_64::RBP, 8)];
    assert_eq!(effect(&[]), (Some(0), None, vec![]));
    assert_eq!(effect(&push_rbp), (Some(8), None, saved_rbp.clone()));
    let framed = [&push_rbp[..], &mov_rbp_rsp].concat();
    assert_eq!(effect(&framed), (Some(8), Some(8), saved_rbp));
    let full = [&framed[..], &push_rbx, &sub_rsp_18h].concat();
    let both = vec![(x86_64::RBP, 8), (x86_64::RBX, 16)];
    assert_eq!(effect(&full), (Some(0x28), Some(8), both));
}

#[test]
fn an_unknown_stack_pointer_matters_only_without_a_frame_pointer() {
    let and_rsp = [0x48, 0x83, 0xe4, 0xf0];
    assert_eq!(effect(&and_rsp), (None, None, vec![]));
    let framed = [&[0x55, 0x48, 0x89, 0xe5][..], &and_rsp, &[0x53]].concat();
    assert_eq!(effect(&framed), (None, Some(8), vec![(x86_64::RBP, 8)]));
}

#[test]
fn what_is_not_straight_ends_the_prologue() {
    let push_rbx = [0x53];
    for code in [
        &[0xe8, 0, 0, 0, 0][..], // call
        &[0x74, 0],              // je
        &[0xc3],                 // ret
        &[0x5d],                 // pop rbp
        &[0xc9],                 // leave
        &[0x48, 0x89],           // half a mov
        &[0x06],                 // no instruction
    ] {
        let surrounded = [&push_rbx[..], code, &push_rbx, &push_rbx].concat();
        let found = effect(&surrounded);
        assert_eq!(found, (Some(8), None, vec![(x86_64::RBX, 8)]), "{code:x?}");
    }
}

/// Depth and saved registers at an offset, by any path.
fn on_the_way(code: &[u8], at: usize) -> Option<(Option<i64>, Vec<RegisterId>)> {
    let effect = paths::effect_at(code, at)?;
    Some((effect.depth_bytes, effect.saved.into_iter().map(|(id, _)| id).collect()))
}

#[test]
fn paths_lead_through_branches_and_epilogues() {
    let code = [
        &[0x74, 0x0b][..],         // 0: je 0xd
        &[0x55],                   // 2: push rbp
        &[0x48, 0x89, 0xe5],       // 3: mov rbp, rsp
        &[0x53],                   // 6: push rbx
        &[0xe8, 0, 0, 0, 0],       // 7: call
        &[0xc3],                   // 0xc: never reached with this depth
        &[0x48, 0x83, 0xec, 0x08], // 0xd: sub rsp, 8
        &[0x48, 0x83, 0xc4, 0x08], // 0x11: add rsp, 8
        &[0xc3],                   // 0x15: ret
    ]
    .concat();
    assert_eq!(on_the_way(&code, 0), Some((Some(0), vec![])));
    assert_eq!(on_the_way(&code, 7), Some((Some(16), vec![x86_64::RBP, x86_64::RBX])));
    assert_eq!(on_the_way(&code, 0xc), Some((Some(16), vec![x86_64::RBP, x86_64::RBX])));
    assert_eq!(on_the_way(&code, 0x11), Some((Some(8), vec![])));
    assert_eq!(on_the_way(&code, 0x15), Some((Some(0), vec![])));
    // In the middle of an instruction nobody comes.
    assert_eq!(on_the_way(&code, 4), None);
}

#[test]
fn what_is_popped_is_the_callers_again() {
    let code = [
        &[0x55][..],         // 0: push rbp
        &[0x48, 0x89, 0xe5], // 1: mov rbp, rsp
        &[0x53],             // 4: push rbx
        &[0x5b],             // 5: pop rbx
        &[0xc9],             // 6: leave
        &[0xc3],             // 7: ret
    ]
    .concat();
    assert_eq!(on_the_way(&code, 5), Some((Some(16), vec![x86_64::RBP, x86_64::RBX])));
    assert_eq!(on_the_way(&code, 6), Some((Some(8), vec![x86_64::RBP])));
    assert_eq!(on_the_way(&code, 7), Some((Some(0), vec![])));
}

#[test]
fn an_aligned_stack_is_found_by_the_frame_pointer() {
    let code = [0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xe4, 0xf0, 0x90];
    let effect = paths::effect_at(&code, 8).expect("the frame pointer is known");
    assert_eq!((effect.depth_bytes, effect.frame_pointer_depth_bytes), (None, Some(8)));
    assert_eq!(paths::effect_at(&code[4..], 4).map(|effect| effect.depth_bytes), None);
}

#[test]
fn any_code_has_an_effect_or_none() {
    let mut state = 0xc0de_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    for _ in 0..1_000 {
        let code: Vec<u8> = std::iter::repeat_with(&mut random).take(60).collect();
        let _ = effect_of(&code);
        for target in 0..=code.len() {
            let found = paths::effect_at(&code, target);
            let is_known = |effect: StackEffect| {
                effect.depth_bytes.or(effect.frame_pointer_depth_bytes).is_some()
            };
            assert!(found.is_none_or(is_known), "{code:x?} at {target}");
        }
    }
}
