//! The one place that knows HRESULT numbers: which one the original engine's API gives for each
//! kind of failure. It knows no text.

use crate::ErrorKind;

/// `E_FAIL`: the operation could not be done.
pub const E_FAIL: u32 = 0x8000_4005;
/// `E_INVALIDARG`: a bad argument.
pub const E_INVALIDARG: u32 = 0x8007_0057;
/// `E_NOINTERFACE`: the thing searched for was not found; the original uses it for processes too.
pub const E_NOINTERFACE: u32 = 0x8000_4002;
/// `E_OUTOFMEMORY`: no more of it is to be had.
pub const E_OUTOFMEMORY: u32 = 0x8007_000e;
/// `E_UNEXPECTED`: the target is not accessible, or the engine is in the wrong state.
pub const E_UNEXPECTED: u32 = 0x8000_ffff;
/// `E_NOTIMPL`: not implemented.
pub const E_NOTIMPL: u32 = 0x8000_4001;
/// `E_PENDING`: left because of an exit interrupt.
pub const E_PENDING: u32 = 0x8000_000a;
/// `E_ACCESSDENIED`: refused.
pub const E_ACCESSDENIED: u32 = 0x8007_0005;

/// `HRESULT_FROM_WIN32` for a Win32 error number.
const fn from_win32(number: u16) -> u32 {
    0x8007_0000 | number as u32
}

/// The HRESULT of a failure of this kind.
///
/// **Source**: the documented values of the debugger engine's return values and, for the kinds that
/// a Win32 error names best, `HRESULT_FROM_WIN32` of it: `ERROR_WRITE_FAULT` 29,
/// `ERROR_READ_FAULT` 30, `ERROR_FILE_NOT_FOUND` 2, `ERROR_NOT_CONNECTED` 2250,
/// `ERROR_REVISION_MISMATCH` 1306, `ERROR_PROCESS_ABORTED` 1067.
pub fn hresult(kind: ErrorKind) -> u32 {
    match kind {
        ErrorKind::NotConnected => from_win32(2250),
        ErrorKind::ServerRefused | ErrorKind::LaunchFailed => E_FAIL,
        ErrorKind::VersionMismatch => from_win32(1306),
        ErrorKind::NotPermitted | ErrorKind::AlreadyTraced => E_ACCESSDENIED,
        ErrorKind::NoSuchProcess | ErrorKind::NoSuchThread | ErrorKind::NoSuchBreakpoint => {
            E_NOINTERFACE
        }
        ErrorKind::NotStopped | ErrorKind::NoTarget | ErrorKind::Internal => E_UNEXPECTED,
        ErrorKind::UnknownSymbol | ErrorKind::AmbiguousSymbol => E_FAIL,
        ErrorKind::BadExpression | ErrorKind::Invalid => E_INVALIDARG,
        ErrorKind::Unreadable => from_win32(30),
        ErrorKind::Unwritable => from_win32(29),
        ErrorKind::Unsupported => E_NOTIMPL,
        ErrorKind::TargetEnded => from_win32(1067),
        ErrorKind::NotFound => from_win32(2),
        ErrorKind::LimitReached => E_OUTOFMEMORY,
        ErrorKind::Cancelled => E_PENDING,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_the_number_the_api_documents() {
        let expected = |kind| match kind {
            ErrorKind::NotConnected => 0x8007_08ca,
            ErrorKind::ServerRefused => 0x8000_4005,
            ErrorKind::VersionMismatch => 0x8007_051a,
            ErrorKind::NotPermitted => 0x8007_0005,
            ErrorKind::NoSuchProcess => 0x8000_4002,
            ErrorKind::AlreadyTraced => 0x8007_0005,
            ErrorKind::NotStopped => 0x8000_ffff,
            ErrorKind::NoTarget => 0x8000_ffff,
            ErrorKind::NoSuchThread => 0x8000_4002,
            ErrorKind::NoSuchBreakpoint => 0x8000_4002,
            ErrorKind::UnknownSymbol => 0x8000_4005,
            ErrorKind::AmbiguousSymbol => 0x8000_4005,
            ErrorKind::BadExpression => 0x8007_0057,
            ErrorKind::Unreadable => 0x8007_001e,
            ErrorKind::Unwritable => 0x8007_001d,
            ErrorKind::LaunchFailed => 0x8000_4005,
            ErrorKind::Unsupported => 0x8000_4001,
            ErrorKind::TargetEnded => 0x8007_042b,
            ErrorKind::NotFound => 0x8007_0002,
            ErrorKind::LimitReached => 0x8007_000e,
            ErrorKind::Cancelled => 0x8000_000a,
            ErrorKind::Invalid => 0x8007_0057,
            ErrorKind::Internal => 0x8000_ffff,
        };
        for kind in ErrorKind::ALL {
            assert_eq!(hresult(*kind), expected(*kind), "{kind:?}");
            assert_ne!(hresult(*kind) & 0x8000_0000, 0, "{kind:?} is a failure");
        }
    }

    #[test]
    fn no_kind_is_listed_twice_or_left_out() {
        let mut seen = std::collections::HashSet::new();
        assert!(ErrorKind::ALL.iter().all(|kind| seen.insert(*kind)));
        assert_eq!(seen.len(), 23);
    }
}
