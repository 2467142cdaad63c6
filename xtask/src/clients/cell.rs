//! One client at one server: what it calls, what must come back, what is known not to.

use std::rc::Rc;

use serde_json::{Value, json};

use super::gaps::{Case, Gaps};
use crate::drivers::{Client, Era, Order};
use crate::random::Random;

const MODERN: &str = "2026-07-28";
const LEGACY: &str = "2025-11-25";
/// Every server offers these.
const TOOLS: [&str; 8] = ["add", "announce", "ask", "count", "elicit", "refuse", "roots", "sample"];
/// What is asked here is asked before the client listens, where its driver can see to that.
const BEFORE_LISTENING: &str = "elicit";

/// A client in one era.
pub(super) struct Visitor {
    pub(super) client: Rc<Client>,
    pub(super) era: Era,
}

impl Visitor {
    pub(super) fn name(&self) -> String {
        format!("{} ({})", self.client.name, self.era_name())
    }

    pub(super) fn era_name(&self) -> &'static str {
        match self.era {
            Era::Auto => "auto",
            Era::Legacy => "legacy",
        }
    }

    /// The revision that it and the server agree on, as its driver sees it.
    fn revision(&self, server: &Server) -> &'static str {
        // `mcp-remote` speaks an older one to whoever started it than it does to the server.
        if self.is_modern(server) && self.client.name != "mcp-remote" { MODERN } else { LEGACY }
    }

    /// Whether it speaks 2026-07-28 with the server.
    fn is_modern(&self, server: &Server) -> bool {
        self.era == Era::Auto && server.modern
    }
}

/// A deployed server.
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) url: String,
    /// Whether it speaks 2026-07-28.
    pub(super) modern: bool,
}

/// How it went.
pub(super) struct Cell {
    pub(super) visitor: String,
    pub(super) server: String,
    /// The client's exact version.
    pub(super) version: Option<String>,
    pub(super) passed: usize,
    /// Reasons why something does not work, by `gaps.toml`.
    pub(super) gaps: Vec<String>,
    pub(super) failures: Vec<String>,
}

