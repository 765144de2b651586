//! Events as they are made, stored and read.

use std::{str::FromStr, sync::Arc, time::SystemTime};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Error, EventId, Result};

/// A place in the global order of events: opaque, ordered, serialized as decimal digits.
///
/// 128 bits, because PostgreSQL orders by (transaction, position) and Redis by (millisecond, sequence).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(into = "String", try_from = "String")]
pub struct Position(u128);

impl Position {
    /// Before the first event.
    pub const START: Self = Self(0);

    /// For backends: from its stored form.
    #[must_use]
    pub const fn from_u128(position: u128) -> Self {
        Self(position)
    }

    /// For backends: its stored form.
    #[must_use]
    pub const fn to_u128(self) -> u128 {
        self.0
    }

    /// Just before this position, so that reading after it begins here.
    #[must_use]
    pub const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Position {
    type Err = Error;

    fn from_str(digits: &str) -> Result<Self> {
        // `parse` alone would take a sign.
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Error::invalid("position", "decimal digits"));
        }
        digits.parse().map(Self).map_err(|_| Error::invalid("position", "decimal digits of at most 128 bits"))
    }
}

impl TryFrom<String> for Position {
    type Error = Error;

    fn try_from(digits: String) -> Result<Self> {
        digits.parse()
    }
}

impl From<Position> for String {
    fn from(position: Position) -> Self {
        position.to_string()
    }
}

/// An event to append.
#[derive(Clone)]
pub struct NewEvent {
    /// Its identity.
    pub id: EventId,
    /// Its type's name, 1 to 256 bytes, with its schema version where there are several.
    pub event_type: String,
    /// Its content.
    pub data: Bytes,
    /// What belongs to the delivery, not to the fact: correlation, causation, user.
    pub metadata: Bytes,
}
debug_without_value!(NewEvent { id, event_type });

impl NewEvent {
    /// An event of a fresh id, without metadata.
    pub fn new(event_type: impl Into<String>, data: impl Into<Bytes>) -> Self {
        Self { id: EventId::mint(), event_type: event_type.into(), data: data.into(), metadata: Bytes::new() }
    }

    /// With this metadata.
    #[must_use]
    pub fn with_metadata(mut self, metadata: impl Into<Bytes>) -> Self {
        self.metadata = metadata.into();
        self
    }

    /// Bytes of data and metadata together.
    #[must_use]
    pub fn size(&self) -> usize {
        self.data.len() + self.metadata.len()
    }
}

/// An event as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its stream.
    pub stream: Arc<str>,
    /// Its number in the stream, from 1.
    pub version: u64,
    /// Its place in the global order.
    pub position: Position,
    /// Its identity.
    pub id: EventId,
    /// Its type's name.
    pub event_type: Arc<str>,
    /// Its content.
    pub data: Bytes,
    /// What came with it.
    pub metadata: Bytes,
    /// The server's time of the append.
    pub recorded_at: SystemTime,
}
debug_without_value!(Recorded { stream, version, position, id, event_type, recorded_at });

impl Recorded {
    /// Where somebody who has read this event goes on.
    #[must_use]
    pub const fn checkpoint(&self) -> Checkpoint {
        Checkpoint { position: self.position, event: self.id }
    }
}

/// How far somebody has read: the position of the last event and its id, so that resuming can tell whether the log still
/// holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Of the last event that was read.
    pub position: Position,
    /// Its id.
    pub event: EventId,
}

/// Where the events went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Number of the first.
    pub first: u64,
    /// Number of the last.
    pub last: u64,
    /// Place of the last in the global order.
    pub position: Position,
}

/// A stretch of one stream, and how far the stream reaches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamSlice {
    /// In the query's direction.
    pub events: Vec<Recorded>,
    /// The lowest version that was not truncated; `last + 1` where none is left, 1 for a missing stream.
    pub first: u64,
    /// The stream's version: the number of the last event that was ever appended; zero for a missing stream.
    pub last: u64,
}

/// A stretch of the global order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// In order.
    pub events: Vec<Recorded>,
    /// Where to go on: at the last event or, where nothing else can appear before it, ahead of it.
    pub next: Position,
    /// Where events behind the position asked for have been truncated: the highest such position. What lies between may be
    /// incomplete.
    pub truncated: Option<Position>,
}

/// An aggregate's state at a version of its stream.
#[derive(Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Of the stream; 1 or more.
    pub version: u64,
    /// The id of the event of that version, so that loading can tell whether the log still holds it.
    pub event: EventId,
    /// Of the aggregate's code; another is discarded.
    pub schema: u32,
    /// The state.
    pub data: Bytes,
}
debug_without_value!(Snapshot { version, event, schema });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_its_text() {
        let position = Position::from_u128(u128::MAX);
        let json = serde_json::to_string(&position).unwrap();
        assert_eq!(serde_json::from_str::<Position>(&json).unwrap(), position);
        for bad in ["", "+1", "-1", "1 ", "340282366920938463463374607431768211456"] {
            assert!(bad.parse::<Position>().is_err(), "{bad:?}");
        }
        assert_eq!(Position::START.before(), Position::START);
    }
}
