//! Object bindings: the wire protocol that workerd speaks for `r2Bucket`.

mod errors;
mod request;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use serde_json::{Value, json};
use smcp_core::{
    ports::{BindingService, HostedBody, Workload},
    room::{Room, Share},
    storage::{
        Store,
        objects::{ListObjects, NewObject, Object, Objects, Outcome, UploadedPart, head::Checksums},
    },
};
use smcp_types::{Error, Result};

use super::{Stores, body};
use errors::R2Error;
use request::{Operation, Request};

/// How many bytes of a body are JSON.
const METADATA_SIZE: HeaderName = HeaderName::from_static("cf-r2-metadata-size");
/// A read's operation, as JSON.
const REQUEST: HeaderName = HeaderName::from_static("cf-r2-request");
/// Longest JSON of a request: a thousand keys of 1024 bytes, or ten thousand parts, with room for escapes.
const MAX_METADATA: usize = 4 << 20;

/// What a request takes of the room beside its metadata: a piece of content, open and sealed.
const PIECES: usize = 2 << 20;

/// Serves object bindings.
pub struct ObjectsService {
    stores: Arc<Stores>,
    room: Arc<Room>,
}

impl ObjectsService {
    /// A service for these stores.
    #[must_use]
    pub fn new(stores: Arc<Stores>) -> Self {
        Self { stores, room: Arc::default() }
    }

    async fn answer(
        &self,
        from: &Arc<Workload>,
        store: Store<'_>,
        request: http::Request<HostedBody>,
    ) -> Result<Response<HostedBody>, R2Error> {
        let storage = self.stores.of(from);
        let (head, body) = request.into_parts();
        // Kept until the last piece has been read or written, however slowly.
        let mut share = Share::new(&self.room, store.tenant);
        share.set(PIECES)?;
        if head.method == Method::GET {
            let text = head.headers.get(REQUEST).ok_or_else(|| Error::invalid("CF-R2-Request is missing"))?;
            let read = read(&storage.objects, store, Request::parse(text.as_bytes())?).await?;
            return Ok(read.map(|body| body::with_share(body, share)));
        }
        if head.method != Method::PUT {
            return Err(Error::invalid("reads are GET, writes are PUT").into());
        }
        let size =
            head.headers.get(METADATA_SIZE).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        let size = size.filter(|size| *size <= MAX_METADATA);
        let size =
            size.ok_or_else(|| Error::invalid("CF-R2-Metadata-Size is missing, no number or too great"))?;
        let length =
            body::announced(&head.headers).ok_or_else(|| Error::invalid("Content-Length is missing"))?;
        let content = length
            .checked_sub(size as u64)
            .ok_or_else(|| Error::invalid("the body is shorter than its metadata"))?;
        share.set(PIECES + size)?;
        let (metadata, body) = split(body, size).await?;
        write(&storage.objects, store, Request::parse(&metadata)?, (content, body)).await
    }
}

#[async_trait]
impl BindingService for ObjectsService {
    async fn serve(
        &self,
        from: &Arc<Workload>,
        bucket: &str,
        request: http::Request<HostedBody>,
    ) -> Response<HostedBody> {
        let store = Store { tenant: from.version.tenant, name: bucket };
        match self.answer(from, store, request).await {
            Ok(response) => response,
            Err(error) => error.answer(store),
        }
    }
}

async fn read(
    objects: &Objects,
    store: Store<'_>,
    request: Request,
) -> Result<Response<HostedBody>, R2Error> {
    match request.operation()? {
        Operation::Head => {
            let found = objects.head(store, request.object()?).await?.ok_or(R2Error::NoSuchKey)?;
            Ok(framed(&shown(&found, None), body::whole(Bytes::new())))
        }
        Operation::Get => {
            let conditions = request.conditions()?;
            let range = request.range()?;
            let key = request.object()?;
            let found = objects.get(store, key, range.as_ref(), conditions.as_ref()).await;
            let found = found.map_err(|error| R2Error::of_read(error, range.is_some()))?;
            match found.ok_or(R2Error::NoSuchKey)? {
                Outcome::Done(reading) => {
                    let metadata = shown(&reading.object, Some(reading.range));
                    Ok(framed(&metadata, reading.body))
                }
                Outcome::Failed(object) => {
                    Err(R2Error::Precondition(object.map(|found| shown(&found, None))))
                }
            }
        }
        Operation::List => list(objects, store, &request).await,
        Operation::Put
        | Operation::Delete
        | Operation::CreateMultipartUpload
        | Operation::UploadPart
        | Operation::CompleteMultipartUpload
        | Operation::AbortMultipartUpload => Err(Error::invalid("this operation is a PUT").into()),
    }
}

