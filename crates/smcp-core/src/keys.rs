//! API keys: create, list, rotate, revoke.

use std::{collections::BTreeMap, time::Duration};

use smcp_policy::Role;
use smcp_types::{
    Error, KeyId, Refusal, Result, Secret, ServerId, Slug, TenantId, UnixMillis, limits::MAX_INTEGER,
};

use crate::{
    Platform, api_key,
    authority::{ManageKeys, On, Permit, ViewKeys},
    context::Ctx,
    ports::{KeyRecord, KeyStatus, RingPurpose, TenantRecord},
};

/// Longest name of a key, in characters.
const MAX_LABEL_CHARS: usize = 100;
/// Most servers a key may be limited to: every decision of the policy carries them.
const MAX_SERVERS: usize = 100;
/// Longest time for which a rotated key may keep working.
const MAX_GRACE: Duration = Duration::from_secs(30 * 24 * 3600);

/// What a new key shall be.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// A name for people.
    pub label: String,
    /// What it may do.
    pub role: Role,
    /// The servers it is limited to; empty for all.
    pub servers: Vec<ServerId>,
    /// When it stops working.
    pub expires_at: Option<UnixMillis>,
}

/// A key as it is shown once, with its record.
#[derive(Debug)]
pub struct IssuedKey {
    /// The key.
    pub key: Secret<String>,
    /// What is stored of it.
    pub record: KeyRecord,
}

impl Platform {
    /// Creates a key in a tenant.
    ///
    /// # Errors
    /// `Invalid` for a bad name or an expiry that has passed; as `authorize`; store errors.
    pub async fn create_key(&self, ctx: &Ctx, tenant: &TenantRecord, new: NewKey) -> Result<IssuedKey> {
        let permit = self.authority.authorize::<ManageKeys>(&ctx.caller, On::Tenant(tenant))?;
        if new.label.is_empty()
            || new.label.chars().count() > MAX_LABEL_CHARS
            || new.label.contains(char::is_control)
        {
            return Err(Error::invalid("a key's name has 1 to 100 printable characters"));
        }
        if new.expires_at.is_some_and(|end| end <= self.clock.now() || end.0 > MAX_INTEGER) {
            return Err(Error::invalid("the expiry of a key lies in the future, and not beyond 2^53"));
        }
        let mut servers = new.servers;
        servers.sort_unstable();
        servers.dedup();
        if servers.len() > MAX_SERVERS {
            return Err(Error::invalid(format!("a key is limited to at most {MAX_SERVERS} servers")));
        }
        let new = NewKey { servers, ..new };
        self.issue_key(&permit, new).await
    }

    /// Makes and stores a key, for a permit that says it may be.
    pub(crate) async fn issue_key(&self, permit: &Permit<ManageKeys>, new: NewKey) -> Result<IssuedKey> {
        self.store_new_key(permit.tenant(), new).await
    }

    /// The first key of all, which nobody could have been permitted to make.
    pub(crate) async fn store_new_key(&self, tenant: TenantId, new: NewKey) -> Result<IssuedKey> {
        let (key, pepper, mac) = self.new_key_text(tenant)?;
        let record = KeyRecord {
            tenant,
            id: KeyId::new(self.clock.now(), self.random()),
            label: new.label,
            role: new.role.as_str().to_owned(),
            servers: new.servers,
            pepper,
            mac,
            previous: None,
            previous_until: None,
            status: KeyStatus::Active,
            expires_at: new.expires_at,
            created_at: self.clock.now(),
            last_used_at: None,
        };
        self.stores.keys.create(&record).await?;
        Ok(IssuedKey { key, record })
    }

    /// All keys of a tenant, oldest first, with the slugs of its servers.
    ///
    /// # Errors
    /// As `authorize`; store errors.
    pub async fn list_keys(
        &self,
        ctx: &Ctx,
        tenant: &TenantRecord,
    ) -> Result<(Vec<KeyRecord>, BTreeMap<ServerId, Slug>)> {
        let permit = self.authority.authorize::<ViewKeys>(&ctx.caller, On::Tenant(tenant))?;
        let slugs = self.server_slugs(&permit).await?;
        Ok((self.stores.keys.list(permit.tenant()).await?, slugs))
    }

    /// Gives a key a new secret; the old one works for `grace` more.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for a grace over 30 days or a key that is revoked; as `authorize`; store errors.
    pub async fn rotate_key(
        &self,
        ctx: &Ctx,
        tenant: &TenantRecord,
        id: KeyId,
        grace: Duration,
    ) -> Result<IssuedKey> {
        let permit = self.authority.authorize::<ManageKeys>(&ctx.caller, On::Tenant(tenant))?;
        if grace > MAX_GRACE {
            return Err(Error::invalid("the grace of a rotated key is at most 30 days"));
        }
        let old = self.key_of(&permit, id).await?;
        if old.status == KeyStatus::Revoked {
            return Err(Error::Conflict(
                Refusal::new("this key is revoked").hint("create a new one: smcp keys create"),
            ));
        }
        let (key, pepper, mac) = self.new_key_text(tenant.id)?;
        let record = KeyRecord {
            pepper,
            mac,
            previous: Some((old.pepper, old.mac)),
            previous_until: Some(self.clock.now().after(grace)),
            ..old.clone()
        };
        self.stores.keys.replace(&record, &old.mac).await?;
        self.identity.forget_all();
        Ok(IssuedKey { key, record })
    }

    /// Ends a key, and the old one of a rotation with it, at once and for good.
    ///
    /// # Errors
    /// `NotFound`; as `authorize`; store errors.
    pub async fn revoke_key(&self, ctx: &Ctx, tenant: &TenantRecord, id: KeyId) -> Result<KeyRecord> {
        let permit = self.authority.authorize::<ManageKeys>(&ctx.caller, On::Tenant(tenant))?;
        let old = self.key_of(&permit, id).await?;
        if old.status == KeyStatus::Revoked {
            return Ok(old);
        }
        let record =
            KeyRecord { status: KeyStatus::Revoked, previous: None, previous_until: None, ..old.clone() };
        self.stores.keys.replace(&record, &old.mac).await?;
        self.identity.forget_all();
        Ok(record)
    }

    async fn key_of(&self, permit: &Permit<ManageKeys>, id: KeyId) -> Result<KeyRecord> {
        self.stores.keys.get(permit.tenant(), id).await?.ok_or(Error::NotFound("key"))
    }

    fn new_key_text(&self, tenant: TenantId) -> Result<(Secret<String>, smcp_types::RingKeyId, [u8; 32])> {
        let key = api_key::generate(tenant, &*self.entropy);
        let (pepper, _) = self.ring.current(RingPurpose::ApiKeyPepper)?;
        let mac = self.ring.mac(pepper, key.expose().as_bytes())?;
        Ok((key, pepper, mac))
    }
}
