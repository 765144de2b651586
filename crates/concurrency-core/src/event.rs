//! Append-only streams, from which state is rebuilt.

mod content;
mod options;
mod projection;
mod record;
mod repository;
mod subscription;

use std::{fmt::Debug, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::Serialize;

pub use self::{
    content::append_content,
    options::{AppendOptions, AppendParts, ExpectedVersion, ReadParts, ReadQuery, check_append},
    projection::*,
    record::{Appended, Batch, Checkpoint, NewEvent, Position, Recorded, Snapshot, StreamSlice},
    repository::*,
    subscription::*,
};
use crate::{Error, Result, Survives};

/// Append-only streams. Required are four methods; snapshots, truncation and waking are optional.
///
/// # Contract
/// Versions of a stream are 1, 2, 3 without gaps. All events of a store have a global order in which they never appear
/// behind a position that was read. An append is all or nothing, and its id makes a repeat harmless. A call checks in this
/// order: key, other arguments, size, append id, fence, expected version. Sentences and ids: `docs/contract.md`.
///
/// # Errors of every method
/// `Closed` after [`close`](crate::Backend::close); `Timeout`, `Unavailable`, `Unauthorized`, `Exhausted`, `Incompatible`
/// and `Backend` as far as there is a server, with [`outcome`](Error::outcome) to say whether an append may have happened;
/// `Decode` where foreign bytes stand under our names.
///
/// # Cancel safety of every method
/// The future may be dropped at any point. An append that was under way has happened as a whole or not; append again under
/// the same id to know.
#[async_trait]
pub trait EventStore: Debug + Send + Sync + 'static {
    /// What this store promises.
    fn capabilities(&self) -> EventCapabilities;

    /// All events or none, after the last one of the stream.
    ///
    /// # Errors
    /// `InvalidKey`; `InvalidArgument` for no events, more than `max_batch_events`, an empty event type or one of more than
    /// 256 bytes; `ValueTooLarge`; `AppendIdReused`; `Fenced`; `Conflict`; and those of every method. On each of the named
    /// ones nothing is appended and the append id is not used up.
    async fn append(&self, stream: &str, events: Vec<NewEvent>, options: AppendOptions) -> Result<Appended>;

    /// A stretch of one stream, in the query's direction, and how far the stream reaches. A missing stream reads as empty.
    ///
    /// # Errors
    /// `InvalidKey`; `InvalidArgument` for a limit outside 1 to 1,000; and those of every method.
    async fn read(&self, stream: &str, query: ReadQuery) -> Result<StreamSlice>;

    /// What follows a position in the global order. Without events it is caught up; `next` may be ahead of the last event.
    ///
    /// # Errors
    /// `InvalidArgument` for a limit outside 1 to 1,000; and those of every method.
    async fn read_all(&self, after: Position, limit: usize) -> Result<Batch>;

    /// Returns when there may be something after the position, early or for nothing if it must: a hint, after which
    /// [`read_all`](Self::read_all) tells the truth.
    ///
    /// Provided: a pause of up to 100 ms with jitter.
    ///
    /// # Errors
    /// Those of every method.
    async fn changed(&self, after: Position) -> Result<()> {
        let _ = after;
        tokio::time::sleep(crate::random::up_to(Duration::from_millis(100))).await;
        Ok(())
    }

    /// The newest snapshot of a stream.
    ///
    /// Provided: `Unsupported`.
    ///
    /// # Errors
    /// `InvalidKey`; `Unsupported` where `capabilities().snapshots` is false; and those of every method.
    async fn load_snapshot(&self, stream: &str) -> Result<Option<Snapshot>> {
        let _ = stream;
        Err(Error::unsupported("snapshots"))
    }

    /// Keeps this snapshot, unless one of a later version of the stream is there.
    ///
    /// Provided: `Unsupported`.
    ///
    /// # Errors
    /// `InvalidKey`; `InvalidArgument` for version zero; `ValueTooLarge`; `Unsupported` where `capabilities().snapshots` is
    /// false; and those of every method.
    async fn save_snapshot(&self, stream: &str, snapshot: Snapshot) -> Result<()> {
        let _ = (stream, snapshot);
        Err(Error::unsupported("snapshots"))
    }

    /// Events of the stream below `version` are gone; the stream keeps its version, and all numbers and positions stay. A
    /// version beyond the end empties the stream; a lower one than before changes nothing.
    ///
    /// Provided: `Unsupported`.
    ///
    /// # Errors
    /// `InvalidKey`; `Unsupported` where `capabilities().truncate` is false; and those of every method.
    async fn truncate_before(&self, stream: &str, version: u64) -> Result<()> {
        let _ = (stream, version);
        Err(Error::unsupported("truncation"))
    }
}

macro_rules! pointer {
    ($ptr:ident) => {
        impl<S: EventStore + ?Sized> EventStore for $ptr<S> {
            fn capabilities(&self) -> EventCapabilities {
                (**self).capabilities()
            }
            forward!(append<'k>(stream: &'k str, events: Vec<NewEvent>, options: AppendOptions) -> Result<Appended>);
            forward!(read<'k>(stream: &'k str, query: ReadQuery) -> Result<StreamSlice>);
            forward!(read_all(after: Position, limit: usize) -> Result<Batch>);
            forward!(changed(after: Position) -> Result<()>);
            forward!(load_snapshot<'k>(stream: &'k str) -> Result<Option<Snapshot>>);
            forward!(save_snapshot<'k>(stream: &'k str, snapshot: Snapshot) -> Result<()>);
            forward!(truncate_before<'k>(stream: &'k str, version: u64) -> Result<()>);
        }
    };
}
pointer!(Arc);
pointer!(Box);

/// What an event store promises. Exhaustive, as [`StateCapabilities`](crate::StateCapabilities).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct EventCapabilities {
    /// What acknowledged appends survive.
    pub survives: Survives,
    /// A crash or a failover may take acknowledged events back.
    pub log_may_rewind: bool,
    /// `fenced_by` of an append is enforced; otherwise it is refused.
    pub fencing: bool,
    /// Snapshots are kept.
    pub snapshots: bool,
    /// `truncate_before` is there.
    pub truncate: bool,
    /// `changed` is woken, not polling.
    pub notifies: bool,
    /// The largest event in bytes, data and metadata together.
    pub max_event: usize,
    /// The most events of one append.
    pub max_batch_events: usize,
    /// The most bytes of data and metadata of one append.
    pub max_batch_bytes: usize,
}

impl EventCapabilities {
    /// Promises nothing.
    pub const NONE: Self = Self {
        survives: Survives::Nothing,
        log_may_rewind: true,
        fencing: false,
        snapshots: false,
        truncate: false,
        notifies: false,
        max_event: usize::MAX,
        max_batch_events: usize::MAX,
        max_batch_bytes: usize::MAX,
    };
}
