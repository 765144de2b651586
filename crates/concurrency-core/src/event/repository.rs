//! Aggregates: states that are the sum of their events.

mod counters;
mod replay;

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use tracing::Instrument as _;

pub use self::counters::RepositoryCounts;
use self::{counters::Counters, replay::Replayed};
use crate::{
    AppendId, AppendOptions, Codec, Error, EventId, EventStore, FencingToken, NewEvent, Recorded, Result, Snapshot,
    clock::BootInstant, observe, retry::Backoff,
};

/// What happened, as the program knows it.
pub trait Event: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Its name in the store, 1 to 256 bytes; never change one that was used.
    fn event_type(&self) -> &'static str;

    /// From stored bytes. Override it to read older schemas: stored bytes never change, so every schema that was ever
    /// written must stay readable.
    ///
    /// # Errors
    /// `Decode` where the bytes are not an event of this kind.
    fn upcast(stored: &Recorded, codec: Codec) -> Result<Self> {
        codec.decode(&stored.data)
    }
}

/// A state that is the sum of its events.
pub trait Aggregate: Default + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What can happen to it.
    type Event: Event;

    /// Raise it when the state's shape or the meaning of an event changes: older snapshots are then discarded.
    const SCHEMA: u32 = 1;

    /// The state after an event. It cannot fail: the event has happened.
    fn apply(&mut self, event: &Self::Event);
}

/// An aggregate and the version that it was loaded at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loaded<A> {
    /// The sum of the events.
    pub state: A,
    /// The number of the last one; zero where there is none.
    pub version: u64,
}

/// Loads and changes aggregates of one kind; the stream is the aggregate's id. Clones share their counters.
/// ```
/// # use concurrency_core::*;
/// # use serde::{Deserialize, Serialize};
/// #[derive(Serialize, Deserialize)]
/// enum Event { Deposited(u64), Withdrawn(u64) }
/// impl concurrency_core::Event for Event {
///     fn event_type(&self) -> &'static str {
///         match self { Self::Deposited(_) => "deposited", Self::Withdrawn(_) => "withdrawn" }
///     }
/// }
/// #[derive(Default, Serialize, Deserialize)]
/// struct Account { balance: u64 }
/// impl Aggregate for Account {
///     type Event = Event;
///     fn apply(&mut self, event: &Event) {
///         match event { Event::Deposited(sum) => self.balance += sum, Event::Withdrawn(sum) => self.balance -= sum }
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let accounts = Repository::<Account>::new(Memory::new().event_store("accounts")?);
/// accounts.execute("alice", |_| Ok::<_, Error>(vec![Event::Deposited(10)])).await?;
/// let after = accounts.execute("alice", |account| {
///     if account.balance < 3 { return Err(Error::invalid("withdrawal", "more than there is")) }
///     Ok(vec![Event::Withdrawn(3)])
/// }).await?;
/// assert_eq!((after.state.balance, after.version), (7, 2));
/// # Ok(())
/// # }
/// ```
pub struct Repository<A> {
    events: Arc<dyn EventStore>,
    codec: Codec,
    snapshot_every: u64,
    deadline: Duration,
    counters: Arc<Counters>,
    of: PhantomData<fn() -> A>,
}

impl<A> Clone for Repository<A> {
    fn clone(&self) -> Self {
        Self { events: Arc::clone(&self.events), counters: Arc::clone(&self.counters), ..*self }
    }
}

impl<A> fmt::Debug for Repository<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository").field("events", &self.events).finish_non_exhaustive()
    }
}

impl<A: Aggregate> Repository<A> {
    /// How many events there are between two snapshots unless told.
    pub const DEFAULT_SNAPSHOT_EVERY: u64 = 100;
    /// For how long `execute` repeats after conflicts unless told.
    pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(5);

    /// JSON, a snapshot every 100 events where the store keeps snapshots, and repeats after conflicts for 5 s.
    #[must_use]
    pub fn new(events: Arc<dyn EventStore>) -> Self {
        Self {
            events,
            codec: Codec::default(),
            snapshot_every: Self::DEFAULT_SNAPSHOT_EVERY,
            deadline: Self::DEFAULT_DEADLINE,
            counters: Arc::default(),
            of: PhantomData,
        }
    }

    /// Events and snapshots are written, and read, with this codec.
    #[must_use]
    pub const fn with_codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// A snapshot every so many events; zero is none, and those that are there are not used.
    #[must_use]
    pub const fn with_snapshot_every(mut self, events: u64) -> Self {
        self.snapshot_every = events;
        self
    }

    /// For how long [`execute`](Self::execute) repeats after conflicts.
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The store below, for reading histories and appending by hand.
    #[must_use]
    pub const fn store(&self) -> &Arc<dyn EventStore> {
        &self.events
    }

    /// What was done so far, by this repository and its clones.
    #[must_use]
    pub fn counts(&self) -> RepositoryCounts {
        self.counters.read()
    }

