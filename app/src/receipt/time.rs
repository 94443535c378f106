//! Calendar time.

use std::cell::Cell;

const NS_PER_SECOND: i64 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// Date and time to the second, as they begin a text.
type Second = [u8; 19];

thread_local! {
    /// The second that was asked for last, and its text: a run has thousands of times within each.
    static LAST: Cell<(i64, Second)> = const { Cell::new((0, *b"1970-01-01T00:00:00")) };
}

/// Nanoseconds of the Unix epoch as RFC 3339 in UTC. What `i64` can hold lies between the years 1677 and 2262.
///
/// There are two of them for every process and several for a connection, and `format!` takes ten times as long.
pub(super) fn rfc3339(ns: i64) -> [u8; 30] {
    let (seconds, ns) = (ns.div_euclid(NS_PER_SECOND), ns.rem_euclid(NS_PER_SECOND));
    let (mut known, mut second) = LAST.get();
    if known != seconds {
        (known, second) = (seconds, self::second(seconds));
        LAST.set((known, second));
    }
    let mut text = *b"0000-00-00T00:00:00.000000000Z";
    text[..19].copy_from_slice(&second);
    // Three numbers, of which none has to wait for another.
    put(&mut text[20..23], ns / 1_000_000);
    put(&mut text[23..26], ns / 1_000 % 1_000);
    put(&mut text[26..29], ns % 1_000);
    text
}

fn second(seconds: i64) -> Second {
    let (days, second) = (seconds.div_euclid(SECONDS_PER_DAY), seconds.rem_euclid(SECONDS_PER_DAY));
    let (year, month, day) = civil(days);
    let mut text = *b"0000-00-00T00:00:00";
    put(&mut text[0..4], year);
    put(&mut text[5..7], month);
    put(&mut text[8..10], day);
    put(&mut text[11..13], second / 3_600);
    put(&mut text[14..16], second / 60 % 60);
    put(&mut text[17..19], second % 60);
    text
}

/// Writes a number that is not negative and below 2³², with zeroes before it.
fn put(digits: &mut [u8], number: i64) {
    // A division of half the width takes a fraction of the time.
    let mut number = number as u32;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Year, month and day of a number of days since 1970-01-01 in the proleptic Gregorian calendar: the algorithm
/// `civil_from_days` of Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms".
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times() {
        let check = |ns, expected: &[u8; 30]| assert_eq!(&rfc3339(ns), expected);
        check(0, b"1970-01-01T00:00:00.000000000Z");
        check(999_999_999, b"1970-01-01T00:00:00.999999999Z");
        check(-1, b"1969-12-31T23:59:59.999999999Z");
        check(-1_000_000_000, b"1969-12-31T23:59:59.000000000Z");
        check(951_782_400 * NS_PER_SECOND, b"2000-02-29T00:00:00.000000000Z");
        check(1_700_000_000 * NS_PER_SECOND + 123, b"2023-11-14T22:13:20.000000123Z");
        check(4_107_542_399 * NS_PER_SECOND, b"2100-02-28T23:59:59.000000000Z");
        check(i64::MAX, b"2262-04-11T23:47:16.854775807Z");
        check(i64::MIN, b"1677-09-21T00:12:43.145224192Z");
    }
}
