//! Event streams in this process: the model of the section "Event store" of `docs/contract.md`.
//!
//! This file holds all rules of the model, and is the one that mutants of event stores patch.
//!
//! One mutex is held for the whole of an append, so that the order of commits is the order of positions: there are no slow
//! or rolled-back writers here, and what a reader can see is complete up to the last position. A backend with concurrent
//! writers has to earn that.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::{NamespaceConfig, Session};
use crate::{
    AppendId, AppendOptions, AppendParts, Appended, Batch, Bytes, Error, EventCapabilities, EventStore, FencingToken,
    NewEvent, Position, ReadParts, ReadQuery, Recorded, Result, Snapshot, StreamSlice, Survives, check_append,
    check_key, check_limit, check_size,
    clock::{self, BootInstant, Clock},
};

/// How long an append id is known at least, also where the first event of its append was truncated.
const APPEND_ID_RETENTION: Duration = Duration::from_secs(7 * 86_400);
/// The most events of one append.
const MAX_BATCH_EVENTS: usize = 1_000;
/// The most bytes of one append, in events of the largest size.
const MAX_BATCH_IN_EVENTS: usize = 4;

/// The event streams of one namespace: what all clients share.
#[derive(Debug)]
pub struct EventSpace {
    capabilities: EventCapabilities,
    fence_retention: Duration,
    clock: Clock,
    log: Mutex<Log>,
    appended: Notify,
}

impl EventSpace {
    /// An empty log.
    #[must_use]
    pub fn new(config: NamespaceConfig, clock: Clock) -> Self {
        Self {
            capabilities: Self::capabilities(&config),
            fence_retention: config.fence_retention,
            clock,
            log: Mutex::default(),
            appended: Notify::new(),
        }
    }

    /// What it promises.
    #[must_use]
    pub fn capabilities(config: &NamespaceConfig) -> EventCapabilities {
        EventCapabilities {
            survives: Survives::Nothing,
            // The log dies with the process, and with it what was acknowledged.
            log_may_rewind: true,
            fencing: true,
            snapshots: true,
            truncate: true,
            notifies: true,
            max_event: config.max_value,
            max_batch_events: MAX_BATCH_EVENTS,
            max_batch_bytes: config.max_value.saturating_mul(MAX_BATCH_IN_EVENTS),
        }
    }

