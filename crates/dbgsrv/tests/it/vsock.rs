//! Servers that virtual machines reach. A session takes a kernel that leads back to its own machine
//! (vsock_loopback); where there is none, what can be seen from one side is tested, and what is
//! said of the rest.

use std::os::fd::AsFd;
use std::path::PathBuf;

use dbgbase::{ExitStatus, Signal};
use dbglink::{ClientEndpoint, LinkError, RunDir, ServerEndpoint, VsockFault};
use testkit::{Client, DEADLINE, Guard, Process, Testee, until};

use crate::activation::handing;
use crate::{PROGRAM, address_of};

/// A server, and where it listens, as it says itself.
fn start(guard: &Guard, name: &str, transport: &str) -> (Process, PathBuf) {
    let trail = guard.directory().join(name);
    let mut command = guard.command(PROGRAM);
    command.args(["-t", transport, "-audit"]).arg(&trail);
    command.env("DBGSRV_RUN_DIR", guard.directory().join("run"));
    (Process::spawn(&mut command), trail)
}

fn port_of(trail: &PathBuf) -> u32 {
    until("the server to listen", || {
        let text = std::fs::read_to_string(trail).ok()?;
        let (_, behind) = text.split_once("port=")?;
        behind.split([',', '"']).next()?.parse().ok()
    })
}

fn connect(string: &str) -> Result<Client, LinkError> {
    let endpoint: ClientEndpoint = string.parse().expect("an endpoint");
    dbglink::connect(&endpoint, &RunDir::of_this_user(), DEADLINE).map(Client::open)
}

/// Why nobody can listen at the number that leads back to this machine; `None` if somebody can.
fn no_way_back() -> Option<LinkError> {
    let endpoint: ServerEndpoint = "vsock:cid=1,port=0,unprotected".parse().expect("an endpoint");
    dbglink::listen(&endpoint, &RunDir::of_this_user()).err()
}

/// This machine's number among the host's; `None` if it is no virtual machine with one.
fn own_number(guard: &Guard) -> Option<u32> {
    // IOCTL_VM_SOCKETS_GET_LOCAL_CID of linux/vm_sockets.h.
    let script = "import fcntl, struct\n\
                  with open('/dev/vsock') as f: b = fcntl.ioctl(f, 0x7b9, b'\\0' * 4)\n\
                  print(struct.unpack('I', b)[0])";
    let output = guard.command("python3").args(["-c", script]).output().expect("it starts");
    String::from_utf8(output.stdout).ok()?.trim().parse().ok().filter(|cid| *cid > 2)
}

#[test]
fn virtual_machines_are_served() {
    let guard = Guard::new();
    let (mut server, trail) = start(&guard, "trail", "vsock:port=0,password=sesame7");
    let way_back = no_way_back();
    if let Some(LinkError::Vsock(VsockFault::Missing)) = way_back {
        testkit::left_out("a server over vsock, as this kernel has none");
        assert_eq!(server.wait(), ExitStatus::Exited(1));
        return;
    }
    let port = port_of(&trail);
    assert!(port > 0);
    match way_back {
        None => {
            let wrong = connect(&format!("vsock:cid=1,port={port},password=wrong"));
            assert!(wrong.err().expect("it is wrong").to_string().contains("0x80004005"));
            let mut client =
                connect(&format!("vsock:cid=1,port={port},password=sesame7")).expect("it listens");
            debug(&mut client);
        }
        Some(error) => {
            testkit::left_out(&format!("a session over vsock: {error}"));
            assert!(
                matches!(error, LinkError::Vsock(VsockFault::ForeignContextId { .. })),
                "{error}"
            );
            if let Some(cid) = own_number(&guard) {
                let string = format!("vsock:cid={cid},port={port},password=sesame7");
                let error = connect(&string).err().expect("there is no way").to_string();
                let said = format!("no way leads from here to the machine with cid {cid}");
                assert!(error.contains(&said), "{error}");
            }
        }
    }
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), ExitStatus::Exited(0));
}

fn debug(client: &mut Client) {
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["2"]);
    client.insert(target, 1, address_of(&testee, &stop, "work"));
    for _ in 0..2 {
        client.go(target);
        assert_eq!(client.wait_stop().sites(), [1]);
    }
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn a_port_of_vsock_that_is_taken_or_handed_over_is_told_from_a_free_one() {
    let guard = Guard::new();
    let run_dir = RunDir::at(guard.directory().join("run"));
    let endpoint: ServerEndpoint = "vsock:port=0,unprotected".parse().expect("an endpoint");
    let listener = match dbglink::listen(&endpoint, &run_dir) {
        Ok(listener) => listener,
        Err(error) => {
            testkit::left_out(&format!("ports of vsock: {error}"));
            assert!(matches!(error, LinkError::Vsock(VsockFault::Missing)), "{error}");
            return;
        }
    };
    let string = listener.endpoint().to_string();
    let error = dbglink::listen(&string.parse().expect("an endpoint"), &run_dir);
    let error = error.expect_err("it is taken").to_string();
    assert!(error.starts_with("vsock port ") && error.contains("already in use"), "{error}");
    for (transport, is_right) in
        [("vsock:port=0,unprotected", true), (&string, true), ("vsock:port=1,unprotected", false)]
    {
        let trail = guard.directory().join("trail");
        let socket = listener.as_fd().try_clone_to_owned().expect("a descriptor");
        let mut command = handing(&guard, vec![socket], transport);
        command.arg("-audit").arg(&trail);
        let mut server = Process::spawn(&mut command);
        drop(command);
        if is_right {
            assert!(string.contains(&format!("port={},", port_of(&trail))));
            server.signal(Signal::SIGTERM);
            assert_eq!(server.wait(), ExitStatus::Exited(0));
            std::fs::remove_file(&trail).expect("it is there");
        } else {
            let said = server.read_rest();
            assert!(said.contains("is at vsock port"), "{said}");
            assert_eq!(server.wait(), ExitStatus::Exited(1));
        }
    }
}
