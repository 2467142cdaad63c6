//! Hosted processes really run in every layer: what the kernel says about them, from outside.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use smcp_core::ports::{Isolates as _, Target, VersionRef};
use smcp_manifest::SandboxClass;
use smcp_types::Limits;
use smcp_workerd::{
    Child,
    sandbox::{Image, Layer, Layers, Sandbox, Start, survey},
};

use crate::{
    parent::children,
    support::{Stage, read, request, sandbox, settings, target, workerd},
};

/// Answers "up"; `/buffers` takes memory that V8's heap flags do not cover.
const SERVER: &str = r#"
const kept = [];
export default { fetch(request) {
  if (new URL(request.url).pathname === "/buffers") {
    for (let n = 0; n < 40; n++) kept.push(new Uint8Array(16 << 20).fill(1));
  }
  return new Response("up");
} };
"#;

/// A line of `/proc/PID/status`.
fn status(pid: u32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("{name} in {text}")).trim().to_owned()
}

fn link(pid: &str, name: &str) -> PathBuf {
    fs::read_link(format!("/proc/{pid}/{name}")).unwrap()
}

async fn call(stage: &Stage, target: Target) -> String {
    let answer = stage.supervisor.call(&stage.permit(&target.version), &target, request("/")).await;
    read(answer.unwrap()).await.unwrap()
}

/// The one process of a stage.
async fn running(stage: &Stage, target: Target) -> u32 {
    let before: BTreeSet<u32> = children(std::process::id()).into_iter().collect();
    assert_eq!(call(stage, target).await, "up");
    let new: Vec<u32> =
        children(std::process::id()).into_iter().filter(|pid| !before.contains(pid)).collect();
    assert_eq!(new.len(), 1, "the hosted process is our own child, and no stub is left");
    new[0]
}

