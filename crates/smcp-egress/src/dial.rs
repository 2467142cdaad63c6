//! Connections to addresses: the port, and the dialer of the real world.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use async_trait::async_trait;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// Bytes both ways.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects to addresses. It is given what was checked, never a name: nothing is looked up a second time.
#[async_trait]
pub trait Dial: Send + Sync + 'static {
    /// Opens a connection to this very address.
    ///
    /// # Errors
    /// It cannot be opened.
    async fn dial(&self, to: SocketAddr) -> io::Result<Box<dyn Stream>>;

    /// Whether an address is one of this machine's. Sends nothing.
    fn is_this_machine(&self, address: IpAddr) -> bool;
}

/// TCP.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpDialer;

#[async_trait]
impl Dial for TcpDialer {
    async fn dial(&self, to: SocketAddr) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }

    fn is_this_machine(&self, address: IpAddr) -> bool {
        address.is_loopback() || source_of(address).is_ok_and(|source| source == address)
    }
}

/// Where a packet to the address would come from, as the kernel routes: its own addresses are reached from themselves.
/// Connecting a UDP socket sends nothing.
fn source_of(address: IpAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect((address, 9))?;
    Ok(socket.local_addr()?.ip())
}
