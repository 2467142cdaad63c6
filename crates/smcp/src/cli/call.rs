//! `smcp call`: one tool of one server, called as any MCP client would.

mod arguments;

use std::io::IsTerminal as _;

use clap::Args;
use serde_json::{Map, Value};

use super::{
    Context,
    connection::{Connection, NAME, VERSION},
    failure::Failure,
    text::{safe, safe_lines},
    values,
};

#[derive(Debug, Args)]
pub(crate) struct CallArgs {
    /// The server
    #[arg(value_parser = values::slug)]
    server: String,
    /// The tool
    tool: String,
    /// An argument of the tool, typed as its schema says; can be given again
    #[arg(long = "arg", value_name = "NAME=VALUE", value_parser = values::pair)]
    pairs: Vec<(String, String)>,
    /// All arguments as one JSON object; --arg goes before it
    #[arg(long, value_name = "JSON")]
    args: Option<String>,
}

pub(crate) fn run(context: &Context, args: &CallArgs) -> Result<(), Failure> {
    let base = arguments::base(args.args.as_deref())?;
    let connection = Connection::open(context)?;
    let tenant = connection.tenant()?;
    // At the endpoint that the key is for, under whatever name the world knows it.
    let path = format!("/t/{tenant}/{}/mcp", args.server);
    let mut session = connection.client.mcp(&path, NAME, VERSION)?;
    let called = (|| {
        let arguments = typed(&mut session, args, base)?;
        Ok::<Value, Failure>(session.call(&args.tool, arguments)?)
    })();
    let ended = session.end();
    let result = called?;
    ended?;
    show(context, args, &result)
}

/// The arguments of the call. Only pairs need the schema: what is JSON already has types of its own.
fn typed(
    session: &mut smcp_client::McpSession<'_>,
    args: &CallArgs,
    base: Map<String, Value>,
) -> Result<Map<String, Value>, Failure> {
    if args.pairs.is_empty() {
        return Ok(base);
    }
    let tools = session.tools()?;
    let name_of = |tool: &Value| tool.get("name").and_then(Value::as_str).map(str::to_owned);
    let Some(tool) = tools.iter().find(|tool| name_of(tool).as_deref() == Some(&*args.tool)) else {
        let names: Vec<String> = tools.iter().filter_map(name_of).map(|name| safe(&name)).collect();
        let failure = Failure::input(format!("{} has no tool {}", args.server, safe(&args.tool)));
        return Err(if names.is_empty() {
            failure
        } else {
            failure.hint(format!("it has {}", names.join(", ")))
        });
    };
    let schema = tool.get("inputSchema").unwrap_or(&Value::Null);
    arguments::merge(base, &args.pairs, schema)
}

fn show(context: &Context, args: &CallArgs, result: &Value) -> Result<(), Failure> {
    let is_error = result.get("isError") == Some(&Value::Bool(true));
    let words = words(result);
    if context.out.is_json() {
        context.out.data(result, String::new)?;
    } else if !is_error {
        // To a program the text goes as it is; to a terminal without what could steer it.
        let shown = if std::io::stdout().is_terminal() { safe_lines(&words) } else { words.clone() };
        context.out.text(&shown)?;
    }
    if is_error {
        let message = if words.is_empty() { "it reports an error without words" } else { &words };
        return Err(Failure::input(format!("{}: {message}", args.tool)));
    }
    Ok(())
}

/// A result for people: its texts, and a word for what is none.
fn words(result: &Value) -> String {
    let content = result.get("content").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let shown: Vec<String> = content.iter().map(block).collect();
    match result.get("structuredContent") {
        Some(structured) if shown.is_empty() => serde_json::to_string_pretty(structured).unwrap_or_default(),
        Some(_) | None => shown.join("\n"),
    }
}

fn block(block: &Value) -> String {
    let text = |name: &str| block.get(name).and_then(Value::as_str);
    let inner =
        |name: &str| block.get("resource").and_then(|resource| resource.get(name)).and_then(Value::as_str);
    let kind = text("type").unwrap_or("content");
    match kind {
        "text" => text("text").unwrap_or_default().to_owned(),
        "resource_link" => text("uri").unwrap_or_default().to_owned(),
        "resource" => inner("text").or_else(|| inner("uri")).unwrap_or_default().to_owned(),
        _ => {
            let media = text("mimeType").unwrap_or("unknown type");
            format!("[{kind}: {media}, shown by --json]")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn results_in_words() {
        for (result, expected) in [
            (
                json!({ "content": [{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }] }),
                "a\nb",
            ),
            (
                json!({ "content": [{ "type": "image", "mimeType": "image/png" }] }),
                "[image: image/png, shown by --json]",
            ),
            (json!({ "content": [{ "type": "resource", "resource": { "uri": "u", "text": "t" } }] }), "t"),
            (json!({ "content": [], "structuredContent": { "sum": 3 } }), "{\n  \"sum\": 3\n}"),
            (json!({ "content": [{ "type": "text", "text": "3" }], "structuredContent": { "sum": 3 } }), "3"),
            (json!({ "content": 7 }), ""),
        ] {
            assert_eq!(words(&result), expected);
        }
    }
}
