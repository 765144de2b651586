//! Projections: exactly once, whatever happens in between.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use concurrency_core::{
    AppendOptions, Backend, Bytes, DeleteOptions, Error, EventStore, KeyPage, ListQuery, LockOptions, Locks, Memory,
    NewEvent, Outcome, Position, Projection, Projector, Recorded, Result, Rows, SaveOptions, State, StateCapabilities,
    StateStore, Version, Write, clock::simulate, random,
};

/// Counts events by type, and keeps the sum of their numbers. `poison` cannot be applied.
struct Totals;

#[async_trait]
impl Projection for Totals {
    fn name(&self) -> &str {
        "totals"
    }

    async fn apply(&self, event: &Recorded, rows: &mut Rows) -> Result<()> {
        rows.update(&event.event_type, |n: Option<u64>| n.unwrap_or(0) + 1).await?;
        if &*event.event_type == "poison" {
            return Err(Error::invalid("event", "it cannot be applied"));
        }
        let number: u64 = rows.decode(event)?;
        rows.update("sum", |sum: Option<u64>| sum.unwrap_or(0) + number).await
    }
}

/// A state store whose commits go wrong as they are told to: one letter a commit.
#[derive(Debug)]
struct Tampered {
    inner: Arc<dyn StateStore>,
    /// `a`: applied, and the answer lost. `n`: not applied. Anything else, and afterwards: as it should be.
    plan: Mutex<std::collections::VecDeque<char>>,
    capabilities: StateCapabilities,
    commits: AtomicUsize,
    /// Loads and commits take up to this long.
    delay: Duration,
}

#[async_trait]
impl StateStore for Tampered {
    fn capabilities(&self) -> StateCapabilities {
        self.capabilities
    }

    async fn load(&self, key: &str) -> Result<Option<State>> {
        tokio::time::sleep(random::up_to(self.delay)).await;
        self.inner.load(key).await
    }

    async fn save(&self, key: &str, value: Bytes, options: SaveOptions) -> Result<Version> {
        self.inner.save(key, value, options).await
    }

    async fn delete(&self, key: &str, options: DeleteOptions) -> Result<bool> {
        self.inner.delete(key, options).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Version> {
        tokio::time::sleep(random::up_to(self.delay)).await;
        assert!(writes.len() <= self.capabilities.max_batch_keys, "{} keys", writes.len());
        self.commits.fetch_add(1, Ordering::SeqCst);
        let unknown = Outcome::Unknown { settled: false };
        let next = self.plan.lock().unwrap().pop_front();
        match next {
            Some('a') => {
                self.inner.commit(writes).await?;
                Err(Error::backend(unknown, "connection reset"))
            }
            Some('n') => Err(Error::Unavailable { outcome: unknown, source: None }),
            _ => self.inner.commit(writes).await,
        }
    }

    async fn list(&self, query: ListQuery) -> Result<KeyPage> {
        self.inner.list(query).await
    }
}

struct World {
    backend: Memory,
    events: Arc<dyn EventStore>,
    rows: Arc<Tampered>,
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(declare: impl FnOnce(&mut StateCapabilities)) -> Self {
        let backend = Memory::new();
        let inner: Arc<dyn StateStore> = backend.state_store("rows").unwrap();
        let mut capabilities = inner.capabilities();
        declare(&mut capabilities);
        let (plan, commits) = (Mutex::default(), AtomicUsize::new(0));
        let rows = Arc::new(Tampered { inner, plan, capabilities, commits, delay: Duration::from_millis(3) });
        Self { events: backend.event_store("events").unwrap(), backend, rows }
    }

    fn plan(&self, commits: &str) {
        self.rows.plan.lock().unwrap().extend(commits.chars());
    }

    fn projector(&self) -> Projector {
        self.projector_under("locks")
    }

    fn projector_under(&self, locks: &str) -> Projector {
        let locks = Locks::new(self.backend.lock(locks).unwrap());
        let options = LockOptions::new().with_ttl(Duration::from_secs(2)).with_timeout(Duration::from_secs(5));
        let projector = Projector::new(Totals, self.events.clone(), self.rows.clone(), locks).unwrap();
        projector.with_lock_options(options).with_batch(3).unwrap()
    }

    /// Appends the numbers of a range, each as an event of type `even` or `odd`.
    async fn append(&self, numbers: std::ops::RangeInclusive<u64>) {
        for n in numbers {
            let event_type = if n % 2 == 0 { "even" } else { "odd" };
            let event = NewEvent::new(event_type, n.to_string());
            self.events.append(&format!("s{}", n % 3), vec![event], AppendOptions::new()).await.unwrap();
        }
    }

