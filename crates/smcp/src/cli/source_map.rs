//! Source maps (ECMA-426): from a position in a bundle to the one it was made from. What is read was made by others:
//! every number is checked, and no path in it is opened.

use serde::Deserialize;

/// Largest map that is read, in bytes; it bounds the number of positions too.
pub(crate) const MAX_BYTES: usize = 16 << 20;

#[derive(Deserialize)]
struct Document {
    version: u32,
    sources: Vec<Option<String>>,
    mappings: String,
}

/// Where a bundle comes from.
#[derive(Debug)]
pub(crate) struct SourceMap {
    sources: Vec<Option<String>>,
    /// By line of the bundle, each by column.
    lines: Vec<Vec<Segment>>,
}

/// From this column of the bundle on: index of the source, line and column there, all counted from 0.
#[derive(Clone, Copy, Debug)]
struct Segment {
    column: u32,
    from: Option<(u32, u32, u32)>,
}

impl SourceMap {
    /// Reads a map; `None` when it is none, or too large.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_BYTES {
            return None;
        }
        let Document { version: 3, sources, mappings } = serde_json::from_slice(bytes).ok()? else {
            return None;
        };
        let mut state = State::default();
        let lines = mappings.split(';').map(|line| {
            state.column = 0;
            let segments = line.split(',').filter(|segment| !segment.is_empty());
            let mut read = segments.map(|segment| state.segment(segment)).collect::<Option<Vec<_>>>()?;
            read.sort_by_key(|segment| segment.column);
            Some(read)
        });
        let lines = lines.collect::<Option<_>>()?;
        Some(Self { sources, lines })
    }

    /// The text with every position in the file `name` replaced by where it comes from, as far as that is known.
    pub(crate) fn translate(&self, name: &str, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(name) {
            let (before, found) = rest.split_at(at);
            let after = &found[name.len()..];
            out.push_str(before);
            // The end of another name is not this one.
            let whole = !out.ends_with(|last: char| last.is_alphanumeric() || "_-./".contains(last));
            let position = position(after).filter(|_| whole);
            match position.and_then(|(line, column, length)| Some((self.find(line, column)?, length))) {
                Some((source, length)) => {
                    out.push_str(&source);
                    rest = &after[length..];
                }
                None => {
                    out.push_str(name);
                    rest = after;
                }
            }
        }
        out + rest
    }

    /// Where a position of the bundle comes from; lines and columns are counted from 1.
    fn find(&self, line: u32, column: u32) -> Option<String> {
        let segments = self.lines.get(usize::try_from(line.checked_sub(1)?).ok()?)?;
        let column = column.checked_sub(1)?;
        let after = segments.partition_point(|segment| segment.column <= column);
        let (source, line, column) = segments.get(after.checked_sub(1)?)?.from?;
        let source = self.sources.get(usize::try_from(source).ok()?)?.as_ref()?;
        Some(format!("{source}:{}:{}", line.checked_add(1)?, column.checked_add(1)?))
    }
}

/// `:12:34` at the start of a text: both numbers and the length of it all.
fn position(text: &str) -> Option<(u32, u32, usize)> {
    let number = |text: &str| {
        let digits = text.strip_prefix(':')?;
        let length = digits.bytes().take_while(u8::is_ascii_digit).count();
        Some((digits[..length].parse::<u32>().ok()?, length + 1))
    };
    let (line, first) = number(text)?;
    let (column, second) = number(&text[first..])?;
    Some((line, column, first + second))
}

/// What numbers are relative to.
#[derive(Default)]
struct State {
    column: i64,
    source: i64,
    line: i64,
    at: i64,
}

impl State {
    fn segment(&mut self, text: &str) -> Option<Segment> {
        let mut numbers = [0; 5];
        let count = numbers_of(text, &mut numbers)?;
        let add = |held: &mut i64, number: i64| {
            *held += number;
            u32::try_from(*held).ok()
        };
        let column = add(&mut self.column, numbers[0])?;
        let from = match count {
            1 => None,
            4 | 5 => Some((
                add(&mut self.source, numbers[1])?,
                add(&mut self.line, numbers[2])?,
                add(&mut self.at, numbers[3])?,
            )),
            _ => return None,
        };
        Some(Segment { column, from })
    }
}

/// The numbers of a segment in base64 VLQ, and how many there are.
fn numbers_of(text: &str, numbers: &mut [i64; 5]) -> Option<usize> {
    let (mut count, mut value, mut shift) = (0, 0_i64, 0);
    for byte in text.bytes() {
        let digit = i64::from(match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        });
        // More than 32 bits are no position.
        if shift > 30 {
            return None;
        }
        value |= (digit & 31) << shift;
        shift += 5;
        if digit & 32 == 0 {
            let number = if value & 1 == 1 { -(value >> 1) } else { value >> 1 };
            *numbers.get_mut(count)? = number;
            (count, value, shift) = (count + 1, 0, 0);
        }
    }
    (shift == 0).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(mappings: &str) -> Option<SourceMap> {
        let document = serde_json::json!({ "version": 3, "sources": ["src/a.ts", null, "src/b.ts"], "mappings": mappings });
        SourceMap::read(document.to_string().as_bytes())
    }

    #[test]
    fn positions_are_translated_where_they_are_known() {
        // Line 1: column 0 from a.ts 1:1, column 4 from b.ts 3:5, column 8 from nowhere; line 3: column 0 from a.ts 1:1.
        let map = map("AAAA,IEEI,I;;AFFJ").unwrap();
        for (text, expected) in [
            ("at f (index.js:1:1)", "at f (src/a.ts:1:1)"),
            ("at f (index.js:1:6), index.js:3:9", "at f (src/b.ts:3:5), src/a.ts:1:1"),
            ("index.js:1:9", "index.js:1:9"),
            ("index.js:2:1 index.js:9:1 index.js:0:0", "index.js:2:1 index.js:9:1 index.js:0:0"),
            ("other/index.js:1:1 my-index.js:1:1", "other/index.js:1:1 my-index.js:1:1"),
            ("index.js:1 index.js index.js:99999999999:1", "index.js:1 index.js index.js:99999999999:1"),
            ("é index.js:1:1 é", "é src/a.ts:1:1 é"),
        ] {
            assert_eq!(map.translate("index.js", text), expected);
        }
    }

    #[test]
    fn what_is_no_map_is_none() {
        for bad in ["A", "AA", "AAA", "AAAAAA", "!", "D", "ADAA", "gggggggggggggA", "g"] {
            let read = map(bad);
            let usable = read.is_none_or(|map| map.translate("x", "x:1:1") == "x:1:1");
            assert!(usable, "{bad}");
        }
        for bad in ["", "{}", "[]", r#"{"version":2,"sources":[],"mappings":""}"#] {
            assert!(SourceMap::read(bad.as_bytes()).is_none(), "{bad}");
        }
        // A source that is not there.
        assert_eq!(map("AGAA").unwrap().translate("x", "x:1:1"), "x:1:1");
        assert!(SourceMap::read(&vec![b' '; MAX_BYTES + 1]).is_none());
    }
}
