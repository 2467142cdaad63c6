//! `kill -9` at random moments: what was acknowledged is there, and nothing is left over.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::http::{Address, Connection};
use crate::platform::{Platform, Start};
use crate::process::Program;
use crate::processes;
use crate::random::Random;
use crate::smoke::TENANT;
use crate::{Result, setup, workspace};

use super::Findings;
use super::left::Traces;
use super::servers::{Publisher, answered};

const SERVERS: [&str; 3] = ["one", "two", "three"];
/// A platform is killed at most this long after it is ready, or after it was started.
const READY_FOR_MS: i64 = 400;
const STARTED_FOR_MS: i64 = 150;
/// One in so many is killed while it starts.
const DURING_START: i64 = 4;
/// How long the kernel may take to end the children of a process that was killed.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// A platform that is killed and started again on the same data.
struct Victim {
    smcp: PathBuf,
    data: PathBuf,
    config: PathBuf,
    publisher: Publisher,
    traces: Traces,
    /// Names of keys that the platform said it has stored.
    acknowledged: BTreeSet<String>,
}

/// What a killed platform had done, and how many hosted processes it had at that moment.
struct Killed {
    answered: usize,
    running: usize,
}

pub(super) fn run(smcp: &Path, kills: u32, random: &mut Random) -> Result<Findings> {
    let folder = tempfile::Builder::new().prefix("smcp-kills-").tempdir()?;
    let mut victim = Victim::new(smcp, folder.path())?;
    let mut findings = Findings::default();
    let began = Instant::now();
    let (mut calls, mut running, mut in_start) = (0, 0, 0);
    for round in 0..kills {
        if random.between(1, DURING_START) == 1 {
            victim.kill_while_it_starts(random)?;
            in_start += 1;
        } else {
            let killed = victim.kill_while_it_works(random, round)?;
            calls += killed.answered;
            running += killed.running;
        }
        victim.nothing_runs(&mut findings, round);
    }
    println!(
        "kill -9: {kills} times ({in_start} during start), {calls} calls answered and {} keys acknowledged before, {running} hosted processes died with it, {:.0} s",
        victim.acknowledged.len(),
        began.elapsed().as_secs_f64()
    );
    // Otherwise nothing could have been left over.
    findings.check(running > 0 && calls > 0, || "no hosted process ran at any moment of a kill".to_owned());
    victim.all_is_there(&mut findings)?;
    Ok(findings)
}

impl Victim {
    fn new(smcp: &Path, folder: &Path) -> Result<Self> {
        let [data, config] = ["data", "config"].map(|name| folder.join(name));
        let runtime = folder.join("workerd");
        fs::copy(workspace::root().join(setup::RUNTIME), &runtime)?;
        fs::create_dir_all(config.join("smcp"))?;
        fs::write(config.join("smcp/config.toml"), format!("[node]\nworkerd = {runtime:?}\n"))?;
        let traces = Traces::before(&runtime, &data)?;
        let platform = Platform::start(&start(smcp, &data, &config))?;
        let publisher = Publisher::new(&platform, folder)?;
        for name in SERVERS {
            publisher.deploy(&platform, name, 0)?;
        }
        processes::end(platform.id())?;
        platform.wait()?;
        Ok(Self { smcp: smcp.to_owned(), data, config, publisher, traces, acknowledged: BTreeSet::new() })
    }

    fn kill_while_it_starts(&self, random: &mut Random) -> Result<()> {
        let program = Program::new(&self.smcp)
            .env("XDG_CONFIG_HOME", &self.config)
            .args(["up", "--listen", "127.0.0.1:0", "--json", "--data"])
            .arg(&self.data);
        let mut command = program.into_command();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        thread::sleep(random_time(random, STARTED_FOR_MS));
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Kills it under calls that wake servers, and under changes that it acknowledges.
    fn kill_while_it_works(&mut self, random: &mut Random, round: u32) -> Result<Killed> {
        let platform = Platform::start(&start(&self.smcp, &self.data, &self.config))?;
        let (id, over) = (platform.id(), AtomicBool::new(false));
        let moment = random_time(random, READY_FOR_MS);
        let ways = SERVERS.map(|name| self.publisher.call(&platform, name));
        let (killed, keys) = thread::scope(|scope| {
            let callers = ways.each_ref().map(|way| scope.spawn(|| call_while_it_lives(way, &over)));
            let killer = scope.spawn(|| {
                thread::sleep(moment);
                let running = self.traces.processes().len();
                let killed = processes::end(id);
                over.store(true, Ordering::Relaxed);
                killed.map(|()| running)
            });
            let keys = make_keys(&self.publisher, &platform, round, &over);
            let running = killer.join().map_err(|_| "the killer panicked")??;
            let answered: usize = callers.into_iter().map(|caller| caller.join().unwrap_or_default()).sum();
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((Killed { answered, running }, keys))
        })?;
        self.acknowledged.extend(keys);
        platform.wait()?;
        Ok(killed)
    }

    /// No process of a platform that was killed lives on.
    fn nothing_runs(&self, findings: &mut Findings, round: u32) {
        let until = Instant::now() + GONE_WITHIN;
        let mut left = self.traces.processes();
        while !left.is_empty() && Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
            left = self.traces.processes();
        }
        let mounts = self.traces.mounts();
        findings.check(left.is_empty() && mounts.is_empty(), || {
            format!("round {round}: processes {left:?} and mounts {mounts:?} are left over")
        });
    }

