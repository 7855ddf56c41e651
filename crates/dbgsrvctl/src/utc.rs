//! Points in time as people read them, in UTC: the time zone of whoever looks may not be that of
//! the machine. Pure.

/// A time in seconds since 1970, as `2026-11-21 03:20:11`.
///
/// **Source**: the calendar is the proleptic Gregorian one; the algorithm counts days in eras of
/// 400 years that begin on 1 March, so that the leap day is the last of a year.
pub(crate) fn date_and_time(seconds: u64) -> String {
    const DAYS_OF_ERA: u64 = 146_097;
    /// From 1 March of the year 0 to 1 January 1970.
    const DAYS_BEFORE_1970: u64 = 719_468;
    let (days, second) = (seconds / 86_400 + DAYS_BEFORE_1970, seconds % 86_400);
    let (era, day) = (days / DAYS_OF_ERA, days % DAYS_OF_ERA);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Months from March on: five of them have 153 days.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + era * 400 + next;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// The day of a time in seconds since 1970, as `2026-11-21`.
pub(crate) fn date(seconds: u64) -> String {
    let text = date_and_time(seconds);
    text.split(' ').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (951_868_800, "2000-03-01 00:00:00"),
            (1_234_567_890, "2009-02-13 23:31:30"),
            (1_735_689_599, "2024-12-31 23:59:59"),
            (4_107_542_400, "2100-03-01 00:00:00"),
            (4_107_542_399, "2100-02-28 23:59:59"),
        ] {
            assert_eq!(date_and_time(seconds), expected);
        }
    }

    #[test]
    fn every_day_of_four_centuries_follows_the_one_before() {
        let mut last = date_and_time(0);
        for day in 1..146_097 {
            let next = date_and_time(day * 86_400);
            assert!(next > last, "{last} {next}");
            last = next;
        }
        assert_eq!(last, "2369-12-31 00:00:00");
    }
}
