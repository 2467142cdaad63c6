//! Cases from outside: requests of a client with keys of its own, to endpoints of the platform that are about others.

use std::time::Duration;

use serde_json::json;

use super::capability::{Observed, control_of, judge};
use super::case::{Case, Variant};
use super::seen::{Part, Seen, Tally};
use super::stage::{Actor, Stage};
use super::wire;
use crate::http::Address;
use crate::{Result, interrupted};

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(10);
/// The header and the claims of a token that nobody signed: `{"alg":"none","typ":"smcp-caller+jwt"}`.
const NONE: &str = "eyJhbGciOiJub25lIiwidHlwIjoic21jcC1jYWxsZXIrand0In0";

/// Every row is `METHOD PATH`; with a credential of the case, and as a control with the one of who may.
pub(super) fn run(cases: &[&Case], stage: &Stage, tally: &mut Tally) -> Result<()> {
    for case in cases {
        interrupted()?;
        let mut part = Part::of(case);
        let token = stage.ask(Actor::Hostile, &json!({"case": "plant", "row": "caller"}))?;
        for row in case.rows() {
            let seen = attempt(stage, case, row, &credential(stage, &case.with, &token))?;
            part.add(row, &Variant::all_on(), &seen);
            let seen = attempt(stage, case, row, &credential(stage, &case.rightful, &token))?;
            part.add(row, &control_of(case), &seen);
        }
        tally.add(part, None);
    }
    Ok(())
}

/// The header lines of a credential by its name.
fn credential(stage: &Stage, name: &str, token: &str) -> String {
    let keys = &stage.keys;
    let parts: Vec<&str> = token.split('.').collect();
    let [head, claims, signature] = parts[..] else { return format!("authorization: Bearer {token}") };
    let bearer = |text: &str| format!("Authorization: Bearer {text}");
    match name {
        "first" => bearer(&keys.first),
        "attacker" => bearer(&keys.publisher),
        "attacker-user" => bearer(&keys.user),
        "neighbour" => bearer(&keys.neighbour),
        "neighbour-user" => bearer(&keys.neighbour_user),
        "caller-token" => bearer(token),
        "caller-token-unsigned" => bearer(&format!("{NONE}.{claims}.")),
        "caller-token-none" => bearer(&format!("{NONE}.{claims}.{signature}")),
        "caller-token-stripped" => bearer(&format!("{head}.{claims}.")),
        "caller-token-header" => format!("Smcp-Caller: {token}"),
        "caller-token-cookie" => format!("Cookie: smcp={token}; session={token}"),
        "caller-token-twice" => format!("{}\r\n{}", bearer(&keys.user), bearer(token)),
        other => bearer(other),
    }
}

fn attempt(stage: &Stage, case: &Case, row: &str, credential: &str) -> Result<Seen> {
    let (method, path) = row.split_once(' ').ok_or_else(|| format!("no method and path: {row}"))?;
    let host = stage.platform.url.trim_start_matches("http://");
    let path = path.replace("{id}", stage.stolen["tenant"].as_str().unwrap_or_default());
    let (body, kind) = if method == "GET" {
        (String::new(), "")
    } else {
        (case.body.clone(), "Content-Type: application/json\r\n")
    };
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json, text/event-stream\r\n{kind}{credential}\r\n\
         MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/list\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let heard = wire::ask(&Address::Tcp(stage.platform.listen.clone()), request.as_bytes(), PATIENCE)?;
    let Some(status) = heard.status() else { return Ok(Seen::Broken(format!("no answer: {}", heard.text))) };
    let passed = if (200..300).contains(&status) { "succeeded" } else { "refused" };
    let told = format!("{passed} {status} {}", heard.text.split_once("\r\n\r\n").unwrap_or_default().1);
    Ok(judge(case, &Observed { told: &told, heard: &[], reached: &[], log: "", secret: "" }))
}
