//! Event stores over a line.

use std::{sync::Arc, time::SystemTime};

use async_trait::async_trait;
use concurrency_core::{
    AppendId, AppendOptions, Appended, Batch, Bytes, EventCapabilities, EventId, EventStore, ExpectedVersion,
    FencingToken, NewEvent, Position, ReadParts, ReadQuery, Recorded, Result, Snapshot, StreamSlice,
};
use serde::{Deserialize, Serialize};

use super::{backend::Caller, wire::What};

#[derive(Serialize, Deserialize)]
pub(super) enum Call {
    Append {
        stream: String,
        events: Vec<New>,
        expected: Expected,
        id: Option<[u8; 16]>,
        fenced_by: Option<FencingToken>,
    },
    Read {
        stream: String,
        from: u64,
        backwards: bool,
        limit: usize,
    },
    ReadAll(u128, usize),
    Changed(u128),
    LoadSnapshot(String),
    SaveSnapshot(String, Shot),
    TruncateBefore(String, u64),
}

/// As [`ExpectedVersion`].
#[derive(Serialize, Deserialize)]
pub(super) enum Expected {
    Any,
    NoStream,
    Exists,
    Exact(u64),
}

/// As [`NewEvent`].
#[derive(Serialize, Deserialize)]
pub(super) struct New {
    id: [u8; 16],
    event_type: String,
    data: Bytes,
    metadata: Bytes,
}

/// As [`Recorded`].
#[derive(Serialize, Deserialize)]
struct Stored {
    stream: String,
    version: u64,
    position: u128,
    event: New,
    at: SystemTime,
}

/// As [`Snapshot`].
#[derive(Serialize, Deserialize)]
pub(super) struct Shot {
    version: u64,
    event: [u8; 16],
    schema: u32,
    data: Bytes,
}

impl From<ExpectedVersion> for Expected {
    fn from(expected: ExpectedVersion) -> Self {
        match expected {
            ExpectedVersion::Any => Self::Any,
            ExpectedVersion::NoStream => Self::NoStream,
            ExpectedVersion::Exists => Self::Exists,
            ExpectedVersion::Exact(version) => Self::Exact(version),
        }
    }
}

impl From<Expected> for ExpectedVersion {
    fn from(expected: Expected) -> Self {
        match expected {
            Expected::Any => Self::Any,
            Expected::NoStream => Self::NoStream,
            Expected::Exists => Self::Exists,
            Expected::Exact(version) => Self::Exact(version),
        }
    }
}

impl From<NewEvent> for New {
    fn from(event: NewEvent) -> Self {
        let NewEvent { id, event_type, data, metadata } = event;
        Self { id: id.to_bytes(), event_type, data, metadata }
    }
}

impl From<New> for NewEvent {
    fn from(new: New) -> Self {
        let New { id, event_type, data, metadata } = new;
        Self { id: EventId::from_bytes(id), ..Self::new(event_type, data).with_metadata(metadata) }
    }
}

impl From<Recorded> for Stored {
    fn from(recorded: Recorded) -> Self {
        let event = New {
            id: recorded.id.to_bytes(),
            event_type: recorded.event_type.to_string(),
            data: recorded.data,
            metadata: recorded.metadata,
        };
        Self {
            stream: recorded.stream.to_string(),
            version: recorded.version,
            position: recorded.position.to_u128(),
            event,
            at: recorded.recorded_at,
        }
    }
}

impl From<Stored> for Recorded {
    fn from(stored: Stored) -> Self {
        Self {
            stream: stored.stream.into(),
            version: stored.version,
            position: Position::from_u128(stored.position),
            id: EventId::from_bytes(stored.event.id),
            event_type: stored.event.event_type.into(),
            data: stored.event.data,
            metadata: stored.event.metadata,
            recorded_at: stored.at,
        }
    }
}

impl From<Snapshot> for Shot {
    fn from(snapshot: Snapshot) -> Self {
        let Snapshot { version, event, schema, data } = snapshot;
        Self { version, event: event.to_bytes(), schema, data }
    }
}

impl From<Shot> for Snapshot {
    fn from(shot: Shot) -> Self {
        let Shot { version, event, schema, data } = shot;
        Self { version, event: EventId::from_bytes(event), schema, data }
    }
}

fn stored(events: Vec<Recorded>) -> Vec<Stored> {
    events.into_iter().map(Stored::from).collect()
}

