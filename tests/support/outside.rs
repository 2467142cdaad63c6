//! The outside world on loopback: a name server, and a server that speaks TLS under names of a test's own authority.

use std::{
    io::{self, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
};

/// What it answers to a request: everything after the status line's version.
pub type Handler = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// A server for one name.
pub struct Outside {
    name: String,
    root: CertificateDer<'static>,
    port: u16,
    dns: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Outside {
    /// Serves under a name, which the name server knows, and no other.
    pub fn serving(name: &str, handler: Handler) -> Self {
        let (root, config) = authority(name);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let heard = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (config, handler, heard) =
                    (Arc::clone(&config), Arc::clone(&handler), Arc::clone(&heard));
                // How a connection ends is what tests look at from the other side.
                thread::spawn(move || serve(stream?, config, &handler, &heard));
            }
        });
        Self { name: name.to_owned(), root, port, dns: name_server(name), requests }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Every request as it came.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// The configuration of a node that looks names up here, believes this authority, and opens loopback to one server.
    pub fn config(&self, folder: &Path, tenant: &str, server: &str) -> String {
        let roots = folder.join("roots.pem");
        let text = data_encoding::BASE64.encode(&self.root);
        std::fs::write(&roots, format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"))
            .unwrap();
        format!(
            "[egress]\nnetworks = [\"{tenant}/{server}=127.0.0.1/32\"]\nresolver = \"127.0.0.1:{}\"\nroots = \"{}\"\n",
            self.dns,
            roots.display()
        )
    }

    /// A manifest for the real host with the port of this one.
    pub fn manifest(&self, text: &str) -> String {
        let Self { name, port, .. } = self;
        let text = text.replace(&format!("https://{name}"), &format!("https://{name}:{port}"));
        let text = text.replace(
            &format!("allow = [\"{name}\"]"),
            &format!("allow = [{{ host = \"{name}\", ports = [{port}] }}]"),
        );
        text.replace("[[egress.inject]]\n", &format!("[[egress.inject]]\nport = {port}\n"))
    }
}

fn serve(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    handler: &Handler,
    heard: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    let request = read_request(&mut stream)?;
    heard.lock().unwrap().push(request.clone());
    stream.write_all(format!("HTTP/1.1 {}", handler(&request)).as_bytes())?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// The head of a request, and its body by its length.
fn read_request(stream: &mut impl io::Read) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body)?;
    Ok(text + &String::from_utf8_lossy(&body))
}

/// A name server that knows one name, and says that it is this machine.
fn name_server(name: &str) -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let labels: Vec<u8> = name
        .split('.')
        .flat_map(|label| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat())
        .collect();
    thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            if let Some(answer) = answer(&buffer[..length], &labels) {
                socket.send_to(&answer, from).unwrap();
            }
        }
    });
    port
}

fn answer(question: &[u8], known: &[u8]) -> Option<Vec<u8>> {
    // After twelve bytes of header come the labels of the name, a zero, type and class.
    let name = 12 + question.get(12..)?.iter().position(|byte| *byte == 0)?;
    let kind = *question.get(name + 2)?;
    let asked = question[12..name].eq_ignore_ascii_case(known);
    let found = u8::from(asked && kind == 1);
    let mut out = question[..2].to_vec();
    out.extend([0x81, if asked { 0x80 } else { 0x83 }, 0, 1, 0, found, 0, 0, 0, 0]);
    out.extend(question.get(12..name + 5)?);
    if found == 1 {
        // A pointer to the name, type A, class IN, a time to live of nothing, four bytes.
        out.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        out.extend(Ipv4Addr::LOCALHOST.octets());
    }
    Some(out)
}

fn authority(name: &str) -> (CertificateDer<'static>, Arc<ServerConfig>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let leaf_key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&leaf_key, &issuer).unwrap();
    let private = PrivateKeyDer::try_from(leaf_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], private)
        .unwrap();
    (root.der().clone(), Arc::new(config))
}
