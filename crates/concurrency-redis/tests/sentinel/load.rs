//! Those who work: tasks on all four components, which know what they were told.

mod workers;

use std::{
    collections::HashSet,
    fmt,
    sync::{
        Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use concurrency_core::{
    Cache, Delivery, EventId, EventStore, Lock, Memory, Outcome, Position, StateStore, Subscription,
};
use tokio::{sync::watch, task::JoinSet};

use self::workers::{appends, counts, follows, holds, sets};
use super::*;

/// Tasks of each component.
const TASKS: usize = 3;
/// Longer than a failover.
const TTL: Duration = Duration::from_secs(5);

/// What one who works has seen since it was asked last.
#[derive(Debug, Default)]
struct Seen {
    turns: AtomicUsize,
    unanswered: AtomicUsize,
    /// Acknowledged, and gone.
    lost: AtomicUsize,
    /// The longest time without a success, and when the last one was, in milliseconds.
    longest: AtomicU64,
    last: AtomicU64,
    /// Why the last turn without an answer had none.
    why: Mutex<Option<Error>>,
}

impl Seen {
    fn succeeded(&self) {
        let now = milliseconds(BootInstant::now());
        self.longest.fetch_max(now - self.last.swap(now, Ordering::AcqRel), Ordering::AcqRel);
        self.turns.fetch_add(1, Ordering::AcqRel);
    }

    /// A turn ended so.
    fn ended(&self, turn: Result<(), Error>) {
        match turn {
            Ok(()) => self.succeeded(),
            Err(error) => {
                assert!(is_outage(&error), "{error:?}");
                *self.why.lock().unwrap() = Some(error);
                self.unanswered.fetch_add(1, Ordering::AcqRel);
            }
        }
    }
}

fn milliseconds(instant: BootInstant) -> u64 {
    u64::try_from(instant.since_boot().as_millis()).unwrap()
}

/// What all who work share.
#[derive(Debug)]
pub(crate) struct Shared {
    is_over: watch::Sender<bool>,
    /// The highest token that anybody was told of.
    highest: AtomicU64,
    /// Who holds the name, and until when it may rely on that.
    inside: Mutex<Option<(u64, BootInstant)>>,
    /// Grants while another lease was still good.
    pub(crate) held_twice: AtomicUsize,
    /// Writes of holders that were refused because a later one had written.
    pub(crate) caught: AtomicUsize,
    /// What the lock guards: it outlives every failover, and goes by tokens.
    elsewhere: Arc<dyn StateStore>,
    pub(crate) appends: Appends,
}

impl Shared {
    fn is_over(&self) -> bool {
        *self.is_over.borrow()
    }

    /// Returns when all are to end.
    async fn over(&self) {
        // Its sender is here.
        drop(self.is_over.subscribe().wait_for(|over| *over).await);
    }
}

/// What was appended.
#[derive(Default)]
pub(crate) struct Appends {
    done: Mutex<Vec<(EventId, Position)>>,
    unknown: Mutex<HashSet<EventId>>,
    delivered: Mutex<HashSet<EventId>>,
    /// Where the follower is.
    follower_at: Mutex<Position>,
    /// How often the follower was told that the log was lost.
    pub(crate) rewound: AtomicUsize,
}

/// How many, and where the follower is.
impl fmt::Debug for Appends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (done, delivered) = (self.done.lock().unwrap().len(), self.delivered.lock().unwrap().len());
        let (at, rewound) = (*self.follower_at.lock().unwrap(), self.rewound.load(Ordering::Acquire));
        write!(f, "{done} appended up to {}, {delivered} delivered up to {at}, rewound {rewound} times", self.highest())
    }
}

impl Appends {
    pub(crate) fn highest(&self) -> Position {
        self.done.lock().unwrap().iter().map(|(_, position)| *position).max().unwrap_or(Position::START)
    }

    pub(crate) fn is_delivered(&self, position: Position) -> bool {
        *self.follower_at.lock().unwrap() >= position
    }

    /// So many acknowledged events are not in the log; and whether the follower has seen one of them.
    pub(crate) async fn lost(&self, store: &Arc<dyn EventStore>) -> (usize, bool) {
        let (mut done, mut there) = (self.done.lock().unwrap().clone(), HashSet::new());
        let mut last = self.highest();
        let mut subscription = Subscription::new(Arc::clone(store), None);
        loop {
            match subscription.next().await {
                Ok(Delivery::Event(event)) => {
                    there.insert(event.id);
                    // On a busy machine whoever reads never catches up with those who append.
                    if event.position >= last {
                        break;
                    }
                }
                Ok(Delivery::CaughtUp) => break,
                // A busy machine, and one failover more.
                Err(Error::LogRewound) => {
                    (done, there, last) = (self.done.lock().unwrap().clone(), HashSet::new(), self.highest());
                    subscription = Subscription::new(Arc::clone(store), None);
                }
                Err(error) if is_outage(&error) => {}
                other => panic!("{other:?}"),
            }
        }
        let lost: HashSet<_> = done.iter().map(|(id, _)| *id).filter(|id| !there.contains(id)).collect();
        self.done.lock().unwrap().retain(|(id, _)| !lost.contains(id));
        let was_seen = self.delivered.lock().unwrap().iter().any(|id| lost.contains(id));
        (lost.len(), was_seen)
    }
}

