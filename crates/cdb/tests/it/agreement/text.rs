//! Whether two texts mean the same: what cdb shows, and what gdb's script makes of what it knows.

/// What both write for what the compiler did not keep.
const UNAVAILABLE: &str = "<value unavailable>";

/// How two values compare.
pub(super) enum Agreement {
    Same,
    Differs,
    /// They cannot be compared, and why.
    Excluded(&'static str),
}

/// Compares a value of `dv` with what gdb says.
pub(super) fn agreement(shown: &str, theirs: &str) -> Agreement {
    // gdb writes the names of C++'s types in its own way.
    let shown = &shown.replace("long int", "long").replace("long unsigned int", "unsigned long");
    if theirs.starts_with('?') {
        return Agreement::Excluded("gdb does not hand the value out");
    }
    if shown.starts_with("<pointer to ") {
        return Agreement::Excluded("gdb's script cannot look behind pointers to no memory");
    }
    let is_partial = shown != UNAVAILABLE && shown.contains(UNAVAILABLE);
    if is_partial && !theirs.contains(UNAVAILABLE) {
        return Agreement::Excluded("gdb takes what is in no register or memory for zero");
    }
    if shown == UNAVAILABLE && is_nowhere(theirs) {
        return Agreement::Same;
    }
    let mut starts = vec![shown.as_str()];
    // The type, where there is one.
    if !shown.starts_with(['{', '"', '0']) {
        starts.extend(shown.match_indices(['{', '"']).map(|(at, _)| &shown[at..]));
    }
    match starts.into_iter().any(|shown| is_same(shown, theirs)) {
        true => Agreement::Same,
        false => Agreement::Differs,
    }
}

/// Whether gdb knows nothing of a value.
pub(super) fn is_nowhere(theirs: &str) -> bool {
    theirs.contains(UNAVAILABLE) && !theirs.contains("0n") && !theirs.contains("0x")
}

/// `theirs` has pointers as `<address=text>`, where `shown` must have the text, and as
/// `<address|value>`, where it may have the value or a symbol.
fn is_same(shown: &str, theirs: &str) -> bool {
    let start =
        theirs.match_indices('<').map(|(at, _)| at).find(|at| pointer(&theirs[*at..]).is_some());
    let Some(start) = start else { return shown == theirs };
    let (plain, rest) = theirs.split_at(start);
    let Some(shown) = shown.strip_prefix(plain) else { return false };
    let Some((address, is_text, text, rest)) = pointer(rest) else { return false };
    let number = format!("0x{:08x}`{:08x}", address >> 32, address & 0xffff_ffff);
    let Some(shown) = shown.strip_prefix(&number) else { return false };
    if text == "UNREADABLE" {
        let unreadable = format!(" \"--- memory read error at address {number} ---\"");
        return shown.strip_prefix(&unreadable).is_some_and(|shown| is_same(shown, rest));
    }
    if !text.is_empty() {
        let behind = format!(" {text}{rest}");
        if is_same(shown, &behind) {
            return true;
        }
    }
    if is_text {
        return false;
    }
    // A symbol, whose name may have any characters.
    is_same(shown, rest)
        || shown.starts_with(' ')
            && shown.contains('!')
            && (1..=shown.len())
                .filter(|at| shown.is_char_boundary(*at) && shown[..*at].contains('!'))
                .any(|at| is_same(&shown[at..], rest))
}

/// Address, whether it leads to text, the text or value, and what follows.
fn pointer(text: &str) -> Option<(u64, bool, &str, &str)> {
    let text = text.strip_prefix('<')?;
    let (digits, rest) = text.split_at(text.find(['|', '='])?);
    let (is_text, rest) = (rest.starts_with('='), &rest[1..]);
    let address = u64::from_str_radix(digits, 16).ok()?;
    let mut depth = 1;
    let mut is_quoted = false;
    let mut is_escaped = false;
    for (at, letter) in rest.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            '<' if !is_quoted => depth += 1,
            '>' if !is_quoted => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((address, is_text, &rest[..at], &rest[at + 1..]));
        }
    }
    None
}

/// Whether two names are those of the same function. Linkers, DWARF and gdb write parameters,
/// template arguments and what a function is made of differently; gdb also leaves out what the
/// operator of a lambda is in.
pub(super) fn is_same_function(shown: &str, theirs: &str) -> bool {
    if theirs == "None" {
        return true;
    }
    let (ours, theirs) = (components(shown), components(theirs));
    ours == theirs || theirs.len() == 1 && ours.last() == theirs.last()
}

/// The parts of a function's name, without arguments.
fn components(name: &str) -> Vec<String> {
    let name = name.trim_end_matches(" [signal frame]");
    // What compilers add to the names of what they make of a function.
    let name = name.split_once(" [clone ").map_or(name, |(name, _)| name);
    let name = [".constprop", ".part", ".isra", ".cold", ".llvm.", ".lto_priv"]
        .into_iter()
        .fold(name, |name, made| name.split_once(made).map_or(name, |(name, _)| name));
    let name = without_hashes(name).replace("operator()", "operator-call");
    let name = name.replace("operator->", "operator-arrow").replace("operator<", "operator-less");
    let (mut parts, mut part, mut depth) = (Vec::new(), String::new(), 0);
    for letter in name.chars() {
        match letter {
            '<' | '(' | '{' | '[' => depth += 1,
            '>' | ')' | '}' | ']' => depth -= 1,
            ' ' if depth == 0 => break,
            ':' if depth == 0 && part.is_empty() => {}
            ':' if depth == 0 => parts.push(std::mem::take(&mut part)),
            letter if depth == 0 => part.push(letter),
            _ => {}
        }
    }
    // libc's functions have several names at one address.
    let part = part.trim_start_matches("__GI_").trim_start_matches('_');
    parts.push(part.strip_suffix("_impl").unwrap_or(part).to_owned());
    parts
}

/// What Rust's compiler makes names different with: `name::h0123456789abcdef` and
/// `crate[0123456789abcdef]`.
fn without_hashes(name: &str) -> String {
    let is_hash =
        |text: &str| text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let name = match name.rsplit_once("::h") {
        Some((name, hash)) if is_hash(hash) => name,
        _ => name,
    };
    let mut text = String::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('[') {
        text.push_str(before);
        match after.get(..16).is_some_and(is_hash) {
            true => rest = &after[17..],
            false => {
                text.push('[');
                rest = after;
            }
        }
    }
    text + rest
}
