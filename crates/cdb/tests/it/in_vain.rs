//! Servers that call where no client waits, and how long they are patient: up to a minute. So it is
//! no test of its own, but is done beside another one that takes its time.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;

use dbgbase::ExitStatus;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with};
use testkit::{Guard, Process, Server, programs};

const PASSWORD: &str = ",password=sesame7";

/// A server that calls, and what it says on standard error.
struct Caller {
    process: Process,
    heard: std::path::PathBuf,
}

impl Caller {
    fn start(guard: &Guard, name: &str, transport: &str) -> Caller {
        let heard = guard.directory().join(name);
        let mut command = guard.command(programs::dbgsrv());
        command.args(["-t", transport]).env("DBGSRV_RUN_DIR", guard.directory().join("run"));
        command.stdout(Stdio::null()).stderr(std::fs::File::create(&heard).expect("a file"));
        Caller { process: Process::spawn(&mut command), heard }
    }

    /// Waits for its end, which is a failure. What it has said.
    #[track_caller]
    fn end(mut self) -> String {
        assert_eq!(self.process.wait(), ExitStatus::Exited(1));
        std::fs::read_to_string(self.heard).expect("a file")
    }
}

/// Nobody listens; and another server does, with a password or without.
pub(crate) fn servers_call_where_no_client_waits() {
    let guard = Guard::with_patience(Duration::from_secs(240));
    // Whoever has it does not listen, and nobody else can.
    let flags = SocketFlags::CLOEXEC;
    let held = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None);
    let held = held.expect("a socket");
    bind(&held, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a port is free");
    let address = SocketAddr::try_from(getsockname(&held).expect("it has one")).expect("of IPv4");
    let port = address.port();
    let nobody = Caller::start(&guard, "nobody", &format!("tcp:clicon=127.0.0.1,port={port}"));
    let call = |server: &Server, name: &str, rest: &str| {
        let port = server.address().port();
        Caller::start(&guard, name, &format!("tcp:clicon=localhost,port={port}{rest}"))
    };
    let servers = ["", PASSWORD].map(|rest| {
        Server::at_port(
            &guard,
            programs::dbgsrv(),
            &format!("tcp:port=0{rest}"),
            "tcp:server=localhost",
            |command| {
                command.stderr(Stdio::null());
            },
        )
    });
    let plain = call(&servers[0], "plain", "");
    let secret = call(&servers[1], "secret", PASSWORD);
    let said = plain.end();
    let port = servers[0].address().port();
    // Both lose their patience at the same time.
    assert!(said.contains(&format!(":{port} has said nothing for ")), "{said}");
    assert!(said.contains("is it a server, too?"), "{said}");
    assert!(said.ends_with("start this server again for the next one\n"), "{said}");
    let said = secret.end();
    assert!(said.contains("was not let in: "), "{said}");
    assert!(said.ends_with("start this server again for the next one\n"), "{said}");
    // Whoever was called serves others.
    servers.iter().for_each(Server::wait_until_idle);
    let expected = format!(
        "dbgsrv: no client has waited at 127.0.0.1 port {port} for 60 s (it refuses connections); \
         start it with clicon= and this port, then this server again\n",
        port = address.port()
    );
    assert_eq!(nobody.end(), expected);
}
