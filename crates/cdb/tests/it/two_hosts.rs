//! A server and its client on two machines that share neither network nor files, and what becomes
//! of their sessions when the cable between them is pulled out: nobody says anything then, and both
//! find out by themselves.

use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dbgbase::Pid;
use rustix::net::sockopt;
use testkit::{Guard, Host, Process, Side, Testee, USER_CERTIFICATES, procfs, programs, until};

use crate::console::Console;
use crate::in_vain;

/// The port of whoever listens.
const PORT: u16 = 1025;
/// Within what time a peer that is gone without a word is noticed, as docs/security.md says.
const NOTICED_WITHIN: Duration = Duration::from_secs(35);
/// How much longer this machine may take to notice that it has been noticed.
const SLACK: Duration = Duration::from_secs(10);

/// Strings of a server and its client, and whether the server calls.
type Way = (&'static str, &'static str, bool);

const WAYS: [Way; 5] = [
    ("tcp:port=1025,password=sesame7", "tcp:server=box,port=1025,password=sesame7", false),
    (
        "ssl:proto=tls1,certuser=box,port=1025",
        "ssl:proto=tls1,certuser=me,server=box6,port=1025",
        false,
    ),
    ("tcp:clicon=me,port=1025,unprotected", "tcp:clicon=box,port=1025", true),
    (
        "tcp:clicon=me6,port=1025,password=sesame7",
        "tcp:clicon=box6,port=1025,password=sesame7",
        true,
    ),
    (
        "ssl:proto=tls1,certuser=box,clicon=me,port=1025",
        "ssl:proto=tls1,certuser=me,clicon=box,port=1025",
        true,
    ),
];

/// Both machines, and what both sides show.
struct Site {
    far: Host,
    near: Host,
    box_: Side,
    me: Side,
}

impl Site {
    /// `None` if there are none as this is not root.
    fn new(guard: &Guard) -> Option<Site> {
        let (far, near) = Host::pair(guard)?;
        let (box_, me) = (Side::on(guard, "box", "box"), Side::on(guard, "me", "me"));
        box_.trust(guard, &me, "me");
        me.trust(guard, &box_, "box");
        Some(Site { far, near, box_, me })
    }

    fn server(&self, guard: &Guard, transport: &str) -> Process {
        let mut command = self.far.command(guard, programs::dbgsrv());
        // What becomes of a target that nobody comes back for is seen at once.
        command.args(["-t", transport, "-lease", "0"]).env(USER_CERTIFICATES, &self.box_.store);
        Process::spawn(command.stderr(Stdio::null()))
    }

    fn cdb(&self, guard: &Guard, premote: &str, words: &[&str]) -> Command {
        let mut command = self.near.command(guard, env!("CARGO_BIN_EXE_cdb"));
        command.env(USER_CERTIFICATES, &self.me.store);
        command.args(["-premote", premote]).args(words);
        command
    }

    /// A server and its client, which is at its first prompt.
    fn session(&self, guard: &Guard, way: Way, words: &[&str]) -> (Process, Console) {
        let (transport, premote, is_call) = way;
        let server = self.server(guard, transport);
        if !is_call {
            self.far.wait_for_listener(PORT);
        }
        let console = Console::spawn(self.cdb(guard, premote, words));
        assert_eq!(console.prompt, "0:000", "{premote}: {}", console.banner);
        (server, console)
    }
}

/// A connection notices by itself that its peer is gone, as docs/security.md says: after 15 s of
/// silence it asks, every 5 s, and what is not answered for 30 s ends it.
#[track_caller]
fn assert_tuned(socket: &OwnedFd) -> rustix::io::Result<()> {
    assert!(sockopt::tcp_nodelay(socket)?);
    assert!(sockopt::socket_keepalive(socket)?);
    assert_eq!(sockopt::tcp_keepidle(socket)?, Duration::from_secs(15));
    assert_eq!(sockopt::tcp_keepintvl(socket)?, Duration::from_secs(5));
    assert_eq!(sockopt::tcp_user_timeout(socket)?, 30_000);
    Ok(())
}

