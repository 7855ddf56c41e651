//! A process and what is done with it in a session that somebody may disturb: a dialogue of few
//! requests in which everything that could go wrong is seen. It knows links, not how they are
//! opened.

use std::time::Instant;

use dbgbase::{Address, GeneralRegisters, LinkAddress, Pid, StopReason, Tid};
use dbgeng::client::{Arrival, CallError, Client, Return};
use dbglink::Link;
use dbgwire::event::Stopped;
use dbgwire::handshake::Hello;
use dbgwire::verbs::memory::{Range, ReadMemory, WriteMemory};
use dbgwire::verbs::process::{Attach, Detach};
use dbgwire::verbs::resume::{Resume, RunKind, ThreadAction};
use dbgwire::verbs::server::Ping;
use dbgwire::verbs::site::InsertSites;
use dbgwire::{AnyEvent, convert};
use testkit::{Guard, Meddler, Process, Testee, memory_file, procfs, site, until};

/// What ends a link, in the words of a client.
const ENDS: [&str; 5] = [
    "the server closed the connection",
    "reading from the server: Connection reset",
    "writing to the server: Broken pipe",
    "greeting the server: Broken pipe",
    "greeting the server: Connection reset",
];
/// How much of its code is looked at.
pub(super) const CODE_LEN: usize = 4096;
/// The one breakpoint.
const SITE: u32 = 1;

/// How a session went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// There was no link.
    Refused(String),
    /// The link ended before the server had greeted.
    Unwelcome,
    /// The link ended.
    Lost,
    /// All was done, and right.
    Whole,
    /// Something was not right.
    Wrong(String),
}

/// Why a dialogue ended early.
enum Failure {
    Call(CallError),
    Wrong(String),
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Failure {
        Failure::Call(error)
    }
}

/// What a failed call is.
fn outcome_of(error: CallError) -> Outcome {
    match error {
        CallError::Lost(why) if ENDS.iter().any(|end| why.starts_with(end)) => Outcome::Lost,
        error => Outcome::Wrong(error.to_string()),
    }
}

/// The process `ticks`, and what is known of it beside any session.
pub(super) struct Scene {
    process: Process,
    /// How often it has called `tick`, as it counts itself.
    ticks: u64,
    /// What that number may have been set to.
    set_to: Option<u64>,
    has_written: bool,
    tick: Address,
    counter: Address,
    /// Where a step from there leads.
    behind: Address,
    page: Address,
    code: Vec<u8>,
    dialogues: u64,
}

impl Scene {
    pub(super) fn new(guard: &Guard) -> Scene {
        let testee = Testee::build("ticks", &[]);
        let mut process = guard.start(testee.path(), &["0"]);
        assert_eq!(process.read_line(), "ready");
        let path = testee.path().to_string_lossy();
        let mut mappings = procfs::mappings(process.pid());
        mappings.retain(|mapping| mapping.name == path);
        let base = mappings[0].start.value();
        let at = |address: LinkAddress| Address::new(base + address.value());
        let code = mappings.iter().find(|mapping| mapping.permissions.contains('x'));
        let page = code.expect("it has code").start;
        let code = memory_file::read(process.pid(), page, CODE_LEN);
        Scene {
            process,
            ticks: 0,
            set_to: None,
            has_written: false,
            tick: at(testee.symbol("tick")),
            counter: at(testee.symbol("ticks")),
            behind: at(testee.instructions("tick", "sleep_on")[1].0),
            page,
            code,
            dialogues: 0,
        }
    }

    pub(super) fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// What the session reads of its code.
    pub(super) fn code(&self) -> &[u8] {
        &self.code
    }

    /// What the next dialogue will set the number of ticks to: nothing else on a wire looks so.
    pub(super) fn next_setting(&self) -> u64 {
        0x5eed_1e55_0000_0000 + (self.dialogues + 1) * 1000
    }

    /// Attaches to the process, stops it at its next tick, looks at it, changes it, lets it step,
    /// and lets it go, all past somebody in the middle.
    pub(super) fn play(
        &mut self,
        link: Link,
        meddler: &Meddler,
        comeback: Option<Return>,
    ) -> Outcome {
        let (hello, ping) = (Hello::new("hostile"), Ping {});
        let outcome = match Client::connect(link, &hello, &ping, comeback) {
            Ok((client, _, pending)) => {
                let sender = client.sender();
                meddler.set_prod(move || sender.post(&Ping {}, Vec::new().into()));
                let talk = pending.wait().map_err(Failure::from);
                match talk.and_then(|_| self.talk(&client)) {
                    Ok(()) => {
                        meddler.dialogue_is_complete();
                        Outcome::Whole
                    }
                    Err(Failure::Call(error)) => outcome_of(error),
                    Err(Failure::Wrong(wrong)) => Outcome::Wrong(wrong),
                }
            }
            Err(error) => match outcome_of(error) {
                Outcome::Lost => Outcome::Unwelcome,
                wrong => wrong,
            },
        };
        self.left(outcome)
    }

