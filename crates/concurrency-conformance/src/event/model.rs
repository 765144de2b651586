//! Random sequences of operations, on the store under test and on the in-memory model: every outcome is equal.

use std::sync::Arc;

use concurrency_core::{
    AppendId, AppendOptions, Bytes, Error, EventCapabilities, EventId, EventStore, ExpectedVersion, FencingToken,
    Memory, NewEvent, Position, ReadQuery, Recorded, Result, Snapshot, StreamSlice,
};
use proptest::prelude::*;

use super::given::Cx;
use crate::property;

const ROUNDS: usize = 12;
const LONGEST: usize = 40;

/// One call. Numbers refer to what happened before: they are drawn small, so that calls meet.
#[derive(Debug, Clone)]
enum Call {
    Append { stream: u8, content: Vec<(u8, u8)>, expected: Expected, id: Option<u8>, token: Option<u64> },
    Read { stream: u8, from: u64, backwards: bool, limit: usize },
    ReadAll { after: usize, limit: usize },
    Truncate { stream: u8, before: u64 },
    SaveSnapshot { stream: u8, version: u64, data: u8 },
    LoadSnapshot { stream: u8 },
}

#[derive(Debug, Clone, Copy)]
enum Expected {
    Any,
    NoStream,
    Exists,
    /// The version that the stream has by then, and this much more.
    Current(u64),
    Exact(u64),
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let expected = prop_oneof![
        3 => Just(Expected::Any),
        1 => Just(Expected::NoStream),
        1 => Just(Expected::Exists),
        3 => Just(Expected::Current(0)),
        1 => (1..3_u64).prop_map(Expected::Current),
        1 => (0..6_u64).prop_map(Expected::Exact),
    ];
    let content = proptest::collection::vec((0..2_u8, 0..2_u8), 0..4);
    let (id, token) = (proptest::option::of(0..4_u8), proptest::option::weighted(0.3, 1..5_u64));
    let append = (0..3_u8, content, expected, id, token)
        .prop_map(|(stream, content, expected, id, token)| Call::Append { stream, content, expected, id, token });
    let read = (0..4_u8, 0..12_u64, any::<bool>(), 0..8_usize)
        .prop_map(|(stream, from, backwards, limit)| Call::Read { stream, from, backwards, limit });
    let call = prop_oneof![
        8 => append,
        3 => read,
        3 => (0..40_usize, 0..8_usize).prop_map(|(after, limit)| Call::ReadAll { after, limit }),
        1 => (0..4_u8, 0..8_u64).prop_map(|(stream, before)| Call::Truncate { stream, before }),
        1 => (0..4_u8, 0..4_u64, any::<u8>())
            .prop_map(|(stream, version, data)| Call::SaveSnapshot { stream, version, data }),
        1 => (0..4_u8).prop_map(|stream| Call::LoadSnapshot { stream }),
    ];
    proptest::collection::vec(call, 1..LONGEST)
}

pub(super) async fn every_outcome_is_that_of_the_model(cx: Cx) {
    let declared = cx.open().await.capabilities();
    let mut round = 0;
    property::check(cx.seed(), ROUNDS, &calls(), async |calls: Vec<Call>| {
        round += 1;
        let mut tested = Side::new(cx.other_namespace(&format!("{round}")).await);
        let mut model = Side::new(Memory::new().event_store("model").expect("the model opens"));
        for (n, call) in calls.iter().filter(|call| is_declared(call, &declared)).enumerate() {
            let ids: Vec<EventId> = (0..4).map(|_| EventId::mint()).collect();
            let (found, wanted) = (tested.make(call, &ids).await, model.make(call, &ids).await);
            if found != wanted {
                return Err(format!("call {n}, {call:?}:\n  found {found}\n model {wanted}"));
            }
        }
        Ok(())
    })
    .await;
}

fn is_declared(call: &Call, declared: &EventCapabilities) -> bool {
    match call {
        Call::Append { token, .. } => declared.fencing || token.is_none(),
        Call::Read { .. } | Call::ReadAll { .. } => true,
        Call::Truncate { .. } => declared.truncate,
        Call::SaveSnapshot { .. } | Call::LoadSnapshot { .. } => declared.snapshots,
    }
}

/// One of the two stores, and the positions that it gave: they are its own, so that the sides are compared by which of them.
struct Side {
    store: Arc<dyn EventStore>,
    positions: Vec<Position>,
}

