//! Debuggees: built from `testees/` when a test first asks for one with its flags, and kept for all
//! tests that ask for the same. It knows compilers, and where things are in what they build.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail, ensure};
use dbgbase::LinkAddress;

/// The folder of the sources.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testees");

/// A debuggee that is built.
#[derive(Clone, Debug)]
pub struct Testee {
    path: PathBuf,
    source: PathBuf,
}

impl Testee {
    /// The debuggee `testees/NAME.c`, `.cc`, `.rs` or `.S`, built with these flags beside the usual
    /// ones: symbols and line numbers, no optimization, threads; for assembly no C library either.
    /// Where several have the name, `NAME` has the ending as well.
    ///
    /// **Panics** with the compiler's words if it cannot be built.
    #[track_caller]
    pub fn build(name: &str, flags: &[&str]) -> Testee {
        match build(name, flags) {
            Ok(testee) => testee,
            Err(error) => panic!("{error:#}"),
        }
    }

    /// The program.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What debuggers call its module.
    pub fn module(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().replace('-', "_")
    }

    /// Its source file.
    pub fn source(&self) -> &Path {
        &self.source
    }

    /// The line of its source that has the marker `// BREAK: name`, counted from 1.
    ///
    /// **Panics** unless there is exactly one.
    #[track_caller]
    pub fn line(&self, marker: &str) -> usize {
        let text = std::fs::read_to_string(&self.source).expect("the source was just compiled");
        let wanted = format!("// BREAK: {marker}");
        let lines: Vec<usize> = text
            .lines()
            .enumerate()
            .filter(|(_, line)| line.trim_end().ends_with(&wanted))
            .map(|(index, _)| index + 1)
            .collect();
        match lines.as_slice() {
            [line] => *line,
            _ => panic!("{} has {wanted:?} {} times", self.source.display(), lines.len()),
        }
    }

    /// The address of a symbol, as `nm` says.
    ///
    /// **Panics** if there is none.
    #[track_caller]
    pub fn symbol(&self, name: &str) -> LinkAddress {
        let symbols = self.symbols();
        let address = symbols.get(name);
        *address.unwrap_or_else(|| panic!("{} has no symbol {name}", self.path.display()))
    }

    /// Every symbol with an address.
    pub fn symbols(&self) -> BTreeMap<String, LinkAddress> {
        let text = run(tool("nm").arg(&self.path)).expect("nm reads what a linker has made");
        let symbol = |line: &str| {
            let mut words = line.split(' ');
            let address = u64::from_str_radix(words.next()?, 16).ok()?;
            Some((words.nth(1)?.to_owned(), LinkAddress::new(address)))
        };
        text.lines().filter_map(symbol).collect()
    }

    /// The instructions from one symbol up to another, each with its address and its text, as
    /// `objdump` says.
    ///
    /// **Panics** if a symbol does not exist.
    #[track_caller]
    pub fn instructions(&self, from: &str, to: &str) -> Vec<(LinkAddress, String)> {
        let (start, stop) = (self.symbol(from).value(), self.symbol(to).value());
        let text = run(tool("objdump")
            .args(["--disassemble", "--no-show-raw-insn"])
            .arg(format!("--start-address={start:#x}"))
            .arg(format!("--stop-address={stop:#x}"))
            .arg(&self.path))
        .expect("objdump reads what a linker has made");
        let instruction = |line: &str| {
            let (address, text) = line.trim_start().split_once(":\t")?;
            let address = u64::from_str_radix(address, 16).ok()?;
            Some((LinkAddress::new(address), text.trim().to_owned()))
        };
        text.lines().filter_map(instruction).collect()
    }
}

fn build(name: &str, flags: &[&str]) -> Result<Testee> {
    let (wanted, ending) = name.split_once('.').unwrap_or((name, ""));
    let (source, extension) = ["c", "cc", "rs", "S"]
        .into_iter()
        .filter(|extension| ending.is_empty() || *extension == ending)
        .map(|extension| (Path::new(SOURCES).join(format!("{wanted}.{extension}")), extension))
        .find(|(source, _)| source.is_file())
        .with_context(|| format!("there is no debuggee {name} in testees/"))?;
    let folder = target_folder()?.join("testees");
    let path = folder.join(format!("{name}-{:016x}", fingerprint(&source, flags)?));
    if !path.is_file() {
        std::fs::create_dir_all(&folder).context("cannot make the folder of debuggees")?;
        // Others may be building the same: each builds its own, and the first one stays, because it
        // may be running already.
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let draft = path.with_extension(format!("{}-{number}", std::process::id()));
        run(compiler(extension).args(flags).arg("-o").arg(&draft).arg(&source))
            .with_context(|| format!("cannot build the debuggee {name}"))?;
        let kept = std::fs::hard_link(&draft, &path);
        std::fs::remove_file(&draft).context("cannot remove a draft of a debuggee")?;
        ensure!(kept.is_ok() || path.is_file(), "cannot keep the debuggee {name}: {kept:?}");
    }
    Ok(Testee { path, source })
}

/// What the program depends on: its source, the headers beside it, and the flags.
fn fingerprint(source: &Path, flags: &[&str]) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    flags.hash(&mut hasher);
    let mut files = vec![source.to_owned()];
    for entry in std::fs::read_dir(SOURCES).context("cannot list testees/")? {
        let path = entry.context("cannot list testees/")?.path();
        if path.extension().is_some_and(|extension| extension == "h") {
            files.push(path);
        }
    }
    files.sort();
    for file in files {
        let text = std::fs::read(&file).with_context(|| format!("cannot read {file:?}"))?;
        (file.file_name(), text).hash(&mut hasher);
    }
    Ok(hasher.finish())
}

fn compiler(extension: &str) -> Command {
    let (program, flags): (&str, &[&str]) = match extension {
        "c" => ("gcc", &["-std=gnu11", "-g", "-O0", "-pthread", "-Wall", "-Wextra", "-Werror"]),
        "cc" => ("g++", &["-std=c++17", "-g", "-O0", "-pthread", "-Wall", "-Wextra", "-Werror"]),
        "S" => ("gcc", &["-g", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id"]),
        _ => ("rustc", &["--edition=2024", "-g", "--deny=warnings"]),
    };
    let mut command = tool(program);
    command.args(flags);
    command
}

#[expect(clippy::disallowed_methods, reason = "this is where compilers are started")]
fn tool(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} says:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Cargo's target folder, in which the running test program lies as `PROFILE/deps/NAME`.
fn target_folder() -> Result<PathBuf> {
    let program = std::env::current_exe().context("cannot find the running program")?;
    let folder = program.ancestors().nth(3).map(Path::to_owned);
    let folder = folder.with_context(|| format!("{program:?} lies in no target folder"))?;
    ensure!(folder.is_dir(), "{folder:?} is no folder");
    Ok(folder)
}
