//! One MCP call: from a client's request to the answer of hosted code, and every refusal between.

mod answer;
mod exchange;
mod legacy;
mod legacy_answer;
mod listening;
mod message;
mod modern;
mod modern_answer;
mod relay;
mod renewal;
mod standing;
mod state;
mod trace;
mod wishes;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use smcp_mcp::{Batches, Body, EnvelopeError, Era, MessageId, Revision};
use smcp_types::{Error, Refusal, Result, Slug};

use crate::{
    Platform,
    authority::{On, Permit, UseServer, ViewServer},
    caller::{CALLER_HEADER, REQUEST_ID_HEADER},
    context::Ctx,
    ports::{HostedBody, HostedRequest, ServerRecord},
    servers::ActiveVersion,
    session::{self, LiveSession},
    streams::{Owner, Streams},
};

pub(crate) use relay::answered_ids;
pub(crate) use standing::Standings;

/// What a revision-less client is taken to speak (2025-06-18, Transports, Protocol Version Header).
const ASSUMED: Revision = Revision::V2025_03_26;

/// What a client sent to a server's endpoint. The transport has checked size, content type, `Accept`, `Host` and
/// `Origin`; nothing else about it is known to be true.
#[derive(Clone, Debug)]
pub struct McpRequest {
    /// The tenant's slug in the path.
    pub tenant: String,
    /// The server's slug in the path.
    pub server: String,
    /// What the client wants.
    pub verb: Verb,
    /// All its headers.
    pub headers: HeaderMap,
}

/// The three things Streamable HTTP does at an endpoint.
#[derive(Clone, Debug)]
pub enum Verb {
    /// POST: a message, or a batch of them.
    Send(Bytes),
    /// GET: open the stream for what the server sends by itself.
    Listen,
    /// DELETE: end the session.
    End,
}

/// What goes back to the client.
pub struct McpResponse {
    /// The status.
    pub status: StatusCode,
    /// Headers from the allowlist, with our own session id.
    pub headers: HeaderMap,
    /// The body.
    pub body: McpBody,
}

/// The body of an answer.
pub enum McpBody {
    /// Whole: nothing, or JSON.
    Whole(Bytes),
    /// An event stream.
    Stream(HostedBody),
}

/// Why a request to an MCP endpoint failed; the transport has one function that turns this into an answer.
#[derive(Clone, Debug)]
pub struct McpFailure {
    /// The request it answers, where that could be read.
    pub id: Option<MessageId>,
    /// What went wrong.
    pub cause: Cause,
}

/// What went wrong with an MCP request.
#[derive(Clone, Debug)]
pub enum Cause {
    /// The body is no acceptable message.
    Envelope {
        /// JSON-RPC error code.
        code: i32,
        /// For the caller.
        message: String,
    },
    /// The message is well-formed and cannot be served; a JSON-RPC error like one of the server's own.
    Message {
        /// JSON-RPC error code.
        code: i32,
        /// For the caller.
        message: String,
    },
    /// A tool was called in a way that it cannot be: an answer that the model reads.
    Tool {
        /// For the model.
        message: String,
        /// What the answer is written in.
        revision: Revision,
    },
    /// 2026-07-28 has no such method, or has it no more.
    UnknownMethod,
    /// No revision we know.
    UnknownRevision {
        /// What was asked for.
        requested: String,
        /// What the server speaks.
        supported: Vec<Revision>,
    },
    /// Everything that is not about the message itself.
    Platform(Error),
}

impl McpFailure {
    /// The same, naming the request that it answers.
    fn about(self, verb: &Verb) -> Self {
        let (id, discovers) = match verb {
            Verb::Send(body) => (modern::message_id(body), modern::discovers(body)),
            Verb::Listen | Verb::End => (None, false),
        };
        let is_legacy = |revision: &Revision| revision.era() == Era::Legacy;
        let cause = match self.cause {
            // A server of older revisions alone has no such method: that is what makes a client of both eras go on with
            // `initialize`, where an error of 2026-07-28 would make it give up.
            Cause::UnknownRevision { supported, .. } if discovers && supported.iter().all(is_legacy) => {
                Cause::UnknownMethod
            }
            cause => cause,
        };
        Self { id: self.id.or(id), cause }
    }
}

