//! The wildcards that commands accept for symbols and modules. It knows patterns and text, not
//! whose names they are.

/// A pattern with WinDbg's string wildcards.
///
/// | in the pattern | matches |
/// |---|---|
/// | `*` | any number of characters |
/// | `?` | one character |
/// | `[a-z_]` | one character of the set; `-` makes ranges |
/// | `#` | the preceding character or set any number of times, also never |
/// | `+` | the preceding character or set once or more |
/// | `\` | takes the next character as it is |
/// | `_` at the start | any number of underscores, also none |
///
/// Letters match in either case, as far as ASCII goes. The whole text must match. What cannot be a
/// wildcard where it stands is itself: `#` and `+` at the start, `[` without `]`, `[]`, `\` at the
/// end; so `*operator[]` works as typed.
///
/// **Source**: "String Wildcard Syntax" of the WinDbg documentation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pattern {
    text: String,
    pieces: Vec<Piece>,
    literal: Option<String>,
}

/// One step of a pattern.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Piece {
    matches: Matches,
    repeats: bool,
}

/// What one character may be.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Matches {
    One(char),
    Any,
    Set(Vec<(char, char)>),
}

impl Matches {
    /// `letter` is in lower case, as all characters of the pattern are.
    fn accepts(&self, letter: char) -> bool {
        match self {
            Matches::One(one) => *one == letter,
            Matches::Any => true,
            Matches::Set(ranges) => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&letter))
            }
        }
    }
}

impl Pattern {
    /// Reads a pattern. Every text is one.
    pub fn new(text: &str) -> Pattern {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut literal = Some(String::new());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let (piece, typed, behind) = Piece::read(rest, first);
            rest = behind;
            match (first, pieces.last_mut()) {
                ('#', Some(previous)) => previous.repeats = true,
                ('+', Some(previous)) => {
                    let again = Piece { matches: previous.matches.clone(), repeats: true };
                    pieces.push(again);
                }
                ('_', None) => pieces.push(Piece { repeats: true, ..piece }),
                _ => {
                    pieces.push(piece);
                    literal =
                        literal.zip(typed).map(|(literal, typed)| literal + &typed.to_string());
                    continue;
                }
            }
            literal = None;
        }
        Pattern { text: text.to_owned(), pieces, literal }
    }

    /// The pattern as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The name that the pattern stands for if it has no wildcards, as it was typed.
    pub fn literal(&self) -> Option<&str> {
        self.literal.as_deref()
    }

    /// Whether all of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        // The places in the pattern where the text so far may have led, in ascending order.
        let mut places = Vec::with_capacity(self.pieces.len() + 1);
        let mut next = Vec::with_capacity(self.pieces.len() + 1);
        self.reach(0, &mut places);
        for letter in text.chars() {
            let letter = letter.to_ascii_lowercase();
            next.clear();
            for place in &places {
                match self.pieces.get(*place) {
                    Some(piece) if piece.matches.accepts(letter) => {
                        self.reach(if piece.repeats { *place } else { place + 1 }, &mut next);
                    }
                    _ => {}
                }
            }
            if next.is_empty() {
                return false;
            }
            std::mem::swap(&mut places, &mut next);
        }
        places.last() == Some(&self.pieces.len())
    }

    /// Adds a place and those that can be reached from it without a character. Places are added
    /// from chains that begin in ascending order, so what is not above the last is known already.
    fn reach(&self, place: usize, places: &mut Vec<usize>) {
        let mut place = place;
        loop {
            if places.last().is_none_or(|last| *last < place) {
                places.push(place);
            }
            match self.pieces.get(place) {
                Some(piece) if piece.repeats => place += 1,
                _ => return,
            }
        }
    }
}

impl Piece {
    /// The piece at the start of `text`, whose first character is `first`; the character as typed
    /// if the piece is one; and what follows.
    fn read(text: &str, first: char) -> (Piece, Option<char>, &str) {
        let behind = text.get(first.len_utf8()..).unwrap_or_default();
        let wild = |matches, repeats| (Piece { matches, repeats }, None);
        let itself = |typed: char| {
            let matches = Matches::One(typed.to_ascii_lowercase());
            (Piece { matches, repeats: false }, Some(typed))
        };
        let ((piece, typed), behind) = match first {
            '*' => (wild(Matches::Any, true), behind),
            '?' => (wild(Matches::Any, false), behind),
            '[' => match behind.split_once(']') {
                Some((set, behind)) if !set.is_empty() => (wild(set_of(set), false), behind),
                _ => (itself('['), behind),
            },
            '\\' => {
                let mut letters = behind.chars();
                (itself(letters.next().unwrap_or('\\')), letters.as_str())
            }
            letter => (itself(letter), behind),
        };
        (piece, typed, behind)
    }
}

/// The set between brackets. A range counts its letters in lower case; `-` at either end is itself.
fn set_of(text: &str) -> Matches {
    let letters: Vec<char> = text.to_ascii_lowercase().chars().collect();
    let mut ranges = Vec::new();
    let mut rest = letters.as_slice();
    loop {
        rest = match rest {
            [first, '-', last, behind @ ..] => {
                ranges.push((*first, *last));
                behind
            }
            [one, behind @ ..] => {
                ranges.push((*one, *one));
                behind
            }
            [] => return Matches::Set(ranges),
        };
    }
}

#[cfg(test)]
#[path = "names/tests.rs"]
mod tests;
