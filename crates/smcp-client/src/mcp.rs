//! A session with a hosted server, as an MCP client of revision 2025-11-25 holds it.

use std::time::Duration;

use serde_json::{Map, Value, json};
use smcp_api::Method;
use smcp_mcp::{ClientInfo, ListKind, MAX_DEFINITIONS_BYTES, MessageId, Outgoing, Revision};
use ureq::{Body, http::Response};

use crate::{
    ClientError,
    follow::EventReader,
    transport::{Ask, Transport, check, is_kind, read_bytes},
};

/// For the answer to a call: a little more than the platform itself waits at most, so that its own words arrive.
const CALL: Duration = Duration::from_secs(310);
/// For everything else.
const ANSWER: Duration = Duration::from_secs(30);
/// Largest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// Pages of a list.
const MAX_PAGES: usize = 200;

/// A session with one server. End it with `end`.
pub struct McpSession<'a> {
    transport: &'a Transport,
    path: String,
    client: ClientInfo<'a>,
    revision: Revision,
    session: Option<String>,
    next_id: i64,
}

/// What came with the answer to a request.
struct Answer {
    result: Value,
    session: Option<String>,
}

impl<'a> McpSession<'a> {
    /// `initialize`, then `notifications/initialized`.
    pub(crate) fn begin(
        transport: &'a Transport,
        path: &str,
        client: ClientInfo<'a>,
    ) -> Result<Self, ClientError> {
        let revision = Revision::LATEST_LEGACY;
        let mut this = Self { transport, path: path.to_owned(), client, revision, session: None, next_id: 1 };
        let id = this.take_id();
        let answer = this.ask(&id, smcp_mcp::initialize(&id, revision, client), ANSWER)?;
        let agreed = answer.result.get("protocolVersion").and_then(Value::as_str).unwrap_or_default();
        let agreed: Option<Revision> = agreed.parse().ok();
        this.revision = agreed
            .filter(|revision| *revision <= Revision::LATEST_LEGACY)
            .ok_or_else(|| this.wrong("it wants a revision of MCP that this client does not speak"))?;
        this.session = answer.session;
        let response = this.post(smcp_mcp::initialized(this.revision), ANSWER)?;
        this.accepted(response)?;
        Ok(this)
    }

