//! What hosted code is told about its callers, and how it can verify that.

use std::{sync::Arc, time::Duration};

use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{Signature, VerifyingKey};
use futures_util::{StreamExt as _, stream};
use http::Method;
use serde_json::{Value, json};
use smcp_core::{
    caller::{CallerTokens, OwnKeys},
    keyring::Keyring,
    ports::{Budgets, Clock, HostedBody, Outbound, Purpose, VersionRef, Workload},
    settings::{ExternalUrl, Settings},
};
use smcp_testkit::{CountingEntropy, FakeClock, MemoryStores, Scripted, ScriptedIsolates};
use smcp_tests::router::{World, bundle, call_add};
use smcp_types::{Digest, ServerId, TenantId};

const GOOD: &str = r#"{"jsonrpc":"2.0","id":7,"result":{}}"#;

async fn world() -> World {
    World::new(ScriptedIsolates::new(|_| Scripted::json(GOOD))).await
}

/// The token of one call to `/t/home/srv/mcp`.
async fn token(world: &World, key: &str) -> String {
    assert_eq!(world.mcp(key, call_add()).await.status.as_u16(), 200);
    let seen = world.isolates.seen();
    seen.last().unwrap().headers["smcp-caller"].to_str().unwrap().to_owned()
}

fn part(text: &str) -> Value {
    serde_json::from_slice(&BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()).unwrap()
}

/// Header and claims, if the signature is that of a key in the set.
fn verified(token: &str, keys: &Value) -> Option<(Value, Value)> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let header = part(header);
    let key = keys["keys"].as_array()?.iter().find(|key| key["kid"] == header["kid"])?;
    let public = BASE64URL_NOPAD.decode(key["x"].as_str()?.as_bytes()).ok()?;
    let signature = Signature::from_slice(&BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?).ok()?;
    let public = VerifyingKey::from_bytes(&public.try_into().ok()?).ok()?;
    public.verify_strict(signed.as_bytes(), &signature).ok()?;
    Some((header, part(claims)))
}

#[tokio::test]
async fn a_token_says_who_calls_which_server_and_verifies() {
    let world = world().await;
    let set = world.send(Method::GET, "/identity/jwks.json", &[], "").await;
    assert_eq!(set.header("cache-control"), "public, max-age=300");
    assert_eq!(set.header("content-type"), "application/jwk-set+json");
    assert!(!String::from_utf8_lossy(&set.body).contains("\"d\""), "public keys alone");
    let token = token(&world, &world.user).await;
    let (header, claims) = verified(&token, &set.json()).unwrap();
    assert_eq!((&header["alg"], &header["typ"]), (&json!("EdDSA"), &json!("smcp-caller+jwt")));
    assert_eq!(claims["iss"], "http://localhost:8787/identity");
    assert_eq!(claims["aud"], "http://localhost:8787/t/home/srv");
    assert_eq!(claims["roles"], json!(["mcp_user"]));
    assert_eq!(claims["scopes"], json!([]));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
    let who = world.api(Method::GET, "/api/v1/whoami", &world.user, json!({})).await.json();
    assert_eq!((&claims["sub"], &claims["client_id"]), (&who["principal"], &who["principal"]));
    assert!(claims["sub"].as_str().unwrap().contains(claims["tenant"].as_str().unwrap()));
    let other = self::token(&world, &world.admin).await;
    let (ours, theirs): (Vec<&str>, Vec<&str>) = (token.split('.').collect(), other.split('.').collect());
    let forged = format!("{}.{}.{}", ours[0], theirs[1], ours[2]);
    assert!(verified(&forged, &set.json()).is_none(), "claims of another caller under this signature");
}

