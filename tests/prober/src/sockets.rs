//! Sockets: reaching anything but what hostile code was given.

use std::io::Write as _;
use std::net::{TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use nix::libc;

use crate::outcome::{Order, Outcome, Probe};
use crate::raw::{address_mut, call};

pub(crate) const PROBES: &[(&str, Probe)] = &[
    ("tcp", tcp),
    ("udp", udp),
    ("listen", listen),
    ("family", family),
    ("raw", raw),
    ("socket-file", socket_file),
    ("abstract", abstract_name),
    ("listen-abstract", listen_abstract),
];

/// Listens on a socket file.
pub(crate) fn bind_file(path: &str) -> Outcome {
    told(UnixListener::bind(path), "listening")
}

fn told<T>(done: std::io::Result<T>, what: &str) -> Outcome {
    match done {
        Ok(_) => Outcome::Succeeded(what.to_owned()),
        Err(error) => Outcome::from_io(&error),
    }
}

/// To a listener of the suite, on loopback.
fn tcp(order: &Order) -> Outcome {
    let connected = TcpStream::connect((order.row.as_str(), port(order, "tcp")));
    told(connected.and_then(|mut stream| stream.write_all(b"hostile")), "connected")
}

fn udp(order: &Order) -> Outcome {
    let sent = UdpSocket::bind("0.0.0.0:0")
        .and_then(|socket| socket.send_to(b"hostile", ("127.0.0.1", port(order, "udp"))));
    told(sent, "sent")
}

fn port(order: &Order, name: &str) -> u16 {
    u16::try_from(order.number(name)).unwrap_or_default()
}

/// A listener that others could reach.
fn listen(order: &Order) -> Outcome {
    told(std::net::TcpListener::bind((order.row.as_str(), 0)), "listening")
}

/// A socket of another family: family, type, protocol by number.
fn family(order: &Order) -> Outcome {
    let (family, kind, protocol) = match order.row.as_str() {
        "inet-stream" => (libc::AF_INET, libc::SOCK_STREAM, 0),
        "inet-datagram" => (libc::AF_INET, libc::SOCK_DGRAM, 0),
        "inet6-stream" => (libc::AF_INET6, libc::SOCK_STREAM, 0),
        "inet-mptcp" => (libc::AF_INET, libc::SOCK_STREAM, 262),
        "netlink-route" => (libc::AF_NETLINK, libc::SOCK_RAW, 0),
        "netlink-audit" => (libc::AF_NETLINK, libc::SOCK_RAW, 9),
        "netlink-generic" => (libc::AF_NETLINK, libc::SOCK_RAW, 16),
        "netlink-uevent" => (libc::AF_NETLINK, libc::SOCK_RAW, 15),
        "vsock-stream" => (libc::AF_VSOCK, libc::SOCK_STREAM, 0),
        "vsock-seqpacket" => (libc::AF_VSOCK, libc::SOCK_SEQPACKET, 0),
        "alg" => (libc::AF_ALG, libc::SOCK_SEQPACKET, 0),
        "bluetooth" => (31, libc::SOCK_RAW, 1),
        "can" => (29, libc::SOCK_RAW, 1),
        "tipc" => (30, libc::SOCK_STREAM, 0),
        "rds" => (21, libc::SOCK_SEQPACKET, 0),
        "packet" => (libc::AF_PACKET, libc::SOCK_RAW, 0x0300),
        "xdp" => (44, libc::SOCK_RAW, 0),
        _ => (-1, 0, 0),
    };
    opened(family, kind, protocol)
}

fn opened(family: i32, kind: i32, protocol: i32) -> Outcome {
    let arguments = [family, kind, protocol].map(|number| usize::try_from(number).unwrap_or_default());
    Outcome::of(call(libc::SYS_socket, &arguments), "opened").unless_missing()
}

/// Sockets that see, or make up, what goes over the wire.
fn raw(order: &Order) -> Outcome {
    match order.row.as_str() {
        "icmp" => opened(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP),
        "raw" => opened(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_RAW),
        _ => family(order),
    }
}

/// The socket file of somebody else.
fn socket_file(order: &Order) -> Outcome {
    told(UnixStream::connect(order.path()), "connected")
}

/// A name without a file, which no folder protects.
fn abstract_name(order: &Order) -> Outcome {
    let name = SocketAddr::from_abstract_name(order.target("abstract"));
    told(name.and_then(|name| UnixStream::connect_addr(&name)), "connected")
}

fn listen_abstract(order: &Order) -> Outcome {
    let name = SocketAddr::from_abstract_name(format!("{}-hostile", order.target("abstract")));
    told(name.and_then(|name| UnixListener::bind_addr(&name)), "listening")
}

/// A pair of connected sockets that nobody else has.
pub(crate) fn pair() -> std::result::Result<[usize; 2], nix::errno::Errno> {
    let mut both = [0_u32; 2];
    let place = address_mut(&mut both);
    call(libc::SYS_socketpair, &[libc::AF_UNIX as usize, libc::SOCK_STREAM as usize, 0, place])?;
    Ok(both.map(|end| end as usize))
}
