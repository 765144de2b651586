//! Loading, deciding and snapshots.

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use concurrency_core::{
    Aggregate, AppendOptions, Bytes, Codec, Error, Event, EventId, EventStore, FencingToken, NewEvent, Recorded,
    Repository, Result, Snapshot,
};
use serde::{Deserialize, Serialize};

use crate::{store, tampered::Tampered};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Added(u64);

impl Event for Added {
    fn event_type(&self) -> &'static str {
        "added.v2"
    }

    fn upcast(stored: &Recorded, codec: Codec) -> Result<Self> {
        match stored.event_type.as_ref() {
            // The first schema was the number as text.
            "added.v1" => {
                let text: String = codec.decode(&stored.data)?;
                text.parse().map(Self).map_err(|_| Error::Decode { what: "added.v1", why: "not a number".into() })
            }
            _ => codec.decode(&stored.data),
        }
    }
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Sum(u64);

impl Aggregate for Sum {
    type Event = Added;

    fn apply(&mut self, event: &Added) {
        self.0 += event.0;
    }
}

/// The same, of another shape.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Twice {
    sum: u64,
}

impl Aggregate for Twice {
    type Event = Added;
    const SCHEMA: u32 = 2;

    fn apply(&mut self, event: &Added) {
        self.sum += 2 * event.0;
    }
}

fn add(n: u64) -> impl FnMut(&Sum) -> Result<Vec<Added>> + Send {
    move |_| Ok(vec![Added(n)])
}

/// A stream of `1 + 1 + ..`, with a snapshot every ten.
async fn counted_to(n: u64) -> (Arc<dyn EventStore>, Repository<Sum>) {
    let store = store();
    let sums = Repository::new(Arc::clone(&store)).with_snapshot_every(10);
    for _ in 0..n {
        sums.execute("s", add(1)).await.unwrap();
    }
    (store, sums)
}

#[tokio::test(start_paused = true)]
async fn one_that_never_was_is_the_default() {
    let sums = Repository::<Sum>::new(store());
    let loaded = sums.load("s").await.unwrap();
    assert_eq!((loaded.state, loaded.version), (Sum(0), 0));
    assert!(matches!(sums.load("").await, Err(Error::InvalidKey { .. })));
}

