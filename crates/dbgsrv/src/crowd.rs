//! How much is told of those who are turned away: a crowd at the door is not to fill a disk. It
//! knows times and counts, not what is told. Pure.

use std::time::{Duration, Instant};

/// How many are told of in [`TIME`].
const TOLD_MAX: u32 = 20;
/// See [`TOLD_MAX`].
const TIME: Duration = Duration::from_secs(1);

/// Those who were turned away lately.
#[derive(Default)]
pub(crate) struct Crowd {
    /// When the present time began, and how many were told of in it.
    told: Option<(Instant, u32)>,
    /// How many were not since.
    untold: u64,
}

impl Crowd {
    /// Whether one who is turned away now is to be told of; and of how many before that was not.
    pub(crate) fn tells(&mut self, now: Instant) -> Option<u64> {
        let (began, count) = match self.told {
            Some((began, count)) if now.saturating_duration_since(began) < TIME => (began, count),
            _ => (now, 0),
        };
        if count >= TOLD_MAX {
            self.untold += 1;
            return None;
        }
        self.told = Some((began, count + 1));
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_counted_and_not_told_of_one_by_one() {
        let (mut crowd, now) = (Crowd::default(), Instant::now());
        let told = (0..1000).filter(|_| crowd.tells(now).is_some()).count();
        assert_eq!(told, 20);
        assert_eq!(crowd.tells(now + TIME), Some(980));
        assert_eq!(crowd.tells(now + TIME), Some(0));
    }
}
