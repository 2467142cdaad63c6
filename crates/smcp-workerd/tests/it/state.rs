//! Folders of state: a process writes in its own and nowhere else, and whoever had it before has it no longer.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use nix::{sys::stat::Mode, unistd::mkfifo};
use smcp_manifest::SandboxClass;
use smcp_types::Limits;
use smcp_workerd::sandbox::{Image, Layer, Layers, Sandbox, SandboxOptions, Start, Visible};
use tokio::io::AsyncReadExt as _;

/// What may be in one file.
const LARGEST: u64 = 64 << 10;

/// A sandbox with one folder of state, in which a shell runs.
struct Shell {
    sandbox: Sandbox,
    layers: Layers,
    state: PathBuf,
    started: u32,
    folder: tempfile::TempDir,
}

impl Shell {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("tenant/state");
        fs::create_dir_all(&state).unwrap();
        fs::set_permissions(state.parent().unwrap(), Permissions::from_mode(0o700)).unwrap();
        fs::set_permissions(&state, Permissions::from_mode(0o700)).unwrap();
        let sandbox = Sandbox::new(SandboxOptions {
            stub: env!("CARGO_BIN_EXE_smcp-sandbox-stub").into(),
            layers: Layers::all(),
            strict: false,
            run_dir: folder.path().join("run"),
            uid_base: None,
        });
        Self { sandbox: sandbox.unwrap(), layers: Layers::all(), state, started: 0, folder }
    }

    /// Runs a script for an owner; what it printed and complained about, and its exit code.
    async fn run_as(&mut self, owner: &str, script: &str) -> (String, Option<i32>) {
        self.started += 1;
        let start = Start {
            image: Image::of(Path::new("/bin/sh")).unwrap(),
            arguments: vec!["-c".into(), script.into()],
            layers: self.layers.clone(),
            limits: Limits::default(),
            class: SandboxClass::Hardened,
            owner: owner.to_owned(),
            tenant: "test".to_owned(),
            label: format!("shell-{}", self.started),
            files: vec![Visible::state(&self.state, Path::new("/state"))],
            largest_file: LARGEST,
            stdin: fs::File::open("/dev/null").unwrap().into(),
            descriptors: Vec::new(),
        };
        let mut child = self.sandbox.start(start).await.unwrap();
        let (mut out, mut errors) = child.take_output().unwrap();
        let mut said = String::new();
        out.read_to_string(&mut said).await.unwrap();
        errors.read_to_string(&mut said).await.unwrap();
        (said, child.wait().await.unwrap().status.code())
    }

    async fn run(&mut self, script: &str) -> (String, Option<i32>) {
        self.run_as("one", script).await
    }

    fn owner(&self, name: &str) -> (u32, u32) {
        let found = fs::symlink_metadata(self.state.join(name)).unwrap();
        (found.uid(), found.gid())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_writes_in_its_folder_and_nowhere_else() {
    let mut shell = Shell::new();
    let (said, code) = shell.run("echo kept > /state/file; read line < /state/file; echo $line").await;
    assert_eq!((said.as_str(), code), ("kept\n", Some(0)));
    assert_eq!(fs::read_to_string(shell.state.join("file")).unwrap(), "kept\n");
    for place in ["/file", "/out/file", "/proc/file", "/dev/file", "/state/../file"] {
        let (said, _) = shell.run(&format!("echo x > {place}")).await;
        assert!(said.contains("cannot create"), "{place}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_has_a_largest_size() {
    let mut shell = Shell::new();
    let script = "trap '' XFSZ; set -f; text=0123456789abcdef; n=0
        while [ $n -lt 12 ]; do text=$text$text; n=$((n+1)); done
        echo $text >> /state/file && echo full > /state/other && echo $text >> /state/file";
    let (said, code) = shell.run(script).await;
    assert_ne!(code, Some(0), "{said}");
    assert_eq!(fs::metadata(shell.state.join("file")).unwrap().len(), LARGEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_it_is_executed_or_anything_but_a_file_or_a_folder() {
    let mut shell = Shell::new();
    fs::copy("/bin/true", shell.state.join("true")).unwrap();
    // As a shell that may start processes, but has no programs but what it has written.
    for without in [vec![Layer::Seccomp], vec![Layer::Seccomp, Layer::Landlock]] {
        shell.layers = Layers::all().without(&without);
        let (said, code) = shell.run("/state/true").await;
        assert_eq!(code, Some(126), "{said}");
    }
    shell.layers = Layers::all();
    let script = "while read line; do echo \"$line\"; done < /state/mounts";
    fs::copy("/proc/self/mountinfo", shell.state.join("mounts")).unwrap();
    assert!(shell.run(script).await.0.contains(" / "));
}

/// Owners have users of their own, and a folder may go from one to the next.
#[tokio::test(flavor = "multi_thread")]
async fn all_of_it_belongs_to_the_user_who_runs_now() {
    let mut shell = Shell::new();
    fs::create_dir_all(shell.state.join("a/b")).unwrap();
    fs::write(shell.state.join("a/b/old"), "old").unwrap();
    shell.run_as("one", "echo one > /state/new").await;
    let first = shell.owner("new");
    assert!(first.0 > 100_000 && first.0 == first.1);
    assert_eq!(["", "a", "a/b", "a/b/old"].map(|name| shell.owner(name)), [first; 4]);
    let (said, code) = shell.run_as("two", "echo two >> /state/new && echo two >> /state/a/b/old").await;
    assert_eq!(code, Some(0), "{said}");
    let second = shell.owner("new");
    assert_ne!(first, second);
    assert_eq!(["", "a", "a/b", "a/b/old"].map(|name| shell.owner(name)), [second; 4]);
    // Without users there is nobody but us.
    shell.layers = Layers::all().without(&[Layer::Uid, Layer::UserNs]);
    let (said, code) = shell.run("echo three >> /state/a/b/old").await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(shell.owner("a/b/old"), (0, 0));
}

/// What code that broke out of its runtime could leave for the platform, which gives files away with the powers of root.
#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_tree_gives_nothing_of_others_away() {
    let mut shell = Shell::new();
    let outside = shell.folder.path().join("outside");
    fs::write(&outside, "precious").unwrap();
    let folder = shell.state.join("folder");
    let bad = folder.join("bad");
    type Make<'a> = Box<dyn Fn() + 'a>;
    let makes: [(Make<'_>, &str); 5] = [
        (Box::new(|| symlink(&outside, &bad).unwrap()), "folder: bad: is neither file nor folder"),
        (Box::new(|| symlink("/etc", &bad).unwrap()), "folder: bad: is neither file nor folder"),
        (Box::new(|| fs::hard_link(&outside, &bad).unwrap()), "folder: bad: has more than one name"),
        (Box::new(|| mkfifo(&bad, Mode::S_IRWXU).unwrap()), "folder: bad: is neither file nor folder"),
        (Box::new(|| fs::create_dir_all(bad.join("d/d/d/d/d/d/d")).unwrap()), "d: it is too deep"),
    ];
    for (make, why) in makes {
        fs::create_dir(&folder).unwrap();
        make();
        let (said, code) = shell.run("echo started").await;
        assert!(said.contains(why), "{said}");
        assert_eq!(code, Some(111));
        fs::remove_dir_all(&folder).unwrap();
    }
    assert_eq!(fs::metadata(&outside).unwrap().uid(), 0);
    assert_eq!(fs::metadata("/etc").unwrap().uid(), 0);
    let (said, code) = shell.run("echo started").await;
    assert_eq!((said.as_str(), code), ("started\n", Some(0)));
}
