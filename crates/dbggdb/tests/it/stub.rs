//! A debugger made of raw packets: it sends what a test says, and shows what comes back. It knows
//! framing, by itself and not by the bridge's code, and no packet.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Stdio};

use testkit::Guard;

/// The bridge at standard input and output, as gdb starts it, or at a port.
pub(crate) struct Stub {
    child: Option<Child>,
    input: Option<Box<dyn Write>>,
    output: Box<dyn Read>,
    read: Vec<u8>,
}

impl Stub {
    /// Starts the bridge with these arguments, and agrees on no acknowledgements.
    pub(crate) fn start(guard: &Guard, arguments: &[&str]) -> Stub {
        Stub::start_silent(guard, arguments).without_acknowledgements()
    }

    fn without_acknowledgements(self) -> Stub {
        let mut stub = self;
        stub.send("QStartNoAckMode");
        assert_eq!(stub.read_acknowledgement(), b'+');
        assert_eq!(stub.receive(), "OK");
        stub.write(b"+");
        stub
    }

    /// Starts the bridge, and says nothing.
    pub(crate) fn start_silent(guard: &Guard, arguments: &[&str]) -> Stub {
        let mut command = guard.command(env!("CARGO_BIN_EXE_dbggdb"));
        command.args(arguments).env("XDG_CACHE_HOME", guard.directory());
        Stub::spawn(command)
    }

    /// Starts the bridge by a command that becomes it, and agrees on no acknowledgements.
    pub(crate) fn start_by(command: Command) -> Stub {
        Stub::spawn(command).without_acknowledgements()
    }

    fn spawn(mut command: Command) -> Stub {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("dbggdb starts");
        let input = child.stdin.take().expect("a pipe");
        let output = child.stdout.take().expect("a pipe");
        let input = Some(Box::new(input) as Box<dyn Write>);
        Stub { child: Some(child), input, output: Box::new(output), read: Vec::new() }
    }

    /// Connects to a bridge that listens there, and agrees on no acknowledgements.
    pub(crate) fn connect(place: &str) -> Stub {
        let output = TcpStream::connect(place).expect("the bridge listens");
        let input = output.try_clone().expect("a descriptor");
        let input = Some(Box::new(Closing(input)) as Box<dyn Write>);
        let stub = Stub { child: None, input, output: Box::new(output), read: Vec::new() };
        stub.without_acknowledgements()
    }

    /// The bridge with a debugger that understands what current gdb does, running a program up to
    /// its first stop.
    pub(crate) fn run(guard: &Guard, program: &testkit::Testee, arguments: &[&str]) -> Stub {
        let path = program.path().to_str().expect("text");
        let words = [&["--", path], arguments].concat();
        let mut stub = Stub::start(guard, &words);
        stub.greet();
        assert!(stub.ask("?").starts_with("T05"));
        stub
    }

    /// Says what current gdb does, and that it stays.
    pub(crate) fn greet(&mut self) -> String {
        let features = self.ask(concat!(
            "qSupported:multiprocess+;swbreak+;hwbreak+;fork-events+;vfork-events+;exec-events+;",
            "vContSupported+;QThreadEvents+;no-resumed+;error-message+;xmlRegisters=i386"
        ));
        assert_eq!(self.ask("!"), "OK");
        features
    }

    /// Sends a packet and returns the reply.
    pub(crate) fn ask(&mut self, payload: &str) -> String {
        self.send(payload);
        self.receive()
    }

    /// The same with bytes.
    pub(crate) fn ask_bytes(&mut self, payload: &[u8]) -> Vec<u8> {
        self.send_bytes(payload);
        self.receive_bytes()
    }

    /// Lets the target run by this packet, and returns the stop reply behind its output.
    pub(crate) fn go(&mut self, payload: &str) -> String {
        self.send(payload);
        loop {
            let reply = self.receive();
            if !reply.starts_with('O') || reply == "OK" {
                return reply;
            }
        }
    }

    /// Sends a packet.
    pub(crate) fn send(&mut self, payload: &str) {
        self.send_bytes(payload.as_bytes());
    }

    /// Sends a packet of bytes, which are escaped already.
    pub(crate) fn send_bytes(&mut self, payload: &[u8]) {
        let sum = payload.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        let framed = [b"$", payload, format!("#{sum:02x}").as_bytes()].concat();
        self.write(&framed);
    }

    /// Sends bytes as they are.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("the input is open");
        input.write_all(bytes).expect("the bridge reads");
        input.flush().expect("the bridge reads");
    }

    /// Asks the target to stop.
    pub(crate) fn interrupt(&mut self) {
        self.write(&[3]);
    }

    /// The next packet or notification, without its lead.
    pub(crate) fn receive(&mut self) -> String {
        String::from_utf8_lossy(&self.receive_bytes()).into_owned()
    }

    /// The next packet's bytes, without its lead, its escapes undone.
    pub(crate) fn receive_bytes(&mut self) -> Vec<u8> {
        loop {
            let start = self.read.iter().position(|byte| b"$%".contains(byte));
            let end = self.read.iter().position(|byte| *byte == b'#');
            if let Some((start, end)) = start.zip(end)
                && self.read.len() >= end + 3
            {
                let payload = self.read[start + 1..end].to_vec();
                self.read.drain(..end + 3);
                return unescape(&payload);
            }
            self.fill();
        }
    }

    /// Whether the last acknowledgement was a good one.
    pub(crate) fn read_acknowledgement(&mut self) -> u8 {
        while self.read.is_empty() {
            self.fill();
        }
        self.read.remove(0)
    }

    fn fill(&mut self) {
        let mut buffer = [0; 65536];
        let count = self.output.read(&mut buffer).expect("the bridge writes");
        assert_ne!(count, 0, "the bridge has ended; it said {:?}", self.read);
        self.read.extend(&buffer[..count]);
    }

    /// The debugger leaves; the bridge's exit status.
    pub(crate) fn leave(&mut self) -> Option<i32> {
        drop(self.input.take());
        self.child.as_mut()?.wait().expect("the bridge ends").code()
    }

    /// The number behind `key` in the reply to `monitor stats`.
    pub(crate) fn round_trips(&mut self) -> u64 {
        let reply = self.ask(&format!("qRcmd,{}", digits(b"stats")));
        let text = String::from_utf8(bytes(&reply)).expect("text");
        let count = text.trim_end().rsplit(' ').next().expect("a number");
        count.parse().expect("a number")
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.as_mut().map(Child::wait);
    }
}

/// A connection that ends when its writing half is dropped, as a pipe does.
struct Closing(TcpStream);

impl Write for Closing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        // The other end may have closed it.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// The digits that write bytes.
pub(crate) fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes that digits write.
pub(crate) fn bytes(digits: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("digits");
    (0..digits.len()).step_by(2).map(digit).collect()
}

/// What stands behind `key` in a stop reply, up to the semicolon.
pub(crate) fn field<'a>(reply: &'a str, key: &str) -> Option<&'a str> {
    let body = reply.get(3..)?;
    body.split(';').find_map(|pair| pair.strip_prefix(key)?.strip_prefix(':'))
}

fn unescape(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = payload.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'}' => bytes.extend(rest.next().map(|byte| byte ^ 0x20)),
            _ => bytes.push(*byte),
        }
    }
    bytes
}
