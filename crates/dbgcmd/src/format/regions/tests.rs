//! What regions are taken for, and how they are shown.

use dbgbase::LoadBias;
use dbgeng::SymbolStatus;
use expect_test::expect;

use super::*;

fn region(start: u64, len: u64, letters: &str, name: &str) -> Region {
    let has = |letter| letters.contains(letter);
    Region {
        range: AddressRange::with_len(Address::new(start), len).expect("a range"),
        is_readable: has('r'),
        is_writable: has('w'),
        is_executable: has('x'),
        is_shared: has('s'),
        offset: 0x1000,
        name: name.as_bytes().to_vec(),
    }
}

fn module(start: u64, len: u64, path: &str) -> ModuleView {
    ModuleView {
        name: "c".into(),
        path: path.as_bytes().to_vec(),
        range: AddressRange::with_len(Address::new(start), len).expect("a range"),
        bias: LoadBias::new(start),
        build_id: None,
        is_program: true,
        status: SymbolStatus::Deferred,
        files: dbgeng::SymbolFiles::default(),
    }
}

/// One region of each usage, and two of the image.
fn all() -> Vec<Described> {
    let modules = [module(0x1000, 0x8000, "/a/c")];
    let stacks = [(Address::new(0x7_1800), 7)];
    let gap = AddressRange::new(Address::new(0), Address::new(0x1000)).expect("a range");
    let regions = [
        region(0x1000, 0x2000, "rx", "/a/c"),
        region(0x8000, 0x1000, "rw", ""),
        region(0x1_0000, 0x3000, "r", "/a,\"b\""),
        region(0x2_0000, 0x1000, "rws", "/memfd:x"),
        region(0x3_0000, 0x1000, "rws", ""),
        region(0x4_0000, 0x1_0000, "rw", "[heap]"),
        region(0x7_0000, 0x1000, "", ""),
        region(0x7_1000, 0x1000, "rw", ""),
        region(0x7f00_0000_0000, 0x21000, "rw", "[stack]"),
        region(0x7fff_0000_0000, 0x2000, "rx", "[vdso]"),
        region(0x7fff_0001_0000, 0x1000, "rwx", "[anon:jit]"),
    ];
    let described = regions.into_iter().map(|region| Described::new(region, &modules, &stacks));
    [Described::free(gap)].into_iter().chain(described).collect()
}

