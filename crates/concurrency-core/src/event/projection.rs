//! Read models: rows computed from events, in the order in which they happened.

mod head;
mod rows;
mod work;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use serde::{Serialize, de::DeserializeOwned};

pub use self::rows::Rows;
use self::{head::Head, work::Until};
use crate::{
    Checkpoint, Codec, Error, EventStore, LockOptions, Locks, Namespace, Position, Recorded, Result, StateStore,
    check_limit, observe::Counter,
};

/// How rows follow from events.
///
/// Work on nothing but the event and the rows: then the rows are a function of the log, whoever computes them.
#[async_trait]
pub trait Projection: Send + Sync + 'static {
    /// Its name: that of its lock and of its checkpoint, and the first part of the keys of its rows. Of the characters of a
    /// [`Namespace`].
    fn name(&self) -> &str;

    /// Changes the rows by one event, in the global order, each event once.
    ///
    /// # Errors
    /// One that [may go away](Error::is_retryable) is met by trying again; any other ends [`Projector::run`] at the event
    /// before, and the next run meets the event again.
    async fn apply(&self, event: &Recorded, rows: &mut Rows) -> Result<()>;

    /// Events before `first_available` were truncated before this projection saw them. Provided: goes on without them.
    ///
    /// Told again after a restart, as long as the checkpoint lies before them.
    ///
    /// # Errors
    /// As of [`apply`](Self::apply): a projection that must not go on refuses here.
    async fn truncated(&self, first_available: Position, rows: &mut Rows) -> Result<()> {
        let _ = (first_available, rows);
        Ok(())
    }
}

/// Runs a [`Projection`]: on one instance at a time, and each event exactly once.
///
/// The rows of a batch of events and the checkpoint behind it go into one [`commit`](StateStore::commit), which is refused
/// where the checkpoint is not the one that the batch began at. So neither a crash, nor a lost answer, nor an instance that
/// was paused and comes back late doubles or skips an event; the lock only keeps instances from doing work for nothing.
/// ```
/// # use concurrency_core::*;
/// struct Totals;
///
/// #[async_trait::async_trait]
/// impl Projection for Totals {
///     fn name(&self) -> &str {
///         "totals"
///     }
///     async fn apply(&self, event: &Recorded, rows: &mut Rows) -> Result<()> {
///         rows.update(&event.event_type, |n: Option<u64>| n.unwrap_or(0) + 1).await
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// # let backend = Memory::new();
/// let events: std::sync::Arc<dyn EventStore> = backend.event_store("orders")?;
/// let totals = Projector::new(Totals, events.clone(), backend.state_store("views")?, Locks::new(backend.lock("views")?))?;
/// events.append("order-7", vec![NewEvent::new("placed", "{}")], AppendOptions::new()).await?;
/// totals.catch_up().await?; // a service spawns `totals.run()`
/// assert_eq!(totals.row::<u64>("placed").await?, Some(1));
/// # Ok(())
/// # }
/// ```
pub struct Projector {
    projection: Arc<dyn Projection>,
    events: Arc<dyn EventStore>,
    rows: Arc<dyn StateStore>,
    locks: Locks,
    lock_options: LockOptions,
    codec: Codec,
    batch: usize,
    counters: Arc<Counters>,
}

/// What a [`Projector`] has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct ProjectionCounts {
    /// Events whose rows were committed.
    pub events: u64,
    /// Commits that were accepted.
    pub commits: u64,
    /// Leases under which it worked.
    pub leases: u64,
    /// Times that it began again at the stored checkpoint: after an error that may go away, or because another instance
    /// had moved it.
    pub restarts: u64,
    /// Rebuilds that it has begun.
    pub rebuilds: u64,
}

#[derive(Debug, Default)]
struct Counters {
    events: Counter,
    commits: Counter,
    leases: Counter,
    restarts: Counter,
    rebuilds: Counter,
}

impl fmt::Debug for Projector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Projector").field("projection", &self.projection.name()).finish_non_exhaustive()
    }
}

impl Projector {
    /// How many events go into one commit at most unless told.
    pub const DEFAULT_BATCH: usize = 256;

