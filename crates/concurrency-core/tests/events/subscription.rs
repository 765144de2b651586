//! What a subscription delivers, and when.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use concurrency_core::{
    AppendOptions, Checkpoint, Delivery, Error, EventId, EventStore, Position, Subscription,
    clock::{BootInstant, simulate},
};

use crate::{events, store, tampered::Tampered};

/// The types of the events up to the next `CaughtUp`.
async fn until_caught_up(subscription: &mut Subscription) -> Vec<String> {
    let mut seen = Vec::new();
    loop {
        match subscription.next().await.unwrap() {
            Delivery::Event(event) => seen.push(event.event_type.to_string()),
            Delivery::CaughtUp => return seen,
            other => panic!("unexpected: {other:?}"),
        }
    }
}

async fn append(store: &dyn EventStore, stream: &str, types: &[&str]) {
    store.append(stream, events(types), AppendOptions::new()).await.unwrap();
}

// T-48, T-49
#[tokio::test(start_paused = true)]
async fn the_past_then_caught_up_then_live() {
    let store = store();
    append(&store, "a", &["1", "2"]).await;
    append(&store, "b", &["3"]).await;
    let mut subscription = Subscription::new(store.clone(), None).with_batch(1).unwrap();
    assert_eq!(until_caught_up(&mut subscription).await, ["1", "2", "3"]);

    let live = tokio::spawn(async move {
        let seen = until_caught_up(&mut subscription).await;
        (seen, subscription)
    });
    tokio::task::yield_now().await;
    append(&store, "a", &["4"]).await;
    let (seen, mut subscription) = live.await.unwrap();
    assert_eq!(seen, ["4"]);
    let quiet = tokio::time::timeout(Duration::from_secs(60), subscription.next()).await;
    assert!(quiet.is_err(), "CaughtUp is said once: {quiet:?}");
}

#[tokio::test(start_paused = true)]
async fn an_empty_log_is_caught_up_at_once() {
    let mut subscription = Subscription::new(store(), None);
    assert_eq!(subscription.next().await.unwrap(), Delivery::CaughtUp);
    assert_eq!(subscription.checkpoint(), None);
}

// T-51
#[tokio::test(start_paused = true)]
async fn resuming_goes_on_after_the_checkpoint() {
    let store = store();
    append(&store, "a", &["1", "2", "3"]).await;
    let mut first = Subscription::new(store.clone(), None);
    first.next().await.unwrap();
    first.next().await.unwrap();
    for batch in [1, 2, 999, 1000] {
        let mut second = Subscription::new(store.clone(), first.checkpoint()).with_batch(batch).unwrap();
        assert_eq!(until_caught_up(&mut second).await, ["3"], "batch {batch}");
    }
    assert!(Subscription::new(store.clone(), None).with_batch(0).is_err());
    assert!(Subscription::new(store, None).with_batch(1001).is_err());
}

// T-53
#[tokio::test(start_paused = true)]
async fn a_dropped_next_loses_nothing() {
    let store = store();
    let mut subscription = Subscription::new(store.clone(), None);
    assert_eq!(subscription.next().await.unwrap(), Delivery::CaughtUp);
    for n in 0..20_u64 {
        let waiting = tokio::time::timeout(Duration::from_millis(n * 97), subscription.next()).await;
        assert!(waiting.is_err(), "{waiting:?}");
        append(&store, "s", &["x"]).await;
        assert!(matches!(subscription.next().await.unwrap(), Delivery::Event(event) if event.version == n + 1));
        assert_eq!(subscription.next().await.unwrap(), Delivery::CaughtUp);
    }
}

/// A subscription that reads every two seconds and has caught up, and nobody tells it of the event that is there since.
async fn not_told() -> (Arc<Tampered>, Subscription) {
    let store = Tampered::new(store());
    store.deaf.store(true, Ordering::SeqCst);
    let mut subscription = Subscription::new(store.clone(), None).with_poll_interval(Duration::from_secs(2));
    assert_eq!(subscription.next().await.unwrap(), Delivery::CaughtUp);
    append(&store, "s", &["1"]).await;
    (store, subscription)
}

