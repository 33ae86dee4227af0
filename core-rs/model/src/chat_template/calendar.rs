//! Dates for templates that tell the model what day it is.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// The first of January 1970 was a Thursday.
const WEEKDAYS: [&str; 7] =
    ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];

/// The present in UTC, by Python's `strftime` directives `%Y %y %m %d %e %B %b %A %a %H %M %S %%`;
/// others stay as they are.
pub(super) fn strftime_now(format: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    strftime(now.as_secs(), format)
}

fn strftime(seconds: u64, format: &str) -> String {
    let date = Date::new(seconds / 86_400);
    let second = seconds % 86_400;
    let mut text = String::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        let written = match characters.next() {
            Some('Y') => write!(text, "{}", date.year),
            Some('y') => write!(text, "{:02}", date.year % 100),
            Some('m') => write!(text, "{:02}", date.month + 1),
            Some('d') => write!(text, "{:02}", date.day),
            Some('e') => write!(text, "{:2}", date.day),
            Some('B') => write!(text, "{}", MONTHS[date.month]),
            Some('b') => write!(text, "{}", &MONTHS[date.month][..3]),
            Some('A') => write!(text, "{}", WEEKDAYS[date.weekday]),
            Some('a') => write!(text, "{}", &WEEKDAYS[date.weekday][..3]),
            Some('H') => write!(text, "{:02}", second / 3600),
            Some('M') => write!(text, "{:02}", second / 60 % 60),
            Some('S') => write!(text, "{:02}", second % 60),
            Some('%') | None => write!(text, "%"),
            Some(other) => write!(text, "%{other}"),
        };
        // Writing to a string cannot fail.
        debug_assert!(written.is_ok());
    }
    text
}

/// A day of the Gregorian calendar.
struct Date {
    year: u64,
    /// From 0.
    month: usize,
    /// From 1.
    day: u64,
    /// Index into [`WEEKDAYS`].
    weekday: usize,
}

impl Date {
    /// Counts years, then months, off the days since 1970.
    fn new(days: u64) -> Self {
        let weekday = (days % 7) as usize;
        // 400 years have 146,097 days; whole ones are skipped at once.
        let (mut year, mut day) = (1970 + days / 146_097 * 400, days % 146_097);
        while day >= days_of_year(year) {
            day -= days_of_year(year);
            year += 1;
        }
        let mut month = 0;
        while day >= days_of_month(year, month) {
            day -= days_of_month(year, month);
            month += 1;
        }
        Self { year, month, day: day + 1, weekday }
    }
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

const fn days_of_month(year: u64, month: usize) -> u64 {
    match month {
        1 if is_leap(year) => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants_are_written_as_python_writes_them() {
        let format = "%A %a %d %e %B %b %Y %y %m %H:%M:%S %%";
        let expected = [
            (0, "Thursday Thu 01  1 January Jan 1970 70 01 00:00:00 %"),
            (951_782_400, "Tuesday Tue 29 29 February Feb 2000 00 02 00:00:00 %"),
            (1_735_689_599, "Tuesday Tue 31 31 December Dec 2024 24 12 23:59:59 %"),
            (4_107_542_400, "Monday Mon 01  1 March Mar 2100 00 03 00:00:00 %"),
        ];
        for (seconds, text) in expected {
            assert_eq!(strftime(seconds, format), text);
        }
    }

    #[test]
    fn what_is_no_directive_stays() {
        assert_eq!(strftime(0, "100% %Q é %"), "100% %Q é %");
        assert!(strftime_now("%Y").parse::<u64>().is_ok_and(|year| year > 2024));
    }

    #[test]
    fn the_end_of_time_is_reached_at_once() {
        assert!(strftime(u64::MAX, "%Y-%m-%d").len() > 10);
    }
}
