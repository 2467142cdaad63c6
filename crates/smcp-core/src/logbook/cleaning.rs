//! Secrets out of log lines, before anybody sees them or they are stored.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sha2::{Digest as _, Sha256};
use smcp_types::{Secret, ServerId, TenantId};

use crate::{
    ports::LogLine,
    redact::{Redactor, SHORTEST_REDACTED, redact_line},
    secrets::Secrets,
};

/// Bytes of secrets of one server that are looked for: in all encodings, each takes about 630 bytes of memory and, to get
/// ready, 30 µs of everybody's time.
const MAX_BYTES: usize = 6 << 10;
/// How long what finds them is kept while the server prints nothing; and after a secret has got another value, since a
/// process may still have the one before.
const KEEP: Duration = Duration::from_secs(60);
/// Sets of values of one server that are looked for at once, and bytes of all of them: as many may be got ready in the time
/// that they are kept.
const MAX_SETS: (usize, usize) = (16, 3 * MAX_BYTES);
/// A line as long as this may have been cut off, in the middle of a secret.
const MAY_BE_CUT: usize = 1 << 10;

/// Takes the secrets of servers out of their lines.
pub(super) struct Cleaning {
    secrets: Arc<Secrets>,
    kept: Mutex<HashMap<ServerId, Vec<Cleaner>>>,
}

/// Finds the values that a server had at one time.
#[derive(Clone)]
struct Cleaner {
    /// Of the values.
    hash: [u8; 32],
    redactor: Arc<Redactor>,
    /// Of the values together.
    bytes: usize,
    /// When it was last that of the values as they are.
    used: Duration,
}

impl Cleaning {
    pub(super) fn new(secrets: Arc<Secrets>) -> Self {
        Self { secrets, kept: Mutex::default() }
    }

    /// Takes the secrets of a server out of its lines. A line that cannot be looked through says so in its place.
    pub(super) async fn clean(
        &self,
        (tenant, server): (TenantId, ServerId),
        now: Duration,
        lines: impl IntoIterator<Item = &mut LogLine>,
    ) {
        match self.cleaners(tenant, server, now).await {
            Ok(cleaners) if cleaners.is_empty() => {}
            Ok(cleaners) => lines.into_iter().for_each(|line| clean(&cleaners, &mut line.message)),
            Err(why) => lines.into_iter().for_each(|line| {
                line.message = format!("[smcp] this line is not kept: {why}");
            }),
        }
    }

    /// Lets go of what was not used for a while.
    pub(super) fn forget_unused(&self, now: Duration) {
        self.secrets.forget_gone(now);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, cleaners| {
            cleaners.retain(|cleaner| now.saturating_sub(cleaner.used) < KEEP);
            !cleaners.is_empty()
        });
    }

    async fn cleaners(
        &self,
        tenant: TenantId,
        server: ServerId,
        now: Duration,
    ) -> std::result::Result<Vec<Cleaner>, String> {
        let values = self.secrets.of_server(tenant, server).await.map_err(|error| {
            tracing::error!(tenant.id = %tenant, server.id = %server, %error, "secrets could not be read to keep them out of a log");
            "the secrets to be taken out of it could not be read".to_owned()
        })?;
        let values: Vec<_> =
            values.into_iter().filter(|value| value.expose().len() >= SHORTEST_REDACTED).collect();
        let bytes: usize = values.iter().map(|value| value.expose().len()).sum();
        if bytes > MAX_BYTES {
            let server_has = "the secrets of this server have together more than";
            return Err(format!("{server_has} {MAX_BYTES} bytes, too many to be looked for in it"));
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if values.is_empty() && !kept.contains_key(&server) {
            return Ok(Vec::new());
        }
        let cleaners = kept.entry(server).or_default();
        let hash = hash(&values);
        if let Some(current) = cleaners.iter_mut().find(|cleaner| cleaner.hash == hash) {
            current.used = now;
            return Ok(cleaners.clone());
        }
        let all = cleaners.iter().map(|cleaner| cleaner.bytes).sum::<usize>() + bytes;
        if cleaners.len() >= MAX_SETS.0 || all > MAX_SETS.1 {
            return Err("the secrets of this server change too often to be looked for in it".to_owned());
        }
        let redactor = Redactor::new(&values).map_err(|error| error.to_string())?;
        cleaners.push(Cleaner { hash, redactor: Arc::new(redactor), bytes, used: now });
        Ok(cleaners.clone())
    }
}

fn clean(cleaners: &[Cleaner], message: &mut String) {
    let redactors: Vec<&Redactor> = cleaners.iter().map(|cleaner| &*cleaner.redactor).collect();
    *message = redact_line(&redactors, message, message.len() >= MAY_BE_CUT);
}

fn hash(values: &[Secret<String>]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for value in values {
        hash.update(value.expose().len().to_be_bytes());
        hash.update(value.expose());
    }
    hash.finalize().into()
}
