//! What the probes aim at, outside the sandbox and open to everybody: files, sockets, shared memory, a process.

use std::fs;
use std::io::Read as _;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;

use nix::libc;

use crate::raw::{address, call, text};
use crate::{Result, say};

const SECRET: &[u8; 24] = b"secret-of-the-supervisor";

/// Waits to be attacked, as the supervisor would be, until its input ends.
pub(crate) fn victim() -> Result<()> {
    let secret = Box::leak(Box::new(*SECRET));
    ignore_signal()?;
    // Stays open for as long as this process runs.
    let held = std::mem::ManuallyDrop::new(fs::File::open("/dev/null")?);
    say(&format!(
        "process={} address={} descriptor={}",
        std::process::id(),
        address(secret),
        held.as_raw_fd()
    ))?;
    wait()
}

/// The same in the place of workerd, whose input has ended by now: until whoever started it ends it.
pub(crate) fn jailed_victim() -> Result<()> {
    victim()?;
    loop {
        let _ = call(libc::SYS_ppoll, &[0, 0, 0, 0]);
    }
}

/// Makes every target, says where each is, and removes them when its input ends.
pub(crate) fn targets(words: &[String]) -> Result<()> {
    let folder = Path::new(words.first().ok_or("which folder?")?);
    let told = files(folder)?;
    let (tcp, udp) = (TcpListener::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    let own = std::process::id();
    let name = format!("smcp-attack-{own}");
    let hidden = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
    let file = folder.join("other.sock");
    let socket = UnixListener::bind(&file)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o777))?;
    let (tcp_port, udp_port) = (tcp.local_addr()?.port(), udp.local_addr()?.port());

    let key = 0x534d_0000 + (own as usize & 0xffff);
    let segment = call(libc::SYS_shmget, &[key, 4096, (libc::IPC_CREAT | 0o666) as usize]);
    call(libc::SYS_umask, &[0])?;
    let queue = text(&name);
    let flags = (libc::O_CREAT | libc::O_RDWR) as usize;
    let queue_made = call(libc::SYS_mq_open, &[address(queue.as_slice()), flags, 0o666, 0]);
    say(&format!(
        "{told} tcp={tcp_port} udp={udp_port} abstract={name} socket={} segment={key} queue={name}",
        file.display()
    ))?;
    let accept = |listener: UnixListener| std::thread::spawn(move || listener.incoming().for_each(drop));
    let _threads = [accept(hidden), accept(socket)];
    std::thread::spawn(move || tcp.incoming().for_each(drop));

    let waited = wait();
    if let Ok(segment) = segment {
        call(libc::SYS_shmctl, &[segment, 0, 0])?;
    }
    if queue_made.is_ok() {
        call(libc::SYS_mq_unlink, &[address(queue.as_slice())])?;
    }
    waited
}

/// A data directory that somebody left open to the world, on purpose; and one key that is closed as it should be.
fn files(folder: &Path) -> Result<String> {
    let data = folder.join("data");
    let open = folder.join("open");
    fs::create_dir_all(&data)?;
    fs::create_dir_all(&open)?;
    let modes = [
        (folder.to_owned(), 0o755),
        (data.clone(), 0o755),
        (open.clone(), 0o777),
        (data.join("master.key"), 0o644),
        (data.join("control.db"), 0o644),
        (data.join("private.key"), 0o600),
        (folder.join("writable"), 0o666),
    ];
    for (path, mode) in modes {
        if !path.is_dir() {
            fs::write(&path, SECRET)?;
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
    }
    let writable = folder.join("writable");
    Ok(format!("data={} open={} writable={}", data.display(), open.display(), writable.display()))
}

/// The signal that attackers send must not end it.
fn ignore_signal() -> Result<()> {
    let ignore = [1_usize, 0, 0, 0];
    call(libc::SYS_rt_sigaction, &[libc::SIGUSR1 as usize, address(&ignore), 0, 8])?;
    Ok(())
}

/// Until whoever started it closes its input, or ends.
fn wait() -> Result<()> {
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
