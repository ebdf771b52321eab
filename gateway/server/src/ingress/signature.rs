//! `X-Hub-Signature-256`: HMAC-SHA-256 over the body as it came.
//!
//! **Invariant:** how long it takes says nothing of how much of a signature is right.

use std::fmt;

use axum::http::{HeaderMap, HeaderName};
use ring::hmac;
use thiserror::Error;

use crate::config::WebhookSecrets;

const SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature-256");
const SCHEME: &[u8] = b"sha256=";

/// Bytes of a signature.
const LENGTH: usize = 32;

/// A signature that doesn't count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SignatureFault {
    /// There is none, or more than one.
    #[error("send the header `X-Hub-Signature-256`, once: give the webhook a secret")]
    Missing,
    /// It isn't written as a signature is.
    #[error("X-Hub-Signature-256 is `sha256=` and 64 hexadecimal digits")]
    Form,
    /// It is that of another body, or under another secret.
    #[error("the signature is not that of this body under the secret of this node")]
    Wrong,
}

/// What a source's webhooks are signed with.
pub struct Secrets {
    current: hmac::Key,
    previous: Option<hmac::Key>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl Secrets {
    /// Of the environment.
    #[must_use]
    pub fn new(secrets: &WebhookSecrets) -> Self {
        let key = |text: &str| hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes());
        Self {
            current: key(secrets.current.expose()),
            previous: secrets.previous.as_ref().map(|previous| key(previous.expose())),
        }
    }

    /// Verifies the signature that a body came with.
    ///
    /// # Errors
    /// [`SignatureFault`].
    pub fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), SignatureFault> {
        let signature = signature(headers)?;
        let keys = [Some(&self.current), self.previous.as_ref()];
        let is_good = |key: &hmac::Key| hmac::verify(key, body, &signature).is_ok();
        let is_signed = keys.into_iter().flatten().any(is_good);
        if is_signed { Ok(()) } else { Err(SignatureFault::Wrong) }
    }
}

/// The signature that a request shows.
///
/// # Errors
/// [`SignatureFault`] where it shows none.
fn signature(headers: &HeaderMap) -> Result<[u8; LENGTH], SignatureFault> {
    let mut values = headers.get_all(SIGNATURE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(SignatureFault::Missing);
    };
    value.as_bytes().strip_prefix(SCHEME).and_then(bytes).ok_or(SignatureFault::Form)
}

fn bytes(hex: &[u8]) -> Option<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    let (pairs, rest) = hex.as_chunks::<2>();
    if pairs.len() != LENGTH || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        *byte = (digit(pair[0])? << 4) | digit(pair[1])?;
    }
    Some(bytes)
}

const fn digit(letter: u8) -> Option<u8> {
    match letter {
        b'0'..=b'9' => Some(letter - b'0'),
        b'a'..=b'f' => Some(letter - b'a' + 10),
        b'A'..=b'F' => Some(letter - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::config::Secret;

    /// The example of GitHub's documentation.
    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const GOOD: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn secrets(current: &str, previous: Option<&str>) -> Secrets {
        let secret = |text: &str| Secret::new(text.to_owned());
        Secrets::new(&WebhookSecrets { current: secret(current), previous: previous.map(secret) })
    }

    fn verify(secrets: &Secrets, signatures: &[&str], body: &[u8]) -> Result<(), SignatureFault> {
        let mut headers = HeaderMap::new();
        for signature in signatures {
            headers.append(SIGNATURE, HeaderValue::from_str(signature).unwrap());
        }
        secrets.verify(&headers, body)
    }

    #[test]
    fn the_example_of_the_documentation_is_verified() {
        let secrets = secrets(SECRET, None);
        assert_eq!(verify(&secrets, &[GOOD], BODY), Ok(()));
        let upper = GOOD.to_uppercase().replace("SHA256", "sha256");
        assert_eq!(verify(&secrets, &[&upper], BODY), Ok(()));
    }

    #[test]
    fn a_byte_more_less_or_other_is_refused() {
        let secrets = secrets(SECRET, None);
        for other in [&b"Hello, World"[..], b"Hello, World!\n", b"Hello, world!", b""] {
            assert_eq!(verify(&secrets, &[GOOD], other), Err(SignatureFault::Wrong));
        }
        for at in 0..64 {
            let mut other = GOOD.as_bytes().to_vec();
            let digit = &mut other[SCHEME.len() + at];
            *digit = if *digit == b'0' { b'1' } else { b'0' };
            let other = String::from_utf8(other).unwrap();
            assert_eq!(verify(&secrets, &[&other], BODY), Err(SignatureFault::Wrong), "{at}");
        }
    }

    #[test]
    fn the_previous_secret_counts_beside_the_present_one() {
        let rotated = secrets("the new one of the node", Some(SECRET));
        assert_eq!(verify(&rotated, &[GOOD], BODY), Ok(()));
        let done = secrets("the new one of the node", None);
        assert_eq!(verify(&done, &[GOOD], BODY), Err(SignatureFault::Wrong));
    }

    #[test]
    fn what_is_no_signature_is_refused_as_what_it_is() {
        let secrets = secrets(SECRET, None);
        assert_eq!(verify(&secrets, &[], BODY), Err(SignatureFault::Missing));
        assert_eq!(verify(&secrets, &[GOOD, GOOD], BODY), Err(SignatureFault::Missing));
        let (short, long) = (&GOOD[..GOOD.len() - 1], format!("{GOOD}0"));
        let sha1 = GOOD.replace("sha256", "sha1");
        for bad in ["", "sha256=", &GOOD[7..], short, &long, &sha1, &GOOD.replace('7', "g")] {
            assert_eq!(verify(&secrets, &[bad], BODY), Err(SignatureFault::Form), "{bad}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?}", secrets(SECRET, Some(SECRET)));
        assert!(!shown.contains("Everybody"), "{shown}");
    }
}
