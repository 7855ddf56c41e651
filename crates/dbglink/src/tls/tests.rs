//! Two sides with stores of their own, with everything that can be wrong with their certificates.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use std::{fs, io::Read, io::Write};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};

use super::*;
use crate::Link;
use crate::connect_string::{
    Certificate, CertificateSelector, CertificateStore, Proto, TlsParameters,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A side with a store of its own.
struct Side {
    directory: tempfile::TempDir,
    proto: Proto,
    pem: String,
}

/// A certificate of this name, for this machine, as `change` has it.
fn certificate(
    name: &str,
    signer: Option<&Issuer<'_, KeyPair>>,
    change: impl FnOnce(&mut CertificateParams),
) -> (String, String) {
    let mut params = CertificateParams::new(vec!["box17".to_owned()]).expect("a name");
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    change(&mut params);
    let key = KeyPair::generate().expect("a key");
    let made = match signer {
        Some(signer) => params.signed_by(&key, signer),
        None => params.self_signed(&key),
    };
    (made.expect("a certificate").pem(), key.serialize_pem())
}

impl Side {
    fn new(certificate: &(String, String)) -> Side {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join("trusted")).expect("a directory");
        let path = directory.path().join("own.pem");
        fs::write(&path, format!("{}{}", certificate.0, certificate.1)).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
        Side { directory, proto: Proto::Tls1, pem: certificate.0.clone() }
    }

    fn trust(self, pem: &str) -> Side {
        let path = self.directory.path().join("trusted/other.pem");
        fs::write(path, pem).expect("a file");
        self
    }

    fn speak(self, proto: Proto) -> Side {
        Side { proto, ..self }
    }

    fn store(&self) -> Store {
        Store::at(self.directory.path())
    }

    fn credentials(&self) -> Credentials {
        let facts = &self.store().own().expect("it can be read")[0].facts;
        let certificate = Certificate::Sha256(facts.sha256);
        let certificate = CertificateSelector { store: CertificateStore::User, certificate };
        let parameters = TlsParameters { proto: self.proto, certificate };
        Credentials::load_from(&self.store(), &parameters).expect("a certificate")
    }
}

/// Two sides that trust each other's certificates.
fn friends() -> (Side, Side) {
    let (server, client) =
        (certificate("server", None, |_| {}), certificate("client", None, |_| {}));
    (Side::new(&server).trust(&client.0), Side::new(&client).trust(&server.0))
}

/// What both sides have to say behind a handshake.
fn meet(
    server: &Side,
    client: &Side,
) -> (Result<Encrypted, TlsError>, Result<Encrypted, TlsError>) {
    let (ours, theirs) = Link::pair().expect("a socket pair");
    let (server, client) = (server.credentials(), client.credentials());
    // As it is passed to a login process.
    let server = Credentials::from_bytes(&server.to_bytes()).expect("they are what they were");
    let fd = |link: Link| link.into_fd().expect("a descriptor");
    std::thread::scope(|scope| {
        let accepted =
            scope.spawn(|| accept(fd(ours), Identity::Certificate(&server), None, PATIENCE));
        let connected =
            connect(fd(theirs), Identity::Certificate(&client), "box17", None, PATIENCE);
        (accepted.join().expect("no panic"), connected)
    })
}

/// The messages of two sides that do not come together.
#[track_caller]
fn quarrel(server: &Side, client: &Side) -> (String, String) {
    let (accepted, connected) = meet(server, client);
    (
        accepted.expect_err("it is refused").to_string(),
        connected.expect_err("it is refused").to_string(),
    )
}

#[track_caller]
fn assert_says(said: &str, wanted: &str) {
    assert!(said.contains(wanted), "{wanted:?} is not in: {said}");
}

