//! The same session over every transport, with certificates as dbgsrvctl makes them, and what both
//! sides say where they do not come together.

use std::path::Path;
use std::process::Command;

use dbgbase::Pid;
use testkit::{
    Guard, Process, Server, Side, Testee, USER_CERTIFICATES as STORE, free_port, procfs, programs,
    until,
};

use crate::console::Console;

/// Who has no rights.
const NOBODY: &str = "65534";

fn cdb(guard: &Guard, store: &Path, run_dir: &Path, premote: &str, rest: &[&str]) -> Command {
    let mut command = guard.command(env!("CARGO_BIN_EXE_cdb"));
    command.env(STORE, store).env("DBGSRV_RUN_DIR", run_dir);
    command.args(["-premote", premote]).args(rest);
    command
}

/// A session that takes all kinds of messages.
fn debug(cdb: &mut Console) {
    cdb.command("bp inner");
    for _ in 0..3 {
        let stop = cdb.command("g");
        assert!(stop.contains("Breakpoint 0 hit"), "{stop}");
        let stack = cdb.command("kn");
        assert!(stack.contains("!inner") && stack.contains("!main"), "{stack}");
    }
    assert_eq!(cdb.command("db /c 10 @rsp-8 L8").lines().count(), 1);
    let end = cdb.command("g");
    assert!(end.contains("exited") && end.contains("19"), "{end}");
}

fn program(testee: &Testee) -> &str {
    testee.path().to_str().expect("a path in the target folder")
}

#[test]
fn a_program_is_debugged_over_tls() {
    let guard = Guard::new();
    let testee = Testee::build("depths", &[]);
    let (box_, me) = Side::friends(&guard);
    for proto in ["tls1", "tls12", "tls13"] {
        let transport = format!("ssl:proto={proto},certuser=box,port=0");
        let client = format!("ssl:proto={proto},certuser=me,server=localhost");
        let at_port = Server::at_port(&guard, programs::dbgsrv(), &transport, &client, |command| {
            command.env(STORE, &box_.store);
        });
        let premote = at_port.endpoint().to_connect_string();
        let words = [program(&testee)];
        let run = || cdb(&guard, &me.store, at_port.run_dir(), &premote, &words);
        let mut first = Console::spawn(run());
        let mut second = Console::spawn(run());
        debug(&mut first);
        first.finish("q");
        debug(&mut second);
        second.finish("q");
        at_port.wait_until_idle();
    }
}

#[test]
fn a_program_is_debugged_at_a_secure_pipe() {
    let guard = Guard::new();
    let testee = Testee::build("depths", &[]);
    let (box_, me) = Side::friends(&guard);
    let server = Server::npipe_with(&guard, programs::dbgsrv(), |command| {
        *command = guard.command(programs::dbgsrv());
        command.args(["-t", "spipe:proto=tls1,certuser=box,pipe=test"]);
        command.env("DBGSRV_RUN_DIR", guard.directory().join("run")).env(STORE, &box_.store);
    });
    until("the socket", || server.socket_path().exists().then_some(()));
    let premote = "spipe:proto=tls1,certuser=me,server=localhost,pipe=test";
    let words = [program(&testee)];
    let mut cdb = Console::spawn(cdb(&guard, &me.store, server.run_dir(), premote, &words));
    debug(&mut cdb);
    cdb.finish("q");
}

/// A server that calls its client.
fn calling(guard: &Guard, store: &Path, transport: &str) -> Process {
    let mut command = guard.command(programs::dbgsrv());
    command.args(["-t", transport]).env("DBGSRV_RUN_DIR", guard.directory().join("run"));
    Process::spawn(command.env(STORE, store))
}

