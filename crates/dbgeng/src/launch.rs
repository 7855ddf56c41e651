//! What a program is started with. It knows no process yet.

/// How to start a program on the server's machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LaunchOptions {
    /// The program. Without a slash it is looked for along the server's PATH.
    pub program: Vec<u8>,
    /// Its arguments behind argument 0, which is the program's name. Any bytes but NUL.
    pub arguments: Vec<Vec<u8>>,
    /// Where it starts, on the server's machine; `None` for the server's own directory.
    pub directory: Option<Vec<u8>>,
    /// `NAME=VALUE` entries added to the server's environment or replacing its entries.
    pub environment: Vec<Vec<u8>>,
    /// Whether it has a terminal: of an embedded server the user's own, otherwise a pseudo-terminal
    /// whose other side is the client's, see [`TerminalInput`](crate::TerminalInput). Without one
    /// its standard streams are /dev/null.
    pub has_terminal: bool,
    /// Whether the server starts its implicit command line in place of program and arguments.
    pub is_implicit: bool,
}

impl LaunchOptions {
    /// The server's implicit command line, in the server's directory, without a terminal.
    pub fn implicit() -> LaunchOptions {
        LaunchOptions { is_implicit: true, ..LaunchOptions::new("") }
    }

    /// A program without arguments, in the server's directory, without a terminal.
    pub fn new(program: impl Into<Vec<u8>>) -> LaunchOptions {
        LaunchOptions {
            program: program.into(),
            arguments: Vec::new(),
            directory: None,
            environment: Vec::new(),
            has_terminal: false,
            is_implicit: false,
        }
    }
}