    /// The aggregate as of its last event: the newest usable snapshot, and what followed. One that never was is the default
    /// at version zero.
    ///
    /// A snapshot is not usable, and everything is replayed, where it is of another [`SCHEMA`](Aggregate::SCHEMA), cannot be
    /// decoded, or contains an event that the log does not hold.
    ///
    /// # Errors
    /// `Truncated` where the stream's beginning was truncated and no usable snapshot replaces it; `Decode` for an event that
    /// [`Event::upcast`] cannot read; those of [`EventStore::read`] and [`load_snapshot`](EventStore::load_snapshot).
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn load(&self, id: &str) -> Result<Loaded<A>> {
        Ok(self.replay(id).await?.loaded)
    }

    /// Loads, decides, and appends what was decided at the version that was loaded; after a conflict again, with jitter,
    /// until the deadline. Returns the aggregate after it.
    ///
    /// `decide` may run several times, each time on a fresh load; no events is no append.
    ///
    /// # Errors
    /// What `decide` refuses with; `Conflict` at the deadline; those of [`load`](Self::load) and of [`EventStore::append`].
    /// An error whose [`outcome`](Error::outcome) is unknown is passed on and nothing is decided again after it: the events
    /// may have been appended.
    ///
    /// # Cancel safety
    /// A dropped call has appended what its latest decision said, or nothing.
    pub async fn execute<E: From<Error>>(
        &self,
        id: &str,
        decide: impl FnMut(&A) -> Result<Vec<A::Event>, E> + Send,
    ) -> Result<Loaded<A>, E> {
        let span = tracing::debug_span!(target: observe::EVENT, observe::EVENT_EXECUTE, stream = id);
        self.execute_as(id, None, decide).instrument(span).await
    }

    /// As [`execute`](Self::execute), by the holder of a lock: refused once a later holder has appended under its token.
    ///
    /// # Errors
    /// As there, and `Fenced`.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn execute_fenced<E: From<Error>>(
        &self,
        id: &str,
        token: FencingToken,
        decide: impl FnMut(&A) -> Result<Vec<A::Event>, E> + Send,
    ) -> Result<Loaded<A>, E> {
        let span = tracing::debug_span!(target: observe::EVENT, observe::EVENT_EXECUTE, stream = id, token = token.0);
        self.execute_as(id, Some(token), decide).instrument(span).await
    }

    async fn execute_as<E: From<Error>>(
        &self,
        id: &str,
        token: Option<FencingToken>,
        mut decide: impl FnMut(&A) -> Result<Vec<A::Event>, E> + Send,
    ) -> Result<Loaded<A>, E> {
        let deadline = BootInstant::now().after(self.deadline);
        let mut backoff = Backoff::new();
        loop {
            let replayed = self.replay(id).await?;
            let decided = decide(&replayed.loaded.state)?;
            if decided.is_empty() {
                return Ok(replayed.loaded);
            }
            let version = replayed.loaded.version;
            match self.append(id, token, replayed, &decided).await {
                Err(conflict) if conflict.is_conflict() => {
                    self.counters.conflicts.increment();
                    tracing::debug!(name: observe::EVENT_EXECUTE_CONFLICT, target: observe::EVENT, stream = id, version);
                    if !backoff.sleep_before(deadline).await {
                        return Err(conflict.into());
                    }
                }
                done => return Ok(done?),
            }
        }
    }

    /// Appends at the loaded version, and takes a snapshot where one is due.
    async fn append(
        &self,
        id: &str,
        token: Option<FencingToken>,
        replayed: Replayed<A>,
        decided: &[A::Event],
    ) -> Result<Loaded<A>> {
        let Replayed { mut loaded, snapshot } = replayed;
        let encode = |event| Ok(NewEvent::new(A::Event::event_type(event), self.codec.encode(event)?));
        let events = decided.iter().map(encode).collect::<Result<Vec<_>>>()?;
        let last = events.last().expect("something was decided").id;
        // Minted here, so that repeats of this append by the store below are known as such, and a new decision is not.
        let mut options = AppendOptions::new().expecting(loaded.version).with_append_id(AppendId::mint());
        if let Some(token) = token {
            options = options.fenced_by(token);
        }
        let appended = self.events.append(id, events, options).await?;
        self.counters.appends.increment();
        decided.iter().for_each(|event| loaded.state.apply(event));
        loaded.version = appended.last;
        let due = self.uses_snapshots() && appended.last - snapshot >= self.snapshot_every;
        if due {
            self.save_snapshot(id, &loaded, last).await;
        }
        Ok(loaded)
    }

    fn uses_snapshots(&self) -> bool {
        self.snapshot_every > 0 && self.events.capabilities().snapshots
    }

    /// A snapshot only saves time, so that failing to save one fails nothing: the events have been appended.
    async fn save_snapshot(&self, id: &str, loaded: &Loaded<A>, event: EventId) {
        let saved = match self.codec.encode(&loaded.state) {
            Ok(data) => {
                let snapshot = Snapshot { version: loaded.version, event, schema: A::SCHEMA, data };
                self.events.save_snapshot(id, snapshot).await
            }
            Err(error) => Err(error),
        };
        match saved {
            Ok(()) => self.counters.snapshots.increment(),
            Err(error) => {
                let version = loaded.version;
                tracing::warn!(name: observe::EVENT_SNAPSHOT_FAILED, target: observe::EVENT, stream = id, version, %error);
            }
        }
    }
}
