//! Why bytes are not an image this crate can use. One small enum, cheap to copy and compare; it
//! knows no file name, the caller adds that.

/// Why [`Image::parse`](crate::Image::parse) refused a file, or why two images do not belong
/// together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The bytes do not begin with the ELF magic number.
    #[error("not an ELF file")]
    NotElf,
    /// The file ends before its ELF header does.
    #[error("the file ends inside its ELF header")]
    HeaderTruncated,
    /// A 32-bit file, or a big-endian one.
    #[error("not a 64-bit little-endian ELF file; no other kind is supported")]
    UnsupportedClass,
    /// `e_machine` is neither x86-64 nor aarch64.
    #[error("ELF machine {0} is not supported; x86-64 (62) and aarch64 (183) are")]
    UnsupportedMachine(u16),
    /// `e_type` is neither an executable nor a shared object.
    #[error("ELF file type {0} is not an executable (2) or shared object (3)")]
    UnsupportedFileType(u16),
    /// The program headers do not lie in the file, or have a wrong size.
    #[error("the program headers are damaged or cut off")]
    ProgramHeaders,
    /// The section headers do not lie in the file, or have a wrong size. A file cut short ends
    /// here, because linkers write the section headers last.
    #[error("the section headers are damaged or cut off; the file may be incomplete")]
    SectionHeaders,
    /// There is no segment to load.
    #[error("the file has no segment to load")]
    NoSegments,
    /// A segment passes the end of the address space.
    #[error("a segment passes the end of the address space")]
    SegmentOverflow,
    /// A separate debug file has another build-id or CPU than the image it was offered for.
    #[error("the debug file has another build-id than the image")]
    DebugFileMismatch,
}
