//! The platform dies, and its processes with it, even by `kill -9`.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Command, Stdio},
};

use crate::support::{PATIENCE, Stage, sandbox, settings};

/// Set for the child that plays the platform; its value is nothing but a sign.
const ROLE: &str = "SMCP_TEST_PLATFORM";

const SERVER: &str = "export default { fetch() { return new Response('up'); } };";

/// Plays the platform when the other test has started it for that, and is nothing otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn platform_that_gets_killed() {
    #[allow(clippy::disallowed_methods, reason = "how the other test tells this process its role")]
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let stage = Stage::new(settings()).await;
    let version = stage.add(1, SERVER);
    assert_eq!(stage.text(&version, "/").await, "up");
    println!("folder {}", stage.folder.path().display());
    std::future::pending::<()>().await;
}

#[test]
fn kill_9_of_the_platform_leaves_no_process() {
    #[allow(clippy::disallowed_methods, reason = "a test starts the platform to kill it")]
    let mut platform = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "parent::platform_that_gets_killed", "--nocapture"])
        .env(ROLE, "yes")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(platform.stdout.take().unwrap()).lines().map(Result::unwrap);
    let folder = lines.find_map(|line| line.split_once("folder ").map(|(_, path)| path.to_owned())).unwrap();
    let children = children(platform.id());
    assert_eq!(children.len(), 1, "one workerd runs");
    platform.kill().unwrap();
    assert_eq!(platform.wait().unwrap().signal(), Some(9));
    // The kernel kills the child on its own time; a file of /proc cannot be awaited, so it is asked again.
    let rounds = PATIENCE.as_millis() / 10;
    for _ in 0..rounds {
        if children.iter().all(|pid| !Path::new(&format!("/proc/{pid}/exe")).exists()) {
            // The next start finds what is left in the cgroups.
            drop(sandbox(Path::new(&folder)));
            let cgroups = std::fs::read_to_string(Path::new(&folder).join("run/cgroups")).unwrap();
            assert!(cgroups.lines().all(|path| !Path::new(path).exists()), "{cgroups}");
            std::fs::remove_dir_all(folder).unwrap();
            return;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(10));
    }
    panic!("{children:?} outlived the platform");
}

/// Processes whose parent is this one: hosted ones, and no stub.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_child = |pid: &u32| {
        // The parent's id stands second after the name, which is in parentheses.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        after_name.split_whitespace().nth(1) == Some(&parent.to_string())
    };
    processes.filter(is_child).collect()
}
