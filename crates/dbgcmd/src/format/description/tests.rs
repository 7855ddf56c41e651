//! The layouts on a process that is made up.

use dbgbase::{Pid, Tid};
use dbgeng::{Container, PartError, ProcessDescription, ProcessPlaces, ProcessSecurity};
use expect_test::expect;

use super::*;

fn sample() -> ProcessDetails {
    ProcessDetails {
        process: ProcessDescription {
            pid: Pid::new(4711),
            parent: Pid::new(1),
            name: "sleep".to_owned(),
            executable: b"/bin/sleep".to_vec(),
            arguments: vec![b"sleep".to_vec(), b"5 s".to_vec()],
            uid: 1000,
            user: "ann".to_owned(),
            threads: 1,
            start_time: 5,
            tracer: Some(Pid::new(99)),
            session: 17,
            state: 'S',
            namespaces: Vec::new(),
            container: Some(Container { engine: "lxc".to_owned(), id: "web".to_owned() }),
            debugger: "by session 3".to_owned(),
            started_ms: 60_000,
        },
        now_ms: 63_000,
        pids: vec![Pid::new(4711), Pid::new(1)],
        errors: Vec::new(),
        cut: vec![ProcessPart::Environment],
        environment: vec![b"A=1".to_vec(), b"ESC=\x1b[2J".to_vec()],
        auxiliary: Vec::new(),
        descriptors: Vec::new(),
        limits: vec![
            ResourceLimit {
                name: "Max open files".to_owned(),
                unit: "files".to_owned(),
                soft: Some(1024),
                hard: None,
            },
            ResourceLimit {
                name: "nice priority".to_owned(),
                unit: String::new(),
                soft: Some(0),
                hard: Some(0),
            },
        ],
        threads: Vec::new(),
        namespaces: vec![
            Namespace { kind: "mnt".to_owned(), inode: 7, is_servers: false },
            Namespace { kind: "net".to_owned(), inode: 8, is_servers: true },
        ],
        control_group: b"/lxc/web".to_vec(),
        security: Some(ProcessSecurity {
            uids: vec![1000, 0, 0, 0],
            gids: vec![100; 4],
            groups: vec![100, 27],
            inheritable: 0,
            permitted: 0x1f,
            effective: 0x1f,
            bounding: 0xff,
            ambient: 0,
            seccomp: 2,
            filters: 3,
            no_new_privileges: true,
            dumpable: None,
        }),
        places: Some(places()),
    }
}

fn places() -> ProcessPlaces {
    ProcessPlaces {
        working_directory: b"/home/ann b".to_vec(),
        root: b"/".to_vec(),
        executable: b"/bin/sleep".to_vec(),
        build_id: vec![0xaa, 0x0b],
        mode: 0o6755,
        owner: 0,
        group: 5,
    }
}

