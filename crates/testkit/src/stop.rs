//! What a server told, taken apart for tests. It knows events, not how they arrive.

use bytes::Bytes;
use dbgbase::{Address, Arch, ExitStatus, GeneralRegisters, LoadBias, StopReason, Tid};
use dbgwire::convert;
use dbgwire::event::{Created, ModulesChanged, Printed, Signalled, Stopped};
use dbgwire::verbs::module::ModuleDescription;

/// One event.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A target stands still.
    Stopped(Box<Stop>),
    /// A target has ended.
    Exited {
        /// Which.
        target: u32,
        /// How.
        status: ExitStatus,
    },
    /// A target was let go.
    Left {
        /// Which.
        target: u32,
        /// Why.
        why: String,
    },
    /// The server ends the session, and why.
    Ending(String),
    /// A target has written to its terminal.
    Output {
        /// Which.
        target: u32,
        /// What.
        bytes: Vec<u8>,
    },
    /// A target has made another one.
    Created(Created),
    /// A running target is given a signal.
    Signalled(Signalled),
    /// A running target has other modules.
    ModulesChanged(ModulesChanged),
    /// Commands of a site have printed.
    Printed {
        /// Of which.
        event: Printed,
        /// What.
        text: Vec<u8>,
    },
}

/// A stop of a target.
#[derive(Clone, PartialEq, Debug)]
pub struct Stop {
    /// The event.
    pub event: Stopped,
    /// The bytes of its windows.
    pub tail: Bytes,
}

impl Stop {
    /// Why.
    ///
    /// **Panics** if the event cannot be read.
    #[track_caller]
    pub fn reason(&self) -> StopReason {
        convert::reason(&self.event).expect("a reason")
    }

    /// The thread it is about.
    pub fn tid(&self) -> Tid {
        Tid::new(self.event.tid)
    }

    /// The thread's registers.
    ///
    /// **Panics** if the event has none.
    #[track_caller]
    pub fn registers(&self) -> GeneralRegisters {
        let arch = Arch::native().expect("a CPU with a table");
        GeneralRegisters::from_values(arch, &self.event.general).expect("all registers")
    }

    /// Where the thread is.
    #[track_caller]
    pub fn pc(&self) -> Address {
        self.registers().pc()
    }

    /// The ids of the sites that were hit; none at stops of other kinds.
    #[track_caller]
    pub fn sites(&self) -> Vec<u32> {
        match self.reason() {
            StopReason::Breakpoint { sites } => sites.iter().map(|site| site.value()).collect(),
            _ => Vec::new(),
        }
    }

    /// The modules it brings.
    ///
    /// **Panics** if they have not changed, so that there are none.
    #[track_caller]
    pub fn modules(&self) -> &[ModuleDescription] {
        &self.event.modules.as_ref().expect("the modules have changed").modules
    }

    /// What the addresses in the program's file are off by.
    #[track_caller]
    pub fn bias(&self) -> LoadBias {
        let program = self.modules().iter().find(|module| module.is_program);
        LoadBias::new(program.expect("a target has a program").bias)
    }

    /// The bytes that it brings of a range, if it does.
    pub fn window(&self, address: Address, len: usize) -> Option<&[u8]> {
        let mut offset = 0;
        for window in &self.event.windows {
            let bytes = self.tail.get(offset..offset + window.len as usize)?;
            offset += bytes.len();
            let start = address.offset_from(Address::new(window.address));
            let found = start.and_then(|start| {
                let start = usize::try_from(start).ok()?;
                bytes.get(start..start.checked_add(len)?)
            });
            if found.is_some() {
                return found;
            }
        }
        None
    }
}
