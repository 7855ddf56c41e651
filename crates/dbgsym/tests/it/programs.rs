//! Programs for the tests, compiled when needed into a directory that vanishes with them.

use std::path::{Path, PathBuf};
use std::process::Command;

use dbgsym::{Image, ImageBytes};
use tempfile::TempDir;

/// A directory for what one test makes.
pub(crate) struct Workshop {
    directory: TempDir,
}

impl Workshop {
    pub(crate) fn new() -> Workshop {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        Workshop { directory }
    }

    /// Where a file of this name lies.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Compiles a source of `tests/it/programs/` with these flags.
    pub(crate) fn compile(&self, name: &str, source: &str, flags: &[&str]) -> PathBuf {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/programs");
        let compiler = match Path::new(source).extension().and_then(|end| end.to_str()) {
            Some("c") => "gcc",
            Some("cpp") => "g++",
            Some("rs") => "rustc",
            _ => panic!("no compiler for {source}"),
        };
        let output = self.path(name);
        let mut command = tool(compiler);
        command.arg("-o").arg(&output).arg(sources.join(source)).args(flags);
        if compiler == "rustc" {
            // Rust's older mangling is still in use, and stable compilers no longer offer it.
            command.env("RUSTC_BOOTSTRAP", "1").arg("-Zunstable-options");
        }
        run(&mut command);
        output
    }
}

/// A program of the system.
pub(crate) fn tool(name: &str) -> Command {
    Command::new(name)
}

/// Runs a tool that must succeed; what it wrote to its output.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {complaint}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The image in a file.
pub(crate) fn image(path: &Path) -> Image {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Image::parse(ImageBytes::from(bytes))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The file of a library that this process has loaded.
pub(crate) fn loaded_library(prefix: &str) -> PathBuf {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("/proc is mounted");
    let has_prefix = |path: &&str| path.rsplit('/').next().is_some_and(|n| n.starts_with(prefix));
    let path = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).find(has_prefix);
    PathBuf::from(path.unwrap_or_else(|| panic!("no {prefix} is loaded")))
}

/// The vDSO of this process, read from its memory.
pub(crate) fn vdso() -> Vec<u8> {
    use std::io::{Read, Seek, SeekFrom};
    let maps = std::fs::read_to_string("/proc/self/maps").expect("/proc is mounted");
    let line = maps.lines().find(|line| line.ends_with("[vdso]")).expect("there is a vDSO");
    let (start, end) = line.split_whitespace().next().and_then(|r| r.split_once('-')).expect(line);
    let number = |text| u64::from_str_radix(text, 16).expect("a hexadecimal number");
    let mut memory = std::fs::File::open("/proc/self/mem").expect("own memory can be read");
    memory.seek(SeekFrom::Start(number(start))).expect("an address");
    let mut bytes = vec![0; (number(end) - number(start)) as usize];
    memory.read_exact(&mut bytes).expect("the vDSO is readable");
    bytes
}
