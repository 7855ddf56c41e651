//! Modules: their order, and what is told when they come and go.

use std::time::{Duration, Instant};

use dbgbase::{Address, ExitStatus, LoadBias, Pid, StopReason};
use dbgwire::verbs::inject::CallFunction;
use dbgwire::verbs::module::{ListModules, ModuleDescription};
use dbgwire::verbs::process::Launch;
use dbgwire::verbs::resume::SetEvents;
use testkit::{Client, Event, Stop, Target, Testee, procfs};

use crate::{address_of, begin};

/// Where Debian's musl-gcc says how it uses gcc.
const MUSL: &str = "/usr/lib/x86_64-linux-musl/musl-gcc.specs";

fn plugin() -> Testee {
    Testee::build("plugin", &["-shared", "-fPIC"])
}

/// A target that will do this with the plugin, at its initial break. Site 1 is on its function
/// `reached`.
fn begin_loads(client: &mut Client, what: &[&str]) -> (Testee, Target, Stop) {
    let testee = Testee::build("loads", &[]);
    let path = plugin().path().display().to_string();
    let (target, stop) = client.start(&testee, &[&[path.as_str()], what].concat());
    client.insert(target, 1, address_of(&testee, &stop, "reached"));
    (testee, target, stop)
}

fn names(modules: &[ModuleDescription]) -> Vec<String> {
    let name = |module: &ModuleDescription| {
        let path = String::from_utf8_lossy(&module.path).into_owned();
        path.rsplit('/').next().expect("a last part").to_owned()
    };
    modules.iter().map(name).collect()
}

fn find(modules: &[ModuleDescription]) -> Option<&ModuleDescription> {
    modules
        .iter()
        .find(|module| module.path.ends_with(plugin().path().as_os_str().as_encoded_bytes()))
}

/// Waits for a stop, and collects lists of modules that come before it and with it.
fn lists_up_to_stop(client: &mut Client) -> (Vec<Vec<ModuleDescription>>, Stop) {
    let mut lists = Vec::new();
    loop {
        match client.wait_event() {
            Event::ModulesChanged(changed) => lists.push(changed.modules),
            Event::Stopped(stop) => {
                lists.extend(stop.event.modules.clone().map(|modules| modules.modules));
                return (lists, *stop);
            }
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn ask_for_stops(client: &mut Client, target: Target) {
    let events = SetEvents { target: target.id, modules: true, ..SetEvents::default() };
    client.call(&events).expect("it lives");
}

/// Runs to the next stop for modules.
pub(crate) fn next_change(client: &mut Client, target: Target) -> Stop {
    client.go(target);
    let stop = client.wait_stop();
    assert_eq!(stop.reason(), StopReason::ModulesChanged);
    stop
}

#[test]
fn a_running_target_s_modules_are_told() {
    let (_guard, _server, mut client) = begin();
    let (_, target, _) = begin_loads(&mut client, &["o", "r", "c", "r"]);
    client.go(target);
    let (lists, stop) = lists_up_to_stop(&mut client);
    assert_eq!((lists.len(), stop.sites()), (1, vec![1]));
    let loaded = find(&lists[0]).expect("the plugin");
    assert!(!loaded.build_id.is_empty() && loaded.base == loaded.bias);
    client.go(target);
    let (lists, stop) = lists_up_to_stop(&mut client);
    assert_eq!((lists.len(), stop.sites()), (1, vec![1]));
    assert_eq!(find(&lists[0]), None);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(5));
}

#[test]
fn a_stop_for_modules_comes_before_constructors() {
    let (_guard, _server, mut client) = begin();
    let (_, target, _) = begin_loads(&mut client, &["o", "w", "c", "g", "o", "w", "c"]);
    ask_for_stops(&mut client, target);
    let plugin = plugin();
    let mut bases = Vec::new();
    for site in [2, 3] {
        let stop = next_change(&mut client, target);
        let module = find(stop.modules()).expect("the plugin");
        let at = |name| plugin.symbol(name).to_address(LoadBias::new(module.bias));
        let (begin, state) = (at("plugin_begin"), at("plugin_state"));
        assert_eq!(client.read(target, state, 4), [1, 0, 0, 0]);
        bases.push(module.base);
        client.insert(target, site, begin);
        client.go(target);
        assert_eq!(client.wait_stop().sites(), [site]);
        // Unloaded with the site in it.
        let stop = next_change(&mut client, target);
        assert_eq!(find(stop.modules()), None);
    }
    assert_ne!(bases[0], bases[1], "something lies where it was");
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(5));
}

#[test]
fn a_library_that_comes_back_to_its_place_can_be_stopped_again() {
    let (_guard, _server, mut client) = begin();
    let (_, target, _) = begin_loads(&mut client, &["o", "c", "o", "c", "o", "c"]);
    ask_for_stops(&mut client, target);
    for site in [2, 3, 4] {
        let stop = next_change(&mut client, target);
        let module = find(stop.modules()).expect("the plugin");
        let begin = plugin().symbol("plugin_begin").to_address(LoadBias::new(module.bias));
        // As a client does that has heard of the unloading.
        client.remove(target, &[site - 1]);
        client.insert(target, site, begin);
        client.go(target);
        assert_eq!(client.wait_stop().sites(), [site]);
        next_change(&mut client, target);
    }
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(5));
}

