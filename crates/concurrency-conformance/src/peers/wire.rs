//! What goes over a line.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use concurrency_core::{Current, Error, FencingToken, Outcome, Version};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{cache, event, lock, state};

#[derive(Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) id: u64,
    /// Which of the clients in that process.
    pub(super) client: u64,
    pub(super) what: What,
}

#[derive(Serialize, Deserialize)]
pub(super) enum What {
    /// Opens the client; answered, as all below are if nothing else is said.
    Connect {
        url: String,
    },
    Health,
    Close,
    /// Drops the client; not answered.
    Forget,
    /// Drops a call; not answered, nor is that call.
    Cancel(u64),
    State {
        namespace: String,
        call: state::Call,
    },
    Cache {
        namespace: String,
        call: cache::Call,
    },
    Lock {
        namespace: String,
        call: lock::Call,
    },
    Event {
        namespace: String,
        call: event::Call,
    },
}

/// An [`Error`], without what cannot leave its process: sources keep their text only.
#[derive(Serialize, Deserialize)]
pub(super) enum Refusal {
    InvalidKey(usize),
    InvalidArgument(String, String),
    ValueTooLarge(usize, usize),
    Conflict(String, Found),
    Fenced(String, FencingToken, FencingToken),
    LockTimeout(String, Duration),
    LeaseLost(String),
    AppendIdReused(String),
    LogRewound,
    Truncated(String, u64),
    TransactionAborted,
    Timeout(Duration, Effect),
    Unavailable(Effect),
    Unauthorized(String),
    Incompatible(String, String, String),
    Exhausted(String),
    Decode(String, String),
    Encode(String, String),
    Unsupported(String),
    Closed,
    Other(String, Effect),
}

/// As [`Current`].
#[derive(Serialize, Deserialize)]
pub(super) enum Found {
    Unknown,
    Absent,
    Version([u8; 16]),
    Stream(u64),
}

/// As [`Outcome`].
#[derive(Serialize, Deserialize, Clone, Copy)]
pub(super) enum Effect {
    NotApplied,
    Unknown { settled: bool },
}

impl From<Outcome> for Effect {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::NotApplied => Self::NotApplied,
            Outcome::Unknown { settled } => Self::Unknown { settled },
        }
    }
}

