//! Those who work: tasks on all four components, which know what they were told.

use std::{
    collections::HashSet,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use concurrency_core::{
    AppendOptions, Bytes, Cache, Claim, Delivery, EventId, EventStore, Expiry, Lock, Memory, NewEvent, Outcome,
    Position, SaveOptions, StateStore, Subscription,
};
use tokio::task::JoinSet;

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
    is_over: AtomicBool,
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

/// What was appended.
#[derive(Debug, Default)]
pub(crate) struct Appends {
    done: Mutex<Vec<(EventId, Position)>>,
    unknown: Mutex<HashSet<EventId>>,
    delivered: Mutex<HashSet<EventId>>,
    /// Where the follower is.
    follower_at: Mutex<Position>,
    /// How often the follower was told that the log was lost.
    pub(crate) rewound: AtomicUsize,
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
        let done = self.done.lock().unwrap().clone();
        let mut there = HashSet::new();
        let mut subscription = Subscription::new(Arc::clone(store), None);
        loop {
            match subscription.next().await.unwrap() {
                Delivery::Event(event) => drop(there.insert(event.id)),
                Delivery::CaughtUp => break,
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
            is_over: AtomicBool::new(false),
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
        let end = BootInstant::now().after(PATIENCE);
        loop {
            assert!(self.tasks.try_join_next().is_none_or(|ended| ended.is_ok()), "somebody has failed");
            let mut late = self.workers.iter().zip(&goals).filter(|((_, seen), goal)| turns_of(seen) < **goal);
            let Some(((what, _), _)) = late.next() else { return };
            assert!(!end.has_passed(), "{what} does not go on");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
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
        self.shared.is_over.store(true, Ordering::Release);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}

/// Writes of one key by one task, each with a number of its own.
#[derive(Default)]
struct Written {
    key: String,
    last: u64,
    done: Vec<u64>,
    unknown: HashSet<u64>,
}

impl Written {
    fn of(number: usize) -> Self {
        Self { key: format!("k{number}"), ..Self::default() }
    }

    fn next(&mut self) -> (u64, Bytes) {
        self.last += 1;
        (self.last, format!("{} {}", self.key, self.last).into())
    }

    fn ended(&mut self, number: u64, result: Result<(), Error>) -> Result<(), Error> {
        match &result {
            Ok(()) => self.done.push(number),
            Err(error) if error.outcome() != Outcome::NotApplied => drop(self.unknown.insert(number)),
            Err(_) => {}
        }
        result
    }

    /// This is there now, and what was written after it is gone.
    fn found(&mut self, value: Option<&Bytes>, seen: &Seen) -> u64 {
        let text = value.map(|value| std::str::from_utf8(value).unwrap());
        let number = text.map_or(0, |text| {
            let (key, number) = text.split_once(' ').unwrap();
            assert_eq!(key, self.key, "somebody else's answer");
            number.parse().unwrap()
        });
        let is_ours = number == 0 || self.done.contains(&number) || self.unknown.contains(&number);
        assert!(is_ours, "{}: {number} was refused, or never written", self.key);
        let kept = self.done.len();
        self.done.retain(|done| *done <= number);
        seen.lost.fetch_add(kept - self.done.len(), Ordering::AcqRel);
        number
    }
}

/// Saves under the version that it has seen.
async fn counts(store: Arc<dyn StateStore>, number: usize, shared: Arc<Shared>, seen: Arc<Seen>) {
    let mut written = Written::of(number);
    let mut turn = async || -> Result<(), Error> {
        let state = store.load(&written.key).await?;
        let mut base = written.found(state.as_ref().map(|state| &state.value), &seen);
        let mut options = match state {
            Some(state) => SaveOptions::new().if_version(state.version),
            None => SaveOptions::new().if_absent(),
        };
        for _ in 0..20 {
            let (number, value) = written.next();
            match store.save(&written.key, value, options).await {
                Err(error) if error.is_conflict() => {
                    // Ours alone: what it was is gone, or an attempt without an answer came through.
                    let now = store.load(&written.key).await?;
                    let now = written.found(now.as_ref().map(|state| &state.value), &seen);
                    assert!(now != number && now != base, "a conflict with itself: {now} is there");
                    return Ok(());
                }
                result => {
                    options = SaveOptions::new();
                    let version = result.as_ref().ok().copied();
                    written.ended(number, result.map(drop))?;
                    base = number;
                    options = version.map_or(options, |version| options.if_version(version));
                }
            }
        }
        Ok(())
    };
    while !shared.is_over.load(Ordering::Acquire) {
        seen.ended(turn().await);
    }
}

/// Sets and reads.
async fn sets(cache: Arc<dyn Cache>, number: usize, shared: Arc<Shared>, seen: Arc<Seen>) {
    let mut written = Written::of(number);
    let mut turn = async || -> Result<(), Error> {
        let found = cache.get(&written.key).await?;
        written.found(found.as_ref(), &seen);
        let (number, value) = written.next();
        let set = cache.set(&written.key, value, Expiry::Never).await;
        written.ended(number, set)
    };
    while !shared.is_over.load(Ordering::Acquire) {
        seen.ended(turn().await);
    }
}

/// Takes the one name, writes what it guards, and gives it back.
async fn holds(lock: Arc<dyn Lock>, shared: Arc<Shared>, seen: Arc<Seen>) {
    let turn = async || -> Result<(), Error> {
        let before = shared.highest.load(Ordering::SeqCst);
        let lease = lock.acquire(&Claim::new("k", TTL).unwrap(), PATIENCE).await?;
        let token = lease.fencing_token();
        assert!(token.0 > before, "{token:?} was granted after {before}");
        shared.highest.fetch_max(token.0, Ordering::SeqCst);
        let other = shared.inside.lock().unwrap().replace((token.0, lease.deadline()));
        let twice = other.is_some_and(|(_, deadline)| !deadline.has_passed());
        shared.held_twice.fetch_add(usize::from(twice), Ordering::AcqRel);
        let renewed = lock.renew(&lease).await;
        match shared.elsewhere.save("k", "v".into(), SaveOptions::new().fenced_by(token)).await {
            Ok(_) => {}
            Err(Error::Fenced { seen, .. }) => {
                assert!(seen > token, "{token:?} was refused because of {seen:?}");
                shared.caught.fetch_add(1, Ordering::AcqRel);
            }
            Err(error) => panic!("{error:?}"),
        }
        {
            let mut inside = shared.inside.lock().unwrap();
            if inside.is_some_and(|(now, _)| now == token.0) {
                *inside = None;
            }
        }
        match renewed {
            Err(Error::LeaseLost { .. }) => drop(seen.lost.fetch_add(1, Ordering::AcqRel)),
            renewed => drop(renewed?),
        }
        lock.release(lease.claim(), Some(token)).await.map(drop)
    };
    while !shared.is_over.load(Ordering::Acquire) {
        seen.ended(turn().await);
    }
}

/// Appends to a stream of its own.
async fn appends(store: Arc<dyn EventStore>, number: usize, shared: Arc<Shared>, seen: Arc<Seen>) {
    let (stream, appends) = (format!("s{number}"), &shared.appends);
    let turn = async || -> Result<(), Error> {
        let event = NewEvent::new("e", stream.clone());
        let (id, before) = (event.id, appends.highest());
        match store.append(&stream, vec![event], AppendOptions::new()).await {
            Ok(appended) => {
                assert!(appended.position > before, "{} was given after {before}", appended.position);
                appends.done.lock().unwrap().push((id, appended.position));
                Ok(())
            }
            Err(error) => {
                if error.outcome() != Outcome::NotApplied {
                    appends.unknown.lock().unwrap().insert(id);
                }
                Err(error)
            }
        }
    };
    while !shared.is_over.load(Ordering::Acquire) {
        seen.ended(turn().await);
        // A log that everybody can read in the end.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Reads everything, and begins anew where the log says that it was lost.
async fn follows(store: Arc<dyn EventStore>, shared: Arc<Shared>, seen: Arc<Seen>) {
    let (appends, mut last) = (&shared.appends, Position::START);
    let mut subscription = Subscription::new(Arc::clone(&store), None);
    while !shared.is_over.load(Ordering::Acquire) {
        match tokio::time::timeout(Duration::from_millis(100), subscription.next()).await {
            Ok(Ok(Delivery::Event(event))) => {
                assert!(event.position > last, "{} came behind {last}", event.position);
                assert_eq!(event.data, event.stream.as_bytes(), "somebody else's");
                last = event.position;
                appends.delivered.lock().unwrap().insert(event.id);
                *appends.follower_at.lock().unwrap() = last;
                seen.succeeded();
            }
            Ok(Err(Error::LogRewound)) => {
                appends.rewound.fetch_add(1, Ordering::AcqRel);
                last = Position::START;
                subscription = Subscription::new(Arc::clone(&store), None);
            }
            Ok(Err(error)) => seen.ended(Err(error)),
            Ok(Ok(_)) | Err(_) => {}
        }
    }
    let (done, unknown) = (appends.done.lock().unwrap(), appends.unknown.lock().unwrap());
    println!("{} events in the end, {} of which nobody knows", done.len(), unknown.len());
}
