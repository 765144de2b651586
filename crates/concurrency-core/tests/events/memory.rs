//! What the suite cannot see through the trait, or sees only in passing: retention, and waiting calls that are closed.

use concurrency_core::{
    AppendId, AppendOptions, Backend, Error, EventStore, FencingToken, Memory, Position, ReadQuery,
};

use crate::{DAY, events, store, store_and_clock};

// E-22
#[tokio::test(start_paused = true)]
async fn an_append_id_outlives_truncation_by_seven_days() {
    let (store, clock) = store_and_clock();
    let options = AppendOptions::new().with_append_id(AppendId::mint());
    let appended = store.append("s", events(&["a", "b"]), options).await.unwrap();
    clock.advance(30 * DAY);
    assert_eq!(store.append("s", events(&["a", "b"]), options).await.unwrap(), appended, "its first event lives");

    let young = AppendOptions::new().with_append_id(AppendId::mint());
    let second = store.append("s", events(&["c"]), young).await.unwrap();
    store.truncate_before("s", 4).await.unwrap();
    assert_eq!(store.append("s", events(&["c"]), young).await.unwrap(), second, "it is younger than seven days");
    assert_eq!(store.append("s", events(&["a", "b"]), options).await.unwrap().first, 4, "forgotten: a new append");
}

// E-54
#[tokio::test(start_paused = true)]
async fn a_fencing_mark_is_forgotten_after_its_retention() {
    let (store, clock) = store_and_clock();
    let by = |token| AppendOptions::new().fenced_by(FencingToken(token));
    store.append("s", events(&["a"]), by(7)).await.unwrap();
    clock.advance(DAY - DAY / 1000);
    let refused = store.append("s", events(&["b"]), by(6)).await;
    assert!(matches!(refused, Err(Error::Fenced { seen: FencingToken(7), given: FencingToken(6), .. })), "{refused:?}");
    clock.advance(DAY / 1000);
    store.append("s", events(&["b"]), by(6)).await.unwrap();
}

// E-11
#[tokio::test(start_paused = true)]
async fn a_refused_append_to_a_missing_stream_leaves_no_trace() {
    let store = store();
    let refused = store.append("s", events(&["a"]), AppendOptions::new().expecting(3)).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    assert_eq!(store.read("s", ReadQuery::newest()).await.unwrap().last, 0);
    assert_eq!(store.read_all(Position::START, 10).await.unwrap().next, Position::START);
}

// G-75
#[tokio::test]
async fn closing_ends_a_waiting_call() {
    let memory = Memory::new();
    let store = memory.event_store("s").unwrap();
    let waiting = tokio::spawn(async move { store.changed(Position::START).await });
    tokio::task::yield_now().await;
    memory.close().await;
    assert!(matches!(waiting.await.unwrap(), Err(Error::Closed)));

    let other = memory.another_client().event_store("s").unwrap();
    other.append("s", events(&["a"]), AppendOptions::new()).await.unwrap();
    other.changed(Position::START).await.unwrap();
}

// G-51
#[tokio::test]
async fn nothing_shows_a_value() {
    let memory = Memory::new();
    let store = memory.event_store("s").unwrap();
    store.append("s", events(&["hunter2"]), AppendOptions::new()).await.unwrap();
    assert!(!format!("{store:?}").contains("hunter2"), "{store:?}");
}
