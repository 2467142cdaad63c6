//! The way out: every step that a request of hosted code takes, in order.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture};
use http::{HeaderValue, Method, Request, Response, Uri, header, request};
use hyper::body::Incoming;
use smcp_core::{
    ports::{Clock, HostedBody, LogSink, Outbound, OutboundTraffic, Purpose, SecretSource, Workload},
    redact::Redactor,
};
use smcp_manifest::{Decision, InjectRule, Outgoing};
use smcp_types::{Result, ServerId, TenantId};

use crate::{
    answer,
    body::{self, Answer, AnswerStream, Source},
    cache::Cache,
    dial::Dial,
    exchange::{Driver, exchange},
    headers::{self, Length, MAX_HEAD, MAX_HEADERS},
    inject::Revealed,
    places::{Place, Places},
    record::{Entry, Ledger},
    refused::Refused,
    resolve::Resolve,
    route::Route,
    settings::{EgressLimits, Own},
    target::Target,
    tls::{self, Roots},
};

/// Methods that no manifest lets out, in any case.
const NEVER: [&str; 3] = ["CONNECT", "TRACE", "TRACK"];

/// Most of a refused request's body that is read before the answer, in bytes, and the time that it gets.
const MAX_PASSED_OVER: (usize, Duration) = (1 << 20, Duration::from_secs(10));

/// What the way out is made of.
pub struct EgressParts {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The servers' logs.
    pub logs: Arc<dyn LogSink>,
    /// The servers' secrets.
    pub secrets: Arc<dyn SecretSource>,
    /// Names to addresses.
    pub resolver: Box<dyn Resolve>,
    /// Addresses to connections.
    pub dialer: Box<dyn Dial>,
    /// What is ours.
    pub own: Own,
    /// Whose certificates are believed.
    pub roots: Roots,
    /// What nothing may exceed.
    pub limits: EgressLimits,
}

/// The way out.
pub struct Egress {
    secrets: Arc<dyn SecretSource>,
    route: Route,
    places: Arc<Places>,
    ledger: Arc<Ledger>,
}

/// A request that the rules let out.
struct Cleared<'m> {
    target: Target,
    length: Length,
    rules: Vec<&'m InjectRule>,
}

/// A request that is out, with the head of its answer.
struct Carried {
    response: Response<Incoming>,
    driver: Driver,
    /// Where a secret was sent.
    redactor: Option<Arc<Redactor>>,
    place: Place,
    deadline: BoxFuture<'static, ()>,
}

impl Egress {
    /// Puts it together.
    ///
    /// # Errors
    /// `Internal`: the TLS library does not work.
    pub fn new(parts: EgressParts) -> Result<Self> {
        let EgressParts { clock, logs, secrets, resolver, dialer, own, roots, limits } = parts;
        Ok(Self {
            secrets,
            places: Places::new(limits.concurrency),
            ledger: Ledger::new(logs, Arc::clone(&clock)),
            route: Route {
                tls: tls::connector(&roots)?,
                remembered: Cache::default(),
                clock,
                resolver,
                dialer,
                own,
                limits,
            },
        })
    }

