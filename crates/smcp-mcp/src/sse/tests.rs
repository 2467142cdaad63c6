//! Streams by the letter of WHATWG HTML, and any stream cut anywhere.

use super::*;
use proptest::{
    prelude::{Just, Strategy, any},
    prop_assert_eq, prop_oneof, proptest,
    sample::Index,
};

const LIMIT: usize = 1 << 16;

fn decode(chunks: &[&[u8]], limit: usize) -> (Vec<Event>, Result<(), EventTooLarge>) {
    let mut decoder = Decoder::new(limit);
    let mut events = Vec::new();
    let result = chunks.iter().try_for_each(|chunk| decoder.push(chunk, &mut events));
    (events, result)
}

fn data(text: &str) -> Event {
    Event::message(text)
}

#[test]
fn streams_are_read_by_the_letter() {
    let typed = |event: &str, text: &str| Event { event: Some(event.to_owned()), ..data(text) };
    let id = |id: &str| Event { id: Some(id.to_owned()), ..Event::default() };
    let cases: &[(&str, &str, Vec<Event>)] = &[
        ("lines of data are joined", "data: YHOO\ndata: +2\ndata: 10\n\n", vec![data("YHOO\n+2\n10")]),
        (
            "comments and ids",
            ": test stream\n\ndata: first\nid: 1\n\ndata:second\nid\n\ndata:  third\n\n",
            vec![
                Event { id: Some("1".to_owned()), ..data("first") },
                Event { id: Some(String::new()), ..data("second") },
                data(" third"),
            ],
        ),
        ("empty data", "data\n\ndata\ndata\n\ndata:", vec![data(""), data("\n")]),
        ("one space is cut", "data:test\n\ndata: test\n\n", vec![data("test"), data("test")]),
        (
            "all three line ends",
            "data: a\r\rdata: b\r\n\r\ndata: c\n\n",
            vec![data("a"), data("b"), data("c")],
        ),
        ("a byte order mark", "\u{feff}data: a\n\n\u{feff}data: b\n\n", vec![data("a")]),
        (
            "types",
            "event: endpoint\ndata: /x\n\nevent:\ndata: y\n\n",
            vec![typed("endpoint", "/x"), data("y")],
        ),
        (
            "the last type and id win",
            "event: a\nevent: b\nid: 1\nid: 2\ndata\n\n",
            vec![Event { id: Some("2".to_owned()), ..typed("b", "") }],
        ),
        (
            "blocks without data",
            "id: 7\n\n:x\n\nretry: 100\n\n",
            vec![id("7"), Event { retry: Some(100), ..Event::default() }],
        ),
        (
            "values that do not count",
            "retry: 1s\nretry:\nretry: 99999999999999999999\nid: a\0b\nfoo: x\nData: y\n\n",
            vec![],
        ),
        ("the end loses what is not finished", "data: a\n\ndata: b\n", vec![data("a")]),
        ("blank lines", "\n\r\n\r\n\n", vec![]),
    ];
    for (name, stream, expected) in cases {
        assert_eq!(decode(&[stream.as_bytes()], LIMIT), (expected.clone(), Ok(())), "{name}");
    }
}

#[test]
fn bytes_that_are_not_unicode_are_replaced() {
    assert_eq!(decode(&[b"data: a\xff\xe2\x82\n\n"], LIMIT).0, [data("a\u{fffd}\u{fffd}")]);
}

#[test]
fn the_bound_holds_for_lines_fields_and_comments() {
    let tooth = Err(EventTooLarge { limit: 10 });
    for (name, stream) in [
        ("one long line", "data: abcdef\n\n"),
        ("a long line without its end", "data: abcdef"),
        ("many short lines", "data:1\ndata:2\ndata:3\ndata:4\n\n"),
        ("a long comment", ":0123456789\n"),
        ("an id and data", "id:12345\ndata:6\n\n"),
    ] {
        assert_eq!(decode(&[b"data:x\n\n", stream.as_bytes()], 10), (vec![data("x")], tooth), "{name}");
    }
    let keep_alive = ":1234\n".repeat(100);
    assert_eq!(decode(&[keep_alive.as_bytes(), b"data:a\n\n"], 10), (vec![data("a")], Ok(())));
    let mut decoder = Decoder::new(1);
    assert!(decoder.push(b"xx", &mut Vec::new()).is_err());
    assert!(decoder.push(b"", &mut Vec::new()).is_err(), "a failed stream stays failed");
}

#[test]
fn a_decoder_knows_whether_something_is_pending() {
    let mut decoder = Decoder::new(LIMIT);
    let mut events = Vec::new();
    for (bytes, between) in [("", true), ("da", false), ("ta: a\n", false), ("\n", true), (": c\n", true)] {
        assert_eq!(decoder.push(bytes.as_bytes(), &mut events), Ok(()));
        assert_eq!(decoder.is_between_events(), between, "after {bytes:?}");
    }
}

#[test]
fn text_cannot_break_out_of_its_field() {
    let event = Event {
        event: Some("x\ndata: forged".to_owned()),
        data: Some("a\r\nid: forged\rb\n".to_owned()),
        id: Some("1\0\r\n2".to_owned()),
        retry: None,
    };
    let mut bytes = Vec::new();
    encode(&event, &mut bytes);
    let read = Event {
        event: Some("xdata: forged".to_owned()),
        data: Some("a\nid: forged\nb\n".to_owned()),
        id: Some("12".to_owned()),
        retry: None,
    };
    assert_eq!(decode(&[&bytes], LIMIT).0, [read]);
    let mut nothing = Vec::new();
    encode(&Event::default(), &mut nothing);
    assert!(nothing.is_empty());
}

/// Text rich in what matters to the format.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        4 => Just(b"data: ".to_vec()),
        2 => Just(b"\n".to_vec()),
        2 => Just(b"\r".to_vec()),
        2 => Just(b"\r\n".to_vec()),
        1 => Just(b"\n\n".to_vec()),
        1 => Just(b"event:".to_vec()),
        1 => Just(b"id:".to_vec()),
        1 => Just(b"retry: 5".to_vec()),
        1 => Just(b"\xef\xbb\xbf".to_vec()),
        2 => proptest::collection::vec(any::<u8>(), 0..6),
    ];
    proptest::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

fn line() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|text| text.replace(['\n', '\r', '\0'], ""))
}

fn event() -> impl Strategy<Value = Event> {
    let name = line().prop_map(|name| (!name.is_empty()).then_some(name));
    let data =
        proptest::option::of(proptest::collection::vec(line(), 0..4).prop_map(|lines| lines.join("\n")));
    (name, data, proptest::option::of(line()), proptest::option::of(any::<u64>()))
        .prop_map(|(event, data, id, retry)| Event { event, data, id, retry })
}

proptest! {
    #[test]
    fn any_cutting_gives_the_same_events(
        stream in stream(),
        cuts in proptest::collection::vec(any::<Index>(), 0..8),
        limit in prop_oneof![Just(LIMIT), 1_usize..40],
    ) {
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        at.extend([0, stream.len()]);
        at.sort_unstable();
        let chunks: Vec<&[u8]> = at.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        prop_assert_eq!(decode(&chunks, limit), decode(&[&stream], limit));
    }

    #[test]
    fn the_encoder_is_the_decoders_inverse(events in proptest::collection::vec(event(), 0..5)) {
        let mut bytes = Vec::new();
        events.iter().for_each(|event| encode(event, &mut bytes));
        let told: Vec<Event> = events.into_iter().filter(|event| !event.is_empty()).collect();
        prop_assert_eq!(decode(&[&bytes], usize::MAX), (told, Ok(())));
    }
}
