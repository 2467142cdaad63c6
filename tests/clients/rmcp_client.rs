//! Calls an MCP server with the official Rust SDK, `rmcp`. Contract: README.md here.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program of the tests: its contract is environment in, standard output out"
)]
#![allow(deprecated, reason = "what 2026-07-28 has deprecated is part of the revisions before it")]

use std::error::Error;
use std::io::Read as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientConfig, CreateMessageRequestParams, CreateMessageResult,
    ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationCapability, ErrorData, Implementation,
    ListRootsResult, LoggingMessageNotificationParam, ProgressNotificationParam, ProtocolVersion, Root,
    RootsCapabilities, SamplingCapability, SamplingMessage,
};
use rmcp::service::{NotificationContext, RequestContext, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt as _, RoleClient};
use serde_json::{Value, json};
use tokio::sync::watch;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Longest wait for what a server says unasked.
const SAID_WITHIN: Duration = Duration::from_secs(10);

/// Counts the progress it is told about, notes what is said unasked, and answers every question alike.
#[derive(Clone)]
struct Listener {
    heard: Arc<AtomicUsize>,
    said: watch::Sender<Said>,
    answer: String,
}

/// What a server said unasked.
#[derive(Default)]
struct Said {
    log: Value,
    lists: Vec<&'static str>,
}

impl Said {
    fn is_whole(&self) -> bool {
        !self.log.is_null() && !self.lists.is_empty()
    }
}

impl ClientHandler for Listener {
    fn get_info(&self) -> ClientConfig {
        let mut info = ClientConfig::default();
        info.capabilities.elicitation = Some(ElicitationCapability::new());
        info.capabilities.sampling = Some(SamplingCapability::default());
        info.capabilities.roots = Some(RootsCapabilities::default());
        info
    }

    async fn create_elicitation(
        &self,
        _: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> std::result::Result<ElicitResult, ErrorData> {
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(json!({"answer": self.answer})))
    }

    async fn create_message(
        &self,
        _: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> std::result::Result<CreateMessageResult, ErrorData> {
        let message = SamplingMessage::assistant_text(self.answer.clone());
        Ok(CreateMessageResult::new(message, "none".to_owned()))
    }

    async fn list_roots(
        &self,
        _: RequestContext<RoleClient>,
    ) -> std::result::Result<ListRootsResult, ErrorData> {
        Ok(ListRootsResult::new(vec![Root::new("file:///root").with_name(self.answer.clone())]))
    }

    async fn on_logging_message(
        &self,
        params: LoggingMessageNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.said.send_modify(|said| said.log = params.data);
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.said.send_modify(|said| said.lists.push("tools"));
    }

    async fn on_progress(&self, _: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.heard.fetch_add(1, Ordering::Relaxed);
    }
}

impl Listener {
    /// What was said since the last time, when all of it has come.
    async fn everything(&self) -> Value {
        let mut said = self.said.subscribe();
        // What has not come by then is missing in the answer.
        let _ = tokio::time::timeout(SAID_WITHIN, said.wait_for(Said::is_whole)).await;
        drop(said);
        let Said { log, lists } = self.said.send_replace(Said::default());
        json!({"log": log, "lists": lists})
    }
}

type Client = RunningService<RoleClient, Listener>;

// One thread, because `heard` relies on tasks being run in the order they were spawned.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match drive().await {
        Ok(answer) => {
            println!("{answer}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn drive() -> Result<Value> {
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input)?;
    let calls: Vec<Value> = serde_json::from_str(&input)?;

    let client = connect().await?;
    let mut tools: Vec<_> = client.list_all_tools().await?.into_iter().map(|tool| tool.name).collect();
    tools.sort();
    let mut results = Vec::new();
    for call in &calls {
        results.push(call_tool(&client, call).await?);
    }
    let answer = {
        let peer = client.peer_info().ok_or("the server did not say who it is")?;
        let server = peer.server_info.as_ref();
        json!({
            "client": format!("rmcp {}", Implementation::from_build_env().version),
            "protocol": peer.protocol_version.to_string(),
            "server": {"name": server.map(|info| &info.name), "version": server.map(|info| &info.version)},
            "tools": tools,
            "results": results,
        })
    };
    // A legacy session is ended with DELETE.
    client.cancel().await?;
    Ok(answer)
}

async fn connect() -> Result<Client> {
    let url = std::env::var("MCP_URL").map_err(|_| "MCP_URL is not set")?;
    let key = std::env::var("MCP_KEY").map_err(|_| "MCP_KEY is not set")?;
    let era = std::env::var("MCP_ERA").unwrap_or_else(|_| "auto".to_owned());
    let lifecycle = match era.as_str() {
        "auto" => ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            legacy_version: Some(ProtocolVersion::V_2025_11_25),
        },
        "legacy" => ClientLifecycleMode::Initialize,
        other => return Err(format!("MCP_ERA is auto or legacy, not {other}").into()),
    };
    let config = StreamableHttpClientTransportConfig::with_uri(url).auth_header(key);
    let transport = StreamableHttpClientTransport::from_config(config);
    let answer = std::env::var("MCP_ANSWER").unwrap_or_else(|_| "yes".to_owned());
    let listener = Listener { heard: Arc::default(), said: watch::Sender::default(), answer };
    Ok(listener.serve_with_lifecycle(transport, lifecycle).await?)
}

async fn call_tool(client: &Client, call: &Value) -> Result<Value> {
    let tool = call["tool"].as_str().ok_or("a call names its tool")?.to_owned();
    let arguments = call["arguments"].as_object().cloned().unwrap_or_default();
    let before = heard(client).await?;
    let request = CallToolRequestParams::new(tool.clone()).with_arguments(arguments);
    match client.call_tool(request).await {
        Ok(result) => {
            let mut answer = shown(&tool, &result, heard(client).await? - before);
            if tool == "announce" && answer["isError"] == json!(false) {
                answer["heard"] = client.service().everything().await;
            }
            Ok(answer)
        }
        Err(error) => Ok(json!({"tool": tool, "error": error.to_string()})),
    }
}

/// The answer to a call, in the contract's form.
fn shown(tool: &str, result: &CallToolResult, progress: usize) -> Value {
    let text = result.content.iter().find_map(|part| part.as_text()).map(|part| &part.text);
    json!({
        "tool": tool,
        "isError": result.is_error.unwrap_or_default(),
        "text": text,
        "structured": result.structured_content,
        "progress": progress,
    })
}

/// How much progress was heard so far. rmcp handles each notification in a task of its own; all that came before an
/// answer were spawned before this one, so they have run when it has.
async fn heard(client: &Client) -> Result<usize> {
    tokio::spawn(async {}).await?;
    Ok(client.service().heard.load(Ordering::Relaxed))
}