#[test]
fn a_process_is_shown_with_all_that_is_known() {
    expect![[r#"
        Process 0n4711 (sleep), started Thu Jan  1 00:01:00 1970 UTC
            IdInNamespace:      0n1
            Parent:             0n1
            User:               ann (1000)
            Session:            17
            Threads:            1
            DebuggedBy:         0n99, by session 3
            CommandLine:        sleep "5 s"
            ImageFile:          /bin/sleep
            FileMode:           6755, owner 0, group 5, set-user-ID, set-group-ID
            BuildId:            aa0b
            CurrentDirectory:   "/home/ann b"
            RootDirectory:      /
            Container:          lxc web
            ControlGroup:       /lxc/web
            Namespaces:         of its own: mnt:[7]
            Users:              real 1000, effective 0, saved 0, file system 0
            Groups:             real 100, effective 100, saved 100, file system 100
            OtherGroups:        100 27
            Capabilities:       effective 1f, permitted 1f, inheritable 0, bounding ff, ambient 0
            Seccomp:            filters: 3
            NoNewPrivileges:    Yes
            Dumpable:           unknown
            Limits:                                 soft                 hard
                Max open files                      1024            unlimited files
                nice priority                          0                    0
    "#]]
    .assert_eq(&process(&sample()));
    // The first line tells how far the others are indented.
    expect![[r#"
        here:
            Environment:
                A=1
                ESC=\u{1b}[2J
                ... and more
    "#]]
    .assert_eq(&format!("here:\n{}", environment(&sample())));
}

#[test]
fn what_may_not_be_seen_is_said_to_be_so() {
    let closed = [
        ProcessPart::Environment,
        ProcessPart::Namespaces,
        ProcessPart::Places,
        ProcessPart::Limits,
        ProcessPart::Security,
    ];
    let details = ProcessDetails {
        errors: closed.map(|part| PartError { part, errno: 13 }).to_vec(),
        cut: Vec::new(),
        environment: Vec::new(),
        limits: Vec::new(),
        security: None,
        places: None,
        namespaces: Vec::new(),
        ..sample()
    };
    let text = process(&details) + &environment(&details);
    assert_eq!(text.matches(&missing(13)).count(), closed.len(), "{text}");
    assert_eq!(missing(5), "<error 5 of the process server's system>");
}

fn open(number: u32, target: &[u8], flags: u32) -> Descriptor {
    Descriptor { number, target: target.to_vec(), flags, offset: 42 }
}

#[test]
fn descriptors_show_what_is_asked_for() {
    let file = open(16, b"/tmp/\x1bx", 0o2_102_001);
    expect![[r#"
        Handle 0n16
          Type          File
          GrantedAccess O_WRONLY | O_APPEND | O_CLOEXEC | 0100000
          Name          /tmp/\u{1b}x
          Offset        0x2a
    "#]]
    .assert_eq(&descriptor(&file, Aspects(u64::MAX)));
    assert_eq!(descriptor(&file, Aspects(0)), "Handle 0n16\n");
    assert_eq!(descriptor(&file, Aspects(Aspects::KIND)), "Handle 0n16\n  Type          File\n");
    let others = [open(0, b"pipe:[5]", 0), open(1, b"pipe:[6]", 1), file];
    let others: Vec<&Descriptor> = others.iter().collect();
    expect![[r#"
        3 Handles
        Type                Count
        File                1
        Pipe                2
    "#]]
    .assert_eq(&descriptor_counts(&others));
}

#[test]
fn kinds_are_told_by_what_proc_calls_them() {
    for (target, expected) in [
        (&b"/etc/passwd"[..], "File"),
        (b"/etc/passwd (deleted)", "File"),
        (b"/dev/shm/x", "File"),
        (b"/dev/null", "Device"),
        (b"/dev/pts/3", "Terminal"),
        (b"/dev/tty", "Terminal"),
        (b"/memfd:x (deleted)", "Memory"),
        (b"socket:[5]", "Socket"),
        (b"pipe:[5]", "Pipe"),
        (b"anon_inode:[eventpoll]", "Eventpoll"),
        (b"anon_inode:inotify", "Inotify"),
        (b"net:[4026531840]", "Namespace"),
        (b"", "File"),
    ] {
        assert_eq!(kind(target), expected);
    }
}

#[test]
fn flags_that_differ_between_cpus_stay_numbers() {
    assert_eq!(access(0), "O_RDONLY");
    assert_eq!(access(0o2_006_002), "O_RDWR | O_APPEND | O_NONBLOCK | O_CLOEXEC");
    assert_eq!(access(0o100_001), "O_WRONLY | 0100000");
    assert_eq!(access(0o4_010_000), "O_RDONLY | O_SYNC");
    assert_eq!(access(3), "O_ACCMODE");
}

fn thread(tid: u32, user_us: u64, started_ms: u64) -> ThreadStatus {
    ThreadStatus {
        tid: Tid::new(tid),
        name: format!("t{tid}"),
        state: 'S',
        user_us,
        system_us: 20_000,
        started_ms,
        cpu: 0,
        policy: 0,
        realtime_priority: 0,
        nice: 0,
    }
}

#[test]
fn those_that_run_away_come_first() {
    let (first, second) = (thread(0x1a2b, 10_000, 1_000), thread(0x1a2c, 90_061_001_000, 61_000));
    let threads = [(Some(0), &first), (Some(1), &second), (None, &first)];
    let kinds = TimeKind::ALL.map(|kind| times(&threads, kind, 3_601_500));
    // The first line tells how far the others are indented.
    expect![[r#"
        here:
         User Mode Time
          Thread       Time
           1:1a2c      1 days 1:01:01.001     "t6700"
           ?:1a2b      0 days 0:00:00.010     "t6699"
           0:1a2b      0 days 0:00:00.010     "t6699"
         Kernel Mode Time
          Thread       Time
           ?:1a2b      0 days 0:00:00.020     "t6699"
           0:1a2b      0 days 0:00:00.020     "t6699"
           1:1a2c      0 days 0:00:00.020     "t6700"
         Elapsed Time
          Thread       Time
           ?:1a2b      0 days 1:00:00.500     "t6699"
           0:1a2b      0 days 1:00:00.500     "t6699"
           1:1a2c      0 days 0:59:00.500     "t6700"
    "#]]
    .assert_eq(&format!("here:\n{}", kinds.concat()));
    expect![[r#"
        Created: Thu Jan  1 00:01:01 1970 UTC
        Kernel:  0 days 0:00:00.020
        User:    1 days 1:01:01.001
    "#]]
    .assert_eq(&thread_times(&second));
}

#[test]
fn a_program_that_was_not_given_its_owners_rights_is_told_so() {
    // It runs as root already, and not with the group 5.
    let told = executed(&sample());
    let why = "it may gain no privileges (no_new_privs)";
    assert_eq!(told, format!("It runs as group 100, not 5 as its file says: {why}\n"));
    let with = |change: fn(&mut ProcessPlaces, &mut ProcessSecurity)| {
        let mut details = sample();
        if let (Some(places), Some(security)) = (&mut details.places, &mut details.security) {
            change(places, security);
        }
        executed(&details)
    };
    let told = with(|places, security| {
        (places.mode, security.no_new_privileges) = (0o4755, false);
        security.uids = vec![1000; 4];
    });
    assert!(told.starts_with("It runs as user 1000, not 0 as its file says: "), "{told}");
    assert!(told.contains("CAP_SYS_PTRACE") && told.lines().count() == 1, "{told}");
    assert_eq!(with(|places, _| places.mode = 0o755), "");
    let errors = vec![PartError { part: ProcessPart::Auxiliary, errno: 13 }];
    let told = executed(&ProcessDetails { errors, places: None, ..sample() });
    assert!(told.starts_with("Its memory is closed to the process server: "), "{told}");
}
