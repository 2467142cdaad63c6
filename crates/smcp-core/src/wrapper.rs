//! The small module through which every hosted version is loaded, the same source on every target (DESIGN 14).

/// Source of the wrapper module: request id and trace context for logs and egress, and the platform's entrypoint.
pub const WRAPPER_SOURCE: &str = include_str!("../wrapper/smcp-wrapper.js");

/// Name of the wrapper module beside the hosted ones.
pub const WRAPPER_NAME: &str = "smcp-wrapper.js";

/// Name of the entry module, the worker's main one.
pub const ENTRY_NAME: &str = "smcp-entry.js";

/// Compatibility flag without which the wrapper does not load; harmless beside `nodejs_compat`.
pub const WRAPPER_FLAG: &str = "nodejs_als";

/// First character of a log line that carries a request id.
pub const TAG_START: char = '\u{1e}';
/// Between the request id and the trace id, where a call has one.
pub const TAG_TRACE: char = '/';
/// Ends the ids; the message follows.
pub const TAG_END: char = '\u{1f}';
/// Ends the ids; a space that `console` put in follows, then the message.
pub const TAG_END_SPACED: char = '\u{1d}';

/// Source of the entry module for a version whose main module has this name and exports these classes. The wrapper is
/// evaluated first, then the hosted modules.
#[must_use]
pub fn entry_source<'a>(main: &str, classes: impl IntoIterator<Item = &'a str>) -> String {
    let specifier = js_string(&format!("./{main}"));
    let shown = js_string(main);
    let classes = serde_json::Value::from_iter(classes);
    format!(
        "import {{ platform, wrap }} from \"./{WRAPPER_NAME}\";\n\
         import * as hosted from {specifier};\n\
         export * from {specifier};\n\
         export default wrap(hosted, {shown}, {classes});\n\
         export {{ platform }};\n"
    )
}

/// A JSON string is a JavaScript string since ES2019.
fn js_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_main_name_cannot_leave_its_string() {
        let source = entry_source("a\"; evil(); \"\n.js", ["A"]);
        assert_eq!(source.lines().count(), 5);
        assert!(source.contains(r#"from "./a\"; evil(); \"\n.js";"#), "{source}");
    }
}