#[test]
fn a_server_calls_its_client_whoever_is_started_first() {
    let guard = Guard::new();
    let testee = Testee::build("depths", &[]);
    let (box_, me) = Side::friends(&guard);
    let run_dir = guard.directory().join("run");
    for (server, client) in
        [("tcp:", "tcp:"), ("ssl:proto=tls1,certuser=box,", "ssl:proto=tls1,certuser=me,")]
    {
        for is_server_first in [true, false] {
            let begin = |ports: &str| {
                let premote = format!("{client}clicon=localhost,port={ports}");
                let words = [program(&testee)];
                Console::begin(cdb(&guard, &me.store, &run_dir, &premote, &words))
            };
            let call = |port: u16| {
                let transport = format!("{server}clicon=localhost,port={port}");
                calling(&guard, &box_.store, &transport)
            };
            let (mut cdb, mut process) = if is_server_first {
                let port = free_port();
                let process = call(port);
                (begin(&port.to_string()), process)
            } else {
                let cdb = begin("10000:30000");
                let listens = || procfs::listening_port(cdb.pid());
                let port = until("the client to listen", listens);
                (cdb, call(port))
            };
            cdb.banner = cdb.read_to_prompt();
            debug(&mut cdb);
            cdb.finish("q");
            // It has no other client.
            assert_eq!(process.wait(), dbgbase::ExitStatus::Exited(1));
        }
    }
}

/// What a command says on standard error, and that it fails.
#[track_caller]
fn complaint(mut command: Command) -> String {
    let output = command.output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

#[test]
fn who_is_not_trusted_is_told_and_let_in_once_it_is() {
    let guard = Guard::new();
    let testee = Testee::build("depths", &[]);
    let (box_, me) = (Side::new(&guard, "box"), Side::new(&guard, "me"));
    let transport = "ssl:proto=tls1,certuser=box,port=0";
    let client = "ssl:proto=tls1,certuser=me,server=localhost";
    let heard = guard.directory().join("heard");
    let server = Server::at_port(&guard, programs::dbgsrv(), transport, client, |command| {
        command.env(STORE, &box_.store);
        command.stderr(std::fs::File::create(&heard).expect("a file"));
    });
    let premote = server.endpoint().to_connect_string();
    let run_dir = server.run_dir().to_owned();
    let words = [program(&testee)];
    let run = || cdb(&guard, &me.store, &run_dir, &premote, &words);
    let hears = |text: &str| {
        let heard = || std::fs::read_to_string(&heard).is_ok_and(|heard| heard.contains(text));
        until(text, || heard().then_some(()));
    };
    let said = complaint(run());
    assert!(said.contains("certificate box is not trusted here"), "{said}");
    assert!(said.contains("dbgsrvctl cert trust"), "{said}");
    hears("was not let in: the other side does not trust our certificate");
    me.trust(&guard, &box_, "box");
    let said = complaint(run());
    assert!(said.contains("the other side does not trust our certificate"), "{said}");
    hears("certificate me is not trusted here");
    // The server need not be started again.
    box_.trust(&guard, &me, "me");
    let mut console = Console::spawn(run());
    debug(&mut console);
    console.finish("q");
    // Nor to forget somebody.
    box_.control(&guard, &["remove", "me"]);
    let said = complaint(run());
    assert!(said.contains("the other side does not trust our certificate"), "{said}");
    // A plain client is told as well, and so is one of the wrong certificate.
    let plain = premote.replace("ssl:proto=tls1,certuser=me,", "tcp:");
    let said = complaint(cdb(&guard, &me.store, &run_dir, &plain, &words));
    assert!(said.contains("cannot connect"), "{said}");
    let unknown = premote.replace("certuser=me", "certuser=you");
    let said = complaint(cdb(&guard, &me.store, &run_dir, &unknown, &words));
    assert!(said.contains("no certificate you is in"), "{said}");
}

#[test]
fn a_login_process_has_no_rights() {
    let guard = Guard::new();
    let testee = Testee::build("depths", &[]);
    let (box_, me) = Side::friends(&guard);
    let transport = "ssl:proto=tls1,certuser=box,port=0";
    let client = "ssl:proto=tls1,certuser=me,server=localhost";
    let server = Server::at_port(&guard, programs::dbgsrv(), transport, client, |command| {
        command.env(STORE, &box_.store);
    });
    let premote = server.endpoint().to_connect_string();
    let words = [program(&testee)];
    let command = cdb(&guard, &me.store, server.run_dir(), &premote, &words);
    let mut console = Console::spawn(command);
    let is_login = |pid: &Pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).nth(1) == Some(b"@login")
    };
    let children = server.sessions();
    let login = children.iter().copied().find(is_login).expect("it stands between");
    let status = |field| procfs::status(login, login.into(), field);
    assert_eq!(status("Seccomp").as_deref(), Some("2"));
    assert_eq!(status("NoNewPrivs").as_deref(), Some("1"));
    assert_eq!(status("Threads").as_deref(), Some("1"));
    if rustix::process::geteuid().is_root() {
        let ids = format!("{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}");
        assert_eq!((status("Uid"), status("Gid")), (Some(ids.clone()), Some(ids)));
        assert_eq!(status("CapEff").as_deref(), Some("0000000000000000"));
    }
    debug(&mut console);
    console.finish("q");
}

