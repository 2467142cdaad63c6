//! A network of our own for controls: nothing but loopback, which has every address that is attacked.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;

use nix::libc;

use crate::raw::{address, call};
use crate::{Result, say};

/// `[hold:]ADDRESS:PORT… -- PROGRAM WORD…`: listens there, in a network namespace of its own, while the program runs.
pub(crate) fn enter_and_run(words: &[String]) -> Result<()> {
    let at = words.iter().position(|word| word == "--").ok_or("which program?")?;
    let (addresses, program) = (&words[..at], &words[at + 1..]);
    call(libc::SYS_unshare, &[libc::CLONE_NEWNET as usize])?;
    // Its end is the end of all of this.
    call(libc::SYS_prctl, &[libc::PR_SET_PDEATHSIG as usize, libc::SIGKILL as usize])?;
    let socket = call(libc::SYS_socket, &[libc::AF_INET as usize, libc::SOCK_DGRAM as usize, 0])?;
    raise(socket, "lo", "127.0.0.1".parse()?)?;
    for (number, place) in addresses.iter().enumerate() {
        let (place, serve): (_, fn(&TcpListener)) =
            place.strip_prefix("hold:").map_or((place.as_str(), answer), |place| (place, hold));
        let (host, _) = place.rsplit_once(':').ok_or("an address and a port")?;
        let host: std::net::Ipv4Addr = host.parse()?;
        if !host.is_loopback() {
            raise(socket, &format!("lo:{number}"), host)?;
        }
        let listener = TcpListener::bind(place)?;
        std::thread::spawn(move || serve(&listener));
    }
    say("ready")?;
    let (name, rest) = program.split_first().ok_or("which program?")?;
    let status = Command::new(name).args(rest).status()?;
    if status.success() { Ok(()) } else { Err(status.to_string().into()) }
}

/// `ADDRESS…`: switches loopback on in the namespace that we are in, with these addresses.
pub(crate) fn raise_all(addresses: &[String]) -> Result<()> {
    let socket = call(libc::SYS_socket, &[libc::AF_INET as usize, libc::SOCK_DGRAM as usize, 0])?;
    raise(socket, "lo", "127.0.0.1".parse()?)?;
    let six = call(libc::SYS_socket, &[libc::AF_INET6 as usize, libc::SOCK_DGRAM as usize, 0])?;
    for (number, text) in addresses.iter().enumerate() {
        match text.parse()? {
            std::net::IpAddr::V4(host) => raise(socket, &format!("lo:{number}"), host)?,
            std::net::IpAddr::V6(host) => raise_six(six, host)?,
        }
    }
    say("ready")
}

/// Gives loopback, which is the first interface, an address of IPv6.
fn raise_six(socket: usize, host: std::net::Ipv6Addr) -> Result<()> {
    const LOOPBACK: i32 = 1;
    const LOOKED_FOR: std::time::Duration = std::time::Duration::from_secs(5);
    let mut request = [0_u8; 24];
    request[..16].copy_from_slice(&host.octets());
    request[16..20].copy_from_slice(&128_u32.to_ne_bytes());
    request[20..].copy_from_slice(&LOOPBACK.to_ne_bytes());
    call(libc::SYS_ioctl, &[socket, libc::SIOCSIFADDR as usize, address(&request)])?;
    // The kernel looks first whether somebody else has it.
    let began = std::time::Instant::now();
    while TcpListener::bind((host, 0)).is_err() {
        if began.elapsed() > LOOKED_FOR {
            return Err(format!("{host} cannot be used").into());
        }
        std::thread::yield_now();
    }
    Ok(())
}

/// Gives the interface an address and switches it on.
fn raise(socket: usize, name: &str, host: std::net::Ipv4Addr) -> Result<()> {
    let mut request = [0_u8; 40];
    request[..name.len()].copy_from_slice(name.as_bytes());
    request[16] = 2;
    request[20..24].copy_from_slice(&host.octets());
    call(libc::SYS_ioctl, &[socket, libc::SIOCSIFADDR as usize, address(&request)])?;
    request[16..].fill(0);
    request[16] = (libc::IFF_UP | libc::IFF_RUNNING) as u8;
    call(libc::SYS_ioctl, &[socket, libc::SIOCSIFFLAGS as usize, address(&request)])?;
    Ok(())
}

/// Takes connections and never answers.
fn hold(listener: &TcpListener) {
    listener.incoming().for_each(std::mem::forget);
}

fn answer(listener: &TcpListener) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        let mut request = [0_u8; 4096];
        let _ = stream.read(&mut request);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 6\r\n\r\nsecret");
    }
}