#[test]
fn a_called_function_loads_without_a_stop_and_the_change_is_told() {
    let (_guard, _server, mut client) = begin();
    let (testee, target, first) = begin_loads(&mut client, &["r"]);
    client.go(target);
    let tid = client.wait_stop().tid();
    // Even where stops are asked for.
    for round in 0..4 {
        if round == 2 {
            ask_for_stops(&mut client, target);
        }
        let is_loading = round % 2 == 0;
        let function = if is_loading { "load" } else { "unload" };
        let reply = client.call(&CallFunction {
            target: target.id,
            tid: tid.value(),
            address: address_of(&testee, &first, function).value(),
            ..CallFunction::default()
        });
        assert!(reply.expect("it returns").modules_changed, "{function}");
        let Event::ModulesChanged(change) = client.wait_event() else { panic!("another event") };
        assert_eq!(find(&change.modules).is_some(), is_loading);
    }
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(5));
}

#[test]
fn the_order_is_that_of_the_dynamic_linker() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("loads", &[]);
    let (program, preloaded) = (testee.path(), plugin().path().display().to_string());
    let launch = |client: &mut Client, environment: Vec<Vec<u8>>| {
        let program = program.as_os_str().as_encoded_bytes().to_vec();
        let arguments = vec![program.clone(), b"nothing".to_vec()];
        let launch = Launch { program, arguments, environment, ..Launch::default() };
        let reply = client.call(&launch).expect("it can be launched");
        let stop = client.wait_stop();
        (Target { id: reply.target, pid: Pid::new(reply.pid) }, stop)
    };
    let preload = format!("LD_PRELOAD={preloaded}");
    let (target, stop) = launch(&mut client, vec![preload.clone().into_bytes()]);
    let traced = guard
        .output("env", &["LD_TRACE_LOADED_OBJECTS=1", &preload, &program.display().to_string()]);
    let word = |line: &str| {
        let (name, rest) = line.trim().split_once(' ').expect("a name and more");
        let path =
            rest.strip_prefix("=> ").map_or(name, |rest| rest.split(' ').next().expect("a path"));
        path.rsplit('/').next().expect("a last part").to_owned()
    };
    let mut expected: Vec<String> = traced.lines().map(word).collect();
    expected
        .iter_mut()
        .filter(|name| name.starts_with("linux-vdso"))
        .for_each(|name| *name = "[vdso]".into());
    expected.insert(0, program.file_name().expect("a name").to_string_lossy().into_owned());
    assert_eq!(names(stop.modules()), expected);
    assert_eq!(expected[2], plugin().path().file_name().expect("a name").to_string_lossy());
    client.kill(target);
}

#[test]
fn programs_without_a_linker_have_themselves_and_the_kernel_s_image() {
    let (_guard, _server, mut client) = begin();
    for flags in [&["-static"][..], &["-static-pie"]] {
        let testee = Testee::build("count", flags);
        let (target, stop) = client.start(&testee, &["1"]);
        let program = testee.path().file_name().expect("a name").to_string_lossy().into_owned();
        assert_eq!(names(stop.modules()), [program, "[vdso]".to_owned()]);
        assert!(stop.modules()[0].is_program);
        client.go(target);
        client.wait_exit();
    }
}

