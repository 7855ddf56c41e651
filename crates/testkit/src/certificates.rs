//! Certificates for a server and its client, made, shown and trusted as people do it: by
//! dbgsrvctl. It knows that program's words, and nothing of TLS.

use std::path::PathBuf;

use crate::{Guard, programs};

/// The variable that says where certificates of the user are.
pub const USER_CERTIFICATES: &str = "DBGSRV_USER_CERTIFICATES";

/// A side with a store of its own.
pub struct Side {
    /// The store, for [`USER_CERTIFICATES`].
    pub store: PathBuf,
}

impl Side {
    /// One with a certificate of this name, for `localhost`.
    ///
    /// **Panics** if it cannot be made.
    #[track_caller]
    pub fn new(guard: &Guard, name: &str) -> Side {
        Side::on(guard, name, "localhost")
    }

    /// One with a certificate of this name, for a machine.
    ///
    /// **Panics** if it cannot be made.
    #[track_caller]
    pub fn on(guard: &Guard, name: &str, host: &str) -> Side {
        let side = Side { store: guard.directory().join(name) };
        side.control(guard, &["new", name, "-host", host]);
        side
    }

    /// What dbgsrvctl says of its certificates.
    ///
    /// **Panics** if it fails.
    #[track_caller]
    pub fn control(&self, guard: &Guard, words: &[&str]) -> String {
        let mut command = guard.command(programs::dbgsrvctl());
        let output = command.arg("cert").args(words).env(USER_CERTIFICATES, &self.store).output();
        let output = output.expect("it starts");
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Trusts the other's certificate.
    ///
    /// **Panics** if it cannot.
    #[track_caller]
    pub fn trust(&self, guard: &Guard, other: &Side, name: &str) {
        let file = guard.directory().join(format!("{name}.shown"));
        std::fs::write(&file, other.control(guard, &["show", name])).expect("a file");
        self.control(guard, &["trust", file.to_str().expect("a path of text")]);
    }

    /// Two sides that trust each other: a server's with the certificate `box`, and a client's with
    /// `me`.
    ///
    /// **Panics** if they cannot be made.
    #[track_caller]
    pub fn friends(guard: &Guard) -> (Side, Side) {
        let (server, client) = (Side::new(guard, "box"), Side::new(guard, "me"));
        server.trust(guard, &client, "me");
        client.trust(guard, &server, "box");
        (server, client)
    }
}