#[test]
fn both_versions_carry_bytes_both_ways() {
    for proto in [Proto::Tls1, Proto::Tls12, Proto::Tls13] {
        let (server, client) = friends();
        let (accepted, connected) = meet(&server.speak(proto), &client);
        let plain = |side: Result<Encrypted, TlsError>| {
            let side = side.expect("they trust each other");
            let (link, inner) = Link::pair().expect("a socket pair");
            let inner = inner.into_fd().expect("a descriptor");
            std::thread::spawn(move || side.relay(inner));
            link
        };
        let (server, client) = (plain(accepted), plain(connected));
        let (mut server_reader, mut server_writer) = server.split();
        let (mut client_reader, mut client_writer) = client.split();
        let many: Vec<u8> = (0..3_000_000_u32).map(|index| (index % 251) as u8).collect();
        std::thread::scope(|scope| {
            scope.spawn(|| client_writer.write_all(&many).expect("it is taken"));
            scope.spawn(|| server_writer.write_all(&many).expect("it is taken"));
            for reader in [&mut server_reader, &mut client_reader] {
                let mut read = vec![0; many.len()];
                reader.read_exact(&mut read).expect("it arrives");
                assert!(read == many, "{proto:?}");
            }
        });
        client_writer.write_all(b"last words").expect("it is taken");
        drop((client_reader, client_writer));
        let mut last = Vec::new();
        server_reader.read_to_end(&mut last).expect("an end");
        assert_eq!(last, b"last words");
    }
}

/// A client may speak as soon as it hears that the server is content, while that is still busy with
/// saying so.
#[test]
fn what_comes_with_the_handshake_is_passed_on() {
    for _ in 0..3 {
        let (server, client) = friends();
        let (ours, theirs) = Link::pair().expect("a socket pair");
        let (server, client) = (server.credentials(), client.credentials());
        let fd = |link: Link| link.into_fd().expect("a descriptor");
        let thread = std::thread::spawn(move || {
            let identity = Identity::Certificate(&client);
            let connected = connect(fd(theirs), identity, "box17", None, PATIENCE);
            let mut encrypted = connected.expect("they trust each other");
            encrypted.tls.writer().write_all(b"hello").expect("room");
            while encrypted.tls.wants_write() {
                encrypted.tls.write_tls(&mut relay::Raw(&encrypted.socket)).expect("it reads");
            }
            encrypted
        });
        let accepted = accept(fd(ours), Identity::Certificate(&server), None, PATIENCE);
        let mut accepted = accepted.expect("they trust each other");
        // As if it had been read by then.
        let kept = thread.join().expect("no panic");
        let _ = accepted.tls.read_tls(&mut relay::Raw(&accepted.socket));
        accepted.tls.process_new_packets().expect("all is well");
        let (link, inner) = Link::pair().expect("a socket pair");
        let inner = fd(inner);
        std::thread::spawn(move || accepted.relay(inner));
        let mut hello = [0; 5];
        link.split().0.read_exact(&mut hello).expect("it is passed on");
        assert_eq!(&hello, b"hello");
        drop(kept);
    }
}

#[test]
fn versions_that_are_not_wanted_are_refused() {
    let (server, client) = friends();
    let (server, client) = quarrel(&server.speak(Proto::Tls12), &client.speak(Proto::Tls13));
    assert_says(&server, "no version of TLS that is wanted here (proto=)");
    assert_says(&client, "no version of TLS that is wanted here (proto=)");
}

#[test]
fn strangers_are_told_so_on_both_sides() {
    for proto in [Proto::Tls12, Proto::Tls13] {
        let known = certificate("server", None, |_| {});
        let (stranger, friend) = (
            Side::new(&certificate("stranger", None, |_| {})).trust(&known.0).speak(proto),
            Side::new(&certificate("friend", None, |_| {})).speak(proto),
        );
        // The server does not know the client.
        let (server, client) = quarrel(&Side::new(&known), &stranger);
        assert_says(&server, "certificate stranger is not trusted here");
        assert_says(&server, "own.pem/../trusted".trim_start_matches("own.pem/../"));
        assert_says(&client, "does not trust our certificate");
        // The client does not know the server.
        let server = Side::new(&known).trust(&friend.pem);
        let (server, client) = quarrel(&server, &friend);
        assert_says(&client, "certificate server is not trusted here");
        assert_says(&client, "dbgsrvctl cert trust");
        assert_says(&server, "does not trust our certificate");
    }
}

