//! Setting, listing and removing secrets. No use case ever returns a value.

use smcp_manifest::LockedManifest;
use smcp_types::{Error, Refusal, Result, Secret, UnixMillis};

use super::{not_set, place};
use crate::{
    Platform,
    authority::{ManageSecrets, On, Permit, ViewSecrets},
    context::Ctx,
    ports::{SecretRecord, ServerRecord, StoreError},
    servers::{ActiveVersion, version_ref},
};

/// Largest value, in bytes.
pub const MAX_SECRET_BYTES: usize = 16 << 10;
/// Most secrets of one server.
pub const MAX_SECRETS: usize = 64;
/// Longest name, in characters.
const MAX_NAME_CHARS: usize = 128;
/// Names that start so are the platform's own.
const OWN_PREFIX: &str = "SMCP_";
/// How often somebody else may change the very secret that is being changed.
const ATTEMPTS: usize = 3;

/// What may be known about a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretInfo {
    /// Its name.
    pub name: String,
    /// Counts its values, from 1 on.
    pub version: i64,
    /// Who set it first.
    pub created_by: String,
    /// When it was set first.
    pub created_at: UnixMillis,
    /// When it got this value.
    pub updated_at: UnixMillis,
}

impl From<&SecretRecord> for SecretInfo {
    fn from(record: &SecretRecord) -> Self {
        Self {
            name: record.name.clone(),
            version: record.version,
            created_by: record.created_by.clone(),
            created_at: record.created_at,
            updated_at: record.updated_at,
        }
    }
}

impl Platform {
    /// Gives a secret a value, whether it has one or not.
    ///
    /// # Errors
    /// `Invalid` for a bad name or value; `Conflict` when the server has too many; as `authorize`; store errors.
    pub async fn set_secret(
        &self,
        ctx: &Ctx,
        server: &ServerRecord,
        name: &str,
        value: Secret<String>,
    ) -> Result<SecretInfo> {
        let permit = self.authority.authorize::<ManageSecrets>(&ctx.caller, On::Server(server))?;
        check_name(name)?;
        self.write(ctx, (server, &permit), name, value, Writes::Set).await
    }

    /// Gives a secret that has a value another one.
    ///
    /// # Errors
    /// `NotFound` when it has none; as `set_secret`.
    pub async fn rotate_secret(
        &self,
        ctx: &Ctx,
        server: &ServerRecord,
        name: &str,
        value: Secret<String>,
    ) -> Result<SecretInfo> {
        let permit = self.authority.authorize::<ManageSecrets>(&ctx.caller, On::Server(server))?;
        self.write(ctx, (server, &permit), name, value, Writes::Rotate).await
    }

    /// What secrets a server has, by name.
    ///
    /// # Errors
    /// As `authorize`; store errors.
    pub async fn list_secrets(&self, ctx: &Ctx, server: &ServerRecord) -> Result<Vec<SecretInfo>> {
        self.authority.authorize::<ViewSecrets>(&ctx.caller, On::Server(server))?;
        let records = self.secrets.store.list(server.tenant, server.id).await?;
        Ok(records.iter().map(SecretInfo::from).collect())
    }

    /// Removes a secret.
    ///
    /// # Errors
    /// `NotFound`; as `authorize`; store errors.
    pub async fn remove_secret(&self, ctx: &Ctx, server: &ServerRecord, name: &str) -> Result<()> {
        let permit = self.authority.authorize::<ManageSecrets>(&ctx.caller, On::Server(server))?;
        permit.require(server.tenant, Some(server.id))?;
        let old = self.secrets.store.get(server.tenant, server.id, name).await?;
        let old = old.ok_or(Error::NotFound("secret"))?;
        self.secrets.let_go(server.tenant, server.id, name).await;
        self.secrets.store.delete(server.tenant, server.id, name).await?;
        self.changed(server, &old).await
    }

    /// Whether a server has everything its code is to be given: the process that starts without it would fail later, in
    /// its own words.
    ///
    /// # Errors
    /// `Unavailable`, naming what is not set; store errors.
    pub(crate) async fn may_start(&self, server: &ServerRecord, active: &ActiveVersion) -> Result<()> {
        let missing =
            self.secrets.missing(server.tenant, server.id, &active.manifest().secrets.plain).await?;
        if missing.is_empty() { Ok(()) } else { Err(not_set(server.slug.as_str(), &missing)) }
    }

