//! Between the plain numbers of messages and the vocabulary's types. It decides what a field that
//! no sane peer sends reads as.

use dbgbase::x86_64::xsave;
use dbgbase::{
    Address, ConditionFault, ConditionTrouble, ExitStatus, Pid, Signal, SiteId, StopReason,
};

use crate::error::DecodeError;
use crate::event::{self, Exited, SignalDetail, StopKind, Stopped};
use crate::verbs::server::{XsaveComponent, XsaveLayout};

/// Puts a reason into the fields of a stop event that carry it.
pub fn set_reason(event: &mut Stopped, reason: &StopReason) {
    let kind = match reason {
        StopReason::InitialBreak => StopKind::InitialBreak,
        StopReason::Attached => StopKind::Attached,
        StopReason::Interrupted => StopKind::Interrupted,
        StopReason::Breakpoint { sites } => {
            event.sites = sites.iter().map(|site| site.value()).collect();
            StopKind::Breakpoint
        }
        StopReason::Watchpoint { sites, address } => {
            event.sites = sites.iter().map(|site| site.value()).collect();
            event.watched = address.value();
            StopKind::Watchpoint
        }
        StopReason::SyscallEntry { number } => {
            event.syscall = *number;
            StopKind::SyscallEntry
        }
        StopReason::SyscallExit { number } => {
            event.syscall = *number;
            StopKind::SyscallExit
        }
        StopReason::Forked { child, borrows } => {
            (event.child, event.borrows) = (child.value(), *borrows);
            StopKind::Forked
        }
        StopReason::VforkDone { child } => {
            event.child = child.value();
            StopKind::VforkDone
        }
        StopReason::ThreadEnding { status } => {
            event.ending = wait_status(*status);
            StopKind::ThreadEnding
        }
        StopReason::Step => StopKind::Step,
        StopReason::Signal { signal, code, address, sender } => {
            event.signal = Some(signal_detail(*signal, *code, *address, *sender));
            StopKind::Signal
        }
        StopReason::ProgramTrap => StopKind::ProgramTrap,
        StopReason::Exec => StopKind::Exec,
        StopReason::ThreadBorn => StopKind::ThreadBorn,
        StopReason::Born => StopKind::Born,
        StopReason::ModulesChanged => StopKind::ModulesChanged,
        _ => StopKind::Unspecified,
    };
    event.kind = kind as i32;
}

/// A signal's siginfo as messages carry it.
pub fn signal_detail(
    signal: Signal,
    code: i32,
    address: Option<Address>,
    sender: Option<Pid>,
) -> SignalDetail {
    SignalDetail {
        number: signal.number() as u32,
        code,
        address: address.map(Address::value),
        sender: sender.map(Pid::value),
    }
}

/// The reason a stop event carries.
///
/// A kind of a later version reads as [`StopReason::Interrupted`]: the target stands still, and
/// that is what a client of this version can act on.
/// **Errors**: [`DecodeError::BadField`] for a signal stop without a signal.
pub fn reason(event: &Stopped) -> Result<StopReason, DecodeError> {
    let kind = StopKind::try_from(event.kind).unwrap_or(StopKind::Interrupted);
    Ok(match kind {
        StopKind::Unspecified | StopKind::Interrupted => StopReason::Interrupted,
        StopKind::InitialBreak => StopReason::InitialBreak,
        StopKind::Attached => StopReason::Attached,
        StopKind::Breakpoint => StopReason::Breakpoint { sites: sites(event) },
        StopKind::Watchpoint => {
            StopReason::Watchpoint { sites: sites(event), address: Address::new(event.watched) }
        }
        StopKind::SyscallEntry => StopReason::SyscallEntry { number: event.syscall },
        StopKind::SyscallExit => StopReason::SyscallExit { number: event.syscall },
        StopKind::Forked => {
            StopReason::Forked { child: Pid::new(event.child), borrows: event.borrows }
        }
        StopKind::VforkDone => StopReason::VforkDone { child: Pid::new(event.child) },
        StopKind::ThreadBorn => StopReason::ThreadBorn,
        StopKind::ThreadEnding => {
            let bad = DecodeError::BadField { field: "ending" };
            StopReason::ThreadEnding { status: ended_with(event.ending).ok_or(bad)? }
        }
        StopKind::Born => StopReason::Born,
        StopKind::ModulesChanged => StopReason::ModulesChanged,
        StopKind::Step => StopReason::Step,
        StopKind::Signal => {
            let bad = DecodeError::BadField { field: "signal" };
            let detail = event.signal.as_ref().ok_or(bad)?;
            StopReason::Signal {
                signal: signal(detail.number).ok_or(bad)?,
                code: detail.code,
                address: detail.address.map(Address::new),
                sender: detail.sender.map(Pid::new),
            }
        }
        StopKind::ProgramTrap => StopReason::ProgramTrap,
        StopKind::Exec => StopReason::Exec,
    })
}