    /// The server's tools, as it describes them.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn tools(&mut self) -> Result<Vec<Value>, ClientError> {
        let mut tools = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let id = self.take_id();
            let list = smcp_mcp::list(&id, self.revision, self.client, ListKind::Tools, cursor.as_deref());
            let mut answer = self.ask(&id, list, ANSWER)?;
            if let Some(Value::Array(page)) = answer.result.get_mut("tools").map(Value::take) {
                tools.extend(page);
            }
            cursor = answer.result.get("nextCursor").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() {
                return Ok(tools);
            }
        }
        Err(self.wrong("its list of tools does not end"))
    }

    /// Calls a tool and gives the whole result.
    ///
    /// # Errors
    /// `ClientError`. A tool that reports an error of its own has a result, with `isError`.
    pub fn call(&mut self, tool: &str, arguments: Map<String, Value>) -> Result<Value, ClientError> {
        let id = self.take_id();
        let call = smcp_mcp::call_tool(&id, self.revision, self.client, tool, arguments);
        Ok(self.ask(&id, call, CALL)?.result)
    }

    /// Ends the session. A server without sessions has nothing to end.
    ///
    /// # Errors
    /// `ClientError`, when nobody answers; a refusal is none: a server need not let clients end a session.
    pub fn end(self) -> Result<(), ClientError> {
        if self.session.is_none() {
            return Ok(());
        }
        let headers = self.session_headers();
        self.transport.send(self.request(Method::Delete, headers, None, ANSWER)).map(drop)
    }

    fn take_id(&mut self) -> MessageId {
        let id = MessageId::from(self.next_id);
        self.next_id += 1;
        id
    }

    fn ask(&self, id: &MessageId, outgoing: Outgoing, within: Duration) -> Result<Answer, ClientError> {
        let response = self.post(outgoing, within)?;
        let status = response.status().as_u16();
        let session = response.headers().get("mcp-session-id").and_then(|value| value.to_str().ok());
        let session = session.map(str::to_owned);
        let message = if is_kind(&response, "text/event-stream") {
            self.read_stream(id, response)?
        } else if is_kind(&response, "application/json") {
            self.read_body(response)?
        } else {
            check(&self.url(), response)?;
            return Err(self.wrong(format!("{status} without an answer")));
        };
        self.outcome(message, status).map(|result| Answer { result, session })
    }

    fn post(&self, outgoing: Outgoing, within: Duration) -> Result<Response<Body>, ClientError> {
        let mut headers: Vec<(&str, String)> = self.session_id().into_iter().collect();
        headers.extend(outgoing.headers);
        self.transport.send(self.request(Method::Post, headers, Some(outgoing.body), within))
    }

    fn request<'r>(
        &'r self,
        method: Method,
        headers: Vec<(&'r str, String)>,
        body: Option<Vec<u8>>,
        within: Duration,
    ) -> Ask<'r> {
        Ask { method, path: &self.path, headers, body, head_within: within, all_within: Some(within) }
    }

    fn session_id(&self) -> Option<(&'static str, String)> {
        self.session.as_ref().map(|session| ("Mcp-Session-Id", session.clone()))
    }

    fn session_headers(&self) -> Vec<(&'static str, String)> {
        let mut headers: Vec<_> = self.session_id().into_iter().collect();
        if self.revision.has_version_header() {
            headers.push(("MCP-Protocol-Version", self.revision.as_str().to_owned()));
        }
        headers
    }

    fn read_body(&self, response: Response<Body>) -> Result<Value, ClientError> {
        let bytes = read_bytes(&self.url(), response, MAX_ANSWER_BYTES as u64)?;
        serde_json::from_slice(&bytes).map_err(|error| self.wrong(format!("its answer is not JSON: {error}")))
    }

    /// Reads messages until the answer to `id`. Requests of the server are answered, since it may wait for that.
    fn read_stream(&self, id: &MessageId, response: Response<Body>) -> Result<Value, ClientError> {
        let body = response.into_body().into_with_config().limit(u64::MAX).reader();
        for event in EventReader::new(self.url(), body, MAX_ANSWER_BYTES) {
            let Some(data) = event?.data.filter(|data| !data.is_empty()) else { continue };
            let message: Value = serde_json::from_str(&data)
                .map_err(|error| self.wrong(format!("an event is not JSON: {error}")))?;
            if message.get("method").is_none() {
                if message.get("id") == serde_json::to_value(id).ok().as_ref() {
                    return Ok(message);
                }
            } else if let Some(theirs) = message.get("id") {
                self.answer(theirs, &message)?;
            }
        }
        Err(self.wrong("its stream ended before the answer"))
    }

    /// `ping` is answered; everything else needs a capability that this client did not offer.
    fn answer(&self, id: &Value, request: &Value) -> Result<(), ClientError> {
        let reply = if request["method"] == "ping" {
            json!({ "jsonrpc": "2.0", "id": id, "result": {} })
        } else {
            let error = json!({ "code": smcp_mcp::errors::METHOD_NOT_FOUND, "message": "not offered by this client" });
            json!({ "jsonrpc": "2.0", "id": id, "error": error })
        };
        let mut headers = self.session_headers();
        headers.push(("Content-Type", "application/json".to_owned()));
        headers.push(("Accept", "application/json, text/event-stream".to_owned()));
        let body = reply.to_string().into_bytes();
        let response = self.transport.send(self.request(Method::Post, headers, Some(body), ANSWER))?;
        self.accepted(response)
    }

    fn accepted(&self, response: Response<Body>) -> Result<(), ClientError> {
        if response.status().is_success() {
            return Ok(());
        }
        let status = response.status().as_u16();
        if is_kind(&response, "application/json") {
            let message = self.read_body(response)?;
            return self.outcome(message, status).map(drop);
        }
        check(&self.url(), response).map(drop)
    }

    fn outcome(&self, mut message: Value, status: u16) -> Result<Value, ClientError> {
        if let Some(error) = message.get("error") {
            let text = error.get("message").and_then(Value::as_str).unwrap_or("an error without a message");
            return Err(ClientError::Rpc {
                status,
                code: error.get("code").and_then(Value::as_i64).unwrap_or_default(),
                message: text.to_owned(),
                data: error.get("data").cloned(),
            });
        }
        match message.get_mut("result").map(Value::take) {
            Some(result @ Value::Object(_)) => Ok(result),
            Some(_) | None => Err(self.wrong("its answer has neither a result nor an error")),
        }
    }

    fn url(&self) -> String {
        self.transport.url(&self.path)
    }

    fn wrong(&self, what: impl Into<String>) -> ClientError {
        ClientError::not_ours(&self.url(), what)
    }
}

const _: () = assert!(MAX_ANSWER_BYTES > MAX_DEFINITIONS_BYTES, "a list of tools must fit");