#[test]
fn time_and_use_and_name_are_each_told() {
    let client = certificate("client", None, |_| {});
    let authority_key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("no name");
    params.distinguished_name.push(DnType::CommonName, "authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).expect("a certificate").pem();
    let authority_issuer = Issuer::new(params, authority_key);
    let with = |change: fn(&mut CertificateParams), is_signed: bool| {
        let signer = is_signed.then_some(&authority_issuer);
        let server = certificate("server", signer, change);
        let trusted = if is_signed { authority.clone() } else { server.0.clone() };
        (Side::new(&server).trust(&client.0), Side::new(&client).trust(&trusted))
    };
    type Change = fn(&mut CertificateParams);
    let cases: [(Change, &str, &str); 4] = [
        (
            |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1),
            "certificate server has expired",
            "expired there",
        ),
        (
            |params| params.not_before = rcgen::date_time_ymd(4000, 1, 1),
            "certificate server is not valid yet",
            "not valid yet",
        ),
        (
            |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
            "certificate server is not for server authentication",
            "not for server or client authentication",
        ),
        (
            |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning],
            "certificate server is not for server authentication",
            "not for server or client authentication",
        ),
    ];
    for (change, here, there) in cases {
        for is_signed in [false, true] {
            let (server, client) = with(change, is_signed);
            let (server, client) = quarrel(&server, &client);
            assert_says(&client, here);
            assert_says(&server, there);
        }
    }
    // A name counts only of what is not trusted by itself.
    let renamed: Change = |params| {
        params.subject_alt_names =
            vec![rcgen::SanType::DnsName("box18".try_into().expect("a name"))];
    };
    let (server, client) = with(renamed, true);
    let (server, client) = quarrel(&server, &client);
    assert_says(&client, "is not for box17 but for box18");
    assert_says(&server, "for another machine");
    let (server, client) = with(renamed, false);
    let (accepted, connected) = meet(&server, &client);
    accepted.and(connected).expect("it is trusted by itself");
    let (server, client) = with(|_| {}, true);
    let (accepted, connected) = meet(&server, &client);
    accepted.and(connected).expect("its authority is trusted");
}

/// Who is trusted by itself cannot make others trusted.
#[test]
fn who_is_no_authority_signs_for_nobody() {
    let client = certificate("client", None, |_| {});
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec!["friend".to_owned()]).expect("a name");
    params.distinguished_name.push(DnType::CommonName, "friend");
    let friend = params.self_signed(&key).expect("a certificate").pem();
    let issuer = Issuer::new(params, key);
    let forged = certificate("server", Some(&issuer), |_| {});
    let server = Side::new(&forged).trust(&client.0);
    let (_, said) = quarrel(&server, &Side::new(&client).trust(&friend));
    assert_says(&said, "certificate server is not trusted here");
}