impl From<Error> for McpFailure {
    fn from(error: Error) -> Self {
        Self { id: None, cause: Cause::Platform(error) }
    }
}

impl From<EnvelopeError> for McpFailure {
    fn from(error: EnvelopeError) -> Self {
        Self { id: error.id, cause: Cause::Envelope { code: error.code, message: error.message } }
    }
}

/// A server that was found, its version, and what the client's headers say about the conversation.
pub(crate) struct Conversation {
    /// Of the tenant that owns the server.
    pub(crate) tenant: Slug,
    pub(crate) server: ServerRecord,
    pub(crate) active: Arc<ActiveVersion>,
    pub(crate) revision: Revision,
    pub(crate) session: Option<LiveSession>,
}

impl Conversation {
    fn owner(&self, ctx: &Ctx) -> Owner {
        Owner::of(&self.server, self.session.as_ref().map(|session| &session.record), &ctx.caller)
    }
}

impl Platform {
    /// Serves one request to a server's MCP endpoint.
    ///
    /// # Errors
    /// See `Cause`. Nothing that fails before the hosted server is found reaches hosted code.
    pub async fn mcp(self: &Arc<Self>, ctx: &Ctx, request: McpRequest) -> Result<McpResponse, McpFailure> {
        let (tenant, server) = self.called_server(ctx, &request.tenant, &request.server).await?;
        let active = self.active_version(&server).await?;
        self.may_start(&server, &active).await?;
        let conversation = self.conversation(ctx, (tenant, server), active, &request.headers).await;
        let conversation = conversation.map_err(|failure| failure.about(&request.verb))?;
        let answer = match request.verb {
            Verb::Send(body) if conversation.revision.era() == Era::Modern => {
                self.send_modern(ctx, conversation, &request.headers, body).await?
            }
            Verb::Send(body) => self.send(ctx, conversation, &request.headers, body).await?,
            Verb::Listen => self.listen(ctx, conversation, &request.headers).await?,
            Verb::End => self.end(ctx, conversation, &request.headers).await?,
        };
        Ok(match answer.body {
            McpBody::Stream(body) => {
                McpResponse { body: McpBody::Stream(self.while_in_force(ctx, body)), ..answer }
            }
            McpBody::Whole(_) => answer,
        })
    }

    /// A stream that ends when the credential of whoever opened it does.
    pub fn while_in_force(self: &Arc<Self>, ctx: &Ctx, body: HostedBody) -> HostedBody {
        let (platform, caller) = (Arc::clone(self), Arc::clone(&ctx.caller));
        let ended = async move { platform.identity.ended(&caller).await };
        Box::pin(body.take_until(Box::pin(ended)))
    }

    /// Whether a caller may begin to speak with a server, for a transport that answers before the first message; its stream
    /// ends when the platform stops.
    ///
    /// # Errors
    /// As `mcp`, before any message.
    pub async fn may_connect(&self, ctx: &Ctx, tenant: &str, server: &str) -> Result<()> {
        let (_, server) = self.called_server(ctx, tenant, server).await?;
        self.authority.authorize_use(&ctx.caller, &server, smcp_policy::Action::Connect, None).map(drop)
    }

