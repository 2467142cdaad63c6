//! The surroundings of a jailed process: its sockets, its folders, and a sandbox whose layers are chosen each time.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use smcp_manifest::SandboxClass;
use smcp_types::{LimitSet, Limits};
use smcp_workerd::Child;
use smcp_workerd::sandbox::{Image, Layer, Layers, Sandbox, SandboxOptions, Start, Visible};

use crate::{Order, Result};

/// What does not change between attempts.
pub(crate) struct Room {
    image: Image,
    prober: PathBuf,
    folder: PathBuf,
    sandbox: Sandbox,
    made: usize,
    /// What a careless platform would leave open for its children.
    _leak: OwnedFd,
    _egress: UnixListener,
}

impl Room {
    pub(crate) fn new(smcp: PathBuf, prober: PathBuf, folder: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(folder.join("health"))?;
        std::fs::write(folder.join("health/ok"), "ok\n")?;
        let egress = UnixListener::bind(folder.join("egress.sock"))?;
        std::fs::set_permissions(folder.join("egress.sock"), std::fs::Permissions::from_mode(0o777))?;
        let leak: OwnedFd = File::open("/dev/null")?.into();
        nix::fcntl::fcntl(&leak, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty()))?;
        let layers = layers(&[])?;
        let run_dir = folder.join("run");
        std::fs::create_dir_all(&run_dir)?;
        let options = SandboxOptions { stub: smcp, layers, strict: false, run_dir, uid_base: None };
        Ok(Self {
            image: Image::of(&prober)?,
            prober,
            folder,
            sandbox: Sandbox::new(options)?,
            made: 0,
            _leak: leak,
            _egress: egress,
        })
    }

    /// Starts the prober in the jail.
    pub(crate) async fn start(&mut self, order: &Order) -> Result<Child> {
        self.made += 1;
        let (_, control) = std::io::pipe()?;
        let start = Start {
            image: self.image.clone(),
            arguments: vec!["serve".into()],
            layers: layers(&order.without)?,
            limits: Limits::resolve(
                &order.limits.iter().map(|(limit, value)| (*limit, *value)).collect(),
                &LimitSet::default(),
            ),
            class: if order.hardened { SandboxClass::Hardened } else { SandboxClass::Standard },
            owner: format!("server-{}", order.server),
            tenant: "attack".to_owned(),
            label: format!("attack-{}-{}", std::process::id(), self.made),
            files: vec![
                Visible::socket(&self.folder.join("egress.sock"), Path::new("/out/egress.sock")),
                Visible::folder(&self.folder.join("health"), Path::new("/health")),
            ],
            largest_file: 0,
            stdin: self.text(order)?.into(),
            descriptors: vec![self.socket("in")?, self.socket("health")?, control.into()],
        };
        Ok(self.sandbox.start(start).await?)
    }

    /// Starts the prober without any jail, as a careless platform would.
    pub(crate) fn start_bare(&self, order: &Order) -> Result<Output> {
        let mut command = Command::new(&self.prober);
        Ok(command.arg("serve").stdin(self.text(order)?).output()?)
    }

    /// What the prober reads.
    fn text(&self, order: &Order) -> Result<File> {
        let mut text = tempfile::tempfile_in(&self.folder)?;
        text.write_all(order.text.as_bytes())?;
        text.rewind()?;
        Ok(text)
    }

    /// A listening socket, as the process is given them.
    fn socket(&self, name: &str) -> Result<OwnedFd> {
        let path = self.folder.join(format!("{}{name}", self.made));
        let listener = UnixListener::bind(&path)?;
        std::fs::remove_file(path)?;
        Ok(listener.into())
    }
}

/// All layers but these.
fn layers(without: &[String]) -> Result<Layers> {
    let off: Vec<Layer> = without.iter().map(|name| name.parse()).collect::<std::result::Result<_, _>>()?;
    Ok(Layers::all().without(&off))
}
