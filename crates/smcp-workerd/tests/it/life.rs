//! A process's life: idle stop, crash and back-off, retirement, shutdown, what is left over.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use smcp_core::{
    fleet,
    ports::{HostedState, Isolates as _},
};
use smcp_types::Error;

use crate::support::{Stage, request, settings};

/// `/slow` takes a while, `/bomb` ends the process, `/loop` blocks it, everything else answers its own number.
const SERVER: &str = r#"
let calls = 0;
export default { async fetch(request) {
  const { pathname } = new URL(request.url);
  calls += 1;
  if (pathname === "/slow") { console.log("slow begins"); await new Promise((done) => setTimeout(done, 200)); }
  if (pathname === "/bomb") { const all = []; for (;;) all.push(new Array(1e5).fill(all.length)); }
  if (pathname === "/loop") { console.log("loop begins"); for (;;); }
  return new Response(String(calls));
} };
"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_version_sleeps_and_wakes_again() {
    let stage = Stage::new(fleet::Settings { idle_after: Duration::from_millis(50), ..settings() }).await;
    let version = stage.add(1, SERVER);
    assert_eq!(stage.state(&version), HostedState::Asleep);
    assert_eq!(stage.text(&version, "/").await, "1");
    for round in 1..=3 {
        let line = stage.lines.wait("[smcp] process", round).await;
        let why = "ended: was stopped by the platform: nobody called for a while (node.idle_after)";
        assert!(line.message.ends_with(why), "{line:?}");
        assert_eq!(stage.text(&version, "/").await, "1", "a new process");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_names_its_reason_and_backs_off() {
    let stage = Stage::new(fleet::Settings {
        backoff_first: Duration::from_secs(600),
        backoff_most: Duration::from_secs(600),
        ..settings()
    })
    .await;
    let version = stage.add(1, SERVER);
    stage.text(&version, "/").await;
    assert!(matches!(stage.state(&version), HostedState::Ready { .. }));
    let Err(Error::Hosted(refusal)) = stage.get(&version, "/bomb").await else { panic!("crashed") };
    let why = "used more than its 128 MiB of memory: its JavaScript heap, which may take half of it, is full (limits.memory_mb)";
    assert_eq!(refusal.message, format!("the server's process ended during the call: {why}"));
    stage.lines.wait(&format!("[smcp] process 1 ended: {why}"), 1).await;
    let Err(Error::Unavailable(refusal)) = stage.get(&version, "/").await else { panic!("backs off") };
    assert_eq!(refusal.message, format!("the server has failed once and is not started again yet: {why}"));
    let HostedState::Failing { reason, attempts: 1, retry_at } = stage.state(&version) else {
        panic!("failing")
    };
    assert_eq!(reason, why);
    assert!(retry_at.0 > 1_700_000_000_000 + 600_000, "{retry_at:?}");
    assert_eq!(stage.sockets(), 0, "its sockets are gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_back_off_a_call_starts_it_again() {
    let stage = Stage::new(fleet::Settings { backoff_first: Duration::ZERO, ..settings() }).await;
    let version = stage.add(1, SERVER);
    for _ in 0..2 {
        assert!(matches!(stage.get(&version, "/bomb").await, Err(Error::Hosted(_))));
        assert_eq!(stage.text(&version, "/").await, "1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_does_not_start_tells_its_waiting_calls_why() {
    let stage = Stage::new(settings()).await;
    let version = stage.add(1, "throw new Error('nope'); export default { fetch() {} };");
    let answers = join_all((0..3).map(|_| stage.get(&version, "/"))).await;
    for answer in answers {
        let Err(Error::Hosted(refusal)) = answer else { panic!("refused: {answer:?}") };
        assert!(refusal.message.starts_with("the server did not start: Uncaught Error: nope"), "{refusal:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_hangs_is_killed() {
    let stage = Stage::new(settings()).await;
    let version = stage.add(1, "for (;;); export default { fetch() {} };");
    stage.limit(&version, |limits| limits.start_ms = 400);
    let Err(Error::Hosted(refusal)) = stage.get(&version, "/").await else { panic!("killed") };
    assert_eq!(refusal.message, "the server did not start: did not start within 400 ms (limits.start_ms)");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_version_finishes_its_calls() {
    let stage = Stage::new(settings()).await;
    let version = stage.add(1, SERVER);
    let call = stage.get(&version, "/slow");
    let retire = async {
        stage.lines.wait("slow begins", 1).await;
        stage.supervisor.retire(&version).await;
        assert_eq!(stage.state(&version), HostedState::Stopping);
    };
    let (answer, ()) = tokio::join!(call, retire);
    assert_eq!(answer.unwrap(), (200, "1".to_owned()));
    let why = "ended: was stopped by the platform: another version is active, or the server is deleted";
    stage.lines.wait(why, 1).await;
    assert_eq!(stage.state(&version), HostedState::Asleep);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_race_a_stop_are_all_answered() {
    let stage = Stage::new(settings()).await;
    let version = stage.add(1, SERVER);
    for _ in 0..10 {
        let calls = join_all((0..4).map(|_| stage.get(&version, "/")));
        let (answers, ()) = tokio::join!(calls, stage.supervisor.retire(&version));
        assert!(answers.iter().all(|answer| matches!(answer, Ok((200, _)))), "{answers:?}");
        stage.supervisor.retire(&version).await;
        let late = stage.get(&version, "/").await;
        assert!(matches!(late, Ok((200, _))), "{late:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_is_graceful_and_has_an_end() {
    let stage = Stage::new(settings()).await;
    let (slow, blocked) = (stage.add(1, SERVER), stage.add(2, SERVER));
    stage.text(&slow, "/").await;
    let calls = async { tokio::join!(stage.get(&slow, "/slow"), stage.get(&blocked, "/loop")) };
    let shutdown = async {
        stage.lines.wait("slow begins", 1).await;
        stage.lines.wait("loop begins", 1).await;
        stage.supervisor.shutdown(Duration::from_millis(900)).await;
    };
    let ((finished, killed), ()) = tokio::join!(calls, shutdown);
    assert_eq!(finished.unwrap(), (200, "2".to_owned()));
    let Err(Error::Hosted(refusal)) = killed else { panic!("killed") };
    assert_eq!(
        refusal.message,
        "the server's process ended during the call: was stopped by the platform: the platform stops"
    );
    assert!(matches!(stage.get(&slow, "/").await, Err(Error::Unavailable(_))));
    assert!(stage.supervisor.health().is_err());
    assert_eq!(stage.sockets(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn leftovers_of_a_killed_platform_are_cleared_away() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let run = folder.path().join("run");
    std::fs::create_dir(&run).unwrap();
    for name in ["egress", "1", "1.h", "77"] {
        drop(std::os::unix::net::UnixListener::bind(run.join(name)).unwrap());
    }
    let stage = Stage::in_folder(settings(), folder).await;
    assert_eq!(stage.sockets(), 0);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&run).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700);
    let version = stage.add(1, SERVER);
    assert_eq!(stage.text(&version, "/").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_nobody_waits_for_leaves_nothing_behind() {
    let stage = Stage::new(fleet::Settings { idle_after: Duration::from_millis(50), ..settings() }).await;
    let version = stage.add(1, SERVER);
    let mut call = request("/");
    call.head_timeout = Duration::ZERO;
    assert!(matches!(stage.send(&version, call).await, Err(Error::TimedOut(_))));
    // Its process, if one was begun, goes to sleep like any other.
    assert_eq!(stage.text(&version, "/").await, "1");
    stage.lines.wait("ended: was stopped by the platform", 1).await;
}
