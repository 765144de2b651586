//! One error type: the same cause gives the same variant on every backend.

use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc, time::Duration};

use crate::{FencingToken, Version};

/// The result of every operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation failed.
///
/// Two questions decide what a caller does next: [`outcome`](Self::outcome) says whether the effect may have happened, and
/// [`is_retryable`](Self::is_retryable) whether the same call may succeed a little later.
///
/// No message and no `Debug` of it contains a password, an owner token or a value.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The key is empty or longer than 1024 bytes; nothing was sent.
    #[error("invalid key: {len} bytes, allowed are 1 to 1024")]
    InvalidKey {
        /// Its length in bytes.
        len: usize,
    },
    /// An argument, an option or an address is outside its bounds; nothing was sent.
    #[error("invalid {what}: {why}")]
    InvalidArgument {
        /// Which one.
        what: &'static str,
        /// What is allowed, or what is wrong.
        why: Cow<'static, str>,
    },
    /// The value is larger than the backend takes; nothing was sent.
    #[error("value of {size} bytes exceeds the limit of {limit}")]
    ValueTooLarge {
        /// Its size in bytes.
        size: usize,
        /// The most the backend takes, in bytes.
        limit: usize,
    },
    /// A precondition was refused; nothing was written.
    #[error("conflict on {key:?}")]
    Conflict {
        /// The key or stream; of several the first in request order.
        key: Box<str>,
        /// A hint at what is there, read after the refusal.
        current: Current,
    },
    /// A higher fencing token was seen before; nothing was written.
    #[error("{key:?} was fenced off by a later holder: seen {seen}, given {given}")]
    Fenced {
        /// The key or stream.
        key: Box<str>,
        /// The highest token accepted so far.
        seen: FencingToken,
        /// The token of this call.
        given: FencingToken,
    },
    /// The lock was held by others for the whole timeout.
    #[error("lock {key:?} not granted within {waited:?}")]
    LockTimeout {
        /// The lock's name.
        key: Box<str>,
        /// How long the call waited.
        waited: Duration,
    },
    /// The lease has expired or belongs to somebody else.
    #[error("lease on {key:?} is lost")]
    LeaseLost {
        /// The lock's name.
        key: Box<str>,
    },
    /// An append id was used before with other events; nothing was appended.
    #[error("append id already used with other events on {stream:?}")]
    AppendIdReused {
        /// The stream.
        stream: Box<str>,
    },
    /// The log no longer holds an event that a checkpoint says was read: acknowledged events were lost.
    #[error("the event log went back behind a checkpoint")]
    LogRewound,
    /// Events that are needed were truncated, and no snapshot replaces them.
    #[error(
        "events of {stream:?} before version {first_available} were truncated and no usable snapshot replaces them"
    )]
    Truncated {
        /// The stream.
        stream: Box<str>,
        /// The first version that is still there.
        first_available: u64,
    },
    /// The server gave the caller's transaction up; the only way on is to roll it back.
    #[error("the transaction was aborted by the server")]
    TransactionAborted {
        /// The driver's code.
        source: Option<Source>,
    },
    /// No answer within the operation timeout.
    #[error("timed out after {after:?} ({outcome})")]
    Timeout {
        /// The time the call was given.
        after: Duration,
        /// Whether it may have had its effect.
        outcome: Outcome,
    },
    /// The server cannot be reached, or cannot serve now.
    #[error("unavailable ({outcome})")]
    Unavailable {
        /// Whether the call may have had its effect.
        outcome: Outcome,
        /// The driver's code.
        source: Option<Source>,
    },
    /// Credentials or rights were refused.
    #[error("unauthorized: {what}")]
    Unauthorized {
        /// What was refused: the login, or the right that is missing.
        what: &'static str,
    },
    /// The server, its configuration or its stored data is not of a kind that this program can work with.
    #[error("incompatible {what}: found {found}, wanted {wanted}")]
    Incompatible {
        /// Of what.
        what: &'static str,
        /// What is there.
        found: Box<str>,
        /// What this program needs.
        wanted: Box<str>,
    },
    /// The server has no room left: disk, memory or connections.
    #[error("{what} exhausted")]
    Exhausted {
        /// Of what.
        what: &'static str,
        /// The driver's code.
        source: Option<Source>,
    },
    /// Stored bytes cannot be read as the wanted type; they stay where they are.
    #[error("cannot decode {what}: {why}")]
    Decode {
        /// What was to be read.
        what: &'static str,
        /// Where it went wrong; never what stood there.
        why: Box<str>,
    },
    /// A value cannot be written as bytes; nothing was sent.
    #[error("cannot encode {what}: {why}")]
    Encode {
        /// What was to be written.
        what: &'static str,
        /// Why not; never the value.
        why: Box<str>,
    },
    /// The backend does not promise this; nothing was changed.
    #[error("{what} is not supported by this backend")]
    Unsupported {
        /// The operation or option.
        what: &'static str,
    },
    /// The backend was closed by `close()`; nothing was sent.
    #[error("closed")]
    Closed,
    /// The caller's own loader failed or panicked.
    #[error("loading failed")]
    Load {
        /// Its error.
        source: Source,
    },
    /// The driver failed in a way that has no variant of its own.
    #[error("backend error ({outcome})")]
    Backend {
        /// Whether the call may have had its effect.
        outcome: Outcome,
        /// The driver's code.
        source: Source,
    },
}