/// Half of it at least.
fn took_an_interval(begun: BootInstant) {
    let waited = BootInstant::now().since(begun);
    assert!(waited >= Duration::from_secs(1) && waited <= Duration::from_secs(2), "{waited:?}");
}

// T-50
#[tokio::test(start_paused = true)]
async fn a_lost_wake_up_delays_and_loses_nothing() {
    let _simulation = simulate(1);
    let (_store, mut subscription) = not_told().await;
    let begun = BootInstant::now();
    assert!(matches!(subscription.next().await.unwrap(), Delivery::Event(_)));
    took_an_interval(begun);
}

// T-50
#[tokio::test(start_paused = true)]
async fn a_failing_read_is_repeated_no_sooner() {
    let _simulation = simulate(1);
    let (store, mut subscription) = not_told().await;
    store.failing_reads.store(3, Ordering::SeqCst);
    for _ in 0..3 {
        let begun = BootInstant::now();
        let failed = subscription.next().await;
        assert!(failed.is_err(), "{failed:?}");
        took_an_interval(begun);
    }
    assert!(matches!(subscription.next().await.unwrap(), Delivery::Event(_)));
}

// T-50
#[tokio::test(start_paused = true)]
async fn a_lost_wake_up_costs_who_drops_the_wait_no_more() {
    let _simulation = simulate(1);
    let (_store, mut subscription) = not_told().await;
    let begun = BootInstant::now();
    // As who has something else to do ten times a second.
    let delivery = loop {
        if let Ok(next) = tokio::time::timeout(Duration::from_millis(100), subscription.next()).await {
            break next.unwrap();
        }
        assert!(BootInstant::now().since(begun) < Duration::from_secs(10));
    };
    assert!(matches!(delivery, Delivery::Event(_)));
    took_an_interval(begun);
}

#[tokio::test(start_paused = true)]
async fn short_pages_are_not_the_end() {
    let store = Tampered::new(store());
    store.short_pages.store(true, Ordering::SeqCst);
    append(&store, "s", &["1", "2", "3"]).await;
    let mut subscription = Subscription::new(store.clone(), None);
    subscription.next().await.unwrap();
    let mut resumed = Subscription::new(store, subscription.checkpoint());
    assert_eq!(until_caught_up(&mut resumed).await, ["2", "3"]);
}

// T-53
#[tokio::test(start_paused = true)]
async fn after_an_error_it_goes_on_where_it_was() {
    let store = Tampered::new(store());
    append(&store, "s", &["1", "2"]).await;
    let mut subscription = Subscription::new(store.clone(), None).with_batch(1).unwrap();
    subscription.next().await.unwrap();
    store.failing_reads.store(2, Ordering::SeqCst);
    assert!(matches!(subscription.next().await, Err(Error::Unavailable { .. })));
    assert!(matches!(subscription.next().await, Err(Error::Unavailable { .. })));
    assert_eq!(until_caught_up(&mut subscription).await, ["2"]);
}

// T-54
#[tokio::test(start_paused = true)]
async fn a_log_without_the_checkpoints_event_was_rewound() {
    let store = Tampered::new(store());
    append(&store, "s", &["1", "2"]).await;
    let mut subscription = Subscription::new(store.clone(), None);
    subscription.next().await.unwrap();
    let checkpoint = subscription.checkpoint().unwrap();

    let behind_the_end = Checkpoint { position: Position::from_u128(u128::MAX), event: checkpoint.event };
    let other_event = Checkpoint { event: EventId::mint(), ..checkpoint };
    for gone in [behind_the_end, other_event] {
        let mut resumed = Subscription::new(store.clone(), gone);
        assert!(matches!(resumed.next().await, Err(Error::LogRewound)), "{gone:?}");
        assert!(matches!(resumed.next().await, Err(Error::LogRewound)), "it does not go away: {gone:?}");
    }

    let mut live = Subscription::new(store.clone(), checkpoint);
    assert_eq!(until_caught_up(&mut live).await, ["2"]);
    store.other_history.store(true, Ordering::SeqCst);
    append(&store, "s", &["3"]).await;
    assert!(matches!(live.next().await, Err(Error::LogRewound)), "such a store is verified at each read");
}