    /// Completes when the platform begins to stop, for streams that have no end of their own.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        self.stopping.begun()
    }

    /// The server a path names, with its tenant's slug, if the caller may know of it.
    async fn called_server(&self, ctx: &Ctx, tenant: &str, server: &str) -> Result<(Slug, ServerRecord)> {
        // What is not there takes the time of what may not be seen.
        let missing = || {
            self.authority.look_at_nothing(&ctx.caller);
            Error::NotFound("server")
        };
        let tenant = self.tenant_by_slug(tenant).await?.ok_or_else(missing)?;
        let server = self.server_by_slug(tenant.id, server).await?.ok_or_else(missing)?;
        self.authority.authorize::<ViewServer>(&ctx.caller, On::Server(&server))?;
        Ok((tenant.slug, server))
    }

    /// Which revision is spoken, and in which session.
    async fn conversation(
        &self,
        ctx: &Ctx,
        (tenant, server): (Slug, ServerRecord),
        active: Arc<ActiveVersion>,
        headers: &HeaderMap,
    ) -> Result<Conversation, McpFailure> {
        let asked = asked_revision(headers, &active)?;
        // On 2026-07-28 there are no sessions; a session id that comes along means nothing.
        if asked.map(Revision::era) == Some(Era::Modern) {
            if active.definitions.latest_of(Era::Modern).is_none() {
                return Err(unknown_revision(Revision::LATEST.to_string(), &active));
            }
            return Ok(Conversation {
                tenant,
                server,
                active,
                revision: asked.unwrap_or(Revision::LATEST),
                session: None,
            });
        }
        let Some(presented) = headers.get("mcp-session-id") else {
            let revision = asked.unwrap_or(ASSUMED);
            return Ok(Conversation { tenant, server, active, revision, session: None });
        };
        let gone = || Error::NotFound("session");
        let session = self.session(&ctx.caller, &server, presented.to_str().map_err(|_| gone())?).await?;
        // A revision without this header cannot be meant by it: some clients fill in the one that is assumed without.
        if asked.is_some_and(|asked| asked.has_version_header() && asked != session.revision) {
            let message = format!("this session was begun on {}", session.revision.as_str());
            let hint = "send the MCP-Protocol-Version that initialize agreed on";
            return Err(Error::Invalid(Refusal::new(message).hint(hint)).into());
        }
        Ok(Conversation { tenant, server, active, revision: session.revision, session: Some(session) })
    }

    /// POST: checks every message, then passes the raw body on.
    async fn send(
        self: &Arc<Self>,
        ctx: &Ctx,
        talk: Conversation,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<McpResponse, McpFailure> {
        let batches = if talk.revision.has_batches() { Batches::Allowed } else { Batches::Refused };
        let (checked, wishes) = {
            let parsed = smcp_mcp::parse(&body, batches)?;
            modern::check_is_legacy(headers, &parsed)?;
            if let Some(session) = talk.session.as_ref().filter(|_| is_ready(&parsed)) {
                // Its client may listen soon; until then nothing that the server says is lost.
                self.standings.begin(session, talk.owner(ctx));
            }
            (self.check_messages(ctx, &talk, &parsed)?, wishes::of(&parsed))
        };
        let mut request = self.hosted_request(ctx, &talk, headers, http::Method::POST, body)?;
        request.calls = u32::try_from(checked.waiting.len()).unwrap_or(u32::MAX).max(1);
        self.follow_version(&checked.permit, &talk, &mut request).await?;
        let begins = checked.begins_session.then(|| Arc::clone(&ctx.caller));
        let owner = talk.owner(ctx);
        self.exchange(exchange::Call {
            talk,
            permit: Arc::new(checked.permit),
            request,
            waiting: checked.waiting,
            owner,
            begins,
            wishes,
        })
        .await
    }

    /// GET: the stream of what the server sends by itself. In a session it is ours; without one it is the server's, and closes
    /// there when the client goes.
    async fn listen(
        self: &Arc<Self>,
        ctx: &Ctx,
        talk: Conversation,
        headers: &HeaderMap,
    ) -> Result<McpResponse, McpFailure> {
        if talk.revision.era() == Era::Modern {
            return Ok(method_not_allowed());
        }
        let permit = Arc::new(self.connect_permit(ctx, &talk)?);
        let owner = talk.owner(ctx);
        let position = match headers.get("last-event-id") {
            Some(last) => Some(self.streams.known(&owner, last)?),
            None => None,
        };
        if let Some(position) = position.filter(|position| !Streams::is_standing(position)) {
            return Ok(self.resumed(owner, position).await?);
        }
        if let Some(session) = &talk.session {
            let request = self.hosted_request(ctx, &talk, headers, http::Method::GET, Bytes::new())?;
            let body = self.stand(session, owner, position).await?;
            self.hear_if_awake(session.clone(), (permit, talk.active.target.clone()), request);
            return Ok(legacy::events(body));
        }
        let mut request = self.hosted_request(ctx, &talk, headers, http::Method::GET, Bytes::new())?;
        self.follow_version(&permit, &talk, &mut request).await?;
        self.open_stream(exchange::Call {
            talk,
            permit,
            request,
            waiting: Vec::new(),
            owner,
            begins: None,
            wishes: Vec::new(),
        })
        .await
    }

    /// DELETE: ends the session here, whatever the hosted server thinks of it.
    async fn end(
        &self,
        ctx: &Ctx,
        talk: Conversation,
        headers: &HeaderMap,
    ) -> Result<McpResponse, McpFailure> {
        let Some(session) = talk.session.as_ref() else {
            return Ok(method_not_allowed());
        };
        let permit = self.connect_permit(ctx, &talk)?;
        self.end_session(&session.record).await?;
        let request = self.hosted_request(ctx, &talk, headers, http::Method::DELETE, Bytes::new())?;
        // A version that has never heard of it need not be told.
        let known = session.record.version == talk.active.digest();
        let told = if known {
            self.isolates.call(&permit, &talk.active.target, request).await.map(drop)
        } else {
            Ok(())
        };
        if let Err(error) = told {
            tracing::debug!(request.id = %ctx.request_id, %error, "the hosted server was not told that a session ended");
        }
        Ok(McpResponse {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: McpBody::Whole(Bytes::new()),
        })
    }

    fn connect_permit(&self, ctx: &Ctx, talk: &Conversation) -> Result<Permit<UseServer>> {
        self.authority.authorize_use(&ctx.caller, &talk.server, smcp_policy::Action::Connect, None)
    }

    /// The request as hosted code will see it: headers from an allowlist, its own session id, no credentials; who calls,
    /// said by us; a span of ours.
    fn hosted_request(
        &self,
        ctx: &Ctx,
        talk: &Conversation,
        client: &HeaderMap,
        method: http::Method,
        body: Bytes,
    ) -> Result<HostedRequest> {
        let mut headers = message::passed_on(client, talk.revision.era());
        if let Some(session) = &talk.session {
            session::name_inner(&mut headers, &session.record.inner)?;
        }
        let token = self.callers.token(&ctx.caller, &talk.tenant, &talk.server)?;
        headers.insert(CALLER_HEADER, HeaderValue::from_str(&token).map_err(Error::internal)?);
        let request_id = HeaderValue::from_str(&ctx.request_id.to_string()).map_err(Error::internal)?;
        headers.insert(REQUEST_ID_HEADER, request_id);
        trace::carry(&mut headers, &*self.entropy)?;
        let url = format!("{}{}", self.settings.external_url.origin(), talk.active.manifest().endpoint);
        Ok(HostedRequest {
            method,
            url: url.parse::<Uri>().map_err(Error::internal)?,
            headers,
            body,
            request_id: ctx.request_id,
            head_timeout: talk.active.call_timeout(),
            calls: 1,
            scheduled: None,
        })
    }
}

