//! Every rule, the order of the rules, and the way out that each refusal names.

use super::*;

const ALL: u64 = (1 << 41) - 1;

fn nobody(uid: u32) -> Credentials {
    Credentials {
        uids: [uid; 3],
        gids: [uid; 3],
        permitted: 0,
        effective: 0,
        bounding: ALL,
        no_new_privileges: false,
    }
}

fn root() -> Credentials {
    Credentials { permitted: ALL, effective: ALL, ..nobody(0) }
}

/// A process of user 1000 that the server of the same user may attach to.
fn facts() -> Facts {
    Facts {
        name: "sleep".into(),
        state: b'S',
        is_kernel_thread: false,
        is_seized: false,
        debugger: None,
        theirs: nobody(1000),
        ours: nobody(1000),
        is_dumpable: Some(true),
        namespace: Namespace::Same,
        is_first_namespace: true,
        is_filtered: false,
        yama: None,
        modules: Vec::new(),
        labels: None,
        program: "/usr/bin/dbgsrv".into(),
        server: 4000,
    }
}

#[track_caller]
fn said(facts: &Facts, errno: Errno) -> String {
    let fault = refusal(Pid::new(4711), facts, errno);
    assert_eq!(fault.code, ErrorCode::NotPermitted);
    assert_eq!(fault.errno, Some(errno.raw_os_error()));
    let begins = "attach to process 4711 (sleep): not permitted; ";
    fault.detail.strip_prefix(begins).expect("what it is about").to_owned()
}

#[track_caller]
fn assert_rule(facts: &Facts, expected: Rule) {
    assert_eq!(rule(facts, Errno::PERM), expected);
}

#[test]
fn what_is_no_rule_has_its_own_code() {
    let code = |facts: &Facts, errno| refusal(Pid::new(4711), facts, errno).code;
    let zombie = Facts { state: b'Z', ..facts() };
    assert_eq!(code(&zombie, Errno::PERM), ErrorCode::NoSuchProcess);
    let traced = Facts { debugger: Some("by process 7 (gdb)".into()), ..facts() };
    let fault = refusal(Pid::new(4711), &traced, Errno::PERM);
    assert_eq!(fault.code, ErrorCode::AlreadyTraced);
    assert!(fault.detail.ends_with("is being debugged already, by process 7 (gdb)"));
    assert_eq!(code(&facts(), Errno::MFILE), ErrorCode::LimitReached);
    assert_eq!(code(&facts(), Errno::IO), ErrorCode::SystemError);
}

#[test]
fn the_rules_come_in_the_kernels_order() {
    let worst = Facts {
        is_filtered: true,
        is_kernel_thread: true,
        theirs: Credentials { permitted: 1, ..nobody(1) },
        is_dumpable: Some(false),
        namespace: Namespace::Unknown,
        yama: Some(1),
        modules: vec!["apparmor".into()],
        ..facts()
    };
    assert_rule(&worst, Rule::Filtered);
    let facts = Facts { is_filtered: false, ..worst };
    assert_rule(&facts, Rule::KernelThread);
    let facts = Facts { is_kernel_thread: false, ..facts };
    assert_rule(&facts, Rule::Ids);
    let facts = Facts { theirs: Credentials { permitted: 1, ..nobody(1000) }, ..facts };
    assert_rule(&facts, Rule::NotDumpable);
    let facts = Facts { is_dumpable: Some(true), ..facts };
    assert_rule(&facts, Rule::MoreCapabilities);
    let facts = Facts { theirs: nobody(1000), ..facts };
    assert_rule(&facts, Rule::UserNamespace);
    let facts = Facts { namespace: Namespace::Same, ..facts };
    assert_rule(&facts, Rule::Yama(1));
    let facts = Facts { yama: Some(0), ..facts };
    assert_rule(&facts, Rule::SecurityModule);
    let facts = Facts { modules: Vec::new(), ..facts };
    assert_rule(&facts, Rule::Unknown);
    assert_eq!(rule(&facts, Errno::ACCESS), Rule::SecurityModule);
}

/// It is the real ids of the server that count, and all three of the process.
#[test]
fn every_id_has_to_be_ours() {
    for index in 0..3 {
        let mut uids = facts();
        uids.theirs.uids[index] = 0;
        assert_rule(&uids, Rule::Ids);
        assert!(said(&uids, Errno::PERM).starts_with("its user ids are "));
        let mut gids = facts();
        gids.theirs.gids[index] = 0;
        assert_rule(&gids, Rule::Ids);
        assert!(said(&gids, Errno::PERM).starts_with("its group ids are "));
    }
    let effective = Credentials { uids: [1, 1000, 1000], ..nobody(1000) };
    assert_rule(&Facts { ours: effective, ..facts() }, Rule::Ids);
}