    async fn write(
        &self,
        ctx: &Ctx,
        (server, permit): (&ServerRecord, &Permit<ManageSecrets>),
        name: &str,
        value: Secret<String>,
        writes: Writes,
    ) -> Result<SecretInfo> {
        permit.require(server.tenant, Some(server.id))?;
        check_value(value.expose())?;
        for _ in 0..ATTEMPTS {
            let old = self.secrets.store.get(server.tenant, server.id, name).await?;
            if old.is_none() {
                self.may_be_new(server, writes).await?;
            }
            let record = self.sealed(ctx, server, name, old.as_ref(), &value).await?;
            self.secrets.let_go(server.tenant, server.id, name).await;
            match self.secrets.store.put(&record, old.as_ref().map(|old| old.version)).await {
                Ok(()) => {
                    self.changed(server, &record).await?;
                    return Ok(SecretInfo::from(&record));
                }
                // Somebody else was faster: this value still is the later one.
                Err(StoreError::Taken | StoreError::Stale) => {}
                Err(error @ (StoreError::Broken(_) | StoreError::Full(_))) => return Err(error.into()),
            }
        }
        Err(StoreError::Stale.into())
    }

    async fn may_be_new(&self, server: &ServerRecord, writes: Writes) -> Result<()> {
        match writes {
            Writes::Rotate => Err(Error::NotFound("secret")),
            Writes::Set if self.secrets.store.list(server.tenant, server.id).await?.len() >= MAX_SECRETS => {
                let message = format!("a server has at most {MAX_SECRETS} secrets");
                Err(Error::Conflict(Refusal::new(message).hint("remove one: smcp secrets rm NAME")))
            }
            Writes::Set => Ok(()),
        }
    }

    async fn sealed(
        &self,
        ctx: &Ctx,
        server: &ServerRecord,
        name: &str,
        old: Option<&SecretRecord>,
        value: &Secret<String>,
    ) -> Result<SecretRecord> {
        let now = self.clock.now();
        let mut record = SecretRecord {
            tenant: server.tenant,
            server: server.id,
            name: name.to_owned(),
            version: old.map_or(1, |old| old.version.saturating_add(1)),
            sealed: Vec::new(),
            created_at: old.map_or(now, |old| old.created_at),
            created_by: old.map_or_else(|| ctx.caller.principal().to_owned(), |old| old.created_by.clone()),
            updated_at: now,
        };
        let id = server.id.to_string();
        record.sealed = self.secrets.sealer.seal(&place(&record, &id), value.expose().as_bytes()).await?;
        Ok(record)
    }

    /// What follows a change: nobody remembers the old value, and a process that was given it is replaced.
    async fn changed(&self, server: &ServerRecord, record: &SecretRecord) -> Result<()> {
        self.secrets.forget(record);
        let Some(digest) = server.active else { return Ok(()) };
        let active = self.active_version(server).await?;
        if active.manifest().secrets.plain.contains(&record.name) {
            // The next call starts one with the new value.
            self.isolates.retire(&version_ref(server, digest)).await;
        }
        Ok(())
    }

    /// What a publisher should know about a version's secrets: what its code can read, and what has no value yet.
    pub(crate) async fn secret_warnings(
        &self,
        server: &ServerRecord,
        manifest: &LockedManifest,
    ) -> Result<Vec<String>> {
        let plain = &manifest.secrets.plain;
        let readable = plain.iter().map(|name| {
            format!(
                "the code of this version can read the secret {name} (`secrets.plain`); `egress.inject` would keep it \
                 from the code"
            )
        });
        let mut warnings: Vec<String> = readable.collect();
        let mut names = plain.clone();
        names.extend(manifest.egress.inject.iter().map(|rule| rule.secret.clone()));
        names.sort_unstable();
        names.dedup();
        for name in self.secrets.missing(server.tenant, server.id, &names).await? {
            let until = if plain.contains(&name) {
                "the server does not start"
            } else {
                "requests that need it are refused"
            };
            warnings.push(format!(
                "the secret {name} is not set: {until} until somebody runs smcp secrets set {name} --server {}",
                server.slug
            ));
        }
        Ok(warnings)
    }
}

/// What may become of a secret without a value.
#[derive(Clone, Copy)]
enum Writes {
    Set,
    Rotate,
}

fn check_name(name: &str) -> Result<()> {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let all = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !first || !all || name.len() > MAX_NAME_CHARS || name.starts_with(OWN_PREFIX) {
        return Err(Error::invalid(format!(
            "a secret's name has 1 to {MAX_NAME_CHARS} letters, digits and `_`, starts with no digit and not with {OWN_PREFIX}"
        )));
    }
    Ok(())
}

fn check_value(value: &str) -> Result<()> {
    if value.is_empty() || value.len() > MAX_SECRET_BYTES || value.contains('\0') {
        return Err(Error::invalid(format!(
            "a secret has 1 to {MAX_SECRET_BYTES} bytes of text without NUL"
        )));
    }
    Ok(())
}
