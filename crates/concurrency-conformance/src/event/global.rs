//! The global order.

use std::{collections::HashMap, time::Duration};

use concurrency_core::{Cache, EventStore, Expiry, Position, SaveOptions};

use super::given::{Cx, assert_answer, contents, grow, log, log_after, versions, whole};

/// Fifty appends on seven streams, drawn from the case's randomness.
async fn mixed(cx: &Cx, store: &dyn EventStore) -> usize {
    let mut rng = cx.rng();
    let mut count = 0;
    for _ in 0..50 {
        let events = rng.usize(1..5);
        grow(store, &format!("s{}", rng.u8(0..7)), events).await;
        count += events;
    }
    count
}

pub(super) async fn begins_after_the_position_and_rises(cx: Cx) {
    let store = cx.open().await;
    mixed(&cx, &store).await;
    let all = log(&store).await;
    assert!(all.is_sorted_by(|a, b| a.position < b.position), "{all:?}");
    assert!(all[0].position > Position::START);
    for (n, event) in all.iter().enumerate() {
        let batch = store.read_all(event.position, 1).await.expect("read");
        assert_eq!(batch.events.first(), all.get(n + 1), "what follows {event:?}");
        let batch = store.read_all(event.position.before(), 1).await.expect("read");
        assert_eq!(batch.events.first(), Some(event), "what follows the place before it");
    }
}

pub(super) async fn pages_hold_every_event_exactly_once(cx: Cx) {
    let store = cx.open().await;
    let count = mixed(&cx, &store).await;
    let all = log(&store).await;
    assert_eq!(all.len(), count);
    for page in [1, 2, 7, 50, 999] {
        let (paged, _) = log_after(&store, Position::START, page).await;
        assert_eq!(paged, all, "{page} a page");
    }
    let mut streams: HashMap<_, Vec<_>> = HashMap::new();
    all.into_iter().for_each(|event| streams.entry(event.stream.clone()).or_default().push(event));
    for (name, events) in streams {
        assert_eq!(whole(&store, &name).await.events, events, "the stream and the global order agree about {name}");
    }
}

pub(super) async fn the_end_is_not_the_end_for_ever(cx: Cx) {
    let (store, other) = (cx.open().await, cx.other_client().await);
    let mut next = Position::START;
    let mut expected = 0;
    for n in 0..20 {
        let (seen, end) = log_after(&store, next, 1 + n % 3).await;
        assert_eq!(seen.len(), expected, "in round {n}: {seen:?}");
        expected = 1 + n % 2;
        let appended = grow(&other, &format!("s{}", n % 4), expected).await;
        assert!(appended.position > end, "a reader was at {end}, and then this appeared: {appended:?}");
        next = end;
    }
}

pub(super) async fn appends_are_ordered_as_they_were_answered(cx: Cx) {
    let (store, other) = (cx.open().await, cx.other_client().await);
    let mut last = Position::START;
    for n in 0..20 {
        let client = if n % 2 == 0 { &store } else { &other };
        let appended = grow(client, &format!("s{}", n % 3), 2).await;
        assert!(appended.position > last, "{appended:?} comes after {last}");
        last = appended.position;
    }
    assert_eq!(contents(&log(&store).await).len(), 40);
}

pub(super) async fn a_position_survives_its_text(cx: Cx) {
    let store = cx.open().await;
    grow(&store, "s", 3).await;
    for event in log(&store).await {
        let text = event.position.to_string();
        let parsed: Position = text.parse().expect("what it displays");
        assert_eq!(parsed, event.position, "{text}");
        assert_eq!(Position::from_u128(event.position.to_u128()), event.position);
        let json = serde_json::to_string(&event.checkpoint()).expect("a checkpoint is stored as JSON");
        assert_eq!(serde_json::from_str::<concurrency_core::Checkpoint>(&json).expect("read back"), event.checkpoint());
    }
}

pub(super) async fn a_forged_position_is_only_a_place(cx: Cx) {
    let store = cx.open().await;
    grow(&store, "s", 3).await;
    let all = log(&store).await;
    for forged in [1, u128::from(u64::MAX), u128::MAX / 2, u128::MAX - 1, u128::MAX] {
        let forged = Position::from_u128(forged);
        let batch = store.read_all(forged, 10).await.expect("any position can be asked for");
        let expected: Vec<_> = all.iter().filter(|event| event.position > forged).cloned().collect();
        assert_eq!(batch.events, expected, "after {forged}");
        assert!(batch.next >= forged, "reading on leads back from {forged} to {}", batch.next);
    }
    assert_eq!(grow(&store, "s", 1).await.first, 4, "nothing has come of it");
}

pub(super) async fn an_empty_log_begins_at_the_start(cx: Cx) {
    let store = cx.open().await;
    let batch = store.read_all(Position::START, 10).await.expect("read");
    assert!(batch.events.is_empty() && batch.truncated.is_none(), "{batch:?}");
    grow(&store, "s", 2).await;
    let (seen, _) = log_after(&store, batch.next, 10).await;
    assert_eq!(versions(&seen), [1, 2], "after an empty read at the start");
}

pub(super) async fn namespaces_see_nothing_of_one_another(cx: Cx) {
    let (store, other, upper) = (cx.open().await, cx.other_namespace("other").await, cx.other_namespace("OTHER").await);
    grow(&store, "s", 2).await;
    grow(&other, "s", 3).await;
    for (namespace, expected) in [(&store, 2), (&other, 3), (&upper, 0)] {
        assert_eq!(whole(namespace, "s").await.last, expected);
        assert_eq!(log(namespace).await.len() as u64, expected);
    }
    if store.capabilities().truncate {
        store.truncate_before("s", 3).await.expect("truncated");
        assert_eq!(whole(&other, "s").await.first, 1);
    }
}

pub(super) async fn other_kinds_of_the_same_name_do_not_collide(cx: Cx) {
    let store = cx.open().await;
    let backend = cx.client().await.backend().clone();
    grow(&store, "name", 2).await;
    if let Ok(states) = backend.state_store(cx.namespace()) {
        assert_answer!(states.load("name").await, Ok(None), "a state called like a stream");
        states.save("name", "state".into(), SaveOptions::new()).await.expect("saved");
    }
    if let Ok(cache) = backend.cache(cx.namespace()) {
        let cache: &dyn Cache = &*cache;
        assert_answer!(cache.get("name").await, Ok(None), "a cache entry called like a stream");
        cache.set("name", "cached".into(), Expiry::After(Duration::from_secs(60))).await.expect("set");
        cache.clear().await.expect("cleared");
    }
    if let Ok(lock) = backend.lock(cx.namespace()) {
        let claim = concurrency_core::Claim::new("name", Duration::from_secs(1)).expect("a good claim");
        assert_answer!(lock.try_acquire(&claim).await, Ok(Some(_)), "a lock called like a stream");
    }
    assert_eq!(contents(&whole(&store, "name").await.events), ["e 1", "e 2"]);
    assert_eq!(grow(&store, "name", 1).await.first, 3);
}
