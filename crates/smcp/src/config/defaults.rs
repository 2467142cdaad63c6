//! What holds when nobody says, in words.

use std::net::SocketAddr;

use super::{
    Layers, Setting,
    client::DEFAULT_ENDPOINT,
    duration,
    node::{DEFAULT_DRAIN, DEFAULT_IDLE_AFTER, DEFAULT_LISTEN, DEFAULT_MAX_AWAKE},
    setting::{
        DATA, DRAIN, EGRESS_NETWORKS, EGRESS_RESOLVER, EGRESS_ROOTS, ENDPOINT, EXTERNAL_URL, IDLE_AFTER,
        LISTEN, MASTER_KEY_FILE, MAX_AWAKE, SANDBOX_STRICT, SANDBOX_WITHOUT, STORAGE_DATABASE,
        STORAGE_DURABLE_OBJECTS, STORAGE_TENANT,
    },
};
use crate::node::StorageConfig;

/// The default of a setting, if it has one.
pub(crate) fn default_text(layers: &Layers, setting: &Setting) -> Option<String> {
    let is = |other: Setting| setting.key == other.key;
    let data = || match layers.find(&DATA) {
        Ok(Some(given)) => given.values.first().map(Into::into),
        Ok(None) | Err(_) => layers.environment.data_dir(),
    };
    if is(ENDPOINT) {
        Some(DEFAULT_ENDPOINT.to_owned())
    } else if is(DATA) {
        data().map(|data| data.display().to_string())
    } else if is(LISTEN) {
        Some(DEFAULT_LISTEN.to_string())
    } else if is(EXTERNAL_URL) {
        Some(format!("http://localhost:{}", port(layers)))
    } else if is(MASTER_KEY_FILE) {
        data().map(|data| data.join("master.key").display().to_string())
    } else if is(IDLE_AFTER) {
        Some(duration::shown(DEFAULT_IDLE_AFTER))
    } else if is(MAX_AWAKE) {
        Some(DEFAULT_MAX_AWAKE.to_string())
    } else if is(DRAIN) {
        Some(duration::shown(DEFAULT_DRAIN))
    } else if is(EGRESS_NETWORKS) || is(EGRESS_ROOTS) || is(SANDBOX_WITHOUT) {
        Some("none".to_owned())
    } else if is(EGRESS_RESOLVER) {
        Some("the system's".to_owned())
    } else if is(STORAGE_TENANT) {
        Some((StorageConfig::default().tenant >> 20).to_string())
    } else if is(STORAGE_DATABASE) {
        // No whole number of MiB: it is D1's own.
        Some(format!("{} MB", StorageConfig::default().database / 1_000_000))
    } else if is(STORAGE_DURABLE_OBJECTS) {
        Some((StorageConfig::default().durable_objects >> 20).to_string())
    } else if is(SANDBOX_STRICT) {
        Some("false".to_owned())
    } else {
        None
    }
}

fn port(layers: &Layers) -> u16 {
    let given = layers.find(&LISTEN).ok().flatten();
    let listen = given.and_then(|given| given.values.first()?.parse::<SocketAddr>().ok());
    listen.unwrap_or(DEFAULT_LISTEN).port()
}
