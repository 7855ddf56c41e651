//! gdbserver under measurement, spoken to as gdb does ("GDB Remote Serial Protocol" in GDB's
//! manual), with as few packets as that allows.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use testkit::Process;

use crate::{Debugger, Scene};

pub(crate) struct Theirs {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    thread: String,
    _server: Process,
}

impl Theirs {
    fn send(&mut self, packet: &str) {
        let sum = packet.bytes().fold(0_u8, |sum, byte| sum.wrapping_add(byte));
        write!(self.writer, "${packet}#{sum:02x}").expect("gdbserver reads");
    }

    fn receive(&mut self) -> String {
        let mut packet = Vec::new();
        let mut byte = [0];
        loop {
            self.reader.read_exact(&mut byte).expect("gdbserver answers");
            match byte {
                [b'$'] => packet.clear(),
                [b'#'] => break,
                [other] => packet.push(other),
            }
        }
        self.reader.read_exact(&mut [0; 2]).expect("a checksum");
        String::from_utf8_lossy(&packet).into_owned()
    }

    fn acknowledge(&mut self) {
        self.writer.write_all(b"+").expect("gdbserver reads");
    }

    fn call(&mut self, packet: &str) -> String {
        self.send(packet);
        self.receive()
    }

    #[track_caller]
    fn wait_trap(&mut self, packet: &str) -> String {
        let stop = self.call(packet);
        assert!(stop.starts_with("T05"), "{packet}: {stop}");
        stop
    }

    fn breakpoint(scene: &Scene) -> String {
        format!("{:x},1", scene.function.value())
    }
}

/// The thread that a stop is about.
fn thread_of(stop: &str) -> String {
    let field = stop.split("thread:").nth(1).and_then(|rest| rest.split(';').next());
    field.unwrap_or_default().to_owned()
}

impl Debugger for Theirs {
    fn attach(scene: &Scene) -> Theirs {
        let address = format!("127.0.0.1:{}", testkit::free_port());
        let mut command = scene.guard.command("gdbserver");
        command.args(["--once", "--attach", &address, &scene.pid().to_string()]);
        command.stderr(Stdio::null());
        let server = Process::spawn(&mut command);
        // It listens when it has attached.
        let stream = loop {
            match TcpStream::connect(&address) {
                Ok(stream) => break stream,
                Err(_) => std::thread::yield_now(),
            }
        };
        stream.set_nodelay(true).expect("a socket");
        let writer = stream.try_clone().expect("a socket");
        let thread = String::new();
        let mut theirs = Theirs { reader: BufReader::new(stream), writer, thread, _server: server };
        let features = theirs.call("qSupported:multiprocess+;swbreak+;hwbreak+;vContSupported+");
        assert!(features.contains("ConditionalBreakpoints+"), "{features}");
        theirs.acknowledge();
        assert_eq!(theirs.call("QStartNoAckMode"), "OK");
        theirs.acknowledge();
        assert!(theirs.call("?").starts_with('T'));
        // The leader waits in a system call, so it is another's turn, if there is one.
        let mut threads = theirs.call("qfThreadInfo");
        let more = theirs.call("qsThreadInfo");
        if let Some(more) = more.strip_prefix('m') {
            threads = format!("{threads},{more}");
        }
        let threads: Vec<&str> = threads.trim_start_matches('m').split(',').collect();
        theirs.thread = (*threads.get(1).unwrap_or(&threads[0])).to_owned();
        theirs
    }

    fn step(&mut self) {
        let thread = self.thread.clone();
        self.wait_trap(&format!("vCont;s:{thread}"));
        assert!(self.call("g").len() > 100);
    }

    fn break_at(&mut self, scene: &Scene) {
        assert_eq!(self.call(&format!("Z0,{}", Theirs::breakpoint(scene))), "OK");
        self.thread = thread_of(&self.wait_trap("vCont;c"));
    }

    fn hit(&mut self, scene: &Scene) {
        let (thread, at) = (self.thread.clone(), Theirs::breakpoint(scene));
        assert_eq!(self.call(&format!("z0,{at}")), "OK");
        self.wait_trap(&format!("vCont;s:{thread}"));
        assert_eq!(self.call(&format!("Z0,{at}")), "OK");
        self.thread = thread_of(&self.wait_trap("vCont;c"));
        assert!(self.call("g").len() > 100);
    }

    fn run_over(&mut self, scene: &Scene) {
        // const8 0, end.
        assert_eq!(self.call(&format!("Z0,{};X3,220027", Theirs::breakpoint(scene))), "OK");
        self.send("vCont;c");
    }

    fn watch(&mut self, scene: &Scene) {
        assert_eq!(self.call(&format!("Z2,{:x},8", scene.counters.value())), "OK");
    }

    fn hit_watch(&mut self) {
        self.wait_trap("vCont;c");
        assert!(self.call("g").len() > 100);
    }
}
