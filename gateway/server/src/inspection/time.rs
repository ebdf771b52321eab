//! Microseconds since 1970 as people write times, in UTC.

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400;

/// Such as `2026-11-21T19:03:40.000123Z`.
pub(super) fn utc(micros: i64) -> String {
    let (seconds, micros) = (micros.div_euclid(SECOND), micros.rem_euclid(SECOND));
    let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

/// The day of a time, such as `2026-11-21`.
pub(crate) fn day(micros: i64) -> String {
    let (year, month, day) = date(micros.div_euclid(SECOND).div_euclid(DAY));
    format!("{year:04}-{month:02}-{day:02}")
}

/// The civil date of a day since 1970. Counted in eras of 400 years from the first of March of year
/// 0, so that leap days come last.
const fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (951_782_400 * SECOND, "2000-02-29T00:00:00.000000Z"),
            (4_107_542_400 * SECOND, "2100-03-01T00:00:00.000000Z"),
            (1_795_287_820_000_123, "2026-11-21T19:03:40.000123Z"),
        ] {
            assert_eq!(utc(micros), text);
            assert_eq!(day(micros), text[..10]);
        }
    }
}
