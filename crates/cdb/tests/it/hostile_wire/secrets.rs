//! What is secret, and what can be read of it by somebody who only listens.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use testkit::{
    Guard, Process, Relay, Server, Side, Testee, USER_CERTIFICATES, free_port, procfs, programs,
};

use super::entrance::PASSWORD;
use crate::console::Console;

/// One way to a server, as both sides write it, without port and password.
struct Wire {
    server: &'static str,
    client: &'static str,
    has_password: bool,
    /// Whether it is the server that calls.
    is_reverse: bool,
}

const fn wire(server: &'static str, client: &'static str, has_password: bool) -> Wire {
    Wire { server, client, has_password, is_reverse: false }
}

const SSL: &str = "ssl:proto=tls1,certuser=box,";
const SSL_CLIENT: &str = "ssl:proto=tls1,certuser=me,";

/// The first protects nothing.
const WIRES: [Wire; 7] = [
    wire("tcp:", "tcp:", false),
    wire("tcp:", "tcp:", true),
    wire(SSL, SSL_CLIENT, false),
    wire(SSL, SSL_CLIENT, true),
    wire("ssl:proto=tls12,certuser=box,", SSL_CLIENT, true),
    Wire { server: "tcp:", client: "tcp:", has_password: true, is_reverse: true },
    Wire { server: SSL, client: SSL_CLIENT, has_password: false, is_reverse: true },
];

impl Wire {
    fn password(&self) -> String {
        if self.has_password { format!(",password={PASSWORD}") } else { String::new() }
    }

    /// A server, somebody who listens in, and the string of its client, which has to be there soon
    /// if it is called.
    fn open(&self, guard: &Guard, store: &Path) -> (Box<dyn std::any::Any>, Relay, String) {
        let prepare = |command: &mut Command| {
            command.env(USER_CERTIFICATES, store);
        };
        let (Wire { server, client, .. }, rest) = (self, self.password());
        if self.is_reverse {
            let port = free_port();
            let relay = Relay::listening_in((Ipv4Addr::LOCALHOST, port).into());
            let at = relay.address().port();
            let mut command = guard.command(programs::dbgsrv());
            prepare(&mut command);
            command.args(["-t", &format!("{server}clicon=127.0.0.1,port={at}{rest}")]);
            command.env("DBGSRV_RUN_DIR", guard.directory().join("run"));
            let premote = format!("{client}clicon=127.0.0.1,port={port}{rest}");
            return (Box::new(Process::spawn(&mut command)), relay, premote);
        }
        let transport = format!("{server}port=0{rest}");
        let endpoint = "tcp:server=localhost";
        let server = Server::at_port(guard, programs::dbgsrv(), &transport, endpoint, prepare);
        let port = procfs::listening_port(server.pid()).expect("it listens");
        let relay = Relay::listening_in((Ipv4Addr::LOCALHOST, port).into());
        let at = relay.address().port();
        let premote = format!("{client}server=127.0.0.1,port={at}{rest}");
        (Box::new(server), relay, premote)
    }
}

/// Names of the program and of another process, what its memory has, the password, and where they
/// can be read. The password is never sent; so that it would be found if it were, the same word is
/// written to the program's memory.
#[test]
fn what_is_secret_is_nowhere_on_the_wire() {
    let guard = Guard::new();
    let testee = Testee::build("depths", &[]);
    let path = testee.path().to_str().expect("a path in the target folder");
    let bystander = Testee::build("ticks", &[]);
    let mut process = guard.start(bystander.path(), &["0"]);
    assert_eq!(process.read_line(), "ready");
    let name = procfs::thread_name(process.pid(), process.leader()).expect("it lives");
    let (box_, me) = Side::friends(&guard);
    for wire in WIRES {
        let is_secret = wire.has_password || wire.server == SSL;
        let (_server, relay, premote) = wire.open(&guard, &box_.store);
        let mut command = guard.command(env!("CARGO_BIN_EXE_cdb"));
        command.env(USER_CERTIFICATES, &me.store).args(["-premote", &premote, path]);
        let mut console = Console::spawn(command);
        let list = console.command(".tlist");
        assert!(list.contains(&name), "{name} is not in {list}");
        console.command("bp inner");
        for _ in 0..2 {
            console.command("g");
        }
        let said = console.command("da greeting");
        assert!(said.contains("hello from depths"), "{said}");
        console.command(&format!("eza @rsp-100 \"{PASSWORD}\""));
        let said = console.command("da @rsp-100");
        assert!(said.contains(PASSWORD), "{said}");
        console.finish("q");
        let seen = relay.bytes_seen();
        let has = |text: &[u8]| seen.windows(text.len()).any(|piece| piece == text);
        assert!(seen.len() > 2000, "{} bytes", seen.len());
        // What it has in memory, and says; what it is called; what was asked for.
        for text in [PASSWORD, "hello from depths", "round 0", path, "depths", "libc.so", &name] {
            assert_eq!(has(text.as_bytes()), !is_secret, "{premote}: {text}");
        }
    }
}
