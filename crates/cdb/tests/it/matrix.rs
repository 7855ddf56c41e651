//! Every transport, with and without a password, in both directions, near and far: the same session
//! each time, with a budget of round trips for each command. What cannot be has its reason and its
//! error.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::thread::JoinHandle;
use std::time::Duration;

use dbgbase::ExitStatus;
use testkit::{
    Guard, Process, Relay, Server, Side, Testee, USER_CERTIFICATES, procfs, programs, until,
};

use crate::console::Console;

/// What carries the bytes of a transport.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Carrier {
    /// A socket file.
    Pipe,
    /// A port where the server listens.
    Port,
    /// The same by IPv6.
    Port6,
    /// A port where the client listens.
    Call,
    /// The same by IPv6.
    Call6,
    /// A command's input and output.
    Command,
}

/// A name, the server's string, its client's, who carries it, and whether it is encrypted anyway.
/// `{}` is the port.
type Transport = (&'static str, &'static str, &'static str, Carrier, bool);

use Carrier::{Call, Call6, Command as Exec, Pipe, Port, Port6};

#[rustfmt::skip]
const TRANSPORTS: &[Transport] = &[
    ("npipe", "npipe:pipe=test", "npipe:server=localhost,pipe=test", Pipe, false),
    ("tcp", "tcp:port=0", "tcp:server=127.0.0.1,port={}", Port, false),
    ("tcp IPv6", "tcp:port=0,ipversion=6", "tcp:server=::1,port={},ipversion=6", Port6, false),
    ("ssl", "ssl:proto=tls1,certuser=box,port=0",
        "ssl:proto=tls1,certuser=me,server=127.0.0.1,port={}", Port, true),
    ("ssl TLS 1.2", "ssl:proto=tls12,certuser=box,port=0",
        "ssl:proto=tls12,certuser=me,server=127.0.0.1,port={}", Port, true),
    ("spipe", "spipe:proto=tls1,certuser=box,pipe=test",
        "spipe:proto=tls1,certuser=me,server=localhost,pipe=test", Pipe, true),
    ("exec", "stdio", "exec:{}", Exec, false),
    ("tcp clicon", "tcp:clicon=127.0.0.1,port={}",
        "tcp:clicon=localhost,port=10000:19999", Call, false),
    ("tcp clicon IPv6", "tcp:clicon=::1,port={},ipversion=6",
        "tcp:clicon=localhost,port=10000:19999,ipversion=6", Call6, false),
    ("ssl clicon", "ssl:proto=tls1,certuser=box,clicon=127.0.0.1,port={}",
        "ssl:proto=tls1,certuser=me,clicon=localhost,port=10000:19999", Call, true),
];

/// What a password adds to either string.
const PASSWORD: &str = ",password=sesame7";
/// The delay of the line that is not near.
const FAR: Duration = Duration::from_millis(60);

/// How many round trips it takes to have a program stand at its first stop: the greeting with the
/// first request, and the launch.
const BEGINNING: u64 = 2;
/// What a handshake takes before: TLS, which a password asks for as well, and the proof of that.
const HANDSHAKES: (u64, u64) = (2, 2);

/// A command, what it has to say, and how many round trips it may cost. `{}` is a process.
#[rustfmt::skip]
const STEPS: &[(&str, &str, u64)] = &[
    (".tlist dbgsrv*", "dbgsrv", 1),
    ("bp inner", "", 0),
    ("g", "Breakpoint 0 hit", 1),
    ("r", "rip=", 0),
    ("kn", "!main", 0),
    ("dv", "value = 0n0", 0),
    ("p", "inner", 1),
    ("t", "inner", 1),
    ("r rbx=1234", "", 1),
    ("r rbx", "rbx=0000000000001234", 0),
    ("da greeting", "hello from depths", 1),
    ("ed total 5", "", 1),
    ("dd total L1", "00000005", 1),
    ("bc *", "", 0),
    ("g", "exited", 1),
    (".attach 0n{};g", "", 1),
    ("kn", "!main", 0),
    (".detach", "", 1),
];

/// One field of the matrix.
#[derive(Clone, Copy, Debug)]
struct Field {
    transport: &'static Transport,
    has_password: bool,
    delay: Duration,
}

/// A server, the way to it, and what keeps both.
struct Site {
    field: Field,
    server: Side,
    client: Side,
    /// Where a client finds pipes.
    run_dir: PathBuf,
    premote: String,
    relay: Option<Relay>,
    listening: Option<Server>,
    called: Option<Process>,
    /// Starts servers for commands whose line is slow.
    inetd: Option<JoinHandle<()>>,
    /// The last, so that all the others have ended before it looks.
    guard: Guard,
}

impl Site {
    fn new(field: Field) -> Site {
        let guard = Guard::new();
        let (server, client) = Side::friends(&guard);
        let run_dir = guard.directory().join("run");
        let site = Site {
            field,
            guard,
            server,
            client,
            run_dir,
            premote: String::new(),
            relay: None,
            listening: None,
            called: None,
            inetd: None,
        };
        match field.transport.3 {
            Pipe => site.at_pipe(),
            Port => site.at_port(Ipv4Addr::LOCALHOST.into()),
            Port6 => site.at_port(Ipv6Addr::LOCALHOST.into()),
            Exec => site.at_command(),
            Call | Call6 => site,
        }
    }

    /// The server's string or the client's, with a port.
    fn string(&self, is_servers: bool, port: u16) -> String {
        let (_, server, client, ..) = self.field.transport;
        let string = if is_servers { server } else { client };
        let password = if self.field.has_password { PASSWORD } else { "" };
        format!("{}{password}", string.replace("{}", &port.to_string()))
    }

    fn at_pipe(mut self) -> Site {
        let transport = self.string(true, 0);
        let server = Server::npipe_with(&self.guard, programs::dbgsrv(), |command| {
            *command = self.guard.command(programs::dbgsrv());
            command.args(["-t", &transport]).env("DBGSRV_RUN_DIR", &self.run_dir);
            command.env(USER_CERTIFICATES, &self.server.store);
        });
        until("the socket", || server.socket_path().exists().then_some(()));
        if !self.field.delay.is_zero() {
            self.run_dir = self.guard.directory().join("far");
            std::fs::create_dir(&self.run_dir).expect("a folder");
            let place = self.run_dir.join("test");
            self.relay = Some(Relay::at_pipe(&place, &server.socket_path(), self.field.delay));
        }
        self.premote = self.string(false, 0);
        self.listening = Some(server);
        self
    }

    fn at_port(mut self, address: IpAddr) -> Site {
        let transport = self.string(true, 0);
        let client = "tcp:server=localhost";
        let server =
            Server::at_port(&self.guard, programs::dbgsrv(), &transport, client, |command| {
                command.env(USER_CERTIFICATES, &self.server.store);
            });
        let port = procfs::listening_port(server.pid()).expect("it listens");
        let port = self.slow_line_to((address, port).into());
        self.premote = self.string(false, port);
        self.listening = Some(server);
        self
    }

    /// The port by which an address of this machine is reached: another one if the line is slow.
    fn slow_line_to(&mut self, address: SocketAddr) -> u16 {
        if self.field.delay.is_zero() {
            return address.port();
        }
        let relay = Relay::start(address, self.field.delay);
        let port = relay.address().port();
        self.relay = Some(relay);
        port
    }

    /// A command that is the server, or leads to one that is started for whoever connects, as by
    /// inetd.
    fn at_command(mut self) -> Site {
        let program = programs::dbgsrv();
        if self.field.delay.is_zero() {
            self.premote = format!("exec:{} -t stdio", program.display());
            return self;
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
        let port = self.slow_line_to(listener.local_addr().expect("an address"));
        let mut command = self.guard.command(program);
        command.args(["-t", "stdio"]);
        self.inetd = Some(std::thread::spawn(move || {
            let mut servers = Vec::new();
            for _ in 0..2 {
                let socket = listener.accept().expect("a client comes").0;
                let copy = socket.try_clone().expect("a descriptor");
                command.stdin(OwnedFd::from(socket)).stdout(OwnedFd::from(copy));
                servers.push(Process::spawn(&mut command));
                // It has its copies, and nobody else should.
                command.stdin(Stdio::null()).stdout(Stdio::null());
            }
            for mut server in servers {
                assert_eq!(server.wait(), ExitStatus::Exited(0));
            }
        }));
        let ferry = self.guard.directory().join("ferry.py");
        std::fs::write(&ferry, FERRY).expect("a file");
        self.premote = format!("exec:python3 {} {port}", ferry.display());
        self
    }

    /// cdb with these words, at its first prompt.
    fn console(&mut self, words: &[&str]) -> Console {
        let is_reverse = matches!(self.field.transport.3, Call | Call6);
        let premote = if is_reverse { self.string(false, 0) } else { self.premote.clone() };
        let mut command = self.guard.command(env!("CARGO_BIN_EXE_cdb"));
        command.env(USER_CERTIFICATES, &self.client.store).env("DBGSRV_RUN_DIR", &self.run_dir);
        command.args(["-premote", &premote]).args(words).stderr(Stdio::null());
        let mut console = Console::begin(command);
        if is_reverse {
            let port = until("cdb to listen", || procfs::listening_port(console.pid()));
            let is_v6 = self.field.transport.3 == Call6;
            let address: IpAddr =
                if is_v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
            let port = self.slow_line_to((address, port).into());
            let mut command = self.guard.command(programs::dbgsrv());
            command.args(["-t", &self.string(true, port)]).stderr(Stdio::null());
            command.env(USER_CERTIFICATES, &self.server.store).env("DBGSRV_RUN_DIR", &self.run_dir);
            self.called = Some(Process::spawn(&mut command));
        }
        console.banner = console.read_to_prompt();
        console
    }

    /// Its server has nobody to serve any more, or ends with its only client.
    #[track_caller]
    fn end(&mut self) {
        if let Some(mut server) = self.called.take() {
            assert_eq!(server.wait(), ExitStatus::Exited(1), "it has no other client");
        }
        self.listening.iter().for_each(Server::wait_until_idle);
        if let Some(inetd) = self.inetd.take() {
            inetd.join().expect("both have come");
        }
    }

    /// How often the far side has answered so far.
    fn turns(&self) -> u64 {
        self.relay.as_ref().map_or(0, Relay::turns)
    }
}

/// Passes on between its standard streams and a port, and ends when either side does.
const FERRY: &str = r#"
import os, socket, sys, threading
line = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
def inward():
    while True:
        piece = line.recv(65536)
        if not piece:
            os._exit(0)
        while piece:
            piece = piece[os.write(1, piece):]
threading.Thread(target=inward, daemon=True).start()
while True:
    piece = os.read(0, 65536)
    if not piece:
        line.shutdown(socket.SHUT_WR)
        threading.Event().wait()
    line.sendall(piece)
"#;

/// The set: a program is started, looked at, run to its end; a running one is attached to and let
/// go; and meanwhile another client has a session of its own. What cost more than it may: commands,
/// their round trips, their budgets.
fn play(field: Field) -> Vec<(String, u64, u64)> {
    let mut site = Site::new(field);
    let testee = Testee::build("depths", &[]);
    let program = testee.path().to_str().expect("a path in the target folder");
    let ticks = Testee::build("ticks", &[]);
    let [mut running, mut others] = [(); 2].map(|()| site.guard.start(ticks.path(), &["2"]));
    for process in [&mut running, &mut others] {
        assert_eq!(process.read_line(), "ready");
    }
    let name = format!("{field:?}");
    let mut cdb = site.console(&[program]);
    assert_eq!(cdb.prompt, "0:000", "{name}: {}", cdb.banner);
    let tls = if field.has_password || field.transport.4 { HANDSHAKES.0 } else { 0 };
    let password = if field.has_password { HANDSHAKES.1 } else { 0 };
    let mut spent = vec![("its beginning".to_owned(), site.turns(), BEGINNING + tls + password)];
    let mut second = site.called.is_none().then(|| {
        let mut second = site.console(&["-p", &others.pid().to_string()]);
        assert_eq!(second.prompt, "0:000", "{name}: {}", second.banner);
        let stack = second.command("kn");
        assert!(stack.contains("!main"), "{name}: {stack}");
        second
    });
    for (command, says, most) in STEPS {
        let before = site.turns();
        let said = cdb.command(&command.replace("{}", &running.pid().to_string()));
        assert!(said.contains(says), "{name}: {command}: {said}");
        spent.push(((*command).to_owned(), site.turns() - before, *most));
    }
    running.write_line("");
    assert_eq!(running.read_line(), "ticked 1", "{name}: it was let go");
    if let Some(second) = second.take() {
        assert_eq!(second.finish("qd").1, 0, "{name}");
    }
    others.write_line("");
    assert_eq!(others.read_line(), "ticked 1", "{name}: it was let go");
    assert_eq!(cdb.finish("q").1, 0, "{name}");
    site.end();
    spent.retain(|(_, turns, most)| turns > most);
    spent
}

/// Plays fields, a few at once: most of the time they wait.
fn play_all(fields: Vec<Field>) {
    let fields = Mutex::new(fields.into_iter());
    let next = || fields.lock().expect("nobody panics with it").next();
    let play = |field: Field| {
        // On a busy machine what is sent at once may be read in pieces, and their answers be
        // counted apart. That does not happen again and again.
        let mut dear = (0..3).map(|_| play(field));
        assert!(dear.any(|dear| dear.is_empty()), "{field:?} costs too much: {:?}", play(field));
    };
    std::thread::scope(|scope| {
        let workers = [(); 4].map(|()| {
            scope.spawn(|| {
                while let Some(field) = next() {
                    play(field);
                }
            })
        });
        workers.into_iter().for_each(|worker| worker.join().expect("a field of the matrix"));
    });
}

/// The fields of the matrix that can be, at one delay.
fn fields(delay: Duration) -> Vec<Field> {
    let both = [false, true].into_iter();
    let of = |transport: &'static Transport| {
        let field = move |has_password| Field { transport, has_password, delay };
        both.clone().filter(|has| !has || transport.3 != Exec).map(field)
    };
    TRANSPORTS.iter().flat_map(of).collect()
}

#[test]
fn every_transport_near_by() {
    play_all(fields(Duration::ZERO));
}

#[test]
fn every_transport_far_away_within_its_budget() {
    play_all(fields(FAR));
}

/// What is said where nobody is called.
const CLICON: &str = "`clicon=localhost` does not belong here";

/// What cannot be: whose string, the string, and what is said of it. `dbgsrv` ends with 2 for a
/// string that is none and with 1 for what cannot be done now, and so does `cdb`.
#[rustfmt::skip]
const NOT_TO_BE: &[(&str, &str, i32, &str)] = &[
    // Nobody is called at a pipe: what could call is on the same machine, and can be reached.
    ("dbgsrv", "npipe:pipe=a,clicon=localhost", 2, CLICON),
    ("cdb", "npipe:clicon=localhost,pipe=a", 2, CLICON),
    ("dbgsrv", "spipe:proto=tls1,certuser=box,pipe=a,clicon=localhost", 2, CLICON),
    ("cdb", "spipe:proto=tls1,certuser=me,clicon=localhost,pipe=a", 2, CLICON),
    // A pipe has no addresses.
    ("dbgsrv", "npipe:pipe=a,ipversion=6", 2, "`ipversion=6` does not belong here"),
    ("cdb", "npipe:server=localhost,pipe=a,ipversion=6", 2, "`ipversion=6` does not belong here"),
    // Who starts the command decides who is let in, and in which direction.
    ("dbgsrv", "stdio,password=sesame7", 2, "stdio stands alone"),
    ("dbgsrv", "stdio,clicon=localhost", 2, "stdio stands alone"),
    ("dbgsrv", "exec:ssh box17", 2, "exec:COMMAND is for clients"),
    ("cdb", "stdio", 2, "stdio stands alone, and is for servers"),
    // All behind it is the command.
    ("cdb", "exec:true,password=sesame7", 1, "cannot connect to exec:true,password=sesame7"),
    // A server that calls is listed nowhere, calls one place, and does so for somebody.
    ("dbgsrv", "tcp:port=1025,clicon=localhost,hidden", 2, "`hidden` cannot stand beside clicon="),
    ("dbgsrv", "ssl:proto=tls1,certuser=a,port=1025,clicon=b,hidden", 2, "`hidden` cannot stand"),
    ("dbgsrv", "tcp:port=51:60,clicon=localhost", 2, "beside clicon= a server names the one port"),
    ("cdb", "tcp:server=localhost,clicon=localhost,port=1025", 2, "does not belong here"),
    // Not yet.
    ("cdb", "com:port=1,baud=9600,channel=0", 1, "com cannot be opened here"),
    ("dbgsrv", "com:port=1,baud=9600,channel=0", 1, "com cannot be opened here"),
];

#[test]
fn what_cannot_be_is_said_at_once() {
    let guard = Guard::new();
    for (program, string, status, says) in NOT_TO_BE {
        let mut command: Command = match *program {
            "cdb" => guard.command(env!("CARGO_BIN_EXE_cdb")),
            _ => guard.command(programs::dbgsrv()),
        };
        match *program {
            "cdb" => command.args(["-premote", string, "/bin/true"]),
            _ => command.args(["-t", string]),
        };
        command.env("DBGSRV_RUN_DIR", guard.directory().join("run"));
        let Output { status: ended, stderr, .. } = command.output().expect("it starts");
        let said = String::from_utf8_lossy(&stderr);
        assert_eq!(ended.code(), Some(*status), "{program} {string}: {said}");
        assert!(said.contains(says), "{program} {string}: {said}");
    }
}
