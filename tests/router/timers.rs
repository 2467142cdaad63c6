//! Scheduled handlers: called in their minute, by nobody's request, and never of a version that is not active.

use std::{sync::Arc, time::Duration};

use http::{Method, StatusCode};
use serde_json::json;
use smcp_core::ports::{Clock as _, HostedRequest, Scheduled};
use smcp_testkit::{Scripted, ScriptedIsolates};
use smcp_tests::router::{World, bundle};

/// Advances the clock by minutes while the timers run, and says which expressions were called.
async fn minutes(world: &World, count: u32) -> Vec<(String, i64)> {
    let timers = Arc::clone(&world.platform);
    let walk = async {
        for _ in 0..count {
            // Each sleep of the timers ends where the clock is moved to.
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            world.clock.advance(Duration::from_secs(60));
        }
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = timers.run_timers() => {}
        () = walk => {}
    }
    let seen = world.isolates.seen();
    let due = |request: HostedRequest| match request.scheduled? {
        Scheduled::Due { cron, at } => Some((cron, at.0)),
        Scheduled::Asked => None,
    };
    seen.into_iter().filter_map(due).collect()
}

async fn activate(world: &World, crons: &[&str]) {
    activate_with(world, crons, json!([])).await;
}

async fn activate_with(world: &World, crons: &[&str], objects: serde_json::Value) {
    let mut body = bundle("srv", &[]);
    body["manifest"]["crons"] = json!(crons);
    let mut requires = Vec::new();
    if objects != json!([]) {
        requires.push("durable_objects");
        body["manifest"]["durable_objects"] = objects;
    }
    if !crons.is_empty() {
        requires.push("triggers");
    }
    body["manifest"]["requires"] = json!(requires);
    let path = "/api/v1/tenants/home/servers/srv/versions";
    let deployed = world.api(Method::POST, path, &world.admin, body).await;
    assert!(deployed.status.is_success(), "{deployed:?}");
    let digest = deployed.json()["version"]["digest"].as_str().unwrap().to_owned();
    let done = world.api(Method::POST, &format!("{path}/{digest}/activate"), &world.admin, json!({})).await;
    assert_eq!(done.status, StatusCode::OK, "{done:?}");
}

#[tokio::test]
async fn a_handler_is_called_in_its_minutes_and_no_more_once_another_version_is_active() {
    let world = World::new(ScriptedIsolates::new(|_| Scripted::json("{}"))).await;
    activate(&world, &["* * * * *", "0 0 1 1 *"]).await;
    let first = minutes(&world, 3).await;
    assert_eq!(first.len(), 3, "{first:?}");
    assert!(first.iter().all(|(cron, at)| cron == "* * * * *" && at % 60_000 == 0), "{first:?}");
    assert!(first.windows(2).all(|pair| pair[1].1 - pair[0].1 == 60_000), "each minute once: {first:?}");
    assert!(first.iter().all(|(_, at)| *at <= world.clock.now().0));
    activate(&world, &[]).await;
    assert_eq!(minutes(&world, 3).await.len(), 3, "no further one");
}

/// Looking for one server's alarms may take as long as it likes: nobody's minute waits for it.
#[tokio::test]
async fn a_minute_waits_for_nobodys_alarms() {
    let world = World::new(ScriptedIsolates::new(|_| Scripted::json("{}"))).await;
    let objects = json!([{ "binding": "ROOMS", "class": "Room" }]);
    activate_with(&world, &["* * * * *"], objects).await;
    world.isolates.never_resume();
    assert_eq!(minutes(&world, 2).await.len(), 2);
}
