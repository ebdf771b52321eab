//! What a caller can do about an error of PostgreSQL.
//!
//! | Error | What it says of a write | Becomes |
//! |---|---|---|
//! | disk full (53100) | nothing was written | `Full` |
//! | data, constraint or size the server refuses (22, 23, 54) | nothing was written, and trying again won't help | `Invalid`, the server's text in the log |
//! | lock timeout (55P03), deadlock (40P01), serialization (40001) | nothing was written | `Unavailable` |
//! | statement timeout (57014), shutdown (57P01, 57P02, 57P03), lost connection (08), anything else | not known | `Unavailable` |
//!
//! Those that wrote nothing for certain are `Unavailable` as well where another try may go
//! through: handing in the same again is what a caller does in either case, and is safe in both.

use tracing::error;

use crate::error::StoreError;

const DISK_FULL: &str = "53100";

/// Classes of SQLSTATE that another try can't mend: data exception, integrity constraint violation,
/// program limit exceeded.
const REFUSED_CLASSES: [&str; 3] = ["22", "23", "54"];

/// What a caller can do about a driver's error.
pub(crate) fn classify(during: &'static str, error: sqlx::Error) -> StoreError {
    if let Some(unreadable) = crate::sql::rows::undecodable(during, &error) {
        return unreadable;
    }
    let code = error.as_database_error().and_then(|error| error.code());
    match code.as_deref() {
        Some(DISK_FULL) => StoreError::Full,
        Some(code) if REFUSED_CLASSES.iter().any(|class| code.starts_with(class)) => {
            error!(during, code, %error, "the database refused what it was handed");
            StoreError::Invalid("rows that the database refuses")
        }
        _ => StoreError::Unavailable { during, source: error },
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::fmt;

    use sqlx::error::{DatabaseError, ErrorKind};

    use super::*;

    /// A database's error with nothing but its code.
    #[derive(Debug)]
    struct Coded(&'static str);

    impl fmt::Display for Coded {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for Coded {}

    impl DatabaseError for Coded {
        fn message(&self) -> &str {
            self.0
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some(Cow::Borrowed(self.0))
        }

        fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    fn of(code: &'static str) -> StoreError {
        classify("testing", sqlx::Error::Database(Box::new(Coded(code))))
    }

    #[test]
    fn a_full_disk_is_told_from_a_server_that_is_away() {
        assert!(matches!(of("53100"), StoreError::Full));
        for code in ["55P03", "40P01", "40001", "57014", "57P01", "57P03", "08006", "53300"] {
            assert!(matches!(of(code), StoreError::Unavailable { .. }), "{code} may pass");
        }
        let closed = classify("testing", sqlx::Error::PoolTimedOut);
        assert!(matches!(closed, StoreError::Unavailable { during: "testing", .. }));
    }

    #[test]
    fn what_another_try_cannot_mend_is_invalid() {
        for code in ["22021", "23505", "54000"] {
            assert!(matches!(of(code), StoreError::Invalid(_)), "{code} will not pass");
        }
    }
}
