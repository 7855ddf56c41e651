//! Verbs about the server itself. They know nothing of targets.

/// Asks who the server is. Costs no more than a round trip.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ServerInfo {}

/// Who the server is.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ServerInfoReply {
    /// The machine's name, uname(2) `nodename`.
    #[prost(string, tag = "1")]
    pub machine: String,
    /// The system's name and release, as `Linux 6.1.0`.
    #[prost(string, tag = "2")]
    pub system: String,
    /// The CPU as uname(2) calls it.
    #[prost(string, tag = "3")]
    pub arch: String,
    /// The session process's id.
    #[prost(uint32, tag = "4")]
    pub pid: u32,
    /// The server's version, as `0.1.0`.
    #[prost(string, tag = "5")]
    pub version: String,
    /// The effective user id the session acts with.
    #[prost(uint32, tag = "6")]
    pub uid: u32,
    /// Milliseconds since the machine started.
    #[prost(uint64, tag = "7")]
    pub uptime_ms: u64,
    /// Seconds since 1970 by the machine's clock.
    #[prost(uint64, tag = "8")]
    pub clock_s: u64,
    /// How many CPUs are online.
    #[prost(uint32, tag = "9")]
    pub cpus: u32,
    /// On x86_64: where the components of the XSAVE area are.
    #[prost(message, optional, tag = "10")]
    pub xsave: Option<XsaveLayout>,
}

/// The standard form of the XSAVE area on one machine (Intel SDM volume 1, 13.4).
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct XsaveLayout {
    /// Which components the system has enabled.
    #[prost(fixed64, tag = "1")]
    pub xcr0: u64,
    /// The components from 2 on.
    #[prost(message, repeated, tag = "2")]
    pub components: Vec<XsaveComponent>,
}

/// A component of the area.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct XsaveComponent {
    /// Its number: the bit in XCR0 and in the area's `XSTATE_BV`.
    #[prost(uint32, tag = "1")]
    pub feature: u32,
    /// Its first byte in the area.
    #[prost(uint32, tag = "2")]
    pub offset: u32,
    /// How many bytes.
    #[prost(uint32, tag = "3")]
    pub size: u32,
}

/// Asks for a sign of life.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Ping {}

/// A sign of life.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct PingReply {}

/// Ends the process server: no more clients get in, and all sessions end as its stop would end
/// them.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct EndServer {}

/// The server is ending. The link closes when it has ended.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct EndServerReply {}
