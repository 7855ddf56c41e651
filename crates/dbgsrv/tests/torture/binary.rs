//! The debuggees as files: the same source, compiled in several ways, and where its instructions
//! begin. It knows no process.

use dbgbase::LinkAddress;
use testkit::Testee;

/// How the source is compiled: as others are; optimized; optimized and without shared libraries, at
/// a fixed address.
const FLAGS: [&[&str]; 3] = [
    &[],
    &["-O2", "-fno-toplevel-reorder"],
    &["-O2", "-fno-toplevel-reorder", "-static", "-no-pie"],
];

/// One debuggee.
pub(crate) struct Binary {
    /// The program.
    pub(crate) testee: Testee,
    /// Its own code: the first address, and the first behind.
    pub(crate) code: (LinkAddress, LinkAddress),
    /// Where its instructions begin, ascending.
    pub(crate) starts: Vec<LinkAddress>,
    /// Those among them that may be executed.
    pub(crate) places: Vec<LinkAddress>,
    /// Where it counts what it has done.
    pub(crate) operations: LinkAddress,
    /// Data that never changes, and that it reads all the time.
    pub(crate) constant: LinkAddress,
    /// Data that it changes all the time.
    counted: LinkAddress,
    /// The table of what its pieces compute: a row of 256 numbers of 64 bits for each.
    pub(crate) expected: LinkAddress,
    /// Those of its pieces that change nothing, with their numbers.
    pub(crate) pieces: Vec<(usize, LinkAddress)>,
    /// Whether it is where its file says.
    pub(crate) is_fixed: bool,
}

/// All of them.
pub(crate) struct Binaries(Vec<Binary>);

impl Binaries {
    /// Builds them.
    pub(crate) fn build() -> Binaries {
        Binaries(FLAGS.iter().map(|flags| Binary::build(flags)).collect())
    }

    /// Any of them.
    pub(crate) fn any(&self, random: &mut fastrand::Rng) -> &Binary {
        &self.0[random.usize(..self.0.len())]
    }
}

impl Binary {
    fn build(flags: &[&str]) -> Binary {
        let testee = Testee::build("torture", flags);
        let instructions = testee.instructions("torture_begin", "torture_end");
        let is_padding =
            |text: &str| text.starts_with("int3") || text.starts_with("ud2") || text.is_empty();
        let may_be_executed = instructions.iter().filter(|(_, text)| !is_padding(text));
        let places: Vec<LinkAddress> = may_be_executed.map(|(at, _)| *at).collect();
        assert!(places.len() > 1000, "objdump finds no instructions");
        Binary {
            code: (testee.symbol("torture_begin"), testee.symbol("torture_end")),
            starts: instructions.iter().map(|(at, _)| *at).collect(),
            places,
            operations: testee.symbol("operations"),
            constant: testee.symbol("cell"),
            counted: testee.symbol("counted"),
            expected: testee.symbol("expected"),
            pieces: pieces(&testee),
            is_fixed: flags.contains(&"-no-pie"),
            testee,
        }
    }

    /// What can be watched, each with its length.
    pub(crate) fn data(&self) -> [(LinkAddress, u32); 4] {
        let inner = LinkAddress::new(self.constant.value() + 4);
        [(self.operations, 8), (self.constant, 8), (inner, 4), (self.counted, 8)]
    }
}

/// The pieces that are named in the order of the table, but for the one that counts its calls.
fn pieces(testee: &Testee) -> Vec<(usize, LinkAddress)> {
    let named = NAMES.iter().enumerate().filter(|(_, name)| **name != "count_once");
    named.map(|(number, name)| (number, testee.symbol(name))).collect()
}

/// `PIECES` of testees/torture_x86_64.h.
const NAMES: [&str; 25] = [
    "jump_short",
    "jump_near",
    "jump_all",
    "jump_always",
    "call_leaf",
    "where_am_i",
    "return_now",
    "return_more",
    "relative",
    "indirect",
    "push_flags",
    "push_flags_16",
    "copy_bytes",
    "fill_bytes",
    "call_kernel",
    "red_zone",
    "count_once",
    "loops",
    "stack_pointer",
    "floating",
    "segment",
    "long_ones",
    "divide",
    "wide_compare",
    "marked",
];
