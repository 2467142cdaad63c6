//! Every setting there is: where it can be given, and what it means.

use std::fmt;

/// What a value may be in the configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A string.
    Text,
    /// A string that is never shown.
    Secret,
    /// A whole number of seconds, or a string such as "5m".
    Duration,
    /// A list of strings; separated by commas in the environment.
    List,
    /// True or false.
    Switch,
    /// A whole number.
    Number,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// Its path in the file.
    pub(crate) key: &'static str,
    /// Its flag; which commands have it, those commands say.
    pub(crate) flag: Option<&'static str>,
    /// Its environment variable.
    pub(crate) variable: &'static str,
    /// What it looks like.
    pub(crate) shape: Shape,
    /// Whether the file may hold it.
    pub(crate) in_file: bool,
    /// One line for people.
    pub(crate) about: &'static str,
}

const fn setting(
    key: &'static str,
    flag: Option<&'static str>,
    variable: &'static str,
    shape: Shape,
    about: &'static str,
) -> Setting {
    Setting { key, flag, variable, shape, in_file: true, about }
}

pub(crate) const ENDPOINT: Setting = setting(
    "endpoint",
    Some("--endpoint"),
    "SMCP_ENDPOINT",
    Shape::Text,
    "the platform that commands talk to",
);
pub(crate) const KEY: Setting =
    setting("key", None, "SMCP_KEY", Shape::Secret, "the API key that commands use; `smcp login` stores it");
pub(crate) const TENANT: Setting =
    setting("tenant", Some("--tenant"), "SMCP_TENANT", Shape::Text, "the tenant that commands act in");
pub(crate) const DATA: Setting =
    setting("node.data", Some("--data"), "SMCP_DATA", Shape::Text, "where the node keeps everything");
pub(crate) const LISTEN: Setting =
    setting("node.listen", Some("--listen"), "SMCP_LISTEN", Shape::Text, "where the node listens");
pub(crate) const EXTERNAL_URL: Setting = setting(
    "node.external_url",
    Some("--external-url"),
    "SMCP_EXTERNAL_URL",
    Shape::Text,
    "the origin the world reaches the node under",
);
pub(crate) const ALLOWED_ORIGINS: Setting = setting(
    "node.allowed_origins",
    Some("--allowed-origin"),
    "SMCP_ALLOWED_ORIGINS",
    Shape::List,
    "other origins whose pages may call the node",
);
pub(crate) const MASTER_KEY_FILE: Setting = setting(
    "node.master_key_file",
    Some("--master-key-file"),
    "SMCP_MASTER_KEY_FILE",
    Shape::Text,
    "the file of the master key",
);
/// Not in the file: there it is better off in a file of its own.
pub(crate) const MASTER_KEY: Setting = Setting {
    in_file: false,
    ..setting("node.master_key", None, "SMCP_MASTER_KEY", Shape::Secret, "the master key itself")
};
pub(crate) const NEXT_MASTER_KEY_FILE: Setting = setting(
    "node.next_master_key_file",
    Some("--next-master-key-file"),
    "SMCP_NEXT_MASTER_KEY_FILE",
    Shape::Text,
    "the file of the master key that `smcp keys rotate-master` puts in force",
);
pub(crate) const NEXT_MASTER_KEY: Setting = Setting {
    in_file: false,
    ..setting("node.next_master_key", None, "SMCP_NEXT_MASTER_KEY", Shape::Secret, "that master key itself")
};
pub(crate) const WORKERD: Setting =
    setting("node.workerd", Some("--workerd"), "SMCP_WORKERD", Shape::Text, "the workerd binary");
pub(crate) const IDLE_AFTER: Setting = setting(
    "node.idle_after",
    Some("--idle-after"),
    "SMCP_IDLE_AFTER",
    Shape::Duration,
    "when an idle server is put to sleep",
);
pub(crate) const MAX_AWAKE: Setting = setting(
    "node.max_awake",
    Some("--max-awake"),
    "SMCP_MAX_AWAKE",
    Shape::Number,
    "how many servers may be awake at once",
);
pub(crate) const DRAIN: Setting = setting(
    "node.drain",
    Some("--drain"),
    "SMCP_DRAIN",
    Shape::Duration,
    "how long calls under way may take when the node stops",
);

