//! The numbers by which the protocol names signals. GDB has a list of its own (`include/gdb/
//! signals.def`; manual, "Signals"), the same for all systems; LLDB uses Linux's numbers. Pure.

use dbgbase::Signal;

use crate::dialect::Dialect;

/// What GDB calls a signal that it has no number for.
const UNKNOWN: u8 = 143;
/// The first and the last of the real-time signals that GDB numbers in a row, from 45.
const ROW_FIRST: i32 = 33;
const ROW_LAST: i32 = 63;
const ROW_GDB: i32 = 45;

/// GDB's numbers, in the order of Linux's, from 1 to 31. SIGSTKFLT has none.
const GDB: [u8; 31] = [
    1, 2, 3, 4, 5, 6, 10, 8, 9, 30, 11, 31, 13, 14, 15, UNKNOWN, 20, 19, 17, 18, 21, 22, 16, 24,
    25, 26, 27, 28, 23, 32, 12,
];

/// The number that the debugger knows a signal by.
pub(crate) fn to_debugger(signal: Signal, dialect: Dialect) -> u8 {
    let number = signal.number();
    if dialect == Dialect::Lldb {
        return number as u8;
    }
    match number {
        32 => 77,
        ROW_FIRST..=ROW_LAST => (number - ROW_FIRST + ROW_GDB) as u8,
        64 => 78,
        _ => {
            let index = usize::try_from(number - 1).unwrap_or(usize::MAX);
            GDB.get(index).copied().unwrap_or(UNKNOWN)
        }
    }
}

/// The signal that the debugger's number means; `None` for 0 and for those that Linux has not.
pub(crate) fn from_debugger(number: u64, dialect: Dialect) -> Option<Signal> {
    let number = i32::try_from(number).ok()?;
    if dialect == Dialect::Lldb {
        return Signal::new(number);
    }
    let signals = (1..=64).filter_map(Signal::new);
    signals.into_iter().find(|signal| {
        let known = to_debugger(*signal, dialect);
        known != UNKNOWN && i32::from(known) == number
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_manual() {
        let gdb = |signal| to_debugger(signal, Dialect::Gdb);
        assert_eq!(gdb(Signal::SIGINT), 2);
        assert_eq!(gdb(Signal::SIGTRAP), 5);
        assert_eq!(gdb(Signal::SIGBUS), 10);
        assert_eq!(gdb(Signal::SIGSEGV), 11);
        assert_eq!(gdb(Signal::SIGUSR1), 30);
        assert_eq!(gdb(Signal::SIGCHLD), 20);
        assert_eq!(gdb(Signal::SIGSYS), 12);
        assert_eq!(to_debugger(Signal::SIGUSR1, Dialect::Lldb), 10);
    }

    #[test]
    fn every_signal_with_a_number_comes_back() {
        for dialect in [Dialect::Gdb, Dialect::Lldb] {
            for number in 1..=64 {
                let signal = Signal::new(number).expect("1 to 64 are signals");
                let there = to_debugger(signal, dialect);
                let back = from_debugger(u64::from(there), dialect);
                let is_unknown = dialect == Dialect::Gdb && number == 16;
                assert_eq!(back, (!is_unknown).then_some(signal), "{signal}");
            }
            assert_eq!(from_debugger(0, dialect), None);
        }
    }
}