#[tokio::test]
async fn a_token_is_signed_once_in_half_a_minute_for_one_caller_and_server() {
    let world = world().await;
    let first = token(&world, &world.user).await;
    world.clock.advance(Duration::from_secs(29));
    assert_eq!(token(&world, &world.user).await, first);
    let second_user = world.new_key("home", "mcp_user").await;
    assert_ne!(token(&world, &second_user).await, first, "another caller");
    world.clock.advance(Duration::from_secs(1));
    let later = token(&world, &world.user).await;
    assert_ne!(later, first, "signed anew");
    let claims = |token: &str| part(token.split('.').nth(1).unwrap());
    assert_ne!(claims(&later)["jti"], claims(&first)["jti"]);
}

/// A way out that leads nowhere and counts who came.
struct Nowhere;

#[async_trait::async_trait]
impl Outbound for Nowhere {
    async fn fetch(&self, _: &Arc<Workload>, _: http::Request<HostedBody>) -> http::Response<HostedBody> {
        let mut refused = http::Response::new(Box::pin(stream::empty()) as HostedBody);
        *refused.status_mut() = http::StatusCode::FORBIDDEN;
        refused
    }
}

#[tokio::test]
async fn hosted_code_gets_the_key_set_and_nothing_else_of_ours() {
    let (clock, entropy) = (Arc::new(FakeClock::default()), Arc::new(CountingEntropy::default()));
    let callers = Arc::new(CallerTokens::new(
        ring(&clock).await,
        clock,
        entropy,
        &Settings {
            external_url: ExternalUrl::parse("https://mcp.example.com").unwrap(),
            allowed_origins: Vec::new(),
            networks: Vec::new(),
        },
    ));
    let way_out = OwnKeys::new(Arc::clone(&callers), Arc::new(Nowhere));
    let from = workload();
    let fetch = async |method: Method, url: &str| {
        let request = http::Request::builder().method(method).uri(url);
        let body: HostedBody = Box::pin(stream::empty());
        way_out.fetch(&from, request.body(body).unwrap()).await
    };
    for url in
        ["https://mcp.example.com/identity/jwks.json", "https://MCP.example.com:443/identity/jwks.json"]
    {
        from.budgets.subrequests.grant(1, 1);
        let answer = fetch(Method::GET, url).await;
        assert_eq!(answer.status().as_u16(), 200, "{url}");
        assert_eq!(answer.into_body().next().await.unwrap().unwrap(), callers.jwks());
    }
    let good = "https://mcp.example.com/identity/jwks.json";
    assert_eq!(fetch(Method::GET, good).await.status().as_u16(), 403, "nothing left of the budget");
    from.budgets.subrequests.grant(50, 50);
    for (method, url) in [
        (Method::POST, good),
        (Method::GET, "http://mcp.example.com/identity/jwks.json"),
        (Method::GET, "https://mcp.example.com:8443/identity/jwks.json"),
        (Method::GET, "https://mcp.example.com/identity/jwks.json?x"),
        (Method::GET, "https://mcp.example.com/identity/../api/v1/whoami"),
        (Method::GET, "https://mcp.example.com/api/v1/whoami"),
        (Method::GET, "https://evil@mcp.example.com/identity/jwks.json"),
        (Method::GET, "https://evil.example/identity/jwks.json"),
    ] {
        assert_eq!(fetch(method, url).await.status().as_u16(), 403, "{url}");
    }
}

async fn ring(clock: &Arc<FakeClock>) -> Arc<Keyring> {
    let clock: Arc<dyn Clock> = clock.clone();
    smcp_testkit::open_keys(&MemoryStores::stores(), &clock).await.unwrap().0
}

fn workload() -> Arc<Workload> {
    let manifest = serde_json::from_value(bundle("srv", &[])["manifest"].clone()).unwrap();
    let (tenant, server) = (TenantId::from_bytes([1; 16]), ServerId::from_bytes([2; 16]));
    Arc::new(Workload {
        version: VersionRef { tenant, server, digest: Digest::from_bytes([3; 32]) },
        manifest: Arc::new(manifest),
        purpose: Purpose::Serving,
        networks: Arc::new([]),
        budgets: Budgets::default(),
    })
}
