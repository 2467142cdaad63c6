//! The databases as the management API sees them.

use std::{fs, path::Path, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use smcp_core::ports::{DatabaseRecord, Databases, HostedBody, Imported};
use smcp_types::{Error, Refusal, Result, TenantId};
use tokio::sync::mpsc;

use super::{
    frame::{Ask, Tell},
    service::{Inner, Reply, SqlDatabases},
    slot::Slot,
};

#[async_trait]
impl Databases for SqlDatabases {
    async fn list(&self, tenant: TenantId) -> Result<Vec<DatabaseRecord>> {
        let names = self.inner.names(tenant)?;
        let folder = self.inner.folder(tenant);
        let record = |name: String| DatabaseRecord { bytes: size(&folder.join(&name)), name };
        Ok(names.into_iter().map(record).collect())
    }

    async fn query(&self, tenant: TenantId, database: &str, request: Bytes) -> Result<Bytes> {
        let slot = existing(&self.inner, tenant, database)?;
        done(ask(&self.inner, slot, Ask::Rows, request).await)
    }

    async fn export(&self, tenant: TenantId, database: &str) -> Result<HostedBody> {
        let slot = existing(&self.inner, tenant, database)?;
        let (give, mut pieces) = mpsc::channel(1);
        let inner = Arc::clone(&self.inner);
        #[allow(
            clippy::disallowed_methods,
            reason = "ends with its reader, or with the process that is asked"
        )]
        tokio::spawn(async move { inner.give_dump(&slot, give).await });
        // What fails at once is an error, rather than a body that breaks off.
        let first = pieces.recv().await.unwrap_or_else(|| Ok(Bytes::new()))?;
        let rest = stream::unfold(pieces, |mut pieces| async { Some((pieces.recv().await?, pieces)) });
        Ok(Box::pin(stream::once(async { Ok(first) }).chain(rest)))
    }

    async fn import(&self, tenant: TenantId, database: &str, script: Bytes) -> Result<Imported> {
        let slot = self.inner.slot(tenant, database)?;
        let answer = done(ask(&self.inner, slot, Ask::Import, script).await)?;
        serde_json::from_slice(&answer).map_err(Error::internal)
    }

    async fn delete(&self, tenant: TenantId, database: &str) -> Result<()> {
        let slot = existing(&self.inner, tenant, database)?;
        self.inner.remove(&slot).await
    }
}

impl Inner {
    /// Gives everything of a database in pieces. It does nothing else meanwhile; who stops reading ends its process.
    async fn give_dump(&self, slot: &Slot, give: mpsc::Sender<Result<Bytes>>) {
        let mut state = slot.state.lock().await;
        if let Err(reply) = self.awake(slot, &mut state).await {
            let _ = give.send(done(reply)).await;
            return;
        }
        let Some(mut process) = state.process.take() else { return };
        let memory = (&slot.place, self.memory());
        let mut answer = process.ask(Ask::Dump, b"", memory).await;
        while let Ok(piece) = &answer
            && piece.tell == Tell::Piece
        {
            let given = tokio::select! {
                given = give.send(Ok(piece.body.clone())) => given.is_ok(),
                () = self.clock().sleep(self.request_time()) => false,
            };
            if !given {
                process.kill().await;
                return;
            }
            answer = process.next(memory).await;
        }
        let reply = self.after(slot, &mut state, (process, answer));
        if let Err(error) = done(reply) {
            let _ = give.send(Err(error)).await;
        }
    }
}

async fn ask(inner: &Arc<Inner>, slot: Arc<Slot>, ask: Ask, body: Bytes) -> Reply {
    match inner.memory().take(slot.place.tenant, body.len()) {
        Ok(held) => inner.ask(slot, ask, (body, held)).await,
        Err(_) => Reply::overloaded(),
    }
}

fn existing(inner: &Inner, tenant: TenantId, database: &str) -> Result<Arc<Slot>> {
    let slot = inner.slot(tenant, database)?;
    match &slot.folder {
        Some(folder) if folder.is_dir() => Ok(slot),
        Some(_) | None => Err(Error::NotFound("database")),
    }
}

/// What the files in a folder take.
fn size(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let sizes = entries.filter_map(|entry| entry.ok()?.metadata().ok()).map(|found| found.len());
    sizes.sum()
}

/// The answer, or what D1 would say as an error of ours.
fn done(reply: Reply) -> Result<Bytes> {
    match reply.tell {
        Tell::Done | Tell::Piece => Ok(reply.body),
        Tell::Refused if reply.held.is_none() => Err(Error::Unavailable(Refusal::new(message(&reply.body)))),
        Tell::Refused => Err(Error::Invalid(Refusal::new(message(&reply.body)))),
        Tell::Damaged => Err(Error::Damaged(
            Refusal::new(message(&reply.body)).hint("restore the database from a backup, or delete it"),
        )),
    }
}

fn message(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Failure {
        error: String,
    }
    let failure: Result<Failure, _> = serde_json::from_slice(body);
    failure.map_or_else(|_| "the database gave no reason".to_owned(), |failure| failure.error)
}
