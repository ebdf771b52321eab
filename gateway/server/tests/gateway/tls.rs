//! TLS: who is served, for whom a certificate stands, and what becomes of unfinished handshakes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use coppice_core::TenantId;
use coppice_core::hash::sha256;
use coppice_server::config::{ClientAuth, Config, TlsCaller};
use coppice_server::routes;
use coppice_server::serve::{ConnectionLimits, serve_with};
use coppice_server::tls::{Tls, TlsError};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::support::{Gateway, KEY, config, gateway_with};

const PATIENCE: Duration = Duration::from_secs(10);
const READ: &str = "GET /v1/entities/counter/a HTTP/1.1\r\n";

/// An authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: CertificateDer<'static>,
}

/// A certificate with its key.
struct Leaf {
    pem: String,
    key_pem: String,
    der: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let (pem, der) = (certificate.pem(), certificate.der().clone());
        Self { issuer: Issuer::new(params, key), pem, der }
    }

    fn sign(&self, names: &[&str]) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        for name in names {
            let name = (*name).try_into().unwrap();
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Leaf {
            pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            der: certificate.der().clone(),
            key: key.serialize_der(),
        }
    }
}

/// A gateway behind TLS.
struct Served {
    authority: Authority,
    directory: TempDir,
    gateway: Gateway,
    tls: Tls,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinSet<std::io::Result<()>>,
}

fn write_server(directory: &Path, leaf: &Leaf) {
    std::fs::write(directory.join("cert.pem"), &leaf.pem).unwrap();
    std::fs::write(directory.join("key.pem"), &leaf.key_pem).unwrap();
}

fn caller(san: Option<&str>, sha256: Option<String>) -> TlsCaller {
    let (san, tenant) = (san.map(str::to_owned), TenantId::new("robots").unwrap());
    TlsCaller { san, sha256, tenant, scopes: vec!["entities:read".to_owned()] }
}

async fn serve(
    authority: Authority,
    client_auth: ClientAuth,
    callers: Vec<TlsCaller>,
    change: impl FnOnce(&mut Config),
) -> Served {
    let directory = tempfile::tempdir().unwrap();
    write_server(directory.path(), &authority.sign(&["localhost"]));
    std::fs::write(directory.path().join("ca.pem"), &authority.pem).unwrap();
    let mut config = config();
    let settings = &mut config.server.tls;
    settings.cert = directory.path().join("cert.pem");
    settings.key = directory.path().join("key.pem");
    settings.client_ca = directory.path().join("ca.pem");
    settings.client_auth = client_auth;
    let named = callers.into_iter().enumerate().map(|(at, one)| (format!("robot-{at}"), one));
    settings.callers = named.collect::<BTreeMap<_, _>>();
    change(&mut config);
    let tls = Tls::new(&config.server.tls).unwrap().unwrap();
    let gateway = gateway_with(&config);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let router = routes::router(gateway.state.clone());
    let limits = ConnectionLimits::from(&config.server);
    let mut server = JoinSet::new();
    server.spawn(serve_with(listener, router, limits, Some(tls.clone()), async {
        stopped.await.unwrap();
    }));
    Served { authority, directory, gateway, tls, address, stop, server }
}

impl Served {
    /// The whole answer to a request, or the reason why there is none.
    async fn ask(&self, shown: Option<&Leaf>, request: &str) -> Result<String, std::io::Error> {
        self.ask_trusting(&self.authority, shown, request).await
    }

    async fn ask_trusting(
        &self,
        trusted: &Authority,
        shown: Option<&Leaf>,
        request: &str,
    ) -> Result<String, std::io::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let client = match shown {
            None => builder.with_no_client_auth(),
            Some(leaf) => {
                let key = PrivateKeyDer::try_from(leaf.key.clone()).unwrap();
                builder.with_client_auth_cert(vec![leaf.der.clone()], key).unwrap()
            }
        };
        let asked = async {
            let stream = TcpStream::connect(self.address).await?;
            let name = ServerName::try_from("localhost").unwrap();
            let mut stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await?;
            let request = format!("{request}Host: x\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            let mut text = String::new();
            stream.read_to_string(&mut text).await?;
            Ok(text)
        };
        timeout(PATIENCE, asked).await.expect("it hangs")
    }

    /// The status of a request, with headers.
    async fn status(&self, shown: Option<&Leaf>, headers: &str) -> u16 {
        let text = self.ask(shown, &format!("{READ}{headers}")).await.unwrap();
        text.strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap()
    }
}

fn bearer() -> String {
    format!("Authorization: Bearer {KEY}\r\n")
}

#[tokio::test]
async fn requests_over_tls_are_answered_and_plain_ones_are_not() {
    let served = serve(Authority::new(), ClientAuth::Off, Vec::new(), |_| {}).await;
    assert_eq!(served.status(None, &bearer()).await, 200);
    assert_eq!(served.status(None, "").await, 401);
    let mut plain = TcpStream::connect(served.address).await.unwrap();
    plain.write_all(format!("{READ}Host: x\r\n\r\n").as_bytes()).await.unwrap();
    let mut text = Vec::new();
    timeout(PATIENCE, plain.read_to_end(&mut text)).await.expect("it hangs").ok();
    assert!(!text.starts_with(b"HTTP"), "{text:?}");
    let stranger = Authority::new();
    assert!(served.ask_trusting(&stranger, None, READ).await.is_err(), "nobody's certificate");
}

