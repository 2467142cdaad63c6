//! Patterns of JSON Schema (ECMA-262) as automata: whatever the pattern, a text is read once, from left to right.

use regex_automata::{
    Anchored, Input,
    dfa::{Automaton as _, StartKind, dense},
    nfa::thompson,
    util::syntax,
};

/// Most bytes of one pattern's automaton.
const MAX_AUTOMATON: usize = 1 << 20;
/// Most bytes of what it is made from.
const MAX_STEP: usize = 2 << 20;
/// Longest pattern.
const MAX_CHARS: usize = 4096;
/// Deepest nesting of groups.
const MAX_NESTING: u32 = 64;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Box<dense::DFA<Vec<u32>>>);

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// What is wrong with it, for its author.
    pub(super) fn new(pattern: &str) -> Result<Self, String> {
        if pattern.len() > MAX_CHARS {
            return Err(format!("must have at most {MAX_CHARS} characters"));
        }
        let translated = translate(pattern);
        let built = dense::Builder::new()
            .configure(
                dense::Config::new()
                    .start_kind(StartKind::Unanchored)
                    .dfa_size_limit(Some(MAX_AUTOMATON))
                    .determinize_size_limit(Some(MAX_STEP)),
            )
            .thompson(thompson::Config::new().nfa_size_limit(Some(MAX_STEP)))
            .syntax(syntax::Config::new().nest_limit(MAX_NESTING))
            .build(&translated);
        built.map(|built| Self(Box::new(built))).map_err(|error| {
            if error.is_size_limit_exceeded() {
                return "is too large to be matched in linear time: shorten its repetitions".to_owned();
            }
            let why = "must be a regular expression without look-around and back-references";
            let source = std::error::Error::source(&error).map(|source| source.to_string());
            let last = source.as_deref().and_then(|source| source.lines().last().map(str::trim));
            let last = last.map(|last| last.trim_start_matches("error: "));
            last.map_or_else(|| why.to_owned(), |last| format!("{why} ({last})"))
        })
    }

    /// What it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.0.memory_usage()
    }

    /// Whether it matches anywhere in the text.
    pub(super) fn matches(&self, text: &str) -> bool {
        let input = Input::new(text).anchored(Anchored::No).earliest(true);
        // An automaton without word boundaries of Unicode never gives up.
        matches!(self.0.try_search_fwd(&input), Ok(Some(_)))
    }
}

/// Writes the parts that mean something else in ECMA-262 in the words of the engine here: classes are of ASCII there, a
/// bracket inside a class is a character, and some escapes have other names.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut chars = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' if in_class && chars.next_if_eq(&'b').is_some() => out.push_str("\\x{8}"),
            '\\' => escape(&mut out, &mut chars),
            '[' if in_class => out.push_str("\\["),
            '[' => {
                in_class = true;
                out.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                if chars.next_if_eq(&']').is_some() {
                    // `[]` matches nothing and `[^]` everything.
                    let everything = out.ends_with('^');
                    out.truncate(out.len() - if everything { 2 } else { 1 });
                    out.push_str(if everything { "(?s:.)" } else { "[^\\x{0}-\\x{10FFFF}]" });
                    in_class = false;
                }
            }
            ']' => {
                in_class = false;
                out.push(']');
            }
            '&' | '~' if in_class => {
                out.push('\\');
                out.push(c);
            }
            // Two of them would take a set away; at the end, or before a class, one is itself.
            '-' if in_class && out.ends_with('-') => out.push_str("\\-"),
            // A line ends in more than one way there.
            '.' if !in_class => out.push_str("[^\\n\\r\\x{2028}\\x{2029}]"),
            '$' if !in_class => out.push_str("\\z"),
            '^' if !in_class => out.push_str("\\A"),
            _ => out.push(c),
        }
    }
    out
}

fn escape(out: &mut String, chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    const SPACE: &str = "\\t\\n\\x0b\\x0c\\r \\x{a0}\\x{feff}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}";
    let Some(c) = chars.next() else { return out.push('\\') };
    match c {
        'd' => out.push_str("[0-9]"),
        'D' => out.push_str("[^0-9]"),
        'w' => out.push_str("[0-9A-Za-z_]"),
        'W' => out.push_str("[^0-9A-Za-z_]"),
        's' => out.push_str(&format!("[{SPACE}]")),
        'S' => out.push_str(&format!("[^{SPACE}]")),
        'b' => out.push_str("(?-u:\\b)"),
        'B' => out.push_str("(?-u:\\B)"),
        '0' => out.push_str("\\x{0}"),
        'c' => match chars.next_if(char::is_ascii_alphabetic) {
            Some(letter) => out.push_str(&format!("\\x{{{:x}}}", u32::from(letter) % 32)),
            None => out.push_str("\\\\c"),
        },
        'u' => unicode(out, chars),
        't' | 'n' | 'v' | 'f' | 'r' | 'x' | 'p' | 'P' | 'k' | '1'..='9' => {
            out.push('\\');
            out.push(c);
        }
        // Any other stands for itself.
        _ if c.is_ascii_punctuation() => out.extend(['\\', c]),
        _ => out.push(c),
    }
}

/// `\uXXXX`, two of them for a character beyond the first plane, or `\u{…}`.
fn unicode(out: &mut String, chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    if chars.peek() == Some(&'{') {
        return out.push_str("\\u");
    }
    let mut rest = chars.clone();
    let Some(first) = four(&mut rest) else { return out.push_str("\\u") };
    *chars = rest.clone();
    if (0xd800..0xdc00).contains(&first)
        && rest.next() == Some('\\')
        && rest.next() == Some('u')
        && let Some(second) = four(&mut rest).filter(|second| (0xdc00..0xe000).contains(second))
    {
        *chars = rest;
        let both = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return out.push_str(&format!("\\x{{{both:x}}}"));
    }
    out.push_str(&format!("\\x{{{first:x}}}"));
}

fn four(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<u32> {
    let mut number = 0;
    for _ in 0..4 {
        number = number * 16 + chars.next()?.to_digit(16)?;
    }
    Some(number)
}
