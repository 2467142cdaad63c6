//! The JSON of a request.

use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Deserializer};
use smcp_core::storage::objects::{
    MAX_KEY_BYTES, MAX_KEYS, check_labels,
    head::{Checksums, Conditions, CustomField, EtagTest, HttpFields, Labels, Range},
};
use smcp_types::{Error, Result, UnixMillis, limits::MAX_INTEGER};

use super::errors::R2Error;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Operation {
    Head,
    Get,
    List,
    Put,
    Delete,
    CreateMultipartUpload,
    UploadPart,
    CompleteMultipartUpload,
    AbortMultipartUpload,
}

/// A request, with the fields of all operations.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    version: u32,
    method: Operation,
    pub(super) object: Option<String>,
    pub(super) objects: Option<Vec<String>>,
    range: Option<WireRange>,
    range_header: Option<String>,
    only_if: Option<OnlyIf>,
    limit: Option<u32>,
    pub(super) prefix: Option<String>,
    pub(super) cursor: Option<String>,
    pub(super) delimiter: Option<String>,
    pub(super) start_after: Option<String>,
    pub(super) include: Option<Vec<u32>>,
    custom_fields: Option<Vec<CustomField>>,
    http_fields: Option<HttpFields>,
    md5: Option<String>,
    sha1: Option<String>,
    sha256: Option<String>,
    sha384: Option<String>,
    sha512: Option<String>,
    /// A key of the customer's: refused, not ignored.
    ssec: Option<serde::de::IgnoredAny>,
    upload_id: Option<String>,
    pub(super) part_number: Option<u32>,
    pub(super) parts: Option<Vec<WirePart>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct WirePart {
    pub(super) etag: String,
    pub(super) part: u32,
}

#[derive(Debug, Deserialize)]
struct WireRange {
    #[serde(default, deserialize_with = "unsigned")]
    offset: Option<u64>,
    #[serde(default, deserialize_with = "unsigned")]
    length: Option<u64>,
    #[serde(default, deserialize_with = "unsigned")]
    suffix: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OnlyIf {
    etag_matches: Option<Vec<Etag>>,
    etag_does_not_match: Option<Vec<Etag>>,
    #[serde(default, deserialize_with = "unsigned")]
    uploaded_before: Option<u64>,
    #[serde(default, deserialize_with = "unsigned")]
    uploaded_after: Option<u64>,
    #[serde(default)]
    seconds_granularity: bool,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Etag {
    Strong { value: String },
    Weak { value: String },
    Wildcard,
}

/// A UInt64: Cap'n Proto writes it as a string, people as a number.
fn unsigned<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    match Option::<Either>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Either::Number(number)) => Ok(Some(number)),
        Some(Either::Text(text)) => text.parse().map(Some).map_err(serde::de::Error::custom),
    }
}

impl Request {
    /// # Errors
    /// `Invalid` for what is no request of version 1.
    pub(super) fn parse(json: &[u8]) -> Result<Self> {
        let request: Self = serde_json::from_slice(json)
            .map_err(|error| Error::invalid(format!("the request does not parse: {error}")))?;
        if request.version != 1 {
            return Err(Error::invalid("only version 1 of the protocol is spoken here"));
        }
        if request.ssec.is_some() {
            return Err(Error::invalid(
                "customer keys (ssecKey) are not offered: objects are sealed already",
            ));
        }
        Ok(request)
    }

    /// What is asked for.
    pub(super) fn operation(&self) -> Result<Operation, R2Error> {
        let mut keys = self.object.iter().chain(self.objects.iter().flatten());
        if keys.any(|key| key.is_empty() || key.len() > MAX_KEY_BYTES) {
            return Err(R2Error::InvalidName);
        }
        Ok(self.method)
    }

    pub(super) fn object(&self) -> Result<&str, R2Error> {
        self.object.as_deref().ok_or(R2Error::InvalidName)
    }

    pub(super) fn upload(&self) -> Result<&str, R2Error> {
        self.upload_id.as_deref().ok_or(R2Error::NoSuchUpload)
    }

    pub(super) fn labels(&mut self) -> Result<Labels, R2Error> {
        let labels = Labels {
            http: self.http_fields.take().unwrap_or_default(),
            custom: self.custom_fields.take().unwrap_or_default(),
        };
        match check_labels(&labels) {
            Err(Error::TooLarge(refusal)) => Err(R2Error::MetadataTooLarge(refusal.message)),
            checked => Ok(checked.map(|()| labels)?),
        }
    }

    /// How long a page may be.
    pub(super) fn limit(&self) -> Result<Option<u32>, R2Error> {
        match self.limit {
            Some(limit) if limit == 0 || limit as usize > MAX_KEYS => Err(R2Error::InvalidLimit),
            limit => Ok(limit),
        }
    }

    pub(super) fn range(&self) -> Result<Option<Range>> {
        if let Some(header) = &self.range_header {
            return Ok(Some(Range::Header(header.clone())));
        }
        let Some(range) = &self.range else { return Ok(None) };
        Ok(Some(match range.suffix {
            Some(suffix) => Range::Suffix(suffix),
            None => Range::From(range.offset.unwrap_or_default(), range.length),
        }))
    }

    pub(super) fn conditions(&self) -> Result<Option<Conditions>> {
        let Some(wanted) = &self.only_if else { return Ok(None) };
        let tests = |etags: &Option<Vec<Etag>>| {
            let one = |etag: &Etag| match etag {
                Etag::Strong { value } => EtagTest::Strong(value.clone()),
                Etag::Weak { value } => EtagTest::Weak(value.clone()),
                Etag::Wildcard => EtagTest::Any,
            };
            etags.as_ref().map(|etags| etags.iter().map(one).collect())
        };
        let time = |millis: Option<u64>| {
            let millis = millis.map(|millis| i64::try_from(millis).ok().filter(|m| *m <= MAX_INTEGER));
            let time =
                millis.map(|m| m.map(UnixMillis).ok_or_else(|| Error::invalid("a time beyond all times")));
            time.transpose()
        };
        Ok(Some(Conditions {
            etag_matches: tests(&wanted.etag_matches),
            etag_does_not_match: tests(&wanted.etag_does_not_match),
            uploaded_before: time(wanted.uploaded_before)?,
            uploaded_after: time(wanted.uploaded_after)?,
            seconds_granularity: wanted.seconds_granularity,
        }))
    }

    /// The hashes to check: MD5 in base64, as the wire has it, or any in hexadecimal.
    pub(super) fn checksums(&self) -> Result<Checksums> {
        let hexadecimal = |text: &Option<String>, bytes: usize| {
            let Some(text) = text else { return Ok(None) };
            let lower = text.to_ascii_lowercase();
            let decoded = HEXLOWER.decode(lower.as_bytes()).or_else(|_| BASE64.decode(text.as_bytes()));
            let decoded = decoded.ok().filter(|decoded| decoded.len() == bytes);
            let decoded = decoded.ok_or_else(|| Error::invalid("a checksum is not one of its kind"))?;
            Ok::<_, Error>(Some(HEXLOWER.encode(&decoded)))
        };
        Ok(Checksums {
            md5: hexadecimal(&self.md5, 16)?,
            sha1: hexadecimal(&self.sha1, 20)?,
            sha256: hexadecimal(&self.sha256, 32)?,
            sha384: hexadecimal(&self.sha384, 48)?,
            sha512: hexadecimal(&self.sha512, 64)?,
        })
    }
}
