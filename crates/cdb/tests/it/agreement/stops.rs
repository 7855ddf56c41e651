//! What gdb sees at its stops: the script `stops.py` writes it, this reads it.

use std::path::Path;

use testkit::{Guard, Testee};

/// All that gdb says of a program's run.
pub(super) struct Said {
    /// Where the breakpoints are, in the order in which they are set.
    pub(super) places: Vec<u64>,
    pub(super) events: Vec<Event>,
}

pub(super) enum Event {
    /// A stop where everything is compared.
    Stop(Stop),
    /// A stop where nothing is compared, by its place.
    Pass(usize),
    /// This place's breakpoint is removed.
    Clear(usize),
}

pub(super) struct Stop {
    /// The index of the breakpoint.
    pub(super) place: usize,
    pub(super) frames: Vec<Frame>,
    /// How many frames gdb has besides, of functions that left by calling another.
    pub(super) tail_calls: usize,
}

impl Stop {
    /// How many inlined calls that begin at the very place gdb leaves out, if there are so many
    /// inline frames at the top.
    pub(super) fn hidden(&self, inlined: usize) -> usize {
        let theirs = self.frames.iter().take_while(|frame| frame.is_inline).count();
        inlined.saturating_sub(theirs)
    }
}

#[derive(Default)]
pub(super) struct Frame {
    pub(super) pc: u64,
    pub(super) sp: u64,
    pub(super) is_inline: bool,
    pub(super) is_tail_call: bool,
    /// Whether the function is just making its stack.
    pub(super) is_at_entry: bool,
    pub(super) name: String,
    pub(super) file: String,
    pub(super) line: usize,
    /// Whether an entry of its own describes what its instances have in common, as with
    /// constructors.
    pub(super) has_origin: bool,
    /// Whether its variables are known.
    pub(super) has_variables: bool,
    pub(super) variables: Vec<(String, String)>,
}

impl Frame {
    /// The place as `k` writes it.
    pub(super) fn place(&self) -> String {
        match (self.file.as_str(), self.line) {
            ("", _) | (_, 0) => String::new(),
            (file, line) => format!("{file} @ {line}"),
        }
    }
}

/// Runs a program under gdb.
pub(super) fn of_gdb(guard: &Guard, testee: &Testee) -> Said {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/agreement/stops.py");
    let output = guard.directory().join("stops");
    let mut gdb = guard.command("gdb");
    let nothing = ["-iex", "set debuginfod enabled off", "-iex", "set auto-load no"];
    gdb.args(["-nx", "-batch"]).args(nothing).arg("-x").arg(&script).arg(testee.path());
    gdb.env("SCRIPT", &script).env("OUTPUT", &output).env("PROGRAM", testee.path());
    let source = testee.source().file_name().expect("a file");
    // The program has the same environment as in cdb, so its stack is at the same addresses.
    let mut variables = environment(guard);
    variables.sort();
    let wrapper = format!("env -i {}", variables.join(" "));
    gdb.env("SOURCE", source).env("WRAPPER", wrapper);
    let said = gdb.output().expect("gdb is installed");
    let text = std::fs::read_to_string(&output).unwrap_or_default();
    let complaint = String::from_utf8_lossy(&said.stderr);
    let output = String::from_utf8_lossy(&said.stdout);
    let complaint = format!(
        "{}{complaint}",
        output.get(output.len().saturating_sub(2000)..).unwrap_or_default()
    );
    assert!(text.contains("HIT") && text.ends_with("END\n"), "{complaint}");
    let mut all = Said { places: Vec::new(), events: Vec::new() };
    for line in text.lines() {
        let words: Vec<&str> = line.split('\t').collect();
        all.add(&words);
    }
    name_plainly(guard, &mut all);
    for event in &mut all.events {
        if let Event::Stop(stop) = event {
            let count = stop.frames.len();
            stop.frames.retain(|frame| !frame.is_tail_call);
            stop.tail_calls = count - stop.frames.len();
        }
    }
    all
}

/// The environment of the program: that which `Console::spawn` gives to cdb.
pub(super) fn environment(guard: &Guard) -> Vec<String> {
    let console = ["DEBUGINFOD_URLS=", "XDG_CACHE_HOME=/dev/null", "XDG_STATE_HOME=/nonexistent"];
    console.into_iter().chain([guard.entry()]).map(str::to_owned).collect()
}

impl Said {
    fn add(&mut self, words: &[&str]) {
        let hexadecimal = |word: &str| u64::from_str_radix(word, 16).expect("a number");
        let place = |word: &str| word.parse().expect("a place");
        match *words {
            ["PLACE", address] => self.places.push(hexadecimal(address)),
            ["HIT", number] => {
                self.events.push(Event::Stop(Stop {
                    place: place(number),
                    frames: Vec::new(),
                    tail_calls: 0,
                }));
            }
            ["PASS", number] => self.events.push(Event::Pass(place(number))),
            ["CLEAR", number] => self.events.push(Event::Clear(place(number))),
            ["FRAME", pc, sp, kind, part, origin, name, linkage, file, line] => {
                let name = if linkage.starts_with("_") { linkage } else { name };
                self.stop().frames.push(Frame {
                    pc: hexadecimal(pc),
                    sp: hexadecimal(sp),
                    is_at_entry: part == "entry",
                    is_inline: kind == "inline",
                    is_tail_call: kind == "tail call",
                    name: name.to_owned(),
                    file: file.to_owned(),
                    has_origin: origin == "instance",
                    line: line.parse().expect("a line"),
                    ..Frame::default()
                });
            }
            ["VARS"] => self.stop().frames.last_mut().expect("a frame").has_variables = true,
            ["VAR", name, value] => {
                let frame = self.stop().frames.last_mut().expect("a frame comes first");
                frame.variables.push((name.to_owned(), value.to_owned()));
            }
            ["END"] => {}
            _ => panic!("{words:?}"),
        }
    }

    fn stop(&mut self) -> &mut Stop {
        match self.events.last_mut() {
            Some(Event::Stop(stop)) => stop,
            _ => panic!("what is seen belongs to a stop"),
        }
    }
}

/// Functions are called what a linker calls them, demangled and without parameters.
fn name_plainly(guard: &Guard, said: &mut Said) {
    use std::io::Write;
    let mut filter = guard.command("c++filt");
    filter.arg("-p").stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut filter = filter.spawn().expect("binutils are installed");
    let mut input = filter.stdin.take().expect("a pipe");
    let frames = || {
        said.events.iter().filter_map(|event| match event {
            Event::Stop(stop) => Some(&stop.frames),
            _ => None,
        })
    };
    let names: Vec<String> = frames().flatten().map(|frame| frame.name.clone()).collect();
    let writer = std::thread::spawn(move || {
        input.write_all((names.join("\n") + "\n").as_bytes()).expect("it reads");
    });
    let output = filter.wait_with_output().expect("it ends");
    writer.join().expect("it was written");
    let text = String::from_utf8(output.stdout).expect("text");
    let mut lines = text.lines();
    for event in &mut said.events {
        let Event::Stop(stop) = event else { continue };
        for frame in &mut stop.frames {
            frame.name = lines.next().expect("a line for each").to_owned();
        }
    }
}
