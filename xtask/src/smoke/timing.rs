//! How long the first call takes and how long later ones do, by our own small client: no SDK in the figures.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Result;
use crate::http::{Address, Connection};
use crate::mcp::{self, Target};
use crate::report::median;

const WARM_CALLS: u32 = 30;

/// What was measured.
pub(super) struct Timing {
    /// From an idle server to the answer: the process starts in between.
    pub(super) cold: Duration,
    pub(super) warm: Duration,
}

/// `units` keeps no state, so that a call is one request.
pub(super) fn stateless(listen: &str, target: &Target) -> Result<Timing> {
    let mut connection = Connection::open(&Address::Tcp(listen.to_owned()))?;
    let mut call = |a: u32| -> Result<Duration> {
        let began = Instant::now();
        let answer = connection.send(&target.modern_call("add", &json!({"a": a, "b": 1})))?;
        let took = began.elapsed();
        expect(&mcp::text(&answer)?, &format!("{a} + 1 = {}", a + 1))?;
        Ok(took)
    };
    let cold = call(0)?;
    let warm = (1..=WARM_CALLS).map(call).collect::<Result<Vec<_>>>()?;
    Ok(Timing { cold, warm: median(warm) })
}

/// `notes` has sessions: the first call is `initialize` and a tool call.
pub(super) fn session(listen: &str, target: &Target) -> Result<Timing> {
    let mut connection = Connection::open(&Address::Tcp(listen.to_owned()))?;
    let began = Instant::now();
    let answer = connection.send(&target.initialize())?;
    let session = answer.header("mcp-session-id").ok_or_else(|| {
        format!("initialize: HTTP {}, no session: {}", answer.status, String::from_utf8_lossy(&answer.body))
    })?;
    let session = session.to_owned();
    let nothing = Value::Object(serde_json::Map::new());
    connection.send(&target.legacy(&session, None, "notifications/initialized", &nothing))?;
    let mut call = |id: u32| -> Result<Duration> {
        let name = format!("caller {id}");
        let params = json!({"name": "greet", "arguments": {"name": name}});
        let began = Instant::now();
        let answer = connection.send(&target.legacy(&session, Some(id), "tools/call", &params))?;
        let took = began.elapsed();
        expect(&mcp::text(&answer)?, &format!("Good day, {name}!"))?;
        Ok(took)
    };
    call(2)?;
    let cold = began.elapsed();
    let warm = (3..3 + WARM_CALLS).map(call).collect::<Result<Vec<_>>>()?;
    Ok(Timing { cold, warm: median(warm) })
}

fn expect(said: &str, wanted: &str) -> Result<()> {
    if said == wanted { Ok(()) } else { Err(format!("answered `{said}`, not `{wanted}`").into()) }
}
