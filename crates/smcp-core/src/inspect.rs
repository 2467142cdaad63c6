//! Reading everything a model would read from a version, at its trial: revisions, lists, instructions (DESIGN 10).

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::value::RawValue;
use smcp_manifest::LockedManifest;
use smcp_mcp::{
    Batches, Body, ClientInfo, Collector, Definitions, Era, ListKind, MAX_DEFINITIONS_BYTES, MessageId,
    MessageKind, Outcome, Outgoing, Revision, sse,
};
use smcp_types::{Error, Refusal, RequestId, Result};

use crate::{
    ports::{Clock, HostedRequest, HostedResponse, Scheduled, Trial},
    timeout::within,
    timers::NO_HANDLER,
};

/// Longest wait for one answer at the trial.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Pages of one list; with 1000 items at most, even pages of 20 fit.
const MAX_PAGES: usize = 50;
/// A protocol error's text is shown to the publisher up to here.
const MAX_SHOWN: usize = 300;

const CLIENT: ClientInfo<'static> = ClientInfo { name: "smcp", version: env!("CARGO_PKG_VERSION") };

/// A trial being spoken to.
pub(crate) struct Inspector<'a> {
    pub(crate) trial: &'a dyn Trial,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) manifest: &'a LockedManifest,
    pub(crate) authority: &'a str,
    pub(crate) request_id: RequestId,
}

/// The answer to one of our requests: its result, and the session id that came with it.
struct Answer {
    result: Box<RawValue>,
    session: Option<HeaderValue>,
}

/// How the lists are to be asked for.
struct Conversation {
    collector: Collector,
    revision: Revision,
    session: Option<HeaderValue>,
}

impl Inspector<'_> {
    /// Speaks MCP with the trial: `server/discover` first, then `initialize`, then every list it offers.
    ///
    /// # Errors
    /// `Hosted` with the reason when it speaks neither, or when what it says is not MCP.
    pub(crate) async fn inspect(&self) -> Result<Definitions> {
        let mut talk = self.introduce().await?;
        let capabilities = talk.collector.definitions().capabilities.clone();
        for kind in ListKind::ALL {
            if capabilities.get(kind.capability()).is_some() {
                self.read_list(&mut talk, kind).await?;
            }
        }
        Ok(talk.collector.finish())
    }

    /// Whether the code says that nothing hears the times of the manifest. What does not answer is given the benefit.
    pub(crate) async fn hears_no_time(&self) -> bool {
        let asked = async {
            let mut request = self.request(HeaderMap::new(), Bytes::new())?;
            request.scheduled = Some(Scheduled::Asked);
            self.trial.call(request).await
        };
        let answer = within(self.clock, ANSWER_TIMEOUT, asked).await;
        answer.is_some_and(|answer| answer.is_ok_and(|answer| answer.status == NO_HANDLER))
    }

    async fn introduce(&self) -> Result<Conversation> {
        let modern = self.discover().await;
        let legacy = self.initialize().await;
        match (modern, legacy) {
            (Ok(mut modern), Ok(legacy)) => {
                modern.collector.also_speaks(legacy.revision);
                Ok(modern)
            }
            (Ok(modern), Err(_)) => Ok(modern),
            (Err(_), Ok(legacy)) => Ok(legacy),
            (Err(modern), Err(legacy)) => Err(Error::Hosted(
                Refusal::new(format!(
                    "the server speaks no MCP at {}: initialize: {}; server/discover: {}",
                    self.manifest.endpoint,
                    reason(&legacy),
                    reason(&modern)
                ))
                .hint("`endpoint` in smcp.toml is the path your code answers MCP on"),
            )),
        }
    }

    async fn discover(&self) -> Result<Conversation> {
        let answer = self.ask(smcp_mcp::discover(&MessageId::from(1), CLIENT), None).await?;
        let collector = Collector::from_discover(&answer.result).map_err(not_mcp)?;
        Ok(Conversation { collector, revision: Revision::LATEST, session: None })
    }

    async fn initialize(&self) -> Result<Conversation> {
        let revision = Revision::LATEST_LEGACY;
        let answer = self.ask(smcp_mcp::initialize(&MessageId::from(1), revision, CLIENT), None).await?;
        let collector = Collector::from_initialize(&answer.result).map_err(not_mcp)?;
        let revision = collector.definitions().revisions.first().copied().unwrap_or(revision);
        if revision.era() == Era::Modern {
            return Err(not_mcp("initialize cannot agree on a revision that has no initialize"));
        }
        let response = self.send(smcp_mcp::initialized(revision), answer.session.as_ref()).await?;
        if !response.status.is_success() {
            return Err(not_mcp(format!("notifications/initialized was answered with {}", response.status)));
        }
        Ok(Conversation { collector, revision, session: answer.session })
    }

    async fn read_list(&self, talk: &mut Conversation, kind: ListKind) -> Result<()> {
        let mut cursor = None;
        for page in 0..MAX_PAGES {
            let id = MessageId::from(i64::try_from(page).unwrap_or(0) + 2);
            let outgoing = smcp_mcp::list(&id, talk.revision, CLIENT, kind, cursor.as_deref());
            let answer = match self.ask(outgoing, talk.session.as_ref()).await {
                Ok(answer) => answer,
                // The capability `resources` does not promise templates: servers without any may not know the method.
                Err(_) if kind == ListKind::ResourceTemplates && page == 0 => return Ok(()),
                Err(error) => return Err(error),
            };
            let next = talk.collector.add_page(kind, &answer.result).map_err(not_mcp)?;
            if next.is_none() {
                return Ok(());
            }
            cursor = next;
        }
        Err(not_mcp(format!("{} has more than {MAX_PAGES} pages", kind.method().as_str())))
    }

    /// Sends a request and reads the answer to it, from a JSON body or from a stream.
    async fn ask(&self, outgoing: Outgoing, session: Option<&HeaderValue>) -> Result<Answer> {
        let exchange = async {
            let response = self.send(outgoing, session).await?;
            let session = response.headers.get("mcp-session-id").cloned();
            read_answer(response).await.map(|result| Answer { result, session })
        };
        within(self.clock, ANSWER_TIMEOUT, exchange).await.unwrap_or_else(|| {
            Err(Error::TimedOut(Refusal::new(format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()))))
        })
    }

    async fn send(&self, outgoing: Outgoing, session: Option<&HeaderValue>) -> Result<HostedResponse> {
        let mut headers = HeaderMap::new();
        for (name, value) in outgoing.headers {
            let name: HeaderName = name.to_ascii_lowercase().parse().map_err(Error::internal)?;
            headers.insert(name, value.parse().map_err(Error::internal)?);
        }
        if let Some(session) = session {
            headers.insert("mcp-session-id", session.clone());
        }
        self.trial.call(self.request(headers, Bytes::from(outgoing.body))?).await
    }

    fn request(&self, headers: HeaderMap, body: Bytes) -> Result<HostedRequest> {
        let url = format!("http://{}{}", self.authority, self.manifest.endpoint);
        Ok(HostedRequest {
            method: Method::POST,
            url: url.parse().map_err(Error::internal)?,
            headers,
            body,
            request_id: self.request_id,
            head_timeout: ANSWER_TIMEOUT,
            calls: 1,
            scheduled: None,
        })
    }
}