#[test]
fn the_capability_is_beyond_the_rules_where_it_reaches() {
    let shut = Facts {
        theirs: Credentials { permitted: ALL, ..nobody(1) },
        is_dumpable: Some(false),
        ours: Credentials { permitted: CAP_SYS_PTRACE, effective: CAP_SYS_PTRACE, ..nobody(1000) },
        ..facts()
    };
    assert_rule(&shut, Rule::Unknown);
    assert_rule(&Facts { yama: Some(1), ..shut.clone() }, Rule::Unknown);
    assert_rule(&Facts { yama: Some(2), ..shut.clone() }, Rule::Unknown);
    assert_rule(&Facts { yama: Some(3), ..shut.clone() }, Rule::Yama(3));
    let inner = Facts { is_first_namespace: false, namespace: Namespace::Other, ..shut };
    assert_rule(&inner, Rule::UserNamespace);
    assert!(said(&inner, Errno::PERM).contains("does not reach"));
    assert_rule(&Facts { namespace: Namespace::Same, ..inner }, Rule::Unknown);
}

#[test]
fn each_level_of_yama_has_its_way_out() {
    let at = |level| said(&Facts { yama: Some(level), ..facts() }, Errno::PERM);
    let first = at(1);
    assert!(first.starts_with("kernel.yama.ptrace_scope is 1: a process may attach only to what"));
    assert!(
        first.contains("launch it from the debugger, have it call prctl(PR_SET_PTRACER, 4000)")
    );
    assert!(first.ends_with("give the server the right: setcap cap_sys_ptrace=ep /usr/bin/dbgsrv"));
    let second = at(2);
    assert!(second.starts_with("kernel.yama.ptrace_scope is 2: attaching takes the capability"));
    assert!(second.contains("setcap cap_sys_ptrace=ep /usr/bin/dbgsrv"), "{second}");
    assert!(second.contains("set that to 1 by sysctl(8)"), "{second}");
    let third = at(3);
    assert!(third.starts_with("kernel.yama.ptrace_scope is 3: nothing on this machine may be"));
    assert!(third.ends_with("only by restarting the machine"), "{third}");
}

#[test]
fn the_least_privileged_way_out_is_named() {
    let other = Facts { theirs: nobody(1001), ..facts() };
    assert!(said(&other, Errno::PERM).ends_with(
        "run a server as that user: setpriv --reuid=1001 --regid=1001 --init-groups dbgsrv"
    ));
    let both = "give the server the right: setcap cap_sys_ptrace,cap_dac_override=ep \
                /usr/bin/dbgsrv";
    // As that user it would fail at the next rule.
    let shut = Facts { is_dumpable: Some(false), ..other.clone() };
    assert!(said(&shut, Errno::PERM).ends_with(both));
    assert!(said(&Facts { theirs: root(), ..facts() }, Errno::PERM).ends_with(both));
    // It need have no more than the process.
    let net = 1 << 10 | 1 << 13;
    let capable = Facts { theirs: Credentials { permitted: net, ..nobody(1000) }, ..facts() };
    let words = said(&capable, Errno::PERM);
    assert!(words.contains("lacks (cap_net_bind_service,cap_net_raw)"), "{words}");
    assert!(words.ends_with("setcap cap_net_bind_service,cap_net_raw=ep /usr/bin/dbgsrv"));
    let many = Facts { theirs: Credentials { permitted: ALL, ..nobody(1000) }, ..facts() };
    let words = said(&many, Errno::PERM);
    assert!(words.contains(",37 more)"), "{words}");
    assert!(words.ends_with("setcap cap_sys_ptrace=ep /usr/bin/dbgsrv"), "{words}");
}

#[test]
fn a_way_out_that_is_barred_is_not_named() {
    let shut = Facts { is_dumpable: Some(false), ..facts() };
    let barred = Credentials { no_new_privileges: true, ..nobody(1000) };
    let words = said(&Facts { ours: barred, ..shut.clone() }, Errno::PERM);
    assert!(words.contains("start the server without no_new_privs"), "{words}");
    let bounded = Credentials { bounding: ALL & !CAP_SYS_PTRACE, ..nobody(1000) };
    let words = said(&Facts { ours: bounded, ..shut }, Errno::PERM);
    assert!(words.contains("where it may have CAP_SYS_PTRACE and CAP_DAC_OVERRIDE"), "{words}");
    assert!(!words.contains("setcap"), "{words}");
}

#[test]
fn security_modules_are_named_with_their_labels() {
    let labels = Some(("unconfined".to_owned(), "docker-default (enforce)".to_owned()));
    let confined = Facts { modules: vec!["apparmor".into()], labels, ..facts() };
    let words = said(&confined, Errno::ACCESS);
    assert!(words.starts_with(
        "the security module apparmor forbids it (its label is unconfined, this server's \
         docker-default (enforce))"
    ));
    let two = Facts { modules: vec!["landlock".into(), "bpf".into()], ..facts() };
    assert!(said(&two, Errno::PERM).starts_with("one of the security modules landlock, bpf "));
}

#[test]
fn a_status_file_is_read() {
    let text = "Name:\ta\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nCapInh:\t0\n\
                CapPrm:\t0000000000080000\nCapEff:\t0000000000000001\nCapBnd:\t000001ffffffffff\n\
                NoNewPrivs:\t1\n";
    let read = facts::credentials(text).expect("it parses");
    let expected = Credentials {
        uids: [1, 2, 3],
        gids: [5, 6, 7],
        permitted: CAP_SYS_PTRACE,
        effective: 1,
        bounding: ALL,
        no_new_privileges: true,
    };
    assert_eq!(read, expected);
    assert_eq!(facts::credentials("Uid:\t1\t2\nGid:\t5\t6\t7\t8\n"), None);
}
