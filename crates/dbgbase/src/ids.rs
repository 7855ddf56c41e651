//! Numbers that name things, each its own type so that a thread id is never passed for a process
//! id. It knows nothing of what they name.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($repr:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub struct $name($repr);

        impl $name {
            /// The id with this number.
            pub const fn new(value: $repr) -> $name {
                $name(value)
            }

            /// The number, for wire, display and system calls.
            pub const fn value(self) -> $repr {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::LowerHex for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::LowerHex::fmt(&self.0, f)
            }
        }
    };
}

id! {
    /// A Linux process id (thread group id), as the process server's pid namespace counts.
    Pid(u32)
}
id! {
    /// A Linux thread id, as the process server's pid namespace counts.
    Tid(u32)
}
id! {
    /// What a session calls one of its targets. Counts from 1 and is never reused within a session,
    /// so a late answer about a target that ended cannot be taken for one about another.
    TargetId(u32)
}
id! {
    /// The client's name for one reason why a site exists. Chosen by the client, unique in a
    /// target.
    SiteId(u32)
}
id! {
    /// Counts the stops of a session from 1. What was read under one number is stale under the
    /// next.
    StopNumber(u64)
}

impl From<Pid> for Tid {
    /// The thread id of the leader, which Linux makes equal to the process id.
    fn from(pid: Pid) -> Tid {
        Tid(pid.0)
    }
}