/// How something ended, as wait(2) tells it: a status in the second byte, or a signal in the first.
pub fn wait_status(status: ExitStatus) -> u32 {
    match status {
        ExitStatus::Exited(status) => u32::from(status) << 8,
        ExitStatus::Killed(signal) => signal.number() as u32,
    }
}

/// How something ended that wait(2) tells so; `None` if that is no end. A core dump is no matter.
pub fn ended_with(status: u32) -> Option<ExitStatus> {
    match status & 0x7f {
        0 => Some(ExitStatus::Exited((status >> 8) as u8)),
        number => signal(number).map(ExitStatus::Killed),
    }
}

fn sites(event: &Stopped) -> Vec<SiteId> {
    event.sites.iter().map(|site| SiteId::new(*site)).collect()
}

/// The signal with a number from the wire; `None` for 0 and for numbers that are no signal.
pub fn signal(number: u32) -> Option<Signal> {
    i32::try_from(number).ok().and_then(Signal::new)
}

/// The layout of an XSAVE area, as a server tells it.
pub fn xsave_to_wire(layout: &xsave::XsaveLayout) -> XsaveLayout {
    let component = |component: &xsave::XsaveComponent| XsaveComponent {
        feature: u32::from(component.feature),
        offset: component.offset,
        size: component.size_bytes,
    };
    let components = layout.components().iter().map(component).collect();
    XsaveLayout { xcr0: layout.xcr0(), components }
}

/// The layout that a server told of. Components that cannot be right are dropped.
pub fn xsave(layout: &XsaveLayout) -> xsave::XsaveLayout {
    let component = |component: &XsaveComponent| {
        let feature = u8::try_from(component.feature).ok()?;
        let (offset, size_bytes) = (component.offset, component.size);
        Some(xsave::XsaveComponent { feature, offset, size_bytes })
    };
    xsave::XsaveLayout::new(layout.xcr0, layout.components.iter().filter_map(component))
}

/// A condition without a result, as a stop event tells of it.
pub fn condition_fault_message(fault: &ConditionFault) -> event::ConditionFault {
    let (trouble, address) = match fault.trouble {
        ConditionTrouble::Unreadable(address) => {
            (event::ConditionTrouble::Unreadable, address.value())
        }
        ConditionTrouble::DivisionByZero => (event::ConditionTrouble::DivisionByZero, 0),
        ConditionTrouble::TooManySteps => (event::ConditionTrouble::TooManySteps, 0),
        _ => (event::ConditionTrouble::Unspecified, 0),
    };
    let (site, offset) = (fault.site.value(), fault.offset);
    event::ConditionFault { site, trouble: trouble as i32, offset, address }
}

/// The condition without a result that a stop event tells of. A trouble of a later version reads as
/// [`ConditionTrouble::Unknown`].
pub fn condition_fault(message: &event::ConditionFault) -> ConditionFault {
    let trouble = match event::ConditionTrouble::try_from(message.trouble) {
        Ok(event::ConditionTrouble::Unreadable) => {
            ConditionTrouble::Unreadable(Address::new(message.address))
        }
        Ok(event::ConditionTrouble::DivisionByZero) => ConditionTrouble::DivisionByZero,
        Ok(event::ConditionTrouble::TooManySteps) => ConditionTrouble::TooManySteps,
        Ok(event::ConditionTrouble::Unspecified) | Err(_) => ConditionTrouble::Unknown,
    };
    ConditionFault { site: SiteId::new(message.site), offset: message.offset, trouble }
}

/// The exit event of a target.
pub fn exited(target: u32, status: ExitStatus) -> Exited {
    match status {
        ExitStatus::Exited(status) => {
            Exited { target, status: Some(u32::from(status)), ..Exited::default() }
        }
        ExitStatus::Killed(signal) => {
            Exited { target, signal: Some(signal.number() as u32), ..Exited::default() }
        }
    }
}

/// The event of a target whose process lives on without the session, for this reason.
pub fn left(target: u32, why: String) -> Exited {
    Exited { target, left: why, ..Exited::default() }
}

/// How the target of an exit event ended. **Errors**: [`DecodeError::BadField`] if it says neither.
pub fn exit_status(event: &Exited) -> Result<ExitStatus, DecodeError> {
    if let Some(number) = event.signal {
        let bad = DecodeError::BadField { field: "signal" };
        return signal(number).map(ExitStatus::Killed).ok_or(bad);
    }
    let status = event.status.and_then(|status| u8::try_from(status).ok());
    status.map(ExitStatus::Exited).ok_or(DecodeError::BadField { field: "status" })
}