/// A server with these parameters behind its transport's, and its clients' string.
fn protected(guard: &Guard, side: &Side, transport: &str, client: &str, rest: &str) -> Server {
    let transport = format!("{transport}port=0{rest}");
    Server::at_port(guard, programs::dbgsrv(), &transport, client, |command| {
        command.env(STORE, &side.store);
    })
}

#[test]
fn a_password_is_asked_for_and_proved() {
    let guard = Guard::new();
    let testee = Testee::build("depths", &[]);
    let (box_, me) = Side::friends(&guard);
    for (transport, client) in [
        ("tcp:", "tcp:server=localhost"),
        ("ssl:proto=tls1,certuser=box,", "ssl:proto=tls1,certuser=me,server=localhost"),
        ("ssl:proto=tls12,certuser=box,", "ssl:proto=tls12,certuser=me,server=localhost"),
    ] {
        let server = protected(&guard, &box_, transport, client, ",password=sesame7");
        let line = std::fs::read(format!("/proc/{}/cmdline", server.pid())).expect("it lives");
        let line = String::from_utf8_lossy(&line);
        assert!(line.contains("password=*******"), "{line}");
        let premote = server.endpoint().to_connect_string();
        let words = [program(&testee)];
        let run = |password: &str| {
            let premote = format!("{premote}{password}");
            cdb(&guard, &me.store, server.run_dir(), &premote, &words)
        };
        for (password, said) in [
            ("", "wants a password (password=); error 0x80004005"),
            (",password=Sesame7", "the password is wrong; error 0x80004005"),
        ] {
            let heard = complaint(run(password));
            assert!(heard.contains(said), "{transport} {password}: {heard}");
            // Who has shown a wrong one comes in only when nobody else from here is at the door.
            server.wait_until_idle();
        }
        let mut console = Console::spawn(run(",password=sesame7"));
        debug(&mut console);
        console.finish("q");
    }
    // A client that has one does not go on where nobody asks for it.
    let server = protected(&guard, &box_, "ssl:proto=tls1,certuser=box,", SSL_CLIENT, "");
    let premote = format!("{},password=sesame7", server.endpoint().to_connect_string());
    let said = complaint(cdb(&guard, &me.store, server.run_dir(), &premote, &["/bin/true"]));
    assert!(said.contains("asks for no password"), "{said}");
}

#[test]
fn who_has_shown_a_certificate_is_written_down_with_its_thumbprint() {
    let guard = Guard::new();
    let (box_, me) = Side::friends(&guard);
    let listed = me.control(&guard, &["list"]);
    let row = listed.lines().find(|line| line.starts_with("me ")).expect("its certificate");
    let thumbprint = row.rsplit(' ').next().expect("the last column");
    for (password, besides) in [("", ""), (",password=sesame7", " and password")] {
        let trail = guard.directory().join(format!("trail{}", password.len()));
        let transport = format!("ssl:proto=tls1,certuser=box,port=0{password}");
        let server =
            Server::at_port(&guard, programs::dbgsrv(), &transport, SSL_CLIENT, |command| {
                command.env(STORE, &box_.store).arg("-audit").arg(&trail);
            });
        let premote = format!("{}{password}", server.endpoint().to_connect_string());
        let words = ["-c", "q", "/bin/true"];
        let output = cdb(&guard, &me.store, server.run_dir(), &premote, &words).output();
        assert!(output.expect("it starts").status.success());
        let how = format!(" how=\"certificate me, thumbprint {thumbprint}{besides}\" ");
        let text = std::fs::read_to_string(&trail).expect("it is there");
        let logins: Vec<&str> = text.lines().filter(|line| line.contains(": login ")).collect();
        let [login] = logins.as_slice() else { panic!("{text}") };
        assert!(login.contains(" user=me ") && login.contains(&how), "{login}");
        server.wait_until_idle();
    }
}

