//! How places and names are shown in a refusal: as JSON pointers, never at length.

use super::Step;
use std::fmt::Write as _;

/// How much is shown of a name.
const MAX_NAME_CHARS: usize = 64;
/// How much is shown of a place.
const MAX_PLACE_CHARS: usize = 200;

/// A JSON pointer (RFC 6901), shortened.
pub(super) fn pointer(steps: &[Step<'_>]) -> String {
    if steps.is_empty() {
        return "the whole".to_owned();
    }
    let mut out = String::new();
    for step in steps {
        match step {
            Step::Key(key) => {
                let key: String = key.chars().take(MAX_NAME_CHARS).collect();
                _ = write!(out, "/{}", key.replace('~', "~0").replace('/', "~1"));
            }
            Step::Index(index) => _ = write!(out, "/{index}"),
        }
        if out.len() > MAX_PLACE_CHARS {
            out.push('…');
            break;
        }
    }
    format!("{out:?}")
}

/// A name, shortened.
pub(super) fn shown(name: &str) -> String {
    format!("{:?}", name.chars().take(MAX_NAME_CHARS).collect::<String>())
}