async fn list(
    objects: &Objects,
    store: Store<'_>,
    request: &Request,
) -> Result<Response<HostedBody>, R2Error> {
    let wanted = ListObjects {
        prefix: request.prefix.as_deref().unwrap_or_default(),
        delimiter: request.delimiter.as_deref(),
        start_after: request.start_after.as_deref(),
        // The runtime sends an empty one when code gives one.
        cursor: request.cursor.as_deref().filter(|text| !text.is_empty()),
        limit: request.limit()?,
        unreadable: false,
    };
    let page = objects.list(store, wanted).await?;
    let with = |what: u32| request.include.as_ref().is_some_and(|include| include.contains(&what));
    let (http, custom) = (with(0), with(1));
    let listed = page.objects.iter().map(|object| {
        let mut object = shown(object, None);
        if !http {
            object["httpFields"] = json!({});
        }
        if !custom {
            object["customFields"] = json!([]);
        }
        object
    });
    let mut answer = json!({
        "objects": listed.collect::<Vec<_>>(),
        "truncated": page.cursor.is_some(),
        "delimitedPrefixes": page.prefixes,
    });
    if let Some(cursor) = page.cursor {
        answer["cursor"] = cursor.into();
    }
    Ok(framed(&answer, body::whole(Bytes::new())))
}

async fn write(
    objects: &Objects,
    store: Store<'_>,
    mut request: Request,
    (size, body): (u64, HostedBody),
) -> Result<Response<HostedBody>, R2Error> {
    let operation = request.operation()?;
    if size > 0 && !matches!(operation, Operation::Put | Operation::UploadPart) {
        return Err(Error::invalid("this operation has no content").into());
    }
    let answer = match operation {
        Operation::Put => {
            let (labels, conditions) = (request.labels()?, request.conditions()?);
            let checksums = request.checksums()?;
            let new = NewObject { labels, checksums, conditions, size, body };
            match objects.put(store, request.object()?, new).await? {
                Outcome::Done(object) => shown(&object, None),
                Outcome::Failed(_) => return Err(R2Error::Precondition(None)),
            }
        }
        Operation::Delete => {
            let keys = request.objects.take().unwrap_or_default();
            let keys = keys.into_iter().chain(request.object.take()).collect::<Vec<_>>();
            objects.delete(store, &keys).await?;
            json!({})
        }
        Operation::CreateMultipartUpload => {
            let labels = request.labels()?;
            json!({ "uploadId": objects.create_upload(store, request.object()?, &labels).await? })
        }
        Operation::UploadPart => {
            let part = (request.upload()?, request.part_number.unwrap_or_default());
            json!({ "etag": objects.put_part(store, request.object()?, part, (size, body)).await? })
        }
        Operation::CompleteMultipartUpload => {
            let parts = request.parts.iter().flatten();
            let parts = parts.map(|part| UploadedPart { number: part.part, etag: part.etag.clone() });
            let (key, parts) = (request.object()?, parts.collect::<Vec<_>>());
            match objects.complete_upload(store, key, request.upload()?, &parts).await? {
                Outcome::Done(object) => shown(&object, None),
                Outcome::Failed(_) => return Err(R2Error::Precondition(None)),
            }
        }
        Operation::AbortMultipartUpload => {
            objects.abort_upload(store, request.object()?, request.upload()?).await?;
            json!({})
        }
        Operation::Head | Operation::Get | Operation::List => {
            return Err(Error::invalid("this operation is a GET").into());
        }
    };
    Ok(Response::new(body::whole(answer.to_string())))
}

/// The first `size` bytes of a body, and the rest.
async fn split(mut body: HostedBody, size: usize) -> Result<(Vec<u8>, HostedBody)> {
    let mut first = Vec::new();
    while first.len() < size {
        let cut = || Error::invalid("the body is shorter than its metadata");
        let mut piece = body.next().await.ok_or_else(cut)??;
        let here = piece.len().min(size - first.len());
        first.extend_from_slice(&piece.split_to(here));
        if !piece.is_empty() {
            return Ok((first, Box::pin(stream::iter([Ok(piece)]).chain(body))));
        }
    }
    Ok((first, body))
}

/// An answer to a read: JSON, then content.
fn framed(metadata: &Value, content: HostedBody) -> Response<HostedBody> {
    let metadata = metadata.to_string();
    let size = HeaderValue::from(metadata.len());
    let mut response =
        Response::new(Box::pin(stream::iter([Ok(Bytes::from(metadata))]).chain(content)) as HostedBody);
    response.headers_mut().insert(METADATA_SIZE, size);
    *response.status_mut() = StatusCode::OK;
    response
}

/// An object as the wire has it.
fn shown(object: &Object, range: Option<(u64, u64)>) -> Value {
    let Object { key, version, head } = object;
    let Checksums { md5, sha1, sha256, sha384, sha512 } = &head.checksums;
    let hashes = [("0", md5), ("1", sha1), ("2", sha256), ("3", sha384), ("4", sha512)];
    let hashes = hashes.into_iter().filter_map(|(name, hash)| Some((name.to_owned(), hash.clone()?.into())));
    let mut value = json!({
        "name": key,
        "version": version,
        "size": head.size.to_string(),
        "etag": head.etag,
        "uploaded": head.uploaded.to_string(),
        "httpFields": head.labels.http,
        "customFields": head.labels.custom,
        "storageClass": "Standard",
        "checksums": Value::Object(hashes.collect()),
    });
    if let Some((offset, length)) = range {
        value["range"] = json!({ "offset": offset.to_string(), "length": length.to_string() });
    }
    value
}

#[cfg(test)]
mod tests;
