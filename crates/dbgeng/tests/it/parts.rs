//! Modules that this machine lacks are read from the server by parts: how many bytes and round
//! trips that takes for a real program, this test's own, and what is kept of it.

use std::sync::{Arc, Mutex};

use dbgbase::Address;
use dbgeng::{Engine, ModuleView, SearchOutcome, SymbolEnvironment, SymbolSource, SymbolStatus};
use dbgsym::{Image, ImageBytes, Segment, SymbolKind};
use dbgwire::verbs::module::ModuleDescription;

use crate::peer::{Peer, Session};
use crate::scene::launch;
use crate::symbols::{NOWHERE, program, serve_launch_with, serve_parts};

/// This test's program, as a module that is mapped from a file that only the server has.
struct Own {
    bytes: Vec<u8>,
    image: Image,
    module: ModuleDescription,
}

impl Own {
    fn new() -> Own {
        let bytes = std::fs::read("/proc/self/exe").expect("readable");
        let image = Image::parse(ImageBytes::from(bytes.clone())).expect("an image");
        let build_id = image.build_id().expect("linkers give one").as_bytes().to_vec();
        let size = image.loaded_size_bytes();
        let module = ModuleDescription { build_id, size, ..program(NOWHERE) };
        Own { bytes, image, module }
    }

    /// A function, and where it is in the target.
    fn function(&self) -> (String, Address) {
        let mut symbols = self.image.symbols().iter();
        let symbol = symbols.find(|symbol| symbol.kind() == SymbolKind::Function);
        let symbol = symbol.expect("a program has functions");
        let address = Address::new(self.module.bias + symbol.address().value());
        (symbol.name().into_owned(), address)
    }

    /// How many bytes of the file have instructions and data.
    fn code_len(&self) -> u64 {
        let is_code = |segment: &&Segment| segment.is_executable;
        self.image.segments().iter().filter(is_code).map(|it| it.file_size_bytes).sum()
    }

    /// A launch, and then these transfers; how many bytes each of them took.
    fn session(
        &self,
        transfers: usize,
        check: impl Fn(&mut Peer) + Send + 'static,
    ) -> (Session, Arc<Mutex<Vec<usize>>>) {
        let (module, bytes) = (self.module.clone(), self.bytes.clone());
        let lens = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&lens);
        let session = Session::new(move |peer| {
            serve_launch_with(peer, 1, vec![module]);
            for _ in 0..transfers {
                let len = serve_parts(peer, NOWHERE, &bytes);
                told.lock().expect("no panic").push(len);
            }
            check(peer);
        });
        (session, lens)
    }
}

/// How many bytes each turn asks for: one round trip, beside that of opening the file.
#[derive(Clone, Default)]
struct Turns(Arc<Mutex<Vec<u64>>>);

impl Turns {
    fn watch(&self, engine: &mut Engine) {
        let turns = Arc::clone(&self.0);
        engine.set_transfer_progress(Some(Box::new(move |progress| {
            let mut turns = turns.lock().expect("no panic");
            if turns.last() != Some(&progress.total_bytes) {
                turns.push(progress.total_bytes);
            }
        })));
    }

    fn take(&self) -> Vec<u64> {
        std::mem::take(&mut self.0.lock().expect("no panic"))
    }
}

fn view(engine: &Engine) -> ModuleView {
    engine.modules().expect("a target").remove(0)
}

#[test]
fn names_and_debug_information_are_read_each_when_needed() {
    let own = Own::new();
    let (mut session, lens) = own.session(2, |_| {});
    let engine = session.engine();
    let turns = Turns::default();
    turns.watch(engine);
    launch(engine);
    let (name, address) = own.function();
    let at = engine.symbol_at(address).expect("in the module");
    assert_eq!((at.name, at.displacement), (name, 0));
    let symbols = own.image.symbols().len();
    let source = SymbolSource::Server(NOWHERE.into());
    assert_eq!(view(engine).status, SymbolStatus::Loaded { source, symbols });
    assert!(!view(engine).files.has_debug_info);
    let names_turns = turns.take();
    assert!(names_turns.len() <= 3, "{names_turns:?}");

    let loaded = engine.load_symbols(&view(engine).name).expect("loads");
    assert!(loaded.files.has_debug_info, "{loaded:?}");
    let debug_turns = turns.take();
    assert_eq!(debug_turns.len(), 1, "{debug_turns:?}");
    assert_eq!(engine.load_symbols(&loaded.name).expect("is loaded"), loaded);
    session.end();

    let lens = lens.lock().expect("no panic").clone();
    assert_eq!(lens[0] as u64, names_turns.iter().sum::<u64>());
    assert_eq!(lens[1] as u64, debug_turns[0]);
    println!(
        "whole file {} bytes in 2 round trips; names {} bytes in {}; debug information {} in 2",
        own.bytes.len(),
        lens[0],
        1 + names_turns.len(),
        lens[1]
    );
    assert!(lens[0] < own.bytes.len() / 2);
    // Code is never fetched.
    let both = (lens[0] + lens[1]) as u64;
    assert!(both < own.bytes.len() as u64 - own.code_len() * 9 / 10, "{both}");
}

#[test]
fn what_was_fetched_is_kept_and_damage_is_fetched_again() {
    let own = Own::new();
    let cache = tempfile::tempdir().expect("a directory");
    let environment = SymbolEnvironment {
        cache_directory: Some(cache.path().to_owned()),
        ..SymbolEnvironment::default()
    };
    let id: String = own.module.build_id.iter().map(|byte| format!("{byte:02x}")).collect();
    for transfers in [2, 0, 1] {
        if transfers == 1 {
            let kept = cache.path().join(&id).join("parts-names");
            let mut bytes = std::fs::read(&kept).expect("kept");
            bytes[5000] ^= 4;
            std::fs::write(&kept, bytes).expect("written");
        }
        let (mut session, _) = own.session(transfers, |_| {});
        let engine = session.engine();
        engine.set_symbol_environment(environment.clone());
        launch(engine);
        let (name, address) = own.function();
        assert_eq!(engine.symbol_at(address).expect("in the module").name, name);
        let loaded = engine.load_symbols(&view(engine).name).expect("loads");
        assert!(loaded.files.has_debug_info, "{loaded:?}");
        session.end();
    }
}

#[test]
fn debug_information_of_a_file_that_was_replaced_is_not_used() {
    let own = Own::new();
    let mut other = own.bytes.clone();
    let id = &own.module.build_id;
    let at = other.windows(id.len()).position(|window| window == id).expect("in the file");
    assert!(at < 4096, "linkers put notes first");
    other[at] ^= 1;
    let (mut session, _) = own.session(1, move |peer| {
        serve_parts(peer, NOWHERE, &other);
    });
    let engine = session.engine();
    launch(engine);
    let (name, address) = own.function();
    assert_eq!(engine.symbol_at(address).expect("in the module").name, name);
    engine.take_search_notes();
    let loaded = engine.load_symbols(&view(engine).name).expect("loads");
    assert!(!loaded.files.has_debug_info, "{loaded:?}");
    let notes = engine.take_search_notes();
    let says = |text: &str| {
        notes.iter().any(|note| match &note.outcome {
            SearchOutcome::Unusable(reason) => reason.contains(text),
            _ => false,
        })
    };
    assert!(says("replaced"), "{notes:?}");
    session.end();
}
