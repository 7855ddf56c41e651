//! What a login process cannot do: live ones are made to try it by another server, which debugs
//! them as root may.

use std::net::TcpStream;
use std::process::Stdio;

use dbgbase::{ExitStatus, Pid, Signal, x86_64};
use dbgwire::verbs::inject::InjectSyscall;
use testkit::{Client, Guard, Server, Target, is_root_for, procfs, until};

use crate::PROGRAM;

/// Where a login process waits for its peer.
const SYS_PPOLL: u64 = 271;
/// Memory of nobody else that nothing backs (mmap(2)).
const ANONYMOUS: u64 = 0x22;
const NO_DESCRIPTOR: u64 = u64::MAX;

/// System calls of x86-64 that lead out of what it has, by number, with arguments with which others
/// may make them. It is ended before the kernel looks at a pointer.
const FORBIDDEN: &[(&str, u64, &[u64])] = &[
    ("open", 2, &[0x1000]),
    ("openat", 257, &[0xffff_ff9c, 0x1000]),
    ("openat2", 437, &[0xffff_ff9c, 0x1000]),
    ("unlink", 87, &[0x1000]),
    ("execve", 59, &[0x1000]),
    ("execveat", 322, &[0xffff_ff9c, 0x1000]),
    ("socket", 41, &[1, 1]),
    ("socketpair of datagrams", 53, &[1, 0x8_0002, 0, 0x1000]),
    ("socketpair of another family", 53, &[30, 0x8_0001, 0, 0x1000]),
    ("sendto an address", 44, &[0, 0x1000, 1, 0, 0x1000, 16]),
    ("connect", 42, &[0, 0x1000, 16]),
    ("accept4", 288, &[0]),
    ("ptrace", 101, &[16, 1]),
    ("process_vm_writev", 311, &[1]),
    ("pidfd_open", 434, &[1]),
    ("fork", 57, &[]),
    ("vfork", 58, &[]),
    ("clone", 56, &[17]),
    ("clone3", 435, &[0x1000, 88]),
    ("kill", 62, &[1]),
    ("tgkill", 234, &[1, 1]),
    ("setresuid", 117, &[0, 0, 0]),
    ("prctl", 157, &[4, 1]),
    ("prlimit64", 302, &[0, 7]),
    ("memfd_create", 319, &[0x1000]),
    ("io_uring_setup", 425, &[8, 0x1000]),
    ("bpf", 321, &[0]),
    ("userfaultfd", 323, &[]),
    ("mmap of code", 9, &[0, 4096, 5, ANONYMOUS, NO_DESCRIPTOR, 0]),
    ("mprotect to code", 10, &[0x1000, 4096, 4]),
    ("pkey_mprotect", 329, &[0x1000, 4096, 4, 0]),
    ("ioctl TIOCSTI", 16, &[0, 0x5412, 0x1000]),
    ("fcntl F_SETOWN", 72, &[0, 8, 1]),
    ("getpid of x32", 0x4000_0027, &[]),
    ("one that is not made yet", 9999, &[]),
];

/// A server with login processes, and what debugs them.
struct Scene {
    asked: Server,
    client: Client,
    _other: Server,
}

impl Scene {
    fn new(guard: &Guard) -> Scene {
        let transport = "tcp:port=0,password=sesame7";
        let asked = Server::at_port(guard, PROGRAM, transport, "tcp:server=localhost", |command| {
            // Each one that is ended would be told of.
            command.stderr(Stdio::null());
        });
        let other = Server::npipe(guard, PROGRAM);
        let client = other.connect();
        Scene { asked, client, _other: other }
    }

    /// The login process of a peer that says nothing, while it waits for that.
    fn login(&self) -> (TcpStream, Pid) {
        let stream = TcpStream::connect(self.asked.address()).expect("it listens");
        let login = until("a login process that has no rights any more", || {
            let is_ready = |pid: &Pid| {
                procfs::status(*pid, (*pid).into(), "Seccomp").as_deref() == Some("2")
                    && procfs::is_sleeping_in(*pid, (*pid).into(), SYS_PPOLL)
            };
            self.asked.sessions().into_iter().find(is_ready)
        });
        (stream, login)
    }

