//! The other side: servers that say what a test wants them to say, in the clear or over TLS.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use smcp_egress::{Dial, Stream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_rustls::TlsAcceptor;

/// A piece that is never sent: the connection stays open and silent instead.
pub(crate) const HANG: &[u8] = b"\0hang";

/// What it answers to a request, piece by piece; then it closes.
pub(crate) type Handler = Arc<dyn Fn(&str) -> Vec<Vec<u8>> + Send + Sync>;

/// Always the same pieces.
pub(crate) fn answering(pieces: &[&[u8]]) -> Handler {
    let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
    Arc::new(move |_| pieces.clone())
}

/// 200 with this body.
pub(crate) fn ok(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Servers behind a dialer that records.
#[derive(Clone)]
pub(crate) struct World {
    handler: Handler,
    tls: Option<TlsAcceptor>,
    /// Addresses that refuse the connection.
    pub(crate) down: Arc<Mutex<Vec<SocketAddr>>>,
    /// Addresses that never answer it.
    pub(crate) silent: Arc<Mutex<Vec<SocketAddr>>>,
    /// Every address that was dialled.
    pub(crate) dialled: Arc<Mutex<Vec<SocketAddr>>>,
    /// Every request as it came.
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
    /// Addresses of the machine, beside loopback.
    pub(crate) own: Arc<Mutex<Vec<IpAddr>>>,
}

impl World {
    pub(crate) fn new(handler: Handler, tls: Option<TlsAcceptor>) -> Self {
        Self {
            handler,
            tls,
            down: Arc::default(),
            silent: Arc::default(),
            dialled: Arc::default(),
            requests: Arc::default(),
            own: Arc::default(),
        }
    }

    pub(crate) fn dialled(&self) -> Vec<String> {
        self.dialled.lock().unwrap().iter().map(ToString::to_string).collect()
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Serves one connection, however it is carried.
    pub(crate) async fn serve(self, stream: impl Stream) -> io::Result<()> {
        match self.tls.clone() {
            Some(tls) => self.talk(tls.accept(stream).await?).await,
            None => self.talk(stream).await,
        }
    }

    async fn talk(self, mut stream: impl Stream) -> io::Result<()> {
        let request = read_request(&mut stream).await?;
        self.requests.lock().unwrap().push(request.clone());
        for piece in (self.handler)(&request) {
            if piece == HANG {
                std::future::pending::<()>().await;
            }
            stream.write_all(&piece).await?;
            stream.flush().await?;
            tokio::task::yield_now().await;
        }
        stream.shutdown().await
    }
}

#[async_trait]
impl Dial for World {
    async fn dial(&self, to: SocketAddr) -> io::Result<Box<dyn Stream>> {
        self.dialled.lock().unwrap().push(to);
        if self.down.lock().unwrap().contains(&to) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        if self.silent.lock().unwrap().contains(&to) {
            std::future::pending::<()>().await;
        }
        let (near, far): (DuplexStream, DuplexStream) = duplex(16 << 10);
        let world = self.clone();
        #[allow(clippy::disallowed_methods, reason = "the other side of a test")]
        tokio::spawn(async move {
            // How a connection ends is what tests look at from the other side.
            let _ = world.serve(far).await;
        });
        Ok(Box::new(near))
    }

    fn is_this_machine(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.own.lock().unwrap().contains(&address)
    }
}

/// Head and body, the latter by its length or to its last chunk.
async fn read_request(stream: &mut (impl Stream + ?Sized)) -> io::Result<String> {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await?;
        text.extend_from_slice(&buffer[..read]);
        let so_far = String::from_utf8_lossy(&text).into_owned();
        if is_whole(&so_far) || read == 0 {
            return Ok(so_far);
        }
    }
}

fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    match length {
        Some(length) => body.len() >= length,
        None if head.contains("transfer-encoding: chunked") => body.ends_with("0\r\n\r\n"),
        None => true,
    }
}

/// A certificate authority of the test's own, and a server's side of TLS for these names.
pub(crate) fn authority(names: &[&str]) -> (CertificateDer<'static>, TlsAcceptor) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let leaf_key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let leaf = CertificateParams::new(names).unwrap().signed_by(&leaf_key, &issuer).unwrap();
    let private = PrivateKeyDer::try_from(leaf_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], private)
        .unwrap();
    (root.der().clone(), TlsAcceptor::from(Arc::new(config)))
}