#[test]
fn a_program_of_another_machine_is_debugged() {
    let guard = Guard::new();
    let Some(site) = Site::new(&guard) else { return };
    let testee = Testee::build("depths", &[]);
    let program = testee.path().to_str().expect("a path in the target folder");
    site.near.hide(&guard, testee.path().parent().expect("a folder"));
    for way in WAYS {
        let (_server, mut cdb) = site.session(&guard, way, &[program]);
        for host in [&site.far, &site.near] {
            let sockets = host.sockets(&guard, PORT);
            let [socket] = sockets.as_slice() else { panic!("{way:?}: {sockets:?}") };
            assert_tuned(socket).unwrap_or_else(|errno| panic!("{way:?}: {errno}"));
        }
        cdb.command("bp inner");
        let stop = cdb.command("g");
        assert!(stop.contains("Breakpoint 0 hit"), "{way:?}: {stop}");
        let stack = cdb.command("kn");
        assert!(stack.contains("!inner") && stack.contains("!main"), "{way:?}: {stack}");
        let text = cdb.command("da greeting");
        assert!(text.contains("hello from depths"), "{way:?}: {text}");
        cdb.command("bc *");
        let end = cdb.command("g");
        assert!(end.contains("exited"), "{way:?}: {end}");
        assert_eq!(cdb.finish("q").1, 0, "{way:?}");
    }
}

#[test]
fn a_server_without_a_password_tells_another_machine_the_way_in() {
    let guard = Guard::new();
    let Some(site) = Site::new(&guard) else { return };
    let _server = site.server(&guard, "tcp:port=1025");
    site.far.wait_for_listener(PORT);
    let output = site.cdb(&guard, "tcp:server=box,port=1025", &["/bin/true"]).output();
    let output = output.expect("cdb starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("has no password and serves only its own machine"), "{said}");
    assert!(said.contains("ssh -L") && said.lines().count() == 1, "{said}");
    // Who is on that machine is let in.
    let mut command = site.far.command(&guard, env!("CARGO_BIN_EXE_cdb"));
    command.args(["-premote", "tcp:server=box,port=1025", "/bin/true"]);
    let cdb = Console::spawn(command);
    assert_eq!(cdb.prompt, "0:000", "{}", cdb.banner);
    cdb.finish("q");
}

/// A session whose program runs, or whose user is at the prompt.
struct Cut {
    way: Way,
    _server: Process,
    target: Process,
    console: Console,
    waits: bool,
}

#[test]
fn a_peer_that_is_gone_without_a_word_is_noticed_on_both_sides() {
    let testee = Testee::build("ticks", &[]);
    // All at once, on pairs of machines of their own: each takes its time.
    let rows = WAYS.into_iter().zip([true, false, true, false, true]);
    std::thread::scope(|scope| {
        // Beside them, as that takes its time as well.
        scope.spawn(in_vain::servers_call_where_no_client_waits);
        for (way, waits) in rows {
            let testee = &testee;
            scope.spawn(move || {
                let guard = Guard::with_patience(Duration::from_secs(240));
                let Some(site) = Site::new(&guard) else { return };
                let mut target = guard.start(testee.path(), &["2"]);
                assert_eq!(target.read_line(), "ready");
                let pid = target.pid().to_string();
                let (_server, console) = site.session(&guard, way, &["-p", &pid]);
                notice(&guard, &site, Cut { way, _server, target, console, waits });
            });
        }
    });
}

/// Pulls the cable out, and sees both sides notice.
fn notice(guard: &Guard, site: &Site, mut cut: Cut) {
    let way = cut.way;
    let pid: Pid = cut.target.pid();
    if cut.waits {
        // Nothing is under way, in either direction.
        cut.console.type_line("g");
        until("it to run", || (procfs::state(pid, pid.into()) == Some('S')).then_some(()));
    }
    assert_eq!((site.far.connections(PORT), site.near.connections(PORT)), (1, 1), "{way:?}");
    site.far.set_cable(guard, false);
    let start = Instant::now();
    if !cut.waits {
        // What is sent stays unanswered.
        cut.console.type_line(".tlist");
    }
    let is_noticed = |host: &Host| (host.connections(PORT) == 0).then(|| start.elapsed());
    let mut times = [None; 2];
    until("both to notice", || {
        for (time, host) in times.iter_mut().zip([&site.far, &site.near]) {
            *time = time.or_else(|| is_noticed(host));
        }
        times.iter().all(Option::is_some).then_some(())
    });
    for time in times.into_iter().flatten() {
        assert!(time < NOTICED_WITHIN + SLACK, "{way:?}: {times:?}");
        // It is not the first silence that counts.
        assert!(time > NOTICED_WITHIN / 3, "{way:?}: {times:?}");
    }
    let told = cut.console.read_to_prompt();
    assert!(told.contains("connection to the process server is lost"), "{way:?}: {told}");
    until("it to be let go", || (procfs::tracer(pid, pid.into()) == Some(0)).then_some(()));
    cut.target.write_line("");
    assert_eq!(cut.target.read_line(), "ticked 1", "{way:?}: it runs on");
    cut.console.kill();
}
