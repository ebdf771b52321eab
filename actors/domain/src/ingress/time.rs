//! Points in time as sources write them.

use coppice_core::Timestamp;

const DAY_S: i64 = 86_400;

/// A time in RFC 3339, such as `2019-05-15T15:20:41.000+09:00`.
pub(super) fn rfc3339(text: &str) -> Option<Timestamp> {
    let (date, time) = (text.get(..10)?, text.get(11..)?);
    let between = text.as_bytes().get(10)?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time.get(..8)?, ':', [2, 2, 2])?;
    let days = i64::from(days_in(year, month)?);
    // A leap second is the last one of its day twice.
    let within = (1..=days).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !matches!(between, b'T' | b't' | b' ') || !within {
        return None;
    }
    let (micros, zone) = fraction(time.get(8..)?)?;
    let seconds =
        days_since_1970(year, month, day) * DAY_S + hour * 3_600 + minute * 60 + second.min(59)
            - offset(zone)?;
    Some(Timestamp::from_micros(seconds * 1_000_000 + micros))
}

/// Whole seconds since 1970, where they are ones that a date can be written for.
pub(super) fn seconds(count: i64) -> Option<Timestamp> {
    const LAST: i64 = 253_402_300_799;
    (0..=LAST).contains(&count).then(|| Timestamp::from_micros(count * 1_000_000))
}

/// Three numbers of so many digits each, with a sign between.
fn numbers(text: &str, between: char, digits: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(between);
    let mut found = [0; 3];
    for (slot, digits) in found.iter_mut().zip(digits) {
        *slot = number(parts.next().filter(|part| part.len() == digits)?)?;
    }
    parts.next().is_none().then_some(found)
}

fn number(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Microseconds, and what stands behind them.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(rest) = text.strip_prefix('.') else { return Some((0, text)) };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let kept = rest.get(..digits.min(6))?;
    let scale = 10_i64.pow(6 - u32::try_from(kept.len()).ok()?);
    Some((number(kept)? * scale, rest.get(digits..)?))
}

/// Seconds east of Greenwich.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let part = |text: &str| number(text).filter(|_| text.len() == 2);
    let (hours, minutes) = (part(hours)?, part(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

fn days_in(year: i64, month: i64) -> Option<u8> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(if leap { 29 } else { 28 }),
        _ => None,
    }
}

/// Days of the civil calendar, whose years begin in March so that leap days come last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_read_in_every_form_of_the_standard() {
        for (text, micros) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2019-05-15T15:20:33Z", 1_557_933_633_000_000),
            ("2019-05-15t15:20:33z", 1_557_933_633_000_000),
            ("2019-05-15 15:20:33+00:00", 1_557_933_633_000_000),
            ("2021-08-19T12:16:32.000-04:00", 1_629_389_792_000_000),
            ("2021-08-19T12:16:32.1234567Z", 1_629_375_392_123_456),
            ("2000-02-29T23:59:60Z", 951_868_799_000_000),
            ("1969-12-31T23:59:59Z", -1_000_000),
            ("0001-01-01T00:00:00Z", -62_135_596_800_000_000),
        ] {
            assert_eq!(rfc3339(text), Some(Timestamp::from_micros(micros)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "2019-05-15",
            "2019-02-29T00:00:00Z",
            "2019-13-01T00:00:00Z",
            "2019-00-01T00:00:00Z",
            "2019-05-00T00:00:00Z",
            "2019-05-15T24:00:00Z",
            "2019-05-15T00:00:61Z",
            "2019-05-15T00:00:00",
            "2019-05-15T00:00:00.Z",
            "2019-05-15T00:00:00+1:00",
            "2019-05-15T00:00:00+24:00",
            "2019-05-15X00:00:00Z",
            "+019-05-15T00:00:00Z",
            "2019-05-15T00:00:00Zjunk",
        ] {
            assert_eq!(rfc3339(text), None, "{text}");
        }
        assert_eq!(seconds(-1), None);
        assert_eq!(seconds(i64::MAX), None);
        assert_eq!(seconds(1_525_109_898).map(Timestamp::as_micros), Some(1_525_109_898_000_000));
    }

    proptest! {
        #[test]
        fn any_text_is_a_time_or_none(text in ".{0,40}|[0-9TZ:.+-]{10,40}") {
            let read = rfc3339(&text);
            prop_assert!(read.is_none() || text.len() > 18, "a time has no fewer letters");
        }

        #[test]
        fn each_day_is_one_after_the_last(year in 1..9_999_i64, month in 1..=12_i64) {
            let days = i64::from(days_in(year, month).unwrap());
            let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
            let last = days_since_1970(year, month, days);
            prop_assert_eq!(days_since_1970(next.0, next.1, 1), last + 1);
            prop_assert_eq!(days_since_1970(year, month, 1) + days - 1, last);
        }
    }
}