/// All who work, until this is ended.
pub(crate) struct Load {
    workers: Vec<(&'static str, Arc<Seen>)>,
    tasks: JoinSet<()>,
    pub(crate) shared: Arc<Shared>,
}

impl Load {
    /// Clients of their own for each component.
    pub(crate) async fn start(set: &Sentinels) -> Self {
        let shared = Arc::new(Shared {
            is_over: watch::Sender::new(false),
            highest: AtomicU64::new(0),
            inside: Mutex::new(None),
            held_twice: AtomicUsize::new(0),
            caught: AtomicUsize::new(0),
            elsewhere: Memory::new().state_store("n").unwrap(),
            appends: Appends::default(),
        });
        let mut load = Self { workers: Vec::new(), tasks: JoinSet::new(), shared };
        let (states, caches, locks, events) =
            (client(set).await, client(set).await, client(set).await, client(set).await);
        for number in 0..TASKS {
            let store = states.state_store("n").unwrap();
            load.add("state", |shared, seen| counts(store, number, shared, seen));
            let cache = caches.cache("n").unwrap();
            load.add("cache", |shared, seen| sets(cache, number, shared, seen));
            let lock = locks.lock("n").unwrap();
            load.add("lock", |shared, seen| holds(lock, shared, seen));
            let store = events.event_store("n").unwrap();
            load.add("append", |shared, seen| appends(store, number, shared, seen));
        }
        let store = client(set).await.event_store("n").unwrap();
        load.add("follow", |shared, seen| follows(store, shared, seen));
        load
    }

    fn add<W>(&mut self, what: &'static str, work: impl FnOnce(Arc<Shared>, Arc<Seen>) -> W)
    where
        W: Future<Output = ()> + Send + 'static,
    {
        let seen = Arc::new(Seen::default());
        seen.last.store(milliseconds(BootInstant::now()), Ordering::Release);
        self.workers.push((what, Arc::clone(&seen)));
        self.tasks.spawn(work(Arc::clone(&self.shared), seen));
    }

    /// Returns when each of them has come to so many successes more.
    pub(crate) async fn goes_on(&mut self, turns: usize) {
        let turns_of = |seen: &Seen| seen.turns.load(Ordering::Acquire);
        let goals: Vec<_> = self.workers.iter().map(|(_, seen)| turns_of(seen) + turns).collect();
        let workers = self.workers.clone();
        let is_there = move || workers.iter().zip(&goals).all(|((_, seen), goal)| turns_of(seen) >= *goal);
        self.until("all go on", is_there).await;
    }

    /// Returns when it is so, which it has to become while all work.
    pub(crate) async fn until(&mut self, what: &str, is_so: impl Fn() -> bool) {
        let end = BootInstant::now().after(PATIENCE);
        while !is_so() {
            assert!(self.tasks.try_join_next().is_none_or(|ended| ended.is_ok()), "somebody has failed");
            assert!(!end.has_passed(), "not in time: {what}: {}", self.state());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Where each of them is.
    fn state(&self) -> String {
        let now = milliseconds(BootInstant::now());
        let workers = self.workers.iter().map(|(what, seen)| {
            let (turns, last) = (seen.turns.load(Ordering::Acquire), seen.last.load(Ordering::Acquire));
            format!("{what}: {turns} turns, the last {} ms ago, {:?}; ", now - last, seen.why.lock().unwrap())
        });
        format!("{}{:?}", workers.collect::<String>(), self.shared.appends)
    }

    /// What each component has seen since this was asked last: the longest time in milliseconds in which one of its tasks
    /// had no success, turns without an answer, and what was acknowledged and is gone.
    pub(crate) fn report(&self) -> String {
        let mut text = String::new();
        for what in ["state", "cache", "lock", "append", "follow"] {
            let seen = || self.workers.iter().filter(|(of, _)| *of == what).map(|(_, seen)| seen);
            let longest = seen().map(|seen| seen.longest.swap(0, Ordering::AcqRel)).max().unwrap();
            let unanswered: usize = seen().map(|seen| seen.unanswered.swap(0, Ordering::AcqRel)).sum();
            let lost: usize = seen().map(|seen| seen.lost.swap(0, Ordering::AcqRel)).sum();
            text += &format!("; {what}: {longest} ms without, {unanswered} unanswered, {lost} lost");
        }
        text
    }

    pub(crate) async fn end(mut self) {
        self.shared.is_over.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}
