//! The bindings of a configuration: what the code finds in `env`, and the services behind it.

use std::collections::BTreeMap;

use smcp_manifest::LockedManifest;
use smcp_types::Secret;

use super::push_literal;
use crate::state::unique_key;

/// The header in which the runtime says for which binding a request on the data socket is. Hosted code cannot set it:
/// what the configuration injects replaces a header of that name.
pub(crate) const BINDING_HEADER: &str = "x-smcp-binding";

/// What code finds in place of a secret that is added on the way out, and at its trial of every secret.
pub(crate) fn placeholder(name: &str) -> String {
    format!("smcp-placeholder-{name}")
}

/// The names of the services that stand for bindings of storage.
pub(crate) fn data_services(manifest: &LockedManifest) -> Vec<String> {
    stores(manifest).map(|(binding, _)| service(binding)).collect()
}

fn service(binding: &str) -> String {
    format!("data-{binding}")
}

/// How a kind of binding is written.
#[derive(Clone, Copy)]
enum Written {
    Kv,
    Objects,
    D1,
}

fn stores(manifest: &LockedManifest) -> impl Iterator<Item = (&str, Written)> {
    let kv = manifest.kv.iter().map(|one| (one.binding.as_str(), Written::Kv));
    let objects = manifest.objects.iter().map(|one| (one.binding.as_str(), Written::Objects));
    let d1 = manifest.d1.iter().map(|one| (one.binding.as_str(), Written::D1));
    kv.chain(objects).chain(d1)
}

/// The entries of the worker's `bindings`.
pub(super) fn push_bindings(
    text: &mut String,
    manifest: &LockedManifest,
    secrets: &BTreeMap<String, Secret<String>>,
) {
    for name in &manifest.secrets.plain {
        text.push_str("( name = ");
        push_literal(text, name.as_bytes());
        text.push_str(", text = ");
        match secrets.get(name) {
            Some(value) => push_literal(text, value.expose().as_bytes()),
            None => push_literal(text, placeholder(name).as_bytes()),
        }
        text.push_str(" ), ");
    }
    let plain = manifest.vars.iter().map(|(name, value)| (name, value.clone()));
    let placeholders = manifest.placeholders().into_iter().map(|name| (name, placeholder(name)));
    for (name, value) in plain.chain(placeholders) {
        text.push_str("( name = ");
        push_literal(text, name.as_bytes());
        text.push_str(", text = ");
        push_literal(text, value.as_bytes());
        text.push_str(" ), ");
    }
    for one in &manifest.durable_objects {
        text.push_str("( name = ");
        push_literal(text, one.binding.as_bytes());
        text.push_str(", durableObjectNamespace = ");
        push_literal(text, one.class.as_bytes());
        text.push_str(" ), ");
    }
    for (binding, written) in stores(manifest) {
        text.push_str("( name = ");
        push_literal(text, binding.as_bytes());
        text.push_str(match written {
            Written::Kv => ", kvNamespace = ",
            Written::Objects => ", r2Bucket = ",
            Written::D1 => {
                ", wrapped = ( moduleName = \"cloudflare-internal:d1-api\", innerBindings = [ ( name = \"fetcher\", service = "
            }
        });
        push_literal(text, service(binding).as_bytes());
        text.push_str(match written {
            Written::Kv | Written::Objects => " ), ",
            Written::D1 => " ) ] ) ), ",
        });
    }
}

/// The name of the service that is the folder of objects.
pub(crate) const STATE_SERVICE: &str = "state";

/// The classes whose objects keep their state, and where.
pub(super) fn push_classes(text: &mut String, manifest: &LockedManifest, key: Option<&str>) {
    let Some(key) = key.filter(|_| !manifest.durable_objects.is_empty()) else { return };
    text.push_str(",\n      durableObjectStorage = ( localDisk = \"state\" ), durableObjectNamespaces = [ ");
    for one in &manifest.durable_objects {
        text.push_str("( className = ");
        push_literal(text, one.class.as_bytes());
        text.push_str(", uniqueKey = ");
        push_literal(text, unique_key(&one.class, key).as_bytes());
        text.push_str(", enableSql = true ), ");
    }
    text.push(']');
}

/// The services behind bindings of storage: all on one socket, each with its name in a header.
pub(super) fn push_services(text: &mut String, manifest: &LockedManifest) {
    if !manifest.durable_objects.is_empty() {
        text.push_str("\n    ( name = \"state\", disk = ( path = \"/state\", writable = true ) ),");
    }
    for (binding, _) in stores(manifest) {
        text.push_str("\n    ( name = ");
        push_literal(text, service(binding).as_bytes());
        text.push_str(
            ", external = ( address = \"unix:/out/data.sock\", http = ( injectRequestHeaders = [ ( name = ",
        );
        push_literal(text, BINDING_HEADER.as_bytes());
        text.push_str(", value = ");
        push_literal(text, binding.as_bytes());
        text.push_str(" ) ] ) ) ),");
    }
}
