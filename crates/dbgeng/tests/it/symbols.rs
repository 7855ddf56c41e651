//! Where images come from, and what is found in them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use dbgbase::Address;
use dbgeng::{
    BreakpointLocation, BreakpointSpec, Engine, ErrorKind, LaunchOptions, StopCause, SymbolKind,
    SymbolSource, SymbolStatus,
};
use dbgwire::ErrorCode;
use dbgwire::event::{Modules, ModulesChanged, StopKind};
use dbgwire::verbs::file::{
    CloseFile, CloseFileReply, OpenFile, OpenFileReply, ReadFile, ReadFileReply,
};
use dbgwire::verbs::memory::{Range as FileRange, ReadMemory, ReadMemoryReply};
use dbgwire::verbs::module::ModuleDescription;
use dbgwire::verbs::process::{Launch, LaunchReply};
use dbgwire::verbs::resume::{SetEvents, SetEventsReply};

use crate::elf::{BEYOND, LANDMARK, build_id_of, image};
use crate::peer::{Got, Peer, Session};
use crate::scene::{CODE, GO, Scene, launch, next_stop, serve_launch};

const BIAS: u64 = 0x5555_0000_0000;
/// Where the function `landmark` of the program is in the target.
pub(crate) const HERE: Address = Address::new(BIAS + LANDMARK);
pub(crate) const NOWHERE: &str = "/no/such/directory/prog";
/// How much of a long file is read at first.
const PARTS_LEN: usize = (4 + 32) * 1024;

/// The program, with build-id 1, mapped from `path`.
pub(crate) fn program(path: impl AsRef<Path>) -> ModuleDescription {
    ModuleDescription {
        base: BIAS,
        size: 0x2000,
        bias: BIAS,
        path: path.as_ref().to_str().expect("a plain path").as_bytes().to_vec(),
        build_id: build_id_of(1),
        is_program: true,
        ..ModuleDescription::default()
    }
}

/// A file of this machine, in a directory that goes with it.
pub(crate) fn local(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join(name);
    std::fs::create_dir_all(file.parent().expect("it has one")).expect("made");
    std::fs::write(&file, bytes).expect("written");
    (directory, file)
}

fn other(base: u64, path: &str) -> ModuleDescription {
    ModuleDescription {
        base,
        size: 0x1000,
        bias: base,
        path: path.as_bytes().to_vec(),
        build_id: vec![0xaa; 20],
        ..ModuleDescription::default()
    }
}

/// Launches a target that has these modules.
pub(crate) fn serve_launch_with(peer: &mut Peer, target: u32, modules: Vec<ModuleDescription>) {
    let launch = peer.expect::<Launch>();
    peer.answer(&launch, LaunchReply { target, pid: 1000 + target, ..LaunchReply::default() });
    let stop = u64::from(target);
    let mut scene = Scene::new(stop, target, 1000 + target, StopKind::InitialBreak, CODE);
    scene.stopped.modules = Some(Modules { modules });
    scene.push(peer);
}

/// Refuses a file, as the target sees it and as the server does.
fn refuse_file(peer: &mut Peer, target: u32) {
    refuse_file_of(peer, target, "no such file over here");
    refuse_file_of(peer, 0, "nor elsewhere");
}

pub(crate) fn refuse_file_of(peer: &mut Peer, target: u32, detail: &str) {
    let open = peer.expect::<OpenFile>();
    assert_eq!(open.verb.target, target);
    peer.refuse(&open, ErrorCode::NoSuchFile, detail);
}

/// Serves a file whole; all pieces are there before the first is answered, as far as that goes.
pub(crate) fn serve_file(peer: &mut Peer, path: &str, target: u32, bytes: &[u8]) {
    open_file(peer, path, target, bytes);
    let mut done = 0;
    let mut waiting = std::collections::VecDeque::new();
    while done < bytes.len() {
        let pieces_left = (bytes.len() - done).div_ceil(512 * 1024);
        while waiting.len() < pieces_left.min(16) {
            waiting.push_back(peer.expect::<ReadFile>());
        }
        let read = waiting.pop_front().expect("one was asked for");
        let range = read.verb.ranges[0];
        assert_eq!(range.address, done as u64, "in order");
        done += answer_read(peer, &read, bytes);
    }
    close_file(peer);
}