impl Cell {
    pub(super) fn new(visitor: &Visitor, server: &str) -> Self {
        Self {
            visitor: visitor.name(),
            server: server.to_owned(),
            version: None,
            passed: 0,
            gaps: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Lets the client call every tool of the server, and checks every answer.
    pub(super) fn visit(
        visitor: &Visitor,
        server: &Server,
        key: &str,
        gaps: &Gaps,
        random: &mut Random,
    ) -> Self {
        let mut cell = Self::new(visitor, server.name);
        let answer = format!("{} {}", random.word(), random.between(100, 999));
        let mut calls = calls(random, &answer);
        if visitor.is_modern(server) {
            // There is no stream for what is said unasked.
            calls.retain(|call| call.heard.is_none());
        }
        let input: Value =
            calls.iter().map(|call| json!({"tool": call.tool, "arguments": call.arguments})).collect();
        let order = Order {
            url: &server.url,
            key,
            era: visitor.era,
            answer: &answer,
            calls: &input,
            listen_after: BEFORE_LISTENING,
        };
        let said = match visitor.client.drive(&order) {
            Ok(said) => said,
            Err(error) => {
                cell.failures.push(error.to_string());
                return cell;
            }
        };
        cell.version = said["client"].as_str().map(str::to_owned);
        cell.note(hello_complaint(visitor, server, &said), None);
        for (index, call) in calls.iter().enumerate() {
            let case =
                Case { client: visitor.client.name, era: visitor.era, server: server.name, call: call.tool };
            cell.note(call.complaint(&said["results"][index]), gaps.of(&case));
        }
        cell
    }

    /// One check: it holds, or is known not to, or fails.
    fn note(&mut self, complaint: Option<String>, gap: Option<(&str, &str)>) {
        match (complaint, gap) {
            (None, None) => self.passed += 1,
            (None, Some((_, reason))) => self.failures.push(format!("it works, but is listed: {reason}")),
            (Some(complaint), Some((says, reason))) if complaint.contains(says) => {
                self.gaps.push(reason.to_owned());
            }
            (Some(complaint), _) => self.failures.push(complaint),
        }
    }

    /// For the table.
    pub(super) fn shown(&self) -> String {
        match (self.failures.len(), self.gaps.len()) {
            (0, 0) => format!("{} ok", self.passed),
            (0, gaps) => format!("{} ok, {gaps} not", self.passed),
            (failures, _) => format!("{failures} FAILED"),
        }
    }
}

/// What is wrong with what the client learned before its first call.
fn hello_complaint(visitor: &Visitor, server: &Server, said: &Value) -> Option<String> {
    let revision = visitor.revision(server);
    if said["protocol"] != revision {
        return Some(format!("the revision is {}, not {revision}", said["protocol"]));
    }
    if said["server"]["name"] != server.name {
        return Some(format!("the server calls itself {}", said["server"]));
    }
    (said["tools"] != json!(TOOLS)).then(|| format!("the tools are {}", said["tools"]))
}

/// One call, and the only right answer to it.
struct Call {
    tool: &'static str,
    arguments: Value,
    text: String,
    is_error: bool,
    structured: Value,
    /// How many progress notifications come before it, where that is said.
    progress: Option<i64>,
    /// What is said unasked, where something is.
    heard: Option<Value>,
}

impl Call {
    fn new(tool: &'static str, arguments: Value, text: String) -> Self {
        Self { tool, arguments, text, is_error: false, structured: Value::Null, progress: None, heard: None }
    }

    /// What is wrong with `answer`, in the form that the drivers print.
    fn complaint(&self, answer: &Value) -> Option<String> {
        if let Some(error) = answer["error"].as_str() {
            return Some(format!("{}: {error}", self.tool));
        }
        let wrong = |name: &str, wanted: Value| {
            (answer[name] != wanted)
                .then(|| format!("{}: {name} is {}, not {wanted}", self.tool, answer[name]))
        };
        // The text first: where something failed, it says why.
        wrong("text", self.text.as_str().into())
            .or_else(|| wrong("tool", self.tool.into()))
            .or_else(|| wrong("isError", self.is_error.into()))
            .or_else(|| wrong("structured", self.structured.clone()))
            .or_else(|| self.progress.and_then(|wanted| wrong("progress", wanted.into())))
            .or_else(|| self.heard.clone().and_then(|wanted| wrong("heard", wanted)))
    }
}

/// One call of each tool. Whatever the client is asked, it gives `answer`.
fn calls(random: &mut Random, answer: &str) -> Vec<Call> {
    let (a, b) = (random.between(-100_000, 100_000), random.between(-100_000, 100_000));
    let steps = random.between(2, 20);
    let (reason, question) = (format!("no {}", random.word()), format!("which {}?", random.word()));
    let words = format!("{} again", random.word());
    vec![
        Call {
            structured: json!({"sum": a + b}),
            ..Call::new("add", json!({"a": a, "b": b}), format!("{a} + {b} = {}", a + b))
        },
        Call {
            progress: Some(steps),
            ..Call::new("count", json!({"steps": steps}), format!("counted to {steps}"))
        },
        Call { is_error: true, ..Call::new("refuse", json!({"reason": reason}), reason.clone()) },
        Call::new("ask", json!({"question": question}), format!("accept: {answer}")),
        Call::new("elicit", json!({"question": question}), format!("accept: {answer}")),
        Call::new("sample", json!({"question": question}), format!("sampled: {answer}")),
        Call::new("roots", json!({}), format!("roots: {answer}")),
        Call {
            heard: Some(json!({"log": words, "lists": ["tools"]})),
            ..Call::new("announce", json!({"words": words}), format!("announced {words}"))
        },
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Call, Cell};

    #[test]
    fn every_part_of_an_answer_counts() {
        let call = Call { progress: Some(2), ..Call::new("count", json!({}), "counted to 2".to_owned()) };
        let good = json!({"tool": "count", "isError": false, "text": "counted to 2", "structured": null, "progress": 2});
        assert_eq!(call.complaint(&good), None);
        let wrong = [
            ("tool", json!("add")),
            ("isError", json!(true)),
            ("text", json!(null)),
            ("structured", json!({})),
            ("progress", json!(null)),
            ("error", json!("broken")),
        ];
        for (name, value) in wrong {
            let mut answer = good.clone();
            answer[name] = value;
            assert!(call.complaint(&answer).is_some(), "{name}");
        }
    }

    #[test]
    fn only_the_failure_that_is_listed_is_no_failure() {
        let cell = || Cell {
            visitor: String::new(),
            server: String::new(),
            version: None,
            passed: 0,
            gaps: Vec::new(),
            failures: Vec::new(),
        };
        let gap = Some(("cannot", "it has no hands"));
        let noted = |complaint: Option<&str>, gap| {
            let mut cell = cell();
            cell.note(complaint.map(str::to_owned), gap);
            (cell.passed, cell.gaps.len(), cell.failures.len())
        };
        assert_eq!(noted(None, None), (1, 0, 0));
        assert_eq!(noted(Some("it cannot"), gap), (0, 1, 0));
        assert_eq!(noted(Some("it broke"), gap), (0, 0, 1));
        assert_eq!(noted(Some("it broke"), None), (0, 0, 1));
        assert_eq!(noted(None, gap), (0, 0, 1), "it works by now");
    }
}
