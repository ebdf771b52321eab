//! The text of an API key: `sk_live_` or `sk_test_`, then 32 lower-case hex digits.

use std::fmt;

use coppice_core::Hash;
use coppice_core::hash::sha256;
use thiserror::Error;

const HEX_LENGTH: usize = 32;
const PREFIX_LENGTH: usize = 8;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyMode {
    /// `sk_live_`
    Live,
    /// `sk_test_`
    Test,
}

impl KeyMode {
    const fn text(self) -> &'static str {
        match self {
            Self::Live => "sk_live_",
            Self::Test => "sk_test_",
        }
    }
}

/// A text that is no API key; it is not repeated, for it may nearly be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an API key is sk_live_ or sk_test_ and 32 lower-case hex digits")]
pub struct MalformedKey;

/// A well-formed API key in plain text. It lives as briefly as possible and is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    text: String,
    mode: KeyMode,
}

impl ApiKey {
    /// How long every key is.
    pub const LENGTH: usize = KeyMode::Live.text().len() + HEX_LENGTH;

    /// Checks a key's form.
    ///
    /// # Errors
    /// [`MalformedKey`].
    pub fn parse(text: &str) -> Result<Self, MalformedKey> {
        let mode = [KeyMode::Live, KeyMode::Test]
            .into_iter()
            .find(|mode| text.starts_with(mode.text()))
            .ok_or(MalformedKey)?;
        let random = &text[mode.text().len()..];
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if random.len() == HEX_LENGTH && random.bytes().all(hex) {
            Ok(Self { text: text.to_owned(), mode })
        } else {
            Err(MalformedKey)
        }
    }

    /// A new key from the operating system's randomness.
    ///
    /// # Errors
    /// Where the operating system has none to give.
    pub fn generate(mode: KeyMode) -> Result<Self, getrandom::Error> {
        let mut random = [0_u8; HEX_LENGTH / 2];
        getrandom::fill(&mut random)?;
        Ok(Self { text: format!("{}{:032x}", mode.text(), u128::from_be_bytes(random)), mode })
    }

    /// What the key is for.
    #[must_use]
    pub const fn mode(&self) -> KeyMode {
        self.mode
    }

    /// The first eight characters of the random part, by which rows are found.
    #[must_use]
    pub fn prefix(&self) -> &str {
        let start = self.mode.text().len();
        &self.text[start..start + PREFIX_LENGTH]
    }

    /// What is stored of the key.
    #[must_use]
    pub fn hash(&self) -> Hash {
        sha256(self.text.as_bytes())
    }

    /// The text, to be shown exactly once.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({}...)", self.mode.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_form_is_a_key() {
        let hex = "0123456789abcdef0123456789abcdef";
        let key = ApiKey::parse(&format!("sk_test_{hex}")).unwrap();
        assert_eq!(key.prefix(), "01234567");
        assert_eq!(key.mode(), KeyMode::Test);
        for text in [
            String::new(),
            hex.to_owned(),
            format!("sk_prod_{hex}"),
            format!("sk_live_{}", hex.to_uppercase()),
            format!("sk_live_{hex}0"),
            format!("sk_live_{}", &hex[1..]),
            format!(" sk_live_{hex}"),
            format!("sk_live_{}\u{e9}", &hex[2..]),
        ] {
            assert_eq!(ApiKey::parse(&text), Err(MalformedKey), "{text:?}");
        }
    }

    #[test]
    fn a_generated_key_has_the_form_of_one_and_is_new() {
        let first = ApiKey::generate(KeyMode::Live).unwrap();
        let second = ApiKey::generate(KeyMode::Live).unwrap();
        assert_eq!(ApiKey::parse(first.expose()), Ok(first.clone()));
        assert_eq!(first.expose().len(), ApiKey::LENGTH);
        assert_ne!(first, second);
    }

    #[test]
    fn a_key_is_never_printed() {
        let key = ApiKey::parse("sk_live_0123456789abcdef0123456789abcdef").unwrap();
        assert!(!format!("{key:?}").contains("0123"));
    }
}
