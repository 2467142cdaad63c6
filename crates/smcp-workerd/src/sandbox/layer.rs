//! The layers of the sandbox: their names, what each stops, and what it costs to be without one.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// One layer. None replaces another (docs/security.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// A user namespace: privileges inside mean nothing outside.
    UserNs,
    /// A mount namespace with a root of a few files.
    MountNs,
    /// A process namespace: no other process exists.
    PidNs,
    /// A network namespace: no device, no address.
    NetworkNs,
    /// A namespace for System V IPC and message queues.
    IpcNs,
    /// A namespace for the host's name.
    UtsNs,
    /// A namespace that hides the path of the cgroup.
    CgroupNs,
    /// A user id that no other server has.
    Uid,
    /// No capability, now or ever.
    Capabilities,
    /// Landlock: files, ports, signals and abstract sockets by a list.
    Landlock,
    /// System calls by a list, with their arguments.
    Seccomp,
    /// Resource limits of the process.
    Rlimits,
    /// A cgroup that limits memory.
    MemoryCgroup,
    /// A cgroup that limits processor time.
    CpuCgroup,
    /// A cgroup that limits processes and threads.
    PidsCgroup,
    /// V8's own limits of its heap.
    HeapFlags,
    /// The watchdog that ends a process whose event loop does not answer.
    Watchdog,
}

impl Layer {
    /// All of them, in the order they are shown.
    pub const ALL: [Self; 17] = [
        Self::UserNs,
        Self::MountNs,
        Self::PidNs,
        Self::NetworkNs,
        Self::IpcNs,
        Self::UtsNs,
        Self::CgroupNs,
        Self::Uid,
        Self::Capabilities,
        Self::Landlock,
        Self::Seccomp,
        Self::Rlimits,
        Self::MemoryCgroup,
        Self::CpuCgroup,
        Self::PidsCgroup,
        Self::HeapFlags,
        Self::Watchdog,
    ];

