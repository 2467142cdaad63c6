//! Limits: who breaks one is killed or refused and told so, neighbours notice nothing, and what was used is known.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use smcp_core::{
    fleet,
    ports::{HostedRequest, HostedState, Isolates as _, UsageMeter as _, VersionRef},
};
use smcp_types::Error;

use crate::support::{PATIENCE, Stage, read, request, settings};

/// Breaks limits in every way there is, and burns CPU time by request.
const OFFENDER: &str = r#"
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const burn = (ms) => { const end = Date.now() + ms; while (Date.now() < end); };
export default { async fetch(request, env, ctx) {
  const { pathname, search } = new URL(request.url);
  if (pathname === "/loop") for (;;);
  if (pathname === "/regex") /^(([a-z])+.)+[A-Z]([a-z])+$/.test("a".repeat(60));
  if (pathname === "/microtasks") await new Promise(() => { const next = () => Promise.resolve().then(next); next(); });
  if (pathname === "/later") ctx.waitUntil(wait(1).then(() => { for (;;); }));
  if (pathname === "/spin") { let n = 0; for (let i = 0; i < 1e6; i++) n += i % 7; }
  if (pathname === "/burn") burn(Number(search.slice(1)));
  if (pathname === "/hang") { console.log("hangs"); await wait(600_000); }
  if (pathname === "/buffers") { const all = []; for (;;) all.push(new Uint8Array(8 << 20).fill(1)); }
  if (pathname === "/heap") { const all = []; for (;;) all.push(new Array(1e5).fill(all.length)); }
  if (pathname === "/both") { await wait(1); burn(30); await wait(50); }
  if (pathname === "/flood") for (let i = 0; i < 1_000; i++) console.log("flood " + "x".repeat(100));
  return new Response("fine");
} };
"#;

/// A POST: a call, where a GET is a stream.
fn call(path: &str) -> HostedRequest {
    HostedRequest { method: Method::POST, ..request(path) }
}

async fn post(stage: &Stage, version: &VersionRef, path: &str) -> Result<String, Error> {
    read(stage.send(version, call(path)).await?).await
}

const CPU: &str = "used more than 200 ms of CPU without an answer (limits.cpu_ms)";