/// Serves a file from which parts are read; how many bytes those were.
pub(crate) fn serve_parts(peer: &mut Peer, path: &str, bytes: &[u8]) -> usize {
    open_file(peer, path, 1, bytes);
    let mut done = 0;
    loop {
        match peer.expect_until::<ReadFile, CloseFile>() {
            Ok(read) => done += answer_read(peer, &read, bytes),
            Err(close) => {
                peer.answer(&close, CloseFileReply {});
                return done;
            }
        }
    }
}

fn open_file(peer: &mut Peer, path: &str, target: u32, bytes: &[u8]) {
    let open = peer.expect::<OpenFile>();
    assert_eq!((&open.verb.path[..], open.verb.target), (path.as_bytes(), target));
    let size = bytes.len() as u64;
    peer.answer(&open, OpenFileReply { file: 3, size, ..OpenFileReply::default() });
}

fn answer_read(peer: &mut Peer, read: &Got<ReadFile>, bytes: &[u8]) -> usize {
    let piece = |range: &FileRange| &bytes[range.address as usize..][..range.len as usize];
    let tail: Vec<u8> = read.verb.ranges.iter().flat_map(piece).copied().collect();
    let lengths = read.verb.ranges.iter().map(|range| range.len).collect();
    peer.answer_with(read, ReadFileReply { lengths }, &tail);
    tail.len()
}

fn close_file(peer: &mut Peer) {
    let close = peer.expect::<CloseFile>();
    assert_eq!(close.verb.file, 3);
    peer.answer(&close, CloseFileReply {});
}

fn status(engine: &Engine, module: usize) -> SymbolStatus {
    engine.modules().expect("a target")[module].status.clone()
}

/// Whether a symbol covers the address; the module's name there is always.
fn has_name(engine: &Engine) -> bool {
    !engine.symbol_at(HERE).expect("in the program").name.is_empty()
}

#[test]
fn names_and_addresses_are_found_without_asking_the_server() {
    let (_directory, file) = local("my-prog", &image(Some(1), true, 0));
    let module = program(&file);
    let mut session = Session::new(move |peer| {
        serve_launch_with(peer, 1, vec![module, other(0x1000, "/lib/libc.so.6")]);
    });
    let engine = session.engine();
    launch(engine);
    let names: Vec<_> = engine.modules().expect("two").into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["my_prog", "libc_so"]);
    assert_eq!(status(engine, 0), SymbolStatus::Deferred);

    let found = engine.resolve("landmark").expect("found");
    let [only] = &found[..] else { panic!("{found:?}") };
    assert_eq!((only.address, only.size, only.kind), (HERE, 0x20, SymbolKind::Function));
    assert_eq!(engine.resolve("MY_PROG!landmark").expect("found"), found);
    let loaded = SymbolStatus::Loaded { source: SymbolSource::Local(file), symbols: 2 };
    assert_eq!(status(engine, 0), loaded);
    assert_eq!(status(engine, 1), SymbolStatus::Deferred, "nobody asked for the library");

    let at = engine.symbol_at(HERE).expect("in the program");
    assert_eq!((at.to_string(), at.exact), ("my_prog!landmark".to_owned(), true));
    let inside = engine.symbol_at(HERE.wrapping_offset(2)).expect("in the program");
    assert_eq!((inside.to_string(), inside.exact), ("my_prog!landmark+0x2".to_owned(), false));
    let behind = engine.symbol_at(HERE.wrapping_offset(0x30)).expect("in the program");
    assert!(behind.name.is_empty(), "{behind} is behind the end of landmark");
    let (before, after) = engine.symbols_near(HERE);
    assert_eq!(before, Some(at));
    assert_eq!(after.map(|after| after.address), Some(Address::new(BIAS + BEYOND)));
    assert_eq!(engine.symbol_at(Address::new(0x10)), None, "outside all modules");

    let matches = engine.search_symbols("my_*!LAND*").expect("searched");
    assert_eq!(matches, found);
    assert_eq!(engine.module_at(HERE).map(|module| module.name).as_deref(), Some("my_prog"));
    session.end();
}

