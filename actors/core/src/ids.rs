//! Newtypes for every id and sequence, so that the compiler tells them apart.
//!
//! Text ids are checked once, where they enter; whoever holds one may rely on its alphabet.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::{Builder, Uuid};

use crate::hash::Hasher;

/// An id whose text is outside its alphabet or too long.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("invalid {what}: {expected}")]
pub struct InvalidId {
    /// Which id it was meant to be.
    pub what: &'static str,
    /// The alphabet and length that are accepted.
    pub expected: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $expected:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text against the alphabet and length of this id.
            ///
            /// # Errors
            /// [`InvalidId`] where it is outside of them.
            pub fn new(text: &str) -> Result<Self, InvalidId> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(Arc::from(text)))
                } else {
                    Err(InvalidId { what: $what, expected: $expected })
                }
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }
    };
}

fn bounded(text: &str, length_max: usize, allowed: fn(u8) -> bool) -> bool {
    !text.is_empty() && text.len() <= length_max && text.bytes().all(allowed)
}

const fn is_lower_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

text_id!(
    /// A tenant: the boundary that nothing crosses.
    TenantId,
    "tenant id",
    "1 to 64 of a-z, 0-9, '_' and '-'",
    |text| bounded(text, 64, |byte| is_lower_or_digit(byte) || byte == b'_' || byte == b'-')
);

text_id!(
    /// The name of an entity kind, such as `counter`.
    EntityKind,
    "entity kind",
    "a lower-case letter, then up to 63 of a-z, 0-9 and '_'",
    |text| {
        text.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
            && bounded(text, 64, |byte| is_lower_or_digit(byte) || byte == b'_')
    }
);

text_id!(
    /// An entity within its tenant and kind.
    EntityId,
    "entity id",
    "1 to 128 of A-Z, a-z, 0-9, '-', '_', '.', ':', '~' and '@'",
    |text| bounded(text, 128, |byte| byte.is_ascii_alphanumeric() || b"-_.:~@".contains(&byte))
);

text_id!(
    /// A person or other subject of personal data, always a pseudonym.
    SubjectId,
    "subject id",
    "1 to 128 of A-Z, a-z, 0-9, '-', '_', '.', ':' and '~'",
    |text| bounded(text, 128, |byte| byte.is_ascii_alphanumeric() || b"-_.:~".contains(&byte))
);

impl TenantId {
    /// The tenant of whoever operates the platform. Its keys, and no others, may hold scopes over
    /// the whole system.
    pub const OPERATORS: &'static str = "_operators";

    /// Whether the name belongs to the platform itself: no customer's tenant begins with `_`.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.as_str().starts_with('_')
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

uuid_id!(
    /// One intention of a caller. Every retry further down carries the same one.
    CommandId
);
uuid_id!(
    /// What ties the commands and events of one conversation together.
    CorrelationId
);
uuid_id!(
    /// An event. Made of the event's hash, so it can't disagree with the content.
    EventId
);
uuid_id!(
    /// A stream, made of its tenant, kind and id: the key of every table that speaks of it.
    StreamId
);

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The number after this one.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }

            /// As the signed 64-bit integer that databases keep.
            #[must_use]
            pub const fn to_i64(self) -> i64 {
                self.0.cast_signed()
            }

            /// From the signed 64-bit integer that databases keep.
            #[must_use]
            pub const fn from_i64(number: i64) -> Self {
                Self(number.cast_unsigned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id!(
    /// The place of an event in its stream. The first event has 1; 0 is the empty stream.
    Sequence
);
number_id!(
    /// The place of an event in the whole journal, dense and from 1.
    Position
);
number_id!(
    /// The fencing token of a shard: it grows with every change of owner.
    Epoch
);

/// A slice of all placement keys that has one owner at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShardId(pub u16);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which stream: tenant, kind and id, with the [`StreamId`] made of them. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamKey(Arc<KeyParts>);

#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
struct KeyParts {
    stream: StreamId,
    tenant: TenantId,
    kind: EntityKind,
    id: EntityId,
}

impl StreamKey {
    /// The key of one entity's stream.
    #[must_use]
    pub fn new(tenant: TenantId, kind: EntityKind, id: EntityId) -> Self {
        let stream = Hasher::new("coppice.stream.v1")
            .text(tenant.as_str())
            .text(kind.as_str())
            .text(id.as_str())
            .finish()
            .to_uuid();
        Self(Arc::new(KeyParts { stream: StreamId(stream), tenant, kind, id }))
    }

    /// The 128 bits that name the stream in every table.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        self.0.stream
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.0.tenant
    }

    /// The entity kind.
    #[must_use]
    pub fn kind(&self) -> &EntityKind {
        &self.0.kind
    }

    /// The entity's id within its tenant and kind.
    #[must_use]
    pub fn id(&self) -> &EntityId {
        &self.0.id
    }

    /// The shard of this entity among `count` shards (at least one), by its own key.
    #[must_use]
    pub fn shard(&self, count: u16) -> ShardId {
        let [high, low, ..] = *self.0.stream.0.as_bytes();
        ShardId(u16::from_be_bytes([high, low]) % count.max(1))
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamKey({self})")
    }
}

impl fmt::Display for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.0.tenant, self.0.kind, self.0.id)
    }
}

impl CommandId {
    /// The id of a request that carries an idempotency key: the same tenant, route and key give
    /// the same id, on any node and after any number of restarts.
    #[must_use]
    pub fn from_idempotency_key(tenant: &TenantId, route: &str, key: &str) -> Self {
        Self(
            Hasher::new("coppice.command.v1")
                .text(tenant.as_str())
                .text(route)
                .text(key)
                .finish()
                .to_uuid(),
        )
    }
}

/// A version-8 UUID (RFC 9562, section 5.8) of the first 16 bytes of a hash.
pub(crate) fn uuid_of(bytes: &[u8; 32]) -> Uuid {
    let mut first = [0_u8; 16];
    first.copy_from_slice(&bytes[..16]);
    Builder::from_custom_bytes(first).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(tenant: &str, id: &str) -> StreamKey {
        StreamKey::new(
            TenantId::new(tenant).unwrap(),
            EntityKind::new("counter").unwrap(),
            EntityId::new(id).unwrap(),
        )
    }

    #[test]
    fn ids_outside_their_alphabet_are_refused() {
        for text in ["", "A", "a b", "a/b", &"a".repeat(65)] {
            assert!(TenantId::new(text).is_err(), "{text:?} is no tenant id");
        }
        for text in ["", "a/b", "a b", "\u{e9}", "a\0", &"a".repeat(129)] {
            assert!(EntityId::new(text).is_err(), "{text:?} is no entity id");
        }
        for text in ["", "9a", "_a", "a-b", "A"] {
            assert!(EntityKind::new(text).is_err(), "{text:?} is no entity kind");
        }
    }

    #[test]
    fn stream_ids_do_not_mix_up_neighbouring_parts() {
        assert_ne!(key("ab", "c").stream(), key("a", "bc").stream());
        assert_eq!(key("ab", "c").stream(), key("ab", "c").stream());
    }

    #[test]
    fn the_same_key_on_the_same_route_is_the_same_command() {
        let tenant = TenantId::new("t").unwrap();
        let id = |route, key| CommandId::from_idempotency_key(&tenant, route, key);
        assert_eq!(id("/a", "k"), id("/a", "k"));
        assert_ne!(id("/a", "k"), id("/b", "k"));
        assert_ne!(id("/a", "k"), id("/a", "l"));
    }
}