fn in_class(version: VersionRef, class: SandboxClass) -> Target {
    Target { class, ..target(version) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hosted_process_runs_in_every_layer() {
    let stage = Stage::new(settings()).await;
    let version = stage.add(1, SERVER);
    let pid = running(&stage, target(version)).await;
    for (name, value) in [
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
        ("CapEff", "0000000000000000"),
        ("CapPrm", "0000000000000000"),
        ("CapBnd", "0000000000000000"),
        ("CapAmb", "0000000000000000"),
        ("Groups", ""),
    ] {
        assert_eq!(status(pid, name), value, "{name}");
    }
    let ids: BTreeSet<String> = ["Uid", "Gid"]
        .iter()
        .flat_map(|name| status(pid, name).split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert!(ids.first().unwrap().parse::<u32>().unwrap() > 100_000, "{ids:?}");
    assert!(status(pid, "NSpid").ends_with("\t1"), "it is the first process of its own");
    for namespace in ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"] {
        let name = format!("ns/{namespace}");
        assert_ne!(link(&pid.to_string(), &name), link("self", &name), "{namespace}");
    }
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    for name in ["Max core file size", "Max file size", "Max locked memory", "Max msgqueue size"] {
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        assert_eq!(line.split_whitespace().take(2).collect::<Vec<_>>(), ["0", "0"], "{name}");
    }
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
    assert_eq!(String::from_utf8_lossy(&environment), "TZ=UTC\0");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_sees_a_handful_of_files_and_may_write_none() {
    let stage = Stage::new(settings()).await;
    let version = stage.add(1, SERVER);
    let pid = running(&stage, target(version)).await;
    let mut seen = Vec::new();
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    let mut open = vec![root.clone()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else {
                seen.push(Path::new("/").join(entry.path().strip_prefix(&root).unwrap()));
            }
        }
    }
    let image = Image::of(workerd().path()).unwrap();
    assert!(seen.contains(&workerd().path().to_owned()), "{seen:?}");
    seen.retain(|path| path != workerd().path() && !path.to_string_lossy().contains(".so."));
    seen.sort();
    let expected = ["/dev/null", "/dev/urandom", "/health/ok", "/out/egress.sock", "/proc/self/exe"];
    assert_eq!(seen, expected.map(PathBuf::from), "{image:?}");
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    assert!(mounts.lines().all(|line| line.split(' ').nth(5).unwrap().starts_with("ro,nosuid")), "{mounts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_holds_only_what_it_was_given() {
    let stage = Stage::new(settings()).await;
    let version = stage.add(1, SERVER);
    let pid = running(&stage, target(version)).await;
    let held = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().map(|entry| entry.unwrap().path());
    let held: Vec<_> = held.filter_map(|path| Some((fs::read_link(&path).ok()?, path))).collect();
    let host = fs::metadata("/").unwrap();
    // It opens folders of its own root; its configuration came through a pipe, and the rest are pipes and sockets too.
    for (link, descriptor) in held.iter().filter(|(link, _)| link.is_absolute()) {
        let found = fs::metadata(descriptor).unwrap();
        assert_ne!((found.dev(), found.ino()), (host.dev(), host.ino()), "{held:?}");
        let is_known = link.starts_with(stage.folder.path().join("run/health"));
        assert!(is_known || link == Path::new("/"), "{held:?}");
    }
}

/// The folders in these.
fn inner(folders: &[PathBuf]) -> Vec<PathBuf> {
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
}

/// The cgroups of tenants, in every hierarchy.
fn tenants_of(stage: &Stage) -> Vec<PathBuf> {
    let note = fs::read_to_string(stage.folder.path().join("run/cgroups")).unwrap();
    inner(&note.lines().map(PathBuf::from).collect::<Vec<_>>())
}

/// Processor time is shared between tenants first: who runs two servers has no more of it than who runs one.
#[tokio::test(flavor = "multi_thread")]
async fn servers_of_one_tenant_share_its_cgroup_and_no_other_has_a_part_in_it() {
    let stage = Stage::new(settings()).await;
    let (one, two) = (stage.add(1, SERVER), stage.add(2, SERVER));
    let other = stage.of_another(one);
    let mut pids = Vec::new();
    for version in [one, two, other] {
        pids.push(running(&stage, target(version)).await);
    }
    let folders = tenants_of(&stage);
    assert!(!folders.is_empty());
    for (tenant, expected) in [(one.tenant, &pids[..2]), (other.tenant, &pids[2..])] {
        let name = tenant.to_string();
        let own: Vec<_> = folders.iter().filter(|path| path.ends_with(&name)).cloned().collect();
        assert_eq!(own.len() * 2, folders.len(), "one in each hierarchy: {folders:?}");
        for folder in own {
            let cells = inner(std::slice::from_ref(&folder));
            let inside: BTreeSet<String> =
                cells.iter().map(|cell| fs::read_to_string(cell.join("cgroup.procs")).unwrap()).collect();
            assert_eq!(inside, expected.iter().map(|pid| format!("{pid}\n")).collect(), "{folder:?}");
            let bound = |file: &str| fs::read_to_string(folder.join(file)).map(|text| text.trim().to_owned());
            for (file, value) in [("pids.max", "8192"), ("cpu.shares", "1024"), ("cpu.weight", "100")] {
                assert!(
                    bound(file).is_ok_and(|found| found == value) || !folder.join(file).exists(),
                    "{file}"
                );
            }
        }
    }
    for pid in &pids {
        let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        let tenant = if *pid == pids[2] { other.tenant } else { one.tenant };
        assert!(cgroups.lines().any(|line| line.contains(&format!("/{tenant}/"))), "{cgroups}");
    }
    stage.supervisor.shutdown(std::time::Duration::from_secs(2)).await;
    assert!(folders.iter().all(|folder| !folder.exists()), "{folders:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn its_cell_has_its_limits_and_goes_with_it() {
    let stage = Stage::new(settings()).await;
    let version = stage.add(1, SERVER);
    let limits = Limits { memory_mb: 96, cpu_percent: 50, ..Limits::default() };
    let pid = running(&stage, Target { limits, ..target(version) }).await;
    let cells = inner(&tenants_of(&stage));
    assert!(!cells.is_empty());
    let value = |file: &str| {
        let found = cells.iter().find_map(|cell| fs::read_to_string(cell.join(file)).ok());
        found.map(|text| text.trim().to_owned())
    };
    for cell in &cells {
        assert_eq!(fs::read_to_string(cell.join("cgroup.procs")).unwrap().trim(), pid.to_string());
    }
    if let Some(bytes) = value("memory.limit_in_bytes").or_else(|| value("memory.max")) {
        assert_eq!(bytes, (96 << 20).to_string());
    }
    if let Some(quota) = value("cpu.cfs_quota_us") {
        assert_eq!(quota, "50000");
    }
    assert_eq!(value("pids.max").as_deref(), Some("64"));
    stage.supervisor.shutdown(std::time::Duration::from_secs(2)).await;
    assert!(cells.iter().all(|cell| !cell.exists()), "{cells:?}");
    drop(stage);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_have_two_users_and_one_server_has_one() {
    let stage = Stage::new(settings()).await;
    let (one, two) = (stage.add(1, SERVER), stage.add(2, SERVER));
    let first = status(running(&stage, target(one)).await, "Uid");
    let second = status(running(&stage, target(two)).await, "Uid");
    assert_ne!(first, second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hardened_process_has_no_memory_it_can_write_and_run() {
    let stage = Stage::new(settings()).await;
    let version = stage.add(1, SERVER);
    let writable_code = |pid: u32| {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        maps.lines().filter(|line| line.split(' ').nth(1).unwrap().starts_with("rwx")).count()
    };
    let pid = running(&stage, in_class(version, SandboxClass::Hardened)).await;
    assert_eq!(writable_code(pid), 0);
    let standard = stage.add(2, SERVER);
    assert!(writable_code(running(&stage, target(standard)).await) > 0, "the compiler needs it");
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_outside_of_the_heap_is_limited_too() {
    let stage = Stage::new(settings()).await;
    let version = stage.add(1, SERVER);
    assert_eq!(stage.text(&version, "/").await, "up");
    stage.get(&version, "/buffers").await.unwrap_err();
    let line = stage.lines.wait("[smcp] process 1 ended", 1).await;
    assert!(line.message.contains("used more than its 128 MiB of memory"), "{line:?}");
}

fn start(arguments: &[&str], layers: Layers, label: &str) -> Start {
    Start {
        image: Image::of(workerd().path()).unwrap(),
        arguments: arguments.iter().map(Into::into).collect(),
        layers,
        limits: Limits::default(),
        class: SandboxClass::Standard,
        owner: "test".to_owned(),
        tenant: "test".to_owned(),
        label: label.to_owned(),
        files: Vec::new(),
        largest_file: 0,
        stdin: fs::File::open("/dev/null").unwrap().into(),
        descriptors: Vec::new(),
    }
}

async fn ends_well(mut child: Child) -> bool {
    let output = child.take_output();
    let ended = child.wait().await.unwrap();
    drop(output);
    ended.status.success()
}

#[tokio::test(flavor = "multi_thread")]
async fn any_layer_can_be_left_out_and_a_survey_finds_all() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox: Sandbox = sandbox(folder.path());
    for layer in Layer::ALL {
        let layers = Layers::all().without(&[layer]);
        let child = sandbox.start(start(&["--version"], layers, layer.name())).await.unwrap();
        assert!(ends_well(child).await, "without {layer}");
    }
    let child = sandbox.start(start(&["--version"], Layers::none(), "none")).await.unwrap();
    assert!(ends_well(child).await);
    let survey = survey(&sandbox, workerd().path()).await.unwrap();
    survey.verdict().unwrap();
    assert_eq!(survey.missing().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_that_cannot_be_set_up_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = sandbox(folder.path());
    let missing = Path::new("/nowhere/at/all");
    let mut start = start(&["--version"], Layers::all(), "broken");
    start.files.push(smcp_workerd::sandbox::Visible::folder(missing, missing));
    let mut child = sandbox.start(start).await.unwrap();
    let (_, errors) = child.take_output().unwrap();
    let mut said = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut { errors }, &mut said).await.unwrap();
    assert_eq!(said, "/nowhere/at/all: ENOENT: No such file or directory\n");
    assert_eq!(child.wait().await.unwrap().status.code(), Some(111));
}

#[test]
fn a_stub_without_a_job_is_refused() {
    #[allow(clippy::disallowed_methods, reason = "a test plays somebody who runs the stub by hand")]
    let output = Command::new(env!("CARGO_BIN_EXE_smcp-sandbox-stub")).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(111));
    assert!(String::from_utf8_lossy(&output.stderr).contains("for smcp alone"), "{output:?}");
}

/// What a killed platform has left in its cgroups: a process in a cell, in a folder that its note names.
#[test]
fn leftovers_of_a_killed_platform_are_cleared() {
    let folder = tempfile::tempdir().unwrap();
    drop(sandbox(folder.path()));
    let note = fs::read_to_string(folder.path().join("run/cgroups")).unwrap();
    let Some(node) = note.lines().map(PathBuf::from).next() else { panic!("no cgroups here") };
    assert!(!node.exists(), "nothing is left of a platform that ended");
    let cell = node.join("tenant/left-over");
    fs::create_dir_all(&cell).unwrap();
    #[allow(clippy::disallowed_methods, reason = "a test plays a process that was left over")]
    let mut left = Command::new("/bin/sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
    fs::write(cell.join("cgroup.procs"), left.id().to_string()).unwrap();
    drop(sandbox(folder.path()));
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&left.wait().unwrap()), Some(9));
    assert!(!node.exists() && !cell.exists());
    assert_eq!(fs::metadata(folder.path().join("run")).unwrap().mode() & 0o777, 0o700);
}