#[test]
fn code_is_listed_with_names() {
    let (_directory, file) = local("my-prog", &image(Some(1), true, 0));
    let module = program(&file);
    let mut session = Session::new(move |peer| {
        let launch = peer.expect::<Launch>();
        peer.answer(&launch, LaunchReply { target: 1, pid: 1001, ..LaunchReply::default() });
        let pc = BIAS + 0x1000;
        let mut scene = Scene::new(1, 1, 1001, StopKind::InitialBreak, pc);
        // call landmark
        scene.stopped.windows[0].address = pc;
        scene.tail[..5].copy_from_slice(&[0xe8, 0x3b, 0, 0, 0]);
        scene.stopped.modules = Some(Modules { modules: vec![module] });
        scene.push(peer);
    });
    let engine = session.engine();
    launch(engine);
    let pc = engine.registers().expect("came along").pc();
    let code = engine.disassemble(pc, 1).expect("came along");
    assert_eq!(code[0].target, Some(HERE));
    assert_eq!(code[0].operands, format!("my_prog!landmark ({HERE})"));
    session.end();
}

#[test]
fn unknown_names_say_what_is_missing() {
    let (_directory, file) = local("prog", &image(Some(1), true, 0));
    let module = program(&file);
    let mut session = Session::new(move |peer| {
        serve_launch_with(peer, 1, vec![module, other(0x1000, "/no/such/libx.so.1")]);
        refuse_file(peer, 1);
        refuse_file(peer, 1);
    });
    let engine = session.engine();
    launch(engine);
    let error = engine.resolve("no_such_symbol").expect_err("unknown");
    assert_eq!(error.kind(), ErrorKind::UnknownSymbol);
    let error = engine.resolve("libx_so!f").expect_err("unknown");
    assert_eq!(error.kind(), ErrorKind::UnknownSymbol);
    assert!(error.to_string().contains("no such file over here"), "{error}");
    assert_eq!(status(engine, 1), SymbolStatus::Missing("no such file over here".to_owned()));
    // It is asked for again only on request.
    let view = engine.load_symbols("libx_so").expect("there is such a module");
    assert!(matches!(view.status, SymbolStatus::Missing(_)));
    let error = engine.load_symbols("liby_so").expect_err("no such module");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    session.end();
}

#[test]
fn a_file_that_is_not_here_is_fetched_and_shared() {
    let bytes = image(Some(1), true, 10 * 1024 * 1024 + 3);
    let mut session = Session::new(move |peer| {
        serve_launch_with(peer, 1, vec![program(NOWHERE)]);
        // All that is needed is in the file's first page; its end might have been, too.
        assert_eq!(serve_parts(peer, NOWHERE, &bytes), PARTS_LEN);
        serve_launch_with(peer, 2, vec![program(NOWHERE)]);
    });
    let engine = session.engine();
    launch(engine);
    let told = Arc::new(Mutex::new(Vec::new()));
    let progress = Arc::clone(&told);
    engine.set_transfer_progress(Some(Box::new(move |now| {
        assert_eq!(now.path, NOWHERE.as_bytes());
        progress.lock().expect("no panic").push((now.done_bytes, now.total_bytes));
    })));
    assert_eq!(engine.resolve("landmark").expect("found")[0].address, HERE);
    let source = SymbolSource::Server(PathBuf::from(NOWHERE));
    assert_eq!(status(engine, 0), SymbolStatus::Loaded { source, symbols: 2 });
    let told = told.lock().expect("no panic").clone();
    assert_eq!(told, [(PARTS_LEN as u64, PARTS_LEN as u64)]);

    engine.launch(&LaunchOptions::new("/bin/prog")).expect("launches");
    assert_eq!(next_stop(engine), StopCause::InitialBreak);
    assert_eq!(engine.current().map(|(process, _)| process.0), Some(1));
    assert_eq!(engine.resolve("landmark").expect("shared")[0].address, HERE);
    session.end();
}

