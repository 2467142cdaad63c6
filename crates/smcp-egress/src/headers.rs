//! Which headers go through, out and in, and what a request's headers say about its body.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::refused::Refused;

/// Most headers of a message, either way.
pub(crate) const MAX_HEADERS: usize = 100;
/// Largest head of a message, either way, in bytes.
pub(crate) const MAX_HEAD: usize = 64 << 10;

/// About one connection, not about the message.
const HOP_BY_HOP: [&str; 11] = [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What a request of hosted code says about the length of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// No body.
    None,
    /// So many bytes.
    Exactly(u64),
    /// Until it ends.
    Unknown,
}

impl Length {
    /// Reads both framing headers. More than one word about it is how two readers come to see two requests.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Refused> {
        let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
        let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
        let length = match (lengths.next(), codings.next()) {
            (None, None) => Self::None,
            (Some(length), None) => digits(length).map(Self::Exactly).ok_or_else(Refused::framing)?,
            (None, Some(coding)) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Self::Unknown,
            (_, Some(_)) => return Err(Refused::framing()),
        };
        if lengths.next().or(codings.next()).is_some() { Err(Refused::framing()) } else { Ok(length) }
    }
}

fn digits(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Whether a request asks to speak another protocol.
pub(crate) fn asks_for_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(header::UPGRADE) || nominated(headers).any(|name| name == header::UPGRADE)
}

/// The headers of hosted code that go out. The host comes from the request line, the framing from the body; labels that
/// the platform or the runtime puts on requests are nobody else's business.
pub(crate) fn outgoing(headers: &HeaderMap) -> HeaderMap {
    let own = |name: &HeaderName| {
        matches!(*name, header::HOST | header::CONTENT_LENGTH | header::EXPECT)
            || name.as_str().starts_with("cf-")
    };
    through(headers, own)
}

/// The headers of an answer that hosted code gets to see.
pub(crate) fn incoming(headers: &HeaderMap) -> HeaderMap {
    let chunked = headers.contains_key(header::TRANSFER_ENCODING);
    through(headers, |name| chunked && *name == header::CONTENT_LENGTH)
}

fn through(headers: &HeaderMap, own: impl Fn(&HeaderName) -> bool) -> HeaderMap {
    let nominated: Vec<HeaderName> = nominated(headers).collect();
    let stays = |name: &HeaderName| {
        !HOP_BY_HOP.contains(&name.as_str())
            && !name.as_str().starts_with("x-smcp-")
            && !own(name)
            && !nominated.contains(name)
    };
    let through = headers.iter().filter(|(name, _)| stays(name));
    through.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// What `Connection` says is about the connection.
fn nominated(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok())
}

/// What a head has in bytes, as far as the other side can make it grow.
pub(crate) fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        headers.iter().map(pair).collect()
    }

    #[test]
    fn one_word_about_the_length() {
        for (headers, length) in [
            (map(&[]), Ok(Length::None)),
            (map(&[("content-length", "0")]), Ok(Length::Exactly(0))),
            (map(&[("content-length", "12")]), Ok(Length::Exactly(12))),
            (map(&[("transfer-encoding", "Chunked")]), Ok(Length::Unknown)),
            (map(&[("content-length", "1"), ("transfer-encoding", "chunked")]), Err(Refused::framing())),
            (map(&[("content-length", "1"), ("content-length", "1")]), Err(Refused::framing())),
            (map(&[("content-length", "1, 1")]), Err(Refused::framing())),
            (map(&[("content-length", "+1")]), Err(Refused::framing())),
            (map(&[("content-length", "")]), Err(Refused::framing())),
            (map(&[("content-length", "99999999999999999999")]), Err(Refused::framing())),
            (map(&[("transfer-encoding", "gzip, chunked")]), Err(Refused::framing())),
            (
                map(&[("transfer-encoding", "chunked"), ("transfer-encoding", "identity")]),
                Err(Refused::framing()),
            ),
        ] {
            assert_eq!(Length::of(&headers), length, "{headers:?}");
        }
    }

    #[test]
    fn what_is_about_the_connection_stays_here() {
        let headers = map(&[
            ("accept", "*/*"),
            ("authorization", "Bearer own"),
            ("cf-worker", "a"),
            ("connection", "close, X-Secret-Hop"),
            ("content-length", "3"),
            ("expect", "100-continue"),
            ("host", "evil.example"),
            ("keep-alive", "1"),
            ("proxy-authorization", "Basic a"),
            ("te", "trailers"),
            ("traceparent", "00-a-b-01"),
            ("transfer-encoding", "chunked"),
            ("x-secret-hop", "1"),
            ("x-smcp-tenant", "evil"),
        ]);
        let out = map(&[("accept", "*/*"), ("authorization", "Bearer own"), ("traceparent", "00-a-b-01")]);
        assert_eq!(outgoing(&headers), out);
        let back = map(&[
            ("connection", "x-hop"),
            ("content-length", "3"),
            ("transfer-encoding", "chunked"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("x-hop", "1"),
            ("x-smcp-egress", "refused"),
        ]);
        assert_eq!(incoming(&back), map(&[("set-cookie", "a=1"), ("set-cookie", "b=2")]));
        assert_eq!(incoming(&map(&[("content-length", "3")])).len(), 1);
    }

    #[test]
    fn upgrades() {
        assert!(asks_for_upgrade(&map(&[("upgrade", "websocket")])));
        assert!(asks_for_upgrade(&map(&[("connection", "keep-alive, UPGRADE")])));
        assert!(!asks_for_upgrade(&map(&[("connection", "keep-alive")])));
    }
}
