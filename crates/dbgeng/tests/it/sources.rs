//! Where the text of source files comes from.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};

use dbgeng::{Engine, SearchOutcome, SymbolEnvironment, SymbolSource};

use crate::elf::{build_id_of, image};
use crate::peer::Session;
use crate::scene::launch;
use crate::symbols::{local, program, refuse_file_of, serve_file, serve_launch_with};

/// Where the compiler saw the file; nobody has this directory.
const COMPILED: &str = "/no/such/build/src/a b.c";

/// The first line of a file, and where it comes from.
fn found(engine: &Engine) -> Option<(String, SymbolSource)> {
    let file = engine.source_file(COMPILED, Some("prog")).expect("the search ends")?;
    Some((file.line(1).expect("has one").to_owned(), file.source().clone()))
}

/// A server that has one file at `path`; which paths it was asked for.
fn http(path: &'static str, body: &'static str) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let (sender, asked) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("connected");
            let mut lines = BufReader::new(stream.try_clone().expect("shared")).lines();
            let request = lines.next().and_then(Result::ok).unwrap_or_default();
            while lines.next().and_then(Result::ok).is_some_and(|line| !line.is_empty()) {}
            let wanted = request.split(' ').nth(1).unwrap_or_default().to_owned();
            let (status, body) = if wanted == path { ("200 OK", body) } else { ("404 No", "") };
            let length = body.len();
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
            let _ = sender.send(wanted);
        }
    });
    (url, asked)
}

#[test]
fn mappings_and_directories_lead_to_files_of_this_machine() {
    let (_image, file) = local("prog", &image(Some(1), true, 0));
    let (mapped, _) = local("deep/a b.c", b"mapped\n");
    let (directory, _) = local("src/a b.c", b"below a directory\n");
    let module = program(&file);
    let mut session = Session::new(move |peer| {
        serve_launch_with(peer, 1, vec![module]);
        refuse_file_of(peer, 1, "no such file over here");
    });
    let engine = session.engine();
    launch(engine);
    assert_eq!(found(engine), None);
    assert_eq!(found(engine), None, "what is not there is remembered");
    engine.set_source_path(&directory.path().display().to_string());
    let (line, source) = found(engine).expect("below the directory");
    assert_eq!(line, "below a directory");
    assert_eq!(source, SymbolSource::Local(directory.path().join("src/a b.c")));
    let mapping =
        format!("{};/no/such/build/src={}/deep", engine.source_path(), mapped.path().display());
    engine.set_source_path(&mapping);
    assert_eq!(found(engine).expect("mapped").0, "mapped");
    // It is remembered, whatever becomes of the file.
    std::fs::remove_file(mapped.path().join("deep/a b.c")).expect("removed");
    assert_eq!(found(engine).expect("mapped").0, "mapped");
    engine.reload_symbols(None, false).expect("a target");
    assert_eq!(found(engine).expect("the other one").0, "below a directory");
    session.end();
}

#[test]
fn the_servers_machine_has_it() {
    let (_image, file) = local("prog", &image(Some(1), true, 0));
    let module = program(&file);
    let mut session = Session::new(move |peer| {
        serve_launch_with(peer, 1, vec![module]);
        // More pieces than are under way at once.
        let text = format!("from the server\n{}\n", " ".repeat(10 * 1024 * 1024 + 3));
        serve_file(peer, COMPILED, 1, text.as_bytes());
    });
    let engine = session.engine();
    launch(engine);
    for _ in 0..2 {
        let (line, source) = found(engine).expect("it is asked once");
        assert_eq!(line, "from the server");
        assert_eq!(source, SymbolSource::Server(PathBuf::from(COMPILED)));
    }
    session.end();
}

#[test]
fn a_debuginfod_server_has_it_and_it_is_kept() {
    const ASKED: &str =
        "/buildid/0101010101010101010101010101010101010101/source/no/such/build/src/a%20b.c";
    let (_image, file) = local("prog", &image(Some(1), true, 0));
    let cache = tempfile::tempdir().expect("a directory");
    let (url, asked) = http(ASKED, "from debuginfod\n");
    let environment = SymbolEnvironment {
        cache_directory: Some(cache.path().to_owned()),
        servers: vec![url.clone()],
        ..SymbolEnvironment::default()
    };
    for is_first in [true, false] {
        let module = program(&file);
        let mut session = Session::new(move |peer| {
            serve_launch_with(peer, 1, vec![module]);
            if is_first {
                refuse_file_of(peer, 1, "no such file over here");
            }
        });
        let engine = session.engine();
        engine.set_symbol_environment(environment.clone());
        launch(engine);
        let (line, source) = found(engine).expect("fetched, then kept");
        assert_eq!(line, "from debuginfod");
        let id: String = build_id_of(1).iter().map(|byte| format!("{byte:02x}")).collect();
        let kept = cache.path().join(id).join("source#no#such#build#src#a b.c");
        assert_eq!(source, SymbolSource::Local(kept));
        if is_first {
            assert_eq!(asked.recv().as_deref(), Ok(ASKED));
            let notes = engine.take_search_notes();
            let last = notes.last().expect("some");
            assert_eq!(
                (&last.place, &last.outcome),
                (&format!("{url}{ASKED}"), &SearchOutcome::Taken)
            );
        } else {
            assert!(asked.try_recv().is_err(), "nobody is asked again");
        }
        session.end();
    }
}
