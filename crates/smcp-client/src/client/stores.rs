//! Operations on tenants' KV namespaces and buckets.

use std::io::Read;

use smcp_api::{KvEntry, KvKeyPage, ObjectPage, OperationId, StoreList, StoredObject};

use super::{Client, Target, plain, target};
use crate::{
    ClientError,
    transport::{Ask, check, read_json},
};

/// Which part of a namespace or bucket to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct StorePart<'a> {
    /// Keys that begin with this.
    pub prefix: &'a str,
    /// The `next` of the page before.
    pub after: Option<&'a str>,
}

impl StorePart<'_> {
    fn query(self) -> Vec<(&'static str, Option<String>)> {
        let prefix = (!self.prefix.is_empty()).then(|| self.prefix.to_owned());
        vec![("prefix", prefix), ("after", self.after.map(str::to_owned))]
    }
}

/// What an object is to be stored as.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewObject<'a> {
    /// Its key.
    pub key: &'a str,
    /// What the content is.
    pub content_type: Option<&'a str>,
    /// Custom metadata, as a JSON object of strings.
    pub metadata: Option<&'a str>,
}

impl Client {
    /// The KV namespaces of a tenant's servers.
    ///
    /// # Errors
    /// `ClientError`, as of every method here.
    pub fn list_namespaces(&self, tenant: &str) -> Result<StoreList, ClientError> {
        self.ask(target(OperationId::ListKvNamespaces, &[tenant]))
    }

    /// One page of the keys of a namespace.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn list_kv(
        &self,
        tenant: &str,
        namespace: &str,
        part: StorePart<'_>,
    ) -> Result<KvKeyPage, ClientError> {
        self.ask(Target { query: part.query(), ..target(OperationId::ListKvKeys, &[tenant, namespace]) })
    }

    /// A value.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn get_kv(&self, tenant: &str, namespace: &str, key: &str) -> Result<KvEntry, ClientError> {
        self.ask(Target { query: of(key), ..target(OperationId::GetKvEntry, &[tenant, namespace]) })
    }

    /// Stores a value in the place of the one before.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn put_kv(
        &self,
        tenant: &str,
        namespace: &str,
        key: &str,
        entry: &KvEntry,
    ) -> Result<(), ClientError> {
        let body = serde_json::to_vec(entry).map_err(|error| {
            ClientError::not_ours(self.endpoint().as_str(), format!("this cannot be sent: {error}"))
        })?;
        let operation = OperationId::PutKvEntry;
        let path = Target { query: of(key), ..target(operation, &[tenant, namespace]) }.path()?;
        let response = self.transport.send(plain(operation, &path, Some(body)))?;
        check(&self.transport.url(&path), response).map(drop)
    }

    /// Removes a value, if it is there.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn delete_kv(&self, tenant: &str, namespace: &str, key: &str) -> Result<(), ClientError> {
        self.nothing(Target { query: of(key), ..target(OperationId::DeleteKvEntry, &[tenant, namespace]) })
    }

    /// The buckets of a tenant's servers.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn list_buckets(&self, tenant: &str) -> Result<StoreList, ClientError> {
        self.ask(target(OperationId::ListBuckets, &[tenant]))
    }

    /// One page of the objects of a bucket.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn list_objects(
        &self,
        tenant: &str,
        bucket: &str,
        part: StorePart<'_>,
    ) -> Result<ObjectPage, ClientError> {
        self.ask(Target { query: part.query(), ..target(OperationId::ListObjects, &[tenant, bucket]) })
    }

    /// An object's content, to be read as it comes.
    ///
    /// # Errors
    /// `ClientError`; reading fails where the platform breaks off.
    pub fn get_object(
        &self,
        tenant: &str,
        bucket: &str,
        key: &str,
    ) -> Result<impl Read + use<>, ClientError> {
        let path = Target { query: of(key), ..target(OperationId::GetObject, &[tenant, bucket]) }.path()?;
        let ask = Ask { all_within: None, ..plain(OperationId::GetObject, &path, None) };
        let response = check(&self.transport.url(&path), self.transport.send(ask)?)?;
        Ok(response.into_body().into_with_config().limit(u64::MAX).reader())
    }

    /// Stores an object in the place of the one before.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn put_object(
        &self,
        (tenant, bucket): (&str, &str),
        new: NewObject<'_>,
        content: Vec<u8>,
    ) -> Result<StoredObject, ClientError> {
        let query = vec![
            ("key", Some(new.key.to_owned())),
            ("content_type", new.content_type.map(str::to_owned)),
            ("metadata", new.metadata.map(str::to_owned)),
        ];
        let path = Target { query, ..target(OperationId::PutObject, &[tenant, bucket]) }.path()?;
        let mut ask = Ask { all_within: None, ..plain(OperationId::PutObject, &path, Some(content)) };
        ask.headers.retain(|(name, _)| *name != "Content-Type");
        read_json(&self.transport.url(&path), self.transport.send(ask)?)
    }

    /// Removes an object, if it is there.
    ///
    /// # Errors
    /// `ClientError`.
    pub fn delete_object(&self, tenant: &str, bucket: &str, key: &str) -> Result<(), ClientError> {
        self.nothing(Target { query: of(key), ..target(OperationId::DeleteObject, &[tenant, bucket]) })
    }
}

fn of(key: &str) -> Vec<(&'static str, Option<String>)> {
    vec![("key", Some(key.to_owned()))]
}
