//! Verbs that arm and disarm addresses. A site is the place; the ids are the client's reasons for
//! it, and several may share one.

use crate::error::FaultMessage;

/// The most sites in one request.
pub const SITES_MAX: usize = 4096;

/// The most pieces of code among one site's commands.
pub const COMMANDS_MAX: usize = 16;

/// How a site is armed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, prost::Enumeration)]
#[repr(i32)]
pub enum SiteKind {
    /// A trap instruction over the program's.
    Software = 0,
    /// The CPU stops before the instruction.
    HardwareExecute = 1,
    /// The CPU stops behind a write.
    HardwareWrite = 2,
    /// The CPU stops behind a read or a write. (x86 cannot watch for reads alone.)
    HardwareReadWrite = 3,
}

/// One reason to stop at an address.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Site {
    /// The client's name for it, unique in the target.
    #[prost(uint32, tag = "1")]
    pub id: u32,
    /// Where.
    #[prost(fixed64, tag = "2")]
    pub address: u64,
    /// How.
    #[prost(enumeration = "SiteKind", tag = "3")]
    pub kind: i32,
    /// Only this thread, or 0 for any. A hit by another thread is stepped over on the server.
    #[prost(uint32, tag = "4")]
    pub tid: u32,
    /// Only when the stack pointer is above this address, or 0 for always: how a step over a call
    /// tells its own return from one of a deeper recursion. Evaluated on the server.
    #[prost(fixed64, tag = "5")]
    pub sp_above: u64,
    /// How many bytes are watched, for a site that the CPU watches: 1, 2, 4 or 8, to which the
    /// address is aligned. 1 for [`SiteKind::HardwareExecute`]; 0 otherwise.
    #[prost(uint32, tag = "6")]
    pub len: u32,
    /// How many times to pass it first.
    #[prost(uint64, tag = "7")]
    pub ignore: u64,
    /// A condition as agent code ([`crate::agent`]), or nothing. A thread for which its result is 0
    /// passes the site; one for which it has no result stops. Evaluated on the server.
    #[prost(bytes = "vec", tag = "8")]
    pub condition: Vec<u8>,
    /// What the server does for a thread that would stop, instead of having it stop: agent code
    /// that prints ([`crate::event::Printed`]), at most [`COMMANDS_MAX`] pieces. Where the thread
    /// has another reason to stop, it does both.
    #[prost(bytes = "vec", repeated, tag = "9")]
    pub commands: Vec<Vec<u8>>,
}

/// Arms addresses of a target that stands still. Those that cannot be armed are reported one by
/// one; the others are.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct InsertSites {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// At most [`SITES_MAX`].
    #[prost(message, repeated, tag = "2")]
    pub sites: Vec<Site>,
}

/// What could not be armed.
#[derive(Clone, PartialEq, prost::Message)]
pub struct InsertSitesReply {
    /// Empty if all is well.
    #[prost(message, repeated, tag = "1")]
    pub faults: Vec<SiteFault>,
}

/// Why one site is not armed.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SiteFault {
    /// Which.
    #[prost(uint32, tag = "1")]
    pub id: u32,
    /// Why.
    #[prost(message, optional, tag = "2")]
    pub fault: Option<FaultMessage>,
}

/// Takes reasons back; an address whose last one is gone is disarmed. Ids that are not known are
/// passed over, so that the request can be repeated.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RemoveSites {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// At most [`SITES_MAX`].
    #[prost(uint32, repeated, tag = "2")]
    pub ids: Vec<u32>,
}

/// They are gone.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct RemoveSitesReply {}

/// Lists the sites of a target and what has become of them, whether it runs or not.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ListSites {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
}

/// The client's sites.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ListSitesReply {
    /// All of them, by address.
    #[prost(message, repeated, tag = "1")]
    pub sites: Vec<SiteState>,
    /// How many places the CPU can watch at once.
    #[prost(uint32, tag = "2")]
    pub hardware_total: u32,
    /// How many of them are in use.
    #[prost(uint32, tag = "3")]
    pub hardware_used: u32,
}

/// One site of a client.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct SiteState {
    /// The client's name for it.
    #[prost(uint32, tag = "1")]
    pub id: u32,
    /// Where.
    #[prost(fixed64, tag = "2")]
    pub address: u64,
    /// How often it was hit by a thread it is for, if its condition held, whether that was told or
    /// not.
    #[prost(uint64, tag = "3")]
    pub hits: u64,
    /// How many of the hits to come are still passed.
    #[prost(uint64, tag = "4")]
    pub ignore: u64,
    /// Whether threads step over it without holding up the others.
    #[prost(bool, tag = "5")]
    pub out_of_line: bool,
}
