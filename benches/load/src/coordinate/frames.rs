//! Frames on a connection.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{CoordinateError, FRAME_BYTES_MAX, SILENCE_MAX};

/// A connection to one other side.
#[derive(Debug)]
pub(super) struct Link {
    stream: TcpStream,
    whom: String,
}

impl Link {
    /// Over a connection; reads and writes that take too long fail.
    pub(super) fn new(stream: TcpStream, whom: String) -> Result<Self, CoordinateError> {
        let limited = stream
            .set_read_timeout(Some(SILENCE_MAX))
            .and_then(|()| stream.set_write_timeout(Some(SILENCE_MAX)))
            .and_then(|()| stream.set_nodelay(true));
        let link = Self { stream, whom };
        limited.map_err(|error| link.broken(error))?;
        Ok(link)
    }

    pub(super) fn whom(&self) -> String {
        self.whom.clone()
    }

    /// A second handle on the same connection.
    pub(super) fn again(&self) -> Result<Self, CoordinateError> {
        let stream = self.stream.try_clone().map_err(|error| self.broken(error))?;
        Ok(Self { stream, whom: self.whom() })
    }

    fn broken(&self, source: std::io::Error) -> CoordinateError {
        let whom = self.whom();
        match source.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => CoordinateError::Silent { whom },
            _ => CoordinateError::Connection { whom, source },
        }
    }

    pub(super) fn protocol(&self, problem: impl Into<String>) -> CoordinateError {
        CoordinateError::Protocol { whom: self.whom(), problem: problem.into() }
    }

    /// Sends a frame.
    pub(super) fn send(&mut self, message: &impl Serialize) -> Result<(), CoordinateError> {
        let body = serde_json::to_vec(message).map_err(|error| self.protocol(error.to_string()))?;
        let too_long = || self.protocol(format!("a frame of {} bytes is too long", body.len()));
        let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= FRAME_BYTES_MAX);
        let length = length.ok_or_else(too_long)?;
        let sent = self.stream.write_all(&length.to_be_bytes());
        sent.and_then(|()| self.stream.write_all(&body)).map_err(|error| self.broken(error))
    }

    /// Waits for a frame.
    pub(super) fn receive<T: DeserializeOwned>(&mut self) -> Result<T, CoordinateError> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).map_err(|error| self.broken(error))?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > FRAME_BYTES_MAX {
            return Err(self.protocol(format!("a frame of {length} bytes is too long")));
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).map_err(|error| self.broken(error))?;
        serde_json::from_slice(&body).map_err(|error| self.protocol(error.to_string()))
    }
}
