//! Tests.

use super::*;

#[test]
fn cpp_names_with_and_without_parameters() {
    for (raw, full, path) in [
        ("_ZNK3foo3barIiEEvT_", "void foo::bar<int>(int) const", "foo::bar<int>"),
        ("_ZN3fooltERKS_", "foo::operator<(foo const&)", "foo::operator<"),
        ("_ZNKR3foo3barEv", "foo::bar() const &", "foo::bar"),
        ("_ZN12_GLOBAL__N_13fooEv", "(anonymous namespace)::foo()", "(anonymous namespace)::foo"),
        ("_Z3maxIiET_S0_S0_", "int max<int>(int, int)", "max<int>"),
        ("_ZN3fooD0Ev", "foo::~foo()", "foo::~foo"),
        ("_ZN3foo3barB5cxx11Ev", "foo::bar[abi:cxx11]()", "foo::bar[abi:cxx11]"),
        ("_ZN3foo3barEv.cold", "foo::bar() [clone .cold]", "foo::bar [clone .cold]"),
        (
            "_ZNK3foo3barEv.isra.0.part.1",
            "foo::bar() const [clone .isra.0.part.1]",
            "foo::bar [clone .isra.0.part.1]",
        ),
        (
            "_ZNSt6vectorIiSaIiEE9push_backEOi",
            "std::vector<int, std::allocator<int> >::push_back(int&&)",
            "std::vector<int, std::allocator<int> >::push_back",
        ),
        ("_ZN3foocvKiEv", "foo::operator int const()", "foo::operator int const"),
    ] {
        assert_eq!(demangle(raw), full);
        assert_eq!(demangled_path(raw), path);
    }
}

#[test]
fn rust_names_lose_their_hash() {
    for (raw, name) in [
        ("_ZN4core3fmt5write17h0123456789abcdefE", "core::fmt::write"),
        ("_ZN4core3fmt5write17h0123456789abcdefE.llvm.1234", "core::fmt::write"),
        (
            "_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$3bar\
             17h930b740aa94f1d3aE",
            "<Test + 'static as foo::Bar<Test>>::bar",
        ),
        ("_RNvC6_123foo3bar", "123foo::bar"),
        ("_RINvNtC3std3mem8align_ofjEC3foo", "std::mem::align_of::<usize>"),
    ] {
        assert_eq!(demangle(raw), name);
        assert_eq!(demangled_path(raw), name);
    }
    // A C++ namespace may look like Rust up to the hash.
    assert_eq!(demangle("_ZN4core3fmt5writeEv"), "core::fmt::write()");
}

#[test]
fn other_names_stay() {
    for raw in ["main", "_start", "_Z", "_ZZZ", "_R", "_Read", "_RZ", "puts@plt", "", "é", "_Zé"]
    {
        assert!(matches!(demangle(raw), Cow::Borrowed(same) if same == raw), "{raw}");
        assert!(matches!(demangled_path(raw), Cow::Borrowed(same) if same == raw), "{raw}");
    }
}

#[test]
fn a_name_that_doubles_itself_is_left_alone() {
    // f(A<int, int>, A<the first, the first>, A<the second, the second>, ...)
    let name = |parameters: u32| {
        let mut raw = String::from("_Z1f1AIiiE");
        for number in 0..parameters {
            let digit = char::from_digit(number, 36).expect("a digit").to_ascii_uppercase();
            raw.push_str(&format!("S_IS{digit}_S{digit}_E"));
        }
        raw
    };
    assert_eq!(demangle(&name(1)), "f(A<int, int>, A<A<int, int>, A<int, int> >)");
    assert_eq!(demangle(&name(35)), name(35), "2^35 times `int`");
    assert_eq!(demangled_path(&name(35)), "f");
    let deep = format!("_Z1f{}i", "P".repeat(100_000));
    assert_eq!(demangle(&deep), deep, "too deep to follow");
}

#[test]
fn template_arguments_go_and_operators_stay() {
    for (path, plain) in [
        ("f", "f"),
        ("max<int>", "max"),
        ("std::vector<int, std::allocator<int> >::push_back", "std::vector::push_back"),
        ("a<b<c>, d<e>>::f<g>", "a::f"),
        ("foo::operator<", "foo::operator<"),
        ("foo::operator<< <int>", "foo::operator<<"),
        ("foo<int>::operator->", "foo::operator->"),
        ("foo::operator<=><int>", "foo::operator<=>"),
        ("foo::operator()<int>", "foo::operator()<int>"),
        ("my_operator<int>", "my_operator"),
        ("std::mem::align_of::<usize>", "std::mem::align_of"),
        ("<foo::Bar<i32> as Clone>::clone", "<foo::Bar as Clone>::clone"),
        ("f::<fn(u8) -> u8>", "f"),
        ("f<never closed", "f<never closed"),
        ("f[abi:cxx11]<int>", "f[abi:cxx11]"),
    ] {
        assert_eq!(without_template_arguments(path), plain);
    }
}

#[test]
fn arguments_that_there_are_none_of_leave_no_comma() {
    for (raw, path) in [
        ("_Z4makeI1DJEEvv", "make<D>"),
        ("_Z4makeI3BoxI1DJEEJEEvv", "make<Box<D>>"),
        ("_Z4makeIJEEvv", "make<>"),
    ] {
        assert_eq!(demangled_path(raw), path, "{raw}");
    }
}

/// As libstdc++ has them: `std::make_shared<D>()` exists only if D is no array.
#[test]
fn a_function_has_a_name_though_its_result_cannot_be_read() {
    let result = "St10shared_ptrINSt9enable_ifIXntsrSt8is_arrayIT_E5valueES4_E4typeEEDpOT0_";
    for (name, path) in [
        ("_ZSt11make_sharedI1DJEE", "std::make_shared<D>"),
        ("_ZSt11make_sharedI1DJRiEE", "std::make_shared<D, int&>"),
        ("_ZN2ns3Box4makeI1DJEEE", "ns::Box::make<D>"),
    ] {
        assert_eq!(demangled_path(&format!("{name}{result}")), path);
        let part = format!("{name}{result}.cold");
        assert_eq!(demangled_path(&part), format!("{path} [clone .cold]"));
        // Two of them are told apart by all that is known of them.
        assert_eq!(demangle(&format!("{name}{result}")), format!("{name}{result}"));
    }
    for unreadable in ["_ZE", "_Z1fIXsrSt1xIT_E5valueEEvv", &format!("_Z{}", "E".repeat(5000))] {
        assert_eq!(demangled_path(unreadable), unreadable);
    }
}