#[test]
fn before_the_linker_has_begun_it_is_there_by_address() {
    let (_guard, _server, mut client) = begin();
    let (target, _) = client.start(&Testee::build("executes", &[]), &["main"]);
    client.go(target);
    let stop = client.wait_stop();
    assert_eq!(stop.reason(), StopReason::Exec);
    let found = names(stop.modules());
    assert!(found[0].starts_with("executes-") && found.len() == 3, "{found:?}");
    assert!(found.contains(&"[vdso]".to_owned()), "{found:?}");
    let listed = stop.modules().iter().map(|module| (module.link_map, module.namespace));
    assert!(listed.into_iter().all(|listed| listed == (0, 0)), "the linker has listed nothing");
    client.kill(target);
}

#[test]
fn namespaces_are_listed_behind_the_program_s() {
    let (_guard, _server, mut client) = begin();
    let (_, target, first) = begin_loads(&mut client, &["o", "n", "r"]);
    client.go(target);
    let (lists, _) = lists_up_to_stop(&mut client);
    let all = lists.last().expect("they have changed");
    let before = first.modules();
    // The linker of a namespace is the program's own; its C library is another one.
    let plugins = all
        .iter()
        .filter(|module| module.path.ends_with(plugin().path().as_os_str().as_encoded_bytes()));
    let libraries = names(all).into_iter().filter(|name| name.starts_with("libc.so")).count();
    assert_eq!((plugins.count(), libraries), (2, 2), "{:?}", names(all));
    assert_eq!(names(&all[..before.len()]), names(before));
    client.kill(target);
}

/// The word of a target's memory at `start + offset`, which is a pointer.
fn pointer(client: &mut Client, target: Target, start: u64, offset: u64) -> u64 {
    let bytes = client.read(target, Address::new(start + offset), 8);
    u64::from_le_bytes(bytes.try_into().expect("it can be read"))
}

/// The link maps of a namespace, as its list has them.
fn link_maps(client: &mut Client, target: Target, namespace: u64) -> Vec<u64> {
    let mut maps = vec![pointer(client, target, namespace, 8)];
    while let Some(last) = maps.last().copied().filter(|last| *last != 0) {
        maps.push(pointer(client, target, last, 24));
    }
    maps.pop();
    maps
}

#[test]
fn modules_say_where_the_linker_lists_them() {
    let (_guard, _server, mut client) = begin();
    let (_, target, first) = begin_loads(&mut client, &["m", "o", "n", "r"]);
    let before = first.modules().to_vec();
    client.go(target);
    let (lists, _) = lists_up_to_stop(&mut client);
    let all = lists.last().expect("they have changed").clone();
    assert_eq!(client.call(&ListModules { target: target.id }).expect("it lives").modules, all);
    for module in &all {
        let name = String::from_utf8_lossy(&module.path).into_owned();
        assert!(module.link_map != 0, "{name}");
        // l_addr, l_ld, and the list.
        assert_eq!(pointer(&mut client, target, module.link_map, 0), module.bias, "{name}");
        assert_eq!(pointer(&mut client, target, module.link_map, 16), module.dynamic, "{name}");
        let span = module.base..module.base + module.size;
        assert!(span.contains(&module.dynamic), "{name}");
        let maps = link_maps(&mut client, target, module.namespace);
        assert!(maps.contains(&module.link_map), "{name}");
    }
    // What was there before is where it was, and the program's list begins with the program.
    assert_eq!(all[..before.len()], before);
    let main = all[0].namespace;
    assert_eq!(link_maps(&mut client, target, main)[0], all[0].link_map);
    let plugins: Vec<&ModuleDescription> = all
        .iter()
        .filter(|module| module.path.ends_with(plugin().path().as_os_str().as_encoded_bytes()))
        .collect();
    let namespaces: Vec<u64> = plugins.iter().map(|module| module.namespace).collect();
    let second = pointer(&mut client, target, main, 40);
    assert_eq!(namespaces, [main, second]);
    let in_second = all.iter().filter(|module| module.namespace == second).count();
    // Its linker is the program's own, and its C library is another one.
    assert_eq!(in_second, link_maps(&mut client, target, second).len() - 1);
    client.kill(target);
}

