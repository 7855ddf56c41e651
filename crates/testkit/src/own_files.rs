//! Programs that see other files than the test does: in a mount namespace of their own, and below a
//! root directory of their own. It does not know what they are started for.

use std::path::{Path, PathBuf};

use crate::process_guard::{Guard, Process};
use crate::testee::Testee;

/// Where the root directory of a program is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Root {
    /// It is that of its mount namespace.
    Namespace,
    /// It is the directory of [`OwnFiles`], as by chroot(2).
    Directory,
}

/// A program whose files nobody else sees.
pub struct OwnFiles {
    /// The program, which has said that it is ready.
    pub process: Process,
    /// As the test sees it, a directory that holds something else; as the program does, the one
    /// that holds `opt/program` and `opt/plugin`.
    pub directory: PathBuf,
}

/// What is in the way of who looks at the files of a program where the test sees them.
pub const DECOY: &str = "another file";

/// Mounts what `$0` is to hold, and what of the machine a program needs there, and becomes the
/// program.
const SCRIPT: &str = r#"
    set -e
    directory="$0" root="$1"
    mount -t tmpfs none "$directory"
    mkdir "$directory/opt"
    cp "$2" "$directory/opt/program"
    cp "$3" "$directory/opt/plugin"
    shift 3
    if [ "$root" = namespace ]; then
        exec "$directory/opt/program" "$directory/opt/plugin" "$@"
    fi
    for each in /lib /lib64 /usr; do
        if [ -L "$each" ]; then
            cp -P "$each" "$directory$each"
        elif [ -d "$each" ]; then
            mkdir "$directory$each"
            mount --rbind "$each" "$directory$each"
        fi
    done
    exec chroot "$directory" /opt/program /opt/plugin "$@"
"#;

impl OwnFiles {
    /// Starts a program, with the path of a file `plugin` and `arguments`, and waits until it is
    /// ready.
    #[track_caller]
    pub fn start(
        guard: &Guard,
        root: Root,
        [program, plugin]: [&Testee; 2],
        arguments: &[&str],
    ) -> OwnFiles {
        let directory = guard.directory().join("own");
        let folder = directory.join("opt");
        std::fs::create_dir_all(&folder).expect("one for each test");
        for name in ["program", "plugin"] {
            std::fs::write(folder.join(name), DECOY).expect("own directory");
        }
        let text = |path: &Path| path.to_str().expect("a path in the target folder").to_owned();
        let kind = if root == Root::Namespace { "namespace" } else { "directory" };
        let paths = [text(&directory), kind.to_owned(), text(program.path()), text(plugin.path())];
        let mut all = vec!["--map-root-user", "--mount", "sh", "-c", SCRIPT];
        all.extend(paths.iter().map(String::as_str).chain(arguments.iter().copied()));
        let mut process = guard.start("unshare", &all);
        assert_eq!(process.read_line(), "ready");
        OwnFiles { process, directory }
    }

    /// What the program itself calls the file of this name.
    pub fn own_path(&self, root: Root, name: &str) -> String {
        let folder = match root {
            Root::Namespace => self.directory.join("opt"),
            Root::Directory => PathBuf::from("/opt"),
        };
        folder.join(name).display().to_string()
    }
}
