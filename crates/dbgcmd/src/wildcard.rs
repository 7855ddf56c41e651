//! String wildcards, as in `.tlist *sh` ("String Wildcard Syntax"). It knows no list that is
//! searched.
//!
//! | in the pattern | stands for |
//! |---|---|
//! | `*` | any characters, also none |
//! | `?` | one character |
//! | `[a-z]`, `[abc]` | one character of the set |
//! | `#` behind a character or set | it, any number of times, also none |
//! | `+` behind a character or set | it, at least once |
//! | `\` | the next character, whatever it means |

/// One thing that a character of the text can match.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Atom {
    Any,
    One(char),
    Set(Vec<(char, char)>),
}

impl Atom {
    fn matches(&self, character: char) -> bool {
        let character = character.to_ascii_lowercase();
        match self {
            Atom::Any => true,
            Atom::One(wanted) => *wanted == character,
            Atom::Set(ranges) => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&character))
            }
        }
    }
}

/// An atom and whether it may stand for several characters.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Piece {
    atom: Atom,
    is_repeated: bool,
}

/// A pattern that is ready to be compared. Case does not matter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Wildcard {
    pieces: Vec<Piece>,
}

impl Wildcard {
    /// Every text is a pattern: a set that is not closed stands for its own characters.
    pub(crate) fn new(pattern: &str) -> Wildcard {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut rest = pattern.chars();
        while let Some(character) = rest.next() {
            let atom = match character {
                '*' => {
                    pieces.push(Piece { atom: Atom::Any, is_repeated: true });
                    continue;
                }
                '#' | '+' if pieces.last().is_some_and(|piece| !piece.is_repeated) => {
                    let repeated = pieces.len() - 1;
                    if let Some(piece) = pieces.get_mut(repeated) {
                        let again = Piece { atom: piece.atom.clone(), is_repeated: true };
                        if character == '#' {
                            *piece = again;
                        } else {
                            pieces.push(again);
                        }
                    }
                    continue;
                }
                '?' => Atom::Any,
                '[' => match rest.as_str().split_once(']') {
                    Some((set, behind)) => {
                        rest = behind.chars();
                        Atom::Set(ranges(set))
                    }
                    None => Atom::One('['),
                },
                '\\' => Atom::One(lower(rest.next().unwrap_or('\\'))),
                _ => Atom::One(lower(character)),
            };
            pieces.push(Piece { atom, is_repeated: false });
        }
        Wildcard { pieces }
    }

    /// Whether the pattern stands for the whole of `text`.
    pub(crate) fn matches(&self, text: &str) -> bool {
        // The places in the pattern that the text so far can have led to. One pass over the text,
        // whatever the pattern is.
        let mut places = vec![false; self.pieces.len() + 1];
        if let Some(first) = places.first_mut() {
            *first = true;
        }
        self.pass_over(&mut places);
        for character in text.chars() {
            let mut next = vec![false; places.len()];
            for (place, piece) in self.pieces.iter().enumerate() {
                let is_here = places.get(place).copied().unwrap_or_default();
                if is_here && piece.atom.matches(character) {
                    let reached = if piece.is_repeated { place } else { place + 1 };
                    if let Some(mark) = next.get_mut(reached) {
                        *mark = true;
                    }
                }
            }
            self.pass_over(&mut next);
            places = next;
        }
        places.last().copied().unwrap_or_default()
    }

    /// Marks the places behind marked ones that pieces which may stand for nothing lead to.
    fn pass_over(&self, places: &mut [bool]) {
        let mut is_passed = false;
        for (place, mark) in places.iter_mut().enumerate() {
            *mark |= is_passed;
            is_passed = *mark && self.pieces.get(place).is_some_and(|piece| piece.is_repeated);
        }
    }
}

fn lower(character: char) -> char {
    character.to_ascii_lowercase()
}

fn ranges(set: &str) -> Vec<(char, char)> {
    let characters: Vec<char> = set.chars().map(lower).collect();
    let mut ranges = Vec::new();
    let mut rest = characters.as_slice();
    loop {
        match rest {
            [first, '-', last, behind @ ..] => {
                ranges.push((*first, *last));
                rest = behind;
            }
            [only, behind @ ..] => {
                ranges.push((*only, *only));
                rest = behind;
            }
            [] => return ranges,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_documented() {
        let cases = [
            ("*", "", true),
            ("*sh", "bash", true),
            ("*sh", "bashful", false),
            ("b?sh", "BASH", true),
            ("b?sh", "bsh", false),
            ("[a-c]ash", "bash", true),
            ("[a-c]ash", "dash", false),
            ("[xd]ash", "dash", true),
            ("lo#k", "lk", true),
            ("lo#k", "loook", true),
            ("lo+k", "lk", false),
            ("lo+k", "look", true),
            ("[ab]+c", "abbac", true),
            ("[ab]#c", "c", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("a[b", "a[b", true),
            ("#a", "#a", true),
            ("", "", true),
            ("", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(Wildcard::new(pattern).matches(text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn many_stars_take_no_long_time() {
        let pattern = "*a".repeat(2000);
        assert!(!Wildcard::new(&pattern).matches(&"a".repeat(1999)));
        assert!(Wildcard::new(&pattern).matches(&"a".repeat(2000)));
        assert!(Wildcard::new(&"a#".repeat(2000)).matches(&"a".repeat(2000)));
    }
}