#[test]
fn each_region_has_its_usage() {
    let rows: String = all().iter().map(row).collect();
    expect![[r#"
        00000000`00000000 00000000`00001000 00000000`00001000 ---- MEM_FREE    Free
        00000000`00001000 00000000`00003000 00000000`00002000 r-xp MEM_IMAGE   Image      c  /a/c
        00000000`00008000 00000000`00009000 00000000`00001000 rw-p MEM_IMAGE   Image      c
        00000000`00010000 00000000`00013000 00000000`00003000 r--p MEM_MAPPED  MappedFile /a,"b"
        00000000`00020000 00000000`00021000 00000000`00001000 rw-s MEM_MAPPED  Shared     /memfd:x
        00000000`00030000 00000000`00031000 00000000`00001000 rw-s MEM_MAPPED  Shared
        00000000`00040000 00000000`00050000 00000000`00010000 rw-p MEM_PRIVATE Heap       [heap]
        00000000`00070000 00000000`00071000 00000000`00001000 ---p MEM_PRIVATE Private
        00000000`00071000 00000000`00072000 00000000`00001000 rw-p MEM_PRIVATE Stack      thread 7
        00007f00`00000000 00007f00`00021000 00000000`00021000 rw-p MEM_PRIVATE Stack      [stack]
        00007fff`00000000 00007fff`00002000 00000000`00002000 r-xp MEM_PRIVATE Kernel     [vdso]
        00007fff`00010000 00007fff`00011000 00000000`00001000 rwxp MEM_PRIVATE Private    [anon:jit]
    "#]]
    .assert_eq(&rows);
}

#[test]
fn tables_for_other_programs_have_no_stray_separators() {
    let rows: String = all().iter().skip(2).take(2).map(|region| separated(region, ',')).collect();
    expect![[r#"
        0x8000,0x9000,0x1000,rw-p,MEM_IMAGE,PAGE_READWRITE,Image,"c"
        0x10000,0x13000,0x3000,r--p,MEM_MAPPED,PAGE_READONLY,MappedFile,"/a,""b"""
    "#]]
    .assert_eq(&rows);
}

#[test]
fn one_region_is_shown_in_full() {
    let all = all();
    expect![[r#"
        Usage:                  Image
        Base Address:           00000000`00001000
        End Address:            00000000`00003000
        Region Size:            00000000`00002000 (8.000 kB)
        State:                  MEM_COMMIT
        Protect:                PAGE_EXECUTE_READ (r-xp)
        Type:                   MEM_IMAGE
        Mapped File:            /a/c
        File Offset:            1000
        Module Name:            c
        Usage:                  Stack
        Base Address:           00000000`00071000
        End Address:            00000000`00072000
        Region Size:            00000000`00001000 (4.000 kB)
        State:                  MEM_COMMIT
        Protect:                PAGE_READWRITE (rw-p)
        Type:                   MEM_PRIVATE
        Thread:                 7
        BaseAddress:       00000000`00000000
        RegionSize:        00000000`00001000
        State:             MEM_FREE
        Protect:           PAGE_NOACCESS (----)
        Type:              MEM_FREE
    "#]]
    .assert_eq(&(details(&all[1]) + &details(&all[8]) + &protection(&all[0])));
}

#[test]
fn usages_and_protections_are_added_up() {
    expect![[r#"

        --- Usage Summary ------------- RgnCount ----------- Total Size -------- %ofBusy %ofTotal
        Free                                   1   00000000`00001000 (   4.000 kB)           1.59%
        Image                                  2   00000000`00003000 (  12.000 kB)   4.84%   4.76%
        MappedFile                             1   00000000`00003000 (  12.000 kB)   4.84%   4.76%
        Shared                                 2   00000000`00002000 (   8.000 kB)   3.23%   3.17%
        Heap                                   1   00000000`00010000 (  64.000 kB)  25.81%  25.40%
        Stack                                  2   00000000`00022000 ( 136.000 kB)  54.84%  53.97%
        Kernel                                 1   00000000`00002000 (   8.000 kB)   3.23%   3.17%
        Private                                2   00000000`00002000 (   8.000 kB)   3.23%   3.17%

        --- Protect Summary (for busy)  RgnCount ----------- Total Size -------- %ofBusy %ofTotal
        PAGE_EXECUTE_READ                      2   00000000`00004000 (  16.000 kB)   6.45%   6.35%
        PAGE_EXECUTE_READWRITE                 1   00000000`00001000 (   4.000 kB)   1.61%   1.59%
        PAGE_NOACCESS                          1   00000000`00001000 (   4.000 kB)   1.61%   1.59%
        PAGE_READONLY                          1   00000000`00003000 (  12.000 kB)   4.84%   4.76%
        PAGE_READWRITE                         6   00000000`00035000 ( 212.000 kB)  85.48%  84.13%

        --- Largest Region by Usage ---- Base Address -------- Region Size ----------
        Free                            00000000`00000000   00000000`00001000 (4.000 kB)
        Image                           00000000`00001000   00000000`00002000 (8.000 kB)
        MappedFile                      00000000`00010000   00000000`00003000 (12.000 kB)
        Shared                          00000000`00030000   00000000`00001000 (4.000 kB)
        Heap                            00000000`00040000   00000000`00010000 (64.000 kB)
        Stack                           00007f00`00000000   00000000`00021000 (132.000 kB)
        Kernel                          00007fff`00000000   00000000`00002000 (8.000 kB)
        Private                         00007fff`00010000   00000000`00001000 (4.000 kB)
    "#]]
    .assert_eq(&summary(&all()));
}