async fn read_answer(response: HostedResponse) -> Result<Box<RawValue>> {
    let kind = response.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let is_stream = kind.starts_with("text/event-stream");
    if !is_stream && !kind.starts_with("application/json") {
        let kind = if kind.is_empty() { "no content type" } else { kind };
        return Err(not_mcp(format!("answered {} with {kind}", response.status)));
    }
    let status = response.status;
    let mut body = response.body;
    let mut read = Vec::new();
    let mut decoder = sse::Decoder::new(MAX_DEFINITIONS_BYTES);
    while let Some(chunk) = body.next().await {
        let chunk = chunk?;
        if !is_stream {
            if read.len() + chunk.len() > MAX_DEFINITIONS_BYTES {
                return Err(not_mcp("the answer is larger than 4 MiB"));
            }
            read.extend_from_slice(&chunk);
            continue;
        }
        let mut events = Vec::new();
        decoder.push(&chunk, &mut events).map_err(not_mcp)?;
        for data in events.into_iter().filter_map(|event| event.data) {
            if let Some(result) = result_in(data.as_bytes(), status)? {
                return Ok(result);
            }
        }
    }
    result_in(&read, status)?.ok_or_else(|| not_mcp(format!("answered {status} without a response")))
}

/// The result in a message, if the message is a response; requests and notifications on the way are passed over.
fn result_in(message: &[u8], status: StatusCode) -> Result<Option<Box<RawValue>>> {
    let body = smcp_mcp::parse(message, Batches::Refused)
        .map_err(|error| not_mcp(format!("answered {status}: {}", error.message)))?;
    let Body::Single(message) = body else { return Ok(None) };
    match message.kind {
        MessageKind::Response { outcome: Outcome::Result(result), .. } => Ok(Some(result.to_owned())),
        MessageKind::Response { outcome: Outcome::Error(error), .. } => {
            Err(not_mcp(format!("error {}: {}", error.code, error.message)))
        }
        MessageKind::Request { .. } | MessageKind::Notification { .. } => Ok(None),
    }
}

fn not_mcp(why: impl std::fmt::Display) -> Error {
    Error::Hosted(Refusal::new(why.to_string().chars().take(MAX_SHOWN).collect::<String>()))
}

fn reason(error: &Error) -> String {
    match error {
        Error::Hosted(refusal) | Error::TimedOut(refusal) => refusal.message.clone(),
        other => other.to_string(),
    }
}