#[tokio::test]
async fn a_certificate_stands_for_its_caller() {
    let authority = Authority::new();
    let printed = authority.sign(&["unnamed.example.com"]);
    let fingerprint = sha256(&printed.der).to_string();
    let callers = vec![
        caller(Some("robot.example.com"), None),
        caller(None, Some(fingerprint)),
        caller(Some("second.example.com"), None),
    ];
    let served = serve(authority, ClientAuth::Required, callers, |_| {}).await;
    let named = served.authority.sign(&["other.example.com", "robot.example.com"]);
    for leaf in [&named, &printed] {
        assert_eq!(served.status(Some(leaf), "").await, 200);
        let add = "POST /v1/entities/counter/a/add HTTP/1.1\r\nContent-Length: 0\r\n";
        let refused = served.ask(Some(leaf), add).await.unwrap();
        assert!(refused.contains("403") && refused.contains("entities:write"), "{refused}");
    }
    // Nobody's, and that of two, which is nobody's either.
    let unknown = served.authority.sign(&["x.robot.example.com", "robot.example.com.x"]);
    let both = served.authority.sign(&["robot.example.com", "second.example.com"]);
    for leaf in [&unknown, &both] {
        assert_eq!(served.status(Some(leaf), "").await, 401);
        assert_eq!(served.status(Some(leaf), &bearer()).await, 200, "a key still counts");
    }
}

#[tokio::test]
async fn what_a_request_presents_decides_alone() {
    let callers = vec![caller(Some("robot.example.com"), None)];
    let served = serve(Authority::new(), ClientAuth::Required, callers, |_| {}).await;
    let robot = served.authority.sign(&["robot.example.com"]);
    let wrong = "Authorization: Bearer sk_test_ffffffffffffffffffffffffffffffff\r\n";
    assert_eq!(served.status(Some(&robot), wrong).await, 401);
    assert_eq!(served.status(Some(&robot), "Authorization: Basic dTpw\r\n").await, 401);
    // The key may write, the certificate may not.
    let body = "Content-Type: application/json\r\nContent-Length: 0\r\n";
    let add = format!("POST /v1/entities/counter/a/add HTTP/1.1\r\n{body}{}", bearer());
    assert!(served.ask(Some(&robot), &add).await.unwrap().starts_with("HTTP/1.1 200"));
    let asked = served.gateway.kind.last.lock().take().unwrap();
    assert_eq!(asked.tenant.as_str(), "t", "the key's tenant");
    // A browser shows its certificate whichever page asks.
    assert_eq!(served.status(Some(&robot), "Origin: https://evil.example.com\r\n").await, 401);
    assert_eq!(served.status(Some(&robot), "").await, 200);
}

#[tokio::test]
async fn a_certificate_is_asked_for_as_the_settings_say() {
    let stranger = Authority::new();
    let names = ["robot.example.com"];
    let callers = || vec![caller(Some(names[0]), None)];
    let forged = stranger.sign(&names);
    let required = serve(Authority::new(), ClientAuth::Required, callers(), |_| {}).await;
    assert!(required.ask(None, &format!("{READ}{}", bearer())).await.is_err());
    assert!(required.ask(Some(&forged), READ).await.is_err());
    let optional = serve(Authority::new(), ClientAuth::Optional, callers(), |_| {}).await;
    assert_eq!(optional.status(None, &bearer()).await, 200);
    assert_eq!(optional.status(None, "").await, 401);
    assert!(optional.ask(Some(&forged), READ).await.is_err());
    assert_eq!(optional.status(Some(&optional.authority.sign(&names)), "").await, 200);
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_handshake_holds_up_nobody() {
    let served = serve(Authority::new(), ClientAuth::Off, Vec::new(), |config| {
        config.server.connections_max = 3;
        config.server.tls.handshake_timeout_ms = 300_000;
    })
    .await;
    let mut silent = [
        TcpStream::connect(served.address).await.unwrap(),
        TcpStream::connect(served.address).await.unwrap(),
    ];
    silent[0].write_all(b"\x16\x03\x01").await.unwrap();
    assert_eq!(served.status(None, &bearer()).await, 200);
    // Nor a stop.
    let Served { stop, server, .. } = served;
    stop.send(()).unwrap();
    timeout(PATIENCE, server.join_all()).await.expect("it waits for a handshake");
}

#[tokio::test]
async fn an_unfinished_handshake_gives_its_place_back() {
    let served = serve(Authority::new(), ClientAuth::Off, Vec::new(), |config| {
        config.server.connections_max = 1;
        config.server.tls.handshake_timeout_ms = 5_000;
    })
    .await;
    let mut silent = TcpStream::connect(served.address).await.unwrap();
    silent.write_all(b"\x16\x03\x01").await.unwrap();
    assert_eq!(served.status(None, &bearer()).await, 200, "it waited for the place");
    let mut rest = Vec::new();
    timeout(PATIENCE, silent.read_to_end(&mut rest)).await.expect("it hangs").ok();
}

#[tokio::test]
async fn certificates_are_read_again_and_bad_ones_leave_those_there_are() {
    let served = serve(Authority::new(), ClientAuth::Off, Vec::new(), |_| {}).await;
    let successor = Authority::new();
    write_server(served.directory.path(), &successor.sign(&["localhost"]));
    assert_eq!(served.status(None, &bearer()).await, 200, "not before it is told");
    served.tls.reload().unwrap();
    let request = format!("{READ}{}", bearer());
    assert!(served.ask(None, &request).await.is_err(), "the old authority's is gone");
    let answer = served.ask_trusting(&successor, None, &request).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // A key that isn't the certificate's, and no certificate at all.
    let other = successor.sign(&["localhost"]);
    std::fs::write(served.directory.path().join("key.pem"), &other.key_pem).unwrap();
    assert!(matches!(served.tls.reload(), Err(TlsError::Unusable(_))));
    std::fs::write(served.directory.path().join("cert.pem"), "no PEM").unwrap();
    assert!(served.tls.reload().is_err());
    let answer = served.ask_trusting(&successor, None, &request).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
