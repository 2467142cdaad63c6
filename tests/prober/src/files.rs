//! Files: what hostile code reads, writes, makes and executes.

use nix::libc;

use crate::outcome::{Order, Outcome, Probe};
use crate::raw::{Done, address, address_mut, call, text};
use crate::tiny;

pub(crate) const PROBES: &[(&str, Probe)] = &[
    ("read", read),
    ("list", list),
    ("write", write),
    ("open", open_only),
    ("execute", execute),
    ("execute-itself", execute_itself),
    ("execute-written", execute_written),
    ("make", make),
    ("descriptors", descriptors),
    ("host-name", host_name),
    ("cgroup", cgroup),
];

const HERE: usize = libc::AT_FDCWD as isize as usize;

/// Opens a file.
pub(crate) fn open(path: &str, flags: i32) -> Done {
    let flags = usize::try_from(flags).unwrap_or_default();
    call(libc::SYS_openat, &[HERE, address(text(path).as_slice()), flags, 0o755])
}

/// Reads the first bytes of a file.
pub(crate) fn first_bytes(path: &str) -> std::result::Result<Vec<u8>, nix::errno::Errno> {
    let file = open(path, libc::O_RDONLY)?;
    let mut bytes = vec![0_u8; 4096];
    let count = call(libc::SYS_read, &[file, address_mut(bytes.as_mut_slice()), bytes.len()])?;
    bytes.truncate(count);
    Ok(bytes)
}

fn read(order: &Order) -> Outcome {
    match first_bytes(&order.path()) {
        Ok(bytes) if bytes.is_empty() => Outcome::Refused("empty".to_owned()),
        Ok(bytes) => Outcome::Succeeded(format!("read {} bytes of {}", bytes.len(), order.path())),
        Err(error) => Outcome::refused(error),
    }
}

fn list(order: &Order) -> Outcome {
    let mut entries = [0_u8; 4096];
    let listed = open(&order.path(), libc::O_RDONLY | libc::O_DIRECTORY)
        .and_then(|folder| call(libc::SYS_getdents64, &[folder, address_mut(&mut entries), entries.len()]));
    Outcome::of(listed, "listed")
}

fn open_only(order: &Order) -> Outcome {
    Outcome::of(open(&order.path(), libc::O_RDWR | libc::O_NOCTTY | libc::O_NONBLOCK), "opened")
}

/// Makes a file and writes to it; a file that is there already is written over. A file of ours does not stay.
fn write(order: &Order) -> Outcome {
    let path = order.path();
    let done = open(&path, libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC)
        .and_then(|file| call(libc::SYS_write, &[file, address(b"hostile"), 7]));
    if order.row.contains("{run}") {
        let _ = call(libc::SYS_unlinkat, &[HERE, address(text(&path).as_slice()), 0]);
    }
    Outcome::of(done, "wrote")
}

/// Runs a program of the machine, which then says itself that it ran.
fn execute(order: &Order) -> Outcome {
    let words = [text("sh"), text("-c"), text("echo succeeded ran")];
    let arguments =
        [address(words[0].as_slice()), address(words[1].as_slice()), address(words[2].as_slice()), 0];
    let none = [0_usize];
    let done = call(
        libc::SYS_execve,
        &[address(text(&order.path()).as_slice()), address(&arguments), address(&none)],
    );
    Outcome::of(done, "ran")
}

/// Runs this program anew from another thread: what the kernel was told about the first, such as to end with its parent,
/// does not hold for what comes of it.
fn execute_itself(_: &Order) -> Outcome {
    let again = std::thread::spawn(|| {
        let [path, name, word] = ["/proc/self/exe", "workerd", "say-ran"].map(text);
        let arguments = [address(name.as_slice()), address(word.as_slice()), 0];
        let none = [0_usize];
        call(libc::SYS_execve, &[address(path.as_slice()), address(&arguments), address(&none)])
    });
    again.join().map_or(Outcome::Refused("no thread".to_owned()), |done| Outcome::of(done, "ran"))
}

fn execute_written(order: &Order) -> Outcome {
    let path = order.path();
    let program = tiny::program();
    let written = open(&path, libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC).and_then(|file| {
        call(libc::SYS_write, &[file, address(program.as_slice()), program.len()])?;
        call(libc::SYS_close, &[file])
    });
    let none = [0_usize];
    let done = written.and_then(|_| {
        call(libc::SYS_execve, &[address(text(&path).as_slice()), address(&none), address(&none)])
    });
    Outcome::of(done, "ran")
}

/// Makes something that is no file, in the folder that everybody may write to.
fn make(order: &Order) -> Outcome {
    let path = text(&format!("{}/made-{}-{}", order.target("open"), order.row, order.target("run")));
    let path = address(path.as_slice());
    let done = match order.row.as_str() {
        "folder" => call(libc::SYS_mkdirat, &[HERE, path, 0o755]),
        "symlink" => call(libc::SYS_symlinkat, &[address(text("/etc/passwd").as_slice()), HERE, path]),
        "fifo" => call(libc::SYS_mknodat, &[HERE, path, (libc::S_IFIFO | 0o644) as usize, 0]),
        "device" => call(libc::SYS_mknodat, &[HERE, path, (libc::S_IFCHR | 0o644) as usize, 0x103]),
        "socket" => return crate::sockets::bind_file(&order.path_of_made()),
        "hard-link" => {
            let victim = text(order.target("writable"));
            call(libc::SYS_linkat, &[HERE, address(victim.as_slice()), HERE, path, 0])
        }
        _ => Err(nix::errno::Errno::EINVAL),
    };
    Outcome::of(done, "made")
}

impl Order {
    fn path_of_made(&self) -> String {
        format!("{}/made-{}-{}", self.target("open"), self.row, self.target("run"))
    }
}

/// Descriptors beyond the ones that workerd is given: input, output, errors, two listeners, control.
fn descriptors(_: &Order) -> Outcome {
    let open = |number: &usize| call(libc::SYS_fcntl, &[*number, libc::F_GETFD as usize]).is_ok();
    let surplus: Vec<_> = (6..4096).filter(open).collect();
    if surplus.is_empty() {
        Outcome::Refused("none".to_owned())
    } else {
        Outcome::Succeeded(format!("{surplus:?}"))
    }
}

/// Learns the name of the machine.
fn host_name(order: &Order) -> Outcome {
    let known = nix::sys::utsname::uname().map(|names| names.nodename().to_string_lossy().into_owned());
    match known {
        Ok(name) if name == order.target("host") => Outcome::Succeeded(format!("it is {name}")),
        Ok(name) => Outcome::Refused(format!("called {name}")),
        Err(error) => Outcome::refused(error),
    }
}

/// Learns the path of its control group on the machine.
fn cgroup(_: &Order) -> Outcome {
    match first_bytes("/proc/self/cgroup") {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            match text.lines().find(|line| line.contains("smcp")) {
                Some(line) => Outcome::Succeeded(line.to_owned()),
                None => Outcome::Refused("the paths tell nothing".to_owned()),
            }
        }
        Err(error) => Outcome::refused(error),
    }
}