    /// Has a login process make a system call in the place of what it waits in, and lets it run.
    /// What becomes of it.
    fn end_by(&mut self, number: u64, arguments: &[u64]) -> ExitStatus {
        let (_peer, login) = self.login();
        let (target, stop) = self.client.attach(login);
        let tid = stop.tid();
        let pc = self.client.registers(target, tid).pc();
        // The instruction of system calls is two bytes long.
        let call = [(x86_64::RIP, pc.value() - 2), (x86_64::RAX, number)];
        let none = [(x86_64::ORIG_RAX, u64::MAX)];
        let places = [x86_64::RDI, x86_64::RSI, x86_64::RDX, x86_64::R10, x86_64::R8, x86_64::R9];
        let arguments = places.into_iter().zip(arguments.iter().copied());
        for (register, value) in call.into_iter().chain(none).chain(arguments) {
            self.client.set_register(target, tid, register, value);
        }
        self.client.go(target);
        let status = self.client.wait_exit();
        self.asked.wait_until_idle();
        status
    }

    /// Has a login process make a system call and go on.
    fn call(&mut self, target: Target, number: u64, arguments: &[u64]) -> i64 {
        let request = InjectSyscall {
            target: target.id,
            number,
            arguments: arguments.to_vec(),
            despite_seccomp: true,
            ..InjectSyscall::default()
        };
        self.client.call(&request).expect("it lives").result.cast_signed()
    }
}

/// The soft and the hard limit, as /proc/PID/limits says them.
fn limit(limits: &str, name: &str) -> Option<(String, String)> {
    let rest = limits.lines().find_map(|line| line.strip_prefix(name))?;
    let mut columns = rest.split_ascii_whitespace().map(str::to_owned);
    Some((columns.next()?, columns.next()?))
}

#[test]
fn a_login_process_has_limits_and_lives_with_them() {
    if !is_root_for("a login process that is debugged") {
        return;
    }
    let guard = Guard::new();
    let mut scene = Scene::new(&guard);
    let (_peer, login) = scene.login();
    let limits = std::fs::read_to_string(format!("/proc/{login}/limits")).expect("it lives");
    for (name, most) in [
        ("Max open files", "32"),
        ("Max processes", "0"),
        ("Max core file size", "0"),
        ("Max address space", "67108864"),
    ] {
        let expected = Some((most.to_owned(), most.to_owned()));
        assert_eq!(limit(&limits, name), expected, "{name}: {limits}");
    }
    let (target, _) = scene.client.attach(login);
    let descriptors = procfs::descriptors(login);
    let link = descriptors.iter().find_map(|line| line.split_once(" -> socket:"));
    let link: u64 = link.and_then(|(number, _)| number.parse().ok()).expect("its client's link");
    for (what, number, arguments, expected) in [
        // -14 is EFAULT, -12 ENOMEM.
        ("write", 1, &[link, 0x1000, 1][..], -14),
        ("ioctl FIONBIO", 16, &[link, 0x5421, 0x1000], -14),
        ("fcntl F_GETFD", 72, &[link, 1], 1),
        ("mmap of all it may have", 9, &[0, 64 << 20, 3, ANONYMOUS, NO_DESCRIPTOR, 0], -12),
    ] {
        assert_eq!(scene.call(target, number, arguments), expected, "{what}");
    }
    assert!(scene.call(target, 9, &[0, 4096, 3, ANONYMOUS, NO_DESCRIPTOR, 0]) > 0);
    scene.client.detach(target);
    assert!(procfs::is_alive(login));
}

#[test]
fn a_login_process_that_tries_more_is_ended_at_once() {
    if !is_root_for("a login process that is debugged") {
        return;
    }
    let guard = Guard::new();
    let mut scene = Scene::new(&guard);
    // exit_group(2) it may.
    assert_eq!(scene.end_by(231, &[7]), ExitStatus::Exited(7));
    let sigsys = ExitStatus::Killed(Signal::new(31).expect("SIGSYS"));
    for (what, number, arguments) in FORBIDDEN {
        assert_eq!(scene.end_by(*number, arguments), sigsys, "{what}");
    }
}