fn offender(stage: &Stage, name: u8) -> VersionRef {
    let version = stage.add(name, OFFENDER);
    stage.limit(&version, |limits| limits.cpu_ms = 200);
    version
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_loop_is_killed_and_named_and_a_neighbour_notices_nothing() {
    let stage = Stage::new(settings()).await;
    let neighbour = stage.add(9, OFFENDER);
    assert_eq!(post(&stage, &neighbour, "/").await.unwrap(), "fine");
    let offences = join_all([(1, "/loop"), (2, "/regex"), (3, "/microtasks")].map(async |(name, path)| {
        let version = offender(&stage, name);
        assert_eq!(post(&stage, &version, "/").await.unwrap(), "fine");
        // One that only waits is cut off too, and learns the same.
        let both = tokio::join!(post(&stage, &version, "/hang"), post(&stage, &version, path));
        for answer in [both.0, both.1] {
            let Err(Error::Hosted(refusal)) = answer else { panic!("{path}: {answer:?}") };
            assert_eq!(refusal.message, format!("the server's process ended during the call: {CPU}"));
            let hint = "limits.cpu_ms in smcp.toml sets the limit, below the tenant's ceiling";
            assert_eq!(refusal.hint.as_deref(), Some(hint));
        }
    }));
    let mut offences = std::pin::pin!(offences);
    let mut calls = 0;
    loop {
        tokio::select! {
            _ = &mut offences => break,
            answer = post(&stage, &neighbour, "/") => assert_eq!(answer.unwrap(), "fine"),
        }
        calls += 1;
    }
    assert!(calls > 10, "{calls}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_behind_an_answer_is_found_too() {
    let stage = Stage::new(settings()).await;
    let version = offender(&stage, 1);
    assert_eq!(post(&stage, &version, "/later").await.unwrap(), "fine");
    stage.lines.wait(&format!("[smcp] process 1 ended: {CPU}"), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_answers_in_between_may_use_as_much_as_it_likes() {
    let stage = Stage::new(settings()).await;
    let version = offender(&stage, 1);
    // More in all than its limit; less before the question of the watchdog comes to its turn.
    stage.limit(&version, |limits| limits.cpu_ms = 1_000);
    for _ in 0..6 {
        let answers = join_all((0..8).map(|_| post(&stage, &version, "/burn?50"))).await;
        assert!(answers.iter().all(|answer| answer.as_deref() == Ok("fine")), "{answers:?}");
    }
    assert!(matches!(stage.state(&version), HostedState::Ready { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gets_little_cpu_is_not_taken_for_a_loop() {
    let stage = Stage::new(settings()).await;
    let version = offender(&stage, 1);
    // At most 5 ms of CPU in 100 ms: its answers take longer than its limit is in wall-clock time.
    stage.limit(&version, |limits| limits.cpu_percent = 5);
    let answers = join_all((0..20).map(|_| post(&stage, &version, "/spin"))).await;
    assert!(answers.iter().all(|answer| answer.as_deref() == Ok("fine")), "{answers:?}");
    assert!(matches!(stage.state(&version), HostedState::Ready { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_bounded_whatever_it_is_taken_for() {
    let stage = Stage::new(settings()).await;
    for (name, path, how) in
        [(1, "/buffers", ""), (2, "/heap", ": its JavaScript heap, which may take half of it, is full")]
    {
        let version = stage.add(name, OFFENDER);
        let both = tokio::join!(post(&stage, &version, "/hang"), post(&stage, &version, path));
        for answer in [both.0, both.1] {
            let Err(Error::Hosted(refusal)) = answer else { panic!("{path}: {answer:?}") };
            let why = format!("used more than its 128 MiB of memory{how} (limits.memory_mb)");
            assert_eq!(refusal.message, format!("the server's process ended during the call: {why}"));
        }
        let used = stage.supervisor.server(version.tenant, version.server);
        assert_eq!(used.limit_kills, 1);
        assert!(used.memory_peak > 32 << 20 && used.memory_peak < 256 << 20, "{used:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_watchdog_a_loop_goes_on() {
    let stage = Stage::without_watchdog(settings()).await;
    let version = offender(&stage, 1);
    let mut endless = call("/loop");
    endless.head_timeout = Duration::from_millis(1_500);
    assert!(matches!(stage.send(&version, endless).await, Err(Error::TimedOut(_))));
    assert!(matches!(stage.state(&version), HostedState::Ready { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_is_watched_like_any_other() {
    let stage = Stage::new(settings()).await;
    let trial = stage.trial(OFFENDER).await.map_err(|refused| refused.error).unwrap();
    assert_eq!(trial.call(call("/")).await.unwrap().status, 200);
    let Err(Error::Hosted(refusal)) = trial.call(call("/loop")).await else { panic!("killed") };
    let why = "used more than 300 ms of CPU without an answer (limits.cpu_ms)";
    assert_eq!(refusal.message, format!("the server's process ended during the call: {why}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_streams_are_as_many_as_they_may_be() {
    let stage = Stage::new(settings()).await;
    let version = stage.add(1, OFFENDER);
    stage.limit(&version, |limits| (limits.concurrent_calls, limits.open_streams) = (2, 1));
    // The first two wait for the start of the process, and count.
    let (one, two) = (post(&stage, &version, "/hang"), post(&stage, &version, "/hang"));
    let refused = async {
        let seen = stage.lines.wait("hangs", 2).await;
        let Err(Error::Limited { message, .. }) = post(&stage, &version, "/").await else {
            panic!("refused: {seen:?}")
        };
        let most = "the server has as many calls in flight as it may, 2 (limits.concurrent_calls)";
        assert_eq!(message, most);
        // A stream is no call.
        let stream = stage.send(&version, request("/")).await.unwrap();
        let Err(Error::Limited { message, .. }) = stage.get(&version, "/").await else { panic!("refused") };
        assert_eq!(message, "the server has as many streams open as it may, 1 (limits.open_streams)");
        assert_eq!(read(stream).await.unwrap(), "fine");
        assert_eq!(stage.text(&version, "/").await, "fine", "over is over");
    };
    tokio::select! {
        answers = futures_util::future::join(one, two) => panic!("{answers:?}"),
        done = tokio::time::timeout(PATIENCE, refused) => done.unwrap(),
    }
    assert_eq!(post(&stage, &version, "/").await.unwrap(), "fine", "who has gone away counts no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_counts_by_its_requests() {
    let stage = Stage::new(settings()).await;
    let version = stage.add(1, OFFENDER);
    stage.limit(&version, |limits| limits.concurrent_calls = 3);
    let batch = |path: &str, calls: u32| stage.send(&version, HostedRequest { calls, ..call(path) });
    let refused = async {
        stage.lines.wait("hangs", 1).await;
        for (calls, told) in [
            (2, "the server has as many calls in flight as it may, 3 (limits.concurrent_calls)"),
            (4, "it is 4 at once, and the server may have 3 calls in flight (limits.concurrent_calls)"),
        ] {
            let Err(Error::Limited { message, .. }) = batch("/", calls).await else { panic!("refused") };
            assert_eq!(message, told);
        }
        assert_eq!(read(batch("/", 1).await.unwrap()).await.unwrap(), "fine");
    };
    tokio::select! {
        answer = batch("/hang", 2) => panic!("{}", answer.is_ok()),
        done = tokio::time::timeout(PATIENCE, refused) => done.unwrap(),
    }
    assert_eq!(read(batch("/", 3).await.unwrap()).await.unwrap(), "fine");
    assert_eq!(stage.supervisor.server(version.tenant, version.server).calls, 6, "2, 1 and 3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_kept_as_far_as_its_budget_goes() {
    let stage = Stage::new(fleet::Settings { idle_after: Duration::from_millis(100), ..settings() }).await;
    let version = stage.add(1, OFFENDER);
    stage.limit(&version, |limits| limits.log_bytes = 20_000);
    assert_eq!(post(&stage, &version, "/flood").await.unwrap(), "fine");
    stage.lines.wait("[smcp] lines are dropped until a minute is over", 1).await;
    let summary = stage.lines.wait("lines were dropped: the server wrote more than 20000 bytes", 1).await;
    let kept = stage.lines.all().iter().filter(|line| line.message.starts_with("flood")).count();
    assert!(summary.message.starts_with(&format!("[smcp] {} lines", 1_000 - kept)), "{kept}: {summary:?}");
    assert!((50..200).contains(&kept), "{kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_breaks_limits_again_and_again_is_kept_out_until_that_is_lifted() {
    let stage = Stage::new(fleet::Settings { backoff_first: Duration::ZERO, ..settings() }).await;
    let version = offender(&stage, 1);
    stage.limit(&version, |limits| limits.cpu_ms = 50);
    for _ in 0..3 {
        assert!(matches!(post(&stage, &version, "/loop").await, Err(Error::Hosted(_))));
    }
    let Err(Error::Unavailable(refusal)) = post(&stage, &version, "/").await else { panic!("kept out") };
    let why = "used more than 50 ms of CPU without an answer (limits.cpu_ms)";
    assert_eq!(
        refusal.message,
        format!("the server is in quarantine, it has broken its limits 3 times: {why}")
    );
    assert_eq!(
        refusal.hint.as_deref(),
        Some("the platform's administrator can end it: smcp servers lift one, with the --tenant it is of")
    );
    let HostedState::Quarantined { reason, offences: 3, .. } = stage.state(&version) else {
        panic!("{:?}", stage.state(&version))
    };
    assert_eq!(reason, why);
    stage.lines.wait("limits broken 3 times", 1).await;
    stage.supervisor.warm(&stage.target(&version));
    stage.supervisor.lift(&version);
    assert_eq!(stage.state(&version), HostedState::Asleep);
    assert_eq!(post(&stage, &version, "/").await.unwrap(), "fine");
    let server = stage.supervisor.server(version.tenant, version.server);
    assert_eq!((server.starts, server.limit_kills), (4, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_used_is_known_and_by_whom() {
    let stage = Stage::new(settings()).await;
    let version = offender(&stage, 1);
    stage.supervisor.warm(&stage.target(&version));
    for _ in 0..5 {
        post(&stage, &version, "/burn?20").await.unwrap();
    }
    let alone = stage.supervisor.server(version.tenant, version.server);
    assert_eq!((alone.calls, alone.starts, alone.limit_kills, alone.cpu_shared), (5, 1, 0, Duration::ZERO));
    // It burned 100 ms of wall-clock time, on a machine with others on it.
    assert!((10..150).contains(&alone.cpu_exact.as_millis()), "{alone:?}");
    assert!(alone.cpu_background > Duration::from_millis(5), "its start: {alone:?}");
    assert!(alone.memory_now > 1 << 20 && alone.memory_peak >= alone.memory_now, "{alone:?}");
    join_all((0..4).map(|_| post(&stage, &version, "/both"))).await;
    let shared = stage.supervisor.server(version.tenant, version.server);
    assert!(shared.cpu_shared > Duration::from_millis(10), "{shared:?}");
    // A loop pays for what it used until it was killed.
    assert!(post(&stage, &version, "/loop").await.is_err());
    let killed = stage.supervisor.server(version.tenant, version.server);
    assert!(killed.cpu_exact - alone.cpu_exact >= Duration::from_millis(200), "{killed:?}");
    assert_eq!((killed.calls, killed.memory_now, killed.limit_kills), (10, 0, 1));
    // Deleted, it counts for its tenant alone.
    stage.supervisor.forget(&version).await;
    assert_eq!(stage.supervisor.server(version.tenant, version.server), smcp_core::ports::Usage::default());
    assert_eq!(stage.supervisor.tenant(version.tenant), killed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_holds_every_place_gives_one_up() {
    let place_for = Duration::from_millis(300);
    let fleet =
        fleet::Settings { max_awake: 2, stop_grace: Duration::from_millis(300), place_for, ..settings() };
    let stage = Stage::new(fleet).await;
    let hog = [stage.add(1, OFFENDER), stage.add(2, OFFENDER)];
    let mut other = stage.add(3, OFFENDER);
    let busy = join_all(hog.iter().map(|version| post(&stage, version, "/hang")));
    let asks = async {
        stage.lines.wait("hangs", 2).await;
        // Of the same tenant: there is nothing to give.
        let Err(Error::Unavailable(refusal)) = post(&stage, &other, "/").await else { panic!("full") };
        assert_eq!(refusal.message, "every place for a running server is taken by a busy one");
        other = stage.of_another(other);
        assert_eq!(post(&stage, &other, "/").await.unwrap(), "fine");
        stage.lines.wait("another server needed its place (node.max_awake)", 1).await;
        let ready = hog.iter().filter(|version| matches!(stage.state(version), HostedState::Ready { .. }));
        assert_eq!(ready.count(), 1, "one is enough");
    };
    let mut busy = std::pin::pin!(busy);
    tokio::select! {
        answers = &mut busy => panic!("{answers:?}"),
        () = asks => {}
    }
    // Who had a call in flight on it learns why.
    stage.supervisor.shutdown(Duration::ZERO).await;
    let answers = busy.await;
    let refused = answers.iter().find_map(|answer| match answer {
        Err(Error::Unavailable(refusal)) => Some(refusal),
        _ => None,
    });
    let refusal = refused.unwrap_or_else(|| panic!("{answers:?}"));
    let why = "was stopped by the platform: another server needed its place (node.max_awake)";
    assert_eq!(refusal.message, format!("the server's process ended during the call: {why}"));
}
