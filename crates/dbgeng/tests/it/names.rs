//! Names that only debugging information has: what they mean, and how their index is kept, also by
//! several at once, after damage, and when its making was cut short. No request is expected: all of
//! this happens on the client's machine.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use dbgbase::Address;
use dbgeng::{
    BreakpointLocation, BreakpointSpec, Engine, ErrorKind, SearchOutcome, SymbolEnvironment,
    SymbolKind,
};
use dbgsym::{Image, ImageBytes};
use dbgwire::verbs::module::ModuleDescription;

use crate::peer::Session;
use crate::scene::launch;
use crate::symbols::serve_launch_with;

/// Functions enough that their index is worth keeping, and names that no symbol table has.
fn source() -> String {
    let mut source = String::from(
        "static int seen;
static inline __attribute__((always_inline)) int twice(int x) { return 2 * x + seen; }
int first(int x) { static int count = 1; seen = x; return twice(x) + count++; }
int second(int x) { static int total; total += twice(x); return total; }
void _start(void) { first(1); second(2); for (;;) {} }
",
    );
    for number in 0..6000 {
        // Writing into a string cannot fail.
        let _ = writeln!(
            source,
            "struct s{number} {{ int a{number}, b{number}; char c{number}[{number}]; }};
int f{number}(struct s{number} *p, int q{number}) {{ int l{number} = p->a{number}; \
             return l{number} + q{number}; }}"
        );
    }
    source
}

/// A program, and a directory that keeps its index.
struct Own {
    directory: tempfile::TempDir,
    module: ModuleDescription,
    image: Image,
}

impl Own {
    #[expect(clippy::disallowed_methods, reason = "a compiler is not a debuggee")]
    fn new() -> Own {
        let directory = tempfile::tempdir().expect("a directory");
        let (source_file, path) = (directory.path().join("prog.c"), directory.path().join("prog"));
        std::fs::write(&source_file, source()).expect("written");
        let mut gcc = Command::new("gcc");
        gcc.args(["-g", "-O0", "-static", "-nostdlib", "-no-pie", "-Wl,--build-id", "-o"]);
        gcc.arg(&path).arg(&source_file);
        assert!(gcc.status().expect("gcc is installed").success());
        let bytes = std::fs::read(&path).expect("it was compiled");
        let image = Image::parse(ImageBytes::from(bytes)).expect("sound");
        let module = ModuleDescription {
            base: 0x40_0000,
            size: 0x100_0000,
            bias: 0,
            path: path.to_str().expect("a plain path").as_bytes().to_vec(),
            build_id: image.build_id().expect("it has one").as_bytes().to_vec(),
            is_program: true,
            ..ModuleDescription::default()
        };
        Own { directory, module, image }
    }

    fn cache(&self) -> PathBuf {
        self.directory.path().join("cache")
    }

    /// The kept index.
    fn kept(&self) -> PathBuf {
        let id: String = self.module.build_id.iter().map(|byte| format!("{byte:02x}")).collect();
        self.cache().join(id).join("names")
    }

    /// Asks an engine that has just launched the program.
    fn ask(&self, ask: impl FnOnce(&mut Engine)) {
        let module = self.module.clone();
        let mut session = Session::new(move |peer| serve_launch_with(peer, 1, vec![module]));
        let engine = session.engine();
        engine.set_symbol_environment(SymbolEnvironment {
            cache_directory: Some(self.cache()),
            ..SymbolEnvironment::default()
        });
        launch(engine);
        ask(engine);
        session.end();
    }

    fn address_of(&self, symbol: &str) -> Address {
        let found = self.image.symbols().iter().find(|one| one.raw_name() == symbol);
        Address::new(found.expect("the table has it").address().value())
    }
}

/// What was found where an index was looked for.
fn outcomes(engine: &Engine) -> Vec<SearchOutcome> {
    let mut notes = engine.take_search_notes();
    notes.retain(|note| Path::new(&note.place).ends_with("names"));
    notes.into_iter().map(|note| note.outcome).collect()
}