#[test]
fn the_same_certificate_on_both_sides_needs_no_trust() {
    let shared = certificate("shared", None, |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    let (accepted, connected) = meet(&Side::new(&shared), &Side::new(&shared));
    accepted.and(connected).expect("it is the same one");
}

/// What both sides have to say of a password, on a connection that nothing else protects.
fn whisper(
    wanted: Option<&str>,
    given: Option<&str>,
) -> (Result<Encrypted, TlsError>, Result<Encrypted, TlsError>) {
    let (ours, theirs) = Link::pair().expect("a socket pair");
    let fd = |link: Link| link.into_fd().expect("a descriptor");
    let verifier = wanted.map(|wanted| Verifier::of(wanted.as_bytes()).expect("a password"));
    std::thread::scope(|scope| {
        let accepted =
            scope.spawn(|| accept(fd(ours), Identity::Ephemeral, verifier.as_ref(), PATIENCE));
        let given = given.map(str::as_bytes);
        let connected = connect(fd(theirs), Identity::Ephemeral, "box17", given, PATIENCE);
        (accepted.join().expect("no panic"), connected)
    })
}

#[test]
fn a_password_is_proved_or_its_lack_is_told() {
    let (accepted, connected) = whisper(Some("sesame"), Some("sesame"));
    accepted.and(connected).expect("it is the same");
    let said = |(server, client): (Result<Encrypted, TlsError>, Result<Encrypted, TlsError>)| {
        let server = server.map_or_else(|error| error.to_string(), |_| "content".to_owned());
        (server, client.expect_err("it is refused").to_string())
    };
    let wrong = "the password is wrong; error 0x80004005";
    let (server, client) = said(whisper(Some("sesame"), Some("Sesame")));
    assert_eq!((server.as_str(), client.as_str()), (wrong, wrong));
    let (server, client) = said(whisper(Some("sesame"), None));
    assert_says(&client, "wants a password (password=); error 0x80004005");
    assert_says(&server, "went away");
    let (_, client) = said(whisper(None, Some("sesame")));
    assert_says(&client, "asks for no password");
}

#[test]
fn what_is_no_tls_is_told_and_silence_is_bounded() {
    let (server, _) = friends();
    let (ours, theirs) = Link::pair().expect("a socket pair");
    let (_reader, mut writer) = theirs.split();
    writer.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("room");
    let socket = ours.into_fd().expect("a descriptor");
    let error = accept(socket, Identity::Certificate(&server.credentials()), None, PATIENCE)
        .expect_err("no TLS");
    assert_says(&error.to_string(), "does not speak TLS");
    let (ours, theirs) = Link::pair().expect("a socket pair");
    let socket = ours.into_fd().expect("a descriptor");
    let patience = Duration::from_millis(50);
    let error = accept(socket, Identity::Certificate(&server.credentials()), None, patience)
        .expect_err("silence");
    assert_says(&error.to_string(), "did not finish the TLS handshake within 0.05 s");
    drop(theirs);
    let (ours, theirs) = Link::pair().expect("a socket pair");
    drop(theirs);
    let socket = ours.into_fd().expect("a descriptor");
    let error =
        connect(socket, Identity::Certificate(&server.credentials()), "box17", None, PATIENCE)
            .expect_err("an end");
    assert_says(&error.to_string(), "went away");
}

#[test]
fn a_store_says_what_it_has_not() {
    let (side, _) = friends();
    let named = |name: &str| side.store().find(&Certificate::new(name).expect("a name"));
    assert_eq!(named("SERVER").expect("by its common name").facts.common_name, "server");
    let found = named("box17").expect("by its machine");
    let sha1 = found.facts.sha1.map(|byte| format!("{byte:02X}")).join(" ");
    assert_eq!(named(&sha1).expect("by its thumbprint").path, found.path);
    let error = named("nobody").expect_err("there is none").to_string();
    assert_says(&error, "no certificate nobody is in");
    let own = side.directory.path().join("own.pem");
    fs::set_permissions(&own, fs::Permissions::from_mode(0o644)).expect("its mode");
    assert_says(&named("server").expect_err("it is public").to_string(), "chmod 600");
    fs::copy(&own, side.directory.path().join("copy.pem")).expect("a copy");
    assert_says(&named("server").expect_err("two").to_string(), "hold the same certificate");
    fs::remove_file(side.directory.path().join("copy.pem")).expect("it is there");
    fs::write(&own, &side.pem).expect("a file");
    assert_says(&named("server").expect_err("no key").to_string(), "has no private key");
    fs::write(&own, "-----BEGIN NONSENSE-----").expect("a file");
    assert_says(&named("server").expect_err("nonsense").to_string(), "PEM");
    for bytes in [&b""[..], b"\0", b"\0\x01\0\0\0", b"\x09", b"\0\xff\xff\xff\xff"] {
        assert!(Credentials::from_bytes(bytes).is_none());
    }
}
