//! The program: a hundred units in C++ full of templates, with 300 MB of debugging information. It
//! is made once. Compiling so much takes half an hour, so two units are compiled, and the others
//! are their assembly under other names.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use testkit::Guard;

const UNITS: usize = 100;
/// Classes in each unit, each with its own instances of containers.
const CLASSES: usize = 40;
/// What the units are called that are compiled, of as many letters as all others.
const COMPILED: [(&str, &str); 2] = [("unit900", "-O0"), ("unit901", "-O2")];

/// The program, made if it is not there yet.
pub(crate) fn built() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("names");
    let program = directory.join("program");
    if !program.exists() {
        println!("making {}", program.display());
        std::fs::create_dir_all(&directory).expect("made");
        make(&directory);
    }
    program
}

/// How much debugging information it has.
pub(crate) fn describe(program: &Path) -> String {
    let guard = Guard::new();
    let sizes = guard.output("size", &["-A", text(program)]);
    let of_debug = sizes.lines().filter(|line| line.starts_with(".debug_"));
    let size: u64 =
        of_debug.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum();
    format!(
        "{}: {} MB of debugging information, {UNITS} units",
        program.display(),
        size / 1_000_000
    )
}

fn make(directory: &Path) {
    let file = |name: String| directory.join(name);
    thread::scope(|scope| {
        for (unit, level) in COMPILED {
            let (source, assembly) = (file(format!("{unit}.cc")), file(format!("{unit}.s")));
            scope.spawn(move || {
                std::fs::write(&source, unit_source(unit)).expect("written");
                run("g++", &["-g", level, "-S", "-o", text(&assembly), text(&source)]);
            });
        }
    });
    let assemblies = COMPILED.map(|(unit, _)| {
        std::fs::read_to_string(file(format!("{unit}.s"))).expect("it was just compiled")
    });
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        for first in 0..threads {
            let assemblies = &assemblies;
            scope.spawn(move || {
                for number in (first..UNITS).step_by(threads) {
                    let kind = number % COMPILED.len();
                    let (assembly, object) = (
                        directory.join(format!("{number}.s")),
                        directory.join(format!("{number}.o")),
                    );
                    let named = assemblies[kind].replace(COMPILED[kind].0, &unit_name(number));
                    std::fs::write(&assembly, named).expect("written");
                    run("as", &["-o", text(&object), text(&assembly)]);
                    std::fs::remove_file(&assembly).expect("removed");
                }
            });
        }
    });
    let source = file("main.cc".to_owned());
    std::fs::write(&source, main_source()).expect("written");
    let (program, part) = (file("program".to_owned()), file("program.part".to_owned()));
    let objects: Vec<PathBuf> = (0..UNITS).map(|number| file(format!("{number}.o"))).collect();
    let mut words = vec!["-g", "-Wl,--build-id", "-o", text(&part), text(&source)];
    words.extend(objects.iter().map(|object| text(object)));
    run("g++", &words);
    for object in &objects {
        std::fs::remove_file(object).expect("removed");
    }
    std::fs::rename(part, program).expect("renamed");
}

fn run(program: &str, words: &[&str]) {
    let guard = Guard::with_patience(Duration::from_secs(1800));
    let status = guard.command(program).args(words).status().expect("it is installed");
    assert!(status.success(), "{program} {words:?}");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

fn unit_name(number: usize) -> String {
    format!("unit{number:03}")
}

fn unit_source(unit: &str) -> String {
    let mut source = String::from("#include <map>\n#include <memory>\n#include <vector>\n");
    // Writing into a string cannot fail.
    let _ = writeln!(source, "namespace {unit} {{");
    for class in 0..CLASSES {
        let _ = writeln!(
            source,
            "struct Key{class} {{
    int id;
    long weight;
    bool operator<(const Key{class} &other) const {{ return id < other.id; }}
}};
class Item{class} {{
public:
    explicit Item{class}(int count) : count_(count) {{}}
    int total() const {{
        int sum = count_;
        for (const auto &part : parts_) sum += static_cast<int>(part.second.size());
        return sum;
    }}
    void add(Key{class} key, long value) {{ parts_[key].push_back(value); }}
private:
    int count_;
    std::map<Key{class}, std::vector<long>> parts_;
    std::vector<std::shared_ptr<Item{class}>> others_;
}};
static inline __attribute__((always_inline)) int fold{class}(int n) {{ return n * {class} + 1; }}
__attribute__((noinline)) int work{class}(int n) {{
    static int calls{class};
    Item{class} item(fold{class}(n));
    item.add(Key{class}{{n, 1}}, ++calls{class});
    return item.total();
}}"
        );
    }
    let _ = writeln!(source, "int all(int n) {{\n    int sum = 0;");
    for class in 0..CLASSES {
        let _ = writeln!(source, "    sum += work{class}(n);");
    }
    source + "    return sum;\n}\n}\n"
}

fn main_source() -> String {
    let mut source = String::new();
    let units = || (0..UNITS).map(unit_name);
    // Writing into a string cannot fail.
    for unit in units() {
        let _ = writeln!(source, "namespace {unit} {{ int all(int); }}");
    }
    source += "int main(int count, char **) {\n    int sum = 0;\n";
    for unit in units() {
        let _ = writeln!(source, "    sum += {unit}::all(count);");
    }
    source + "    return sum & 1;\n}\n"
}