/// All files of the cache.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn names_that_no_symbol_table_has_are_found() {
    let own = Own::new();
    own.ask(|engine| {
        // Its name in the symbol table has a number behind it.
        let total = engine.resolve("total").expect("a static of a function");
        let tables = own.image.symbols();
        let symbol = tables.iter().find(|one| one.raw_name().starts_with("total."));
        let symbol = symbol.expect("the table has it").address().value();
        assert_eq!(total.len(), 1, "{total:?}");
        assert_eq!(total[0].address, Address::new(symbol));
        assert_eq!((total[0].kind, total[0].size), (SymbolKind::Data, 4));

        let copies = engine.resolve("prog!twice").expect("inlined");
        assert_eq!(copies.len(), 2, "{copies:?}");
        for (copy, around) in copies.iter().zip(["first", "second"]) {
            let start = own.address_of(around);
            assert_eq!(copy.kind, SymbolKind::Inlined);
            assert!(
                copy.address > start && copy.address.offset_from(start) < Some(100),
                "{copy:?}"
            );
        }
        let both = BreakpointSpec::new("twice", BreakpointLocation::Symbol("twice".to_owned()));
        engine.add_breakpoint(both).expect("made");
        let addresses: Vec<_> = copies.iter().map(|copy| copy.address).collect();
        assert_eq!(engine.breakpoints()[0].addresses, addresses);

        let unknown = engine.resolve("nosuch").expect_err("nothing is called so");
        assert_eq!(unknown.kind(), ErrorKind::UnknownSymbol);
    });
}

#[test]
fn an_index_is_made_for_names_that_need_it_and_kept() {
    let own = Own::new();
    own.ask(|engine| {
        engine.resolve("f77").expect("the symbol table has it");
        assert_eq!(files(&own.cache()), Vec::<PathBuf>::new(), "nothing needed an index");
        engine.resolve("twice").expect("inlined");
        assert_eq!(files(&own.cache()), [own.kept()]);
        engine.resolve("total").expect("a static");
        assert_eq!(outcomes(engine), [], "none was there, and it was made once");
    });
    let made = std::fs::read(own.kept()).expect("kept");
    own.ask(|engine| {
        assert_eq!(engine.resolve("twice").expect("inlined").len(), 2);
        assert_eq!(outcomes(engine), [SearchOutcome::Taken]);
    });
    // Damage is seen, in any part, and what was damaged is replaced.
    for at in [0, 9, made.len() / 2, made.len() - 1] {
        let mut damaged = made.clone();
        damaged[at] ^= 0x10;
        std::fs::write(own.kept(), &damaged).expect("written");
        own.ask(|engine| {
            assert_eq!(engine.resolve("twice").expect("inlined").len(), 2);
            assert_eq!(outcomes(engine), []);
        });
        assert!(std::fs::read(own.kept()).expect("kept") == made, "byte {at} is as it was");
    }
    for len in [0, 30, made.len() - 1] {
        std::fs::write(own.kept(), &made[..len]).expect("written");
        own.ask(|engine| drop(engine.resolve("twice").expect("inlined")));
        assert!(std::fs::read(own.kept()).expect("kept") == made, "cut at {len}");
    }
}

#[test]
fn who_does_not_want_to_wait_leaves_nothing_behind() {
    let own = Own::new();
    own.ask(|engine| {
        let interrupter = engine.interrupter();
        for _ in 0..3 {
            interrupter.interrupt();
            let error = engine.resolve("twice").expect_err("not waited for");
            assert_eq!(error.kind(), ErrorKind::Cancelled);
            assert_eq!(files(&own.cache()), Vec::<PathBuf>::new());
        }
        let spec = BreakpointSpec::new("twice", BreakpointLocation::Symbol("twice".to_owned()));
        interrupter.interrupt();
        let error = engine.add_breakpoint(spec).expect_err("not waited for");
        assert_eq!((error.kind(), engine.breakpoints().len()), (ErrorKind::Cancelled, 0));
        // The wish is fulfilled.
        assert_eq!(engine.resolve("twice").expect("inlined").len(), 2);
        assert_eq!(files(&own.cache()), [own.kept()]);
    });
}

#[test]
fn several_may_make_and_read_the_same_index_at_once() {
    let own = Own::new();
    std::thread::scope(|scope| {
        for round in 0..4 {
            let own = &own;
            scope.spawn(move || {
                own.ask(|engine| {
                    assert_eq!(engine.resolve("twice").expect("inlined").len(), 2, "{round}");
                });
            });
        }
    });
    assert_eq!(files(&own.cache()), [own.kept()]);
    own.ask(|engine| {
        engine.resolve("twice").expect("inlined");
        assert_eq!(outcomes(engine), [SearchOutcome::Taken]);
    });
}
