//! When code is called without anybody asking: cron expressions, in UTC, as Cloudflare writes them.

use std::fmt;

use croner::parser::{CronParser, Seconds, Year};

use crate::rules::{Rule, demand};

/// Most cron expressions of a server.
pub const MAX_CRONS: usize = 10;
/// Longest cron expression, in bytes.
const MAX_CRON_BYTES: usize = 100;

/// A cron expression that was understood: minute, hour, day of the month, month, day of the week (1 is Sunday).
#[derive(Clone, Debug)]
pub struct Cron(croner::Cron);

impl Cron {
    /// Reads an expression of five fields.
    ///
    /// # Errors
    /// A clause that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        demand(text.len() <= MAX_CRON_BYTES, format!("has an entry of more than {MAX_CRON_BYTES} bytes"))?;
        let wrong = |why: &dyn fmt::Display| {
            format!(
                "has {text:?}, which is no cron expression ({why}): write five fields, like \"*/5 * * * *\""
            )
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" *,-/#".contains(&byte);
        if text.split(' ').count() != 5 || !text.bytes().all(plain) {
            return Err(wrong(&"it must have five fields with one space between them"));
        }
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .alternative_weekdays(true)
            .build();
        parser.parse(text).map(Self).map_err(|error| wrong(&error))
    }

    /// Whether it names the minute that begins so many seconds after the start of 1970, UTC.
    #[must_use]
    pub fn names(&self, unix_seconds: i64) -> bool {
        jiff::Timestamp::from_second(unix_seconds).is_ok_and(|time| {
            self.0.is_time_matching(&jiff::tz::Offset::UTC.to_datetime(time)).unwrap_or(false)
        })
    }
}

/// The rules of all expressions of a server.
pub(crate) fn crons<'a>(texts: impl IntoIterator<Item = &'a str>) -> Rule {
    let mut seen: Vec<&str> = Vec::new();
    for text in texts {
        Cron::parse(text)?;
        demand(!seen.contains(&text), format!("has {text:?} twice"))?;
        seen.push(text);
    }
    demand(seen.len() <= MAX_CRONS, format!("must have at most {MAX_CRONS} entries"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> i64 {
        text.parse::<jiff::Timestamp>().unwrap().as_second()
    }

    #[test]
    fn the_minutes_that_cloudflare_names() {
        // Examples of Cloudflare's documentation, and days around them.
        let table = [
            ("* * * * *", "2026-11-25T15:38:00Z", true),
            ("*/30 * * * *", "2026-11-25T15:30:00Z", true),
            ("*/30 * * * *", "2026-11-25T15:31:00Z", false),
            ("0 17 * * sun", "2026-11-22T17:00:00Z", true),
            ("0 17 * * 1", "2026-11-22T17:00:00Z", true),
            ("0 17 * * 1", "2026-11-23T17:00:00Z", false),
            ("10 7 * * mon-fri", "2026-11-25T07:10:00Z", true),
            ("10 7 * * 2-6", "2026-11-28T07:10:00Z", false),
            ("59 23 LW * *", "2026-10-30T23:59:00Z", true),
            ("59 23 LW * *", "2026-10-31T23:59:00Z", false),
            ("0 18 * * 6L", "2026-11-27T18:00:00Z", true),
            ("0 18 * * 6L", "2026-11-20T18:00:00Z", false),
        ];
        for (text, time, expected) in table {
            assert_eq!(Cron::parse(text).unwrap().names(seconds(time)), expected, "{text} at {time}");
        }
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for wrong in
            ["", "* * * *", "* * * * * *", "@daily", "60 * * * *", "* * * * 8", "a b c d e", "*  * * * *"]
        {
            assert!(Cron::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Cron::parse(&format!("{}0 * * * *", "0,".repeat(50))).is_err());
        assert!(crons(["* * * * *", "* * * * *"]).unwrap_err().contains("twice"));
        let many: Vec<String> = (0..11).map(|minute| format!("{minute} * * * *")).collect();
        assert!(crons(many.iter().map(String::as_str)).unwrap_err().contains("at most 10"));
    }
}