    /// Its name in settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UserNs => "user-ns",
            Self::MountNs => "mount-ns",
            Self::PidNs => "pid-ns",
            Self::NetworkNs => "network-ns",
            Self::IpcNs => "ipc-ns",
            Self::UtsNs => "uts-ns",
            Self::CgroupNs => "cgroup-ns",
            Self::Uid => "uid",
            Self::Capabilities => "capabilities",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
            Self::Rlimits => "rlimits",
            Self::MemoryCgroup => "memory-cgroup",
            Self::CpuCgroup => "cpu-cgroup",
            Self::PidsCgroup => "pids-cgroup",
            Self::HeapFlags => "heap-flags",
            Self::Watchdog => "watchdog",
        }
    }

    /// What it stops.
    #[must_use]
    pub fn stops(self) -> &'static str {
        match self {
            Self::UserNs => "privileges inside the sandbox that count outside",
            Self::MountNs => "seeing files and socket files of this machine",
            Self::PidNs => "seeing and signalling other processes",
            Self::NetworkNs => "reaching addresses and abstract sockets",
            Self::IpcNs => "System V shared memory and message queues",
            Self::UtsNs => "reading and changing the host's name",
            Self::CgroupNs => "seeing the cgroup it is in",
            Self::Uid => "touching processes and files of another server or of smcp",
            Self::Capabilities => "any privilege of root, and gaining one by a set-uid file",
            Self::Landlock => "opening files, ports and abstract sockets that are not listed",
            Self::Seccomp => {
                "system calls that are not listed: vsock, io_uring, new namespaces, new processes"
            }
            Self::Rlimits => "core files, written files, locked memory, floods of descriptors",
            Self::MemoryCgroup => {
                "taking more memory than limits.memory_mb, buffers and WebAssembly included"
            }
            Self::CpuCgroup => "taking more of the processors than limits.cpu_percent",
            Self::PidsCgroup => "floods of threads and processes",
            Self::HeapFlags => "a JavaScript heap that grows until the kernel has to end the process",
            Self::Watchdog => "endless loops",
        }
    }

    /// What a node without it has to live with.
    #[must_use]
    pub fn without(self) -> &'static str {
        match self {
            Self::UserNs => "a hole in the kernel's checks of a namespace is a hole for root",
            Self::MountNs => {
                "code that breaks out of V8 sees every path, and connects to socket files it may write"
            }
            Self::PidNs => "code that breaks out of V8 sees the processes of this machine",
            Self::NetworkNs => "only seccomp and Landlock stand between such code and the network",
            Self::IpcNs => "only seccomp stands between such code and shared memory",
            Self::UtsNs => "such code can read the host's name",
            Self::CgroupNs => "such code can read the path of its cgroup",
            Self::Uid => "all servers and smcp are one user: only the other layers keep them apart",
            Self::Capabilities => "code that breaks out of V8 keeps the privileges smcp has",
            Self::Landlock => "a hole in the mount namespace is a hole to the files",
            Self::Seccomp => "code that breaks out of V8 can attack the whole kernel",
            Self::Rlimits => "a server can leave core files and use up descriptors",
            Self::MemoryCgroup => "the limit of memory is RLIMIT_DATA, which ends a server less cleanly",
            Self::CpuCgroup => "one server can use every core until its watchdog ends it",
            Self::PidsCgroup => "only RLIMIT_NPROC bounds threads, and not without a user id per server",
            Self::HeapFlags => "a server that grows is ended by the kernel instead of by V8 with its reason",
            Self::Watchdog => "an endless loop runs until its process is put to sleep or stopped",
        }
    }

    /// Whether the stub sets it up, rather than workerd's configuration or the supervisor.
    #[must_use]
    pub fn is_of_the_kernel(self) -> bool {
        match self {
            Self::HeapFlags | Self::Watchdog => false,
            Self::UserNs
            | Self::MountNs
            | Self::PidNs
            | Self::NetworkNs
            | Self::IpcNs
            | Self::UtsNs
            | Self::CgroupNs
            | Self::Uid
            | Self::Capabilities
            | Self::Landlock
            | Self::Seccomp
            | Self::Rlimits
            | Self::MemoryCgroup
            | Self::CpuCgroup
            | Self::PidsCgroup => true,
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Layer {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|layer| layer.name() == name);
        known.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|layer| layer.name()).collect();
            format!("is no layer of the sandbox: {name:?}. There are {}", names.join(", "))
        })
    }
}

/// A set of layers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Layers(BTreeSet<Layer>);

impl Layers {
    /// Every layer there is.
    #[must_use]
    pub fn all() -> Self {
        Self(Layer::ALL.into_iter().collect())
    }

    /// No layer.
    #[must_use]
    pub fn none() -> Self {
        Self(BTreeSet::new())
    }

    /// These without those.
    #[must_use]
    pub fn without(&self, unwanted: &[Layer]) -> Self {
        Self(self.0.iter().copied().filter(|layer| !unwanted.contains(layer)).collect())
    }

    /// Whether this one is among them.
    #[must_use]
    pub fn has(&self, layer: Layer) -> bool {
        self.0.contains(&layer)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Layer> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<Layer> for Layers {
    fn from_iter<I: IntoIterator<Item = Layer>>(layers: I) -> Self {
        Self(layers.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_has_one_name() {
        for layer in Layer::ALL {
            assert_eq!(layer.name().parse(), Ok(layer));
            assert_eq!(serde_json::to_value(layer).unwrap(), layer.name());
        }
        assert!("seccom".parse::<Layer>().unwrap_err().contains("seccomp, rlimits"));
        assert!(Layer::ALL.is_sorted() && Layers::all().iter().count() == Layer::ALL.len());
    }

    #[test]
    fn layers_can_be_taken_away() {
        let layers = Layers::all().without(&[Layer::Uid, Layer::Landlock]);
        assert!(!layers.has(Layer::Uid) && !layers.has(Layer::Landlock) && layers.has(Layer::Seccomp));
    }
}
