//! Repositories and subscriptions over the store.

use std::{sync::Arc, time::Duration};

use concurrency_core::{
    Aggregate, AppendOptions, Bytes, Checkpoint, Codec, Delivery, Error, Event, EventId, EventStore, NewEvent,
    Recorded, Repository, Result, Snapshot, Subscription,
};
use serde::{Deserialize, Serialize};

use super::given::{Cx, assert_answer, grow, log, versions, whole};

#[derive(Debug, Serialize, Deserialize)]
struct Added(u64);

impl Event for Added {
    fn event_type(&self) -> &'static str {
        "added.v2"
    }

    fn upcast(stored: &Recorded, codec: Codec) -> Result<Self> {
        // The first schema counted in tens.
        let Self(n) = codec.decode(&stored.data)?;
        Ok(Self(if stored.event_type.as_ref() == "added.v1" { 10 * n } else { n }))
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

async fn sums(store: &Arc<dyn EventStore>, events: u64) -> Repository<Sum> {
    let sums = Repository::new(Arc::clone(store)).with_snapshot_every(1000);
    for _ in 0..events {
        sums.execute("s", |_| Ok::<_, Error>(vec![Added(1)])).await.expect("accepted");
    }
    sums
}

/// A snapshot that says a hundred, whatever happened.
async fn a_hundred_at(store: &dyn EventStore, version: u64) -> Snapshot {
    let events = whole(store, "s").await.events;
    let event = events.iter().find(|event| event.version == version).map_or_else(EventId::mint, |event| event.id);
    Snapshot { version, event, schema: Sum::SCHEMA, data: Bytes::from_static(b"100") }
}

pub(super) async fn an_aggregate_is_its_snapshot_and_what_followed(cx: Cx) {
    let store = cx.open().await;
    let sums = sums(&store, 5).await;
    assert_answer!(sums.load("s").await, Ok(loaded) if loaded.state == Sum(5) && loaded.version == 5, "without a snapshot");
    store.save_snapshot("s", a_hundred_at(&store, 3).await).await.expect("saved");
    assert_answer!(sums.load("s").await, Ok(loaded) if loaded.state == Sum(102) && loaded.version == 5, "from version 3");
    store.save_snapshot("s", a_hundred_at(&store, 5).await).await.expect("saved");
    assert_answer!(sums.load("s").await, Ok(loaded) if loaded.state == Sum(100) && loaded.version == 5, "from version 5");
    assert_answer!(sums.load("missing").await, Ok(loaded) if loaded.state == Sum(0) && loaded.version == 0, "never was");
}

pub(super) async fn an_unreadable_snapshot_is_discarded(cx: Cx) {
    let store = cx.open().await;
    let sums = sums(&store, 5).await;
    let usable = a_hundred_at(&store, 3).await;
    for bad in [
        Snapshot { schema: Sum::SCHEMA + 1, ..usable.clone() },
        Snapshot { version: 4, data: Bytes::from_static(b"{"), ..a_hundred_at(&store, 4).await },
    ] {
        store.save_snapshot("s", bad.clone()).await.expect("saved");
        assert_answer!(sums.load("s").await, Ok(loaded) if loaded.state == Sum(5), "with {bad:?}");
    }
}

pub(super) async fn a_snapshot_of_other_events_is_discarded(cx: Cx) {
    let store = cx.open().await;
    let sums = sums(&store, 5).await;
    let usable = a_hundred_at(&store, 3).await;
    for bad in [
        Snapshot { event: EventId::mint(), ..usable.clone() },
        Snapshot { version: 4, ..usable.clone() },
        Snapshot { version: 99, ..usable },
    ] {
        store.save_snapshot("s", bad.clone()).await.expect("saved");
        assert_answer!(sums.load("s").await, Ok(loaded) if loaded.state == Sum(5) && loaded.version == 5, "with {bad:?}");
    }
}

pub(super) async fn a_snapshot_stands_in_for_truncated_events(cx: Cx) {
    let store = cx.open().await;
    let sums = sums(&store, 5).await;
    store.save_snapshot("s", a_hundred_at(&store, 3).await).await.expect("saved");
    store.truncate_before("s", 4).await.expect("truncated");
    assert_answer!(sums.load("s").await, Ok(loaded) if loaded.state == Sum(102), "its own event was truncated");
    store.truncate_before("s", 5).await.expect("truncated");
    let lost = sums.load("s").await;
    assert_answer!(lost, Err(Error::Truncated { stream, first_available: 5 }) if &**stream == "s", "event 4 is missing");
}

pub(super) async fn older_events_are_upcast(cx: Cx) {
    let store = cx.open().await;
    store.append("s", vec![NewEvent::new("added.v1", "4")], AppendOptions::new()).await.expect("appended");
    let sums = sums(&store, 2).await;
    assert_answer!(sums.load("s").await, Ok(loaded) if loaded.state == Sum(42), "an event of the first schema");
    assert_eq!(whole(&store, "s").await.events[0].data, "4", "the stored bytes are as they were");
}

pub(super) async fn execute_decides_at_the_loaded_version(cx: Cx) {
    let (store, other) = (cx.open().await, cx.other_client().await);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..4 {
        let sums = Repository::<Sum>::new(Arc::clone(if n % 2 == 0 { &store } else { &other }));
        tasks.spawn(async move {
            for _ in 0..10 {
                // No two decisions see the same sum.
                let seen = sums.execute("s", |sum| Ok::<_, Error>(vec![Added(sum.0 + 1)])).await.expect("accepted");
                assert_eq!(seen.state.0 + 1, 1 << seen.version, "doubled by each event: {seen:?}");
                tokio::task::yield_now().await;
            }
        });
    }
    tasks.join_all().await;
    let loaded = sums(&store, 0).await.load("s").await;
    assert_answer!(loaded, Ok(loaded) if loaded.version == 40 && loaded.state.0 == (1 << 40) - 1, "after forty");
}

pub(super) async fn execute_without_events_appends_nothing(cx: Cx) {
    let store = cx.open().await;
    let sums = sums(&store, 2).await;
    let before = log(&store).await;
    assert_answer!(sums.execute("s", |_| Ok::<_, Error>(Vec::new())).await, Ok(loaded) if loaded.version == 2, "no events");
    let refused = sums.execute("s", |_| Err::<Vec<Added>, _>(Error::Closed)).await;
    assert_answer!(refused, Err(Error::Closed), "the decider's own error");
    assert_eq!(log(&store).await, before);
}

pub(super) async fn a_panicking_decider_appends_nothing(cx: Cx) {
    let store = cx.open().await;
    let sums = Arc::new(sums(&store, 2).await);
    let before = log(&store).await;
    let panics = Arc::clone(&sums);
    let panicked =
        tokio::spawn(async move { panics.execute("s", |_| -> Result<Vec<Added>> { panic!("on purpose") }).await });
    assert!(panicked.await.is_err_and(|error| error.is_panic()), "the panic is the caller's");
    assert_eq!(log(&store).await, before, "after the decider panicked");
    let after = sums.execute("s", |_| Ok::<_, Error>(vec![Added(1)])).await;
    assert_answer!(after, Ok(loaded) if loaded.state == Sum(3) && loaded.version == 3, "the next call");
}

pub(super) async fn undecodable_events_are_an_error_and_stay(cx: Cx) {
    let store = cx.open().await;
    let sums = sums(&store, 2).await;
    for secret in ["{\"hunter2", "[\"hunter2\"]", ""] {
        let foreign = NewEvent::new("added.v2", secret.to_owned());
        store.append("s", vec![foreign], AppendOptions::new()).await.expect("bytes are bytes");
        let before = log(&store).await;
        let loaded = sums.load("s").await;
        let executed = sums.execute("s", |_| Ok::<_, Error>(vec![Added(1)])).await;
        for answer in [loaded.map(drop), executed.map(drop)] {
            let error = answer.expect_err("nobody can read that event");
            assert!(matches!(error, Error::Decode { .. }), "{error:?}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "a value shows: {error:?}");
        }
        assert_eq!(log(&store).await, before, "it stays, and nothing follows it");
    }
}

/// What a subscription delivers up to the next `CaughtUp`.
async fn until_caught_up(subscription: &mut Subscription) -> Vec<Recorded> {
    let mut seen = Vec::new();
    loop {
        let next = tokio::time::timeout(Duration::from_secs(10), subscription.next()).await.expect("it goes on");
        match next.expect("delivered") {
            Delivery::Event(event) => seen.push(event),
            Delivery::CaughtUp => return seen,
            other => panic!("unexpected: {other:?}"),
        }
    }
}

pub(super) async fn the_past_then_caught_up_then_live(cx: Cx) {
    let (store, other) = (cx.open().await, cx.other_client().await);
    grow(&store, "a", 3).await;
    grow(&store, "b", 2).await;
    let mut subscription = Subscription::new(Arc::clone(&store), None).with_batch(2).expect("a good batch");
    assert_eq!(until_caught_up(&mut subscription).await, log(&store).await);
    for n in 4..8 {
        let live = tokio::spawn(async move { (until_caught_up(&mut subscription).await, subscription) });
        tokio::time::sleep(Duration::from_millis(1)).await;
        grow(&other, "a", 1).await;
        let (seen, back) = live.await.expect("the subscriber lives");
        assert_eq!(versions(&seen), [n], "live");
        subscription = back;
    }
    let quiet = tokio::time::timeout(Duration::from_millis(20), subscription.next()).await;
    assert!(quiet.is_err(), "CaughtUp is said once: {quiet:?}");
}

pub(super) async fn resuming_misses_nothing(cx: Cx) {
    let store = cx.open().await;
    grow(&store, "a", 5).await;
    grow(&store, "b", 5).await;
    let all = log(&store).await;
    for (n, event) in all.iter().enumerate() {
        let mut resumed = Subscription::new(Arc::clone(&store), event.checkpoint());
        assert_eq!(until_caught_up(&mut resumed).await, all[n + 1..], "after {event:?}");
        assert_eq!(resumed.checkpoint(), all.last().map(Recorded::checkpoint));
    }
}

pub(super) async fn a_dropped_next_loses_nothing(cx: Cx) {
    let store = cx.open().await;
    let mut subscription = Subscription::new(Arc::clone(&store), None);
    let mut seen = Vec::new();
    for n in 1..=20 {
        grow(&store, "s", 1 + n % 3).await;
        for _ in 0..n % 4 {
            let given_up = tokio::time::timeout(Duration::from_millis(n as u64 % 5), subscription.next()).await;
            if let Ok(Ok(Delivery::Event(event))) = given_up {
                seen.push(event);
            }
        }
    }
    grow(&store, "s", 1).await;
    while seen.len() < log(&store).await.len() {
        seen.extend(until_caught_up(&mut subscription).await);
    }
    assert_eq!(seen, log(&store).await);
}

pub(super) async fn a_log_without_the_checkpoint_was_rewound(cx: Cx) {
    let store = cx.open().await;
    grow(&store, "s", 3).await;
    let held = log(&store).await[1].checkpoint();
    let behind = concurrency_core::Position::from_u128(log(&store).await[2].position.to_u128() + 1);
    for forged in [Checkpoint { event: EventId::mint(), ..held }, Checkpoint { position: behind, ..held }] {
        let mut resumed = Subscription::new(Arc::clone(&store), forged);
        assert_answer!(resumed.next().await, Err(Error::LogRewound), "resumed from {forged:?}");
    }
}

pub(super) async fn a_truncated_checkpoint_is_exempt(cx: Cx) {
    let store = cx.open().await;
    grow(&store, "s", 4).await;
    let all = log(&store).await;
    store.truncate_before("s", 4).await.expect("truncated");
    let mut resumed = Subscription::new(Arc::clone(&store), all[0].checkpoint());
    let told = resumed.next().await;
    assert_answer!(told, Ok(Delivery::Truncated { first_available, .. }) if *first_available == all[3].position, "truncated");
    assert_eq!(until_caught_up(&mut resumed).await, all[3..], "and it goes on");
    let mut resumed = Subscription::new(Arc::clone(&store), all[2].checkpoint());
    assert_eq!(until_caught_up(&mut resumed).await, all[3..], "nothing behind this one is missing");
}
