//! A closed client.

use std::{sync::Arc, time::Duration};

use concurrency_core::{AppendOptions, Error, EventId, Position, ReadQuery, Snapshot, Subscription};

use super::given::{Cx, assert_answer, events, grow, whole};

pub(super) async fn every_call_is_closed(cx: Cx) {
    let (store, other) = (cx.open().await, cx.other_client().await);
    grow(&store, "s", 2).await;
    let backend = Arc::clone(cx.client().await.backend());
    backend.close().await;
    let appended = store.append("s", events(1), AppendOptions::new()).await;
    assert_answer!(appended, Err(Error::Closed), "append");
    assert_answer!(store.append("", Vec::new(), AppendOptions::new()).await, Err(Error::Closed), "a bad append");
    assert_answer!(store.read("s", ReadQuery::forwards(1)).await, Err(Error::Closed), "read");
    assert_answer!(store.read_all(Position::START, 10).await, Err(Error::Closed), "read_all");
    assert_answer!(store.changed(Position::START).await, Err(Error::Closed), "changed");
    let capabilities = store.capabilities();
    if capabilities.snapshots {
        let snapshot = Snapshot { version: 1, event: EventId::mint(), schema: 1, data: "x".into() };
        assert_answer!(store.load_snapshot("s").await, Err(Error::Closed), "load_snapshot");
        assert_answer!(store.save_snapshot("s", snapshot).await, Err(Error::Closed), "save_snapshot");
    }
    if capabilities.truncate {
        assert_answer!(store.truncate_before("s", 3).await, Err(Error::Closed), "truncate_before");
    }
    assert_answer!(backend.event_store(cx.namespace()), Err(Error::Closed), "another component of a closed client");
    assert_answer!(backend.health().await, Err(Error::Closed), "health");
    assert_eq!(whole(&other, "s").await.events.len(), 2, "nothing has changed, and other clients go on");
    grow(&other, "s", 1).await;
}

pub(super) async fn closing_twice_is_fine(cx: Cx) {
    let store = cx.open().await;
    let backend = Arc::clone(cx.client().await.backend());
    backend.close().await;
    backend.close().await;
    assert_answer!(store.read("s", ReadQuery::forwards(1)).await, Err(Error::Closed), "read");
}

pub(super) async fn a_waiting_call_ends(cx: Cx) {
    let store = cx.open().await;
    let backend = Arc::clone(cx.client().await.backend());
    let mut subscription = Subscription::new(Arc::clone(&store), None);
    subscription.next().await.expect("caught up");
    let waiting = tokio::spawn(async move { store.changed(Position::START).await });
    let subscribed = tokio::spawn(async move { subscription.next().await });
    tokio::time::sleep(Duration::from_millis(20)).await;
    backend.close().await;
    let patience = Duration::from_secs(10);
    let ended = tokio::time::timeout(patience, waiting).await;
    // A hint may come early: then it had ended before.
    assert_answer!(ended, Ok(Ok(Err(Error::Closed) | Ok(()))), "changed");
    assert_answer!(tokio::time::timeout(patience, subscribed).await, Ok(Ok(Err(Error::Closed))), "a subscription");
}
