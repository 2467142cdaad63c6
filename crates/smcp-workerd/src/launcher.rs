//! Starting a process for hosted code: what it is given, and who starts it.

use std::{ffi::OsString, io, os::fd::OwnedFd, path::PathBuf};

use async_trait::async_trait;
use smcp_manifest::SandboxClass;
use smcp_types::{Limits, ServerId, TenantId};

use crate::{
    Child,
    config::{HEALTH_SOCKET, MAIN_SOCKET, bindings::STATE_SERVICE},
};

/// Where a process finds what it is given.
const LISTEN_FD: i32 = 3;
const HEALTH_FD: i32 = 4;
const CONTROL_FD: i32 = 5;
/// The first number that is free for more.
pub(crate) const FIRST_FREE_FD: i32 = 6;

/// Everything a process is given, and nothing else.
#[derive(Debug)]
pub struct LaunchSpec {
    /// The workerd binary.
    pub binary: PathBuf,
    /// The listening socket for calls.
    pub listen: OwnedFd,
    /// The listening socket for the watchdog.
    pub health: OwnedFd,
    /// Where it reports that it listens.
    pub control: OwnedFd,
    /// Where the compiled configuration comes out, its standard input.
    pub config: OwnedFd,
    /// The socket of its outgoing requests.
    pub egress: PathBuf,
    /// The socket of its storage, if it was given any.
    pub data: Option<PathBuf>,
    /// The services of its configuration that the socket of its storage stands behind.
    pub data_services: Vec<String>,
    /// The folder of its Durable Objects, its own to write, if it has any.
    /// The most bytes of one of its files stand beside it.
    pub state: Option<(PathBuf, u64)>,
    /// The folder the health socket serves.
    pub health_dir: PathBuf,
    /// What it may use.
    pub limits: Limits,
    /// How tightly it is locked in.
    pub class: SandboxClass,
    /// Whose code it runs: processes of one server may share what no two servers do, such as a user id.
    pub server: ServerId,
    /// Whose server it is: all processes of a tenant have one share of the processors.
    pub tenant: TenantId,
    /// Its own name, unlike that of any other process of this node.
    pub label: String,
}

/// Where a process finds what it is given by path.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) egress: PathBuf,
    pub(crate) data: Option<PathBuf>,
    pub(crate) health: PathBuf,
    pub(crate) state: Option<PathBuf>,
}

impl LaunchSpec {
    /// The arguments of `workerd`.
    pub(crate) fn arguments(&self, places: &Places) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = ["serve", "-S"].map(OsString::from).into();
        arguments.push(format!("{MAIN_SOCKET}={LISTEN_FD}").into());
        arguments.extend(["-S".into(), format!("{HEALTH_SOCKET}={HEALTH_FD}").into()]);
        arguments.extend(["--control-fd".into(), CONTROL_FD.to_string().into()]);
        arguments.extend(["-d".into(), named("health=", &places.health)]);
        for service in ["egress=unix:", "internet=unix:"] {
            arguments.extend(["-e".into(), named(service, &places.egress)]);
        }
        if let Some(data) = &places.data {
            for service in &self.data_services {
                arguments.extend(["-e".into(), named(&format!("{service}=unix:"), data)]);
            }
        }
        if let Some(state) = &places.state {
            arguments.extend(["-d".into(), named(&format!("{STATE_SERVICE}="), state)]);
        }
        arguments.extend(["-b".into(), "-".into()]);
        arguments
    }
}

fn named(name: &str, path: &std::path::Path) -> OsString {
    let mut argument = OsString::from(name);
    argument.push(path);
    argument
}

/// Starts processes. Standard output and error of the child are pipes; it dies when the platform does.
#[async_trait]
pub trait Launcher: Send + Sync + 'static {
    /// Starts one process.
    ///
    /// # Errors
    /// When the system does not start it.
    async fn launch(&self, spec: LaunchSpec) -> io::Result<Child>;
}