/// Clients of `localhost` with the certificate `me`.
const SSL_CLIENT: &str = "ssl:proto=tls1,certuser=me,server=localhost";

/// A connection from this address of this machine, as another machine would have it.
pub(crate) fn connect_from(address: [u8; 4], port: u16) -> std::net::TcpStream {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
    use std::net::SocketAddr;

    // Servers that other tests start in this moment must not inherit it.
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None);
    let socket = socket.expect("a socket");
    bind(&socket, &SocketAddr::from((address, 0))).expect("it is ours");
    connect(&socket, &SocketAddr::from(([127, 0, 0, 1], port))).expect("it accepts");
    socket.into()
}

#[test]
fn a_crowd_that_says_nothing_or_nonsense_keeps_nobody_out() {
    use std::io::Write as _;

    let guard = Guard::new();
    let testee = Testee::build("depths", &[]);
    let side = Side { store: guard.directory().join("none") };
    let rest = ",password=sesame7";
    let server = protected(&guard, &side, "tcp:", "tcp:server=localhost", rest);
    let text = server.endpoint().to_connect_string();
    let port: u16 = text.rsplit_once("port=").expect("a port").1.parse().expect("a port");
    let crowd: Vec<std::net::TcpStream> = (0..200_u8)
        .map(|number| {
            let mut stream = connect_from([127, 0, 0, 2], port);
            // Silence, the beginning of a handshake, and what is none. It may be gone already.
            let words: &[u8] = match number % 3 {
                0 => b"",
                1 => &[22, 3, 1, 0xff, 0xff],
                _ => &[0xff; 4096],
            };
            let _ = stream.write_all(words);
            stream
        })
        .collect();
    let premote = format!("{text}{rest}");
    let words = [program(&testee)];
    let mut console = Console::spawn(cdb(&guard, &side.store, server.run_dir(), &premote, &words));
    debug(&mut console);
    assert!(server.sessions().len() <= 35, "{:?}", server.sessions());
    drop(crowd);
    console.finish("q");
    server.wait_until_idle();
}

#[test]
fn a_called_client_that_is_not_served_ends_the_server() {
    if !testkit::is_root_for("a client of another user") {
        return;
    }
    let guard = Guard::new();
    let port = free_port();
    let run_dir = guard.directory().join("run");
    let premote = format!("tcp:clicon=localhost,port={port}");
    let mut command = cdb(&guard, guard.directory(), &run_dir, &premote, &["/bin/true"]);
    std::os::unix::process::CommandExt::uid(&mut command, 65_534);
    let heard = std::thread::spawn(move || complaint(command));
    let transport = format!("tcp:clicon=localhost,port={port}");
    let mut server = calling(&guard, guard.directory(), &transport);
    assert_eq!(server.wait(), dbgbase::ExitStatus::Exited(1));
    let heard = heard.join().expect("no panic");
    assert!(heard.contains("you are uid 65534"), "{heard}");
}

/// As by `ssh box17 dbgsrv -t stdio`: what lies between does not matter to either side.
#[test]
fn a_server_is_reached_by_a_command() {
    let guard = Guard::new();
    let testee = Testee::build("depths", &[]);
    let run_dir = guard.directory().join("run");
    let server = programs::dbgsrv();
    let server = server.display();
    for command in [
        format!("exec:{server} -t stdio"),
        // Pipes instead of a socket, and a command that says something on standard error.
        format!("exec:echo hello >&2; cat | {server} -t stdio | cat"),
    ] {
        let words = [program(&testee)];
        let mut console =
            Console::spawn(cdb(&guard, guard.directory(), &run_dir, &command, &words));
        debug(&mut console);
        console.finish("q");
    }
    // A command that is none, and one whose server is something else.
    for (command, said) in [
        ("exec:/nonexistent/ssh box17", "/nonexistent/ssh"),
        ("exec:echo nonsense", "cannot connect to exec:echo nonsense"),
    ] {
        let heard = complaint(cdb(&guard, guard.directory(), &run_dir, command, &["/bin/true"]));
        assert!(heard.contains(said), "{heard}");
        assert!(heard.contains("cdb: cannot connect"), "{heard}");
    }
    // Those of other tests have nothing to do with it.
    until("all its servers to end", || guard.processes().is_empty().then_some(()));
}
