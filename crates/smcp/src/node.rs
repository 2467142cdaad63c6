//! The node: `smcp up`. Puts ports, stores, isolates and router together, listens, drains.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// What an operator decides about a node, read once and checked (`config`).
#[derive(Clone, Debug)]
pub(crate) struct NodeConfig {
    /// Where everything is kept.
    pub(crate) data: PathBuf,
    /// Where to listen; loopback unless TLS stands in front.
    pub(crate) listen: SocketAddr,
    /// Our origin; `None` for `http://localhost:<port>`.
    pub(crate) external_url: Option<String>,
    /// Other origins whose pages may call us.
    pub(crate) allowed_origins: Vec<String>,
    /// The master key's file; `None` for `<data>/master.key`, made at the first start.
    pub(crate) master_key_file: Option<PathBuf>,
    /// The master key itself, from `SMCP_MASTER_KEY`.
    pub(crate) master_key: Option<smcp_types::Secret<String>>,
    /// The workerd binary; `None` to look where `npm ci` puts it.
    pub(crate) workerd: Option<PathBuf>,
    /// When an idle server is put to sleep.
    pub(crate) idle_after: Duration,
    /// How long in-flight calls may take when the node stops.
    pub(crate) drain: Duration,
    /// One JSON line per event on standard output instead of words.
    pub(crate) json: bool,
}