impl Side {
    fn new(store: Arc<dyn EventStore>) -> Self {
        Self { store, positions: vec![Position::START] }
    }

    /// Makes a call, and says how it ended in words that are the same for the same outcome.
    async fn make(&mut self, call: &Call, ids: &[EventId]) -> String {
        match call {
            Call::Append { stream, content, expected, id, token } => {
                let events = content.iter().zip(ids).map(|(content, id)| new_event(*content, *id)).collect();
                let options = self.options(&name(*stream), *expected, *id, *token).await;
                let answer = self.store.append(&name(*stream), events, options).await;
                if let Ok(appended) = &answer
                    && !self.positions.contains(&appended.position)
                {
                    self.positions.push(appended.position);
                }
                let which = |position| self.positions.iter().position(|known| *known == position);
                told(answer.map(|a| format!("appended {} to {} at {:?}", a.first, a.last, which(a.position))))
            }
            Call::Read { stream, from, backwards, limit } => {
                let query = if *backwards { ReadQuery::backwards(*from) } else { ReadQuery::forwards(*from) };
                let answer = self.store.read(&name(*stream), query.limit(*limit)).await;
                told(answer.map(|StreamSlice { events, first, last }| format!("{first} to {last}: {}", show(&events))))
            }
            Call::ReadAll { after, limit } => {
                let after = self.positions[after % self.positions.len()];
                let answer = self.read_all(after, *limit).await;
                told(answer)
            }
            Call::Truncate { stream, before } => {
                told(self.store.truncate_before(&name(*stream), *before).await.map(|()| "truncated".to_owned()))
            }
            Call::SaveSnapshot { stream, version, data } => {
                let data = Bytes::copy_from_slice(&[*data]);
                let snapshot = Snapshot { version: *version, event: ids[0], schema: 1, data };
                told(self.store.save_snapshot(&name(*stream), snapshot).await.map(|()| "saved".to_owned()))
            }
            Call::LoadSnapshot { stream } => {
                let answer = self.store.load_snapshot(&name(*stream)).await;
                told(answer.map(|found| format!("{:?}", found.map(|s| (s.version, s.event, s.schema, s.data)))))
            }
        }
    }

    /// As many events as the limit says, in as many pages as the store likes.
    async fn read_all(&self, after: Position, limit: usize) -> Result<String> {
        let mut batch = self.store.read_all(after, limit).await?;
        let truncated = batch.truncated.is_some();
        let mut events = batch.events.clone();
        while !batch.events.is_empty() && events.len() < limit {
            batch = self.store.read_all(batch.next, limit - events.len()).await?;
            events.extend(batch.events.iter().cloned());
        }
        Ok(format!("{} truncated {truncated}", show(&events)))
    }

    async fn options(&self, stream: &str, expected: Expected, id: Option<u8>, token: Option<u64>) -> AppendOptions {
        let expected = match expected {
            Expected::Any => ExpectedVersion::Any,
            Expected::NoStream => ExpectedVersion::NoStream,
            Expected::Exists => ExpectedVersion::Exists,
            Expected::Exact(version) => ExpectedVersion::Exact(version),
            Expected::Current(more) => {
                let slice = self.store.read(stream, ReadQuery::newest().limit(1)).await.expect("read");
                ExpectedVersion::Exact(slice.last + more)
            }
        };
        let options = AppendOptions::new().expecting(expected);
        let options = id.map_or(options, |id| options.with_append_id(AppendId::from_bytes([id; 16])));
        token.map_or(options, |token| options.fenced_by(FencingToken(token)))
    }
}

fn name(stream: u8) -> String {
    format!("s{stream}")
}

fn new_event((event_type, data): (u8, u8), id: EventId) -> NewEvent {
    NewEvent { id, ..NewEvent::new(format!("t{event_type}"), vec![data]).with_metadata(vec![event_type, data]) }
}

fn show(events: &[Recorded]) -> String {
    let shown = events.iter().map(|e| {
        format!("{}@{} {} {} {:?} {:?}", e.stream, e.version, e.id, e.event_type, e.data.as_ref(), e.metadata.as_ref())
    });
    shown.collect::<Vec<_>>().join("; ")
}

/// The hint at what is there may be missing.
fn told(answer: Result<String>) -> String {
    match answer {
        Ok(answer) => answer,
        Err(Error::Conflict { key, .. }) => format!("conflict on {key}"),
        Err(Error::InvalidArgument { .. }) => "invalid argument".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}
