//! TLS to the other side: whom we trust, and that the certificate is for the host of the request.

use std::{io, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use smcp_manifest::Host;
use smcp_types::{Error, Refusal, Result};
use tokio_rustls::TlsConnector;

use crate::dial::Stream;

/// The certificate authorities that servers are believed for.
#[derive(Clone, Debug)]
pub struct Roots(Arc<RootCertStore>);

impl Roots {
    /// The system's, and those of one more file. Reads files: for the start of the platform.
    ///
    /// # Errors
    /// `Unavailable`: there are none at all, or the file has none.
    pub fn system(extra: Option<&Path>) -> Result<Self> {
        let mut store = RootCertStore::empty();
        // What of the system's store does not parse is left out: many systems have one such.
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = extra {
            for certificate in read(path).map_err(|why| unreadable(path, &why))? {
                store.add(certificate).map_err(|error| unreadable(path, &error.to_string()))?;
            }
        }
        if store.is_empty() {
            let refusal =
                Refusal::new("the system has no certificate authorities, so no server could be believed")
                    .hint("install the system's package of them (ca-certificates)");
            return Err(Error::Unavailable(refusal));
        }
        Ok(Self(Arc::new(store)))
    }

    /// These and no others.
    ///
    /// # Errors
    /// `Invalid`: one is no certificate.
    pub fn only(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Result<Self> {
        let mut store = RootCertStore::empty();
        for certificate in certificates {
            store.add(certificate).map_err(|error| Error::invalid(format!("no certificate: {error}")))?;
        }
        Ok(Self(Arc::new(store)))
    }
}

fn read(path: &Path) -> std::result::Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())?;
    let certificates: Vec<_> =
        certificates.collect::<std::result::Result<_, _>>().map_err(|error| error.to_string())?;
    if certificates.is_empty() { Err("it has no certificate".to_owned()) } else { Ok(certificates) }
}

fn unreadable(path: &Path, why: &str) -> Error {
    let refusal =
        Refusal::new(format!("{} cannot be used as certificate authorities: {why}", path.display()));
    Error::Unavailable(refusal.hint("name a file with certificates in PEM form"))
}

/// What makes connections secure.
pub(crate) fn connector(roots: &Roots) -> Result<TlsConnector> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?
        .with_root_certificates(Arc::clone(&roots.0))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Sessions that tenants share would tell each of them, by the time a handshake takes, where the others have been.
    config.resumption = Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Does the handshake, for the host of the request and no other.
pub(crate) async fn secure(
    connector: &TlsConnector,
    host: &Host,
    stream: Box<dyn Stream>,
) -> io::Result<Box<dyn Stream>> {
    let name = match host.address() {
        Some(address) => ServerName::from(address),
        None => ServerName::try_from(host.as_str().to_owned()).map_err(io::Error::other)?,
    };
    Ok(Box::new(connector.connect(name, stream).await?))
}
