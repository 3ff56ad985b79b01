//! Times, as people write them and as records hold them: milliseconds since 1970, UTC.

use std::io::Write;
use std::str::FromStr;
use std::sync::OnceLock;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

/// Milliseconds since 1970, now.
pub(crate) fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// The time that a person gave: `2024-05-01T10:00:00Z`, `2024-05-01T10:00` in the zone of the
/// command line, `@1714557600000` (milliseconds), or `-15m`, which is before `now_ms`.
pub(crate) fn parse(text: &str, now_ms: i64) -> Result<i64, String> {
    if let Some(ms) = text.strip_prefix('@') {
        return ms.parse().map_err(|_| format!("`{text}`: milliseconds are wanted behind @"));
    }
    if let Some(ago) = text.strip_prefix('-') {
        let before = ago_ms(ago).and_then(|ago| now_ms.checked_sub(ago));
        return before
            .ok_or_else(|| format!("`{text}`: a number and ms, s, m, h, d or w is wanted"));
    }
    let zone = ZONE.get().cloned().unwrap_or(TimeZone::UTC);
    parse_rfc3339(text).or_else(|| parse_in(&zone, text)).ok_or_else(|| {
        format!("`{text}` is no time: 2024-05-01T10:00:00Z, @1714557600000 or -15m are")
    })
}

/// In which zone a time is that does not tell; it holds for the whole process.
static ZONE: OnceLock<TimeZone> = OnceLock::new();

/// Takes over what the command line says.
pub(crate) fn set_zone(zone: Zone) {
    // Nobody set it before.
    let _ = ZONE.set(zone.time_zone());
}

/// The time that a calendar and a clock show in a zone: `2024-05-01T10:00`, `2024-05-01`. Of a time
/// that the clock shows twice it is the first, and one that it skips is counted on from before.
fn parse_in(zone: &TimeZone, text: &str) -> Option<i64> {
    let shown: DateTime = text.parse().ok()?;
    let time = zone.to_ambiguous_timestamp(shown).compatible().ok()?;
    Some(time.as_nanosecond().div_euclid(1_000_000) as i64)
}

/// A range of times, both ends open if they are left out: `A..B`, `A..`, `..B`, `@1:@2`, or `A`
/// alone, which is from then on. `B` may leave out the date of `A`. `B` is not in it.
pub(crate) fn parse_range(text: &str, now_ms: i64) -> Result<(Option<i64>, Option<i64>), String> {
    let two = text
        .split_once("..")
        .or_else(|| text.split_once(":@").map(|(a, _)| (a, &text[a.len() + 1..])));
    let (from, until) = two.unwrap_or((text, ""));
    let end = |text: &str| if text.is_empty() { Ok(None) } else { parse(text, now_ms).map(Some) };
    let is_clock = until.contains(':') && !until.contains(['T', ' ', '@']);
    let until = match from.split_once(['T', ' ']) {
        Some((date, _)) if is_clock => format!("{date}T{until}"),
        _ => until.to_owned(),
    };
    let (from, until) = (end(from)?, end(&until)?);
    if from.zip(until).is_some_and(|(from, until)| until < from) {
        return Err(format!("`{text}` ends before it begins"));
    }
    Ok((from, until))
}

/// Milliseconds since 1970 of an RFC 3339 time; what is below a millisecond is dropped.
pub(crate) fn parse_rfc3339(text: &str) -> Option<i64> {
    let time: Timestamp = text.parse().ok()?;
    Some(time.as_nanosecond().div_euclid(1_000_000) as i64)
}

/// The milliseconds of a span of time: `15m`, `1h`, `500ms`.
pub(crate) fn duration_ms(text: &str) -> Result<i64, String> {
    ago_ms(text).ok_or_else(|| "a number and ms, s, m, h, d or w is wanted".to_owned())
}

fn ago_ms(text: &str) -> Option<i64> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 7 * 86_400_000,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(ms)
}

/// In which zone people want times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zone {
    Utc,
    Local,
    Fixed(Offset),
}

