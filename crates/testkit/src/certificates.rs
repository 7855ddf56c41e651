//! Certificates for a server and its client, made, shown and trusted as people do it: by
//! dbgsrvctl. It knows that program's words, and nothing of TLS.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::{Authority, Guard, Made, programs};

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

    /// One with a certificate that dbgsrvctl did not make, in `NAME.pem`.
    ///
    /// **Panics** if it cannot be written.
    #[track_caller]
    pub fn having(guard: &Guard, name: &str, made: &Made) -> Side {
        let side = Side { store: guard.directory().join(name) };
        side.keep(name, &format!("{}{}", made.certificate, made.key));
        side
    }

    /// Writes this into the store's `NAME.pem`, as its owner's alone.
    ///
    /// **Panics** if it cannot.
    #[track_caller]
    pub fn keep(&self, name: &str, pem: &str) {
        std::fs::create_dir_all(&self.store).expect("own directory");
        let path = self.store.join(format!("{name}.pem"));
        std::fs::write(&path, pem).expect("own directory");
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(path, mode).expect("own file");
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
        self.trust_pem(guard, &other.control(guard, &["show", name]));
    }

    /// Trusts a certificate in PEM form.
    ///
    /// **Panics** if it cannot.
    #[track_caller]
    pub fn trust_pem(&self, guard: &Guard, pem: &str) {
        self.trust_with(guard, pem, &[]);
    }

    /// Trusts whomever an authority has signed for.
    ///
    /// **Panics** if it cannot.
    #[track_caller]
    pub fn trust_authority(&self, guard: &Guard, authority: &Authority) {
        self.trust_with(guard, authority.certificate(), &["-authority"]);
    }

    #[track_caller]
    fn trust_with(&self, guard: &Guard, pem: &str, options: &[&str]) {
        let file = guard.directory().join("shown");
        std::fs::write(&file, pem).expect("a file");
        let file = file.to_str().expect("a path of text");
        self.control(guard, &[&["trust", file], options].concat());
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
