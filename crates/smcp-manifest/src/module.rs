//! Modules: the files of a bundle as the runtime loads them, and what they may be called.

use serde::{Deserialize, Serialize};
use smcp_types::limits::MAX_MODULE_NAME_BYTES;
use std::fmt;

/// How the runtime loads a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModuleKind {
    /// JavaScript, an ES module.
    EsModule,
    /// Compiled WebAssembly.
    Wasm,
    /// A string.
    Text,
    /// An `ArrayBuffer`.
    Data,
    /// A value.
    Json,
}

impl ModuleKind {
    /// The kind that a file's ending says, if it says one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let file = name.rsplit('/').next().unwrap_or(name);
        let (_, ending) = file.rsplit_once('.')?;
        match ending {
            "js" | "mjs" => Some(Self::EsModule),
            "wasm" => Some(Self::Wasm),
            "txt" | "html" | "htm" | "css" | "md" | "svg" | "xml" | "csv" | "sql" => Some(Self::Text),
            "bin" => Some(Self::Data),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    /// The kind as the digest and the wire write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EsModule => "es_module",
            Self::Wasm => "wasm",
            Self::Text => "text",
            Self::Data => "data",
            Self::Json => "json",
        }
    }

    /// Whether the runtime reads the bytes as UTF-8.
    pub(crate) const fn is_text(self) -> bool {
        match self {
            Self::EsModule | Self::Text | Self::Json => true,
            Self::Wasm | Self::Data => false,
        }
    }
}

impl fmt::Display for ModuleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One module.
#[derive(Clone, PartialEq, Eq)]
pub struct Module {
    /// What other modules import it by: a relative path with `/`.
    pub name: String,
    /// How it is loaded.
    pub kind: ModuleKind,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Module({:?}, {}, {} bytes)", self.name, self.kind, self.bytes.len())
    }
}

/// Why a text is no name for a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ModuleNameError {
    /// Empty or longer than `MAX_MODULE_NAME_BYTES`.
    #[error("a module's name has 1 to {MAX_MODULE_NAME_BYTES} bytes")]
    Length,
    /// An empty, `.` or `..` segment; a leading or trailing `/` makes an empty one.
    #[error("a module's name has no empty, `.` or `..` segments and does not start or end with `/`")]
    Segment,
    /// A control character or one that means something in a module specifier.
    #[error("a module's name has no control characters and none of \\ : ? # %")]
    Character,
    /// Taken by the platform's own modules.
    #[error("module names that start with `smcp-` or `smcp:` are the platform's")]
    Reserved,
}

/// Checks a module's name.
///
/// A `:` would let a bundle stand in for a module of the runtime (`node:fs`), and `?`, `#` and `%` would give a name
/// several spellings where specifiers are read as URLs: the platform's wrapper must import what it means.
pub(crate) fn check_name(name: &str) -> Result<(), ModuleNameError> {
    if name.is_empty() || name.len() > MAX_MODULE_NAME_BYTES {
        return Err(ModuleNameError::Length);
    }
    if name.to_ascii_lowercase().starts_with("smcp-") || name.to_ascii_lowercase().starts_with("smcp:") {
        return Err(ModuleNameError::Reserved);
    }
    if name.chars().any(|char| char.is_control() || matches!(char, '\\' | ':' | '?' | '#' | '%')) {
        return Err(ModuleNameError::Character);
    }
    if name.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(ModuleNameError::Segment);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules() {
        for good in ["a", "index.js", "lib/add.wasm", "..a", "a b.js", "größe.txt", ".env", &"a".repeat(255)]
        {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        use ModuleNameError::{Character, Length, Reserved, Segment};
        for (bad, why) in [
            ("", Length),
            (&*"a".repeat(256), Length),
            ("/a", Segment),
            ("a/", Segment),
            ("a//b", Segment),
            ("./a", Segment),
            ("a/../b", Segment),
            ("..", Segment),
            ("a\\b", Character),
            ("a\nb", Character),
            ("a\u{85}", Character),
            ("node:fs", Character),
            ("a?b", Character),
            ("a#b", Character),
            ("a%2fb", Character),
            ("smcp-wrapper.js", Reserved),
            ("SMCP-wrapper.js", Reserved),
            ("smcp:env", Reserved),
        ] {
            assert_eq!(check_name(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn kinds_come_from_the_ending() {
        for (name, kind) in [
            ("a.js", Some(ModuleKind::EsModule)),
            ("a.b/c.mjs", Some(ModuleKind::EsModule)),
            ("a.wasm", Some(ModuleKind::Wasm)),
            ("page.html", Some(ModuleKind::Text)),
            ("a.bin", Some(ModuleKind::Data)),
            ("a.json", Some(ModuleKind::Json)),
            ("a.ts", None),
            ("a.js/b", None),
            ("js", None),
            ("a.JS", None),
        ] {
            assert_eq!(ModuleKind::from_name(name), kind, "{name}");
        }
        let kinds =
            [ModuleKind::EsModule, ModuleKind::Wasm, ModuleKind::Text, ModuleKind::Data, ModuleKind::Json];
        for kind in kinds {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
    }
}