    /// Decides on all that a request says of itself. Nothing has been looked up or sent yet.
    fn clear<'m>(&self, from: &'m Workload, head: &request::Parts) -> Result<Cleared<'m>, Refused> {
        match from.purpose {
            Purpose::Trial => return Err(Refused::trial()),
            Purpose::Serving => {}
        }
        if !from.budgets.subrequests.take() {
            return Err(Refused::budget());
        }
        if NEVER.iter().any(|never| head.method.as_str().eq_ignore_ascii_case(never)) {
            return Err(Refused::method(&head.method));
        }
        let length = self.frame(head)?;
        let target = Target::parse(&head.uri).map_err(|error| Refused::target(&error))?;
        let Target { scheme, ref host, port, ref path, .. } = target;
        let request = Outgoing { method: head.method.as_str(), scheme, host, port, path };
        match from.manifest.egress.allows(&request) {
            Decision::Allowed => {}
            no @ (Decision::Host | Decision::Port | Decision::Plain | Decision::Method) => {
                return Err(Refused::undeclared(no, &request));
            }
        }
        if self.route.own.is_named(host.as_str()) {
            return Err(Refused::ourselves(host.as_str()));
        }
        let rules = from.manifest.egress.injections(&request).map_err(Refused::path)?;
        Ok(Cleared { target, length, rules })
    }

    /// Looks at the form of a request.
    fn frame(&self, head: &request::Parts) -> Result<Length, Refused> {
        if headers::asks_for_upgrade(&head.headers) {
            return Err(Refused::upgrade());
        }
        let url = head.uri.path().len() + head.uri.query().map_or(0, str::len);
        if head.headers.len() > MAX_HEADERS || url + headers::size(&head.headers) > MAX_HEAD {
            return Err(Refused::large_head(MAX_HEAD));
        }
        let most = self.route.limits.request_bytes;
        match Length::of(&head.headers)? {
            Length::Exactly(length) if length > most => Err(Refused::large_body(most)),
            length @ (Length::None | Length::Exactly(_) | Length::Unknown) => Ok(length),
        }
    }

    /// Takes a request out, up to the head of its answer.
    async fn carry(
        &self,
        from: &Arc<Workload>,
        head: request::Parts,
        body: Source,
        entry: &Entry,
    ) -> Result<Carried, Refused> {
        let cleared = self.clear(from, &head)?;
        let place = self.places.take(from).map_err(Refused::crowded)?;
        let (limits, clock) = (self.route.limits, Arc::clone(&self.route.clock));
        let deadline = async move { clock.sleep(limits.total).await }.boxed();
        let too_large = Arc::new(AtomicBool::new(false));
        let most = (cleared.length, limits.request_bytes);
        let body = body::Outgoing::new(body, most, entry.sent(), Arc::clone(&too_large));
        let sent = self.route.within(limits.head, self.send(from, &cleared, &head, body)).await;
        let host = cleared.target.host.as_str();
        match sent.unwrap_or_else(|| Err(Refused::late(host, limits.head))) {
            Ok((response, driver, redactor)) => Ok(Carried { response, driver, redactor, place, deadline }),
            Err(_) if too_large.load(Ordering::Relaxed) => Err(Refused::large_body(limits.request_bytes)),
            Err(refused) => Err(refused),
        }
    }

    async fn send(
        &self,
        from: &Workload,
        cleared: &Cleared<'_>,
        head: &request::Parts,
        body: body::Outgoing,
    ) -> Result<(Response<Incoming>, Driver, Option<Arc<Redactor>>), Refused> {
        let target = &cleared.target;
        let addresses = self.route.addresses(from, target).await?;
        let revealed = Revealed::of(&cleared.rules, &*self.secrets, from).await?;
        let redactor = match cleared.rules.as_slice() {
            [] => None,
            [_, ..] => {
                let redactor = Redactor::new(revealed.secrets());
                Some(Arc::new(redactor.map_err(|_| Refused::internal())?))
            }
        };
        let mut headers = headers::outgoing(&head.headers);
        let mut query = target.query.clone();
        revealed.add_to(&mut headers, &mut query, from.manifest.name.as_str())?;
        let unsendable = |_| Refused::internal();
        let host = HeaderValue::try_from(target.authority()).map_err(|_| Refused::internal())?;
        headers.insert(header::HOST, host);
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        if cleared.length == Length::Exactly(0) {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let mut request = Request::new(body);
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = origin_form(&target.path, query.as_deref()).map_err(unsendable)?;
        *request.headers_mut() = headers;
        let stream = self.route.connect(target, &addresses).await?;
        let exchanged = exchange(stream, request).await;
        let (response, driver) = exchanged.map_err(|_| Refused::broken(target.host.as_str()))?;
        Ok((response, driver, redactor))
    }
}

#[async_trait]
impl Outbound for Egress {
    fn traffic(&self, tenant: TenantId, server: Option<ServerId>) -> OutboundTraffic {
        self.ledger.traffic(tenant, server)
    }

    fn forget(&self, tenant: TenantId, server: ServerId) {
        self.ledger.forget(tenant, server);
    }

    async fn fetch(&self, from: &Arc<Workload>, request: Request<HostedBody>) -> Response<HostedBody> {
        let (head, body) = request.into_parts();
        let (method, uri) = (head.method.clone(), head.uri.clone());
        let mut entry = Entry::new(&self.ledger, from.version, &head);
        let body = Source::new(body);
        let carried = self.carry(from, head, body.clone(), &entry).await;
        let judged = carried.and_then(|carried| {
            let Carried { response, driver, redactor, place, deadline } = carried;
            let (head, body) = response.into_parts();
            let host = uri.host().unwrap_or_default();
            let (head, look) = answer::judge(head, redactor, method == Method::HEAD, host)?;
            Ok((head, body, look, (driver, place, deadline)))
        });
        match judged {
            Ok((head, body, look, (driver, place, deadline))) => {
                entry.answered(head.status);
                let left = self.route.limits.response_bytes;
                let driver = Some(driver);
                let answer = Answer { body, driver, look, deadline, left, entry, _place: place };
                Response::from_parts(head, AnswerStream::new(answer).boxed())
            }
            Err(refused) => {
                entry.refused(&refused);
                self.route.within(MAX_PASSED_OVER.1, body.pass_over(MAX_PASSED_OVER.0)).await;
                refused.answer()
            }
        }
    }
}

fn origin_form(path: &str, query: Option<&str>) -> std::result::Result<Uri, http::uri::InvalidUri> {
    match query {
        Some(query) => format!("{path}?{query}").parse(),
        None => path.parse(),
    }
}
