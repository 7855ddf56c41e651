//! `dbgsrvctl cert`: makes certificates, shows them, trusts those of others, removes them. It works
//! on the files of a store, which `dbglink` describes.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use dbglink::connect_string::{Certificate, CertificateStore};
use dbglink::tls::{
    CertificateFacts, PEM_LEN_MAX, Store, StoredCertificate, read_certificates, read_pem_file,
};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, SanType};
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

use crate::args::{Action, CertCommand};
use crate::{table, utc};

/// Does what a command asks for. The text to print.
///
/// **Errors**: a sentence that names the file or certificate and what is wrong with it.
pub(crate) fn run(command: &CertCommand) -> Result<String, String> {
    let which = match command.is_machine {
        true => CertificateStore::Machine,
        false => CertificateStore::User,
    };
    let store = Store::of(which);
    match &command.action {
        Action::New { name, hosts, days } => make(&store, command, name, hosts, *days),
        Action::List => list(&store),
        Action::Show { name } => show(&store, name),
        Action::Trust { file, may_be_authority } => {
            trust(&store, Path::new(file), *may_be_authority)
        }
        Action::Remove { name } => remove(&store, name),
    }
}

fn make(
    store: &Store,
    command: &CertCommand,
    name: &str,
    hosts: &[String],
    days: u32,
) -> Result<String, String> {
    let file_name = file_name(name)
        .ok_or_else(|| format!("{name:?} cannot be a file's name; use letters, digits, - and ."))?;
    let path = store.path().join(file_name);
    let hosts = if hosts.is_empty() { own_hosts() } else { hosts.to_vec() };
    let pem = certificate(name, &hosts, days).map_err(|error| format!("{name}: {error}"))?;
    prepare(store.path())?;
    // Servers that look at the store meanwhile find it whole or not at all.
    let begun = path.with_extension(format!("{}.new", std::process::id()));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&begun);
    let written = file.and_then(|mut file| file.write_all(pem.as_bytes()));
    let written = written.and_then(|()| name_new(&begun, &path));
    let _ = fs::remove_file(&begun);
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => format!(
            "{} exists; choose another name, or remove it first (dbgsrvctl cert remove)",
            path.display()
        ),
        _ => format!("cannot write {}: {error}", path.display()),
    })?;
    let (option, parameter) = match command.is_machine {
        true => (" -machine", "machuser"),
        false => ("", "certuser"),
    };
    let (made, _) = parse(&pem).ok_or("what was made cannot be read")?;
    Ok(format!(
        "made {}, for {}, valid for {days} days\nthumbprint {}\n\nin connection strings: \
         {parameter}={name}\nfor those who are to trust it: dbgsrvctl cert show {name}{option} > \
         {name}.pem\nand on their machines:          dbgsrvctl cert trust {name}.pem\n",
        path.display(),
        hosts.join(", "),
        made.thumbprint(),
    ))
}

/// Gives a file its name, which no other one has.
fn name_new(begun: &Path, path: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, begun, CWD, path, RenameFlags::NOREPLACE) {
        // Not every kind of file system can do that (rename(2)).
        Err(Errno::INVAL) if !path.exists() => fs::rename(begun, path),
        Err(Errno::INVAL) => Err(io::ErrorKind::AlreadyExists.into()),
        result => result.map_err(io::Error::from),
    }
}

fn parse(pem: &str) -> Option<(CertificateFacts, String)> {
    read_certificates(pem.as_bytes())?.into_iter().next()
}

/// A certificate that signs itself, for servers and clients, and its private key.
fn certificate(name: &str, hosts: &[String], days: u32) -> Result<String, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    for host in hosts {
        params.subject_alt_names.push(match host.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(host.as_str().try_into()?),
        });
    }
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    // Clocks differ a little.
    params.not_before = time::OffsetDateTime::now_utc() - time::Duration::hours(1);
    params.not_after = time::OffsetDateTime::now_utc() + time::Duration::days(days.into());
    let key = KeyPair::generate()?;
    Ok(format!("{}{}", params.self_signed(&key)?.pem(), key.serialize_pem()))
}

/// What clients may call this machine.
fn own_hosts() -> Vec<String> {
    let uname = rustix::system::uname();
    let name = uname.nodename().to_str().unwrap_or_default();
    let short = name.split('.').next().unwrap_or_default();
    let mut hosts = vec![name.to_owned(), short.to_owned(), "localhost".to_owned()];
    hosts.dedup();
    hosts.retain(|host| !host.is_empty());
    hosts.extend(["127.0.0.1".to_owned(), "::1".to_owned()]);
    hosts
}

