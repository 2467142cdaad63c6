//! What an operator decides about a node.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use smcp_core::settings::ExternalUrl;
use smcp_types::Secret;
use smcp_workerd::sandbox::Layer;

use super::{
    Layers, Source, duration,
    layers::Reading,
    setting::{
        ALLOWED_ORIGINS, DATA, DRAIN, EGRESS_NETWORKS, EGRESS_RESOLVER, EGRESS_ROOTS, EXTERNAL_URL,
        IDLE_AFTER, LISTEN, MASTER_KEY, MASTER_KEY_FILE, MAX_AWAKE, NEXT_MASTER_KEY, NEXT_MASTER_KEY_FILE,
        SANDBOX_STRICT, SANDBOX_UID_BASE, SANDBOX_WITHOUT, STORAGE_DATABASE, STORAGE_DURABLE_OBJECTS,
        STORAGE_TENANT, Setting, WORKERD,
    },
};
use crate::node::{EgressConfig, NodeConfig, SandboxConfig, StorageConfig};

/// Where a node listens when nobody says.
pub(crate) const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8787);
/// When an idle server is put to sleep.
pub(crate) const DEFAULT_IDLE_AFTER: Duration = Duration::from_secs(5 * 60);
/// How many servers may be awake at once.
pub(crate) const DEFAULT_MAX_AWAKE: usize = 64;
/// How long calls under way may take at the end.
pub(crate) const DEFAULT_DRAIN: Duration = Duration::from_secs(30);

/// Most MiB of a quota: 16 TiB, more than a disk here has.
const MOST_STORED_MB: u64 = 16 << 20;

/// Where name servers listen.
const DNS_PORT: u16 = 53;

/// The settings of a node, checked.
#[derive(Debug)]
pub(crate) struct NodeSettings {
    data: PathBuf,
    listen: SocketAddr,
    external_url: Option<ExternalUrl>,
    allowed_origins: Vec<String>,
    master_key_file: Option<PathBuf>,
    master_key: Option<Secret<String>>,
    next_master_key_file: Option<PathBuf>,
    next_master_key: Option<Secret<String>>,
    workerd: Option<PathBuf>,
    idle_after: Duration,
    max_awake: usize,
    drain: Duration,
    egress: EgressConfig,
    storage: StorageConfig,
    sandbox: SandboxConfig,
}

impl NodeSettings {
    /// Reads them.
    ///
    /// # Errors
    /// All mistakes together.
    pub(crate) fn read(layers: &Layers) -> Result<Self, Vec<String>> {
        let mut reading = layers.reading();
        let path = |text: &str, source: Source| Ok(absolute(layers, text, source));
        let duration = |text: &str, _| duration::parse(text);
        let data = reading.one(&DATA, path).map(|(data, _)| data).or_else(|| layers.environment.data_dir());
        if data.is_none() {
            reading.wrong(&DATA, Source::Default, "is not set, and there is no HOME: give --data FOLDER");
        }
        let listen = reading.one(&LISTEN, |text, _| {
            text.parse().map_err(|_| format!("is no address with a port, such as 127.0.0.1:8787: {text:?}"))
        });
        let external_url = reading.one(&EXTERNAL_URL, |text, _| {
            ExternalUrl::parse(text).map_err(|_| {
                format!("must be an origin such as https://mcp.example.com (http:// for this machine alone): {text:?}")
            })
        });
        let external_url = external_url.map(|(url, _)| url);
        if let Some((address, source)) = &listen
            && let Some(why) = is_in_the_clear(*address, external_url.as_ref())
        {
            reading.wrong(&LISTEN, *source, &why);
        }
        let allowed_origins = reading.many(&ALLOWED_ORIGINS, |text, _| origin(text));
        let master_key_file = reading.one(&MASTER_KEY_FILE, path);
        let master_key = reading.one(&MASTER_KEY, |text, _| Ok(Secret::new(text.to_owned())));
        let next_master_key_file = reading.one(&NEXT_MASTER_KEY_FILE, path);
        let next_master_key = reading.one(&NEXT_MASTER_KEY, |text, _| Ok(Secret::new(text.to_owned())));
        let workerd = reading.one(&WORKERD, path);
        let idle_after = reading.one(&IDLE_AFTER, duration);
        let max_awake = reading.one(&MAX_AWAKE, |text, _| match text.parse() {
            Ok(places @ 1..=4096) => Ok(places),
            Ok(_) | Err(_) => Err(format!("must be between 1 and 4096: {text:?}")),
        });
        let drain = reading.one(&DRAIN, duration);
        let egress = egress(layers, &mut reading);
        let storage = storage(&mut reading);
        let sandbox = sandbox(&mut reading);
        let settings = data.map(|data| Self {
            data,
            listen: listen.map_or(DEFAULT_LISTEN, |(listen, _)| listen),
            external_url,
            allowed_origins: allowed_origins.map_or_else(Vec::new, |(origins, _)| origins),
            master_key_file: master_key_file.map(|(file, _)| file),
            master_key: master_key.map(|(key, _)| key),
            next_master_key_file: next_master_key_file.map(|(file, _)| file),
            next_master_key: next_master_key.map(|(key, _)| key),
            workerd: workerd.map(|(path, _)| path),
            idle_after: idle_after.map_or(DEFAULT_IDLE_AFTER, |(duration, _)| duration),
            max_awake: max_awake.map_or(DEFAULT_MAX_AWAKE, |(places, _)| places),
            drain: drain.map_or(DEFAULT_DRAIN, |(duration, _)| duration),
            egress,
            storage,
            sandbox,
        });
        reading.finish(settings)
    }

