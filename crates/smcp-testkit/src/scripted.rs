//! Hosted code as a closure: answers as the test says and remembers everything that reached it.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use http::{HeaderMap, StatusCode};
use smcp_core::{
    authority::{Deploy, Permit, UseServer},
    ports::{
        HostedBody, HostedRequest, HostedResponse, HostedState, Isolates, LogLine, Target, Trial,
        TrialRefused, Usage, UsageMeter, VersionRef,
    },
};
use smcp_manifest::Bundle;
use smcp_types::{Error, Result, ServerId, TenantId, UnixMillis};

/// What a scripted server answers.
#[derive(Clone, Debug)]
pub struct Scripted {
    /// The status.
    pub status: u16,
    /// All headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body, chunk by chunk.
    pub chunks: Vec<Result<Bytes>>,
    /// Whether the body stays open after its chunks.
    pub hangs: bool,
    /// Chunks that the test sends later; taken by the first call that is answered with them.
    pub later: Arc<Mutex<Option<UnboundedReceiver<Result<Bytes>>>>>,
}

impl Scripted {
    /// 200 with JSON.
    pub fn json(body: impl Into<String>) -> Self {
        Self::of(200, "application/json", body)
    }

    /// 200 with an event stream.
    pub fn events(body: impl Into<String>) -> Self {
        Self::of(200, "text/event-stream", body)
    }

    /// A status, a content type and a body.
    pub fn of(status: u16, kind: &str, body: impl Into<String>) -> Self {
        let headers = vec![("content-type", kind.to_owned())];
        let chunks = vec![Ok(Bytes::from(body.into()))];
        Self { status, headers, chunks, hangs: false, later: Arc::default() }
    }

    /// 200 with an event stream whose chunks the test sends when it likes.
    #[must_use]
    pub fn fed() -> (Self, UnboundedSender<Result<Bytes>>) {
        let (sender, receiver) = unbounded();
        let later = Arc::new(Mutex::new(Some(receiver)));
        (Self { later, ..Self::events("") }, sender)
    }

    /// One header more.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Leaves the body open.
    #[must_use]
    pub fn hanging(mut self) -> Self {
        self.hangs = true;
        self
    }
}

type Script = Box<dyn Fn(&HostedRequest) -> BoxFuture<'static, Result<Scripted>> + Send + Sync>;

/// Isolates that follow a script.
pub struct ScriptedIsolates {
    script: Script,
    never_resumes: AtomicBool,
    awake: AtomicBool,
    seen: Mutex<Vec<HostedRequest>>,
    versions: Mutex<Vec<VersionRef>>,
    finished: Arc<AtomicBool>,
    cancelled: Arc<AtomicBool>,
}

impl ScriptedIsolates {
    /// Answers each request as the script says, at once.
    pub fn new(script: impl Fn(&HostedRequest) -> Scripted + Send + Sync + 'static) -> Arc<Self> {
        Self::waiting(move |request| {
            let answer = script(request);
            async move { Ok(answer) }.boxed()
        })
    }

    /// From now on alarms of servers are looked for and never found.
    pub fn never_resume(&self) {
        self.never_resumes.store(true, Ordering::Relaxed);
    }

    /// From now on every version is said to be awake, or asleep.
    pub fn awake(&self, awake: bool) {
        self.awake.store(awake, Ordering::Relaxed);
    }

    /// Answers when the script's future does.
    pub fn waiting(
        script: impl Fn(&HostedRequest) -> BoxFuture<'static, Result<Scripted>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let (finished, cancelled) = (Arc::default(), Arc::default());
        Arc::new(Self {
            script: Box::new(script),
            seen: Mutex::default(),
            never_resumes: AtomicBool::new(false),
            awake: AtomicBool::new(false),
            versions: Mutex::default(),
            finished,
            cancelled,
        })
    }

    /// The version that each of those requests went to.
    pub fn versions(&self) -> Vec<VersionRef> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything that reached hosted code through calls; trials not counted.
    pub fn seen(&self) -> Vec<HostedRequest> {
        self.seen_now().clone()
    }

    /// Whether a call was read to the end of its body.
    pub fn finished(&self) -> bool {
        self.finished.load(Ordering::SeqCst)
    }

