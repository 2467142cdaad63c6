//! KV bindings: the wire protocol that workerd speaks for `kvNamespace`.

mod bulk;
mod refused;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use serde::Serialize;
use smcp_core::{
    ports::{BindingService, HostedBody, Workload},
    room::{Room, Share},
    storage::{
        Store,
        kv::{Expiry, Kv, ListKeys, MAX_VALUE_BYTES, NewEntry},
    },
};
use smcp_types::{Error, Refusal, Result, TenantId, limits::MAX_INTEGER};
use tokio::sync::Semaphore;

use super::{Stores, body, refusal, uri};
use refused::{Refused, check_cache_ttl, short};

/// JSON that goes with a value, both ways.
const METADATA: HeaderName = HeaderName::from_static("cf-kv-metadata");
/// Values being sealed, opened, read and written at once, over all tenants; each has at most 25 MiB. Who comes later
/// waits. Nothing that a process paces happens meanwhile: what it sends has come before, what it reads goes after.
const VALUES_AT_ONCE: usize = 16;
/// Those of one tenant: many requests of one must not be a long queue for the others.
const OF_A_TENANT: usize = 2;

/// Serves KV bindings.
pub struct KvService {
    stores: Arc<Stores>,
    values: Semaphore,
    tenants: Mutex<HashMap<TenantId, Weak<Semaphore>>>,
    room: Arc<Room>,
}

/// A page of a list, as the wire has it.
#[derive(Serialize)]
struct Page {
    keys: Vec<Key>,
    list_complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

#[derive(Serialize)]
struct Key {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<i64>,
    /// JSON inside a string.
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<String>,
}

impl KvService {
    /// A service for these stores.
    #[must_use]
    pub fn new(stores: Arc<Stores>) -> Self {
        let (values, tenants, room) = (Semaphore::new(VALUES_AT_ONCE), Mutex::default(), Arc::default());
        Self { stores, values, tenants, room }
    }

    async fn answer(
        &self,
        from: &Arc<Workload>,
        store: Store<'_>,
        request: Request<HostedBody>,
    ) -> Result<Response<HostedBody>, Refused> {
        let storage = self.stores.of(from);
        let (head, body) = request.into_parts();
        let path = head.uri.path().strip_prefix('/').unwrap_or_default();
        let query = uri::query(&head.uri)?;
        let mut share = Share::new(&self.room, store.tenant);
        if head.method == Method::PUT {
            check_announced(&head.headers)?;
        }
        let sent = match (&head.method, path) {
            (&Method::POST, "bulk/get") => Some((bulk::MAX_REQUEST, "a bulk request")),
            (&Method::PUT, _) => Some((MAX_VALUE_BYTES, "a KV value")),
            (_, _) => None,
        };
        let value = match sent {
            Some(bound) => body::read((&head.headers, body), bound, &mut share).await?,
            None => Vec::new(),
        };
        let own = self.tenant(store.tenant);
        let _own_turn = own.acquire().await.map_err(Error::internal)?;
        let _turn = self.values.acquire().await.map_err(Error::internal)?;
        match (&head.method, path) {
            (&Method::GET, "") => list(&storage.kv, store, &query, share).await,
            (&Method::POST, "bulk/get") => {
                let found = bulk::get(&storage.kv, store, &value).await?;
                Ok(json(&found, share)?)
            }
            (&Method::GET, path) => {
                parameter(&query, "cache_ttl").map_or(Ok(()), check_cache_ttl)?;
                Ok(get(&storage.kv, store, &key(path)?, share).await?)
            }
            (&Method::PUT, path) => {
                let key = key(path)?;
                let metadata = metadata(&head.headers)?;
                let new = NewEntry { value: &value, metadata: metadata.as_deref(), expiry: expiry(&query)? };
                storage.kv.put(store, &key, new).await?;
                Ok(refusal::bare(StatusCode::OK))
            }
            (&Method::DELETE, path) => {
                storage.kv.delete(store, &key(path)?).await?;
                Ok(refusal::bare(StatusCode::OK))
            }
            (_, _) => Ok(refusal::bare(StatusCode::METHOD_NOT_ALLOWED)),
        }
    }
}

impl KvService {
    /// The turns of a tenant; gone when nobody of it waits.
    fn tenant(&self, tenant: TenantId) -> Arc<Semaphore> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = tenants.get(&tenant).and_then(Weak::upgrade) {
            return turns;
        }
        tenants.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Semaphore::new(OF_A_TENANT));
        tenants.insert(tenant, Arc::downgrade(&turns));
        turns
    }
}

