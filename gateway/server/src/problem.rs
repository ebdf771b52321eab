//! What went wrong, on its way to a problem body.
//!
//! **Invariants:** one exhaustive `match` says what each failure of the runtime means over HTTP;
//! every problem has an outcome; the inner text of a 500 stays in the log, except that a damaged
//! journal is named to its owner.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use coppice_api::{Code, Outcome, Problem, codes, problem};
use coppice_persistence::StoreError;
use coppice_runtime::Failure;

use crate::auth::{AuthError, Invalid};
use crate::exchange::{Exchange, Noted};

/// After how many seconds a retry makes sense. What is retryable passes within a moment (a drained
/// mailbox, a restarted actor, a new owner), and HTTP has no finer unit.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("1");

/// After how many seconds a client of a stopped system should look again: somebody has to decide
/// that it goes on, and clients that ask each second would be a load for nothing.
const FROZEN_RETRY_AFTER_S: u64 = 10;

/// A problem that doesn't know its request yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    code: Code,
    outcome: Outcome,
    detail: Cow<'static, str>,
    advice: Advice,
    /// For the log only.
    inner: Option<Box<str>>,
}

/// What a header tells the client to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Advice {
    Nothing,
    /// To come again, in [`RETRY_AFTER_S`].
    Retry,
    /// To come again, in so many seconds.
    RetryIn(u64),
    /// To authenticate, like this.
    Challenge(&'static str),
}

impl Fault {
    /// Of a request that changed nothing.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        let retry = code.retryable && matches!(code.status, 429 | 503);
        Self {
            code,
            outcome: Outcome::NotApplied,
            detail: detail.into(),
            advice: if retry { Advice::Retry } else { Advice::Nothing },
            inner: None,
        }
    }

    /// Of a read: whatever became of it, it changed nothing.
    #[must_use]
    pub fn of_read(failure: Failure) -> Self {
        Self { outcome: Outcome::NotApplied, ..Self::from(failure) }
    }

    /// Of a read behind what was done and is durable: that the read failed doesn't undo it.
    #[must_use]
    pub fn behind_a_commit(self) -> Self {
        Self { outcome: Outcome::Unknown, ..self }
    }

    /// Of a read that the store could not serve; `what` is said where it is not merely away. The
    /// store's own words stay in the log.
    pub fn of_store(error: &StoreError, what: &'static str) -> Self {
        let fault = match error {
            StoreError::Unavailable { .. } => {
                Self::new(codes::STORE_UNAVAILABLE, "the store is unavailable")
            }
            StoreError::Full
            | StoreError::Damaged { .. }
            | StoreError::Unreadable { .. }
            | StoreError::TooNew { .. }
            | StoreError::Migration(_)
            | StoreError::Invalid(_) => Self::new(codes::INTERNAL_ERROR, what),
        };
        Self { inner: Some(Chain(error).to_string().into()), ..fault }
    }

    /// Of what the node could not do; the inner text stays in the log.
    pub fn internal(detail: &'static str, inner: String) -> Self {
        Self { inner: Some(inner.into()), ..Self::new(codes::INTERNAL_ERROR, detail) }
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// What is said about it.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Says when to come again, in seconds.
    #[must_use]
    pub fn retry_in(self, seconds: u64) -> Self {
        Self { advice: Advice::RetryIn(seconds), ..self }
    }

    /// Says how to authenticate.
    #[must_use]
    pub fn challenge(self, challenge: &'static str) -> Self {
        Self { advice: Advice::Challenge(challenge), ..self }
    }

    /// The answer to a request.
    #[must_use]
    pub fn respond(self, exchange: &Exchange) -> Response {
        let request_id = exchange.request_id();
        let body = Problem::new(self.code, self.outcome, &self.detail, exchange.path(), request_id);
        // Strings and numbers always serialize; an empty body would be the honest remainder.
        let bytes = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = Response::new(Body::from(bytes));
        *response.status_mut() =
            StatusCode::from_u16(self.code.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(problem::CONTENT_TYPE));
        match self.advice {
            Advice::Nothing => None,
            Advice::Retry => headers.insert(header::RETRY_AFTER, RETRY_AFTER_S),
            Advice::RetryIn(seconds) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds))
            }
            Advice::Challenge(challenge) => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
            }
        };
        let noted = Noted { code: self.code, detail: self.detail, inner: self.inner };
        exchange.finish_problem(response, noted)
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        let outcome = match failure.outcome() {
            coppice_runtime::Outcome::NotApplied => Outcome::NotApplied,
            coppice_runtime::Outcome::Unknown => Outcome::Unknown,
        };
        let code = match &failure {
            Failure::UnknownKind(_) => codes::UNKNOWN_KIND,
            Failure::UnknownCommand(_) => codes::UNKNOWN_COMMAND,
            Failure::InvalidBody(_) => codes::INVALID_BODY,
            Failure::Rejected { code, .. } => Code::refusal(code),
            Failure::NotThere => codes::ENTITY_NOT_FOUND,
            Failure::Deleted => codes::ENTITY_DELETED,
            Failure::SequenceMismatch { .. } => codes::SEQUENCE_MISMATCH,
            Failure::KeyReused => codes::IDEMPOTENCY_KEY_REUSED,
            Failure::MailboxFull { .. } => codes::MAILBOX_FULL,
            Failure::ResidentsFull => codes::RESIDENTS_FULL,
            Failure::Frozen(_) => codes::FROZEN,
            Failure::NotOwner => codes::NOT_OWNER,
            Failure::Crashed => codes::ACTOR_CRASHED,
            Failure::MessageQuarantined => codes::MESSAGE_QUARANTINED,
            Failure::EntityQuarantined => codes::ENTITY_QUARANTINED,
            // The system's own messages are answered to the system.
            Failure::Undigested => codes::INTERNAL_ERROR,
            Failure::DeadlineExceeded => codes::DEADLINE_EXCEEDED,
            Failure::TimedOut => codes::TIMED_OUT,
            Failure::Conflict => codes::CONFLICT,
            Failure::Unlinked => codes::LINK_BROKEN,
            Failure::StoreUnavailable => codes::STORE_UNAVAILABLE,
            Failure::StoreFull => codes::STORE_FULL,
            // Its text names the stream and the sequence at fault: whoever owns them must know.
            Failure::Damaged { .. } => codes::JOURNAL_DAMAGED,
            Failure::SubjectErased => codes::SUBJECT_ERASED,
            Failure::PersonalDataLocked => codes::PERSONAL_DATA_LOCKED,
            Failure::ShuttingDown => codes::SHUTTING_DOWN,
        };
        let fault = Self { outcome, ..Self::new(code, failure.to_string()) };
        if code == codes::FROZEN { fault.retry_in(FROZEN_RETRY_AFTER_S) } else { fault }
    }
}

