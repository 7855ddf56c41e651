//! What paths mean, and where files are looked for.

use super::*;

fn environment(cache: Option<&str>, servers: &[&str]) -> SymbolEnvironment {
    SymbolEnvironment {
        cache_directory: cache.map(PathBuf::from),
        servers: servers.iter().map(|url| (*url).to_owned()).collect(),
        ..SymbolEnvironment::default()
    }
}

fn images(path: &SymbolPath, module: &[u8]) -> Vec<String> {
    path.image_files(module, None).iter().map(|path| path.display().to_string()).collect()
}

/// `URL`, or `URL>CACHE` for a server with a directory.
fn servers(path: &str, environment: &SymbolEnvironment) -> Vec<String> {
    let places = SymbolPath::new(path).servers(environment);
    let shown = |place: ServerPlace| match place.cache {
        Some(cache) => format!("{}>{}", place.url, cache.display()),
        None => place.url,
    };
    places.into_iter().map(shown).collect()
}

#[test]
fn a_path_is_cut_at_semicolons_or_else_at_colons() {
    let path = SymbolPath::new("/a; /b b ;;srv*/s*https://example.org;c");
    assert_eq!(images(&path, b"/bin/p"), ["/bin/p", "/a/p", "/b b/p", "/s/p", "c/p"]);
    assert_eq!(path.text(), "/a; /b b ;;srv*/s*https://example.org;c");
    let path = SymbolPath::new("/a:/b:");
    assert_eq!(images(&path, b"/bin/p (deleted)"), ["/bin/p", "/a/p", "/b/p"]);
}

#[test]
fn what_has_no_file_is_not_looked_for() {
    let path = SymbolPath::new("/a");
    assert_eq!(images(&path, b"relative"), ["/a/relative"]);
    assert!(images(&path, b"").is_empty());
}

#[test]
fn images_are_looked_for_by_build_id_too() {
    let id = [0xab; 20];
    let files = SymbolPath::new("/s").image_files(b"/bin/p", Some(&id));
    let rest = "ab".repeat(19);
    let expected = [
        "/bin/p".into(),
        "/s/p".into(),
        format!("/s/.build-id/ab/{rest}"),
        format!("/s/ab{rest}/executable"),
    ];
    assert_eq!(files, expected.map(PathBuf::from));
}

#[test]
fn each_way_to_name_a_server_is_understood() {
    let none = environment(None, &[]);
    for path in [
        "srv*https://a.example/",
        "SRV*https://a.example",
        "srv**https://a.example",
        "debuginfod:https://a.example",
        "DebugInfoD*https://a.example",
        "symsrv*symsrv.dll*https://a.example",
        "https://a.example",
    ] {
        assert_eq!(servers(path, &none), ["https://a.example"], "{path}");
    }
    assert_eq!(servers("srv*", &none), [PUBLIC_SERVER]);
    assert_eq!(servers("debuginfod:", &environment(None, &["http://e"])), ["http://e"]);
}

#[test]
fn what_a_server_gives_is_kept_where_the_path_says() {
    let default = environment(Some("/home/c"), &[]);
    assert_eq!(servers("srv*http://a", &default), ["http://a>/home/c"]);
    assert_eq!(servers("srv*/s*/t*http://a", &default), ["http://a>/s"]);
    let path = "srv*http://a;cache*/k;srv*http://b;debuginfod:http://a;cache*;srv*http://c";
    assert_eq!(servers(path, &default), ["http://a>/home/c", "http://b>/k", "http://c>/home/c"]);
    let caches: Vec<PathBuf> = SymbolPath::new("/d;cache*/k;srv*/s*http://a")
        .caches(&default)
        .map(Path::to_owned)
        .collect();
    assert_eq!(caches, ["/k", "/s", "/home/c"].map(PathBuf::from));
}

#[test]
fn nobody_is_asked_whom_nobody_named() {
    let none = environment(Some("/home/c"), &[]);
    for path in ["", "/a;/b", "cache*/k", "cache*", "srv*/s", "unknown*/s"] {
        assert!(servers(path, &none).is_empty(), "{path}");
    }
    let some = environment(None, &["http://e"]);
    assert_eq!(servers("/a;srv*http://a", &some), ["http://a", "http://e"]);
    assert_eq!(servers("cache*/k", &some), ["http://e>/k"]);
}

#[test]
fn defaults_are_spelt_out_on_request() {
    let environment = environment(Some("/home/c"), &["http://e"]);
    let expanded = |path: &str| SymbolPath::new(path).expanded(&environment);
    assert_eq!(expanded("/a;cache*;srv*"), "/a;cache*/home/c;srv*http://e");
    assert_eq!(expanded("cache*/k;debuginfod:http://a"), "cache*/k;srv*http://a");
    let nothing = SymbolEnvironment::default();
    assert_eq!(SymbolPath::new("srv*").expanded(&nothing), format!("srv*{PUBLIC_SERVER}"));
    // Nobody is asked, so nobody is shown.
    assert_eq!(SymbolPath::new("srv*/s*").expanded(&nothing), "srv*/s");
    assert_eq!(expanded("srv*/s"), "srv*/s");
}

#[test]
fn debug_files_are_named_by_build_id() {
    assert_eq!(
        names::debug_by_build_id(&[0xab, 0xcd, 0x0f]),
        Some(PathBuf::from(".build-id/ab/cd0f.debug"))
    );
    assert_eq!(names::debug_by_build_id(&[1]), None);
    assert_eq!(names::debug_by_build_id(&[]), None);
    assert_eq!(names::in_store(&[1, 2, 3], "debuginfo"), None, "too short to be a hash");
}

#[test]
fn a_debug_link_is_looked_for_in_the_three_places_and_in_directories() {
    let files =
        names::by_debug_link("p.dbg", Path::new("/usr/bin/p"), [Path::new("/g")].into_iter());
    let expected = ["/usr/bin/p.dbg", "/usr/bin/.debug/p.dbg", "/g/usr/bin/p.dbg", "/g/p.dbg"];
    assert_eq!(files, expected.map(PathBuf::from));
    let out = names::by_debug_link("../p", Path::new("/usr/bin/p"), [Path::new("/g")].into_iter());
    assert!(out.is_empty(), "a link cannot lead out of its directories");
}

#[test]
fn sources_have_names_and_addresses_of_one_word() {
    assert_eq!(names::source("/usr/src/a.c"), "source#usr#src#a.c");
    let long = format!("/{}/\u{e4}{}.c", "x".repeat(300), "y".repeat(200));
    let name = names::source(&long);
    assert!(name.len() <= 255 && name.ends_with("yy.c") && !name.contains('/'), "{name}");
    assert_ne!(name, names::source(&long.replacen('x', "z", 1)), "all of it counts");
    assert_eq!(names::url_path("/a b/c++/\u{e4}.h"), "/a%20b/c%2B%2B/%C3%A4.h");
}
