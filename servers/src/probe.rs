//! Asking a server whether it answers, and who it is.

mod redis;

pub(crate) use self::redis::redis;

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Probe {
    /// It serves.
    Serves(Identity),
    /// It does not, or not yet, for this reason.
    Not(String),
}

/// Who serves, as far as it says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Like `7.0.15`; `None` where it was not willing to tell.
    pub(crate) version: Option<String>,
    /// The number of its process where it runs.
    pub(crate) process: Option<u32>,
}
