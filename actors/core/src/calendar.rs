//! Microseconds since 1970 as people write times.

use std::ops::RangeInclusive;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400;

/// The time by RFC 3339, such as `2026-11-21T19:03:40.000123Z`.
#[must_use]
pub fn utc(micros: i64) -> String {
    let (seconds, micros) = (micros.div_euclid(SECOND), micros.rem_euclid(SECOND));
    let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

/// The day of a time, such as `2026-11-21`.
#[must_use]
pub fn day(micros: i64) -> String {
    let (year, month, day) = date(micros.div_euclid(SECOND).div_euclid(DAY));
    format!("{year:04}-{month:02}-{day:02}")
}

/// A time as RFC 3339 has it, such as `2026-11-21T20:03:40.5+01:00`; none for any other text. What
/// is finer than a microsecond is left off, and a leap second is none: the journal knows neither.
#[must_use]
pub fn micros(text: &str) -> Option<i64> {
    let mut rest = Rest(text);
    let year = rest.number(4, 0..=9_999)?;
    rest.letter("-")?;
    let month = rest.number(2, 1..=12)?;
    rest.letter("-")?;
    let day = rest.number(2, 1..=31)?;
    rest.letter("Tt ")?;
    let of_day = rest.clock()? * 60;
    rest.letter(":")?;
    let of_day = of_day + rest.number(2, 0..=59)?;
    let micros = if rest.letter(".").is_some() { rest.fraction()? } else { 0 };
    let ahead = match rest.letter("Zz+-")? {
        '+' => rest.clock()? * 60,
        '-' => -rest.clock()? * 60,
        _ => 0,
    };
    let days = days(year, month, day);
    // A day that its month doesn't have is one of the next month.
    let is_whole = rest.0.is_empty() && date(days) == (year, month, day);
    is_whole.then_some((days * DAY + of_day - ahead) * SECOND + micros)
}

/// What is left of a text that is read from its beginning.
struct Rest<'a>(&'a str);

impl Rest<'_> {
    /// A number of so many digits.
    fn number(&mut self, digits: usize, range: RangeInclusive<i64>) -> Option<i64> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        self.0 = rest;
        number.parse().ok().filter(|number| range.contains(number))
    }

    /// One of these letters.
    fn letter(&mut self, letters: &str) -> Option<char> {
        let first = self.0.chars().next().filter(|first| letters.contains(*first))?;
        self.0 = self.0.get(first.len_utf8()..)?;
        Some(first)
    }

    /// Hours and minutes, in minutes.
    fn clock(&mut self) -> Option<i64> {
        let hours = self.number(2, 0..=23)?;
        self.letter(":")?;
        Some(hours * 60 + self.number(2, 0..=59)?)
    }

    /// The digits behind a point, at least one, in microseconds.
    fn fraction(&mut self) -> Option<i64> {
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let micros = format!("{:0<6.6}", self.0.get(..digits)?);
        self.0 = self.0.get(digits..)?;
        micros.parse().ok().filter(|_| digits > 0)
    }
}

/// The day since 1970 of a civil date, counted as [`date`] does.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    era * 146_097 + of_era - 719_468
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
    #[test]
    fn a_time_reads_as_it_is_written() {
        for micros in [0, -1, 951_782_400 * SECOND, 4_107_542_400 * SECOND, 1_795_287_820_000_123] {
            assert_eq!(super::micros(&utc(micros)), Some(micros));
        }
        let noon = Some(1_709_208_000 * SECOND);
        for text in [
            "2024-02-29T12:00:00Z",
            "2024-02-29t12:00:00z",
            "2024-02-29 12:00:00.0000009Z",
            "2024-02-29T12:00:00-00:00",
            "2024-02-29T17:45:00+05:45",
            "2024-02-28T23:30:00-12:30",
        ] {
            assert_eq!(super::micros(text), noon, "{text}");
        }
        let half = super::micros("2024-02-29T12:00:00.5Z");
        assert_eq!(half, noon.map(|noon| noon + 500_000));
    }

    #[test]
    fn a_text_that_is_no_time_is_none() {
        for bad in [
            "",
            "now",
            "2024-02-29",
            "2024-02-29T12:00:00",
            "2023-02-29T12:00:00Z",
            "2024-13-01T12:00:00Z",
            "2024-02-00T12:00:00Z",
            "2024-02-29T24:00:00Z",
            "2024-02-29T12:60:00Z",
            "2024-02-29T12:00:60Z",
            "2024-02-29T12:00:00.Z",
            "2024-02-29T12:00:00+0100",
            "2024-02-29T12:00:00Z ",
            "+024-02-29T12:00:00Z",
            "2024-02-29T12:00:0é",
            "1709208000",
        ] {
            assert_eq!(micros(bad), None, "{bad}");
        }
    }
}
