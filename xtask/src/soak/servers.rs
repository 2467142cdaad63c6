//! The servers that are called: the template of `smcp init`, under several names and in several versions.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::http::{Address, Connection};
use crate::mcp::{self, Target};
use crate::platform::Platform;
use crate::smoke::{TENANT, create_key};
use crate::{Result, workspace};

/// A tenant with two keys, and a place for projects.
pub(super) struct Publisher {
    pub(super) admin: String,
    pub(super) user: String,
    folder: PathBuf,
}

impl Publisher {
    pub(super) fn new(platform: &Platform, folder: &Path) -> Result<Self> {
        let first = platform.key.as_deref().ok_or("the first start did not show the administrator's key")?;
        platform.cli(Some(first), &["tenants", "create", TENANT])?;
        let admin = create_key(platform, Some(first), "admin")?;
        let user = create_key(platform, Some(first), "mcp_user")?;
        Ok(Self { admin, user, folder: folder.to_owned() })
    }

    /// Deploys a version of a server and has it called from now on.
    pub(super) fn deploy(&self, platform: &Platform, name: &str, version: usize) -> Result<()> {
        let project = self.folder.join(name);
        fs::create_dir_all(&project)?;
        for entry in fs::read_dir(workspace::root().join("crates/smcp/templates/javascript"))? {
            let file = entry?.path();
            let mut text = fs::read_to_string(&file)?.replace("{{name}}", name);
            // The sum tells which version made it.
            text = text.replace("${a} + ${b} = ${a + b}", &format!("{version}: ${{a + b}}"));
            fs::write(project.join(file.file_name().unwrap_or_default()), text)?;
        }
        self.deploy_folder(platform, &project)
    }

    /// Deploys a server that is one module.
    pub(super) fn deploy_module(&self, platform: &Platform, name: &str, module: &str) -> Result<()> {
        let project = self.folder.join(name);
        fs::create_dir_all(&project)?;
        let manifest = format!(
            "manifest = 1\nname = \"{name}\"\nmain = \"main.js\"\ncompatibility_date = \"2026-11-01\"\n"
        );
        fs::write(project.join("smcp.toml"), manifest)?;
        fs::write(project.join("main.js"), module)?;
        self.deploy_folder(platform, &project)
    }

    fn deploy_folder(&self, platform: &Platform, project: &Path) -> Result<()> {
        let project = project.to_string_lossy();
        platform.cli(Some(&self.admin), &["deploy", &project, "--tenant", TENANT]).map(drop)
    }

    /// Where a server is called, and with what; its answer is `VERSION: 42`.
    pub(super) fn call(&self, platform: &Platform, name: &str) -> (Address, Vec<u8>) {
        let target = Target {
            host: platform.url.trim_start_matches("http://").to_owned(),
            path: format!("/t/{TENANT}/{name}/mcp"),
            key: Some(self.user.clone()),
        };
        (Address::Tcp(platform.listen.clone()), target.modern_call("add", &json!({"a": 20, "b": 22})))
    }
}

/// The version that answers a call.
pub(super) fn answered(connection: &mut Connection, request: &[u8]) -> Result<usize> {
    let text = mcp::text(&connection.send(request)?)?;
    let version = text.strip_suffix(": 42").and_then(|version| version.parse().ok());
    version.ok_or_else(|| format!("answered `{text}`").into())
}
