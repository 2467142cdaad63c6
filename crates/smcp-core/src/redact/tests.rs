//! Every encoding of the list, whole and in chunks; the encoders here are not those that the redactor uses.

use std::{io::Write as _, sync::Arc};

use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};
use flate2::{Compression, write::GzEncoder};

use super::*;

const SECRET: &str = "s3cr&t/<\"Zürich'+ \\t";

fn redactor(secrets: &[&str]) -> Arc<Redactor> {
    let secrets: Vec<Secret<String>> = secrets.iter().map(|text| Secret::new((*text).to_owned())).collect();
    Arc::new(Redactor::new(&secrets).unwrap())
}

fn in_chunks(redactor: &Arc<Redactor>, bytes: &[u8], size: usize) -> Vec<u8> {
    let mut stream = Redacting::new(Arc::clone(redactor));
    let mut out: Vec<u8> = bytes.chunks(size).flat_map(|chunk| stream.push(chunk)).collect();
    out.extend(stream.finish());
    out
}

/// What it is in every encoding, each between two texts that must stay.
fn encoded(secret: &str) -> Vec<(&'static str, String)> {
    let escaped = |each: &dyn Fn(u16) -> String| secret.encode_utf16().map(each).collect::<String>();
    let json = serde_json::to_string(secret).unwrap();
    let json = json[1..json.len() - 1].to_owned();
    let component: String = secret
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z'
            | b'a'..=b'z'
            | b'0'..=b'9'
            | b'-'
            | b'_'
            | b'.'
            | b'!'
            | b'~'
            | b'*'
            | b'\''
            | b'('
            | b')' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect();
    vec![
        ("raw", secret.to_owned()),
        ("upper", secret.to_ascii_uppercase()),
        ("hex", HEXLOWER.encode(secret.as_bytes())),
        ("HEX", HEXUPPER.encode(secret.as_bytes())),
        ("json", json.clone()),
        ("json with slashes", json.replace('/', "\\/")),
        ("json, HTML-safe", json.replace('<', "\\u003c").replace('&', "\\u0026").replace('\'', "\\u0027")),
        ("json, upper", json.replace('<', "\\u003C").replace('&', "\\u0026").replace('\'', "\\u0027")),
        ("json, ascii", json.replace('ü', "\\u00fc")),
        ("json, HTML-safe as in Go", json.replace('<', "\\u003c").replace('&', "\\u0026")),
        (
            "json as in .NET",
            json.replace("\\\"", "\\u0022")
                .replace('<', "\\u003C")
                .replace('&', "\\u0026")
                .replace('\'', "\\u0027")
                .replace('+', "\\u002B")
                .replace('ü', "\\u00FC"),
        ),
        ("all escaped", escaped(&|unit| format!("\\u{unit:04x}"))),
        ("ALL escaped", escaped(&|unit| format!("\\u{unit:04X}"))),
        ("component", component.clone()),
        ("component, lower", component.to_ascii_lowercase()),
        ("every byte", secret.bytes().map(|byte| format!("%{byte:02x}")).collect()),
        ("EVERY byte", secret.bytes().map(|byte| format!("%{byte:02X}")).collect()),
        ("RFC 3986", component.replace('\'', "%27")),
        ("form", component.replace('\'', "%27").replace("%20", "+")),
        (
            "entities",
            secret.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;").replace('\'', "&#39;"),
        ),
        (
            "entities, hexadecimal",
            secret.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;").replace('\'', "&#x27;"),
        ),
    ]
}

#[test]
fn every_encoding_is_found_whole_and_in_chunks() {
    let redactor = redactor(&[SECRET]);
    for (encoding, text) in encoded(SECRET) {
        let echo = format!("{{\"you sent\": \"{text}\"}} and {text} again");
        let expected = b"{\"you sent\": \"[redacted]\"} and [redacted] again".to_vec();
        assert_eq!(redactor.redact_bytes(echo.as_bytes()), expected, "{encoding}");
        for size in 1..=echo.len() {
            assert_eq!(in_chunks(&redactor, echo.as_bytes(), size), expected, "{encoding} by {size}");
        }
    }
}

#[test]
fn base64_is_found_wherever_it_begins() {
    let redactor = redactor(&[SECRET]);
    for (alphabet, before) in
        [(&BASE64, 0), (&BASE64, 1), (&BASE64, 2), (&BASE64, 5), (&BASE64URL, 3), (&BASE64URL, 7)]
    {
        for after in 0..4 {
            let plain = format!("{}{SECRET}{}", "u".repeat(before), "v".repeat(after));
            let text = alphabet.encode(plain.as_bytes());
            let core = &text[before * 4 / 3 + 2..text.len() - after * 4 / 3 - 4];
            for size in [1, 2, 3, 7, 1000] {
                let out = String::from_utf8(in_chunks(&redactor, text.as_bytes(), size)).unwrap();
                assert!(out.contains(MARK), "{before} {after} {out}");
                assert!(
                    !out.contains(&core[..6]) && !out.contains(&core[core.len() - 6..]),
                    "{before} {after} {out}"
                );
            }
        }
    }
}

