//! The frames of PostgreSQL's protocol, version 3, as far as a proxy needs them.

/// The code that asks for TLS in place of a protocol version.
const SSL_REQUEST: u32 = 80_877_103;
/// The code that asks for GSSAPI encryption.
const GSS_REQUEST: u32 = 80_877_104;

/// Puts bytes together to frames.
#[derive(Debug)]
pub(super) struct Frames {
    buffer: Vec<u8>,
    /// Whether frames carry a type byte; a client's first ones don't.
    typed: bool,
}

impl Frames {
    /// Frames of a server.
    pub(super) const fn of_server() -> Self {
        Self { buffer: Vec::new(), typed: true }
    }

    /// Frames of a client, from its first byte on.
    pub(super) const fn of_client() -> Self {
        Self { buffer: Vec::new(), typed: false }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame.
    pub(super) fn next(&mut self) -> Option<Frame> {
        let start = usize::from(self.typed);
        let length = u32::from_be_bytes(self.buffer.get(start..start + 4)?.try_into().ok()?);
        // A length counts itself. Less would never end; a server would refuse it as well.
        let length = usize::try_from(length).ok()?.max(4);
        if self.buffer.len() < start + length {
            return None;
        }
        let rest = self.buffer.split_off(start + length);
        let bytes = std::mem::replace(&mut self.buffer, rest);
        let kind = if self.typed { Kind::Typed(bytes[0]) } else { Kind::first(&bytes) };
        self.typed |= kind == Kind::Startup;
        Some(Frame { kind, bytes })
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A request for encryption, before the startup.
    Encryption,
    /// The startup; or a request to cancel, after which nothing follows.
    Startup,
    /// Any later frame, by its type byte.
    Typed(u8),
}

impl Kind {
    fn first(bytes: &[u8]) -> Self {
        let code = bytes.get(4..8).and_then(|code| code.try_into().ok()).map(u32::from_be_bytes);
        match code {
            Some(SSL_REQUEST | GSS_REQUEST) => Self::Encryption,
            Some(_) | None => Self::Startup,
        }
    }

    /// Whether a client's frame ends a request that the server will answer with "ready".
    pub(super) const fn ends_request(self) -> bool {
        // Query, Sync, FunctionCall; the startup is answered with "ready" as well.
        matches!(self, Self::Startup | Self::Typed(b'Q' | b'S' | b'F'))
    }

    /// Whether a server's frame says that it is done with a request.
    pub(super) const fn is_ready(self) -> bool {
        matches!(self, Self::Typed(b'Z'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_whole_however_the_bytes_are_split() {
        let startup = [0, 0, 0, 9, 0, 3, 0, 0, 0];
        let query = [b'Q', 0, 0, 0, 6, b'x', 0];
        let mut frames = Frames::of_client();
        let mut found = Vec::new();
        for byte in startup.iter().chain(&query) {
            frames.push(&[*byte]);
            found.extend(frames.next());
        }
        let kinds: Vec<_> = found.iter().map(|frame| frame.kind).collect();
        assert_eq!(kinds, [Kind::Startup, Kind::Typed(b'Q')]);
        assert_eq!(found[1].bytes, query);
    }

    #[test]
    fn a_request_for_tls_comes_before_the_startup() {
        let mut frames = Frames::of_client();
        frames.push(&[0, 0, 0, 8, 4, 210, 22, 47, 0, 0, 0, 8, 0, 3, 0, 0]);
        assert_eq!(frames.next().map(|frame| frame.kind), Some(Kind::Encryption));
        assert_eq!(frames.next().map(|frame| frame.kind), Some(Kind::Startup));
        assert_eq!(frames.next(), None);
    }
}