impl From<Effect> for Outcome {
    fn from(effect: Effect) -> Self {
        match effect {
            Effect::NotApplied => Self::NotApplied,
            Effect::Unknown { settled } => Self::Unknown { settled },
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let outcome = error.outcome();
        match error {
            Error::InvalidKey { len } => Self::InvalidKey(len),
            Error::InvalidArgument { what, why } => Self::InvalidArgument(what.into(), why.into_owned()),
            Error::ValueTooLarge { size, limit } => Self::ValueTooLarge(size, limit),
            Error::Conflict { key, current } => Self::Conflict(key.into(), current.into()),
            Error::Fenced { key, seen, given } => Self::Fenced(key.into(), seen, given),
            Error::LockTimeout { key, waited } => Self::LockTimeout(key.into(), waited),
            Error::LeaseLost { key } => Self::LeaseLost(key.into()),
            Error::AppendIdReused { stream } => Self::AppendIdReused(stream.into()),
            Error::LogRewound => Self::LogRewound,
            Error::Truncated { stream, first_available } => Self::Truncated(stream.into(), first_available),
            Error::TransactionAborted { .. } => Self::TransactionAborted,
            Error::Timeout { after, outcome } => Self::Timeout(after, outcome.into()),
            Error::Unavailable { outcome, .. } => Self::Unavailable(outcome.into()),
            Error::Unauthorized { what } => Self::Unauthorized(what.into()),
            Error::Incompatible { what, found, wanted } => Self::Incompatible(what.into(), found.into(), wanted.into()),
            Error::Exhausted { what, .. } => Self::Exhausted(what.into()),
            Error::Decode { what, why } => Self::Decode(what.into(), why.into()),
            Error::Encode { what, why } => Self::Encode(what.into(), why.into()),
            Error::Unsupported { what } => Self::Unsupported(what.into()),
            Error::Closed => Self::Closed,
            other => Self::Other(other.to_string(), outcome.into()),
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::InvalidKey(len) => Self::InvalidKey { len },
            Refusal::InvalidArgument(what, why) => Self::invalid(interned(what), why),
            Refusal::ValueTooLarge(size, limit) => Self::ValueTooLarge { size, limit },
            Refusal::Conflict(key, current) => Self::conflict(&key, current.into()),
            Refusal::Fenced(key, seen, given) => Self::fenced(&key, seen, given),
            Refusal::LockTimeout(key, waited) => Self::LockTimeout { key: key.into(), waited },
            Refusal::LeaseLost(key) => Self::lease_lost(&key),
            Refusal::AppendIdReused(stream) => Self::AppendIdReused { stream: stream.into() },
            Refusal::LogRewound => Self::LogRewound,
            Refusal::Truncated(stream, first_available) => Self::Truncated { stream: stream.into(), first_available },
            Refusal::TransactionAborted => Self::TransactionAborted { source: None },
            Refusal::Timeout(after, effect) => Self::Timeout { after, outcome: effect.into() },
            Refusal::Unavailable(effect) => Self::Unavailable { outcome: effect.into(), source: None },
            Refusal::Unauthorized(what) => Self::Unauthorized { what: interned(what) },
            Refusal::Incompatible(what, found, wanted) => {
                Self::Incompatible { what: interned(what), found: found.into(), wanted: wanted.into() }
            }
            Refusal::Exhausted(what) => Self::Exhausted { what: interned(what), source: None },
            Refusal::Decode(what, why) => Self::Decode { what: interned(what), why: why.into() },
            Refusal::Encode(what, why) => Self::Encode { what: interned(what), why: why.into() },
            Refusal::Unsupported(what) => Self::unsupported(interned(what)),
            Refusal::Closed => Self::Closed,
            Refusal::Other(text, effect) => Self::backend(effect.into(), text),
        }
    }
}

impl From<Current> for Found {
    fn from(current: Current) -> Self {
        match current {
            Current::Absent => Self::Absent,
            Current::Version(version) => Self::Version(version.to_bytes()),
            Current::Stream(version) => Self::Stream(version),
            _ => Self::Unknown,
        }
    }
}

impl From<Found> for Current {
    fn from(found: Found) -> Self {
        match found {
            Found::Unknown => Self::Unknown,
            Found::Absent => Self::Absent,
            Found::Version(bytes) => Self::Version(Version::from_bytes(bytes)),
            Found::Stream(version) => Self::Stream(version),
        }
    }
}

/// What an error calls a thing is a constant of the program; here it came over a line. Each text is kept once, for good.
fn interned(text: String) -> &'static str {
    static TEXTS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    match texts.get(text.as_str()) {
        Some(known) => known,
        None => {
            let text: &'static str = text.leak();
            texts.insert(text);
            text
        }
    }
}

pub(super) fn encode(message: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(message).expect("messages are made of what postcard writes")
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    postcard::from_bytes(bytes)
        .map_err(|_| Error::Decode { what: "a message of the crew", why: "another format".into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_come_over_the_line_as_they_are() {
        let version = Version::mint();
        let unknown = Outcome::Unknown { settled: true };
        for error in [
            Error::InvalidKey { len: 7 },
            Error::invalid("TTL", "too long"),
            Error::conflict("k", Current::Version(version)),
            Error::conflict("k", Current::Stream(3)),
            Error::fenced("k", FencingToken(2), FencingToken(1)),
            Error::Timeout { after: Duration::from_millis(3), outcome: unknown },
            Error::Truncated { stream: "s".into(), first_available: 9 },
            Error::Incompatible { what: "schema", found: "2".into(), wanted: "1".into() },
            Error::backend(unknown, "text"),
            Error::Closed,
        ] {
            let there: Refusal = decode(&encode(&Refusal::from(error.clone()))).unwrap();
            let back = Error::from(there);
            assert_eq!(back.outcome(), error.outcome());
            assert_eq!(format!("{back}"), format!("{error}"));
            assert_eq!(std::mem::discriminant(&back), std::mem::discriminant(&error));
        }
    }
}