// T-54
#[tokio::test(start_paused = true)]
async fn a_log_that_is_replaced_between_two_reads_was_rewound() {
    let store = Tampered::new(store());
    append(&store, "s", &["1", "2"]).await;
    let mut subscription = Subscription::new(store.clone(), None);
    assert_eq!(until_caught_up(&mut subscription).await, ["1", "2"]);
    // The read that finds the checkpoint is of the one log, the next of the other.
    store.replaced_after.store(1, Ordering::SeqCst);
    let next = subscription.next().await;
    assert!(matches!(next, Err(Error::LogRewound)), "{next:?}");
}

// T-55
#[tokio::test(start_paused = true)]
async fn a_truncated_checkpoint_is_exempt() {
    let store = store();
    append(&store, "a", &["1", "2", "3"]).await;
    append(&store, "b", &["4", "5"]).await;
    let mut subscription = Subscription::new(store.clone(), None);
    subscription.next().await.unwrap();
    let first = subscription.checkpoint().unwrap();

    store.truncate_before("a", 2).await.unwrap();
    let mut resumed = Subscription::new(store.clone(), first);
    assert_eq!(until_caught_up(&mut resumed).await, ["2", "3", "4", "5"], "nothing behind it is missing");

    store.truncate_before("a", 4).await.unwrap();
    let mut resumed = Subscription::new(store.clone(), first);
    let (first_available, complete_after) = (Position::from_u128(4), Position::from_u128(3));
    assert_eq!(resumed.next().await.unwrap(), Delivery::Truncated { first_available, complete_after });
    assert_eq!(until_caught_up(&mut resumed).await, ["4", "5"]);
}

#[tokio::test(start_paused = true)]
async fn a_truncation_is_told_once_and_again_when_it_goes_on() {
    let store = store();
    append(&store, "a", &["1", "2", "3", "4"]).await;
    append(&store, "b", &["5"]).await;
    store.truncate_before("a", 2).await.unwrap();
    let mut subscription = Subscription::new(store.clone(), None).with_batch(1).unwrap();
    let mut told = Vec::new();
    for _ in 0..2 {
        told.push(subscription.next().await.unwrap());
    }
    store.truncate_before("a", 5).await.unwrap();
    for _ in 0..3 {
        told.push(subscription.next().await.unwrap());
    }
    let kinds: Vec<_> = told
        .iter()
        .map(|delivery| match delivery {
            Delivery::Event(event) => event.event_type.as_ref(),
            Delivery::CaughtUp => "caught up",
            _ => "truncated",
        })
        .collect();
    assert_eq!(kinds, ["truncated", "2", "truncated", "5", "caught up"]);
}

#[tokio::test(start_paused = true)]
async fn as_a_stream_it_ends_when_closed() {
    use concurrency_core::{Backend, Memory};
    use futures_core::Stream;

    let memory = Memory::new();
    let store = memory.event_store("s").unwrap();
    append(&store, "s", &["1"]).await;
    let mut deliveries = Subscription::new(store, None).into_stream();
    let mut next = async || std::future::poll_fn(|cx| std::pin::Pin::new(&mut deliveries).poll_next(cx)).await;
    assert!(matches!(next().await, Some(Ok(Delivery::Event(_)))));
    assert!(matches!(next().await, Some(Ok(Delivery::CaughtUp))));
    memory.close().await;
    assert!(matches!(next().await, Some(Err(Error::Closed))));
    assert!(next().await.is_none());
}