    /// Over the events of a namespace; rows and checkpoint go to `rows`, and the lock has the projection's name.
    ///
    /// # Errors
    /// `Unsupported` where `rows` has no [`commit`](StateStore::commit); `InvalidArgument` for a name that cannot be that of
    /// a namespace.
    pub fn new(
        projection: impl Projection,
        events: Arc<dyn EventStore>,
        rows: Arc<dyn StateStore>,
        locks: Locks,
    ) -> Result<Self> {
        Namespace::new(projection.name())?;
        if !rows.capabilities().commit {
            return Err(Error::unsupported("commit"));
        }
        Ok(Self {
            projection: Arc::new(projection),
            events,
            rows,
            locks,
            lock_options: LockOptions::new(),
            codec: Codec::default(),
            batch: Self::DEFAULT_BATCH,
            counters: Arc::default(),
        })
    }

    /// At most so many events in one commit, 1 to 1,000; fewer where the store's limits demand it.
    ///
    /// # Errors
    /// `InvalidArgument` for any other number.
    pub fn with_batch(mut self, events: usize) -> Result<Self> {
        self.batch = check_limit(events)?;
        Ok(self)
    }

    /// Rows are written with this codec, and [`Rows::decode`] reads events with it.
    #[must_use]
    pub const fn with_codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// How the lock is taken: its TTL is how long a crashed instance delays the next one.
    #[must_use]
    pub const fn with_lock_options(mut self, options: LockOptions) -> Self {
        self.lock_options = options;
        self
    }

    /// Projects what there is and what comes, as soon as no other instance does, until one of the stores is closed. Errors
    /// that may go away are waited out. Where another instance takes over, it waits for its turn again.
    ///
    /// # Errors
    /// `LogRewound`: the rows contain events that the log no longer holds; [`rebuild`](Self::rebuild). `Decode` and
    /// `Incompatible` where the stored checkpoint cannot be read; what [`Projection::apply`] refuses; any other error of the
    /// stores that does not go away.
    ///
    /// # Cancel safety
    /// Dropping the future is how to stop: it is as good as a crash, and gives the lock back.
    pub async fn run(&self) -> Result<()> {
        self.run_until(Until::Closed).await
    }

    /// As [`run`](Self::run), but returns when all events so far are in the rows.
    ///
    /// # Errors
    /// As there; `LockTimeout` where another instance works all the time; `Closed`.
    ///
    /// # Cancel safety
    /// As there.
    pub async fn catch_up(&self) -> Result<()> {
        self.run_until(Until::CaughtUp).await
    }

    /// Drops all rows and begins again at the first event: for a projection whose rules have changed, or whose log was
    /// rewound. Returns when that is decided; whichever instance runs does it, within about a second. Until it has caught up
    /// again, rows are missing or old. Events that were truncated are not seen again.
    ///
    /// # Errors
    /// `Unsupported` where the rows cannot be listed; those of [`StateStore::load`] and [`commit`](StateStore::commit).
    ///
    /// # Cancel safety
    /// A dropped call has decided it or not.
    pub async fn rebuild(&self) -> Result<()> {
        if !self.rows.capabilities().list {
            return Err(Error::unsupported("list"));
        }
        self.begin_rebuilding().await
    }

    /// The last event that is in the rows; `None` before the first.
    ///
    /// # Errors
    /// Those of [`StateStore::load`]; `Decode` and `Incompatible` where the stored checkpoint cannot be read.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn checkpoint(&self) -> Result<Option<Checkpoint>> {
        let stored = Head::load(&*self.rows, self.projection.name()).await?;
        Ok(stored.head.checkpoint)
    }

    /// A row, as of the last commit. Others read it in the same store under the key `name/key`.
    ///
    /// # Errors
    /// Those of [`StateStore::load`]; `Decode` where the row is not a `T`.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn row<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        self.empty_rows().load(key).await
    }

    /// What was done so far.
    #[must_use]
    pub fn counts(&self) -> ProjectionCounts {
        let Counters { events, commits, leases, restarts, rebuilds } = &*self.counters;
        ProjectionCounts {
            events: events.get(),
            commits: commits.get(),
            leases: leases.get(),
            restarts: restarts.get(),
            rebuilds: rebuilds.get(),
        }
    }

    fn empty_rows(&self) -> Rows {
        Rows::new(Arc::clone(&self.rows), self.projection.name(), self.codec)
    }
}
