//! Credentials with the real binary: a token that it issues, and certificates that it serves with.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use coppice_testkit::{Client, Sandbox, binary};
use rcgen::{CertificateParams, KeyPair};
use reqwest::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;

const SECRET: &str = "a-secret-of-forty-characters-for-a-test-";
const PATIENCE: Duration = Duration::from_secs(10);

/// `coppice token` with these arguments, under a secret.
fn token(secret: Option<&str>, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.arg("token").args(arguments).stdin(Stdio::null()).env_clear();
    if let Some(secret) = secret {
        command.env("COPPICE_JWT_SECRET", secret);
    }
    command.output().unwrap()
}

fn issued(secret: &str, arguments: &[&str]) -> String {
    let output = token(Some(secret), arguments);
    assert!(output.status.success(), "{output:?}");
    let line = String::from_utf8(output.stdout).unwrap();
    line.strip_suffix('\n').unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_opens_what_it_names_and_nothing_else() {
    let sandbox = Sandbox::builder(binary()).env("COPPICE_JWT_SECRET", SECRET);
    let sandbox = sandbox.start().await.unwrap();
    let both = ["--scope", "entities:write", "--scope", "entities:read"];
    let of = |tenant: &str, scopes: &[&str]| {
        let key = issued(SECRET, &[&["--tenant", tenant], scopes].concat());
        Client::new(sandbox.url(), &key)
    };
    let adds = async |client: Client| {
        client.post("/v1/entities/counter/a/add", &json!({"n": 1}), None).await.unwrap().status
    };
    assert_eq!(adds(of("default", &both)).await, StatusCode::OK);
    assert_eq!(adds(of("default", &both[2..])).await, StatusCode::FORBIDDEN);
    let own = Client::new(sandbox.url(), sandbox.key());
    let seen = own.get("a").await.unwrap();
    assert_eq!((seen.status, &seen.body["state"]["value"]), (StatusCode::OK, &json!(1)));
    let other = Client::new(
        sandbox.url(),
        &issued(
            "another-secret-of-forty-characters-here-",
            &[&["--tenant", "default"][..], &both].concat(),
        ),
    );
    assert_eq!(adds(other).await, StatusCode::UNAUTHORIZED, "another's signature");
}

#[test]
fn what_a_node_would_refuse_is_not_issued() {
    let good = ["--tenant", "default", "--scope", "entities:read"];
    for (secret, arguments, problem) in [
        (None, &good[..], "COPPICE_JWT_SECRET"),
        (Some("too short"), &good, "32"),
        (Some(SECRET), &["--tenant", "a b", "--scope", "entities:read"], "the tenant is none"),
        (Some(SECRET), &["--tenant", "default", "--scope", "entities:own"], "no scope"),
        (Some(SECRET), &[&good[..], &["--ttl", "0"]].concat(), "seconds"),
    ] {
        let output = token(secret, arguments);
        let (said, printed) = (String::from_utf8_lossy(&output.stderr), &output.stdout);
        assert_eq!((output.status.code(), printed.len()), (Some(2), 0), "{arguments:?}: {said}");
        assert!(said.contains(problem), "{arguments:?}: {said}");
    }
}

/// Writes a new certificate for `localhost` and its key where the node reads them.
fn certify(directory: &Path) -> CertificateDer<'static> {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(directory.join("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(directory.join("key.pem"), key.serialize_pem()).unwrap();
    certificate.der().clone()
}

/// The first line of an answer of whoever shows this certificate; an error from anybody else.
async fn asks(url: &str, trusted: &CertificateDer<'static>) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let asked = async {
        let stream = TcpStream::connect(url.strip_prefix("https://").unwrap()).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await?;
        let request = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok(text.lines().next().unwrap_or_default().to_owned())
    };
    timeout(PATIENCE, asked).await.expect("it hangs")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_read_again_on_sighup_and_broken_ones_leave_what_there_is() {
    let directory = tempfile::tempdir().unwrap();
    let first = certify(directory.path());
    let sandbox = Sandbox::builder(binary())
        .env("COPPICE_SERVER__TLS__CERT", directory.path().join("cert.pem"))
        .env("COPPICE_SERVER__TLS__KEY", directory.path().join("key.pem"));
    let mut sandbox = sandbox.start().await.unwrap();
    let url = sandbox.url().to_owned();
    let served = "HTTP/1.1 200 OK";
    assert_eq!(asks(&url, &first).await.unwrap(), served);
    let process = Pid::from_raw(sandbox.process_id().unwrap().cast_signed()).unwrap();

    std::fs::write(directory.path().join("cert.pem"), "no certificate").unwrap();
    kill_process(process, Signal::HUP).unwrap();
    let said = "the certificates were not read again";
    let deadline = Instant::now() + PATIENCE;
    while !sandbox.log_tail().contains(said) {
        assert!(Instant::now() < deadline, "{}", sandbox.log_tail());
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(asks(&url, &first).await.unwrap(), served);

    let second = certify(directory.path());
    assert!(asks(&url, &second).await.is_err(), "nobody has told the node");
    kill_process(process, Signal::HUP).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while asks(&url, &second).await.is_err() {
        assert!(Instant::now() < deadline, "{}", sandbox.log_tail());
        sleep(Duration::from_millis(20)).await;
    }
    assert!(asks(&url, &first).await.is_err(), "the first one is no more");
    assert!(sandbox.terminate().await.unwrap().success());
}