pub(crate) const EGRESS_NETWORKS: Setting = setting(
    "egress.networks",
    None,
    "SMCP_EGRESS_NETWORKS",
    Shape::List,
    "networks that are not public and that single servers may reach: tenant/server=10.1.0.0/16",
);
pub(crate) const EGRESS_RESOLVER: Setting = setting(
    "egress.resolver",
    None,
    "SMCP_EGRESS_RESOLVER",
    Shape::Text,
    "the name server that hosts of requests to the outside are looked up at",
);
pub(crate) const EGRESS_ROOTS: Setting = setting(
    "egress.roots",
    None,
    "SMCP_EGRESS_ROOTS",
    Shape::Text,
    "a PEM file of certificate authorities that are believed beside the system's",
);
pub(crate) const STORAGE_TENANT: Setting = setting(
    "storage.tenant_mb",
    None,
    "SMCP_STORAGE_TENANT_MB",
    Shape::Number,
    "MiB that KV values and objects of one tenant may take together",
);
pub(crate) const STORAGE_DATABASE: Setting = setting(
    "storage.database_mb",
    None,
    "SMCP_STORAGE_DATABASE_MB",
    Shape::Number,
    "MiB that one D1 database may take",
);
pub(crate) const STORAGE_DURABLE_OBJECTS: Setting = setting(
    "storage.durable_objects_mb",
    None,
    "SMCP_STORAGE_DURABLE_OBJECTS_MB",
    Shape::Number,
    "MiB that the Durable Objects of one server may keep",
);
pub(crate) const SANDBOX_WITHOUT: Setting = setting(
    "sandbox.without",
    Some("--sandbox-without"),
    "SMCP_SANDBOX_WITHOUT",
    Shape::List,
    "layers of the sandbox that hosted code runs without",
);
pub(crate) const SANDBOX_STRICT: Setting = setting(
    "sandbox.strict",
    Some("--sandbox-strict"),
    "SMCP_SANDBOX_STRICT",
    Shape::Switch,
    "whether any system call that workerd was not seen to use ends the process",
);
pub(crate) const SANDBOX_UID_BASE: Setting = setting(
    "sandbox.uid_base",
    None,
    "SMCP_SANDBOX_UID_BASE",
    Shape::Number,
    "the first of the 65536 user ids for servers",
);

/// Every setting, in the order they are shown.
pub(crate) const ALL: [&Setting; 24] = [
    &ENDPOINT,
    &KEY,
    &TENANT,
    &DATA,
    &LISTEN,
    &EXTERNAL_URL,
    &ALLOWED_ORIGINS,
    &MASTER_KEY_FILE,
    &MASTER_KEY,
    &NEXT_MASTER_KEY_FILE,
    &NEXT_MASTER_KEY,
    &WORKERD,
    &IDLE_AFTER,
    &MAX_AWAKE,
    &DRAIN,
    &EGRESS_NETWORKS,
    &EGRESS_RESOLVER,
    &EGRESS_ROOTS,
    &STORAGE_TENANT,
    &STORAGE_DATABASE,
    &STORAGE_DURABLE_OBJECTS,
    &SANDBOX_WITHOUT,
    &SANDBOX_STRICT,
    &SANDBOX_UID_BASE,
];

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A flag of this command.
    Flag(&'static str),
    /// An environment variable.
    Environment(&'static str),
    /// The configuration file.
    File {
        /// Its line, from 1.
        line: usize,
    },
    /// Nobody gave it.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag),
            Self::Environment(variable) => f.write_str(variable),
            Self::File { line } => write!(f, "config.toml line {line}"),
            Self::Default => f.write_str("default"),
        }
    }
}

impl Source {
    /// The kind of place, for programs.
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::Flag(_) => "flag",
            Self::Environment(_) => "environment",
            Self::File { .. } => "file",
            Self::Default => "default",
        }
    }
}