    fn talk(&mut self, client: &Client) -> Result<(), Failure> {
        let target = client.call(&Attach { pid: self.pid().value() })?.target;
        expect(next_stop(client)?.0, StopReason::Attached)?;
        self.process.write_line("");
        self.has_written = true;
        let everything = ThreadAction { run: RunKind::Continue as i32, ..ThreadAction::default() };
        let insert = InsertSites { target, sites: vec![site(SITE, self.tick)] };
        let insert = client.send(&insert, Vec::new().into());
        client.call(&Resume { target, actions: vec![everything], ..Resume::default() })?;
        expect(insert.wait()?.0.faults, Vec::new())?;
        let (reason, pc, tid) = next_stop(client)?;
        if !matches!(&reason, StopReason::Breakpoint { sites } if sites.len() == 1) {
            return Err(Failure::Wrong(format!("it stopped for {reason:?}")));
        }
        expect(pc, self.tick)?;
        self.look_and_change(client, target)?;
        let run = RunKind::Step as i32;
        let step = ThreadAction { tid: tid.value(), run, ..ThreadAction::default() };
        client.call(&Resume { target, actions: vec![step], ..Resume::default() })?;
        let (reason, pc, _) = next_stop(client)?;
        expect(reason, StopReason::Step)?;
        expect(pc, self.behind)?;
        client.call(&Detach { target })?;
        // Were anything executed twice, it would be told twice.
        match client.next(Some(Instant::now())) {
            None | Some(Arrival::Lost(_)) => Ok(()),
            Some(more) => Err(Failure::Wrong(format!("{more:?} as well"))),
        }
    }

    /// Reads the process's counter and code, and sets the counter, in one go.
    fn look_and_change(&mut self, client: &Client, target: u32) -> Result<(), Failure> {
        let range = |address: Address, len| Range { address: address.value(), len };
        let ranges = vec![range(self.counter, 8), range(self.page, CODE_LEN as u32)];
        let read = client.send(&ReadMemory { target, ranges }, Vec::new().into());
        let setting = self.next_setting();
        self.set_to = Some(setting);
        let write = WriteMemory { target, address: self.counter.value() };
        let write = client.send(&write, setting.to_le_bytes().to_vec().into());
        let (reply, bytes) = read.wait()?;
        expect(reply.lengths, vec![8, CODE_LEN as u32])?;
        // Were the process let run twice, it would be ahead.
        let (counter, code) = bytes.split_at(8.min(bytes.len()));
        expect(counter, &self.ticks.to_le_bytes()[..])?;
        if code != self.code {
            return Err(Failure::Wrong("its code is not what it is".to_owned()));
        }
        expect(write.wait()?.0.written, 8)
    }

    /// The process is nobody's and runs on, whatever became of the session. Its counter is what it
    /// was, or what the session has set it to, which a whole one has.
    pub(super) fn left(&mut self, outcome: Outcome) -> Outcome {
        let pid = self.pid();
        if !self.has_written {
            self.process.write_line("");
        }
        self.has_written = false;
        self.dialogues += 1;
        let line = self.process.read_line();
        let number = line.strip_prefix("ticked ").and_then(|number| number.parse().ok());
        let own = Some(self.ticks).filter(|_| outcome != Outcome::Whole);
        let expected = [own, self.set_to.take()].map(|before| before.map(|before| before + 1));
        self.ticks = number.unwrap_or_else(|| panic!("it said {line:?}"));
        until("it to be let go", || (procfs::tracer(pid, pid.into()) == Some(0)).then_some(()));
        if !expected.contains(&number) {
            return Outcome::Wrong(format!("{line:?} is none of {expected:?} ({outcome:?})"));
        }
        if memory_file::read(pid, self.page, CODE_LEN) != self.code {
            return Outcome::Wrong(format!("its code is changed ({outcome:?})"));
        }
        outcome
    }
}

fn expect<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Result<(), Failure> {
    match found == expected {
        true => Ok(()),
        false => Err(Failure::Wrong(format!("{found:?} instead of {expected:?}"))),
    }
}

/// Why the target stops next, where, and which thread.
fn next_stop(client: &Client) -> Result<(StopReason, Address, Tid), Failure> {
    let lost = || Failure::Call(CallError::Lost(client.lost().unwrap_or_default()));
    match client.next(None).ok_or_else(lost)? {
        Arrival::Event(event, _) => match *event {
            AnyEvent::Stopped(stop) => Ok(taken_apart(&stop)),
            other => Err(Failure::Wrong(format!("{other:?}"))),
        },
        Arrival::Lost(why) => Err(CallError::Lost(why).into()),
        other => Err(Failure::Wrong(format!("{other:?}"))),
    }
}

fn taken_apart(stop: &Stopped) -> (StopReason, Address, Tid) {
    let arch = dbgbase::Arch::native().expect("a CPU with a table");
    let registers = GeneralRegisters::from_values(arch, &stop.general).expect("all registers");
    (convert::reason(stop).expect("a reason"), registers.pc(), Tid::new(stop.tid))
}
