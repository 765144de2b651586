//! The tasks, and what became of them.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use concurrency_core::{Backend, EventStore, Result, Survives, clock::BootInstant, random};
use tokio::task::{JoinError, JoinSet};

use super::{
    Blow, Round, Seen,
    lock::{Holder, holds},
    log::{appends, follows},
    progress::{Progress, Shared},
    values::{Written, counts, sets},
};
use crate::fault::run::text_of;

/// Tasks of each component.
const TASKS: usize = 3;
/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often is looked whether something is so.
const PAUSE: Duration = Duration::from_millis(2);

/// Tasks on all components of a backend, until this is dropped or ended.
#[derive(Debug)]
pub struct Load {
    workers: Vec<(&'static str, Arc<Progress>)>,
    /// Who can hold on, and who comes after.
    guards: Vec<Arc<Progress>>,
    tasks: JoinSet<()>,
    shared: Arc<Shared>,
    /// Reads the log again; of a backend that has one.
    log: Option<Arc<dyn EventStore>>,
    before: Before,
}

/// What there was when a round, or a part of it, began.
#[derive(Debug, Default)]
struct Before {
    told: usize,
    held_twice: usize,
    caught: usize,
    went_back: usize,
    /// Turns of those who hold on.
    guards: [usize; 2],
}

impl Load {
    /// With clients of their own for each component, in a namespace of their own.
    ///
    /// # Errors
    /// Those of connecting.
    pub async fn start(connect: impl AsyncFn() -> Result<Arc<dyn Backend>>) -> Result<Self> {
        let shared = Arc::new(Shared::new()?);
        let (workers, guards, tasks) = (Vec::new(), Vec::new(), JoinSet::new());
        let mut load = Self { workers, guards, tasks, shared, log: None, before: Before::default() };
        let namespace = format!("outage-{:032x}", u128::from_be_bytes(random::bytes()));
        let declared = connect().await?.capabilities();
        if let Some(state) = declared.state {
            load.add_states(&*connect().await?, &namespace, may_take_back(state.survives))?;
        }
        if let Some(cache) = declared.cache {
            load.add_caches(&*connect().await?, &namespace, may_take_back(cache.survives))?;
        }
        if declared.lock.is_some() {
            load.add_locks(&*connect().await?, &namespace)?;
            load.add_guards(&*connect().await?, &*connect().await?, &namespace)?;
        }
        if let Some(events) = declared.events {
            load.shared.appends.may_rewind.store(events.log_may_rewind, Ordering::Release);
            load.add_events(&*connect().await?, &*connect().await?, &namespace)?;
        }
        Ok(load)
    }

    fn add_states(&mut self, backend: &dyn Backend, namespace: &str, may_lose: bool) -> Result<()> {
        for number in 0..TASKS {
            let store = backend.state_store(namespace)?;
            self.add("state", |shared, seen| counts(store, Written::new(number, may_lose), shared, seen));
        }
        Ok(())
    }

    fn add_caches(&mut self, backend: &dyn Backend, namespace: &str, may_lose: bool) -> Result<()> {
        for number in 0..TASKS {
            let cache = backend.cache(namespace)?;
            self.add("cache", |shared, seen| sets(cache, Written::new(number, may_lose), shared, seen));
        }
        Ok(())
    }

    fn add_locks(&mut self, backend: &dyn Backend, namespace: &str) -> Result<()> {
        for _ in 0..TASKS {
            let lock = backend.lock(namespace)?;
            self.add("lock", |shared, seen| holds(lock, Holder::OfMany, shared, seen));
        }
        Ok(())
    }

    /// Two on one name: the first holds its lease on when it is told to, the second is there when that is lost.
    fn add_guards(&mut self, first: &dyn Backend, second: &dyn Backend, namespace: &str) -> Result<()> {
        for (backend, holder) in [(first, Holder::HoldsOn), (second, Holder::ComesAfter)] {
            let lock = backend.lock(namespace)?;
            let seen = self.spawn(|shared, seen| holds(lock, holder, shared, seen));
            self.guards.push(seen);
        }
        Ok(())
    }

    fn add_events(&mut self, writer: &dyn Backend, reader: &dyn Backend, namespace: &str) -> Result<()> {
        for number in 0..TASKS {
            let store = writer.event_store(namespace)?;
            self.add("append", |shared, seen| appends(store, number, shared, seen));
        }
        let store = reader.event_store(namespace)?;
        self.log = Some(Arc::clone(&store));
        self.add("follow", |shared, seen| follows(store, shared, seen));
        Ok(())
    }