#[test]
fn a_file_that_the_target_cannot_see_any_more_is_fetched_as_the_server_sees_it() {
    let mut session = Session::new(|peer| {
        serve_launch_with(peer, 1, vec![program(NOWHERE)]);
        refuse_file_of(peer, 1, "outside the target's root");
        serve_file(peer, NOWHERE, 0, &image(Some(1), true, 0));
    });
    let engine = session.engine();
    launch(engine);
    assert_eq!(engine.resolve("landmark").expect("found")[0].address, HERE);
    let source = SymbolSource::Server(PathBuf::from(NOWHERE));
    assert_eq!(status(engine, 0), SymbolStatus::Loaded { source, symbols: 2 });
    session.end();
}

#[test]
fn a_fetched_file_that_is_another_build_is_not_used() {
    let mut session = Session::new(|peer| {
        serve_launch_with(peer, 1, vec![program(NOWHERE)]);
        serve_file(peer, NOWHERE, 1, &image(Some(2), true, 0));
    });
    let engine = session.engine();
    launch(engine);
    assert!(!has_name(engine));
    assert!(matches!(status(engine, 0), SymbolStatus::Missing(why) if why.contains("replaced")));
    session.end();
}

#[test]
fn a_program_whose_file_was_removed_is_fetched_through_proc() {
    let mut session = Session::new(|peer| {
        serve_launch_with(peer, 1, vec![program(format!("{NOWHERE} (deleted)"))]);
        serve_file(peer, "/proc/1001/exe", 0, &image(Some(1), true, 0));
    });
    let engine = session.engine();
    launch(engine);
    assert_eq!(engine.processes()[0].name, "prog");
    assert_eq!(engine.resolve("landmark").expect("found")[0].address, HERE);
    session.end();
}

#[test]
fn a_transfer_can_be_interrupted_and_repeated() {
    let mut session = Session::new(|peer| {
        serve_launch_with(peer, 1, vec![program(NOWHERE)]);
        let open = peer.expect::<OpenFile>();
        peer.answer(&open, OpenFileReply { file: 8, size: 1000, ..OpenFileReply::default() });
        peer.expect::<ReadFile>();
        // It is never answered.
        let close = peer.expect::<CloseFile>();
        peer.answer(&close, CloseFileReply {});
        serve_file(peer, NOWHERE, 1, &image(Some(1), true, 0));
    });
    let engine = session.engine();
    launch(engine);
    engine.interrupter().interrupt();
    let error = engine.resolve("landmark").expect_err("interrupted");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(!engine.take_interrupt(), "the wish is fulfilled");
    assert_eq!(status(engine, 0), SymbolStatus::Deferred);
    assert_eq!(engine.resolve("landmark").expect("found")[0].address, HERE);
    session.end();
}

#[test]
fn the_symbol_path_is_searched_for_the_files_name() {
    let (right, file) = local("prog", &image(Some(1), true, 0));
    let (wrong, wrong_file) = local("prog", &image(Some(2), true, 0));
    let mut session = Session::new(|peer| {
        serve_launch_with(peer, 1, vec![program(NOWHERE)]);
        refuse_file(peer, 1);
        refuse_file(peer, 1);
    });
    let engine = session.engine();
    launch(engine);
    assert!(!has_name(engine));
    assert!(matches!(status(engine, 0), SymbolStatus::Missing(_)));
    let wrong = wrong.path().display().to_string();
    engine.set_symbol_path(&wrong);
    assert!(!has_name(engine));
    assert_eq!(status(engine, 0), SymbolStatus::Mismatched { file: wrong_file });
    let both = format!("{wrong};{}", right.path().display());
    engine.set_symbol_path(&both);
    assert_eq!(engine.symbol_path(), both);
    assert!(has_name(engine));
    let loaded = SymbolStatus::Loaded { source: SymbolSource::Local(file), symbols: 2 };
    assert_eq!(status(engine, 0), loaded);
    session.end();
}