impl From<AuthError> for Fault {
    fn from(error: AuthError) -> Self {
        let invalid = |detail: &'static str, challenge| {
            Self::new(codes::AUTH_INVALID, detail).challenge(challenge)
        };
        // RFC 6750, section 3: no error attribute where nothing was presented.
        const PLAIN: &str = "Bearer realm=\"coppice\"";
        const INVALID: &str = "Bearer realm=\"coppice\", error=\"invalid_token\"";
        const SCOPE: &str = "Bearer realm=\"coppice\", error=\"insufficient_scope\"";
        match error {
            AuthError::Missing => invalid(
                "send the header `Authorization: Bearer ...` with an API key or token, once",
                PLAIN,
            ),
            AuthError::Invalid(Invalid::Unknown) => invalid("the API key is not known", INVALID),
            AuthError::Invalid(Invalid::Expired) => invalid("the credential has expired", INVALID),
            AuthError::Invalid(Invalid::Revoked) => invalid("the API key was revoked", INVALID),
            AuthError::Invalid(Invalid::Refused) => invalid("the token is not accepted", INVALID),
            AuthError::ScopeMissing(_) => {
                Self::new(codes::SCOPE_MISSING, error.to_string()).challenge(SCOPE)
            }
            AuthError::Busy => Self::new(codes::DEADLINE_EXCEEDED, error.to_string()),
            AuthError::Store(source) => {
                Self::of_store(&source, "the node could not check the API key")
            }
        }
    }
}

/// Shows an error with everything that caused it, on one line.
#[derive(Debug)]
pub struct Chain<'a>(pub &'a (dyn std::error::Error + 'static));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}
