//! A gateway that speaks TLS.

use coppice_testkit::Sandbox;
use coppice_testkit::binary;
use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use super::{BRIEF, load, said};

/// Certifies a node to itself, by the address that it is reached by.
fn certify(directory: &TempDir) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(directory.path().join("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(directory.path().join("key.pem"), key.serialize_pem()).unwrap();
}

#[tokio::test]
async fn a_gateway_behind_tls_is_driven_and_judged_and_a_stranger_is_not() {
    let (known, strange) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    certify(&known);
    certify(&strange);
    let sandbox = Sandbox::builder(binary())
        .env("COPPICE_SERVER__TLS__CERT", known.path().join("cert.pem"))
        .env("COPPICE_SERVER__TLS__KEY", known.path().join("key.pem"));
    let sandbox = sandbox.start().await.unwrap();
    assert!(sandbox.url().starts_with("https://"), "{}", sandbox.url());
    let target = ["--target", sandbox.url(), "--key", sandbox.key(), "--quiet"];
    // The network's faults too: what is encrypted goes through the proxy as it is.
    let scenario = BRIEF.replace("for_s = 6", "for_s = 3") + CUT;
    let with = |ca: &TempDir| {
        let out = TempDir::new().unwrap();
        let ca = ca.path().join("cert.pem");
        let ca = ["--ca", ca.to_str().unwrap()];
        (load(&scenario, out.path(), &[target.as_slice(), &ca].concat()), out)
    };
    let (output, out) = with(&known);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let report = std::fs::read_to_string(out.path().join("report.txt")).unwrap();
    assert!(report.starts_with("brief: pass"), "{report}");
    let (output, _out) = with(&strange);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("no connection over TLS"), "{}", said(&output));
    // Nobody whom the system trusts knows it either.
    let out = TempDir::new().unwrap();
    let output = load(&scenario, out.path(), &target);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
}

const CUT: &str = "
[[faults]]
kind = 'cut'
at_s = 1
for_s = 0.3
";
