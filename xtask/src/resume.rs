//! `cargo xtask resume`: connections are cut at random bytes, then platform and hosted processes are killed as well, and every
//! call still ends in exactly one way.

mod client;
mod proxy;

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::platform::{Platform, Start};
use crate::programs::{self, Profile};
use crate::random::Random;
use crate::report::Outcome;
use crate::smoke::{TENANT, create_key};
use crate::{Result, processes, setup, signals};
use client::{Client, Ended};
use proxy::Proxy;

const SERVER: &str = include_str!("resume/server.js");
const MANIFEST: &str = "manifest = 1\nname = \"resumed\"\nmain = \"main.js\"\ncompatibility_date = \"2026-11-01\"\n\n\
                        [[kv]]\nbinding = \"RUNS\"\n";
/// Clients at the same time, each in a session of its own.
const CLIENTS: usize = 8;
/// Most bytes until a connection is cut.
const CUT_WITHIN: i64 = 1_500;
/// How long the platform is left alone between two kills.
const LEFT_ALONE_MS: (i64, i64) = (200, 1_500);
/// Longest until a server answers again after the last kill.
const BACK_WITHIN: Duration = Duration::from_secs(30);

/// Where everything is.
struct Stage {
    smcp: PathBuf,
    data: PathBuf,
    config: PathBuf,
    listen: String,
    host: String,
    user: String,
}

/// How the calls of a part ended, by their number.
type Ends = BTreeMap<u32, client::Outcome>;

/// Runs both parts; `full` is the size for closing notes.
pub(crate) fn run(full: bool, seed: Option<u64>) -> Result<Outcome> {
    signals::forward()?;
    setup::npm(&["runtime"])?;
    let calls = if full { 2_000 } else { 200 };
    let seed = seed.unwrap_or_else(Random::seed);
    println!("seed {seed}: repeat this run with `cargo xtask resume --seed {seed}`");
    let folder = tempfile::Builder::new().prefix("smcp-resume-").tempdir()?;
    let (stage, platform) = Stage::set(folder.path())?;
    let mut failures = Vec::new();

    let proxy = Proxy::start(&stage.listen, CUT_WITHIN, seed)?;
    let began = Instant::now();
    let cut = stage.calls(&proxy, 1..=calls, 6)?;
    say("cut", &cut, &proxy, began);
    for (n, outcome) in &cut {
        if outcome.ended != Ended::Result || outcome.answers != 1 {
            failures.push(format!("call {n}: {:?}, {} answers", outcome.ended, outcome.answers));
        }
    }

    let proxy = Proxy::start(&stage.listen, CUT_WITHIN, seed + 1)?;
    let (began, over, kills) = (Instant::now(), AtomicBool::new(false), AtomicU32::new(0));
    let platform = Mutex::new(Some(platform));
    let killed = thread::scope(|scope| {
        let killer = scope.spawn(|| stage.kill(&platform, &over, &kills, seed));
        let ends = stage.calls(&proxy, calls + 1..=2 * calls, 40);
        over.store(true, Ordering::Relaxed);
        killer.join().map_err(|_| "the killer panicked")??;
        ends
    })?;
    say(&format!("cut and killed {} times", kills.load(Ordering::Relaxed)), &killed, &proxy, began);
    for (n, outcome) in &killed {
        let fine = match &outcome.ended {
            Ended::Result | Ended::Interrupted(_) => outcome.answers == 1,
            Ended::Unanswered => outcome.answers == 0,
            Ended::Lost(_) | Ended::Gone(_) | Ended::Hung => false,
        };
        if !fine {
            failures.push(format!("call {n}: {:?}, {} answers", outcome.ended, outcome.answers));
        }
    }
    let all: Ends = cut.into_iter().chain(killed).collect();
    failures.extend(stage.carried_out(&all)?);
    failures.iter().for_each(|failure| println!("FAILED {failure}"));
    // One for each call, and one that it was carried out no more than once.
    Ok(Outcome::Checks { passed: 2 * all.len() - failures.len(), failed: failures.len() })
}

fn say(part: &str, ends: &Ends, proxy: &Proxy, began: Instant) {
    let mut kinds: BTreeMap<&str, u32> = BTreeMap::new();
    for outcome in ends.values() {
        *kinds.entry(outcome.ended.name()).or_default() += 1;
    }
    let resumed: u32 = ends.values().map(|outcome| outcome.resumed).sum();
    let (calls, cuts, seconds) = (ends.len(), proxy.cuts(), began.elapsed().as_secs_f64());
    println!(
        "{part}: {calls} calls, {cuts} connections cut, resumed {resumed} times, {kinds:?}, {seconds:.0} s"
    );
    if let Some(unanswered) = kinds.get("unanswered") {
        println!("  {unanswered} unanswered: their connection broke before the first byte of an answer");
    }
}

