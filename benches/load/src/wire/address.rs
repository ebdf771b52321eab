//! Where the target is, and the key to it.

use std::net::{SocketAddr, ToSocketAddrs};

use hyper::header::HeaderValue;
use thiserror::Error;

use super::tls::{Tls, TlsError, Trust};

/// A target that can't be asked.
#[derive(Debug, Error)]
pub enum TargetError {
    /// The URL is not one of a node.
    #[error("{0} is not a URL such as http://127.0.0.1:8080")]
    Url(String),
    /// TLS can't be spoken with it.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The name leads nowhere.
    #[error("{host} has no address")]
    Resolve {
        /// The name.
        host: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The key has characters that no header may have.
    #[error("the key is not one that can be sent")]
    Key,
}

/// Where to send, and as whom.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where connections go.
    pub address: SocketAddr,
    /// What the requests call it.
    pub host: HeaderValue,
    /// `Bearer` and the key.
    pub bearer: HeaderValue,
    /// How it is spoken with, where not in the clear.
    pub tls: Option<Tls>,
}

impl Target {
    /// By URL and key; whom to trust matters where the URL is one of `https`.
    ///
    /// # Errors
    ///
    /// Where one of them is none that can be used.
    pub fn new(url: &str, key: &str, trust: &Trust) -> Result<Self, TargetError> {
        let (rest, is_secret) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
            (Some(rest), _) => (rest, false),
            (None, Some(rest)) => (rest, true),
            (None, None) => return Err(TargetError::Url(url.to_owned())),
        };
        let host = rest.trim_end_matches('/');
        if host.is_empty() || host.contains('/') {
            return Err(TargetError::Url(url.to_owned()));
        }
        let port = host.rfind(':').filter(|colon| host[*colon..].find(']').is_none());
        let name = &host[..port.unwrap_or(host.len())];
        let with_port = match port {
            Some(_) => host.to_owned(),
            None => format!("{host}:{}", if is_secret { 443 } else { 80 }),
        };
        let tls = is_secret.then(|| Tls::new(name.trim_matches(['[', ']']), trust)).transpose()?;
        let addresses = with_port.to_socket_addrs();
        let address = addresses.and_then(|mut found| {
            found.next().ok_or_else(|| std::io::ErrorKind::AddrNotAvailable.into())
        });
        let address =
            address.map_err(|source| TargetError::Resolve { host: host.to_owned(), source })?;
        let host = HeaderValue::from_str(host).map_err(|_| TargetError::Url(url.to_owned()))?;
        let mut bearer =
            HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| TargetError::Key)?;
        bearer.set_sensitive(true);
        Ok(Self { address, host, bearer, tls })
    }

    /// The same node, reached by another address.
    #[must_use]
    pub fn by_way_of(&self, address: SocketAddr) -> Self {
        Self { address, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_nodes_are_taken_and_others_refused() {
        let target = |url| Target::new(url, "k", &Trust::System);
        let address = |url| target(url).map(|target| target.address.to_string());
        assert_eq!(address("http://127.0.0.1:8080").unwrap(), "127.0.0.1:8080");
        assert_eq!(address("http://127.0.0.1/").unwrap(), "127.0.0.1:80");
        assert_eq!(address("http://[::1]:81").unwrap(), "[::1]:81");
        for odd in ["127.0.0.1:80", "http://", "https://", "http://a/v1", "ftp://a"] {
            assert!(matches!(address(odd), Err(TargetError::Url(_))), "{odd}");
        }
        let odd_key = Target::new("http://127.0.0.1", "a\nb", &Trust::System);
        assert!(matches!(odd_key, Err(TargetError::Key)));
    }

    #[test]
    fn a_key_is_never_printed() {
        let target = Target::new("http://127.0.0.1", "sk_live_secret", &Trust::System).unwrap();
        assert!(!format!("{target:?}").contains("secret"));
    }
}