    async fn row(&self, key: &str) -> Option<u64> {
        self.projector().row(key).await.unwrap()
    }

    /// Every number up to `n` is in the rows once.
    async fn assert_counted_to(&self, n: u64) {
        let rows = (self.row("even").await, self.row("odd").await, self.row("sum").await);
        assert_eq!(rows, (Some(n / 2), Some(n - n / 2), Some(n * (n + 1) / 2)), "numbers up to {n}");
    }
}

// T-52, T-57
#[tokio::test(start_paused = true)]
async fn rows_follow_events_and_resume() {
    let _simulation = simulate(1);
    let world = World::new();
    assert_eq!((world.row("sum").await, world.projector().checkpoint().await.unwrap()), (None, None));
    let projector = world.projector();
    projector.catch_up().await.unwrap();
    world.append(1..=10).await;
    projector.catch_up().await.unwrap();
    world.assert_counted_to(10).await;
    let commits = world.rows.commits.load(Ordering::SeqCst);
    assert_eq!(commits, 4, "ten events in batches of three");
    world.append(11..=11).await;
    world.projector().catch_up().await.unwrap();
    world.assert_counted_to(11).await;
    let counts = projector.counts();
    assert_eq!((counts.events, counts.commits, counts.leases, counts.restarts), (10, 4, 2, 0));
    let end = world.events.read_all(Position::START, 100).await.unwrap().events.pop().unwrap();
    assert_eq!(projector.checkpoint().await.unwrap(), Some(end.checkpoint()));
}

// T-52, T-58
#[tokio::test(start_paused = true)]
async fn commits_that_go_wrong_double_and_skip_nothing() {
    let _simulation = simulate(1);
    for plan in ["a", "n", "an", "na", "aa", ".a.n", "aaaa", "nnnnn", ".an.na.a"] {
        let world = World::new();
        world.append(1..=20).await;
        world.plan(plan);
        let projector = world.projector();
        projector.catch_up().await.unwrap();
        world.assert_counted_to(20).await;
        let wrong = plan.chars().filter(|c| *c != '.').count() as u64;
        assert_eq!(projector.counts().restarts, wrong, "{plan}");
    }
}

// T-57
#[tokio::test(start_paused = true)]
async fn one_instance_works_and_another_takes_over() {
    let _simulation = simulate(1);
    let world = Arc::new(World::new());
    let mut running = Vec::new();
    for n in 0..3 {
        let projector = Arc::new(world.projector());
        let task = tokio::spawn({
            let projector = Arc::clone(&projector);
            async move { projector.run().await }
        });
        running.push((task, projector));
        // Who came first works.
        tokio::time::sleep(Duration::from_millis(10 + n)).await;
    }
    let mut done = 0;
    while let Some((task, projector)) = (!running.is_empty()).then(|| running.remove(0)) {
        world.append(done + 1..=done + 7).await;
        done += 7;
        tokio::time::sleep(Duration::from_secs(6)).await;
        world.assert_counted_to(done).await;
        assert_eq!(projector.counts().events, 7, "it alone has worked");
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }
}

// T-52, T-58
#[tokio::test(start_paused = true)]
async fn without_exclusion_it_is_still_exactly_once() {
    for seed in 1..=20 {
        let _simulation = simulate(seed);
        without_exclusion(seed).await;
    }
}

async fn without_exclusion(seed: u64) {
    let world = Arc::new(World::new());
    // Each has a lock of its own, as if the lock's server had lost its memory.
    let running: Vec<_> = (0..4)
        .map(|n| {
            let projector = world.projector_under(&format!("locks{n}"));
            tokio::spawn(async move { projector.run().await })
        })
        .collect();
    for n in 1..=60 {
        world.append(n..=n).await;
        tokio::time::sleep(Duration::from_millis(n * seed % 5)).await;
    }
    tokio::time::sleep(Duration::from_secs(30)).await;
    world.assert_counted_to(60).await;
    world.backend.close().await;
    for task in running {
        tokio::time::timeout(Duration::from_secs(60), task).await.unwrap().unwrap().unwrap();
    }
}

// T-58
#[tokio::test(start_paused = true)]
async fn dropped_anywhere_it_doubles_and_skips_nothing() {
    let _simulation = simulate(1);
    let world = World::new();
    world.append(1..=30).await;
    for n in 0..60_u64 {
        let projector = world.projector();
        let mut polls = 0;
        let mut work = Box::pin(projector.catch_up());
        std::future::poll_fn(|cx| {
            polls += 1;
            if polls > n || work.as_mut().poll(cx).is_ready() {
                return std::task::Poll::Ready(());
            }
            std::task::Poll::Pending
        })
        .await;
    }
    world.projector().catch_up().await.unwrap();
    world.assert_counted_to(30).await;
}

// T-58
#[tokio::test(start_paused = true)]
async fn a_batch_keeps_to_the_limits_of_the_store() {
    let _simulation = simulate(1);
    let world = World::with(|declared| declared.max_batch_keys = 3);
    world.append(1..=20).await;
    world.projector().catch_up().await.unwrap();
    world.assert_counted_to(20).await;
}

// T-61
#[tokio::test(start_paused = true)]
async fn an_event_that_cannot_be_applied_ends_it_just_before() {
    let _simulation = simulate(1);
    let world = World::new();
    world.append(1..=4).await;
    world.events.append("s", vec![NewEvent::new("poison", "1")], AppendOptions::new()).await.unwrap();
    world.append(5..=5).await;
    for _ in 0..2 {
        let ended = world.projector().run().await;
        assert!(matches!(ended, Err(Error::InvalidArgument { what: "event", .. })), "{ended:?}");
        world.assert_counted_to(4).await;
        assert_eq!(world.row("poison").await, None, "what it did before it failed is gone");
    }
}

// T-60
#[tokio::test(start_paused = true)]
async fn a_rebuild_drops_all_rows_and_replays() {
    let _simulation = simulate(1);
    let world = World::new();
    world.append(1..=9).await;
    let projector = Arc::new(world.projector());
    let task = tokio::spawn({
        let projector = Arc::clone(&projector);
        async move { projector.run().await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.assert_counted_to(9).await;
    for key in ["totals/old", "totals/sum", "totals\u{0}", "totals0/x"] {
        world.rows.save(key, "77".into(), SaveOptions::new()).await.unwrap();
    }
    world.projector().rebuild().await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.assert_counted_to(9).await;
    assert_eq!(world.row("old").await, None, "rows that no event makes are gone");
    for others in ["totals\u{0}", "totals0/x"] {
        assert!(world.rows.load(others).await.unwrap().is_some(), "{others:?} is not a row of this projection");
    }
    task.abort();

    // Decided while nobody runs, and interrupted while it is done.
    let second = world.projector();
    second.rebuild().await.unwrap();
    assert_eq!(second.checkpoint().await.unwrap(), None);
    world.plan("a.n");
    second.catch_up().await.unwrap_or_else(|error| panic!("{error:?}"));
    world.assert_counted_to(9).await;
}

// T-54, T-60
#[tokio::test(start_paused = true)]
async fn a_rewound_log_ends_it_until_it_is_rebuilt() {
    let _simulation = simulate(1);
    let world = World::new();
    world.append(1..=5).await;
    world.projector().catch_up().await.unwrap();
    let rewound = World { events: world.backend.event_store("restored").unwrap(), ..world };
    rewound.append(1..=3).await;
    let ended = rewound.projector().run().await;
    assert!(matches!(ended, Err(Error::LogRewound)), "{ended:?}");
    rewound.projector().rebuild().await.unwrap();
    rewound.projector().catch_up().await.unwrap();
    rewound.assert_counted_to(3).await;
}

// T-59
#[tokio::test(start_paused = true)]
async fn what_cannot_work_is_refused() {
    let _simulation = simulate(1);
    let world = World::with(|declared| declared.commit = false);
    let locks = Locks::new(world.backend.lock("locks").unwrap());
    let refused = Projector::new(Totals, world.events.clone(), world.rows.clone(), locks.clone());
    assert!(matches!(refused, Err(Error::Unsupported { what: "commit" })));

    let world = World::with(|declared| declared.list = false);
    assert!(matches!(world.projector().rebuild().await, Err(Error::Unsupported { what: "list" })));
    assert!(world.projector().with_batch(0).is_err());

    struct Misnamed;
    #[async_trait]
    impl Projection for Misnamed {
        fn name(&self) -> &str {
            "a/b"
        }
        async fn apply(&self, _: &Recorded, _: &mut Rows) -> Result<()> {
            Ok(())
        }
    }
    let refused = Projector::new(Misnamed, world.events.clone(), world.rows.clone(), locks);
    assert!(matches!(refused, Err(Error::InvalidArgument { .. })));

    world.rows.save("totals", r#"{"format":2}"#.into(), SaveOptions::new()).await.unwrap();
    assert!(matches!(world.projector().run().await, Err(Error::Incompatible { .. })));
    world.rows.save("totals", "x".into(), SaveOptions::new()).await.unwrap();
    assert!(matches!(world.projector().checkpoint().await, Err(Error::Decode { .. })));
}
