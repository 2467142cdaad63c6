//! Looking into the KV namespaces and buckets of a tenant's servers, and changing what is there.

use smcp_types::{Result, TenantId};

use crate::{
    Platform,
    authority::{ManageData, On, Permit, ViewData},
    context::Ctx,
    ports::{HostedBody, TenantRecord},
    room::Share,
    storage::{
        Storage, Store, check_store_name,
        kv::{Entry, KeyPage, ListKeys, NewEntry},
        objects::{ListObjects, NewObject, Object, ObjectPage, Outcome, Reading, head},
    },
};

/// What a tenant's servers have stored, by namespace or bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Names, each with how many entries it has.
    pub stores: Vec<(String, u64)>,
    /// Bytes that KV and objects take together.
    pub used: u64,
    /// Most bytes that they may take.
    pub quota: u64,
}

impl Platform {
    /// The right to look into what a tenant's servers have stored.
    ///
    /// # Errors
    /// As `authorize`.
    pub fn view_data(&self, ctx: &Ctx, tenant: &TenantRecord) -> Result<Permit<ViewData>> {
        self.authority.authorize(&ctx.caller, On::Tenant(tenant))
    }

    /// Room in memory for what a tenant's administrator sends or asks for: whoever is slow holds his own tenant's.
    ///
    /// # Errors
    /// `Unavailable` when there is no room left.
    pub fn hold(&self, tenant: TenantId, bytes: usize) -> Result<Share> {
        let mut share = Share::new(&self.cargo, tenant);
        share.set(bytes)?;
        Ok(share)
    }

    /// The KV namespaces of a tenant.
    ///
    /// # Errors
    /// Store errors.
    pub async fn list_namespaces(&self, permit: &Permit<ViewData>) -> Result<Contents> {
        let stores = self.storage.kv.namespaces(permit.tenant()).await?;
        contents(&self.storage, permit, stores).await
    }

    /// A page of the keys of a namespace.
    ///
    /// # Errors
    /// As the service.
    pub async fn list_kv(
        &self,
        permit: &Permit<ViewData>,
        namespace: &str,
        list: ListKeys<'_>,
    ) -> Result<KeyPage> {
        self.storage.kv.list(seen(permit, namespace)?, list).await
    }

    /// A value.
    ///
    /// # Errors
    /// As the service.
    pub async fn get_kv(
        &self,
        permit: &Permit<ViewData>,
        namespace: &str,
        key: &str,
    ) -> Result<Option<Entry>> {
        self.storage.kv.get(seen(permit, namespace)?, key).await
    }

    /// Stores a value in the place of the one before.
    ///
    /// # Errors
    /// As the service.
    pub async fn put_kv(
        &self,
        permit: &Permit<ManageData>,
        (namespace, key): (&str, &str),
        new: NewEntry<'_>,
    ) -> Result<()> {
        self.storage.kv.put(changed(permit, namespace)?, key, new).await
    }

    /// Removes a value, if it is there.
    ///
    /// # Errors
    /// As the service.
    pub async fn delete_kv(&self, permit: &Permit<ManageData>, namespace: &str, key: &str) -> Result<()> {
        self.storage.kv.delete(changed(permit, namespace)?, key).await
    }

    /// The buckets of a tenant.
    ///
    /// # Errors
    /// Store errors.
    pub async fn list_buckets(&self, permit: &Permit<ViewData>) -> Result<Contents> {
        let stores = self.storage.objects.buckets(permit.tenant()).await?;
        contents(&self.storage, permit, stores).await
    }

    /// A page of the objects of a bucket.
    ///
    /// # Errors
    /// As the service.
    pub async fn list_objects(
        &self,
        permit: &Permit<ViewData>,
        bucket: &str,
        list: ListObjects<'_>,
    ) -> Result<ObjectPage> {
        self.storage.objects.list(seen(permit, bucket)?, list).await
    }

    /// An object.
    ///
    /// # Errors
    /// As the service.
    pub async fn get_object(
        &self,
        permit: &Permit<ViewData>,
        bucket: &str,
        key: &str,
    ) -> Result<Option<Reading>> {
        let found = self.storage.objects.get(seen(permit, bucket)?, key, None, None).await?;
        Ok(match found {
            Some(Outcome::Done(reading)) => Some(reading),
            // Without conditions nothing fails.
            Some(Outcome::Failed(_)) | None => None,
        })
    }

    /// Stores an object in the place of the one before.
    ///
    /// # Errors
    /// As the service.
    pub async fn put_object(
        &self,
        permit: &Permit<ManageData>,
        (bucket, key): (&str, &str),
        (labels, size, body): (head::Labels, u64, HostedBody),
    ) -> Result<Option<Object>> {
        let new = NewObject { labels, checksums: head::Checksums::default(), conditions: None, size, body };
        match self.storage.objects.put(changed(permit, bucket)?, key, new).await? {
            Outcome::Done(object) => Ok(Some(object)),
            Outcome::Failed(_) => Ok(None),
        }
    }

    /// Removes an object, if it is there.
    ///
    /// # Errors
    /// As the service.
    pub async fn delete_object(&self, permit: &Permit<ManageData>, bucket: &str, key: &str) -> Result<()> {
        self.storage.objects.delete(changed(permit, bucket)?, &[key.to_owned()]).await
    }
}

async fn contents(
    storage: &Storage,
    permit: &Permit<ViewData>,
    stores: Vec<(String, u64)>,
) -> Result<Contents> {
    let (used, quota) = storage.kv.used(permit.tenant()).await?;
    Ok(Contents { stores, used, quota })
}

fn seen<'a>(permit: &Permit<ViewData>, name: &'a str) -> Result<Store<'a>> {
    check_store_name(name)?;
    Ok(Store { tenant: permit.tenant(), name })
}

fn changed<'a>(permit: &Permit<ManageData>, name: &'a str) -> Result<Store<'a>> {
    check_store_name(name)?;
    Ok(Store { tenant: permit.tenant(), name })
}
