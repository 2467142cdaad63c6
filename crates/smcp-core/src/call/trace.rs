//! W3C Trace Context of a call: a valid one is continued, anything else is replaced by a new one.

use http::{HeaderMap, HeaderValue, header::HeaderName};
use smcp_types::{Error, Result};

use crate::ports::Entropy;

const PARENT: HeaderName = HeaderName::from_static("traceparent");
const STATE: HeaderName = HeaderName::from_static("tracestate");
/// Length of version 00 (Trace Context, 3.2.2).
const PARENT_CHARS: usize = 55;
/// What is passed on of `tracestate` at least, and here at most (3.3.1.5).
const MAX_STATE: usize = 512;
/// Members that `tracestate` may have (3.3.1.1).
const MAX_MEMBERS: usize = 32;
/// Flags of a trace that begins here: nothing is said about recording it.
const NEW_FLAGS: &str = "00";

/// Puts the trace context of a call into the headers that go upstream: the client's trace with a span of ours, or a new
/// trace. `tracestate` belongs to the trace it came with.
pub(super) fn carry(headers: &mut HeaderMap, entropy: &dyn Entropy) -> Result<()> {
    let continued = continued(headers);
    let state = continued.is_some().then(|| joined_state(headers)).flatten();
    let (trace, flags) = continued.unwrap_or_else(|| (random_hex::<16>(entropy), NEW_FLAGS.to_owned()));
    let parent = format!("00-{trace}-{}-{flags}", random_hex::<8>(entropy));
    headers.insert(PARENT, HeaderValue::from_str(&parent).map_err(Error::internal)?);
    headers.remove(STATE);
    if let Some(state) = state {
        headers.insert(STATE, state);
    }
    Ok(())
}

/// Trace id and flags of the one valid `traceparent`.
fn continued(headers: &HeaderMap) -> Option<(String, String)> {
    let mut all = headers.get_all(PARENT).iter();
    let (first, None) = (all.next()?, all.next()) else { return None };
    let text = first.to_str().ok()?;
    let (known, more) = (text.get(..PARENT_CHARS)?, text.get(PARENT_CHARS..)?);
    let mut parts = known.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let sound = parts.next().is_none()
        && is_hex(version, 2)
        && is_hex(trace, 32)
        && is_hex(span, 16)
        && is_hex(flags, 2)
        && version != "ff"
        // Version 00 ends here; a later one may go on after a dash, and is read as far as 00 goes.
        && (more.is_empty() || (version != "00" && more.starts_with('-')))
        && trace.bytes().any(|b| b != b'0')
        && span.bytes().any(|b| b != b'0');
    // Of the flags we know one: sampled. What we do not know is not passed on under our version.
    let sampled = u8::from_str_radix(flags, 16).ok()? & 1;
    sound.then(|| (trace.to_owned(), format!("{sampled:02x}")))
}

fn is_hex(text: &str, chars: usize) -> bool {
    text.len() == chars && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// All `tracestate` headers as one (3.3.1), if that is within its bounds.
fn joined_state(headers: &HeaderMap) -> Option<HeaderValue> {
    let all: Option<Vec<&str>> =
        headers.get_all(STATE).iter().map(|value| value.to_str().ok().map(str::trim)).collect();
    let joined = all?.join(",");
    let fits = !joined.is_empty() && joined.len() <= MAX_STATE && joined.split(',').count() <= MAX_MEMBERS;
    let value = fits.then(|| HeaderValue::from_str(&joined).ok()).flatten();
    value.filter(|_| joined.is_ascii())
}

fn random_hex<const BYTES: usize>(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; BYTES];
    entropy.fill(&mut bytes);
    // An id of zeros is none.
    bytes[BYTES - 1] |= u8::from(bytes.iter().all(|b| *b == 0));
    data_encoding::HEXLOWER.encode(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Zeros;
    impl Entropy for Zeros {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(0);
        }
    }

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const NEW: &str = "00-00000000000000000000000000000001-0000000000000001-00";

    fn carried(parents: &[&str], states: &[&str]) -> (String, Option<String>) {
        let mut headers = HeaderMap::new();
        for parent in parents {
            headers.append(PARENT, parent.parse().unwrap());
        }
        for state in states {
            headers.append(STATE, state.parse().unwrap());
        }
        carry(&mut headers, &Zeros).unwrap();
        assert_eq!(headers.get_all(PARENT).iter().count(), 1);
        assert!(headers.get_all(STATE).iter().count() <= 1);
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        (text(PARENT).unwrap(), text(STATE))
    }

    #[test]
    fn a_valid_trace_is_continued_with_a_span_of_ours() {
        let ours = |flags: &str| format!("00-{TRACE}-0000000000000001-{flags}");
        for (parent, expected) in [
            (format!("00-{TRACE}-b7ad6b7169203331-01"), ours("01")),
            (format!("00-{TRACE}-b7ad6b7169203331-00"), ours("00")),
            (format!("00-{TRACE}-b7ad6b7169203331-ff"), ours("01")),
            (format!("cc-{TRACE}-b7ad6b7169203331-01"), ours("01")),
            (format!("cc-{TRACE}-b7ad6b7169203331-01-what-comes"), ours("01")),
        ] {
            let (parent, state) = carried(&[&parent], &["a=1", " b=2 "]);
            assert_eq!((parent, state.as_deref()), (expected, Some("a=1,b=2")));
        }
    }

    #[test]
    fn anything_else_begins_a_new_trace_without_state() {
        let good = format!("00-{TRACE}-b7ad6b7169203331-01");
        let zeros = "0".repeat(32);
        for parents in [
            vec![],
            vec![""],
            vec![good.as_str(), good.as_str()],
            vec![&good[..54]],
            vec![&good.to_uppercase()],
            vec![&format!("{good}-more")],
            vec![&format!("cc{}x", &good[2..])],
            vec![&format!("ff{}", &good[2..])],
            vec![&good.replace(TRACE, &zeros)],
            vec![&good.replace("b7ad6b7169203331", "0000000000000000")],
            vec![&good.replace('-', "_")],
            vec![&good.replace("7ad6", "7-d6")],
            vec![&format!(" {good} x")],
        ] {
            assert_eq!(carried(&parents, &["a=1"]), (NEW.to_owned(), None), "{parents:?}");
        }
    }

    #[test]
    fn state_is_bounded() {
        let good = format!("00-{TRACE}-b7ad6b7169203331-01");
        assert_eq!(carried(&[&good], &[&"a".repeat(513)]).1, None);
        assert_eq!(carried(&[&good], &["a=1", &vec!["b=1"; 32].join(",")]).1, None);
        assert_eq!(carried(&[&good], &[]).1, None);
    }
}
