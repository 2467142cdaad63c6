//! Paths under a prefix, and the tricks by which a path means another one to whoever serves it.

/// How many times a path is decoded in search of a trick; what is still encoded then is one.
const MAX_DECODINGS: usize = 3;

/// Whether the path is the prefix or goes on below it, segment by segment, as written.
pub(super) fn within(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/'))
}

/// Whether every server reads the same path here: none of its segments is empty, `.` or `..`, however it is encoded.
pub(super) fn is_plain(path: &str) -> bool {
    let mut bytes = path.as_bytes().to_vec();
    for _ in 0..MAX_DECODINGS {
        if !has_plain_segments(&bytes) {
            return false;
        }
        let decoded = decoded(&bytes);
        if decoded == bytes {
            return true;
        }
        bytes = decoded;
    }
    false
}

fn has_plain_segments(path: &[u8]) -> bool {
    // 0xC0 and 0xC1 begin nothing in UTF-8 but overlong forms of ASCII, which careless decoders take for it.
    let odd = |byte: &u8| byte.is_ascii_control() || matches!(byte, b'\\' | 0xC0 | 0xC1);
    let Some(below) = path.strip_prefix(b"/") else { return false };
    !path.iter().any(odd)
        && !path.windows(2).any(|pair| pair == b"//")
        && !below.split(|byte| *byte == b'/').any(is_dots)
}

/// `.` and `..`, also with parameters (`..;x`), or with more of the dots and spaces that some file systems pass over.
fn is_dots(segment: &[u8]) -> bool {
    let name = segment.split(|byte| *byte == b';').next().unwrap_or(segment);
    !segment.is_empty() && name.iter().all(|byte| matches!(byte, b'.' | b' '))
}

/// The path with its escapes resolved once. A `%` that begins none stands for itself.
fn decoded(path: &[u8]) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [first, after @ ..] = rest {
        let escaped = match rest {
            [b'%', high, low, ..] => digit(high).zip(digit(low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                out.push((high << 4) | low);
                rest = &rest[3..];
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_a_segment_ends() {
        for (prefix, path) in [("/", "/"), ("/", "/a"), ("/v1", "/v1"), ("/v1", "/v1/a"), ("/v1/", "/v1/a")] {
            assert!(within(prefix, path), "{prefix} {path}");
        }
        for (prefix, path) in
            [("/v1", "/v10"), ("/v1/", "/v1"), ("/v1", "/V1"), ("/v1", "//v1"), ("/v1", "/v1;a")]
        {
            assert!(!within(prefix, path), "{prefix} {path}");
        }
    }

    #[test]
    fn tricks_are_seen() {
        for plain in
            ["/", "/v1", "/v1/", "/v1/a.b", "/v1/..a", "/v1/g%2Fp", "/100%25", "/%C3%BC", "/a;b=1", "/a%20b"]
        {
            assert!(is_plain(plain), "{plain}");
        }
        for trick in [
            "",
            "v1",
            "/a/../b",
            "/a/./b",
            "/a/..",
            "/a//b",
            "//a",
            "/a\\b",
            "/a%5cb",
            "/a/%2e%2e/b",
            "/a/.%2E/b",
            "/a%2f..%2fb",
            "/a%2f%2fb",
            "/a/%252e%252e/b",
            "/a/%%32e%2e/b",
            "/a/%25252e%25252e/b",
            "/a/..;x/b",
            "/a/%2e%2e%3bx/b",
            "/a/.../b",
            "/a/..%20/b",
            "/a/%20/b",
            "/a/;x/b",
            "/a%00",
            "/a%0d%0ab",
            "/a/%c0%ae%c0%ae/b",
            "/a/%2525252525252e/b",
        ] {
            assert!(!is_plain(trick), "{trick}");
        }
    }
}