#[test]
fn a_stripped_program_gets_its_separate_debug_file() {
    let (_stripped, file) = local("prog", &image(Some(1), false, 0));
    let by_build_id = format!(".build-id/01/{}.debug", "01".repeat(19));
    for name in [by_build_id.as_str(), "prog"] {
        let (debug, _) = local(name, &image(Some(1), true, 0));
        let (other_build, _) = local(name, &image(Some(2), true, 0));
        let module = program(&file);
        let mut session = Session::new(move |peer| serve_launch_with(peer, 1, vec![module]));
        let engine = session.engine();
        launch(engine);
        let source = SymbolSource::Local(file.clone());
        let exports = SymbolStatus::Exports { source: source.clone(), symbols: 0 };
        assert!(!has_name(engine));
        assert_eq!(status(engine, 0), exports);
        engine.set_symbol_path(&other_build.path().display().to_string());
        assert!(!has_name(engine));
        assert_eq!(status(engine, 0), exports, "not with another build's");
        engine.set_symbol_path(&debug.path().display().to_string());
        assert_eq!(engine.symbol_at(HERE).map(|at| at.name).as_deref(), Some("landmark"));
        assert_eq!(status(engine, 0), SymbolStatus::Loaded { source, symbols: 2 });
        session.end();
    }
}

#[test]
fn without_build_id_the_first_page_decides() {
    let bytes = image(None, true, 0);
    let (_directory, file) = local("prog", &bytes);
    let module = ModuleDescription { build_id: Vec::new(), ..program(&file) };
    let mut session = Session::new(move |peer| {
        serve_launch_with(peer, 1, vec![module.clone()]);
        let read = peer.expect::<ReadMemory>();
        assert_eq!(read.verb.ranges[0].address, module.base);
        let reply = || ReadMemoryReply { lengths: vec![0x1000] };
        peer.answer_with(&read, reply(), &bytes[..0x1000]);
        // Another build is mapped in the second target.
        serve_launch_with(peer, 2, vec![module]);
        let read = peer.expect::<ReadMemory>();
        let mut page = bytes[..0x1000].to_vec();
        page[0x118] ^= 1;
        peer.answer_with(&read, reply(), &page);
        refuse_file(peer, 2);
    });
    let engine = session.engine();
    launch(engine);
    assert!(has_name(engine));
    engine.launch(&LaunchOptions::new("/bin/prog")).expect("launches");
    next_stop(engine);
    assert!(!has_name(engine));
    assert_eq!(status(engine, 0), SymbolStatus::Mismatched { file });
    session.end();
}

#[test]
fn an_image_without_file_is_read_from_memory() {
    let bytes = image(None, true, 0);
    let vdso = ModuleDescription {
        size: bytes.len() as u64,
        build_id: Vec::new(),
        ..other(0x7000_0000, "[vdso]")
    };
    let mut session = Session::new(move |peer| {
        serve_launch_with(peer, 1, vec![vdso]);
        let read = peer.expect::<ReadMemory>();
        assert_eq!((read.verb.ranges[0].address, read.verb.ranges[0].len), (0x7000_0000, 0x2000));
        peer.answer_with(&read, ReadMemoryReply { lengths: vec![0x2000] }, &bytes);
    });
    let engine = session.engine();
    launch(engine);
    let view = engine.load_symbols("linux_vdso_so").expect("loaded");
    let expected = SymbolStatus::Loaded { source: SymbolSource::Memory, symbols: 2 };
    assert_eq!(view.status, expected);
    session.end();
}

/// Takes the request that says whether changes of modules are to stop the target.
fn wishes_for_modules(peer: &mut Peer, expected: bool) {
    let wishes = peer.expect::<SetEvents>();
    assert_eq!((wishes.verb.target, wishes.verb.modules), (1, expected));
    peer.answer(&wishes, SetEventsReply {});
}

