//! Dates and times as text: columns of `.parquet` count from 1 January 1970.

/// A date, such as `2026-11-25`, from the number of days since 1970-01-01; earlier days are negative.
pub(super) fn day(number: i64) -> String {
    // Count from 1 March of the year 0, so that the leap day is the last day of a year. 400 years have 146,097 days.
    let number = i128::from(number) + 719_468;
    let (era, in_era) = (number.div_euclid(146_097), number.rem_euclid(146_097));
    let year = (in_era - in_era / 1_460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    // From March on, every five months have 153 days.
    let month = (5 * in_year + 2) / 153;
    let day = in_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + next)
}

/// A time of day, such as `07:30:00.250`, from a number of fractions of a second with the given number of decimal places.
pub(super) fn time(parts: i64, places: u32) -> String {
    let second = 10_i64.pow(places);
    let (seconds, rest) = (parts.div_euclid(second), parts.rem_euclid(second));
    let (hours, minutes) = (seconds.div_euclid(3600), seconds.rem_euclid(3600) / 60);
    let whole = format!("{hours:02}:{minutes:02}:{:02}", seconds.rem_euclid(60));
    if rest == 0 { whole } else { format!("{whole}.{rest:0width$}", width = places as usize) }
}

/// A date and time, from the number of fractions of a second since the start of 1970.
pub(super) fn moment(parts: i64, places: u32) -> String {
    let per_day = 86_400 * 10_i64.pow(places);
    format!("{} {}", day(parts.div_euclid(per_day)), time(parts.rem_euclid(per_day), places))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_follow_the_calendar() {
        for (number, expected) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (59, "1970-03-01"),
            (789, "1972-02-29"),
            (10_957, "2000-01-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_782, "2026-11-25"),
            (-25_509, "1900-02-28"),
            (-25_508, "1900-03-01"),
            (-719_528, "0000-01-01"),
        ] {
            assert_eq!(day(number), expected, "{number}");
        }
        // all days of 400 years differ, and the smallest and largest numbers work
        let days: std::collections::BTreeSet<String> = (0..146_097).map(day).collect();
        assert_eq!(days.len(), 146_097);
        assert!(!day(i64::MAX).is_empty() && !day(i64::MIN).is_empty());
    }

    #[test]
    fn times_have_the_necessary_decimals() {
        assert_eq!(time(27_000_250, 3), "07:30:00.250");
        assert_eq!(time(86_399_000_000, 6), "23:59:59");
        assert_eq!(moment(1_795_600_800_000_001, 6), "2026-11-25 10:00:00.000001");
        assert_eq!(moment(-1, 9), "1969-12-31 23:59:59.999999999");
        assert_eq!(moment(0, 3), "1970-01-01 00:00:00");
        assert!(!moment(i64::MIN, 9).is_empty() && !time(i64::MIN, 3).is_empty());
    }
}
