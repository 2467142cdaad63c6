//! Cases of capabilities: hosted code and clients that try to reach, read or send what is not theirs.

use serde_json::{Value, json};

use super::bare::Bare;
use super::case::{Case, Control, Kind, Variant};
use super::outside::{self, Heard};
use super::seen::{Part, Seen, Tally};
use super::stage::{Actor, CANARY, DECOY, SECRET, Stage};
use super::{Programs, client, disk, quota, socket};
use crate::http::Connection;
use crate::mcp;
use crate::{Result, interrupted};

/// All of them, in a thread with a network of its own that ends with it.
pub(super) fn run(cases: &[&Case], programs: &Programs, tally: &mut Tally) -> Result<()> {
    if cases.is_empty() {
        return Ok(());
    }
    println!("\nin a network of its own");
    std::thread::scope(|scope| {
        let running = scope.spawn(|| attack(cases, programs, tally));
        running.join().unwrap_or_else(|_| Err("the thread of the capabilities panicked".into()))
    })
}

fn attack(cases: &[&Case], programs: &Programs, tally: &mut Tally) -> Result<()> {
    outside::enter(programs)?;
    let of = |kind| cases.iter().copied().filter(|case| case.kind == kind).collect::<Vec<_>>();
    let raw = of(Kind::Socket);
    if !raw.is_empty() {
        socket::run(&raw, programs, tally)?;
    }
    quota::run(&of(Kind::Quota), programs, tally)?;
    disk::run(&[of(Kind::Disk), of(Kind::FullDisk)].concat(), programs, tally)?;
    let (hosted, asked) = (of(Kind::Capability), of(Kind::Client));
    if hosted.is_empty() && asked.is_empty() {
        return Ok(());
    }
    let mut stage = Stage::start(programs, &hosted, false)?;
    stage.plant()?;
    let bare = match hosted.iter().any(|case| case.control == Some(Control::Bare)) {
        true => Some(Bare::in_this_network(&hosted)?),
        false => None,
    };
    for case in hosted {
        interrupted()?;
        let mut part = Part::of(case);
        for row in case.rows() {
            let seen = attempt(&mut stage, case, row, None, bare.as_ref())?;
            part.add(row, &Variant::all_on(), &seen);
            let seen = attempt(&mut stage, case, row, case.control, bare.as_ref())?;
            part.add(row, &control_of(case), &seen);
        }
        tally.add(part, None);
    }
    client::run(&asked, &stage, tally)
}

/// The variant in which nothing of what stops the attack is there.
pub(super) fn control_of(case: &Case) -> Variant {
    Variant { without: case.layers.clone(), alone: None }
}

/// One attempt, or its control.
fn attempt(
    stage: &mut Stage,
    case: &Case,
    row: &str,
    control: Option<Control>,
    bare: Option<&Bare>,
) -> Result<Seen> {
    stage.outside.since()?;
    let freely = matches!(control, Some(Control::Decoy | Control::Plain));
    let arguments = json!({
        "case": case.name, "row": row, "control": freely, "stolen": stage.stolen, "url": stage.platform.url,
        "secret": DECOY,
        "bare": control == Some(Control::Bare),
    });
    let actor = match control {
        Some(Control::Owner) => Actor::Owner,
        Some(Control::Opened) => Actor::Opened,
        None | Some(Control::Decoy | Control::Plain | Control::Bare) if case.opened => Actor::Opened,
        None | Some(Control::Decoy | Control::Plain | Control::Bare) => Actor::Hostile,
    };
    let (address, target) = match (control, bare) {
        (Some(Control::Bare), Some(bare)) => bare.attacked(),
        (_, _) => stage.target(actor),
    };
    let mut request = target.modern_call("attack", &arguments);
    if case.headers {
        request = with_header(&request, row);
    }
    let answer = Connection::open(&address)?.send(&request)?;
    let told = match mcp::text(&answer) {
        Ok(told) => told,
        // A client's request may be refused by the platform; hosted code always answers.
        Err(error) if case.headers => error.to_string(),
        Err(error) => return Ok(Seen::Broken(error.to_string())),
    };
    if told.contains("connection lost") {
        return Ok(Seen::Broken(format!("the platform gave no answer: {told}")));
    }
    let (heard, reached) = stage.outside.since()?;
    let log = if case.goal.spilled { stage.log(actor)? } else { String::new() };
    let secret = if control.is_some() { DECOY } else { SECRET };
    Ok(judge(case, &Observed { told: &told, heard: &heard, reached: &reached, log: &log, secret }))
}

fn with_header(request: &[u8], line: &str) -> Vec<u8> {
    let end = request.windows(2).position(|pair| pair == b"\r\n").unwrap_or_default();
    [&request[..end], b"\r\n", line.as_bytes(), &request[end..]].concat()
}

