//! `requestState` of 2026-07-28: the server's own, sealed by us, so that it comes back from whom and for what it was given.

use std::time::Duration;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use smcp_mcp::{MessageId, Method, RequestMeta, errors, rounds};
use smcp_types::{Digest, RequestId, Result, UnixMillis};

use super::Cause;
use crate::{
    Platform,
    context::Ctx,
    crypto::Belongs,
    ports::{RingPurpose, ServerRecord},
};

/// How long a client may take to find an answer: a person may have to.
const LIFE: Duration = Duration::from_secs(30 * 60);
/// Longest sealed state worth opening. A request's body has a bound of its own.
const MAX_SEALED_CHARS: usize = 1 << 20;

/// What a request is, as far as a later round of it must be the same.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) id: MessageId,
    /// For the log, and for whoever reads it.
    pub(super) request_id: RequestId,
    /// What its client declares that it can do.
    pub(super) capabilities: Vec<String>,
    /// The version that is asked.
    version: Digest,
    server: ServerRecord,
    has_rounds: bool,
    /// Caller, method and parameters.
    key: String,
}

/// What a client has brought back.
#[derive(Debug)]
pub(super) struct Brought {
    /// The version that asked.
    pub(super) version: Digest,
    /// The server's own state, if it had any.
    pub(super) own: Option<String>,
}

impl Asked {
    pub(super) fn new(
        ctx: &Ctx,
        (server, version): (&ServerRecord, Digest),
        id: MessageId,
        (method, params): (&Method, Option<&RawValue>),
        meta: &RequestMeta,
    ) -> Self {
        let has_rounds = rounds::has_rounds(method);
        let key = if has_rounds {
            let digest = Sha256::digest(rounds::same_in_every_round(params));
            format!("{} {method} {}", HEXLOWER.encode(&ctx.caller.fingerprint()), HEXLOWER.encode(&digest))
        } else {
            String::new()
        };
        let capabilities = meta.capabilities.clone();
        let server = server.clone();
        Self { id, request_id: ctx.request_id, capabilities, version, server, has_rounds, key }
    }

    /// The same, asked of another version.
    pub(super) fn of_version(self, version: Digest) -> Self {
        Self { version, ..self }
    }

    /// Whether its answer may be a question.
    pub(super) const fn has_rounds(&self) -> bool {
        self.has_rounds
    }

    fn belongs<'a>(&'a self, namespace: &'a str) -> Belongs<'a> {
        let tenant = Some(self.server.tenant);
        Belongs { purpose: "mcp request state", tenant, namespace, key: &self.key, version: 1 }
    }
}

impl Platform {
    /// Seals a server's own state, or that it has none.
    pub(super) fn seal_state(&self, asked: &Asked, own: Option<&str>) -> Result<String> {
        let mut plain = Vec::with_capacity(41 + own.map_or(0, str::len));
        plain.extend_from_slice(&self.clock.now().after(LIFE).0.to_be_bytes());
        plain.extend_from_slice(asked.version.as_bytes());
        plain.push(u8::from(own.is_some()));
        plain.extend_from_slice(own.unwrap_or_default().as_bytes());
        let namespace = asked.server.id.to_string();
        let sealed = self.ring.seal(RingPurpose::SessionSeal, asked.belongs(&namespace), &plain)?;
        Ok(BASE64URL_NOPAD.encode(&sealed))
    }

    /// The state that a request brings, if it brings any.
    ///
    /// # Errors
    /// −32602 for one that was not given to this caller for this request, was altered, or is too old: all the same.
    pub(super) fn brought_state(
        &self,
        asked: &Asked,
        params: Option<&RawValue>,
    ) -> Result<Option<Brought>, Cause> {
        let refused =
            |message: &str| Cause::Message { code: errors::INVALID_PARAMS, message: message.to_owned() };
        let Some(sealed) = rounds::brought_state(params).map_err(refused)? else { return Ok(None) };
        let opened = self.open_state(asked, &sealed);
        let opened = opened.ok_or_else(|| refused("`requestState` is not of this request, or is too old"))?;
        Ok(Some(opened))
    }

    fn open_state(&self, asked: &Asked, sealed: &str) -> Option<Brought> {
        if sealed.len() > MAX_SEALED_CHARS {
            return None;
        }
        let bytes = BASE64URL_NOPAD.decode(sealed.as_bytes()).ok()?;
        let namespace = asked.server.id.to_string();
        let plain =
            self.ring.open_sealed(RingPurpose::SessionSeal, asked.belongs(&namespace), &bytes).ok()?;
        let (expires, rest) = plain.split_first_chunk::<8>()?;
        let (version, rest) = rest.split_first_chunk::<32>()?;
        let (has_own, own) = rest.split_first()?;
        if self.clock.now() >= UnixMillis(i64::from_be_bytes(*expires)) {
            return None;
        }
        let own = (*has_own == 1).then(|| String::from_utf8(own.to_vec())).transpose().ok()?;
        Some(Brought { version: Digest::from_bytes(*version), own })
    }
}
