//! An event store whose calls are noted.

use std::sync::{Arc, Mutex, PoisonError};

use concurrency_core::{
    AppendId, AppendOptions, Appended, Batch, Error, EventStore, ExpectedVersion, FencingToken, NewEvent, Position,
    ReadQuery, Result,
};

use super::{History, Numbers, Recorder, bytes_of, value_of};
use crate::linear::{EventAnswer, EventCall, EventModel, Expect, GlobalRead};

/// A stream, and what an append to it answered.
type AppendedTo = (Box<str>, Appended);

/// One client of an event store, whose calls are noted. They answer what the store answers.
#[derive(Debug, Clone)]
pub struct RecordedEvents {
    store: Arc<dyn EventStore>,
    client: u32,
    ids: Numbers<AppendId>,
    recorder: Recorder<EventModel>,
    reads: Arc<Mutex<Vec<GlobalRead>>>,
    appended: Arc<Mutex<Vec<AppendedTo>>>,
}

impl RecordedEvents {
    /// The first client.
    #[must_use]
    pub fn new(store: Arc<dyn EventStore>) -> Self {
        Self {
            store,
            client: 0,
            ids: Numbers::default(),
            recorder: Recorder::new(),
            reads: Arc::default(),
            appended: Arc::default(),
        }
    }

    /// Another client, noted in the same history.
    #[must_use]
    pub fn client(&self, client: u32, store: Arc<dyn EventStore>) -> Self {
        Self { store, client, ..self.clone() }
    }

    /// How many calls on streams began while another was under way.
    #[must_use]
    pub fn met(&self) -> u64 {
        self.recorder.met()
    }

    /// What was noted of the streams so far.
    #[must_use]
    pub fn history(&self) -> History<EventModel> {
        self.recorder.history()
    }

    /// What was read of the global order so far.
    #[must_use]
    pub fn reads(&self) -> Vec<GlobalRead> {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What appends were answered, with their streams: one that was repeated stands here once.
    #[must_use]
    pub fn appended(&self) -> Vec<(Box<str>, Appended)> {
        self.appended.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// `append` of one event for each number; under this id, where it is one that other appends use, too.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn append(
        &self,
        stream: &str,
        events: &[u64],
        expected: Expect,
        id: Option<AppendId>,
        fence: Option<u64>,
    ) -> Result<Appended> {
        let number = id.map(|id| self.ids.of(id));
        let call = EventCall::Append { events: events.to_vec(), expected, id: number, fence };
        let open = self.recorder.begin(self.client, stream, call);
        let mut options = AppendOptions::new().expecting(match expected {
            Expect::Any => ExpectedVersion::Any,
            Expect::NoStream => ExpectedVersion::NoStream,
            Expect::Exists => ExpectedVersion::Exists,
            Expect::Exact(version) => ExpectedVersion::Exact(version),
        });
        options = id.map_or(options, |id| options.with_append_id(id));
        options = fence.map_or(options, |token| options.fenced_by(FencingToken(token)));
        let new = events.iter().map(|&event| NewEvent::new("number", bytes_of(event))).collect();
        let answer = self.store.append(stream, new, options).await;
        if let Ok(appended) = &answer {
            self.note_appended(stream, *appended);
        }
        open.close(match &answer {
            Ok(appended) => Ok(EventAnswer::Appended { first: appended.first, last: appended.last }),
            Err(Error::Conflict { .. }) => Ok(EventAnswer::Conflict),
            Err(Error::AppendIdReused { .. }) => Ok(EventAnswer::Reused),
            Err(Error::Fenced { seen, .. }) => Ok(EventAnswer::Fenced { seen: seen.0 }),
            Err(error) => Err(error.clone()),
        });
        answer
    }

    fn note_appended(&self, stream: &str, appended: Appended) {
        let mut all = self.appended.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.iter().any(|(other, known)| **other == *stream && *known == appended) {
            all.push((stream.into(), appended));
        }
    }

    /// `read`, forwards: the numbers of the events, and the stream's version.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn read(&self, stream: &str, from: u64, limit: usize) -> Result<(Vec<u64>, u64)> {
        let call = EventCall::Read { from, limit: limit as u64 };
        let open = self.recorder.begin(self.client, stream, call);
        let slice = self.store.read(stream, ReadQuery::forwards(from).limit(limit)).await;
        let answer = slice.map(|slice| (slice.events.iter().map(|event| value_of(&event.data)).collect(), slice.last));
        open.close(answer.clone().map(|(events, last)| EventAnswer::Slice { events, last }));
        answer
    }

    /// `read_all`.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn read_all(&self, after: Position, limit: usize) -> Result<Batch> {
        let batch = self.store.read_all(after, limit).await?;
        let events =
            batch.events.iter().map(|event| ((&*event.stream).into(), event.version, event.position.to_u128()));
        let read = GlobalRead { after: after.to_u128(), next: batch.next.to_u128(), events: events.collect() };
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).push(read);
        Ok(batch)
    }
}
