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
