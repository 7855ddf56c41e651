//! Modules of targets that see other files than the server does: they are named, and their files
//! read, as the targets do.

use dbgbase::{Address, ExitStatus};
use dbgwire::verbs::file::{CloseFile, FileAccess, OpenFile, ReadFile};
use dbgwire::verbs::memory::{ListRegions, Range};
use dbgwire::verbs::module::{ListModules, ModuleDescription};
use testkit::{Client, DECOY, OwnFiles, Root, Target, Testee};

use crate::begin;
use crate::loading::{ask_for_stops, next_change};

/// The first bytes of a file as a target sees it, or, with 0, as the server does.
fn head(client: &mut Client, target: u32, path: &[u8], len: u32) -> Option<Vec<u8>> {
    let access = FileAccess::Read as i32;
    let open = OpenFile { path: path.to_vec(), target, access, ..OpenFile::default() };
    let file = client.call(&open).ok()?.file;
    let id = client
        .send(&ReadFile { file, ranges: vec![Range { address: 0, len }] }, bytes::Bytes::new());
    let (_, tail) = client.answer::<ReadFile>(id).expect("it is open");
    client.call(&CloseFile { file }).expect("it is open");
    Some(tail.to_vec())
}

/// Every module's file is found by its name, and is what is mapped.
#[track_caller]
fn assert_found(client: &mut Client, target: Target, modules: &[ModuleDescription]) {
    let files = modules.iter().filter(|module| module.path != b"[vdso]");
    for module in files {
        let mapped = client.read(target, Address::new(module.base), 64);
        let found = head(client, target.id, &module.path, 64);
        assert_eq!(found, Some(mapped), "{}", String::from_utf8_lossy(&module.path));
    }
}

#[test]
fn modules_are_named_and_read_as_their_target_does() {
    let [program, plugin] =
        [Testee::build("loads", &[]), Testee::build("plugin", &["-shared", "-fPIC"])];
    for root in [Root::Namespace, Root::Directory] {
        let (guard, _server, mut client) = begin();
        let does = ["o", "s", "c", "o"];
        let mut own = OwnFiles::start(&guard, root, [&program, &plugin], &does);
        let (target, stop) = client.attach(own.process.pid());
        let modules = stop.modules().to_vec();
        let paths = ["program", "plugin"].map(|name| own.own_path(root, name).into_bytes());
        assert!(modules[0].is_program && modules[0].path == paths[0], "{modules:?}");
        assert!(modules.iter().any(|module| module.path == paths[1]), "{modules:?}");
        assert!(modules.iter().any(|module| module.path.ends_with(b"/libc.so.6")));
        assert_found(&mut client, target, &modules);
        let elsewhere = own.directory.join("opt/plugin").into_os_string().into_encoded_bytes();
        let decoy = head(&mut client, 0, &elsewhere, 64);
        assert_eq!(decoy.as_deref(), Some(DECOY.as_bytes()), "the server sees another");
        let listed = client.call(&ListModules { target: target.id }).expect("it lives");
        assert_eq!(listed.modules, modules);
        let regions = client.call(&ListRegions { target: target.id, from: 0 }).expect("it lives");
        for path in &paths {
            assert!(regions.regions.iter().any(|region| region.name == *path));
        }
        // And what is loaded later.
        ask_for_stops(&mut client, target);
        own.process.close_input();
        let stop = next_change(&mut client, target);
        assert!(stop.modules().iter().all(|module| module.path != paths[1]));
        let stop = next_change(&mut client, target);
        assert!(stop.modules().iter().any(|module| module.path == paths[1]));
        assert_found(&mut client, target, stop.modules());
        client.go(target);
        assert_eq!(client.wait_exit(), ExitStatus::Exited(5));
        assert_eq!(own.process.wait(), ExitStatus::Exited(5));
    }
}

#[test]
fn what_was_mapped_before_another_root_keeps_its_name() {
    let (guard, _server, mut client) = begin();
    let [program, plugin] =
        [Testee::build("loads", &[]), Testee::build("plugin", &["-shared", "-fPIC"])];
    let [path, library] =
        [&program, &plugin].map(|testee| testee.path().to_str().expect("text").to_owned());
    let arguments = ["--map-root-user", path.as_str(), library.as_str(), "o", "j", "s"];
    let mut process = guard.start("unshare", &arguments);
    assert_eq!(process.read_line(), "ready");
    let (target, stop) = client.attach(process.pid());
    let named = |path: &str| {
        stop.modules().iter().find(|module| module.path == path.as_bytes()).expect(path)
    };
    assert!(named(&path).is_program);
    for module in [named(&path), named(&library)] {
        assert_eq!(head(&mut client, target.id, &module.path, 64), None);
        let mapped = client.read(target, Address::new(module.base), 64);
        assert_eq!(head(&mut client, 0, &module.path, 64), Some(mapped));
    }
    client.detach(target);
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(5));
}
