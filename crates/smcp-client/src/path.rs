//! Paths of operations: parameters percent-encoded into their places.

use std::fmt::Write as _;

use crate::ClientError;

/// Fills the braces of a path, in order. A template with fewer braces than values ignores the rest.
///
/// # Errors
/// `Name` for a value that would be read as another path: empty, or only dots.
pub(crate) fn fill(template: &str, values: &[&str]) -> Result<String, ClientError> {
    let mut path = String::with_capacity(template.len() + 32);
    let mut values = values.iter();
    for segment in template.split('/').skip(1) {
        path.push('/');
        match values.as_slice().first().filter(|_| segment.starts_with('{')) {
            Some(value) => {
                if value.bytes().all(|byte| byte == b'.') {
                    return Err(ClientError::Name((*value).to_owned()));
                }
                encode(value, &mut path);
                values.next();
            }
            None => path.push_str(segment),
        }
    }
    Ok(path)
}

/// Appends a query, leaving out what has no value.
pub(crate) fn with_query(mut path: String, query: &[(&str, Option<String>)]) -> String {
    let mut mark = '?';
    for (name, value) in query {
        if let Some(value) = value {
            path.push(mark);
            mark = '&';
            encode(name, &mut path);
            path.push('=');
            encode(value, &mut path);
        }
    }
    path
}

/// Percent-encodes everything but unreserved characters (RFC 3986, section 2.3).
fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_cannot_leave_their_segment() {
        let template = "/api/v1/tenants/{tenant}/keys/{key}/rotate";
        assert_eq!(fill(template, &["acme", "k1"]).unwrap(), "/api/v1/tenants/acme/keys/k1/rotate");
        assert_eq!(
            fill(template, &["a/../b", "ä?x#%"]).unwrap(),
            "/api/v1/tenants/a%2F..%2Fb/keys/%C3%A4%3Fx%23%25/rotate"
        );
        for bad in ["", ".", ".."] {
            assert!(matches!(fill(template, &["acme", bad]), Err(ClientError::Name(_))), "{bad:?}");
        }
    }

    #[test]
    fn a_query_has_what_was_given() {
        assert_eq!(with_query("/a".to_owned(), &[("x", None)]), "/a");
        let query = [("x", Some("1 2".to_owned())), ("y", None), ("z", Some("&".to_owned()))];
        assert_eq!(with_query("/a".to_owned(), &query), "/a?x=1%202&z=%26");
    }
}
