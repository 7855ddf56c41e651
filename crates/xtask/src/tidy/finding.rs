//! What a rule has to say: where, what, and the way out. It knows no rule.

use std::fmt;

/// One breach of one rule.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Finding {
    /// The file, from the root.
    pub(crate) path: String,
    /// The line, counted from 1.
    pub(crate) line: usize,
    /// The rule's name; the runner of the rules fills it in.
    pub(crate) rule: &'static str,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) way_out: String,
    /// How much is wrong, as the allow-list counts: lines for a length, else 1.
    pub(crate) amount: usize,
}

impl Finding {
    /// A finding that counts once.
    pub(crate) fn new(
        path: impl Into<String>,
        line: usize,
        message: impl Into<String>,
        way_out: impl Into<String>,
    ) -> Finding {
        Finding {
            path: path.into(),
            line,
            rule: "",
            message: message.into(),
            way_out: way_out.into(),
            amount: 1,
        }
    }

    /// The same finding, counting `amount` times.
    pub(crate) fn with_amount(self, amount: usize) -> Finding {
        Finding { amount, ..self }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { path, line, rule, message, way_out, .. } = self;
        write!(f, "{path}:{line}: {rule}: {message} ({way_out})")
    }
}
