//! The auxiliary vector that the kernel hands to a program: what its numbers are called and how
//! their values look (getauxval(3), `<elf.h>`). It reads no memory and looks up no symbol.

use dbgbase::Address;

/// What a value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Meaning {
    /// A number that people count with.
    Number,
    /// Bits.
    Bits,
    /// Where something lies.
    Address,
    /// Where text lies that ends with a 0.
    Text,
}

use Meaning::{Address as Place, Bits, Number, Text};

/// The keys with their names in `<elf.h>`.
const KEYS: [(u64, &str, Meaning); 41] = [
    (2, "AT_EXECFD", Number),
    (3, "AT_PHDR", Place),
    (4, "AT_PHENT", Number),
    (5, "AT_PHNUM", Number),
    (6, "AT_PAGESZ", Number),
    (7, "AT_BASE", Place),
    (8, "AT_FLAGS", Bits),
    (9, "AT_ENTRY", Place),
    (10, "AT_NOTELF", Number),
    (11, "AT_UID", Number),
    (12, "AT_EUID", Number),
    (13, "AT_GID", Number),
    (14, "AT_EGID", Number),
    (15, "AT_PLATFORM", Text),
    (16, "AT_HWCAP", Bits),
    (17, "AT_CLKTCK", Number),
    (18, "AT_FPUCW", Bits),
    (23, "AT_SECURE", Number),
    (24, "AT_BASE_PLATFORM", Text),
    (25, "AT_RANDOM", Place),
    (26, "AT_HWCAP2", Bits),
    (27, "AT_RSEQ_FEATURE_SIZE", Number),
    (28, "AT_RSEQ_ALIGN", Number),
    (29, "AT_HWCAP3", Bits),
    (30, "AT_HWCAP4", Bits),
    (31, "AT_EXECFN", Text),
    (32, "AT_SYSINFO", Place),
    (33, "AT_SYSINFO_EHDR", Place),
    (34, "AT_L1I_CACHESHAPE", Bits),
    (35, "AT_L1D_CACHESHAPE", Bits),
    (36, "AT_L2_CACHESHAPE", Bits),
    (37, "AT_L3_CACHESHAPE", Bits),
    (40, "AT_L1I_CACHESIZE", Number),
    (41, "AT_L1I_CACHEGEOMETRY", Bits),
    (42, "AT_L1D_CACHESIZE", Number),
    (43, "AT_L1D_CACHEGEOMETRY", Bits),
    (44, "AT_L2_CACHESIZE", Number),
    (45, "AT_L2_CACHEGEOMETRY", Bits),
    (46, "AT_L3_CACHESIZE", Number),
    (47, "AT_L3_CACHEGEOMETRY", Bits),
    (51, "AT_MINSIGSTKSZ", Number),
];

/// What the value of this key is.
pub(crate) fn meaning(key: u64) -> Meaning {
    KEYS.iter().find(|(known, ..)| *known == key).map_or(Bits, |(_, _, meaning)| *meaning)
}

/// The line of one entry. `remark` is what the value points to.
pub(crate) fn entry(key: u64, value: u64, remark: &str) -> String {
    let known = KEYS.iter().find(|(known, ..)| *known == key);
    let name = known.map_or_else(|| format!("AT_{key}"), |(_, name, _)| (*name).to_owned());
    let value = match meaning(key) {
        Number => value.to_string(),
        Bits => format!("0x{value:x}"),
        Place | Text => Address::new(value).to_string(),
    };
    let line = format!("        {name:<22}{value} {remark}");
    format!("{}\n", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_order_and_told_once() {
        assert!(KEYS.is_sorted_by(|one, next| one.0 < next.0));
    }

    #[test]
    fn entries_look_as_what_they_are() {
        assert_eq!(entry(6, 4096, ""), "        AT_PAGESZ             4096\n");
        assert_eq!(entry(16, 0xbfeb, ""), "        AT_HWCAP              0xbfeb\n");
        let executable = entry(31, 0x7fff_ffff_efe0, "\"/bin/ls\"");
        assert_eq!(executable, "        AT_EXECFN             00007fff`ffffefe0 \"/bin/ls\"\n");
        assert_eq!(entry(99, 16, ""), "        AT_99                 0x10\n");
    }
}
