//! Durations as people write them: `300`, `90s`, `5m`, `24h`, `30d`.

use std::time::Duration;

/// Longest duration that makes sense here: about a hundred years.
const MOST: u64 = 100 * 366 * 86_400;

/// Reads a duration: seconds, or a number with `s`, `m`, `h` or `d`.
///
/// # Errors
/// What is wrong, to follow the name of the value.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(['s', 'm', 'h', 'd']);
    let unit: u64 = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong(text)),
    };
    // `+5` is a number to the parser, but not to people.
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong(text));
    }
    let number: u64 = digits.parse().map_err(|_| wrong(text))?;
    let seconds = number.checked_mul(unit).filter(|seconds| *seconds <= MOST);
    seconds.map(Duration::from_secs).ok_or_else(|| format!("is too long: {text}"))
}

fn wrong(text: &str) -> String {
    format!("is no duration: {text:?}; write seconds, or a number with s, m, h or d, such as 24h")
}

/// A duration in its largest whole unit.
pub(crate) fn shown(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let fits = |unit: u64| seconds > 0 && seconds.is_multiple_of(unit);
    match seconds {
        _ if fits(86_400) => format!("{}d", seconds / 86_400),
        _ if fits(3_600) => format!("{}h", seconds / 3_600),
        _ if fits(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, seconds, again) in [
            ("0", 0, "0s"),
            ("90", 90, "90s"),
            ("90s", 90, "90s"),
            ("5m", 300, "5m"),
            ("24h", 86_400, "1d"),
            ("30d", 2_592_000, "30d"),
            ("36h", 129_600, "36h"),
        ] {
            let duration = parse(text).unwrap();
            assert_eq!((duration.as_secs(), &*shown(duration)), (seconds, again), "{text}");
        }
        for bad in
            ["", "s", "5 m", "-5", "+5", "5ms", "1.5h", "5w", "m5", "99999999999999999999", "99999999d", "5é"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