impl Zone {
    fn time_zone(self) -> TimeZone {
        match self {
            Zone::Utc => TimeZone::UTC,
            Zone::Local => TimeZone::system(),
            Zone::Fixed(offset) => offset.to_time_zone(),
        }
    }
}

impl FromStr for Zone {
    type Err = String;

    fn from_str(text: &str) -> Result<Zone, String> {
        let wrong = || format!("`{text}`: utc, local or an offset such as +02:00 is wanted");
        match text {
            "utc" | "UTC" | "Z" => return Ok(Zone::Utc),
            "local" => return Ok(Zone::Local),
            _ => {}
        }
        let sign = if text.starts_with('-') { -1 } else { 1 };
        let digits = text.strip_prefix(['+', '-']).ok_or_else(wrong)?;
        let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "0"));
        let number = |text: &str, most| {
            let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<i32>().ok().filter(|&number| plain && number <= most).ok_or_else(wrong)
        };
        let seconds = number(hours, 25)? * 3600 + number(minutes, 59)? * 60;
        Offset::from_seconds(sign * seconds).map(Zone::Fixed).map_err(|_| wrong())
    }
}

/// How people want times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    Rfc3339,
    Ms,
    Relative,
}

/// Writes times for people.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    form: Form,
    /// `None` for UTC.
    zone: Option<TimeZone>,
    name: String,
    now_ms: i64,
}

impl Times {
    pub(crate) fn new(zone: Zone, form: Form) -> Times {
        let (zone, name) = match zone {
            Zone::Utc => (None, "UTC".to_owned()),
            Zone::Local => (Some(zone.time_zone()), "local".to_owned()),
            Zone::Fixed(offset) => (Some(zone.time_zone()), offset.to_string()),
        };
        Times { form, zone, name, now_ms: now_ms() }
    }

    /// What a column of times is headed with.
    pub(crate) fn heading(&self, what: &str) -> String {
        match self.form {
            Form::Rfc3339 => format!("{what} ({})", self.name),
            Form::Ms => format!("{what} (ms)"),
            Form::Relative => what.to_owned(),
        }
    }

    /// Appends a time that stands by itself.
    pub(crate) fn write(&self, ms: i64, out: &mut Vec<u8>) {
        self.write_as(ms, b'T', true, out);
    }

    /// Appends a time in a column whose heading tells the zone.
    pub(crate) fn column(&self, ms: i64, out: &mut Vec<u8>) {
        self.write_as(ms, b' ', false, out);
    }