/// Whether it is the message after which a session is in use (2025-11-25, Lifecycle, Initialization).
fn is_ready(body: &Body<'_>) -> bool {
    body.messages().iter().any(|message| message.method() == Some("notifications/initialized"))
}

/// The revision a client's header names.
fn asked_revision(headers: &HeaderMap, active: &ActiveVersion) -> Result<Option<Revision>, McpFailure> {
    let Some(value) = headers.get("mcp-protocol-version") else { return Ok(None) };
    let requested = String::from_utf8_lossy(value.as_bytes()).into_owned();
    match requested.parse() {
        Ok(revision) => Ok(Some(revision)),
        Err(_) => Err(unknown_revision(requested, active)),
    }
}

/// Lists what the server speaks: the modern revisions, as `server/discover` does, or else the older ones.
fn unknown_revision(requested: String, active: &ActiveVersion) -> McpFailure {
    let era = active.definitions.latest_of(Era::Modern).map_or(Era::Legacy, Revision::era);
    let supported = active.definitions.revisions.iter().copied().filter(|known| known.era() == era).collect();
    McpFailure { id: None, cause: Cause::UnknownRevision { requested, supported } }
}

/// A body of JSON-RPC, because a client of two eras takes an empty 405 for an older server's.
fn method_not_allowed() -> McpResponse {
    let message = "only POST is served here without a session";
    let body = smcp_mcp::errors::error_body(None, smcp_mcp::errors::INVALID_REQUEST, message, None);
    let headers = HeaderMap::from_iter([
        (http::header::ALLOW, HeaderValue::from_static("POST")),
        (http::header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
    ]);
    McpResponse { status: StatusCode::METHOD_NOT_ALLOWED, headers, body: McpBody::Whole(body.into()) }
}
