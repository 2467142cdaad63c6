//! Words that may not stand in the code, looked for in its tokens: comments and strings do not count, macros do.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::source::Source;
use super::{Checked, Finding};

/// What may contain `unsafe`: the crate that starts processes, and the program that attacks it.
const UNSAFE_FOLDERS: [&str; 2] = ["crates/smcp-workerd/", "tests/prober/"];

/// Tests neither sleep nor are ignored.
pub(super) fn tests(sources: &[Source]) -> Checked {
    let mut findings = Vec::new();
    let mut looked_at = 0;
    for source in sources {
        let tokens = flatten(source.tokens.clone());
        looked_at += count_tests(&tokens);
        for (index, token) in tokens.iter().enumerate() {
            let rest = &tokens[index..];
            if source.is_test_line(token.line) && sleeps(rest) {
                findings.push(Finding::new(
                    "tests",
                    at(source, token),
                    "a test sleeps: wait for what it waits for",
                ));
            }
            if starts_with(rest, &["#", "[", "ignore"]) {
                findings.push(Finding::new(
                    "tests",
                    at(source, token),
                    "`#[ignore]`: fix the test or delete it",
                ));
            }
        }
    }
    Checked::new("tests", looked_at, findings)
}

/// `unsafe` stays where processes are started.
pub(super) fn unsafe_code(sources: &[Source]) -> Checked {
    let mut findings = Vec::new();
    let safe =
        sources.iter().filter(|source| UNSAFE_FOLDERS.iter().all(|folder| !source.path.starts_with(folder)));
    let mut looked_at = 0;
    for source in safe {
        looked_at += 1;
        let tokens = flatten(source.tokens.clone());
        let words = tokens.iter().filter(|token| token.word == "unsafe");
        findings.extend(words.map(|token| {
            Finding::new("unsafe", at(source, token), "only smcp-workerd and the prober may contain `unsafe`")
        }));
    }
    Checked::new("unsafe code", looked_at, findings)
}

fn at(source: &Source, token: &Token) -> String {
    format!("{}:{}", source.path, token.line)
}

/// One word or sign.
struct Token {
    word: String,
    line: usize,
}

/// Groups become their brackets and what is between; literals become nothing.
fn flatten(stream: TokenStream) -> Vec<Token> {
    let mut tokens = Vec::new();
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                tokens.push(Token { word: open.to_owned(), line });
                tokens.extend(flatten(group.stream()));
                tokens.push(Token { word: close.to_owned(), line: group.span_close().end().line });
            }
            TokenTree::Ident(ident) => tokens.push(Token { word: ident.to_string(), line }),
            TokenTree::Punct(punct) => tokens.push(Token { word: punct.to_string(), line }),
            TokenTree::Literal(_) => tokens.push(Token { word: String::new(), line }),
        }
    }
    tokens
}

fn starts_with(tokens: &[Token], words: &[&str]) -> bool {
    tokens.len() >= words.len() && tokens.iter().zip(words).all(|(token, word)| token.word == *word)
}

/// `thread::sleep`, `time::sleep`, `time::{self, sleep_until}` and the like.
fn sleeps(tokens: &[Token]) -> bool {
    let named = |word: &str| matches!(word, "sleep" | "sleep_until" | "sleep_ms");
    let from = ["thread", "time"].iter().any(|module| starts_with(tokens, &[module, ":", ":"]));
    match tokens.get(3) {
        Some(token) if from && token.word == "{" => {
            tokens[4..].iter().take_while(|token| token.word != "}").any(|token| named(&token.word))
        }
        Some(token) => from && named(&token.word),
        None => false,
    }
}

fn count_tests(tokens: &[Token]) -> usize {
    (0..tokens.len())
        .filter(|index| {
            let rest = &tokens[*index..];
            starts_with(rest, &["#", "[", "test"])
                || starts_with(rest, &["#", "[", "tokio", ":", ":", "test"])
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::{tests, unsafe_code};
    use crate::tidy::source::Source;

    fn source(path: &str, text: &str) -> Source {
        Source::parse(path, text).unwrap()
    }

    #[test]
    fn sleeping_tests_are_found_wherever_the_sleep_hides() {
        for sleepy in [
            "fn f() { std::thread::sleep(d); }",
            "fn f() { tokio::select! { _ = tokio::time::sleep(d) => {} } }",
            "use tokio::time::{Duration, sleep};",
            "use std::thread::sleep;",
        ] {
            assert_eq!(tests(&[source("tests/src/a.rs", sleepy)]).findings.len(), 1, "{sleepy}");
            assert!(
                tests(&[source("crates/a/src/lib.rs", sleepy)]).findings.is_empty(),
                "product code: {sleepy}"
            );
            let inline = format!("#[cfg(test)]\nmod tests {{ {sleepy} }}");
            assert_eq!(tests(&[source("crates/a/src/lib.rs", &inline)]).findings.len(), 1, "{inline}");
        }
        let awake = "fn f() { /* thread::sleep */ let s = \"time::sleep\"; clock.sleep(); }";
        assert!(tests(&[source("tests/src/a.rs", awake)]).findings.is_empty());
    }

    #[test]
    fn ignored_tests_are_found_in_macros_too() {
        for ignored in
            ["#[ignore] fn f() {}", "#[ignore = \"slow\"] fn f() {}", "m! { #[test] #[ignore] fn f() {} }"]
        {
            assert_eq!(tests(&[source("crates/a/src/lib.rs", ignored)]).findings.len(), 1, "{ignored}");
        }
        assert!(tests(&[source("a.rs", "fn ignore() { let ignore = \"#[ignore]\"; }")]).findings.is_empty());
    }

    #[test]
    fn tests_are_counted() {
        let text =
            "#[test] fn a() {} #[tokio::test] async fn b() {} proptest! { #[test] fn c() {} } fn d() {}";
        assert_eq!(tests(&[source("a.rs", text)]).looked_at, 3);
    }

    #[test]
    fn unsafe_stays_in_its_crate() {
        let text = "#![deny(unsafe_code)]\nfn f() { unsafe { g() } }\n#[unsafe(no_mangle)]\nfn h() {}";
        let places: Vec<_> = unsafe_code(&[source("crates/a/src/lib.rs", text)])
            .findings
            .into_iter()
            .map(|found| found.place)
            .collect();
        assert_eq!(places, ["crates/a/src/lib.rs:2", "crates/a/src/lib.rs:3"]);
        for path in ["crates/smcp-workerd/src/lib.rs", "tests/prober/src/raw.rs"] {
            assert!(unsafe_code(&[source(path, text)]).findings.is_empty(), "{path}");
        }
    }
}