    /// Whether a call was dropped before its end.
    pub fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    fn seen_now(&self) -> MutexGuard<'_, Vec<HostedRequest>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes how a call ended: as the test asks, not as the product would need.
struct Fate {
    done: bool,
    finished: Arc<AtomicBool>,
    cancelled: Arc<AtomicBool>,
}

impl Drop for Fate {
    fn drop(&mut self) {
        let flag = if self.done { &self.finished } else { &self.cancelled };
        flag.store(true, Ordering::SeqCst);
    }
}

fn respond(answer: Scripted, fate: Fate) -> Result<HostedResponse> {
    let mut headers = HeaderMap::new();
    for (name, value) in &answer.headers {
        headers.append(*name, value.parse().map_err(Error::internal)?);
    }
    let chunks = stream::iter(answer.chunks);
    let later = answer.later.lock().unwrap_or_else(PoisonError::into_inner).take();
    let body: HostedBody = match later {
        Some(later) => chunks.chain(later).boxed(),
        None if answer.hangs => chunks.chain(stream::pending()).boxed(),
        None => chunks.boxed(),
    };
    let body = stream::unfold((body, fate), |(mut body, mut fate)| async move {
        let next = body.next().await;
        fate.done = next.is_none();
        next.map(|chunk| (chunk, (body, fate)))
    });
    let status = StatusCode::from_u16(answer.status).map_err(Error::internal)?;
    Ok(HostedResponse { status, headers, body: body.boxed() })
}

#[async_trait]
impl Isolates for ScriptedIsolates {
    async fn call(
        &self,
        permit: &Permit<UseServer>,
        target: &Target,
        request: HostedRequest,
    ) -> Result<HostedResponse> {
        if !permit.covers(&target.version) {
            return Err(Error::internal("a permit was used for another server"));
        }
        let fate = Fate { done: false, finished: self.finished.clone(), cancelled: self.cancelled.clone() };
        let answer = (self.script)(&request);
        self.seen_now().push(request);
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).push(target.version);
        respond(answer.await?, fate)
    }

    async fn trial(
        &self,
        _: &Permit<Deploy>,
        target: &Target,
        _: Arc<Bundle>,
    ) -> std::result::Result<Box<dyn Trial>, TrialRefused> {
        Ok(Box::new(ScriptedTrial { tool: target.manifest.vars.get("tool").cloned() }))
    }

    async fn resume(&self, _: &Target) {
        if self.never_resumes.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }

    async fn erase(&self, _: TenantId, _: ServerId) -> Result<()> {
        Ok(())
    }

    fn warm(&self, _: &Target) {}

    fn lift(&self, _: &VersionRef) {}

    async fn retire(&self, _: &VersionRef) {}

    async fn forget(&self, _: &VersionRef) {}

    fn state(&self, _: &VersionRef) -> HostedState {
        match self.awake.load(Ordering::Relaxed) {
            true => HostedState::Ready { since: UnixMillis(0) },
            false => HostedState::Asleep,
        }
    }

    fn health(&self) -> Result<()> {
        Ok(())
    }
}

impl UsageMeter for ScriptedIsolates {
    /// One millisecond a request that was seen, to whomever it went.
    fn server(&self, _: TenantId, _: ServerId) -> Usage {
        let calls = self.seen_now().len() as u64;
        Usage { calls, cpu_exact: Duration::from_millis(calls), ..Usage::default() }
    }

    fn tenant(&self, tenant: TenantId) -> Usage {
        self.server(tenant, ServerId::from_bytes([0; 16]))
    }
}

/// A trial that shows one tool, `add`, and one prompt, `hello`, on 2025-11-25 and 2026-07-28; and the tool that the var `tool`
/// names, saying that it tells of changes.
struct ScriptedTrial {
    tool: Option<String>,
}

#[async_trait]
impl Trial for ScriptedTrial {
    async fn call(&self, request: HostedRequest) -> Result<HostedResponse> {
        let message: serde_json::Value = serde_json::from_slice(&request.body).map_err(Error::internal)?;
        let id = &message["id"];
        let capabilities = match self.tool {
            Some(_) => serde_json::json!({ "tools": { "listChanged": true }, "prompts": {} }),
            None => serde_json::json!({ "tools": {}, "prompts": {} }),
        };
        let more = self.tool.iter();
        let mut tools: Vec<_> = more
            .map(|name| serde_json::json!({ "name": name, "inputSchema": { "type": "object" } }))
            .collect();
        tools.push(serde_json::json!({ "name": "add", "inputSchema": { "type": "object",
                "properties": { "region": { "type": "string", "x-mcp-header": "Region" } } } }));
        let answer = match message["method"].as_str().unwrap_or_default() {
            "initialize" => serde_json::json!({
                "protocolVersion": "2025-11-25", "capabilities": capabilities,
                "serverInfo": { "name": "scripted", "version": "1" } }),
            "server/discover" => serde_json::json!({
                "supportedVersions": ["2026-07-28"], "capabilities": capabilities,
                "resultType": "complete", "ttlMs": 0, "cacheScope": "private" }),
            "tools/list" => serde_json::json!({ "tools": tools }),
            "prompts/list" => serde_json::json!({ "prompts": [{ "name": "hello" }] }),
            "notifications/initialized" => return respond(Scripted::of(202, "", ""), trial_fate()),
            _ => return respond(Scripted::of(404, "text/plain", "no"), trial_fate()),
        };
        let body = serde_json::json!({ "jsonrpc": "2.0", "id": id, "result": answer });
        respond(Scripted::json(body.to_string()), trial_fate())
    }

    fn logs(&self) -> Vec<LogLine> {
        Vec::new()
    }
}

fn trial_fate() -> Fate {
    Fate { done: false, finished: Arc::default(), cancelled: Arc::default() }
}