/// What an attempt left behind.
pub(super) struct Observed<'a> {
    pub(super) told: &'a str,
    pub(super) heard: &'a [Heard],
    pub(super) reached: &'a [String],
    pub(super) log: &'a str,
    pub(super) secret: &'a str,
}

/// Whether the goal of a case was reached.
pub(super) fn judge(case: &Case, seen: &Observed<'_>) -> Seen {
    let goal = &case.goal;
    if let (true, Some(place)) = (goal.reached, seen.reached.first()) {
        return Seen::Succeeded(format!("{place} was connected to"));
    }
    if let Some(words) = &goal.heard
        && let Some(heard) = seen.heard.iter().find(|heard| heard.text.contains(words))
    {
        return Seen::Succeeded(format!("{} heard it", heard.place));
    }
    if let Some(words) = &goal.asked
        && let Some(heard) =
            seen.heard.iter().find(|heard| heard.text.lines().next().is_some_and(|line| line.contains(words)))
    {
        return Seen::Succeeded(format!("{} was asked so", heard.place));
    }
    let place = if goal.spilled { spilled(seen) } else { None };
    if let Some(place) = place.or_else(|| if goal.sent { sent(seen) } else { None }) {
        return Seen::Succeeded(format!("the secret is in {place}"));
    }
    if goal.answer.as_deref().is_some_and(|words| seen.told.contains(&words.replace("{canary}", CANARY))) {
        return Seen::Succeeded(seen.told.to_owned());
    }
    Seen::Refused(seen.told.trim_start_matches("refused ").to_owned())
}

/// Where hosted code, or who reads its log, has the secret.
fn spilled(seen: &Observed<'_>) -> Option<&'static str> {
    let spellings = spellings(seen.secret);
    let places = [(seen.told, "the answer"), (seen.log, "the log")];
    places.into_iter().find(|(text, _)| contains(text, &spellings)).map(|(_, place)| place)
}

/// Whether a request has it that its rules are not about.
fn sent(seen: &Observed<'_>) -> Option<&'static str> {
    let spellings = spellings(seen.secret);
    let elsewhere = |heard: &&Heard| !is_rightful(heard) && contains(&heard.text, &spellings);
    seen.heard.iter().any(|heard| elsewhere(&heard)).then_some("a request elsewhere")
}

/// At the one port, with the one method, below the two paths, which have no second reading.
fn is_rightful(heard: &Heard) -> bool {
    let path = heard.text.split(' ').nth(1).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    let plain = !["..", "//", "%", "\\", ";"].iter().any(|trick| path.contains(trick));
    let below =
        |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    heard.place == "tls:45.67.89.10:443"
        && heard.text.starts_with("GET ")
        && plain
        && (below("/v1") || below("/query"))
}

fn contains(text: &str, spellings: &[String]) -> bool {
    let lower = text.to_ascii_lowercase();
    spellings.iter().any(|spelling| lower.contains(&spelling.to_ascii_lowercase()))
}

/// The secret as it may come: raw, inside JSON once and twice, in hex, URL escapes and base64 at three alignments.
fn spellings(secret: &str) -> Vec<String> {
    let inside = |text: &str| Value::from(text).to_string().trim_matches('"').to_owned();
    let (once, hex) = (inside(secret), secret.bytes().map(|byte| format!("{byte:02x}")).collect());
    let twice = inside(&once);
    let as_go = ["<", ">", "&"].iter().fold(once.clone(), |text, char| {
        text.replace(char, &format!("\\u{:04x}", u32::from(char.as_bytes()[0])))
    });
    let url = secret.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let component = secret.chars().map(|char| {
        if char.is_ascii_alphanumeric() || "-_.!~*'()".contains(char) {
            char.to_string()
        } else {
            format!("%{:02x}", u32::from(char))
        }
    });
    let mut all = vec![secret.to_owned(), once, twice, as_go, hex, url, component.collect()];
    for before in 0..3 {
        let whole = base64(&[&b"ab"[..before], secret.as_bytes()].concat());
        // What is before and behind shares its first and last characters.
        all.push(whole[4..whole.len() - 4].to_owned());
    }
    all
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = LETTERS[bits >> (18 - 6 * place) & 63];
            out.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{base64, spellings};

    #[test]
    fn spellings_are_what_encoders_make() {
        assert_eq!(
            ["", "f", "fo", "foo", "foob"].map(|text| base64(text.as_bytes())),
            ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]
        );
        let all = spellings("a\"b/long-enough");
        assert!(
            all.contains(&"a\\\"b/long-enough".to_owned()) && all.contains(&"a%22b%2flong-enough".to_owned())
        );
        let whole = base64(b"x:a\"b/long-enough:y");
        assert!(all.iter().any(|spelling| whole.contains(spelling)));
    }
}
