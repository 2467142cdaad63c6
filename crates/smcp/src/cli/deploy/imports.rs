//! Finding what a JavaScript module imports.

use super::lexer::{Token, tokens};

/// One import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Import {
    /// What stands between the quotes.
    pub(super) specifier: String,
    /// Its line, from 1.
    pub(super) line: usize,
    /// `import("…")`, which may never run.
    pub(super) is_dynamic: bool,
}

/// What a module imports or exports on, in order. Only literal specifiers: what is computed cannot be known.
pub(super) fn imports(source: &str) -> Vec<Import> {
    let tokens = tokens(source);
    let mut found: Vec<Import> = Vec::new();
    for (at, (token, line)) in tokens.iter().enumerate() {
        let is_member = at > 0 && tokens[at - 1].0 == Token::Mark('.');
        let after = &tokens[at + 1..];
        let import = |text: &str, is_dynamic| Import { specifier: text.to_owned(), line: *line, is_dynamic };
        let import = match token {
            Token::Word("import") if !is_member => match after {
                [(Token::Text(text), _), ..] => Some(import(text, false)),
                [(Token::Mark('('), _), (Token::Text(text), _), (Token::Mark(')' | ','), _), ..] => {
                    Some(import(text, true))
                }
                _ => source_of(after).map(|text| import(text, false)),
            },
            Token::Word("export") if !is_member && matches!(after, [(Token::Mark('{' | '*'), _), ..]) => {
                source_of(after).map(|text| import(text, false))
            }
            Token::Word(_) | Token::Text(_) | Token::Mark(_) | Token::Other => None,
        };
        found.extend(import.filter(|import| !found.iter().any(|known| known.specifier == import.specifier)));
    }
    found
}

/// The text after `from`, over a clause of names.
fn source_of<'t>(clause: &'t [(Token<'_>, usize)]) -> Option<&'t str> {
    for (at, (token, _)) in clause.iter().enumerate() {
        match (token, clause.get(at + 1)) {
            (Token::Word("from"), Some((Token::Text(text), _))) => return Some(text),
            // A name may be a string: `import { "a b" as c } from`.
            (Token::Word(_) | Token::Text(_) | Token::Mark('{' | '}' | ',' | '*'), _) => {}
            (Token::Mark(_) | Token::Other, _) => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str) -> Vec<String> {
        let shown = |import: Import| {
            let kind = if import.is_dynamic { "?" } else { "" };
            format!("{}{kind}:{}", import.specifier, import.line)
        };
        imports(source).into_iter().map(shown).collect()
    }

    #[test]
    fn every_form_of_an_import_is_found() {
        let source = r#"#!/usr/bin/env node
import "./a.js";
import b from './b.js';
import * as c from "./c.js"; import d, { e as f, "x y" as g } from "./d.js";
import
  { h }
  from "./h.js" with { type: "json" };
export * from "./i.js";
export * as j from "./j.js";
export { k, l as default } from "./k.js";
const m = await import("./m.js"), n = import('./n.json', { with: {} });
use(...import("./o.js"));
import from from "./p.js";
import{q}from"./q.js";
`${await import("./r.js")} ${`${import("./s.js")}`}`;
"#;
        assert_eq!(
            found(source),
            [
                "./a.js:2",
                "./b.js:3",
                "./c.js:4",
                "./d.js:4",
                "./h.js:5",
                "./i.js:8",
                "./j.js:9",
                "./k.js:10",
                "./m.js?:11",
                "./n.json?:11",
                "./o.js?:12",
                "./p.js:13",
                "./q.js:14",
                "./r.js?:15",
                "./s.js?:15",
            ]
        );
    }

    #[test]
    fn nothing_else_is_taken_for_one() {
        for source in [
            "// import './a.js'",
            "/* import './a.js'\n */",
            "const s = \"import './a.js'\";",
            "const t = `import './a.js'`; const u = `\\`import './a.js'`",
            "const r = /import '.\\/a.js'/, q = /[/'\"]import '.\\/a.js'/g",
            "import.meta.url; x.import('./a.js'); x?.import('./a.js'); ({ import: './a.js' })",
            "import(name); import(`./a.js`); import('./a' + '.js')",
            "export const from = './a.js'; export default './a.js'; export function f() {}",
            "export { a };\nconst b = './a.js';",
            "Array.from('./a.js')",
            "imports from './a.js'; $import './a.js'",
        ] {
            assert_eq!(found(source), [""; 0], "{source}");
        }
    }

    #[test]
    fn what_looks_like_a_regex_hides_no_import() {
        for source in [
            "const a = b / c; import './a.js'; const d = e / f;",
            "const a = (b) / c; import './a.js'; d / e;",
            "const a = b[0] / 'x'; import './a.js'",
            "a++ / b; import './a.js'",
            "if (a) return /'/; import './a.js'",
            "const s = 'it\\'s'; import './a.js'",
            "x = { a: `${ { b: '}' }.b }` }; import './a.js'",
            "`unfinished ${ '`' }`; import './a.js'",
        ] {
            assert_eq!(found(source), ["./a.js:1"], "{source}");
        }
    }

    #[test]
    fn broken_sources_end() {
        for source in
            ["'", "`", "`${", "/*", "/", "import", "import {", "export * from", "}}}", "\\", "import('./a"]
        {
            assert_eq!(found(source), [""; 0], "{source}");
        }
    }
}