    /// As the node takes them.
    pub(crate) fn into_config(self, json: bool) -> NodeConfig {
        NodeConfig {
            data: self.data,
            listen: self.listen,
            external_url: self.external_url.map(|url| url.origin()),
            allowed_origins: self.allowed_origins,
            master_key_file: self.master_key_file,
            master_key: self.master_key,
            next_master_key_file: self.next_master_key_file,
            next_master_key: self.next_master_key,
            workerd: self.workerd,
            idle_after: self.idle_after,
            max_awake: self.max_awake,
            drain: self.drain,
            egress: self.egress,
            storage: self.storage,
            sandbox: self.sandbox,
            json,
        }
    }
}

/// The settings of the way out.
fn egress(layers: &Layers, reading: &mut Reading<'_>) -> EgressConfig {
    let networks = reading.many(&EGRESS_NETWORKS, |text, _| text.parse());
    let resolver = reading.one(&EGRESS_RESOLVER, |text, _| name_server(text));
    let roots = reading.one(&EGRESS_ROOTS, |text, source| Ok(absolute(layers, text, source)));
    EgressConfig {
        networks: networks.map_or_else(Vec::new, |(networks, _)| networks),
        resolver: resolver.map(|(resolver, _)| resolver),
        roots: roots.map(|(roots, _)| roots),
    }
}

/// The address of a name server, at the port of DNS unless it says another.
fn name_server(text: &str) -> Result<SocketAddr, String> {
    let at_its_port = |address: IpAddr| SocketAddr::new(address, DNS_PORT);
    let wrong = |_| format!("is no address of a name server, such as 10.0.0.53 or 10.0.0.53:5353: {text:?}");
    text.parse().or_else(|_| text.parse().map(at_its_port)).map_err(wrong)
}

/// How much hosted code may store, in bytes.
fn storage(reading: &mut Reading<'_>) -> StorageConfig {
    let default = StorageConfig::default();
    let mut quota = |setting: &Setting, default: u64| {
        let given = reading.one(setting, |text, _| match text.parse::<u64>() {
            Ok(mebibytes @ 1..=MOST_STORED_MB) => Ok(mebibytes << 20),
            Ok(_) | Err(_) => Err(format!("must be MiB between 1 and {MOST_STORED_MB}: {text:?}")),
        });
        given.map_or(default, |(bytes, _)| bytes)
    };
    StorageConfig {
        tenant: quota(&STORAGE_TENANT, default.tenant),
        database: quota(&STORAGE_DATABASE, default.database),
        durable_objects: quota(&STORAGE_DURABLE_OBJECTS, default.durable_objects),
    }
}

/// The settings of the sandbox.
fn sandbox(reading: &mut Reading<'_>) -> SandboxConfig {
    let without = reading.many(&SANDBOX_WITHOUT, |text, _| text.parse::<Layer>());
    let strict = reading.one(&SANDBOX_STRICT, |text, _| {
        text.parse::<bool>().map_err(|_| format!("must be true or false: {text:?}"))
    });
    let uid_base = reading.one(&SANDBOX_UID_BASE, |text, _| match text.parse::<u32>() {
        // Ids below are for people and services, and there must be room for all of them above.
        Ok(base) if (1_000..=u32::MAX - 65_536 - 1).contains(&base) => Ok(base),
        Ok(_) | Err(_) => Err(format!("must be a user id from 1000 on with 65536 more above it: {text:?}")),
    });
    SandboxConfig {
        without: without.map_or_else(Vec::new, |(layers, _)| layers),
        strict: strict.is_some_and(|(strict, _)| strict),
        uid_base: uid_base.map(|(base, _)| base),
    }
}

/// A relative path in the file is relative to the file; one in a flag or variable, to where the command runs.
fn absolute(layers: &Layers, text: &str, source: Source) -> PathBuf {
    let folder = match source {
        Source::File { .. } => layers.file.path.as_ref().and_then(|file| file.parent()),
        Source::Flag(_) | Source::Environment(_) | Source::Default => None,
    };
    folder.map_or_else(|| PathBuf::from(text), |folder| folder.join(text))
}

/// What is risky about listening there, if anything is.
fn is_in_the_clear(address: SocketAddr, external_url: Option<&ExternalUrl>) -> Option<String> {
    let has_tls = external_url.is_some_and(|url| url.origin().starts_with("https://"));
    if address.ip().is_loopback() || has_tls {
        return None;
    }
    Some(format!(
        "is open to the network at {address}, and smcp does not speak TLS itself yet: API keys and everything tools \
         answer could be read on the way. Listen on 127.0.0.1, or put a TLS proxy in front and name its address with \
         --external-url https://…"
    ))
}

/// An origin as browsers send it. Which ones there are is not ours to know: desktop programs have schemes of their own.
fn origin(text: &str) -> Result<String, String> {
    let wrong = || format!("is no origin such as https://app.example.com: {text:?}");
    let (scheme, host) = text.split_once("://").ok_or_else(wrong)?;
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic());
    if !plain(scheme) || !plain(host) || host.contains(['/', '*', '?', '#', '@', ',']) {
        return Err(wrong());
    }
    Ok(text.to_ascii_lowercase())
}
