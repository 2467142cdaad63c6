//! Secrets of servers: what is stored is sealed, and a value goes only to where hosted code's manifest puts it.

mod manage;
mod resealing;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use smcp_types::{Error, Refusal, Result, Secret, ServerId, TenantId};

pub use manage::{MAX_SECRET_BYTES, MAX_SECRETS, SecretInfo};

use crate::{
    memory::Memory,
    ports::{Kind, Place, Sealer, SecretRecord, SecretSource, SecretStore},
};

/// Values kept in memory, and names that are known to have none.
const MEMORY: usize = 5_000;

/// How long a value that is gone is remembered: a process that was given it has ended by then, its calls and streams with it.
const KEEP_GONE: Duration = Duration::from_secs(180);

/// The secrets of all servers. One per process, shared by everything that reveals them, so that a change is seen by all.
pub struct Secrets {
    store: Arc<dyn SecretStore>,
    sealer: Arc<dyn Sealer>,
    known: Memory<(TenantId, ServerId, String), Option<Secret<String>>>,
    /// Which secrets a server has.
    names: Memory<(TenantId, ServerId), Vec<String>>,
    /// Values that servers had until lately: a process that was given one may still print it.
    gone: Mutex<HashMap<(TenantId, ServerId), Vec<Gone>>>,
}

struct Gone {
    value: Secret<String>,
    /// When it was first seen to be gone.
    since: Option<Duration>,
}

impl Secrets {
    /// Secrets over a store, sealed by `sealer`.
    #[must_use]
    pub fn new(store: Arc<dyn SecretStore>, sealer: Arc<dyn Sealer>) -> Self {
        Self { store, sealer, known: Memory::new(MEMORY), names: Memory::new(MEMORY), gone: Mutex::default() }
    }

    /// Which of these names have no value.
    ///
    /// # Errors
    /// As `reveal`.
    pub async fn missing(&self, tenant: TenantId, server: ServerId, names: &[String]) -> Result<Vec<String>> {
        let mut missing = Vec::new();
        for name in names {
            if self.reveal(tenant, server, name).await?.is_none() {
                missing.push(name.clone());
            }
        }
        Ok(missing)
    }

    /// All values that a server has, or had until lately: what must not stand in its log.
    pub(crate) async fn of_server(&self, tenant: TenantId, server: ServerId) -> Result<Vec<Secret<String>>> {
        let epoch = self.names.epoch();
        let names = match self.names.get(&(tenant, server)) {
            Some(names) => names,
            None => {
                let records = self.store.list(tenant, server).await?;
                let names: Vec<String> = records.into_iter().map(|record| record.name).collect();
                self.names.fill(epoch, (tenant, server), names.clone());
                names
            }
        };
        let mut values = Vec::with_capacity(names.len());
        for name in &names {
            values.extend(self.reveal(tenant, server, name).await?);
        }
        if let Some(gone) = self.gone().get(&(tenant, server)) {
            values.extend(gone.iter().map(|gone| gone.value.clone()));
        }
        Ok(values)
    }

    fn gone(&self) -> MutexGuard<'_, HashMap<(TenantId, ServerId), Vec<Gone>>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A value is about to be replaced or removed: logs are kept clean of it until every process that was given it has
    /// ended.
    async fn let_go(&self, tenant: TenantId, server: ServerId, name: &str) {
        let found = self.reveal(tenant, server, name).await.unwrap_or_else(|error| {
            // It has been given to nobody either, and can be replaced.
            tracing::warn!(server.id = %server, %error, "a secret that goes cannot be read");
            None
        });
        if let Some(value) = found {
            let mut gone = self.gone();
            let gone = gone.entry((tenant, server)).or_default();
            if !gone.iter().any(|gone| gone.value.expose() == value.expose()) {
                gone.push(Gone { value, since: None });
            }
        }
    }

    /// The same for everything that a server has.
    ///
    /// # Errors
    /// As `reveal`.
    pub(crate) async fn let_go_all(&self, tenant: TenantId, server: ServerId) -> Result<()> {
        for record in self.store.list(tenant, server).await? {
            self.let_go(tenant, server, &record.name).await;
        }
        Ok(())
    }

    /// Forgets values that have been gone for long enough. To be called every now and then with a monotonic time.
    pub(crate) fn forget_gone(&self, now: Duration) {
        self.gone().retain(|_, gone| {
            gone.retain_mut(|gone| now.saturating_sub(*gone.since.get_or_insert(now)) < KEEP_GONE);
            !gone.is_empty()
        });
    }

    /// Forgets every value: called when a server is gone, or a tenant's keys are.
    pub(crate) fn forget_all(&self) {
        self.known.forget_all();
        self.names.forget_all();
    }

    /// Forgets one value: called after any change to it, before that is acknowledged.
    fn forget(&self, record: &SecretRecord) {
        self.known.forget(&(record.tenant, record.server, record.name.clone()));
        self.names.forget(&(record.tenant, record.server));
    }
}

#[async_trait]
impl SecretSource for Secrets {
    async fn reveal(&self, tenant: TenantId, server: ServerId, name: &str) -> Result<Option<Secret<String>>> {
        let key = (tenant, server, name.to_owned());
        if let Some(known) = self.known.get(&key) {
            return Ok(known);
        }
        // Before the store is read: a change in between then leaves nothing stale behind.
        let epoch = self.known.epoch();
        let value = match self.store.get(tenant, server, name).await? {
            None => None,
            Some(record) => {
                let sealed = &record.sealed;
                let server = record.server.to_string();
                let plain = self.sealer.open(&place(&record, &server), sealed).await?;
                let text = std::str::from_utf8(&plain).map_err(|_| Error::internal("a secret is no text"))?;
                Some(Secret::new(text.to_owned()))
            }
        };
        self.known.fill(epoch, key, value.clone());
        Ok(value)
    }
}

/// Where a value belongs: bound into its ciphertext, so that rows cannot be swapped or put back.
fn place<'a>(record: &'a SecretRecord, server: &'a str) -> Place<'a> {
    Place {
        tenant: record.tenant,
        kind: Kind::Secret,
        namespace: server,
        key: &record.name,
        version: u64::try_from(record.version).unwrap_or(0),
    }
}

/// Why a server does not start: secrets that its code reads have no value.
#[must_use]
pub fn not_set(server: &str, missing: &[String]) -> Error {
    let first = missing.first().map_or("", String::as_str);
    let names = missing.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    Error::Unavailable(
        Refusal::new(format!("this server does not start: {names} in `secrets.plain` is not set"))
            .hint(format!("set it: smcp secrets set {first} --server {server}")),
    )
}