#[async_trait]
impl BindingService for KvService {
    async fn serve(
        &self,
        from: &Arc<Workload>,
        namespace: &str,
        request: Request<HostedBody>,
    ) -> Response<HostedBody> {
        let store = Store { tenant: from.version.tenant, name: namespace };
        match self.answer(from, store, request).await {
            Ok(response) => response,
            Err(refused) => refused.answer(store),
        }
    }
}

async fn get(kv: &Kv, store: Store<'_>, key: &str, share: Share) -> Result<Response<HostedBody>> {
    let Some(mut entry) = kv.get(store, key).await? else {
        return Ok(refusal::bare(StatusCode::NOT_FOUND));
    };
    let mut response = Response::new(body::held(std::mem::take(&mut *entry.value), share)?);
    if let Some(json) = entry.metadata {
        // JSON has ASCII line breaks at most between tokens; the header must not.
        let value = HeaderValue::from_bytes(json.replace(['\r', '\n'], " ").as_bytes());
        let value = value.map_err(|_| Error::invalid("the metadata does not fit into a header"))?;
        response.headers_mut().insert(METADATA, value);
    }
    Ok(response)
}

async fn list(
    kv: &Kv,
    store: Store<'_>,
    query: &[(String, String)],
    share: Share,
) -> Result<Response<HostedBody>, Refused> {
    let parameter = |name: &str| parameter(query, name);
    let limit = parameter("key_count_limit")
        .map(|text| text.parse::<u32>().map_err(|_| Error::invalid("a list has a limit of 1 to 1000 keys")));
    let wanted = ListKeys {
        prefix: parameter("prefix").unwrap_or_default(),
        limit: limit.transpose()?,
        cursor: parameter("cursor").filter(|text| !text.is_empty()),
    };
    short(wanted.prefix)?;
    let page = kv.list(store, wanted).await?;
    let keys = page.keys.into_iter().map(|key| Key {
        name: key.name,
        expiration: key.expires_at.map(|at| at.0.div_euclid(1000)),
        metadata: key.metadata,
    });
    let page = Page { keys: keys.collect(), list_complete: page.cursor.is_none(), cursor: page.cursor };
    Ok(json(&page, share)?)
}

fn parameter<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// A value that is announced as too large is refused before it comes.
fn check_announced(headers: &HeaderMap) -> Result<()> {
    let length = body::announced(headers).filter(|length| *length > MAX_VALUE_BYTES as u64);
    length.map_or(Ok(()), |length| {
        let told = format!("Value length of {length} exceeds limit of {MAX_VALUE_BYTES}.");
        Err(Error::TooLarge(Refusal::new(told)))
    })
}

/// The key that a path stands for: one segment, percent-encoded.
fn key(path: &str) -> Result<String, Refused> {
    if path.contains('/') {
        return Err(Error::invalid("a KV key is one segment of the path").into());
    }
    let key = uri::decode(path).map_err(|_| Error::invalid("Could not URL-decode key name"))?;
    short(&key)?;
    Ok(key)
}

fn expiry(query: &[(String, String)]) -> Result<Expiry> {
    let seconds = |name: &str| {
        let number = parameter(query, name)
            .map(|text| text.parse::<i64>().ok().filter(|n| (-MAX_INTEGER..MAX_INTEGER).contains(n)));
        number
            .map(|n| n.ok_or_else(|| Error::invalid(format!("`{name}` is a number of seconds"))))
            .transpose()
    };
    Ok(Expiry { at: seconds("expiration")?, ttl: seconds("expiration_ttl")? })
}

fn metadata(headers: &HeaderMap) -> Result<Option<String>> {
    let Some(value) = headers.get(METADATA) else { return Ok(None) };
    let text = String::from_utf8(value.as_bytes().to_vec());
    text.map(Some).map_err(|_| Error::invalid("KV metadata is not UTF-8"))
}

/// A JSON answer.
fn json(value: &impl Serialize, share: Share) -> Result<Response<HostedBody>> {
    let bytes = serde_json::to_vec(value).map_err(Error::internal)?;
    let mut response = Response::new(body::held(bytes, share)?);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

#[cfg(test)]
mod tests;
