//! The numbers people type: processes, threads, breakpoints. It knows nothing of what they name.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $form:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub struct $name(pub u32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, $form, self.0)
            }
        }
    };
}

number! {
    /// A process's number in the prompt, `0:`. Counts up in the order of launching and attaching,
    /// and begins at 0 again when nothing is debugged any more.
    ProcessNumber, "{}"
}
number! {
    /// A thread's number in the prompt, `000`. Counts up for each process in the order of discovery
    /// and is never reused while the process lives.
    ThreadNumber, "{:03}"
}
number! {
    /// A breakpoint's number: the smallest that was free when it was made.
    BreakpointId, "{}"
}
