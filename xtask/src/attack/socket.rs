//! Cases of raw bytes: the native prober in the place of the runtime writes to the sockets that hosted code is given.

use serde_json::json;

use super::Programs;
use super::capability::{Observed, control_of, judge};
use super::case::{Case, Variant};
use super::seen::{Part, Seen, Tally};
use super::stage::{Actor, CANARY, Stage};
use crate::{Result, interrupted};

/// Every row is what is written, with `{inner}` for the request of the case that nobody lets out by itself. The control
/// sends that one plainly, from a server that may.
pub(super) fn run(cases: &[&Case], programs: &Programs, tally: &mut Tally) -> Result<()> {
    let mut stage = Stage::start(programs, &[], true)?;
    let planted = format!(
        "PUT /planted HTTP/1.1\r\nHost: kv\r\nx-smcp-binding: PRIVATE\r\ncontent-length: {}\r\n\r\n{CANARY}",
        CANARY.len()
    );
    for actor in [Actor::Owner, Actor::Opened] {
        let answer = stage.write(actor, "data", &planted)?;
        if !answer.contains(" 200 ") {
            return Err(format!("nothing was planted: {answer}").into());
        }
    }
    for case in cases {
        interrupted()?;
        let mut part = Part::of(case);
        for row in case.rows() {
            let text = row.replace("{inner}", &case.inner);
            let text = text.replace("{long}", &"x".repeat(70_000));
            let seen = attempt(&mut stage, case, Actor::Hostile, &text)?;
            part.add(&row.escape_debug().to_string(), &Variant::all_on(), &seen);
            let seen = attempt(&mut stage, case, Actor::Opened, &case.inner)?;
            part.add(&row.escape_debug().to_string(), &control_of(case), &seen);
        }
        tally.add(part, None);
    }
    Ok(())
}

fn attempt(stage: &mut Stage, case: &Case, actor: Actor, bytes: &str) -> Result<Seen> {
    stage.outside.since()?;
    let told = stage.write(actor, &case.socket, bytes)?;
    let (heard, reached) = stage.outside.since()?;
    Ok(judge(case, &Observed { told: &told, heard: &heard, reached: &reached, log: "", secret: "" }))
}

impl Stage {
    /// What comes back when these bytes are written to a socket of a server.
    fn write(&self, actor: Actor, socket: &str, bytes: &str) -> Result<String> {
        self.call(actor, "raw", &json!({"socket": format!("/out/{socket}.sock"), "bytes": bytes}))
    }
}
