//! What calls are made on, those who contend for it, and what may be left of it in the end.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use concurrency_core::{
    Aggregate, AppendOptions, Cache, Checkpoint, Claim, Error, Event, EventStore, Lease, Lock, LockGuard, LockOptions,
    Locks, NewEvent, Projection, Projector, Recorded, Repository, Result, Rows, StateStore, TypedCache, TypedState,
    clock::{self, BootInstant},
};
use serde::{Deserialize, Serialize};
use tokio::{runtime::Handle, task::JoinSet};

use super::{
    delayed::Delayed,
    server::{Client, Server},
};

/// What everybody contends for: keys, names and streams.
const KEYS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
/// Of every lease and reservation.
pub(super) const TTL: Duration = Duration::from_millis(100);
/// How long to wait for a lock.
pub(super) const PATIENCE: Duration = Duration::from_millis(20);
/// How long the name that a call waits for is held by somebody else.
const OCCUPIED: Duration = Duration::from_millis(2);

/// One of the keys.
pub(super) fn key(n: usize) -> &'static str {
    KEYS[n % KEYS.len()]
}

/// Options of guards.
pub(super) fn options() -> LockOptions {
    LockOptions::new().with_ttl(TTL).with_timeout(PATIENCE)
}

/// An aggregate that counts.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Count(u64);

/// It went on.
#[derive(Serialize, Deserialize)]
pub(super) struct Counted;

impl Event for Counted {
    fn event_type(&self) -> &'static str {
        "counted"
    }
}

impl Aggregate for Count {
    type Event = Counted;

    fn apply(&mut self, _: &Counted) {
        self.0 += 1;
    }
}

struct Totals;

#[async_trait::async_trait]
impl Projection for Totals {
    fn name(&self) -> &str {
        "totals"
    }

    async fn apply(&self, event: &Recorded, rows: &mut Rows) -> Result<()> {
        rows.update(&event.stream, |n: Option<u64>| n.unwrap_or(0) + 1).await
    }
}

/// Components behind a delay, and companions over them.
#[derive(Debug)]
pub(super) struct World {
    pub(super) state: Arc<dyn StateStore>,
    pub(super) cache: Arc<dyn Cache>,
    pub(super) lock: Arc<dyn Lock>,
    pub(super) events: Arc<dyn EventStore>,
    pub(super) typed: TypedState<u64>,
    pub(super) cached: TypedCache<u64>,
    pub(super) locks: Locks,
    pub(super) repository: Repository<Count>,
    pub(super) projector: Projector,
    /// The same data without the delay.
    bare: Client,
    server: Server,
}

impl World {
    pub(super) async fn new(server: Server) -> Result<Self> {
        let bare = server.client().await?;
        let state: Arc<dyn StateStore> = Arc::new(Delayed(Arc::clone(&bare.state)));
        let cache: Arc<dyn Cache> = Arc::new(Delayed(Arc::clone(&bare.cache)));
        let lock: Arc<dyn Lock> = Arc::new(Delayed(Arc::clone(&bare.lock)));
        let events: Arc<dyn EventStore> = Arc::new(Delayed(Arc::clone(&bare.events)));
        let locks = Locks::new(Arc::clone(&lock));
        let projector = Projector::new(Totals, Arc::clone(&events), Arc::clone(&state), locks.clone())?
            .with_lock_options(options());
        Ok(Self {
            typed: TypedState::new(Arc::clone(&state)).with_deadline(PATIENCE * 5),
            cached: TypedCache::new(Arc::clone(&cache)).with_load_hold(TTL),
            repository: Repository::new(Arc::clone(&events)).with_snapshot_every(10).with_deadline(PATIENCE * 5),
            projector,
            locks,
            bare,
            server,
            state,
            cache,
            lock,
            events,
        })
    }

    /// A lease on one of the names, waited for as long as it takes.
    pub(super) async fn lease(&self, n: usize) -> Lease {
        loop {
            let claim = Claim::new(key(n), TTL).expect("the claim is valid");
            if let Ok(lease) = self.bare.lock.acquire(&claim, TTL * 5).await {
                return lease;
            }
        }
    }

    /// A guard of one of the names, waited for as long as it takes.
    pub(super) async fn guard(&self, n: usize) -> LockGuard {
        loop {
            if let Ok(guard) = self.locks.acquire(key(n), options().with_timeout(TTL * 5)).await {
                return guard;
            }
        }
    }

    /// Somebody else holds this name for a moment, so that whoever wants it has to wait.
    pub(super) async fn occupied(&self, n: usize) {
        let (lease, lock) = (self.lease(n).await, Arc::clone(&self.bare.lock));
        drop(tokio::spawn(async move {
            clock::sleep_until(BootInstant::now().after(OCCUPIED)).await;
            lock.release(lease.claim(), Some(lease.fencing_token())).await
        }));
    }

