//! The sample of the longest answer, a whole description of a process. It knows what each field may
//! hold, and nothing of frames.

use dbgwire::verbs::description::*;
use dbgwire::verbs::process::ProcessDescription;

use super::Collection;

pub(super) fn add(all: &mut Collection) {
    let parts = ProcessPart::Environment.bit() | ProcessPart::Descriptors.bit();
    let request = DescribeProcess { pid: 4711, parts, from: 3 };
    let reply = DescribeProcessReply {
        process: Some(ProcessDescription { pid: 4711, ..ProcessDescription::default() }),
        faults: vec![PartFault { part: ProcessPart::Places as i32, errno: 13 }],
        cut: ProcessPart::Descriptors.bit(),
        environment: vec![b"TZ=UTC".to_vec()],
        auxiliary: vec![AuxiliaryEntry { key: 6, value: 4096 }],
        descriptors: vec![DescriptorDescription {
            number: 3,
            target: b"/tmp/a".to_vec(),
            flags: 0o2_100_001,
            offset: 42,
        }],
        limits: vec![ResourceLimit {
            name: "open files".into(),
            unit: "files".into(),
            soft: Some(1024),
            hard: Some(4096),
        }],
        threads: vec![ThreadStatus {
            tid: 4712,
            name: "worker".into(),
            state: u32::from('R'),
            user_us: 1_500_000,
            system_us: 20_000,
            started_ms: 1_800_000_000_000,
            cpu: 1,
            policy: 2,
            realtime_priority: 50,
            nice: -5,
        }],
        namespaces: vec![NamespaceDescription {
            kind: "pid".into(),
            inode: 4_026_531_836,
            is_servers: true,
        }],
        control_group: b"/lxc/web".to_vec(),
        security: Some(ProcessSecurity {
            uids: vec![1000, 1000, 1000, 1000],
            gids: vec![100, 100, 100, 100],
            groups: vec![100, 27],
            inheritable: 1,
            permitted: 2,
            effective: 4,
            bounding: 8,
            ambient: 16,
            seccomp: 2,
            filters: 3,
            no_new_privileges: true,
            dumpable: Some(true),
        }),
        places: Some(ProcessPlaces {
            working_directory: b"/home/ann".to_vec(),
            root: b"/".to_vec(),
            executable: b"/bin/sleep".to_vec(),
            build_id: vec![0xaa, 0xbb],
            mode: 0o4755,
            owner: 1,
            group: 100,
        }),
        now_ms: 1_800_000_005_000,
        pids: vec![4711, 1],
    };
    all.verb((request, b""), (reply, b""));
}
