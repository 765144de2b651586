//! Waiting for something new.

use std::{sync::Arc, time::Duration};

use concurrency_core::{EventStore, Position};

use super::given::{Cx, assert_answer, grow, log_after};

/// A hint that takes longer than this has been lost.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn returns_where_there_is_something(cx: Cx) {
    let store = cx.open().await;
    let first = grow(&store, "s", 3).await;
    for after in [Position::START, first.position.before()] {
        let hint = tokio::time::timeout(PATIENCE, store.changed(after)).await;
        assert_answer!(hint, Ok(Ok(())), "there is something after {after}");
    }
}

pub(super) async fn is_woken_by_an_append(cx: Cx) {
    let (store, other) = (cx.open().await, cx.other_client().await);
    let mut next = log_after(&store, Position::START, 10).await.1;
    for n in 0..12 {
        let waiting = wait(&store, next);
        // Before it waits, in any of its steps, and after a while.
        for _ in 0..n {
            tokio::task::yield_now().await;
        }
        if n > 8 {
            tokio::time::sleep(Duration::from_millis(n)).await;
        }
        let writer = if n % 2 == 0 { &store } else { &other };
        grow(writer, "s", 1).await;
        let hint = tokio::time::timeout(PATIENCE, waiting).await;
        assert_answer!(hint, Ok(Ok(Ok(()))), "append {n}");
        let (seen, end) = log_after(&store, next, 10).await;
        assert_eq!(seen.len(), 1, "after the hint the event is there");
        next = end;
    }
}

fn wait(store: &Arc<dyn EventStore>, after: Position) -> tokio::task::JoinHandle<concurrency_core::Result<()>> {
    let store = Arc::clone(store);
    tokio::spawn(async move {
        loop {
            store.changed(after).await?;
            // It may come for nothing.
            if !store.read_all(after, 1).await?.events.is_empty() {
                return Ok(());
            }
        }
    })
}

pub(super) async fn all_who_wait_are_woken(cx: Cx) {
    let store = cx.open().await;
    let waiting: Vec<_> = (0..8).map(|_| wait(&store, Position::START)).collect();
    tokio::time::sleep(Duration::from_millis(1)).await;
    grow(&store, "s", 1).await;
    for (n, waiting) in waiting.into_iter().enumerate() {
        let hint = tokio::time::timeout(PATIENCE, waiting).await;
        assert_answer!(hint, Ok(Ok(Ok(()))), "waiter {n}");
    }
}

pub(super) async fn dropped_it_leaves_nothing(cx: Cx) {
    let store = cx.open().await;
    for _ in 0..20 {
        let given_up = tokio::time::timeout(Duration::from_millis(1), store.changed(Position::START)).await;
        assert_answer!(given_up, Err(_) | Ok(Ok(())), "it waits or comes early");
    }
    let waiting = wait(&store, Position::START);
    grow(&store, "s", 1).await;
    assert_answer!(tokio::time::timeout(PATIENCE, waiting).await, Ok(Ok(Ok(()))), "one who waits after many gave up");
}
