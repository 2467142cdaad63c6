//! Refusals in R2's words: a status, and a header with a code that the binding knows.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::{Value, json};
use smcp_core::{
    ports::HostedBody,
    storage::{Store, objects::PART_TOO_SMALL},
};
use smcp_types::Error;

use super::METADATA_SIZE;
use crate::capability::{body, refusal};

const ERROR: HeaderName = HeaderName::from_static("cf-r2-error");

/// Why a request was not done.
#[derive(Debug)]
pub(super) enum R2Error {
    /// The binding makes `null` of it.
    NoSuchKey,
    /// A key that cannot be one.
    InvalidName,
    /// An upload that is none, or over.
    NoSuchUpload,
    /// Parts of an upload that are not there, or not in order.
    NoSuchPart,
    /// Parts of an upload that are too small.
    TooSmall(String),
    /// Metadata beyond the limit.
    MetadataTooLarge(String),
    /// A page of no keys, or of too many.
    InvalidLimit,
    /// The range does not lie in the object.
    InvalidRange(String),
    /// The conditions do not hold; a read is told what the object is.
    Precondition(Option<Value>),
    /// Everything else.
    Other(Error),
}

impl From<Error> for R2Error {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound("upload") => Self::NoSuchUpload,
            Error::NotFound("part") => Self::NoSuchPart,
            Error::Invalid(refusal) if refusal.message == PART_TOO_SMALL => Self::TooSmall(refusal.message),
            other => Self::Other(other),
        }
    }
}

impl R2Error {
    /// An error of a read, which may be its range's.
    pub(super) fn of_read(error: Error, ranged: bool) -> Self {
        match error {
            Error::Invalid(refusal) if ranged => Self::InvalidRange(refusal.message),
            other => other.into(),
        }
    }

    /// Status, R2's code and the sentence.
    fn told(&self, store: Store<'_>) -> (StatusCode, u32, String) {
        let told = |status, code, message: &str| (status, code, message.to_owned());
        match self {
            Self::NoSuchKey => told(StatusCode::NOT_FOUND, 10007, "The specified key does not exist."),
            Self::InvalidName => {
                told(StatusCode::BAD_REQUEST, 10020, "The specified object name is not valid.")
            }
            Self::NoSuchUpload => {
                told(StatusCode::NOT_FOUND, 10024, "The specified multipart upload does not exist.")
            }
            Self::NoSuchPart => {
                told(StatusCode::BAD_REQUEST, 10025, "One or more of the specified parts could not be found.")
            }
            Self::TooSmall(message) => told(StatusCode::BAD_REQUEST, 10011, message),
            Self::MetadataTooLarge(message) => told(StatusCode::BAD_REQUEST, 10012, message),
            Self::InvalidLimit => {
                told(StatusCode::BAD_REQUEST, 10022, "MaxKeys params must be positive integer <= 1000.")
            }
            Self::InvalidRange(message) => told(StatusCode::RANGE_NOT_SATISFIABLE, 10039, message),
            Self::Precondition(_) => told(
                StatusCode::PRECONDITION_FAILED,
                10031,
                "At least one of the pre-conditions you specified did not hold.",
            ),
            Self::Other(error) => {
                let refusal::Told { status, message } = refusal::tell(error, store.tenant, store.name);
                let code = match error {
                    Error::TooLarge(_) => 100_100,
                    // A checksum that does not match is the one conflict R2 has a code for.
                    Error::Conflict(_) => 10037,
                    Error::Invalid(_) => 10048,
                    Error::NotFound(_)
                    | Error::Unauthenticated
                    | Error::Forbidden(_)
                    | Error::Limited { .. }
                    | Error::Unavailable(_)
                    | Error::Hosted(_)
                    | Error::TimedOut(_)
                    | Error::Damaged(_)
                    | Error::Internal(_) => 10001,
                };
                (status, code, message)
            }
        }
    }

    /// The answer.
    pub(super) fn answer(self, store: Store<'_>) -> Response<HostedBody> {
        let (status, code, message) = self.told(store);
        let mut response = refusal::bare(status);
        // JSON with everything beyond ASCII escaped, so that it is a header.
        let error = json!({ "version": 1, "v4code": code, "message": message }).to_string();
        let error: String =
            error.chars().map(|c| if c.is_ascii() && !c.is_ascii_control() { c } else { '?' }).collect();
        if let Ok(value) = HeaderValue::from_str(&error) {
            response.headers_mut().insert(ERROR, value);
        }
        if let Self::Precondition(Some(object)) = self {
            let object = object.to_string();
            response.headers_mut().insert(METADATA_SIZE, HeaderValue::from(object.len()));
            *response.body_mut() = body::whole(Bytes::from(object));
        }
        response
    }
}
