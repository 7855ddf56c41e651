//! Verbs about the images a target has mapped.

/// Lists the images a target has mapped.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ListModules {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
}

/// The images: the program itself first, then the others in the order of the dynamic linker, then
/// those that it does not list, by address.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ListModulesReply {
    /// All of them.
    #[prost(message, repeated, tag = "1")]
    pub modules: Vec<ModuleDescription>,
}

/// One mapped image.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ModuleDescription {
    /// Where it begins.
    #[prost(fixed64, tag = "1")]
    pub base: u64,
    /// How many bytes it spans, gaps included.
    #[prost(uint64, tag = "2")]
    pub size: u64,
    /// What its file's addresses are off by: add it, modulo 2^64.
    #[prost(fixed64, tag = "3")]
    pub bias: u64,
    /// Its file's path as the target sees it; `[vdso]` for the kernel's.
    #[prost(bytes = "vec", tag = "4")]
    pub path: Vec<u8>,
    /// Its build-id (ELF note `NT_GNU_BUILD_ID`), or nothing.
    #[prost(bytes = "vec", tag = "5")]
    pub build_id: Vec<u8>,
    /// Whether it is the program itself.
    #[prost(bool, tag = "6")]
    pub is_program: bool,
    /// Where the dynamic linker's `struct link_map` of it lies (`<link.h>`); 0 if the linker does
    /// not list it. Of one that it lists in several namespaces, the first.
    #[prost(fixed64, tag = "7")]
    pub link_map: u64,
    /// Where its dynamic section lies, as that says (`l_ld`); 0 without it.
    #[prost(fixed64, tag = "8")]
    pub dynamic: u64,
    /// Which of the linker's namespaces that is in (dlmopen(3)): where its `struct r_debug` lies; 0
    /// without it.
    #[prost(fixed64, tag = "9")]
    pub namespace: u64,
}