fn recorded(events: Vec<Stored>) -> Vec<Recorded> {
    events.into_iter().map(Recorded::from).collect()
}

/// An event store in another process.
#[derive(Debug)]
pub(super) struct PeerEvents {
    pub(super) caller: Caller,
    /// Of the same in this process.
    pub(super) capabilities: EventCapabilities,
}

impl PeerEvents {
    async fn ask<T: serde::de::DeserializeOwned>(&self, call: Call) -> Result<T> {
        self.caller.ask(|namespace| What::Event { namespace, call }).await
    }
}

#[async_trait]
impl EventStore for PeerEvents {
    fn capabilities(&self) -> EventCapabilities {
        self.capabilities
    }

    async fn append(&self, stream: &str, events: Vec<NewEvent>, options: AppendOptions) -> Result<Appended> {
        let (expected, append_id, fenced_by) = options.unchecked();
        let events = events.into_iter().map(New::from).collect();
        let (stream, expected, id) = (stream.to_owned(), expected.into(), append_id.map(AppendId::to_bytes));
        let (first, last, position) = self.ask(Call::Append { stream, events, expected, id, fenced_by }).await?;
        Ok(Appended { first, last, position: Position::from_u128(position) })
    }

    async fn read(&self, stream: &str, query: ReadQuery) -> Result<StreamSlice> {
        let ReadParts { from, backwards, limit } = query.unchecked();
        let (events, first, last) = self.ask(Call::Read { stream: stream.to_owned(), from, backwards, limit }).await?;
        Ok(StreamSlice { events: recorded(events), first, last })
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Batch> {
        let (events, next, truncated): (_, _, Option<u128>) = self.ask(Call::ReadAll(after.to_u128(), limit)).await?;
        let truncated = truncated.map(Position::from_u128);
        Ok(Batch { events: recorded(events), next: Position::from_u128(next), truncated })
    }

    async fn changed(&self, after: Position) -> Result<()> {
        self.ask(Call::Changed(after.to_u128())).await
    }

    async fn load_snapshot(&self, stream: &str) -> Result<Option<Snapshot>> {
        let shot: Option<Shot> = self.ask(Call::LoadSnapshot(stream.to_owned())).await?;
        Ok(shot.map(Snapshot::from))
    }

    async fn save_snapshot(&self, stream: &str, snapshot: Snapshot) -> Result<()> {
        self.ask(Call::SaveSnapshot(stream.to_owned(), snapshot.into())).await
    }

    async fn truncate_before(&self, stream: &str, version: u64) -> Result<()> {
        self.ask(Call::TruncateBefore(stream.to_owned(), version)).await
    }
}

/// Makes a call, in the process that was asked to.
pub(super) async fn answer(store: Arc<dyn EventStore>, call: Call) -> Bytes {
    use super::server::encoded;
    match call {
        Call::Append { stream, events, expected, id, fenced_by } => {
            let events = events.into_iter().map(NewEvent::from).collect();
            let options = AppendOptions::new().expecting(ExpectedVersion::from(expected));
            let options = match id {
                Some(id) => options.with_append_id(AppendId::from_bytes(id)),
                None => options,
            };
            let options = match fenced_by {
                Some(token) => options.fenced_by(token),
                None => options,
            };
            let appended = store.append(&stream, events, options).await;
            encoded(appended.map(|appended| (appended.first, appended.last, appended.position.to_u128())))
        }
        Call::Read { stream, from, backwards, limit } => {
            let query = if backwards { ReadQuery::backwards(from) } else { ReadQuery::forwards(from) };
            let slice = store.read(&stream, query.limit(limit)).await;
            encoded(slice.map(|slice| (stored(slice.events), slice.first, slice.last)))
        }
        Call::ReadAll(after, limit) => {
            let batch = store.read_all(Position::from_u128(after), limit).await;
            encoded(
                batch.map(|batch| (stored(batch.events), batch.next.to_u128(), batch.truncated.map(Position::to_u128))),
            )
        }
        Call::Changed(after) => encoded(store.changed(Position::from_u128(after)).await),
        Call::LoadSnapshot(stream) => {
            encoded(store.load_snapshot(&stream).await.map(|snapshot| snapshot.map(Shot::from)))
        }
        Call::SaveSnapshot(stream, shot) => encoded(store.save_snapshot(&stream, shot.into()).await),
        Call::TruncateBefore(stream, version) => encoded(store.truncate_before(&stream, version).await),
    }
}
