//! TLS on the gateway's listener, and client certificates as credentials.
//!
//! **Invariants:** a handshake belongs to its connection's task and seat, and is cut off after
//! `server.tls.handshake_timeout_ms`, so a client that doesn't finish it holds one seat for that
//! long and nobody else up. Certificates that can't be loaded stop the start, and leave a running
//! node with those it has.
//!
//! **Deliberately absent:** revocation lists. A certificate counts until it ends, or its caller is
//! taken out of the settings.

mod callers;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::http::Request;
use hyper::service::Service;
use parking_lot::RwLock;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::auth::Principal;
use crate::config::{ClientAuth, TlsConfig};
use callers::Callers;

pub use callers::CallerError;

/// Why there is no TLS; found before anything is opened.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file can't be read, or isn't what it should be in PEM.
    #[error("{key} can not be read from {file}")]
    Unreadable {
        /// The setting.
        key: &'static str,
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// Certificate and key don't go together, or can't be used.
    #[error("the certificates can not be used")]
    Unusable(#[source] rustls::Error),
    /// The authorities of clients can't be used.
    #[error("server.tls.client_ca can not be used")]
    ClientCa(#[source] VerifierBuilderError),
    /// A caller's entry can't be used.
    #[error("the caller {name} of server.tls.callers can not be used")]
    Caller {
        /// Its name in the settings.
        name: String,
        /// Why.
        #[source]
        source: CallerError,
    },
}

/// TLS as configured. Cheap to clone; clones share their certificates.
#[derive(Clone)]
pub struct Tls {
    settings: Arc<TlsConfig>,
    present: Arc<RwLock<Arc<ServerConfig>>>,
    callers: Arc<Callers>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("cert", &self.settings.cert).finish_non_exhaustive()
    }
}

/// The caller that a connection's certificate stands for.
#[derive(Debug, Clone)]
pub struct Certified(pub Arc<Principal>);

impl Tls {
    /// As configured; `None` where there is no certificate.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(settings: &TlsConfig) -> Result<Option<Self>, TlsError> {
        if settings.cert.as_os_str().is_empty() {
            return Ok(None);
        }
        let present = Arc::new(RwLock::new(Arc::new(load(settings)?)));
        let callers = Arc::new(Callers::new(&settings.callers)?);
        Ok(Some(Self { settings: Arc::new(settings.clone()), present, callers }))
    }

    /// Reads the files again, for connections from now on.
    ///
    /// # Errors
    /// [`TlsError`]; what there was stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = Arc::new(load(&self.settings)?);
        *self.present.write() = fresh;
        Ok(())
    }

    /// Shakes hands with a client, within the time for it.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
    ) -> io::Result<(TlsStream<TcpStream>, Option<Certified>)> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.present.read()));
        let within = Duration::from_millis(self.settings.handshake_timeout_ms);
        let stream = timeout(within, acceptor.accept(stream)).await.map_err(|_| {
            io::Error::new(io::ErrorKind::TimedOut, "the handshake took too long")
        })??;
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let caller = shown.and_then(|certificate| self.callers.find(certificate));
        Ok((stream, caller.map(Certified)))
    }
}

fn load(settings: &TlsConfig) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?;
    let builder = match settings.client_auth {
        ClientAuth::Off => builder.with_no_client_auth(),
        wanted @ (ClientAuth::Optional | ClientAuth::Required) => {
            let mut roots = RootCertStore::empty();
            for root in certificates("server.tls.client_ca", &settings.client_ca)? {
                roots.add(root).map_err(TlsError::Unusable)?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = match wanted {
                ClientAuth::Optional => verifier.allow_unauthenticated(),
                ClientAuth::Off | ClientAuth::Required => verifier,
            };
            builder.with_client_cert_verifier(verifier.build().map_err(TlsError::ClientCa)?)
        }
    };
    let chain = certificates("server.tls.cert", &settings.cert)?;
    let key = PrivateKeyDer::from_pem_file(&settings.key)
        .map_err(|source| unreadable("server.tls.key", &settings.key, source))?;
    let mut config = builder.with_single_cert(chain, key).map_err(TlsError::Unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(key: &'static str, file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|source| unreadable(key, file, source))
}

fn unreadable(key: &'static str, file: &Path, source: pem::Error) -> TlsError {
    TlsError::Unreadable { key, file: file.to_owned(), source }
}

/// A service of one connection that tells each request whose certificate the connection has.
#[derive(Debug)]
pub(crate) struct Introduced<S> {
    inner: S,
    caller: Option<Certified>,
}

impl<S> Introduced<S> {
    pub(crate) const fn new(inner: S, caller: Option<Certified>) -> Self {
        Self { inner, caller }
    }
}

impl<S, B> Service<Request<B>> for Introduced<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, mut request: Request<B>) -> Self::Future {
        if let Some(caller) = &self.caller {
            request.extensions_mut().insert(caller.clone());
        }
        self.inner.call(request)
    }
}