    /// After one more start everything works; after an orderly stop nothing is left at all.
    fn all_is_there(&self, findings: &mut Findings) -> Result<()> {
        let platform = Platform::start(&start(&self.smcp, &self.data, &self.config))?;
        let sockets = self.traces.sockets();
        findings.check(sockets.is_empty(), || format!("sockets of killed processes: {sockets:?}"));
        let has_cgroups = self.traces.knows_cgroups();
        findings
            .check(has_cgroups, || "the platform has no cgroups here: none could be left over".to_owned());
        let stale = self.traces.cgroups().into_iter().filter(|path| is_empty(path));
        let stale: Vec<_> = stale.filter(|path| !is_parent_of_others(path)).collect();
        findings
            .check(stale.is_empty(), || format!("cgroups of killed processes after a restart: {stale:?}"));
        for name in SERVERS {
            let (address, request) = self.publisher.call(&platform, name);
            let answer = Connection::open(&address).and_then(|mut open| answered(&mut open, &request));
            findings
                .check(answer.as_ref().is_ok_and(|version| *version == 0), || format!("{name}: {answer:?}"));
        }
        let listed = platform.cli(Some(&self.publisher.admin), &["keys", "list", "--tenant", TENANT])?;
        let listed: BTreeSet<String> = (listed["items"].as_array().into_iter().flatten())
            .filter_map(|key| key["name"].as_str().map(str::to_owned))
            .collect();
        let lost: Vec<_> = self.acknowledged.difference(&listed).collect();
        findings.check(lost.is_empty(), || format!("acknowledged and lost: {lost:?}"));
        let (status, left) = platform.stop()?;
        findings
            .check(status.success() && left.is_empty(), || format!("stopped with {status}, left {left:?}"));
        let (cgroups, sockets) = (self.traces.cgroups(), self.traces.sockets());
        findings.check(cgroups.is_empty() && sockets.is_empty(), || {
            format!("after an orderly stop: cgroups {cgroups:?}, sockets {sockets:?}")
        });
        Ok(())
    }
}

fn start<'a>(smcp: &Path, data: &'a Path, config: &'a Path) -> Start<'a> {
    Start {
        binary: smcp.to_owned(),
        listen: "127.0.0.1:0",
        data: Some(data),
        config: Some(config),
        show_log: false,
    }
}

fn random_time(random: &mut Random, most: i64) -> Duration {
    Duration::from_micros(random.between(0, most * 1_000).unsigned_abs())
}

/// A platform moves itself nowhere: a cgroup without any process, in it or below, is one that nobody removed.
fn is_empty(path: &Path) -> bool {
    let has_inner = fs::read_dir(path).is_ok_and(|entries| {
        entries.flatten().any(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
    });
    let processes = fs::read_to_string(path.join("cgroup.procs"));
    !has_inner && processes.is_ok_and(|processes| processes.trim().is_empty())
}

/// The platform's own folder holds those of its processes.
fn is_parent_of_others(path: &Path) -> bool {
    let folder_name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.parent().is_some_and(|parent| !parent.to_string_lossy().contains("smcp")) && !folder_name.is_empty()
}

fn call_while_it_lives((address, request): &(Address, Vec<u8>), over: &AtomicBool) -> usize {
    let mut answers = 0;
    while !over.load(Ordering::Relaxed) {
        let Ok(mut connection) = Connection::open(address) else { continue };
        while !over.load(Ordering::Relaxed) && answered(&mut connection, request).is_ok() {
            answers += 1;
        }
    }
    answers
}

/// Makes keys for as long as it is there; gives the names of those it has acknowledged.
fn make_keys(publisher: &Publisher, platform: &Platform, round: u32, over: &AtomicBool) -> Vec<String> {
    let mut acknowledged = Vec::new();
    while !over.load(Ordering::Relaxed) && acknowledged.len() < 3 {
        let name = format!("round {round} key {}", acknowledged.len());
        let words = ["keys", "create", "--tenant", TENANT, "--role", "read_only", "--name", &name];
        match platform.cli(Some(&publisher.admin), &words) {
            Ok(_) => acknowledged.push(name),
            Err(_) => break,
        }
    }
    acknowledged
}