    fn append(&self, stream: &str, events: &[NewEvent], parts: AppendParts) -> Result<Appended> {
        let mut log = self.log();
        // Read under the mutex, so that the times of events rise as their positions do, if the clock does.
        let stamp = Stamp { now: self.clock.now(), wall: clock::wall() + self.clock.ahead() };
        let appended = log.append(stream, events, parts, stamp, self.fence_retention)?;
        drop(log);
        self.appended.notify_waiters();
        Ok(appended)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All streams of a namespace. What it refuses leaves no trace.
#[derive(Default)]
struct Log {
    streams: HashMap<Arc<str>, Stream>,
    /// The global order.
    order: BTreeMap<Position, Recorded>,
    /// The position given last.
    last: Position,
    /// The highest position that was truncated.
    truncated: Option<Position>,
    snapshots: HashMap<Arc<str>, Snapshot>,
}

/// One stream, from its first append on.
struct Stream {
    name: Arc<str>,
    /// The lowest version that is left; the version after the last one where none is.
    first: u64,
    /// The version of the last event that was ever appended; zero for none.
    last: u64,
    /// Where the versions that are left stand in the global order.
    positions: BTreeMap<u64, Position>,
    appends: HashMap<AppendId, Known>,
    mark: Option<Mark>,
}

/// An append that is remembered by its id.
struct Known {
    content: Vec<(Arc<str>, Bytes)>,
    appended: Appended,
    until: BootInstant,
}

/// The highest fencing token that was accepted, and when that is forgotten.
#[derive(Clone, Copy)]
struct Mark {
    token: FencingToken,
    until: BootInstant,
}

/// The two times of an append: what retention is judged by, and what people read.
#[derive(Clone, Copy)]
struct Stamp {
    now: BootInstant,
    wall: SystemTime,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("streams", &self.streams.len())
            .field("events", &self.order.len())
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

impl Stream {
    fn new(name: &str) -> Self {
        Self { name: name.into(), first: 1, last: 0, positions: BTreeMap::new(), appends: HashMap::new(), mark: None }
    }

    fn check_fence(&self, token: Option<FencingToken>, now: BootInstant) -> Result<()> {
        let (Some(given), Some(mark)) = (token, self.mark) else { return Ok(()) };
        let forgotten = now >= mark.until;
        if given < mark.token && !forgotten {
            return Err(Error::fenced(&self.name, mark.token, given));
        }
        Ok(())
    }

    /// The answer of the append that had this id, if its content was the same.
    fn repeated(&self, id: AppendId, events: &[NewEvent]) -> Option<Result<Appended>> {
        let known = self.appends.get(&id)?;
        let given = events.iter().map(|event| (event.event_type.as_str(), &event.data));
        let same = known.content.iter().map(|(event_type, data)| (&**event_type, data)).eq(given);
        Some(if same { Ok(known.appended) } else { Err(Error::AppendIdReused { stream: (&*self.name).into() }) })
    }
}

impl Log {
    /// The whole of an append: the checks in the order of the contract, and then nothing that can fail.
    fn append(
        &mut self,
        stream: &str,
        events: &[NewEvent],
        parts: AppendParts,
        stamp: Stamp,
        fence_retention: Duration,
    ) -> Result<Appended> {
        let AppendParts { expected, append_id, fenced_by } = parts;
        let version = match self.streams.get(stream) {
            None => {
                expected.check(stream, 0)?;
                0
            }
            Some(known) => {
                if let Some(answer) = known.repeated(append_id, events) {
                    return answer;
                }
                known.check_fence(fenced_by, stamp.now)?;
                expected.check(stream, known.last)?;
                known.last
            }
        };
        let last = Position::from_u128(self.last.to_u128() + events.len() as u128);
        let appended = Appended { first: version + 1, last: version + events.len() as u64, position: last };
        self.store(stream, events, appended, stamp.wall);
        let kept = self.streams.get_mut(stream).expect("it was stored");
        let content = events.iter().map(|event| (event.event_type.as_str().into(), event.data.clone())).collect();
        kept.appends.insert(append_id, Known { content, appended, until: stamp.now.after(APPEND_ID_RETENTION) });
        if let Some(token) = fenced_by {
            kept.mark = Some(Mark { token, until: stamp.now.after(fence_retention) });
        }
        Ok(appended)
    }

    fn store(&mut self, stream: &str, events: &[NewEvent], appended: Appended, recorded_at: SystemTime) {
        if !self.streams.contains_key(stream) {
            self.streams.insert(stream.into(), Stream::new(stream));
        }
        let kept = self.streams.get_mut(stream).expect("just made");
        for (version, event) in (appended.first..).zip(events) {
            let position = Position::from_u128(self.last.to_u128() + 1);
            let recorded = Recorded {
                stream: Arc::clone(&kept.name),
                version,
                position,
                id: event.id,
                event_type: event.event_type.as_str().into(),
                data: event.data.clone(),
                metadata: event.metadata.clone(),
                recorded_at,
            };
            self.order.insert(position, recorded);
            kept.positions.insert(version, position);
            kept.last = version;
            self.last = position;
        }
    }

    fn read(&self, stream: &str, parts: ReadParts) -> StreamSlice {
        let ReadParts { from, backwards, limit } = parts;
        let Some(kept) = self.streams.get(stream) else {
            return StreamSlice { events: Vec::new(), first: 1, last: 0 };
        };
        let recorded = |(_, position): (&u64, &Position)| self.order[position].clone();
        let events = if backwards {
            kept.positions.range(..=from).rev().take(limit).map(recorded).collect()
        } else {
            kept.positions.range(from..).take(limit).map(recorded).collect()
        };
        StreamSlice { events, first: kept.first, last: kept.last }
    }

    fn read_all(&self, after: Position, limit: usize) -> Batch {
        let following = self.order.range((Bound::Excluded(after), Bound::Unbounded));
        let events: Vec<_> = following.take(limit).map(|(_, event)| event.clone()).collect();
        let next = match events.last() {
            Some(event) if events.len() == limit => event.position,
            // All there is was read; at the end there may have been truncated ones.
            _ => after.max(self.last),
        };
        let truncated = self.truncated.filter(|truncated| *truncated > after);
        Batch { events, next, truncated }
    }

    fn truncate_before(&mut self, stream: &str, version: u64, now: BootInstant) {
        let Some(kept) = self.streams.get_mut(stream) else { return };
        let left = kept.positions.split_off(&version);
        for position in std::mem::replace(&mut kept.positions, left).into_values() {
            self.order.remove(&position);
            self.truncated = self.truncated.max(Some(position));
        }
        let first = kept.positions.first_key_value().map_or(kept.last + 1, |(version, _)| *version);
        kept.first = first;
        kept.appends.retain(|_, known| known.appended.first >= first || now < known.until);
    }

    fn save_snapshot(&mut self, stream: &str, snapshot: Snapshot) {
        let newer = self.snapshots.get(stream).is_some_and(|kept| kept.version > snapshot.version);
        if !newer {
            self.snapshots.insert(stream.into(), snapshot);
        }
    }
}

/// The event store of one client and namespace.
#[derive(Debug)]
pub struct MemoryEvents {
    space: Arc<EventSpace>,
    session: Session,
}

impl MemoryEvents {
    /// A client's view of a namespace.
    #[must_use]
    pub fn open(space: Arc<EventSpace>, session: Session) -> Self {
        Self { space, session }
    }
}

#[async_trait]
impl EventStore for MemoryEvents {
    fn capabilities(&self) -> EventCapabilities {
        self.space.capabilities
    }

    async fn append(&self, stream: &str, events: Vec<NewEvent>, options: AppendOptions) -> Result<Appended> {
        self.session.check_open()?;
        check_key(stream)?;
        let parts = options.into_parts()?;
        check_append(stream, &events, &self.space.capabilities)?;
        self.space.append(stream, &events, parts)
    }

    async fn read(&self, stream: &str, query: ReadQuery) -> Result<StreamSlice> {
        self.session.check_open()?;
        check_key(stream)?;
        let parts = query.into_parts()?;
        Ok(self.space.log().read(stream, parts))
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Batch> {
        self.session.check_open()?;
        let limit = check_limit(limit)?;
        Ok(self.space.log().read_all(after, limit))
    }

    async fn changed(&self, after: Position) -> Result<()> {
        loop {
            let appended = self.space.appended.notified();
            tokio::pin!(appended);
            // Registered before the log is looked at, so that no append is missed in between.
            appended.as_mut().enable();
            self.session.check_open()?;
            if self.space.log().last > after {
                return Ok(());
            }
            tokio::select! {
                () = appended => {}
                () = self.session.closed() => {}
            }
        }
    }

    async fn load_snapshot(&self, stream: &str) -> Result<Option<Snapshot>> {
        self.session.check_open()?;
        check_key(stream)?;
        Ok(self.space.log().snapshots.get(stream).cloned())
    }

    async fn save_snapshot(&self, stream: &str, snapshot: Snapshot) -> Result<()> {
        self.session.check_open()?;
        check_key(stream)?;
        if snapshot.version == 0 {
            return Err(Error::invalid("snapshot", "its version is 1 or more"));
        }
        check_size(snapshot.data.len(), self.space.capabilities.max_event)?;
        self.space.log().save_snapshot(stream, snapshot);
        Ok(())
    }

    async fn truncate_before(&self, stream: &str, version: u64) -> Result<()> {
        self.session.check_open()?;
        check_key(stream)?;
        self.space.log().truncate_before(stream, version, self.space.clock.now());
        Ok(())
    }
}