#[test]
fn the_password_of_basic_authentication_is_found() {
    let redactor = redactor(&["correct horse battery"]);
    let header = format!("Basic {}", BASE64.encode(b"me:correct horse battery"));
    let out = redactor.redact_text(&header);
    assert!(out.starts_with("Basic b") && out.contains(MARK) && out.len() < 26, "{out}");
}

#[test]
fn secrets_that_overlap_leave_no_rest() {
    let redactor = redactor(&["abcdefghij", "ghijklmnop", "cdefghij", "abcdefghijXYZ"]);
    for (text, expected) in [
        ("-abcdefghijklmnop-", "-[redacted]-"),
        ("-abcdefghijXYZ-", "-[redacted]-"),
        ("-abcdefghijabcdefghij-", "-[redacted][redacted]-"),
        ("-abcdefghijXY", "-[redacted]XY"),
        ("-abcdefghi-", "-abcdefghi-"),
        ("abcabcdefghij", "abc[redacted]"),
    ] {
        for size in 1..=text.len() {
            let out = String::from_utf8(in_chunks(&redactor, text.as_bytes(), size)).unwrap();
            assert_eq!(out, expected, "{text} by {size}");
        }
    }
}

#[test]
fn no_more_is_held_back_than_a_secret_could_begin_with() {
    let mut stream = Redacting::new(redactor(&["correct horse battery"]));
    assert_eq!(stream.push(b"data: 1\n\n"), b"data: 1\n\n");
    assert_eq!(stream.push(b"data: correct"), b"data: ");
    assert_eq!(stream.push(b"ly\n\n"), b"correctly\n\n");
    assert_eq!(stream.push(b"correct horse batter"), b"");
    assert_eq!(stream.push(b"y"), b"[redacted]");
    assert_eq!(stream.push(b"corr"), b"");
    assert_eq!(stream.finish(), b"corr");
}

#[test]
fn short_secrets_are_left_alone() {
    let redactor = redactor(&["1234567", ""]);
    assert!(redactor.is_idle());
    assert_eq!(redactor.redact_text("1234567"), "1234567");
    assert_eq!(in_chunks(&redactor, b"1234567", 2), b"1234567");
}

#[test]
fn gzip_is_unpacked_or_refused() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let plain = "correct horse battery ".repeat(1000);
    encoder.write_all(plain.as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    let mut out = Vec::new();
    let mut gunzip = Gunzip::default();
    for chunk in packed.chunks(5) {
        gunzip.push(chunk, |piece| out.write_all(piece).map_err(Error::internal)).unwrap();
    }
    gunzip.finish(|piece| out.write_all(piece).map_err(Error::internal)).unwrap();
    assert_eq!(out, plain.as_bytes());

    let mut cut = Gunzip::default();
    cut.push(&packed[..packed.len() / 2], |_| Ok(())).unwrap();
    assert!(cut.finish(|_| Ok(())).is_err());
    assert!(Gunzip::default().push(b"no gzip at all", |_| Ok(())).is_err());
    Gunzip::default().finish(|_| Ok(())).unwrap();
}

#[test]
fn a_gzip_bomb_is_left_to_the_receiver_in_bounded_pieces() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..64 {
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    let mut taken = 0;
    let result = Gunzip::default().push(&bomb, |piece| {
        assert!(piece.len() <= 2 << 20, "{}", piece.len());
        taken += piece.len();
        if taken > 8 << 20 { Err(Error::internal("enough")) } else { Ok(()) }
    });
    assert_eq!(result, Err(Error::internal("enough")));
}

#[test]
fn what_console_shows_of_a_secret_inside_of_something_else() {
    let finder = redactor(&["S3cret\"'\\\u{0}\ttoken"]);
    for shown in [
        r#"{ TOK: 'S3cret"\'\\\x00\ttoken' }"#,
        r#"{ TOK: "S3cret\"'\\\x00\ttoken" }"#,
        r#"[ `S3cret"'\\\x00\ttoken` ]"#,
    ] {
        let clean = finder.redact_text(shown);
        assert!(clean.contains("[redacted]") && !clean.contains("token"), "{clean}");
    }
    let finder = redactor(&["-----BEGIN KEY-----\nMIIEvgIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----\n"]);
    let shown = "'-----BEGIN KEY-----\\n' +\n  'MIIEvgIBADANBg\\n' +\n  'kqhkiG9w0BAQEF\\n'";
    let clean = finder.redact_text(shown);
    assert!(!clean.contains("MIIE") && !clean.contains("kqhk") && clean.contains("BEGIN"), "{clean}");
}