    fn add<W>(&mut self, what: &'static str, work: impl FnOnce(Arc<Shared>, Arc<Progress>) -> W)
    where
        W: Future<Output = ()> + Send + 'static,
    {
        let seen = self.spawn(work);
        self.workers.push((what, seen));
    }

    fn spawn<W>(&mut self, work: impl FnOnce(Arc<Shared>, Arc<Progress>) -> W) -> Arc<Progress>
    where
        W: Future<Output = ()> + Send + 'static,
    {
        let seen = Arc::new(Progress::new());
        self.tasks.spawn(work(Arc::clone(&self.shared), Arc::clone(&seen)));
        seen
    }

    /// Returns when each task has come to so many successes more; of those on the name that is held on, where it is not, to one.
    ///
    /// # Errors
    /// What was violated; who does not go on.
    pub async fn goes_on(&mut self, turns: usize) -> std::result::Result<(), String> {
        let guards = if *self.shared.holds_on.borrow() { &[] } else { &self.guards[..] };
        let workers = self.workers.iter().map(|(_, seen)| (seen, turns)).chain(guards.iter().map(|seen| (seen, 1)));
        let goals: Vec<_> = workers.map(|(seen, turns)| (Arc::clone(seen), seen.turns() + turns)).collect();
        let go_on = move || goals.iter().all(|(seen, goal)| seen.turns() >= *goal);
        self.until("all go on", go_on).await
    }

    /// Returns when it is so, which it has to become while all work.
    async fn until(&mut self, what: &str, is_so: impl Fn() -> bool) -> std::result::Result<(), String> {
        match self.within(PATIENCE, is_so).await? {
            true => Ok(()),
            false => Err(format!("not within {PATIENCE:?}: {what}: {}", self.state())),
        }
    }

    async fn within(&mut self, limit: Duration, is_so: impl Fn() -> bool) -> std::result::Result<bool, String> {
        let end = BootInstant::now().after(limit);
        while !is_so() {
            if let Some(Err(ended)) = self.tasks.try_join_next() {
                return Err(why(ended));
            }
            if end.has_passed() {
                return Ok(false);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(true)
    }

    /// Where each of them is.
    fn state(&self) -> String {
        let guards = self.guards.iter().map(|seen| ("guard", seen));
        let tasks = self.workers.iter().map(|(what, seen)| (*what, seen)).chain(guards);
        let tasks: String = tasks.map(|(what, seen)| format!("{what}: {seen}; ")).collect();
        format!("{tasks}{:?}", self.shared.appends)
    }

    /// Forgets what was before.
    pub(super) fn begin_round(&mut self) {
        drop(self.seen(0));
        (self.before.held_twice, self.before.caught) = (self.shared.held_twice(), self.shared.caught());
        self.before.went_back = self.shared.appends.went_back();
    }

    /// Returns when a lease is held on that was granted after this was called.
    pub(super) async fn hold_on(&mut self) -> std::result::Result<(), String> {
        let Some(first) = self.guards.first().map(Arc::clone) else { return Ok(()) };
        let (shared, before) = (Arc::clone(&self.shared), self.shared.guarded(Holder::HoldsOn).held_on());
        shared.holds_on.send_replace(true);
        self.until("a lease is held on", || shared.guarded(Holder::HoldsOn).held_on() > before).await?;
        self.before.guards = [first.turns(), self.guards[1].turns()];
        Ok(())
    }

    /// Returns when somebody else has the name as well, or nobody will.
    pub(super) async fn second_holder(&mut self, limit: Duration) -> std::result::Result<(), String> {
        let Some(second) = self.guards.get(1).map(Arc::clone) else { return Ok(()) };
        let before = self.before.guards[1];
        self.within(limit, || second.turns() > before).await.map(drop)
    }

    /// Returns when what was held on is held no more, and its holder has written.
    pub(super) async fn let_go(&mut self) -> std::result::Result<(), String> {
        let Some(first) = self.guards.first().map(Arc::clone) else { return Ok(()) };
        self.shared.holds_on.send_replace(false);
        let before = self.before.guards[0];
        self.until("the lease that was held on is let go", || first.turns() > before).await
    }

    /// Returns when the follower has seen all that was acknowledged before this was called.
    pub(super) async fn until_delivered(&mut self) -> std::result::Result<(), String> {
        let (shared, highest) = (Arc::clone(&self.shared), self.shared.appends.highest());
        self.until("the follower gets there", || shared.appends.is_delivered(highest)).await
    }

    /// What came of it, when the follower was told of what is lost.
    pub(super) async fn end_round(&mut self, blow: Blow) -> std::result::Result<Round, String> {
        let (mut lost, mut was_seen) = (0, false);
        if let Some(log) = self.log.as_ref().map(Arc::clone) {
            let looked = tokio::time::timeout(PATIENCE, self.shared.appends.lost(&log)).await;
            let unread = |_| format!("not within {PATIENCE:?}: the log is read: {}", self.state());
            (lost, was_seen) = looked.map_err(unread)??;
        }
        let (shared, before) = (Arc::clone(&self.shared), self.before.told);
        let told = move || shared.appends.rewound() > before;
        if was_seen {
            self.until("the follower is told of the loss", told).await?;
        }
        self.before.told = self.shared.appends.rewound();
        let held_twice = self.shared.held_twice() - self.before.held_twice;
        let caught = self.shared.caught() - self.before.caught;
        let went_back = self.shared.appends.went_back() - self.before.went_back;
        Ok(Round { blow, seen: self.seen(lost), told: was_seen, held_twice, caught, went_back })
    }

    /// What the tasks of each component have seen since this was called last.
    fn seen(&self, events_lost: usize) -> Vec<Seen> {
        let mut all: Vec<Seen> = Vec::new();
        for (what, seen) in &self.workers {
            let seen = seen.take(what);
            match all.iter_mut().find(|one| one.what == *what) {
                Some(one) => {
                    one.without = one.without.max(seen.without);
                    one.unanswered += seen.unanswered;
                    one.lost += seen.lost;
                }
                None if *what == "append" => all.push(Seen { lost: events_lost, ..seen }),
                None => all.push(seen),
            }
        }
        all
    }

    /// Returns when all tasks have ended.
    ///
    /// # Errors
    /// What was violated.
    pub async fn end(mut self) -> std::result::Result<(), String> {
        self.shared.end();
        while let Some(ended) = self.tasks.join_next().await {
            ended.map_err(why)?;
        }
        Ok(())
    }
}

/// Whether acknowledged writes may be taken back under such a declaration.
fn may_take_back(survives: Survives) -> bool {
    survives < Survives::Failover
}

/// What a task that has failed said.
fn why(ended: JoinError) -> String {
    match ended.try_into_panic() {
        Ok(panic) => text_of(&*panic),
        Err(ended) => ended.to_string(),
    }
}