    /// An event at the end of the log: whoever goes on behind it has to wait for news.
    pub(super) async fn appended(&self, n: usize) -> Checkpoint {
        let (event, options) = (NewEvent::new("counted", "null"), AppendOptions::new());
        let id = event.id;
        let appended = self.events.append(key(n), vec![event], options).await.expect("appended without a condition");
        Checkpoint { position: appended.position, event: id }
    }

    /// Calls of other clients on the same keys, without the delay, until `stop`.
    pub(super) async fn contend(&self, stop: &Arc<AtomicBool>) -> JoinSet<()> {
        let mut crowd = JoinSet::new();
        for client in 0..2 {
            let other = self.server.client().await.expect("another client opens");
            let stop = Arc::clone(stop);
            crowd.spawn(async move {
                let contender = Contender::new(&other);
                for n in (client * 3).. {
                    if stop.load(Ordering::Acquire) {
                        break;
                    }
                    contender.turn(n).await;
                    clock::sleep_until(BootInstant::now().after(Duration::from_micros(300))).await;
                }
                other.close().await;
            });
        }
        crowd
    }

    /// What is there that should not be, right now; `tasks` were there before.
    async fn leaks(&self, tasks: usize) -> Leaks {
        let locks = self.server.locks(&self.bare).await;
        Leaks {
            leases: locks.held,
            waiters: locks.waiting,
            places: locks.places,
            queue_entries: self.typed.queued(),
            loads: self.cached.loading(),
            reservations: self.bare.reserved().await,
            tasks: Handle::current().metrics().num_alive_tasks().saturating_sub(tasks),
            references: 0,
            connections: 0,
        }
    }

    /// What is still there when all that may take time has had it (leases and reservations lapse, releases in the background
    /// end), and when the companions are gone.
    pub(super) async fn settle(self, tasks: usize, within: Duration) -> Leaks {
        let end = BootInstant::now().after(within);
        let mut leaks = self.leaks(tasks).await;
        while leaks.sum() > 0 && !end.has_passed() {
            clock::sleep_until(BootInstant::now().after(Duration::from_millis(10))).await;
            leaks = self.leaks(tasks).await;
        }
        let Self { state, cache, lock, events, typed, cached, locks, repository, projector, bare, server } = self;
        drop((typed, cached, locks, repository, projector));
        let counts = [
            Arc::strong_count(&state),
            Arc::strong_count(&cache),
            Arc::strong_count(&lock),
            Arc::strong_count(&events),
        ];
        leaks.references = counts.iter().map(|count| count - 1).sum();
        drop((state, cache, lock, events));
        bare.close().await;
        drop(bare);
        leaks.connections = server.connections(end).await;
        leaks
    }
}

/// Another client, which wants what everybody wants.
struct Contender {
    lock: Arc<dyn Lock>,
    typed: TypedState<u64>,
    cached: TypedCache<u64>,
    events: Arc<dyn EventStore>,
}

impl Contender {
    fn new(client: &Client) -> Self {
        Self {
            lock: Arc::clone(&client.lock),
            typed: TypedState::new(Arc::clone(&client.state)),
            cached: TypedCache::new(Arc::clone(&client.cache)).with_load_hold(TTL),
            events: Arc::clone(&client.events),
        }
    }

    /// Failures are part of it: conflicts, timeouts.
    async fn turn(&self, n: usize) {
        let key = key(n);
        let claim = Claim::new(key, TTL).expect("the claim is valid");
        if let Ok(lease) = self.lock.acquire(&claim, Duration::from_millis(2)).await {
            tokio::task::yield_now().await;
            drop(self.lock.release(lease.claim(), Some(lease.fencing_token())).await);
        }
        drop(self.typed.update(key, |n| n.unwrap_or(0) + 1).await);
        drop(self.cached.get_or_load(key, async { Ok::<_, Error>(1) }).await);
        if n.is_multiple_of(3) {
            drop(self.cached.remove(key).await);
        }
        if n.is_multiple_of(10) {
            let event = NewEvent::new("counted", "null");
            drop(self.events.append(key, vec![event], AppendOptions::new()).await);
        }
    }
}

/// What was left behind.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Leaks {
    leases: usize,
    waiters: usize,
    /// In the store's queues of those who wait for locks.
    places: usize,
    queue_entries: usize,
    loads: usize,
    reservations: usize,
    tasks: usize,
    /// Of components, by something that should be gone.
    references: usize,
    /// To the store, when every client is closed.
    connections: usize,
}

impl Leaks {
    pub(super) const fn sum(&self) -> usize {
        let Self { leases, waiters, places, queue_entries, loads, reservations, tasks, references, connections } =
            *self;
        leases + waiters + places + queue_entries + loads + reservations + tasks + references + connections
    }
}

impl fmt::Display for Leaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { leases, waiters, places, queue_entries, loads, reservations, tasks, references, connections } = self;
        writeln!(
            f,
            "left: leases {leases}, waiters {waiters}, places in queues {places}, queue entries {queue_entries}, loads {loads}, \
             reservations {reservations}, tasks {tasks}, references {references}, connections {connections}"
        )?;
        writeln!(f, "leaks {}", self.sum())
    }
}
