//! Proving a password without showing it: OPAQUE (RFC 9807) inside TLS, bound to the connection by
//! its exporter (RFC 8446, 7.5; in the manner of RFC 9266), so that nobody in the middle learns
//! anything that can be tried, or can pass the proof on. The server registers its password with
//! itself when it starts, and keeps what is in [`Verifier`]; the password itself it can forget.
//!
//! ```text
//!   server ──► 1                    it wants a password
//!              0                    it does not, and that is all
//!              2, u16 seconds       nor does it listen now; come again then
//!   client ──► KE1   96 bytes
//!   server ──► KE2  320 bytes
//!   client ──► KE3   64 bytes       that it has found out by KE2 that the password is right
//!   server ──► 0                    content
//!   each KE: u16 length, little-endian, and so many bytes
//! ```

use opaque_ke::argon2::Argon2;
use opaque_ke::ciphersuite::CipherSuite;
use opaque_ke::{
    ClientLogin, ClientLoginFinishParameters, ClientRegistration,
    ClientRegistrationFinishParameters, CredentialFinalization, CredentialRequest,
    CredentialResponse, ServerLogin, ServerLoginParameters, ServerRegistration, ServerSetup,
};
use rand_core::OsRng;

/// Whom the password belongs to: there is one for the whole server.
const USER: &[u8] = b"dbgsrv";
/// No message is longer.
pub(super) const MESSAGE_LEN_MAX: usize = 1024;

struct Suite;

impl CipherSuite for Suite {
    type OprfCs = opaque_ke::Ristretto255;
    type KeyExchange = opaque_ke::TripleDh<opaque_ke::Ristretto255, sha2::Sha512>;
    type Ksf = Argon2<'static>;
}

/// What a server keeps to recognise its password. Who has it can try passwords, slowly, and needs
/// no server for that; so it is a secret.
#[derive(Clone)]
pub struct Verifier {
    setup: ServerSetup<Suite>,
    record: ServerRegistration<Suite>,
}

impl Verifier {
    /// That of a password. `None` for one that is longer than 65,535 bytes.
    pub fn of(password: &[u8]) -> Option<Verifier> {
        let mut random = OsRng;
        let setup = ServerSetup::<Suite>::new(&mut random);
        let begun = ClientRegistration::<Suite>::start(&mut random, password).ok()?;
        let answer = ServerRegistration::<Suite>::start(&setup, begun.message, USER).ok()?;
        let parameters = ClientRegistrationFinishParameters::default();
        let done = begun.state.finish(&mut random, password, answer.message, parameters).ok()?;
        Some(Verifier { setup, record: ServerRegistration::finish(done.message) })
    }

    /// Its bytes, for another process of this machine.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (setup, record) = (self.setup.serialize(), self.record.serialize());
        let len = (setup.len() as u32).to_le_bytes();
        [&len[..], &setup, &record].concat()
    }

    /// What [`to_bytes`](Verifier::to_bytes) has made. `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Verifier> {
        let (len, rest) = bytes.split_first_chunk::<4>()?;
        let (setup, record) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        let setup = ServerSetup::deserialize(setup).ok()?;
        Some(Verifier { setup, record: ServerRegistration::deserialize(record).ok()? })
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier(*)")
    }
}

/// A client in the middle of its proof.
pub(super) struct Prover<'a> {
    state: ClientLogin<Suite>,
    password: &'a [u8],
}

impl<'a> Prover<'a> {
    /// Begins; also KE1.
    pub(super) fn begin(password: &'a [u8]) -> Option<(Prover<'a>, Vec<u8>)> {
        let begun = ClientLogin::<Suite>::start(&mut OsRng, password).ok()?;
        let first = begun.message.serialize().to_vec();
        Some((Prover { state: begun.state, password }, first))
    }

    /// KE3, by KE2. `None` if the server has another password, or none of them.
    pub(super) fn finish(self, second: &[u8], binding: &[u8]) -> Option<Vec<u8>> {
        let response = CredentialResponse::deserialize(second).ok()?;
        let parameters =
            ClientLoginFinishParameters { context: Some(binding), ..Default::default() };
        let done = self.state.finish(&mut OsRng, self.password, response, parameters).ok()?;
        Some(done.message.serialize().to_vec())
    }
}

/// A server in the middle of looking at one.
pub(super) struct Checker {
    state: ServerLogin<Suite>,
    binding: Vec<u8>,
}

impl Checker {
    /// Answers KE1; also KE2. `None` if that is none.
    pub(super) fn begin(
        verifier: &Verifier,
        first: &[u8],
        binding: &[u8],
    ) -> Option<(Checker, Vec<u8>)> {
        let request = CredentialRequest::deserialize(first).ok()?;
        let record = Some(verifier.record.clone());
        let parameters = ServerLoginParameters { context: Some(binding), ..Default::default() };
        let begun =
            ServerLogin::start(&mut OsRng, &verifier.setup, record, request, USER, parameters);
        let begun = begun.ok()?;
        let second = begun.message.serialize().to_vec();
        Some((Checker { state: begun.state, binding: binding.to_vec() }, second))
    }

    /// Whether KE3 proves the password.
    pub(super) fn finish(self, third: &[u8]) -> bool {
        let parameters =
            ServerLoginParameters { context: Some(&self.binding), ..Default::default() };
        CredentialFinalization::deserialize(third)
            .is_ok_and(|third| self.state.finish(third, parameters).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_and_only_this_connection_prove_anything() {
        let verifier = Verifier::of(b"open sesame").expect("a password");
        let verifier = Verifier::from_bytes(&verifier.to_bytes()).expect("it is what it was");
        let prove = |password: &[u8], ours: &[u8], theirs: &[u8]| {
            let (prover, first) = Prover::begin(password).expect("a beginning");
            let (checker, second) = Checker::begin(&verifier, &first, theirs).expect("an answer");
            prover.finish(&second, ours).is_some_and(|third| checker.finish(&third))
        };
        assert!(prove(b"open sesame", b"a", b"a"));
        assert!(!prove(b"open sesam", b"a", b"a"));
        assert!(!prove(b"", b"a", b"a"));
        // Somebody in the middle has two connections.
        assert!(!prove(b"open sesame", b"a", b"b"));
    }

    #[test]
    fn nonsense_proves_nothing() {
        let verifier = Verifier::of(b"x").expect("a password");
        for bytes in [&b""[..], &[0; 96], &[0xff; 96], &[1; 97]] {
            assert!(Checker::begin(&verifier, bytes, b"").is_none(), "{bytes:?}");
        }
        let (prover, first) = Prover::begin(b"x").expect("a beginning");
        let (checker, second) = Checker::begin(&verifier, &first, b"").expect("an answer");
        let changed: Vec<u8> = second.iter().map(|byte| byte ^ 1).collect();
        assert!(prover.finish(&changed, b"").is_none());
        assert!(!checker.finish(&[0; 64]));
        for bytes in [&b""[..], b"\0\0\0\0", b"\xff\xff\xff\xff", &[0; 200]] {
            assert!(Verifier::from_bytes(bytes).is_none());
        }
    }
}