// T-40, T-41
#[tokio::test(start_paused = true)]
async fn the_newest_snapshot_and_the_tail() {
    let (store, sums) = counted_to(23).await;
    assert_eq!(store.load_snapshot("s").await.unwrap().unwrap().version, 20);
    let before = sums.counts();
    let loaded = sums.load("s").await.unwrap();
    assert_eq!((loaded.state, loaded.version), (Sum(23), 23));
    assert_eq!(sums.counts().events - before.events, 3, "only the tail was applied");
    assert_eq!((before.appends, before.snapshots, before.replays, before.conflicts), (23, 2, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn more_than_a_page_is_replayed() {
    let store = store();
    let sums = Repository::<Sum>::new(store).with_snapshot_every(0);
    for _ in 0..3 {
        sums.execute("s", |_| Ok::<_, Error>(vec![Added(1); 900])).await.unwrap();
    }
    let loaded = sums.load("s").await.unwrap();
    assert_eq!((loaded.state, loaded.version), (Sum(2700), 2700));
}

// T-42, T-43
#[tokio::test(start_paused = true)]
async fn an_unusable_snapshot_is_discarded() {
    let (store, sums) = counted_to(12).await;
    let good = store.load_snapshot("s").await.unwrap().unwrap();
    let lies = Bytes::from_static(b"1000");
    for (what, bad) in [
        ("another schema", Snapshot { schema: 7, data: lies.clone(), ..good.clone() }),
        ("undecodable", Snapshot { data: Bytes::from_static(b"{"), ..good.clone() }),
        ("another event", Snapshot { event: EventId::mint(), data: lies.clone(), ..good.clone() }),
        ("not in the log", Snapshot { version: 13, data: lies, ..good.clone() }),
    ] {
        store.save_snapshot("s", bad).await.unwrap();
        let before = sums.counts().replays;
        let loaded = sums.load("s").await.unwrap();
        assert_eq!((loaded.state, loaded.version), (Sum(12), 12), "{what}");
        assert_eq!(sums.counts().replays, before + 1, "{what}");
    }
    let twice = Repository::<Twice>::new(store).load("s").await.unwrap();
    assert_eq!(twice.state, Twice { sum: 24 });
}

// T-44, T-56
#[tokio::test(start_paused = true)]
async fn a_snapshot_stands_in_for_what_was_truncated() {
    let (store, sums) = counted_to(12).await;
    for before in [10, 11] {
        store.truncate_before("s", before).await.unwrap();
        assert_eq!(sums.load("s").await.unwrap().state, Sum(12), "truncated before {before}");
    }
    store.truncate_before("s", 12).await.unwrap();
    let lost = sums.load("s").await;
    assert!(matches!(lost, Err(Error::Truncated { first_available: 12, .. })), "{lost:?}");
    let without = Repository::<Sum>::new(store).with_snapshot_every(0).load("s").await;
    assert!(matches!(without, Err(Error::Truncated { first_available: 12, .. })), "{without:?}");
}

// T-45
#[tokio::test(start_paused = true)]
async fn older_schemas_are_upcast() {
    let store = store();
    store.append("s", vec![NewEvent::new("added.v1", r#""40""#)], AppendOptions::new()).await.unwrap();
    let sums = Repository::<Sum>::new(Arc::clone(&store));
    assert_eq!(sums.execute("s", add(2)).await.unwrap().state, Sum(42));
    let stored = store.read("s", concurrency_core::ReadQuery::forwards(1)).await.unwrap();
    assert_eq!((&*stored.events[0].event_type, &*stored.events[0].data), ("added.v1", &br#""40""#[..]));
    let unreadable = vec![NewEvent::new("added.v1", r#""forty""#)];
    store.append("s", unreadable, AppendOptions::new()).await.unwrap();
    assert!(matches!(sums.load("s").await, Err(Error::Decode { .. })));
}

// T-46
#[tokio::test(start_paused = true)]
async fn after_a_conflict_it_decides_again() {
    let store = store();
    let sums = Repository::<Sum>::new(Arc::clone(&store));
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let sums = sums.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                    sums.execute("s", add(1)).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let loaded = sums.load("s").await.unwrap();
    assert_eq!((loaded.state, loaded.version), (Sum(80), 80));

    let mut decisions = 0;
    let meddled = sums.execute("s", |sum| {
        decisions += 1;
        if decisions == 1 {
            // Somebody is faster. Memory never waits, so that this append is done when it is polled once.
            let other = store.append("s", vec![NewEvent::new("added.v2", "100")], AppendOptions::new());
            assert!(matches!(poll_once(other), Some(Ok(_))));
        }
        Ok::<_, Error>(vec![Added(sum.0)])
    });
    assert_eq!(meddled.await.unwrap().state, Sum(360), "twice what the second look found");
    assert_eq!((decisions, sums.counts().conflicts), (2, 1));
}

fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(done) => Some(done),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test(start_paused = true)]
async fn conflicts_end_at_the_deadline() {
    let _simulation = concurrency_core::clock::simulate(1);
    let store = store();
    let sums = Repository::<Sum>::new(Arc::clone(&store)).with_deadline(Duration::from_millis(20));
    let refused = sums
        .execute("s", |_| {
            assert!(poll_once(store.append("s", vec![NewEvent::new("a", "1")], AppendOptions::new())).is_some());
            Ok::<_, Error>(vec![Added(1)])
        })
        .await;
    assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    assert!(sums.counts().conflicts >= 1);
}

// T-47
#[tokio::test(start_paused = true)]
async fn a_refusal_or_nothing_appends_nothing() {
    let (store, sums) = counted_to(3).await;
    let refused = sums.execute("s", |_| Err::<Vec<_>, _>(Error::invalid("x", "no"))).await;
    assert!(matches!(refused, Err(Error::InvalidArgument { .. })));
    let unchanged = sums.execute("s", |_| Ok::<_, Error>(vec![])).await.unwrap();
    assert_eq!((unchanged.state, unchanged.version), (Sum(3), 3));
    assert_eq!(store.read("s", concurrency_core::ReadQuery::newest()).await.unwrap().last, 3);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_is_passed_on() {
    let store = Tampered::new(store());
    store.lost_answers.store(1, Ordering::SeqCst);
    let sums = Repository::<Sum>::new(store.clone());
    let lost = sums.execute("s", add(1)).await;
    assert!(matches!(lost, Err(Error::Unavailable { .. })), "{lost:?}");
    assert_eq!(store.appends.load(Ordering::SeqCst), 1, "nothing was decided again");
    assert_eq!(sums.load("s").await.unwrap().state, Sum(1));
}

#[tokio::test(start_paused = true)]
async fn a_later_holder_fences_an_earlier_one_off() {
    let sums = Repository::<Sum>::new(store());
    sums.execute_fenced("s", FencingToken(2), add(1)).await.unwrap();
    let late = sums.execute_fenced("s", FencingToken(1), add(1)).await;
    assert!(matches!(late, Err(Error::Fenced { .. })), "{late:?}");
}