fn list(store: &Store) -> Result<String, String> {
    let own = store.own().map_err(|error| error.to_string())?;
    let trusted = store.trusted().map_err(|error| error.to_string())?;
    let row = |facts: &CertificateFacts| {
        let day = |seconds| u64::try_from(seconds).map_or_else(|_| "-".to_owned(), utc::date);
        let until = day(facts.valid_until_s);
        let until = match facts.is_early_or_late(SystemTime::now()) {
            (_, true) => format!("{until} (expired)"),
            (true, _) => format!("{until} (from {})", day(facts.valid_from_s)),
            (false, false) => until,
        };
        let machines = facts.machines.join(",");
        let machines = if machines.is_empty() { "-".to_owned() } else { machines };
        let kind = if facts.is_authority { "authority" } else { "-" };
        [facts.title(), until, machines, kind.to_owned(), facts.thumbprint()]
    };
    let heading = ["NAME", "UNTIL", "MACHINES", "SIGNS AS", "THUMBPRINT"];
    let section = |title: String, rows: Vec<[String; 5]>| match rows.as_slice() {
        [] => format!("{title}: none\n"),
        rows => format!("{title}:\n{}", table::text(heading, rows)),
    };
    let own = section(
        format!("certificates in {}", store.path().display()),
        own.iter().map(|stored| row(&stored.facts)).collect(),
    );
    let trusted = section(
        format!("trusted in {}", store.trusted_path().display()),
        trusted.iter().flat_map(StoredCertificate::all).map(|facts| row(&facts)).collect(),
    );
    Ok(format!("{own}\n{trusted}"))
}

fn show(store: &Store, name: &str) -> Result<String, String> {
    let found = store.find_own(&wanted(name)?).map_err(|error| error.to_string())?;
    let text = read_pem_file(&found.path).map_err(|error| error.to_string())?;
    // Behind it may be those that have signed it. Who trusts one of these trusts whomever it signs.
    let own = read_certificates(&text).unwrap_or_default().into_iter().next();
    Ok(own.map(|(_, pem)| pem).unwrap_or_default())
}

/// Trusts the certificates of a file; authorities only if that is wanted, as they speak for others.
fn trust(store: &Store, file: &Path, may_be_authority: bool) -> Result<String, String> {
    let text = match file == Path::new("-") {
        true => {
            let mut text = Vec::new();
            let read = io::stdin().take(PEM_LEN_MAX).read_to_end(&mut text);
            read.map_err(|error| format!("cannot read standard input: {error}"))?;
            text
        }
        false => read_pem_file(file).map_err(|error| error.to_string())?,
    };
    let certificates = read_certificates(&text).filter(|found| !found.is_empty());
    let certificates = certificates.ok_or_else(|| {
        format!("{} holds no certificate in PEM form; nothing is trusted", file.display())
    })?;
    let authority = certificates.iter().find(|(facts, _)| facts.is_authority && !may_be_authority);
    if let Some((facts, _)) = authority {
        return Err(format!(
            "{} in {} is an authority: whomever it has signed for would be let in; nothing is \
             trusted. Give -authority if that is meant, or a file with nothing but the other \
             side's own certificate, as dbgsrvctl cert show prints it",
            facts.title(),
            file.display()
        ));
    }
    prepare(store.path())?;
    prepare(&store.trusted_path())?;
    let mut said = String::new();
    for (facts, pem) in certificates {
        let thumbprint = facts.thumbprint();
        let title = facts.title();
        let stem = file_name(&title).map_or_else(String::new, |_| format!("{title}-"));
        let short = thumbprint.get(..16).unwrap_or_default();
        let path = store.trusted_path().join(format!("{stem}{short}.pem"));
        // Servers that look at the store meanwhile find it whole.
        let begun = path.with_extension("new");
        let _ = fs::remove_file(&begun);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&begun);
        let written = file.and_then(|mut file| file.write_all(pem.as_bytes()));
        let written = written.and_then(|()| fs::rename(&begun, &path));
        written.map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        let whom = if facts.is_authority { ", and so is whomever it has signed for" } else { "" };
        said += &format!("{title} is trusted now, thumbprint {thumbprint}{whom}\n");
    }
    Ok(said)
}

fn remove(store: &Store, name: &str) -> Result<String, String> {
    let found = store.find_any(&wanted(name)?).map_err(|error| error.to_string())?;
    let removed = fs::remove_file(&found.path);
    removed.map_err(|error| format!("cannot remove {}: {error}", found.path.display()))?;
    Ok(format!("removed {}\n", found.path.display()))
}

/// What a certificate is called, as connection strings call it.
fn wanted(name: &str) -> Result<Certificate, String> {
    Certificate::new(name)
        .map_err(|_| format!("{name:?} is neither a certificate's name nor a thumbprint"))
}

/// Makes a directory of a store, which only its owner may change.
fn prepare(directory: &Path) -> Result<(), String> {
    let made = DirBuilder::new().recursive(true).mode(0o755).create(directory);
    made.map_err(|error| format!("cannot make {}: {error}", directory.display()))
}

/// The file of a certificate with this name. `None` if it can be none.
fn file_name(name: &str) -> Option<PathBuf> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_name = !name.is_empty() && !name.starts_with('.') && name.len() <= 64;
    (is_name && name.chars().all(is_plain)).then(|| PathBuf::from(format!("{name}.pem")))
}