#[test]
fn a_file_that_is_only_mapped_is_no_module() {
    let (_guard, _server, mut client) = begin();
    let (_, target, _) = begin_loads(&mut client, &["m", "r"]);
    client.go(target);
    assert_eq!(client.wait_stop().sites(), [1]);
    let list = client.call(&ListModules { target: target.id }).expect("it lives").modules;
    assert_eq!(find(&list), None, "{:?}", names(&list));
    let mapped = plugin().path().display().to_string();
    assert!(procfs::mappings(target.pid).iter().any(|mapping| mapping.name == mapped));
    client.kill(target);
}

#[test]
fn many_changes_are_told_together() {
    let (_guard, _server, mut client) = begin();
    let (_, target, _) = begin_loads(&mut client, &["L", "r"]);
    let begin = Instant::now();
    client.go(target);
    let (lists, _) = lists_up_to_stop(&mut client);
    let most = begin.elapsed().as_millis() / Duration::from_millis(50).as_millis() + 2;
    assert!((1..=most).contains(&(lists.len() as u128)), "{} lists, {most} at most", lists.len());
    client.kill(target);
}

#[test]
fn a_list_got_in_the_middle_of_loading_is_consistent() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("loads", &[]);
    let path = plugin().path().display().to_string();
    let mut process = guard.start(testee.path(), &[&path, "l"]);
    assert_eq!(process.read_line(), "ready");
    for round in 0..20 {
        let (target, stop) = client.attach(process.pid());
        let modules = stop.modules();
        let mappings = procfs::mappings(process.pid());
        for module in modules {
            let is_there = |mapping: &&procfs::Mapping| mapping.start == Address::new(module.base);
            let mapping = mappings.iter().find(is_there).expect("what is listed is mapped");
            assert_eq!(mapping.name.as_bytes(), module.path, "round {round}");
        }
        let all = names(modules);
        assert!(all[0].starts_with("loads-") && all.iter().any(|name| name.starts_with("libc.so")));
        // Half of the time its lists are being changed; the next whole one is told of.
        ask_for_stops(&mut client, target);
        let change = next_change(&mut client, target);
        assert_ne!(change.modules(), modules);
        client.detach(target);
    }
    // It checks itself all the time.
    assert!(!process.has_ended());
}

#[test]
fn musl_s_linker_is_understood() {
    if !std::path::Path::new(MUSL).exists() {
        return; // The distribution's package musl-tools is not needed for anything else.
    }
    let (_guard, _server, mut client) = begin();
    let specs = format!("-specs={MUSL}");
    let headers = ["-idirafter", "/usr/include", "-idirafter", "/usr/include/x86_64-linux-gnu"];
    let flags = [&[specs.as_str()], &headers[..]].concat();
    let plugin = Testee::build("plugin", &[&flags[..], &["-shared", "-fPIC"]].concat());
    let testee = Testee::build("loads", &flags);
    let path = plugin.path().display().to_string();
    let (target, stop) = client.start(&testee, &[&path, "o", "w", "c", "r"]);
    let before = names(stop.modules());
    assert!(before[0].starts_with("loads-") && before.len() == 3, "{before:?}");
    client.insert(target, 1, address_of(&testee, &stop, "reached"));
    ask_for_stops(&mut client, target);
    let stop = next_change(&mut client, target);
    let module = stop.modules().iter().find(|module| module.path == path.as_bytes());
    let module = module.expect("the plugin");
    assert!(stop.modules().iter().position(|each| each == module) > Some(0));
    let state = plugin.symbol("plugin_state").to_address(LoadBias::new(module.bias));
    assert_eq!(client.read(target, state, 4), [1, 0, 0, 0], "its constructor has not run");
    // musl never unloads.
    client.go(target);
    assert_eq!(client.wait_stop().sites(), [1]);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(5));
}
