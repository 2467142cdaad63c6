//! What commands need to talk to a platform: where it is, with which key, in which tenant.

use smcp_client::Endpoint;
use smcp_types::{Secret, Slug};

use super::{
    Layers, Source,
    setting::{ENDPOINT, KEY, TENANT},
};

/// Where a platform is when nobody says.
pub(crate) const DEFAULT_ENDPOINT: &str = "http://localhost:8787";

/// How to reach a platform.
#[derive(Debug)]
pub(crate) struct ClientSettings {
    pub(crate) endpoint: Endpoint,
    pub(crate) key: Option<Secret<String>>,
    /// The endpoint that the stored key is for, when it is not this one: then it is not sent.
    pub(crate) key_is_for: Option<String>,
    pub(crate) tenant: Option<String>,
}

impl ClientSettings {
    /// Reads them.
    ///
    /// # Errors
    /// All mistakes together.
    pub(crate) fn read(layers: &Layers) -> Result<Self, Vec<String>> {
        let mut reading = layers.reading();
        let parse = |text: &str, _| text.parse::<Endpoint>().map_err(|why| why.to_string());
        let endpoint = match reading.one(&ENDPOINT, parse) {
            Some((endpoint, _)) => Some(endpoint),
            None => DEFAULT_ENDPOINT.parse().ok(),
        };
        let key = reading.one(&KEY, |text, _| key(text));
        let tenant = reading.one(&TENANT, |text, _| {
            Slug::check_form(text).map(|()| text.to_owned()).map_err(|why| format!("is no tenant: {why}"))
        });
        let settings = endpoint.map(|endpoint| {
            let key_is_for = match key {
                Some((_, Source::File { .. })) => stored_for(layers).filter(|theirs| *theirs != endpoint),
                Some(_) | None => None,
            };
            let key = key.map(|(key, _)| key).filter(|_| key_is_for.is_none());
            let key_is_for = key_is_for.map(|theirs| theirs.to_string());
            Self { endpoint, key, key_is_for, tenant: tenant.map(|(tenant, _)| tenant) }
        });
        reading.finish(settings)
    }
}

/// The endpoint that a key in the file belongs to: the file's own.
fn stored_for(layers: &Layers) -> Option<Endpoint> {
    let stored = layers.file.get(&ENDPOINT).and_then(|found| found.values.first());
    stored.map_or(DEFAULT_ENDPOINT, String::as_str).parse().ok()
}

/// A key goes into a header: what cannot stand there is a mistake, and it is never shown.
pub(crate) fn key(text: &str) -> Result<Secret<String>, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("is no API key: a key begins with smcp_ and has no spaces or line breaks".to_owned());
    }
    Ok(Secret::new(text.to_owned()))
}