/// What a refused precondition found: a hint, read after the refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Current {
    /// Not known without a second request.
    Unknown,
    /// No live value, or no such stream.
    Absent,
    /// This version of a state.
    Version(Version),
    /// This version of a stream.
    Stream(u64),
}

/// Whether the effect of a failed call may have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It has not, and will not.
    NotApplied,
    /// The request left, and its effect is not known.
    Unknown {
        /// `false`: it may still take effect later. `true`: it cannot any more; it has happened or never will.
        settled: bool,
    },
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotApplied => "not applied",
            Self::Unknown { settled: true } => "effect unknown, settled",
            Self::Unknown { settled: false } => "effect unknown, may still take effect",
        })
    }
}

impl Error {
    /// Whether the same call, repeated a little later, may succeed. Whether repeating is harmless is
    /// [`outcome`](Self::outcome)'s to say.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Timeout { .. }
                | Self::Unavailable { .. }
                | Self::LockTimeout { .. }
                | Self::TransactionAborted { .. }
        )
    }

    /// Whether the effect of the failed call may have happened.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Timeout { outcome, .. } | Self::Unavailable { outcome, .. } | Self::Backend { outcome, .. } => {
                *outcome
            }
            // What ran under the lease, or inside the loader, is the caller's; we cannot say how far it came.
            Self::LeaseLost { .. } | Self::Load { .. } => Outcome::Unknown { settled: false },
            _ => Outcome::NotApplied,
        }
    }

    /// The same error of a call of which an earlier attempt may have had its effect.
    pub(crate) fn after_unheard(self) -> Self {
        let outcome = Outcome::Unknown { settled: false };
        match self {
            Self::Timeout { after, .. } => Self::Timeout { after, outcome },
            Self::Unavailable { source, .. } => Self::Unavailable { outcome, source },
            Self::Backend { source, .. } => Self::Backend { outcome, source },
            error => error,
        }
    }

    /// Whether a precondition was refused: reload, and decide again.
    #[must_use]
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }

    /// The caller's own error, where its loader failed with an `E`.
    #[must_use]
    pub fn load_error<E: StdError + 'static>(&self) -> Option<&E> {
        match self {
            Self::Load { source } => source.downcast_ref(),
            _ => None,
        }
    }

    /// For backends: an argument outside its bounds.
    #[must_use]
    pub fn invalid(what: &'static str, why: impl Into<Cow<'static, str>>) -> Self {
        Self::InvalidArgument { what, why: why.into() }
    }

    /// For backends: a refused precondition on `key`.
    #[must_use]
    pub fn conflict(key: &str, current: Current) -> Self {
        Self::Conflict { key: key.into(), current }
    }

    /// For backends: a write under a fencing token below the mark of `key`.
    #[must_use]
    pub fn fenced(key: &str, seen: FencingToken, given: FencingToken) -> Self {
        Self::Fenced { key: key.into(), seen, given }
    }

    /// For backends: a lease that is held no longer.
    #[must_use]
    pub fn lease_lost(key: &str) -> Self {
        Self::LeaseLost { key: key.into() }
    }

    /// For backends: what `capabilities()` does not declare.
    #[must_use]
    pub const fn unsupported(what: &'static str) -> Self {
        Self::Unsupported { what }
    }

    /// For backends: a driver's error. Reduce it to its code and a fixed text first, since servers quote values in theirs.
    #[must_use]
    pub fn backend(outcome: Outcome, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Backend { outcome, source: Source::new(source) }
    }
}

/// For backends: a value must not be larger than `limit` bytes.
///
/// # Errors
/// `ValueTooLarge` otherwise.
pub const fn check_size(size: usize, limit: usize) -> Result<()> {
    if size <= limit { Ok(()) } else { Err(Error::ValueTooLarge { size, limit }) }
}

/// An error behind an error, shared so that [`Error`] is cheap to clone: callers that wait for one load all get it.
///
/// Its `Debug` is its `Display`, because the derived `Debug` of drivers shows rows.
#[derive(Clone)]
pub struct Source(Arc<dyn StdError + Send + Sync>);

impl Source {
    /// Shares any error.
    pub fn new(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(Arc::from(error.into()))
    }

    /// The error itself, where it is an `E`.
    #[must_use]
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl StdError for Source {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_effect_is_never_called_not_applied() {
        let unknown = Outcome::Unknown { settled: false };
        assert_eq!(Error::Unavailable { outcome: unknown, source: None }.outcome(), unknown);
        assert_eq!(Error::lease_lost("k").outcome(), unknown);
        assert_eq!(Error::conflict("k", Current::Absent).outcome(), Outcome::NotApplied);
        assert_eq!(Error::Closed.outcome(), Outcome::NotApplied);
    }

    #[test]
    fn a_source_shows_its_text_and_can_be_had_back() {
        let error = Error::Load { source: Source::new(std::io::Error::other("away")) };
        assert_eq!(format!("{error:?}"), "Load { source: away }");
        assert_eq!(error.load_error::<std::io::Error>().unwrap().to_string(), "away");
        assert!(Error::Closed.load_error::<std::io::Error>().is_none());
    }

    #[test]
    fn errors_stay_small() {
        assert!(size_of::<Error>() <= 64, "{}", size_of::<Error>());
    }
}