impl Stage {
    fn set(folder: &Path) -> Result<(Self, Platform)> {
        let smcp = programs::smcp(Profile::Dev)?;
        let [data, config, project] = ["data", "config", "resumed"].map(|name| folder.join(name));
        for made in [&config, &project] {
            fs::create_dir_all(made)?;
        }
        fs::write(project.join("main.js"), SERVER)?;
        fs::write(project.join("smcp.toml"), MANIFEST)?;
        // An address that it keeps over its restarts.
        let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let mut stage = Self { smcp, data, config, listen, host: String::new(), user: String::new() };
        let platform = stage.start()?;
        stage.host = platform.url.trim_start_matches("http://").to_owned();
        let first = platform.key.clone().ok_or("the first start did not show the administrator's key")?;
        platform.cli(Some(&first), &["tenants", "create", TENANT])?;
        let admin = create_key(&platform, Some(&first), "admin")?;
        stage.user = create_key(&platform, Some(&first), "mcp_user")?;
        platform.cli(Some(&admin), &["deploy", &project.to_string_lossy(), "--tenant", TENANT])?;
        Ok((stage, platform))
    }

    fn start(&self) -> Result<Platform> {
        Platform::start(&Start {
            binary: self.smcp.clone(),
            listen: &self.listen,
            data: Some(&self.data),
            config: Some(&self.config),
            show_log: false,
        })
    }

    fn client(&self, address: &str) -> Result<Client> {
        let client = Client {
            proxy: address.to_owned(),
            host: self.host.clone(),
            path: format!("/t/{TENANT}/resumed/mcp"),
            key: self.user.clone(),
            session: String::new(),
        };
        client.begin()
    }

    /// Makes these calls of so many steps, several at a time.
    fn calls(&self, proxy: &Proxy, numbers: std::ops::RangeInclusive<u32>, steps: u32) -> Result<Ends> {
        let (next, last) = (AtomicU32::new(*numbers.start()), *numbers.end());
        let ends = Mutex::new(Ends::new());
        let clients: Vec<Client> = (0..CLIENTS).map(|_| self.client(&self.listen)).collect::<Result<_>>()?;
        thread::scope(|scope| {
            for mut client in clients {
                client.proxy.clone_from(&proxy.address);
                let (next, ends) = (&next, &ends);
                scope.spawn(move || {
                    loop {
                        let n = next.fetch_add(1, Ordering::Relaxed);
                        if n > last || signals::noted() {
                            break;
                        }
                        let arguments = json!({"n": n, "steps": steps, "bytes": 200});
                        let outcome = client.call(n, "work", &arguments);
                        if let Ok(mut ends) = ends.lock() {
                            ends.insert(n, outcome);
                        }
                    }
                });
            }
        });
        Ok(ends.into_inner().unwrap_or_default())
    }

    /// Kills the platform or a hosted process, again and again.
    fn kill(
        &self,
        platform: &Mutex<Option<Platform>>,
        over: &AtomicBool,
        kills: &AtomicU32,
        seed: u64,
    ) -> Result<()> {
        let mut random = Random::new(seed);
        while !over.load(Ordering::Relaxed) {
            let pause = random.between(LEFT_ALONE_MS.0, LEFT_ALONE_MS.1);
            thread::sleep(Duration::from_millis(pause.unsigned_abs()));
            let mut held = platform.lock().map_err(|_| "a lock is broken")?;
            let Some(running) = held.take() else { continue };
            kills.fetch_add(1, Ordering::Relaxed);
            let hosted: Vec<_> =
                running.children().into_iter().filter(|child| child.name == "workerd").collect();
            if random.between(1, 3) == 1 && !hosted.is_empty() {
                // It may have ended by itself in the meantime.
                let _ = processes::end(random.pick(&hosted).id);
                *held = Some(running);
                continue;
            }
            processes::end(running.id())?;
            running.wait()?;
            *held = Some(self.start()?);
        }
        Ok(())
    }

    /// What the hosted tool has counted. The last kill may have been just now: a call that meets it fails, as it should.
    fn runs(&self) -> Result<String> {
        let began = Instant::now();
        loop {
            match self.client(&self.listen).and_then(|client| client.text("runs")) {
                Err(_) if began.elapsed() < BACK_WITHIN => thread::sleep(Duration::from_millis(200)),
                answer => return answer,
            }
        }
    }

    /// What the hosted tool itself has counted, against how the calls ended.
    fn carried_out(&self, ends: &Ends) -> Result<Vec<String>> {
        let counts: BTreeMap<u32, u32> = serde_json::from_str(&self.runs()?)?;
        let total: u32 = counts.values().sum();
        println!("carried out: {total} runs of {} calls, {} calls in all", counts.len(), ends.len());
        let wrong = ends.iter().filter_map(|(n, outcome)| {
            let runs = counts.get(n).copied().unwrap_or_default();
            let fine = if outcome.ended == Ended::Result { runs == 1 } else { runs <= 1 };
            (!fine).then(|| format!("call {n} was carried out {runs} times: {:?}", outcome.ended))
        });
        Ok(wrong.collect())
    }
}
