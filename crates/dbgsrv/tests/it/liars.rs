//! Targets of which /proc and their memory say what they say of no honest program: names that are
//! no text, arguments without end, images by the thousand. The server works on, within its means.

use std::path::PathBuf;

use dbgbase::{ExitStatus, Pid, Tid};
use dbgwire::ErrorCode;
use dbgwire::verbs::description::{DescribeProcess, ENVIRONMENT_LEN_MAX, ProcessPart};
use dbgwire::verbs::process::{ARGUMENTS_LEN_MAX, ListProcesses};
use dbgwire::verbs::server::ServerInfo;
use testkit::{Client, Guard, Process, Testee, is_root_for, procfs};

use crate::begin;
use crate::refusals::{OURS, assert_refused, run_as, serve, start_by};

/// A liar that is ready.
fn start(guard: &Guard, arguments: &[&str]) -> Process {
    let mut process = guard.start(Testee::build("liar", &[]).path(), arguments);
    assert_eq!(process.read_line(), "ready");
    process
}

#[track_caller]
fn end(mut process: Process) {
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

/// The most memory that the client's session process ever had, in KiB.
fn peak_kib(client: &mut Client) -> u64 {
    let pid = Pid::new(client.call(&ServerInfo {}).expect("it answers").pid);
    let peak = procfs::status(pid, Tid::from(pid), "VmHWM").expect("it lives");
    peak.trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn a_process_whose_name_is_no_text_is_one_like_any() {
    let (guard, server, mut client) = begin();
    let process = start(&guard, &["name"]);
    let (target, _) = client.attach(process.pid());
    assert_eq!(client.tids(target).len(), 2);
    let mut other = server.connect();
    let fault = other.try_attach(process.pid()).expect_err("it is debugged");
    assert_eq!(fault.code, ErrorCode::AlreadyTraced, "{}", fault.detail);
    client.go(target);
    end(process);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn the_rule_is_named_for_a_process_whose_name_is_no_text() {
    if !is_root_for("processes of two users") {
        return;
    }
    let guard = Guard::new();
    let (_session, mut client) = serve(&guard, &[]);
    let process =
        start_by(&guard, &run_as("54321", "54321"), Testee::build("liar", &[]).path(), &["name"]);
    let words = [&format!("its user id is 54321 and this server's {OURS}")[..]];
    assert_refused(&mut client, process.pid(), ErrorCode::NotPermitted, &words);
    end(process);
}

/// A program may say that its arguments and its environment are as long as it likes.
#[test]
fn arguments_without_end_take_no_memory_of_the_server() {
    const MIB: u64 = 384;
    let (guard, _server, mut client) = begin();
    let process = start(&guard, &["arguments", &MIB.to_string()]);
    let pid = process.pid().value();
    let line = std::fs::File::open(format!("/proc/{pid}/cmdline")).expect("it lives");
    let claimed = std::io::copy(&mut &line, &mut std::io::sink()).expect("it is readable");
    assert_eq!(claimed, MIB << 20);
    let list = ListProcesses { after: 0, pid, details: true };
    let listed = client.call(&list).expect("a list").processes.remove(0);
    assert!((1..=ARGUMENTS_LEN_MAX).contains(&listed.arguments.len()));
    let parts = ProcessPart::Environment.bit();
    let described = client.call(&DescribeProcess { pid, parts, from: 0 }).expect("it lives");
    assert_eq!(described.cut, parts, "{:?}", described.faults);
    let peak = peak_kib(&mut client);
    let few = 64 * 1024 + ENVIRONMENT_LEN_MAX as u64 / 1024;
    assert!(peak < few, "the server had {peak} KiB");
    end(process);
}

/// An image with as many segments of notes as there may be, all of the same shortest notes.
fn image_of_notes(guard: &Guard) -> PathBuf {
    const HEADERS: u16 = 128;
    const NOTES_LEN: u64 = 64 * 1024;
    let notes_at = 64 + 56 * u64::from(HEADERS);
    let mut image = b"\x7fELF\x02\x01\x01".to_vec();
    image.resize(32, 0);
    image.extend(64_u64.to_le_bytes());
    image.resize(54, 0);
    image.extend([56_u16, HEADERS].map(u16::to_le_bytes).concat());
    image.resize(64, 0);
    for index in 0..HEADERS {
        let (kind, at): (u32, u64) = if index == 0 { (1, 0) } else { (4, notes_at) };
        image.extend(kind.to_le_bytes());
        image.extend(4_u32.to_le_bytes());
        image.extend([at, at, at, NOTES_LEN, NOTES_LEN, 4].map(u64::to_le_bytes).concat());
    }
    image.resize((notes_at + NOTES_LEN) as usize, 0);
    let path = guard.directory().join("notes.so");
    std::fs::write(&path, image).expect("own directory");
    path
}

#[test]
fn images_that_are_all_notes_do_not_keep_the_server() {
    let (guard, _server, mut client) = begin();
    let file = image_of_notes(&guard);
    let count = "2000";
    let process = start(&guard, &["images", file.to_str().expect("UTF-8"), count]);
    let (target, stop) = client.attach(process.pid());
    let path = file.as_os_str().as_encoded_bytes();
    let listed = stop.modules().iter().filter(|module| module.path == path).count();
    assert_eq!(listed.to_string(), count);
    assert_eq!(stop.modules().iter().filter(|module| module.is_program).count(), 1);
    client.detach(target);
    end(process);
}
