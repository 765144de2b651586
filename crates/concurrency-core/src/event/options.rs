//! What a caller can ask of an event store, and what a backend is handed.

use crate::{AppendId, Error, EventCapabilities, FencingToken, NewEvent, Result, check_key, check_limit, check_size};

/// What a stream must look like for an append. Exhaustive on purpose. `Exact(0)` is `NoStream`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExpectedVersion {
    /// Anything.
    #[default]
    Any,
    /// Never appended to.
    NoStream,
    /// At least one event was appended.
    Exists,
    /// The last event has this number.
    Exact(u64),
}

impl From<u64> for ExpectedVersion {
    fn from(version: u64) -> Self {
        Self::Exact(version)
    }
}

impl ExpectedVersion {
    /// The check itself, for backends that decide in this process; `current` is the stream's version, zero for none.
    ///
    /// # Errors
    /// `Conflict` where it does not hold.
    pub fn check(self, stream: &str, current: u64) -> Result<()> {
        let holds = match self {
            Self::Any => true,
            Self::NoStream => current == 0,
            Self::Exists => current > 0,
            Self::Exact(version) => current == version,
        };
        if holds {
            return Ok(());
        }
        let found = if current == 0 { crate::Current::Absent } else { crate::Current::Stream(current) };
        Err(Error::conflict(stream, found))
    }
}

/// How to append.
#[derive(Debug, Clone, Copy, Default)]
#[must_use]
pub struct AppendOptions {
    expected: ExpectedVersion,
    append_id: Option<AppendId>,
    fenced_by: Option<FencingToken>,
}

impl AppendOptions {
    /// After whatever is there, under an id that the library mints.
    pub const fn new() -> Self {
        Self { expected: ExpectedVersion::Any, append_id: None, fenced_by: None }
    }

    /// Only in this state of the stream.
    pub fn expecting(mut self, expected: impl Into<ExpectedVersion>) -> Self {
        self.expected = expected.into();
        self
    }

    /// Appending again under this id answers what the first append answered.
    pub const fn with_append_id(mut self, id: AppendId) -> Self {
        self.append_id = Some(id);
        self
    }

    /// Refused once a higher token was accepted for the stream.
    pub const fn fenced_by(mut self, token: FencingToken) -> Self {
        self.fenced_by = Some(token);
        self
    }

    /// For tests over several processes: unchecked, as it was said.
    #[cfg(feature = "simulation")]
    #[doc(hidden)]
    #[must_use]
    pub const fn unchecked(&self) -> (ExpectedVersion, Option<AppendId>, Option<FencingToken>) {
        (self.expected, self.append_id, self.fenced_by)
    }

    /// For backends: everything, checked, with an id in any case.
    ///
    /// # Errors
    /// `InvalidArgument` for a fencing token out of bounds.
    pub fn into_parts(self) -> Result<AppendParts> {
        Ok(AppendParts {
            expected: self.expected,
            append_id: self.append_id.unwrap_or_else(AppendId::mint),
            fenced_by: self.fenced_by.map(FencingToken::checked).transpose()?,
        })
    }
}

/// [`AppendOptions`], checked. Exhaustive on purpose.
#[derive(Debug, Clone, Copy)]
pub struct AppendParts {
    /// What must hold.
    pub expected: ExpectedVersion,
    /// To recognise a repeat.
    pub append_id: AppendId,
    /// Who else must not have been there.
    pub fenced_by: Option<FencingToken>,
}

/// For backends: what an append refuses before it sends anything.
///
/// # Errors
/// `InvalidKey`; `InvalidArgument` for no events, too many, too many bytes together, or an event type of 0 or more than
/// 256 bytes; `ValueTooLarge` for a single event.
pub fn check_append(stream: &str, events: &[NewEvent], limits: &EventCapabilities) -> Result<()> {
    check_key(stream)?;
    if events.is_empty() {
        return Err(Error::invalid("events", "an append has at least one"));
    }
    if events.len() > limits.max_batch_events {
        return Err(Error::invalid("events", format!("{}, the limit is {}", events.len(), limits.max_batch_events)));
    }
    if !events.iter().all(|event| (1..=256).contains(&event.event_type.len())) {
        return Err(Error::invalid("event type", "1 to 256 bytes"));
    }
    events.iter().try_for_each(|event| check_size(event.size(), limits.max_event))?;
    let sum = events.iter().fold(0_usize, |sum, event| sum.saturating_add(event.size()));
    if sum > limits.max_batch_bytes {
        return Err(Error::invalid("events", format!("{sum} bytes, the limit is {}", limits.max_batch_bytes)));
    }
    Ok(())
}

/// Which stretch of a stream to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct ReadQuery {
    from: u64,
    backwards: bool,
    limit: usize,
}

impl ReadQuery {
    /// How many events are read unless told.
    pub const DEFAULT_LIMIT: usize = 100;

    /// Forwards from this number (inclusive); from zero is from the first.
    pub const fn forwards(version: u64) -> Self {
        Self { from: version, backwards: false, limit: Self::DEFAULT_LIMIT }
    }

    /// Backwards from this number (inclusive), or from the last where the stream is shorter.
    pub const fn backwards(version: u64) -> Self {
        Self { from: version, backwards: true, limit: Self::DEFAULT_LIMIT }
    }

    /// Backwards from the last.
    pub const fn newest() -> Self {
        Self::backwards(u64::MAX)
    }

    /// At most so many, 1 to 1,000.
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// For tests over several processes: unchecked, as it was said.
    #[cfg(feature = "simulation")]
    #[doc(hidden)]
    #[must_use]
    pub const fn unchecked(&self) -> ReadParts {
        ReadParts { from: self.from, backwards: self.backwards, limit: self.limit }
    }

    /// For backends: everything, checked.
    ///
    /// # Errors
    /// `InvalidArgument` for a limit outside 1 to 1,000.
    pub fn into_parts(self) -> Result<ReadParts> {
        Ok(ReadParts { from: self.from, backwards: self.backwards, limit: check_limit(self.limit)? })
    }
}

/// [`ReadQuery`], checked. Exhaustive on purpose.
#[derive(Debug, Clone, Copy)]
pub struct ReadParts {
    /// The first number wanted.
    pub from: u64,
    /// Downwards from there.
    pub backwards: bool,
    /// At most so many, 1 to 1,000.
    pub limit: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_zero_is_no_stream() {
        assert!(ExpectedVersion::Exact(0).check("s", 0).is_ok());
        assert!(ExpectedVersion::NoStream.check("s", 1).is_err());
        assert!(ExpectedVersion::Exists.check("s", 0).is_err());
        assert!(ExpectedVersion::Exact(2).check("s", 2).is_ok());
    }

    #[test]
    fn an_append_is_checked_in_order() {
        let limits =
            EventCapabilities { max_event: 3, max_batch_events: 2, max_batch_bytes: 4, ..EventCapabilities::NONE };
        let event = |size: usize| NewEvent::new("t", vec![0; size]);
        assert!(matches!(check_append("", &[], &limits), Err(Error::InvalidKey { .. })));
        assert!(matches!(check_append("s", &[], &limits), Err(Error::InvalidArgument { .. })));
        assert!(matches!(check_append("s", &[event(4)], &limits), Err(Error::ValueTooLarge { size: 4, limit: 3 })));
        assert!(matches!(check_append("s", &[event(3), event(3)], &limits), Err(Error::InvalidArgument { .. })));
        assert!(matches!(check_append("s", &[NewEvent::new("", "")], &limits), Err(Error::InvalidArgument { .. })));
        assert!(check_append("s", &[event(1), event(3)], &limits).is_ok());
    }
}
