//! Which members of a record are wanted: names with dots between them, wildcards, and dots behind
//! the last one for what is inside it. It knows no types.

use dbgsym::Pattern;

/// The name of a member, or of members inside members: `at`, `at.x`, `list.next.name`, `w*`, `at.`,
/// where a dot at the end asks for what is inside, and two for what is inside that.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldPath {
    parts: Vec<Name>,
    expands: usize,
}

/// One name of a path.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Name {
    Exact(String),
    Prefix(String),
    Pattern(Pattern),
}

impl Name {
    fn matches(&self, name: &str) -> bool {
        match self {
            Name::Exact(exact) => exact == name,
            Name::Prefix(prefix) => name.starts_with(prefix.as_str()),
            Name::Pattern(pattern) => pattern.matches(name),
        }
    }
}

impl FieldPath {
    /// Reads a path. `->` is a dot. If `is_prefix`, the last name is only the beginning of one.
    pub fn new(text: &str, is_prefix: bool) -> FieldPath {
        let text = text.replace("->", ".");
        let names = text.trim_end_matches('.');
        let expands = text.len() - names.len();
        let count = names.split('.').count();
        let part = |(index, name): (usize, &str)| {
            let name = name.to_owned();
            if name.contains(['*', '?', '[', '#', '+']) {
                Name::Pattern(Pattern::new(&name))
            } else if is_prefix && index + 1 == count {
                Name::Prefix(name)
            } else {
                Name::Exact(name)
            }
        };
        FieldPath { parts: names.split('.').enumerate().map(part).collect(), expands }
    }

    /// The names, if all of them are whole ones.
    pub(crate) fn names<'p>(&'p self) -> Option<Vec<&'p str>> {
        let name = |part: &'p Name| match part {
            Name::Exact(name) => Some(name.as_str()),
            Name::Prefix(_) | Name::Pattern(_) => None,
        };
        self.parts.iter().map(name).collect()
    }
}

/// What is wanted of one record: the paths that have led there, and how much of each is left.
#[derive(Clone, Debug)]
pub(crate) struct Selection<'p> {
    paths: Vec<(&'p [Name], usize)>,
    /// How deep everything is shown that is inside.
    expands: usize,
    is_all: bool,
}

impl<'p> Selection<'p> {
    /// The selection of these paths; of everything if there are none.
    pub(crate) fn new(paths: &'p [FieldPath]) -> Selection<'p> {
        let all = paths.iter().map(|path| (path.parts.as_slice(), path.expands));
        Selection { paths: all.collect(), expands: 0, is_all: paths.is_empty() }
    }

    /// Whether all members are wanted.
    pub(crate) fn is_all(&self) -> bool {
        self.is_all
    }

    /// How many levels below are wanted of what this is the inside of.
    pub(crate) fn expands(&self) -> usize {
        self.expands
    }

    /// Whether a name is wanted.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.inside(name).is_some()
    }

    /// What is wanted inside a member; `None` if the member is not.
    pub(crate) fn inside(&self, name: &str) -> Option<Selection<'p>> {
        if self.is_all {
            return Some(Selection { paths: Vec::new(), expands: 0, is_all: true });
        }
        let matching = self.paths.iter().filter_map(|(parts, expands)| {
            let (first, rest) = parts.split_first()?;
            first.matches(name).then_some((rest, *expands))
        });
        let matching: Vec<_> = matching.collect();
        if matching.is_empty() {
            return None;
        }
        // Who names the member itself wants all of it.
        let ends = matching.iter().filter(|(rest, _)| rest.is_empty());
        let expands = ends.map(|(_, expands)| *expands).max();
        Some(Selection {
            is_all: expands.is_some(),
            expands: expands.unwrap_or(0),
            paths: matching.into_iter().filter(|(rest, _)| !rest.is_empty()).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of these names, with dots, are wanted, and how deep below them.
    fn wanted(paths: &[FieldPath], name: &str) -> Option<(bool, usize)> {
        let mut selection = Selection::new(paths);
        for part in name.split('.') {
            selection = selection.inside(part)?;
        }
        Some((selection.is_all(), selection.expands()))
    }

    #[test]
    fn paths_choose_members_and_what_is_inside_them() {
        let all = Some((true, 0));
        let some = Some((false, 0));
        type Paths<'t> = &'t [(&'t str, bool)];
        type Names<'t> = &'t [(&'t str, Option<(bool, usize)>)];
        let cases: &[(Paths<'_>, Names<'_>)] = &[
            (&[], &[("any", all), ("any.any", all)]),
            (&[("at", false)], &[("at", all), ("at.x", all), ("att", None), ("x", None)]),
            (&[("at", true)], &[("at", all), ("att", all), ("x", None)]),
            (&[("at.x", false)], &[("at", some), ("at.x", all), ("at.y", None)]),
            (&[("at->x", false)], &[("at", some), ("at.x", all), ("at.y", None)]),
            (&[("a.x", true)], &[("a", some), ("a.xy", all), ("ab", None)]),
            (&[("at..", false)], &[("at", Some((true, 2)))]),
            (&[("a*.x", false)], &[("abc.x", all), ("b.x", None)]),
            (
                &[("a", false), ("b.c.", false)],
                &[("a", all), ("b", some), ("b.c", Some((true, 1)))],
            ),
            (&[("a.x", false), ("a", false)], &[("a", all), ("a.y", all)]),
        ];
        for (paths, names) in cases {
            let paths: Vec<_> =
                paths.iter().map(|(text, is_prefix)| FieldPath::new(text, *is_prefix)).collect();
            for (name, expected) in *names {
                assert_eq!(wanted(&paths, name), *expected, "{paths:?}: {name}");
            }
        }
    }

    #[test]
    fn only_whole_names_are_a_place() {
        let names = |text, is_prefix| {
            let path = FieldPath::new(text, is_prefix);
            path.names().map(|names| names.join("/"))
        };
        assert_eq!(names("a.b", false), Some("a/b".to_owned()));
        assert_eq!(names("a.b*", false), None);
        assert_eq!(names("a.b", true), None);
    }
}
