//! Limits of a server: what a manifest may ask for, who may change that, and what an answer may weigh.

use http::Method;
use serde_json::{Value, json};
use smcp_testkit::{Scripted, ScriptedIsolates};
use smcp_tests::router::{Answer, World, bundle, call_add};

async fn set(world: &World, key: &str, ceilings: Value) -> Answer {
    let path = "/api/v1/tenants/home/ceilings";
    world.api(Method::POST, path, key, json!({ "ceilings": ceilings })).await
}

fn asking(limit: &str, value: u32) -> Value {
    let mut upload = bundle("srv", &[("LIMIT", limit)]);
    upload["manifest"]["limits"][limit] = json!(value);
    upload
}

#[tokio::test]
async fn a_manifest_stays_below_its_tenants_ceiling() {
    let world = World::new(ScriptedIsolates::new(|_| Scripted::json("{}"))).await;
    let path = "/api/v1/tenants/home/servers/srv/versions";
    let refused = world.api(Method::POST, path, &world.admin, asking("memory_mb", 1024)).await;
    assert_eq!(refused.status.as_u16(), 400);
    insta::assert_snapshot!(format!("{}\n{}", refused.json()["detail"], refused.json()["hint"]), @r#"
    "`limits.memory_mb` = 1024 is above this tenant's ceiling of 512 MiB"
    "lower it in smcp.toml, or have the platform's administrator run: smcp tenants limits home memory_mb=1024"
    "#);
    let raised = set(&world, &world.root, json!({ "memory_mb": 1024 })).await;
    assert_eq!((raised.status.as_u16(), raised.json()["ceilings"]["memory_mb"].clone()), (200, json!(1024)));
    let fine = world.api(Method::POST, path, &world.admin, asking("memory_mb", 1024)).await;
    assert_eq!(fine.status.as_u16(), 201);
    let reset = set(&world, &world.root, json!({ "memory_mb": null })).await;
    assert_eq!(reset.json()["ceilings"]["memory_mb"], 512);
}

#[tokio::test]
async fn ceilings_are_the_platforms_to_set() {
    let world = World::new(ScriptedIsolates::new(|_| Scripted::json("{}"))).await;
    let mut table = String::new();
    for (key, ceilings) in [
        (&world.admin, json!({ "memory_mb": 256 })),
        (&world.root, json!({ "memory_mb": 1 })),
        (&world.root, json!({ "memory": 1 })),
        (&world.root, json!({ "memory_mb": -1 })),
        (&world.root, json!({})),
    ] {
        let answer = set(&world, key, ceilings.clone()).await;
        table += &format!("{} {ceilings} {}\n", answer.status.as_u16(), answer.json()["detail"]);
    }
    insta::assert_snapshot!(table, @r#"
    403 {"memory_mb":256} "the role admin does not include `manage_tenants` here"
    400 {"memory_mb":1} "`memory_mb` must be between 64 and 16384 MiB"
    400 {"memory":1} "there is no such limit"
    400 {"memory_mb":-1} "the body: invalid value: integer `-1`, expected u32 at line 1 column 27"
    200 {} null
    "#);
}

#[tokio::test]
async fn an_answer_that_weighs_too_much_is_none() {
    let text = "x".repeat(4_000);
    let result = json!({ "jsonrpc": "2.0", "id": 7, "result": { "text": text } }).to_string();
    let events: Vec<String> = (0..4).map(|_| format!(": {}\n\n", "x".repeat(1_000))).collect();
    for events in [None, Some(events.concat())] {
        let answer = result.clone();
        let world = World::new(ScriptedIsolates::new(move |_| match &events {
            None => Scripted::json(answer.clone()),
            Some(events) => Scripted::events(format!("{events}data: {answer}\n\n")),
        }))
        .await;
        let whole = world.mcp(&world.user, call_add()).await;
        assert!(String::from_utf8_lossy(&whole.body).contains(&text), "small enough for the default");
        assert_eq!(set(&world, &world.root, json!({ "response_bytes": 2_048 })).await.status.as_u16(), 200);
        let cut = world.mcp(&world.user, call_add()).await;
        let told = String::from_utf8_lossy(&cut.body).into_owned();
        assert!(told.contains("-32603") && told.contains("`limits.response_bytes`"), "{told}");
        assert!(
            told.len() < 3_000 && !told.contains(&text[..3_000]),
            "a ceiling lowered later holds at once"
        );
    }
}
