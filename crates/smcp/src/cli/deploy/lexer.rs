//! Enough of JavaScript's tokens to find imports: words, strings and marks, apart from comments, templates and regexes.

/// One token, as far as imports care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'s> {
    /// An identifier or keyword.
    Word(&'s str),
    /// A string, its escapes resolved.
    Text(String),
    /// A punctuator's character.
    Mark(char),
    /// A number, template, regular expression, `...`, `++` or `--`.
    Other,
}

/// A token with the line it begins on, from 1.
pub(super) type Placed<'s> = (Token<'s>, usize);

/// After these a `/` begins a regular expression, although they look like names.
const BEFORE_EXPRESSIONS: [&str; 15] = [
    "return",
    "typeof",
    "case",
    "in",
    "of",
    "delete",
    "void",
    "throw",
    "new",
    "instanceof",
    "else",
    "do",
    "yield",
    "await",
    "default",
];

/// Splits a module into tokens. What is no JavaScript comes out as something: the runtime will refuse it.
pub(super) fn tokens(source: &str) -> Vec<Placed<'_>> {
    let mut lexer = Lexer { rest: source, line: 1, tokens: Vec::new(), depth: 0, templates: Vec::new() };
    if source.starts_with("#!") {
        lexer.skip_line();
    }
    while let Some(char) = lexer.rest.chars().next() {
        lexer.token(char);
    }
    lexer.tokens
}

struct Lexer<'s> {
    rest: &'s str,
    line: usize,
    tokens: Vec<Placed<'s>>,
    /// Open braces.
    depth: usize,
    /// Templates that wait for the end of a `${…}`, by the depth it began at.
    templates: Vec<usize>,
}

impl<'s> Lexer<'s> {
    fn token(&mut self, char: char) {
        match char {
            '/' if self.rest.starts_with("//") => self.skip_line(),
            '/' if self.rest.starts_with("/*") => {
                let end = self.rest[2..].find("*/").map_or(self.rest.len(), |end| end + 4);
                self.take(end);
            }
            '/' if self.expects_expression() && self.regex() => {}
            '"' | '\'' => self.string(char),
            '`' => {
                self.take(1);
                self.template();
            }
            '{' => {
                self.depth += 1;
                self.mark(char);
            }
            '}' if self.templates.last() == Some(&self.depth) => {
                self.templates.pop();
                self.take(1);
                self.template();
            }
            '}' => {
                self.depth = self.depth.saturating_sub(1);
                self.mark(char);
            }
            '.' if self.rest.starts_with("...") => self.push(Token::Other, 3),
            // Behind these a `/` divides: only a name or a bracket can stand before them.
            '+' if self.rest.starts_with("++") => self.push(Token::Other, 2),
            '-' if self.rest.starts_with("--") => self.push(Token::Other, 2),
            '0'..='9' => {
                let end = self.rest.find(|char: char| !(is_word(char) || char == '.'));
                self.push(Token::Other, end.unwrap_or(self.rest.len()));
            }
            _ if is_word(char) => {
                let end = self.rest.find(|char: char| !is_word(char)).unwrap_or(self.rest.len());
                let word = &self.rest[..end];
                self.push(Token::Word(word), end);
            }
            _ if char.is_whitespace() => _ = self.take(char.len_utf8()),
            _ => self.mark(char),
        }
    }

    fn take(&mut self, length: usize) -> &'s str {
        let (taken, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.line += taken.bytes().filter(|byte| *byte == b'\n').count();
        self.rest = rest;
        taken
    }

    fn push(&mut self, token: Token<'s>, length: usize) {
        self.tokens.push((token, self.line));
        self.take(length);
    }

    fn mark(&mut self, char: char) {
        self.push(Token::Mark(char), char.len_utf8());
    }

    fn skip_line(&mut self) {
        self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
    }

    /// Whether a value may begin here, so that a `/` does not divide.
    fn expects_expression(&self) -> bool {
        match self.tokens.last() {
            None => true,
            Some((Token::Mark(char), _)) => !matches!(char, ')' | ']' | '}'),
            Some((Token::Word(word), _)) => BEFORE_EXPRESSIONS.contains(word),
            Some((Token::Text(_) | Token::Other, _)) => false,
        }
    }

    /// Takes a regular expression, if one ends on this line.
    fn regex(&mut self) -> bool {
        let (mut in_class, mut escaped) = (false, false);
        for (at, char) in self.rest.char_indices().skip(1) {
            match char {
                '\n' => return false,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '[' => in_class = true,
                ']' => in_class = false,
                '/' if !in_class => {
                    let flags = self.rest[at + 1..].find(|char: char| !is_word(char));
                    self.push(Token::Other, flags.map_or(self.rest.len(), |flags| at + 1 + flags));
                    return true;
                }
                _ => {}
            }
        }
        false
    }

    fn string(&mut self, quote: char) {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, char)) = chars.next() {
            match char {
                _ if char == quote => return self.push(Token::Text(text), at + 1),
                // It does not end: no string, and what follows is read on its own.
                '\n' => return self.push(Token::Other, at),
                '\\' => {
                    if let Some((_, escaped)) = chars.next() {
                        text.push(escaped);
                    }
                }
                _ => text.push(char),
            }
        }
        self.push(Token::Other, self.rest.len());
    }

    /// The part of a template up to its end or to the next `${`.
    fn template(&mut self) {
        let mut chars = self.rest.char_indices();
        while let Some((at, char)) = chars.next() {
            match char {
                '`' => return self.push(Token::Other, at + 1),
                '\\' => _ = chars.next(),
                '$' if self.rest[at + 1..].starts_with('{') => {
                    self.templates.push(self.depth);
                    // A value begins, as after an opening bracket.
                    return self.push(Token::Mark('('), at + 2);
                }
                _ => {}
            }
        }
        self.push(Token::Other, self.rest.len());
    }
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric()
        || matches!(char, '_' | '$' | '#' | '\\')
        || (!char.is_ascii() && !char.is_whitespace())
}