    /// The same as text.
    pub(crate) fn in_column(&self, ms: i64) -> String {
        let mut text = Vec::new();
        self.column(ms, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    fn write_as(&self, ms: i64, between: u8, with_zone: bool, out: &mut Vec<u8>) {
        match self.form {
            Form::Ms => {
                let _ = write!(out, "{ms}");
            }
            Form::Relative => write_relative(i128::from(self.now_ms) - i128::from(ms), out),
            Form::Rfc3339 => {
                let shift = self.zone.as_ref().map(|zone| {
                    Timestamp::from_millisecond(ms).map_or(Offset::UTC, |at| zone.to_offset(at))
                });
                let there =
                    shift.map_or(ms, |it| ms.saturating_add(1000 * i64::from(it.seconds())));
                let is_date = write_date_and_time(there, between, out);
                match shift {
                    _ if !is_date => {
                        let _ = write!(out, "@{ms}");
                    }
                    None if with_zone => out.push(b'Z'),
                    Some(offset) if with_zone => {
                        let minutes = offset.seconds() / 60;
                        let (sign, all) = (if minutes < 0 { '-' } else { '+' }, minutes.abs());
                        let _ = write!(out, "{sign}{:02}:{:02}", all / 60, all % 60);
                    }
                    _ => {}
                }
            }
        }
    }
}

/// Appends how long ago it is, in two units at most: `3d 4h ago`, `in 12s`.
fn write_relative(ago_ms: i128, out: &mut Vec<u8>) {
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
    let mut left = ago_ms.unsigned_abs();
    let first = units.iter().position(|unit| left >= unit.1).unwrap_or(units.len() - 1);
    if ago_ms < 0 {
        out.extend_from_slice(b"in ");
    }
    for (number, (name, ms)) in units[first..].iter().take(2).enumerate() {
        let (whole, rest) = (left / ms, left % ms);
        if number == 0 || (whole > 0 && *name != "ms") {
            let _ = write!(out, "{}{whole}{name}", if number > 0 { " " } else { "" });
        }
        left = rest;
    }
    if ago_ms >= 0 {
        out.extend_from_slice(b" ago");
    }
}

/// Appends the time in RFC 3339 with milliseconds; one that has no year of four digits as `@` and
/// its milliseconds.
pub(crate) fn write_rfc3339(ms: i64, out: &mut Vec<u8>) {
    if write_date_and_time(ms, b'T', out) {
        out.push(b'Z');
    } else {
        let _ = write!(out, "@{ms}");
    }
}

/// Appends the time as `format` says, in the language of `strftime`.
pub(crate) fn write_formatted(ms: i64, format: &str, out: &mut Vec<u8>) -> Result<(), String> {
    let Ok(time) = Timestamp::from_millisecond(ms) else {
        let _ = write!(out, "@{ms}");
        return Ok(());
    };
    let text = jiff::fmt::strtime::format(format, time);
    out.extend_from_slice(text.map_err(|error| error.to_string())?.as_bytes());
    Ok(())
}

/// Appends `2024-05-01T10:00:00.000`, and nothing if the year has not four digits. By hand: it is
/// in every line.
fn write_date_and_time(ms: i64, between: u8, out: &mut Vec<u8>) -> bool {
    // From 0000-01-01 to 9999-12-31.
    if !(-62_167_219_200_000..=253_402_300_799_999).contains(&ms) {
        return false;
    }
    let (days, ms_of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000) as u32);
    let (year, month, day) = date_of(days);
    let (seconds, ms) = (ms_of_day / 1000, ms_of_day % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = *b"0000-00-00 00:00:00.000";
    let mut put = |at: usize, number: u32| {
        text[at] += (number / 10 % 10) as u8;
        text[at + 1] += (number % 10) as u8;
    };
    let parts = [(0, year / 100), (2, year % 100), (5, month), (8, day), (11, hour)];
    for (at, number) in parts.into_iter().chain([(14, minute), (17, second), (20, ms / 10)]) {
        put(at, number);
    }
    text[10] = between;
    text[22] += (ms % 10) as u8;
    out.extend_from_slice(&text);
    true
}

/// Year, month and day of a day since 1970, in the Gregorian calendar carried on to before it was
/// made. Counts in eras of 400 years that begin on the first of March.
fn date_of(days: i64) -> (u32, u32, u32) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let leaps = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leaps) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + 400 * era + i64::from(month <= 2);
    (year as u32, month as u32, day as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rfc3339(ms: i64) -> String {
        let mut out = Vec::new();
        write_rfc3339(ms, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_written_is_read_back() {
        for ms in [0, -1, 1_700_000_000_004, -62_135_596_800_000, 253_402_207_199_999] {
            assert_eq!(parse(&rfc3339(ms), 0), Ok(ms), "{}", rfc3339(ms));
        }
        assert_eq!(rfc3339(1_700_000_000_004), "2023-11-14T22:13:20.004Z");
    }

    #[test]
    fn a_time_without_a_year_of_four_digits_is_its_milliseconds() {
        for ms in [i64::MIN, i64::MAX, -70_000_000_000_000] {
            assert_eq!(rfc3339(ms), format!("@{ms}"));
            assert_eq!(parse(&rfc3339(ms), 0), Ok(ms));
        }
    }

    #[test]
    fn a_time_is_absolute_or_ago() {
        let noon = 1_714_564_800_000;
        for text in ["2024-05-01T12:00:00Z", "2024-05-01T12:00Z", "2024-05-01T14:00:00+02:00"] {
            assert_eq!(parse(text, 0), Ok(noon), "{text}");
        }
        assert_eq!(parse("@5", 0), Ok(5));
        assert_eq!(parse("-15m", noon), Ok(noon - 900_000));
        assert_eq!(parse("-250ms", noon), Ok(noon - 250));
        assert_eq!(parse("-2w", noon), Ok(noon - 14 * 86_400_000));
        assert_eq!(parse("2024-05-01", noon), parse("2024-05-01T00:00Z", noon));
        for wrong in [
            "",
            "@",
            "-",
            "-m",
            "-5",
            "-5y",
            "--5m",
            "yesterday",
            "2024-05-41",
            "-99999999999999999w",
        ] {
            assert!(parse(wrong, noon).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for ms in (0..4000).map(|step| -62_167_219_200_000 + step * 78_891_390_123) {
            let time = TimeZone::UTC.to_datetime(Timestamp::from_millisecond(ms).unwrap());
            assert_eq!(rfc3339(ms), format!("{time:.3}Z"), "{ms}");
        }
    }

    #[test]
    fn times_are_shown_in_the_zone_and_form_that_are_asked_for() {
        let shown = |zone: &str, form| {
            let (times, mut out) = (Times::new(zone.parse().unwrap(), form), Vec::new());
            times.write(1_700_000_000_004, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(shown("+02:00", Form::Rfc3339), "2023-11-15T00:13:20.004+02:00");
        assert_eq!(shown("-3", Form::Rfc3339), "2023-11-14T19:13:20.004-03:00");
        assert_eq!(shown("utc", Form::Ms), "1700000000004");
        for wrong in ["", "mars", "+", "+99", "02:00", "+1:99", "+-1"] {
            assert!(wrong.parse::<Zone>().is_err(), "{wrong}");
        }
        let relative = |ms| {
            let mut out = Vec::new();
            write_relative(ms, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            [0, 1500, 90_000, 273_600_000, -12_000].map(relative),
            ["0ms ago", "1s ago", "1m 30s ago", "3d 4h ago", "in 12s"]
        );
    }

    #[test]
    fn a_range_of_times_may_leave_out_ends_and_the_second_date() {
        let ten = 1_714_557_600_000;
        let range = |text| parse_range(text, ten);
        let five = ten + 300_000;
        assert_eq!(range("2024-05-01T10:00Z..10:05Z"), Ok((Some(ten), Some(five))));
        assert_eq!(range("-15m.."), Ok((Some(ten - 900_000), None)));
        assert_eq!(range("@5:@9"), Ok((Some(5), Some(9))));
        assert_eq!(range("@5..@9"), Ok((Some(5), Some(9))));
        assert_eq!(range("..@9"), Ok((None, Some(9))));
        assert_eq!(range("2024-05-01T10:00Z"), Ok((Some(ten), None)));
        assert!(range("@9..@5").is_err() && range("x..").is_err());
    }

    #[test]
    fn a_time_that_does_not_tell_its_zone_is_one_of_the_command_line_s() {
        let ten = 1_714_557_600_000;
        let berlin = "+02:00".parse::<Zone>().unwrap().time_zone();
        for text in ["2024-05-01T12:00", "2024-05-01 12:00:00", "2024-05-01T12:00:00.000"] {
            assert_eq!(parse_in(&berlin, text), Some(ten), "{text}");
            assert_eq!(parse_in(&TimeZone::UTC, text), Some(ten + 7_200_000), "{text}");
        }
        assert_eq!(parse_in(&TimeZone::UTC, "2024-05-01"), Some(ten - 36_000_000));
        // No test sets the zone of the process.
        assert_eq!(parse("2024-05-01T10:00", 0), Ok(ten));
        assert_eq!(parse_range("2024-05-01T10:00..10:05", 0), Ok((Some(ten), Some(ten + 300_000))));
        for wrong in ["", "2024", "2024-05-01T25:00", "10:00", "2024-13-01", "noon"] {
            assert!(parse(wrong, 0).is_err(), "{wrong}");
        }
    }

    #[test]
    fn milliseconds_before_1970_round_down() {
        assert_eq!(parse_rfc3339("1969-12-31T23:59:59.9995Z"), Some(-1));
    }
}
