//! The rules of single values, the same for what authors write and for a lock that somebody uploads.

use std::collections::BTreeMap;

/// Where a server answers MCP if its manifest does not say.
pub const DEFAULT_ENDPOINT: &str = "/mcp";
/// Longest endpoint path, in characters (all are ASCII).
pub const MAX_ENDPOINT_CHARS: usize = 200;
/// Most compatibility flags.
pub const MAX_COMPATIBILITY_FLAGS: usize = 64;
/// Longest name of a var, in characters (all are ASCII).
pub const MAX_VAR_NAME_CHARS: usize = 128;
/// Largest value of a var, in bytes.
pub const MAX_VAR_BYTES: usize = 5 << 10;
/// Most bytes that the names and values of all vars have together.
pub const MAX_VARS_BYTES: usize = 64 << 10;

/// Longest path of a file, in bytes.
const MAX_PATH_BYTES: usize = 1024;
/// Longest compatibility flag, in characters.
const MAX_FLAG_CHARS: usize = 100;
/// Names of vars that start so are the platform's own.
const OWN_VAR_PREFIX: &str = "SMCP_";

/// What is wrong with a value: a clause that follows the key's path.
pub(crate) type Rule = Result<(), String>;

pub(crate) fn demand(fine: bool, rule: impl Into<String>) -> Rule {
    if fine { Ok(()) } else { Err(rule.into()) }
}

/// A file below the manifest, `/`-separated on every system.
pub(crate) fn source_path(path: &str) -> Rule {
    demand(
        !path.is_empty() && path.len() <= MAX_PATH_BYTES,
        format!("must have 1 to {MAX_PATH_BYTES} bytes"),
    )?;
    let plain = !path.contains(|char: char| char.is_control() || char == '\\');
    demand(plain, "must be written with `/`, and without control characters")?;
    let inside = !path.split('/').any(|segment| matches!(segment, "" | "." | ".."));
    demand(inside, "must be a path relative to smcp.toml, without `..` and empty segments")
}

/// An absolute path without query, fragment, escapes, empty or dot segments: one spelling for one endpoint.
pub(crate) fn endpoint(text: &str) -> Rule {
    demand(text.starts_with('/'), "must be an absolute path, like \"/mcp\"")?;
    demand(text.len() <= MAX_ENDPOINT_CHARS, format!("must have at most {MAX_ENDPOINT_CHARS} characters"))?;
    demand(!text.contains(['?', '#']), "must be a path alone, without a query or fragment")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte);
    demand(text.bytes().all(plain), "must be made of characters that stand for themselves in a path")?;
    let dotted = text.split('/').any(|segment| matches!(segment, "." | ".."));
    demand(!dotted && !text.contains("//"), "must not have empty, `.` or `..` segments")
}

/// `YYYY-MM-DD`, a day that exists. Whether the runtime knows it is the node's to say.
pub(crate) fn compatibility_date(text: &str) -> Rule {
    let wrong = || "must be a date in quotes, like \"2026-11-01\"".to_owned();
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        digits.and_then(|digits| digits.parse::<u32>().ok()).ok_or_else(wrong)
    };
    demand(text.len() == 10 && text.get(4..5) == Some("-") && text.get(7..8) == Some("-"), wrong())?;
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    };
    demand((1..=days).contains(&day), "is no day of the calendar")
}

/// A flag by its form. Whether the runtime knows it is the node's to say.
pub(crate) fn compatibility_flag(text: &str) -> Rule {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    let fine = !text.is_empty() && text.len() <= MAX_FLAG_CHARS && text.bytes().all(plain);
    demand(fine, "is no flag: flags are made of a-z, 0-9, `_` and `-`, like \"nodejs_compat\"")?;
    // For these the runtime itself fetches an interpreter, past every socket of ours.
    demand(!text.starts_with("python"), "is not offered: Python servers are not hosted")?;
    demand(text != "experimental", "is not offered: what is experimental in the runtime is not hosted")
}

/// How many flags there may be.
pub(crate) fn compatibility_flag_count(count: usize) -> Rule {
    demand(count <= MAX_COMPATIBILITY_FLAGS, format!("must have at most {MAX_COMPATIBILITY_FLAGS} flags"))
}

/// A JavaScript identifier in ASCII.
pub(crate) fn identifier(name: &str) -> Rule {
    let start = |byte: u8| byte.is_ascii_alphabetic() || b"_$".contains(&byte);
    let fine = name.bytes().next().is_some_and(start)
        && name.bytes().all(|byte| start(byte) || byte.is_ascii_digit());
    demand(
        fine,
        "is no name for a var: it must read as a JavaScript name, made of a-z, A-Z, 0-9, `_` and `$`",
    )?;
    demand(
        name.len() <= MAX_VAR_NAME_CHARS,
        format!("must have at most {MAX_VAR_NAME_CHARS} characters in its name"),
    )
}

/// An identifier, so that code can write `env.NAME`, and none that means something else there.
pub(crate) fn var_name(name: &str) -> Rule {
    identifier(name)?;
    // As a key of `env` this one would replace the object's prototype instead of naming a value.
    demand(name != "__proto__", "is no name for a var: JavaScript gives it a meaning of its own")?;
    demand(
        !name.starts_with(OWN_VAR_PREFIX),
        format!("is the platform's: names that start with `{OWN_VAR_PREFIX}` are"),
    )
}

/// The size of one value.
pub(crate) fn var_value(value: &str) -> Rule {
    demand(value.len() <= MAX_VAR_BYTES, format!("must have at most {MAX_VAR_BYTES} bytes"))
}

/// The size of all of them.
pub(crate) fn vars_total(vars: &BTreeMap<String, String>) -> Rule {
    let total: usize = vars.iter().map(|(name, value)| name.len() + value.len()).sum();
    demand(total <= MAX_VARS_BYTES, format!("must have at most {MAX_VARS_BYTES} bytes in all"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        for good in ["/", "/mcp", "/v1/mcp", "/a:b@c", &format!("/{}", "a".repeat(199))] {
            assert_eq!(endpoint(good), Ok(()), "{good}");
        }
        for bad in
            ["", "mcp", "/mcp?x=1", "/mcp#x", "/m cp", "/é", "/a%2fb", "//host", "/a//b", "/a/../b", "/."]
        {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
        assert!(endpoint(&format!("/{}", "a".repeat(200))).is_err());
    }

    #[test]
    fn dates() {
        for good in ["2026-11-01", "2024-02-29", "2000-02-29", "2026-12-31"] {
            assert_eq!(compatibility_date(good), Ok(()), "{good}");
        }
        for bad in ["", "2026-11-1", "2026/11/01", "2026-02-29", "1900-02-29", "2026-13-01", "2026-00-01"] {
            assert!(compatibility_date(bad).is_err(), "{bad}");
        }
        for bad in ["2026-04-31", "2026-01-00", "+026-01-01", "2026-1١-1", "2026-11-01T"] {
            assert!(compatibility_date(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_of_vars() {
        for good in ["A", "apiKey", "_x", "$", "A1", &"a".repeat(128)] {
            assert_eq!(var_name(good), Ok(()), "{good}");
        }
        for bad in ["", "1A", "a-b", "a.b", "é", "a b", "__proto__", "SMCP_TENANT", &"a".repeat(129)] {
            assert!(var_name(bad).is_err(), "{bad}");
        }
    }
}