#[test]
fn a_library_that_comes_and_goes_has_its_breakpoint_each_time() {
    let (_directory, file) = local("plugin", &image(Some(1), true, 0));
    let module = ModuleDescription { is_program: false, ..program(&file) };
    let here = HERE.value();
    let mut session = Session::new(move |peer| {
        serve_launch(peer, 1);
        wishes_for_modules(peer, true);
        assert!(peer.resume().insert.is_empty());
        let change = |peer: &mut Peer, stop, modules: Vec<ModuleDescription>| {
            let mut scene = Scene::new(stop, 1, 1001, StopKind::ModulesChanged, CODE);
            scene.stopped.modules = Some(Modules { modules });
            scene.push(peer);
            peer.resume()
        };
        // None of these stops is told, and no wish changes: what has come may go.
        let resume = change(peer, 2, vec![module.clone()]);
        let inserted: Vec<_> = resume.insert.iter().map(|site| (site.id, site.address)).collect();
        assert_eq!(inserted, [(1, here)]);
        let resume = change(peer, 3, vec![]);
        assert_eq!((resume.remove, resume.insert.len()), (vec![1], 0));
        let bias = module.bias + 0x1000;
        let resume =
            change(peer, 4, vec![ModuleDescription { base: bias, bias, ..module.clone() }]);
        let inserted: Vec<_> = resume.insert.iter().map(|site| (site.id, site.address)).collect();
        assert_eq!(inserted, [(2, here + 0x1000)]);
        Scene::new(5, 1, 1001, StopKind::Breakpoint, here + 0x1000).sites(&[2]).push(peer);
        // News without a stop.
        assert!(peer.resume().insert.is_empty());
        peer.event(&ModulesChanged { target: 1, modules: vec![module] }, b"");
        Scene::new(6, 1, 1001, StopKind::Interrupted, CODE).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    let symbol = BreakpointLocation::Symbol("landmark".to_owned());
    let id = engine.add_breakpoint(BreakpointSpec::new("landmark", symbol)).expect("added");
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Breakpoints(vec![id]));
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Interrupted);
    assert_eq!(engine.breakpoints()[0].addresses, [HERE]);
    assert_eq!(engine.modules().expect("told").len(), 1);
    session.end();
}

#[test]
fn a_breakpoint_by_symbol_waits_for_its_module() {
    let (_directory, file) = local("prog", &image(Some(1), true, 0));
    let module = program(&file);
    let here = HERE.value();
    let mut session = Session::new(move |peer| {
        serve_launch(peer, 1);
        wishes_for_modules(peer, true);
        assert!(peer.resume().insert.is_empty(), "there is no such symbol yet");
        let mut scene = Scene::new(2, 1, 1001, StopKind::Signal, CODE).signal(10, 0);
        scene.stopped.modules = Some(Modules { modules: vec![module.clone()] });
        scene.push(peer);
        // The program itself is never unloaded.
        wishes_for_modules(peer, false);
        let resume = peer.resume();
        assert_eq!(resume.insert.iter().map(|site| site.address).collect::<Vec<_>>(), [here]);
        // A new program has it elsewhere.
        let bias = module.bias + 0x1000;
        let moved = ModuleDescription { base: bias, bias, ..module };
        let mut scene = Scene::new(3, 1, 1001, StopKind::Exec, CODE);
        scene.stopped.modules = Some(Modules { modules: vec![moved] });
        scene.push(peer);
        let resume = peer.resume();
        let inserted: Vec<_> = resume.insert.iter().map(|site| (site.id, site.address)).collect();
        assert_eq!(inserted, [(2, here + 0x1000)]);
        assert!(resume.remove.is_empty(), "the old program's sites went with it");
        Scene::new(4, 1, 1001, StopKind::Breakpoint, here + 0x1000).sites(&[2]).push(peer);
    });
    let engine = session.engine();
    launch(engine);
    let symbol = BreakpointLocation::Symbol("landmark".to_owned());
    let id = engine.add_breakpoint(BreakpointSpec::new("landmark", symbol)).expect("added");
    assert!(engine.breakpoints()[0].addresses.is_empty());
    engine.execute(GO).expect("runs");
    assert!(matches!(next_stop(engine), StopCause::Signal { .. }));
    assert_eq!(engine.breakpoints()[0].addresses, [HERE]);
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Exec);
    engine.execute(GO).expect("runs");
    assert_eq!(next_stop(engine), StopCause::Breakpoints(vec![id]));
    session.end();
}
