//! TLS on the way to a target.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// By whose word a target is believed to be the one that it says it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Trust {
    /// Of those whom the system trusts.
    #[default]
    System,
    /// Of the certificates in a PEM file, and nobody else's.
    File(PathBuf),
}

/// TLS that can't be spoken with a target.
#[derive(Debug, Error)]
pub enum TlsError {
    /// No certificate of those to be trusted can be read.
    #[error("{whose} has no certificate to trust: {problem}")]
    Roots {
        /// Where they should be.
        whose: String,
        /// What is there instead.
        problem: String,
    },
    /// The target's name is none that a certificate could have.
    #[error("{name} is no name that a certificate could have")]
    Name {
        /// The name.
        name: String,
        /// Why not.
        #[source]
        source: InvalidDnsNameError,
    },
    /// The library refuses its own defaults.
    #[error("there is no TLS to be had")]
    Library(#[from] rustls::Error),
}

/// How a target is spoken with in secret.
#[derive(Clone)]
pub struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Tls {
    /// With a target of this name, or address.
    ///
    /// # Errors
    ///
    /// [`TlsError`]
    pub fn new(name: &str, trust: &Trust) -> Result<Self, TlsError> {
        let refused = |source| TlsError::Name { name: name.to_owned(), source };
        let name = ServerName::try_from(name.to_owned()).map_err(refused)?;
        let mut client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots(trust)?)
            .with_no_client_auth();
        client.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { connector: TlsConnector::from(Arc::new(client)), name })
    }

    pub(super) async fn speak(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        self.connector.connect(self.name.clone(), stream).await
    }
}

/// Those of a system that can't be read are left out, as everywhere; those of a file are all meant.
fn roots(trust: &Trust) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let (whose, problem) = match trust {
        Trust::System => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            ("the system".to_owned(), found.errors.first().map(ToString::to_string))
        }
        Trust::File(path) => {
            let whose = path.display().to_string();
            let refused = |problem: String| TlsError::Roots { whose: whose.clone(), problem };
            let found = CertificateDer::pem_file_iter(path);
            for certificate in found.map_err(|error| refused(error.to_string()))? {
                let certificate = certificate.map_err(|error| refused(error.to_string()))?;
                roots.add(certificate).map_err(|error| refused(error.to_string()))?;
            }
            (whose, None)
        }
    };
    if roots.is_empty() {
        let problem = problem.unwrap_or_else(|| "it has none at all".to_owned());
        return Err(TlsError::Roots { whose, problem });
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        for content in [None, Some(""), Some("no certificate")] {
            if let Some(content) = content {
                std::fs::write(&path, content).unwrap();
            }
            let refused = Tls::new("localhost", &Trust::File(path.clone())).unwrap_err();
            assert!(matches!(refused, TlsError::Roots { .. }), "{content:?}: {refused}");
        }
    }
}
