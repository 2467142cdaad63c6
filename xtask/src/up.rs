//! `cargo xtask up`: from a fresh clone to a platform that runs both examples, in one command.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::http::{Address, Connection};
use crate::mcp::Target;
use crate::platform::{Platform, Start};
use crate::programs::{self, Profile};
use crate::report::Outcome;
use crate::smoke::{EXAMPLES, TENANT, create_key};
use crate::{Result, setup, signals};

const LISTEN: &str = "127.0.0.1:8787";

pub(crate) fn run(profile: Profile) -> Result<Outcome> {
    signals::forward()?;
    setup::npm(&["runtime"])?;
    setup::npm(&EXAMPLES)?;
    println!("building smcp (the first time takes minutes)");
    let smcp = programs::smcp(profile)?;
    let start = Start { binary: smcp, listen: LISTEN, data: None, config: None, show_log: true };
    let platform = Platform::start(&start)?;
    if let Err(error) = introduce(&platform) {
        // The platform is worth having without its examples, and stopping it would say nothing more.
        eprintln!("the examples are not there: {error}");
    }
    let status = platform.wait()?;
    if status.success() { Ok(Outcome::Nothing) } else { Err(format!("smcp up: {status}").into()) }
}

/// Everything a newcomer needs. A second run finds most of it done.
fn introduce(platform: &Platform) -> Result<()> {
    if let Some(first) = &platform.key {
        // The command line keeps it from now on, so that `smcp servers` and the rest just work.
        platform.login(first)?;
    }
    let tenants = platform.cli(None, &["tenants", "list"]).map_err(|error| {
        format!("{error}\nThis platform has an administrator already: `smcp login` with its key, then run this again.")
    })?;
    if !names(&tenants, "slug").any(|slug| slug == TENANT) {
        platform.cli(None, &["tenants", "create", TENANT])?;
    }
    let mut urls = Vec::new();
    for folder in EXAMPLES {
        println!("deploying {folder}");
        let deployed = platform.cli(None, &["deploy", folder, "--tenant", TENANT])?;
        let text = |name: &str| {
            deployed[name].as_str().map(str::to_owned).ok_or_else(|| format!("no {name} in {deployed}"))
        };
        urls.push((text("server")?, text("url")?));
    }
    let key = user_key(platform, &urls)?;
    println!("{}", welcome(platform, &urls, &key));
    Ok(())
}

/// The values of a member in a list, whether it stands alone or under `items`.
fn names<'a>(list: &'a Value, member: &'a str) -> impl Iterator<Item = &'a str> {
    let items = list.as_array().or_else(|| list["items"].as_array());
    items.into_iter().flatten().filter_map(move |item| item[member].as_str())
}

/// The key made by an earlier run, as long as it works; else a new one. Keys are shown once, so it is kept in a file.
fn user_key(platform: &Platform, urls: &[(String, String)]) -> Result<String> {
    let file = key_file()?;
    if let Ok(kept) = fs::read_to_string(&file)
        && works(platform, urls, kept.trim())
    {
        return Ok(kept.trim().to_owned());
    }
    let key = create_key(platform, None, "mcp_user")?;
    if let Some(folder) = file.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    // A new file, so that it is for this user alone whatever was there.
    let _ = fs::remove_file(&file);
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file)?.write_all(key.as_bytes())?;
    Ok(key)
}

/// Beside the configuration of the command line.
fn key_file() -> Result<PathBuf> {
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let config = config.or_else(home).ok_or("neither XDG_CONFIG_HOME nor HOME is set")?;
    Ok(config.join("smcp").join("demo.key"))
}

fn works(platform: &Platform, urls: &[(String, String)], key: &str) -> bool {
    let Some(path) = urls.first().and_then(|(_, url)| url.strip_prefix(&platform.url)) else { return false };
    let host = platform.url.trim_start_matches("http://").to_owned();
    let target = Target { host, path: path.to_owned(), key: Some(key.to_owned()) };
    let connection = Connection::open(&Address::Tcp(platform.listen.clone()));
    connection
        .and_then(|mut connection| connection.send(&target.initialize()))
        .is_ok_and(|answer| answer.status == 200)
}

fn welcome(platform: &Platform, urls: &[(String, String)], key: &str) -> String {
    let bearer = format!("Bearer {key}");
    let remote = |url: &String| {
        json!({"command": "npx", "args": ["-y", "mcp-remote", url, "--header", "Authorization:${AUTH}"],
               "env": {"AUTH": bearer}})
    };
    let http = |url: &String| json!({"type": "http", "url": url, "headers": {"Authorization": bearer}});
    let every = |entry: &dyn Fn(&String) -> Value| -> Value {
        Value::Object(urls.iter().map(|(name, url)| (name.clone(), entry(url))).collect())
    };
    let claude = json!({"mcpServers": every(&remote)});
    let code = json!({"servers": every(&http)});
    let endpoints: String = urls.iter().map(|(name, url)| format!("  {name}  {url}\n")).collect();
    let first = urls.first().map(|(_, url)| url.as_str()).unwrap_or_default();
    format!(
        "\nThe platform is at {}, with two servers:\n\n{endpoints}  key    {key}\n\n\
         The administrator's key is kept where `smcp config` says, so that `smcp` commands use it.\n\n\
         Claude Desktop (claude_desktop_config.json):\n\n{claude:#}\n\n\
         VS Code (.vscode/mcp.json):\n\n{code:#}\n\n\
         MCP Inspector (needs Node 22.19 or later):\n\n  npx -y @modelcontextprotocol/inspector@2.12.0 --cli {first} --transport http \\\n    \
         --header \"Authorization: {bearer}\" --method tools/list\n\nCtrl-C stops it.\n",
        platform.url
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::names;

    #[test]
    fn lists_are_read_with_and_without_a_page_around_them() {
        let plain = json!([{"slug": "a"}, {"slug": "b"}]);
        for list in [plain.clone(), json!({"items": plain})] {
            assert_eq!(names(&list, "slug").collect::<Vec<_>>(), ["a", "b"]);
        }
    }
}
