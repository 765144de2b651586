//! Projections of the store's events; rows and locks are the backend's own where it has any, and in memory elsewhere.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use concurrency_core::{
    Backend, EventStore, Lock, LockOptions, Locks, Memory, Projection, Projector, Recorded, Result, Rows, StateStore,
};

use super::given::{Cx, grow, log};

/// Counts events by stream, and adds up their numbers.
struct Totals;

#[async_trait]
impl Projection for Totals {
    fn name(&self) -> &str {
        "totals"
    }

    async fn apply(&self, event: &Recorded, rows: &mut Rows) -> Result<()> {
        let number: u64 = rows.decode(event)?;
        rows.update(&event.stream, |count: Option<u64>| count.unwrap_or(0) + 1).await?;
        rows.update("sum", |sum: Option<u64>| sum.unwrap_or(0) + number).await
    }
}

/// Where rows and locks come from.
struct Place {
    events: Arc<dyn EventStore>,
    rows: Arc<dyn StateStore>,
    locks: Arc<dyn Lock>,
}

impl Place {
    async fn new(cx: &Cx) -> Self {
        let (events, memory) = (cx.open().await, Memory::new());
        let client = cx.client().await;
        let own = client.has_backend().then(|| client.backend());
        let rows = own.and_then(|backend| backend.state_store(cx.namespace()).ok());
        let rows = rows.filter(|rows| rows.capabilities().commit && rows.capabilities().list);
        let locks = own.and_then(|backend| backend.lock(cx.namespace()).ok());
        let rows = rows.unwrap_or_else(|| memory.state_store("rows").expect("opens"));
        let locks = locks.unwrap_or_else(|| Backend::lock(&memory, "locks").expect("opens"));
        Self { events, rows, locks }
    }

    fn projector(&self) -> Projector {
        self.projector_under(Arc::clone(&self.locks))
    }

    fn projector_under(&self, lock: Arc<dyn Lock>) -> Projector {
        let options = LockOptions::new().with_ttl(Duration::from_secs(2));
        let projector = Projector::new(Totals, self.events.clone(), self.rows.clone(), Locks::new(lock));
        projector.expect("it can be made").with_lock_options(options).with_batch(4).expect("a good batch")
    }

    /// Every event is in the rows once.
    async fn assert_complete(&self) {
        let (events, projector) = (log(&*self.events).await, self.projector());
        for stream in ["a", "b"] {
            let count = events.iter().filter(|event| event.stream.as_ref() == stream).count() as u64;
            assert_eq!(projector.row::<u64>(stream).await.expect("loaded").unwrap_or(0), count, "events of {stream}");
        }
        let numbers = events.iter().map(|event| String::from_utf8_lossy(&event.data).parse::<u64>().expect("a number"));
        assert_eq!(projector.row::<u64>("sum").await.expect("loaded").unwrap_or(0), numbers.sum::<u64>(), "the sum");
        let checkpoint = projector.checkpoint().await.expect("loaded");
        assert_eq!(checkpoint, events.last().map(Recorded::checkpoint), "the checkpoint");
    }
}

pub(super) async fn follow_and_resume(cx: Cx) {
    let place = Place::new(&cx).await;
    place.projector().catch_up().await.expect("nothing to do");
    for n in 1..5 {
        grow(&*place.events, "a", 2 * n).await;
        grow(&*place.events, "b", n).await;
        place.projector().catch_up().await.expect("caught up");
        place.assert_complete().await;
    }
}

pub(super) async fn rebuild_from_the_first_event(cx: Cx) {
    let place = Place::new(&cx).await;
    grow(&*place.events, "a", 9).await;
    place.projector().catch_up().await.expect("caught up");
    place.rows.save("totals/sum", "1000".into(), Default::default()).await.expect("saved");
    place.rows.save("totals/gone", "1".into(), Default::default()).await.expect("saved");
    place.projector().rebuild().await.expect("decided");
    place.projector().catch_up().await.expect("caught up");
    place.assert_complete().await;
    assert_eq!(place.projector().row::<u64>("gone").await.expect("loaded"), None, "a row that no event makes");
}

pub(super) async fn meet_and_double_nothing(cx: Cx) {
    let place = Place::new(&cx).await;
    // Each has a lock of its own, as if the lock's server had lost its memory between them.
    let running: Vec<_> = (0..3)
        .map(|_| {
            let projector = place.projector_under(Backend::lock(&Memory::new(), "own").expect("opens"));
            tokio::spawn(async move { projector.run().await })
        })
        .collect();
    for n in 1..20 {
        grow(&*place.events, if n % 3 == 0 { "b" } else { "a" }, 1 + n % 5).await;
        tokio::task::yield_now().await;
    }
    let end = log(&*place.events).await.last().map(Recorded::checkpoint);
    let seen = async || (place.projector().checkpoint().await.expect("loaded") == end).then_some(());
    cx.eventually("the projection is complete", Duration::from_secs(30), seen).await;
    for task in running {
        task.abort();
    }
    place.assert_complete().await;
}
