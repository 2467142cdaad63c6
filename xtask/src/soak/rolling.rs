//! Versions change under load: every call is answered, by the old version or the new one.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::Result;
use crate::http::{Address, Connection};
use crate::platform::{Platform, Start};

use super::Findings;
use super::servers::{Publisher, answered};

const CONNECTIONS: usize = 8;
const NAME: &str = "rolling";

/// What one connection saw: answers by version, and what went wrong.
type Seen = (BTreeMap<usize, usize>, Vec<String>);

pub(super) fn run(smcp: &Path, calls: usize) -> Result<Findings> {
    let folder = tempfile::Builder::new().prefix("smcp-rolling-").tempdir()?;
    let [data, config] = ["data", "config"].map(|name| folder.path().join(name));
    let start = Start {
        binary: smcp.to_owned(),
        listen: "127.0.0.1:0",
        data: Some(&data),
        config: Some(&config),
        show_log: false,
    };
    let platform = Platform::start(&start)?;
    let publisher = Publisher::new(&platform, folder.path())?;
    publisher.deploy(&platform, NAME, 0)?;
    let left = AtomicUsize::new(calls);
    let way = publisher.call(&platform, NAME);
    let mut versions = 1;
    let seen = thread::scope(|scope| {
        let callers: Vec<_> =
            (0..CONNECTIONS).map(|_| scope.spawn(|| call_until_none_is_left(&way, &left))).collect();
        let mut deployed = Ok(());
        while deployed.is_ok() && left.load(Ordering::Relaxed) > 0 {
            deployed = publisher.deploy(&platform, NAME, versions);
            versions += 1;
        }
        let seen = callers.into_iter().map(|caller| caller.join().map_err(|_| "a caller panicked".into()));
        deployed.and_then(|()| seen.collect::<Result<Vec<Seen>>>())
    })?;
    let findings = judge(seen, calls, versions);
    platform.stop()?;
    Ok(findings)
}

fn call_until_none_is_left((address, request): &(Address, Vec<u8>), left: &AtomicUsize) -> Seen {
    let (mut answers, mut errors) = (BTreeMap::new(), Vec::new());
    let mut connection = Connection::open(address);
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        let answer = match &mut connection {
            Ok(open) => answered(open, request),
            Err(error) => Err(error.to_string().into()),
        };
        match answer {
            Ok(version) => *answers.entry(version).or_default() += 1,
            Err(error) => {
                errors.push(error.to_string());
                connection = Connection::open(address);
            }
        }
    }
    (answers, errors)
}

fn judge(seen: Vec<Seen>, calls: usize, versions: usize) -> Findings {
    let (mut answers, mut errors) = (BTreeMap::<usize, usize>::new(), Vec::new());
    for (part, failed) in seen {
        part.into_iter().for_each(|(version, count)| *answers.entry(version).or_default() += count);
        errors.extend(failed);
    }
    println!(
        "rolling update: {calls} calls on {CONNECTIONS} connections over {versions} versions, {} of them answered, {} errors",
        answers.len(),
        errors.len()
    );
    let mut findings = Findings::default();
    findings.check(errors.is_empty(), || {
        format!("{} of {calls} calls failed, the first: {}", errors.len(), errors[0])
    });
    findings.check(answers.values().sum::<usize>() == calls, || format!("calls are missing: {answers:?}"));
    findings.check(answers.len() > 2, || format!("too few versions answered: {answers:?}"));
    findings
}
