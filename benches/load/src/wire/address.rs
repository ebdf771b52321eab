//! Where the target is, and the key to it.

use std::net::{SocketAddr, ToSocketAddrs};

use hyper::header::HeaderValue;
use thiserror::Error;

/// A target that can't be asked.
#[derive(Debug, Error)]
pub enum TargetError {
    /// The URL is not one of a node.
    #[error("{0} is not a URL such as http://127.0.0.1:8080")]
    Url(String),
    /// It is for TLS.
    #[error("{0}: the harness speaks plain HTTP; put it beside the node or behind its proxy")]
    Tls(String),
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
}

impl Target {
    /// By URL and key.
    ///
    /// # Errors
    ///
    /// Where either is none that can be used.
    pub fn new(url: &str, key: &str) -> Result<Self, TargetError> {
        if url.starts_with("https:") {
            return Err(TargetError::Tls(url.to_owned()));
        }
        let host = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
        let host = host.filter(|host| !host.is_empty() && !host.contains('/'));
        let host = host.ok_or_else(|| TargetError::Url(url.to_owned()))?;
        let with_port = if host.rsplit(']').next().is_some_and(|end| end.contains(':')) {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
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
        Ok(Self { address, host, bearer })
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
        let address = |url| Target::new(url, "k").map(|target| target.address.to_string());
        assert_eq!(address("http://127.0.0.1:8080").unwrap(), "127.0.0.1:8080");
        assert_eq!(address("http://127.0.0.1/").unwrap(), "127.0.0.1:80");
        assert_eq!(address("http://[::1]:81").unwrap(), "[::1]:81");
        assert!(matches!(address("https://127.0.0.1"), Err(TargetError::Tls(_))));
        for odd in ["127.0.0.1:80", "http://", "http://a/v1", "ftp://a"] {
            assert!(matches!(address(odd), Err(TargetError::Url(_))), "{odd}");
        }
        assert!(matches!(Target::new("http://127.0.0.1", "a\nb"), Err(TargetError::Key)));
    }

    #[test]
    fn a_key_is_never_printed() {
        let target = Target::new("http://127.0.0.1", "sk_live_secret").unwrap();
        assert!(!format!("{target:?}").contains("secret"));
    }
}
