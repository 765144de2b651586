//! Snapshots.

use concurrency_core::{Bytes, Error, EventId, Snapshot};

use super::given::{Cx, TWINS, assert_answer, grow, log};

fn snapshot(version: u64, data: impl Into<Bytes>) -> Snapshot {
    Snapshot { version, event: EventId::mint(), schema: u32::MAX - 7, data: data.into() }
}

pub(super) async fn is_loaded_as_it_was_saved(cx: Cx) {
    let (store, other) = (cx.open().await, cx.other_client().await);
    grow(&store, "s", 9).await;
    assert_answer!(store.load_snapshot("s").await, Ok(None), "none was saved");
    let every_byte: Vec<u8> = (0..=255).collect();
    for (version, data) in [(3, every_byte), (5, Vec::new()), (9, b"text".to_vec())] {
        let saved = snapshot(version, data);
        store.save_snapshot("s", saved.clone()).await.expect("saved");
        for client in [&store, &other] {
            assert_answer!(client.load_snapshot("s").await, Ok(Some(found)) if *found == saved, "wanted {saved:?}");
        }
    }
    assert_eq!(log(&store).await.len(), 9, "the log has nothing of it");
}

pub(super) async fn an_older_one_replaces_nothing(cx: Cx) {
    let store = cx.open().await;
    grow(&store, "s", 9).await;
    let newest = snapshot(7, "newest");
    store.save_snapshot("s", newest.clone()).await.expect("saved");
    for older in [6, 1] {
        assert_answer!(
            store.save_snapshot("s", snapshot(older, "older")).await,
            Ok(()),
            "an older one is not an error"
        );
        assert_answer!(store.load_snapshot("s").await, Ok(Some(found)) if *found == newest, "after one of version {older}");
    }
}

pub(super) async fn each_stream_has_its_own(cx: Cx) {
    let store = cx.open().await;
    for (n, name) in TWINS.iter().enumerate() {
        store.save_snapshot(name, snapshot(n as u64 + 1, *name)).await.expect("saved");
    }
    for (n, name) in TWINS.iter().enumerate() {
        let found = store.load_snapshot(name).await;
        assert_answer!(found, Ok(Some(found)) if found.version == n as u64 + 1 && found.data == name.as_bytes(), "{name:?}");
    }
    let elsewhere = cx.other_namespace("x").await;
    assert_answer!(elsewhere.load_snapshot("order").await, Ok(None), "another namespace");
}

pub(super) async fn a_version_of_zero_is_refused(cx: Cx) {
    let store = cx.open().await;
    let answer = store.save_snapshot("s", snapshot(0, "x")).await;
    assert_answer!(answer, Err(Error::InvalidArgument { .. }), "version 0");
    assert_answer!(store.load_snapshot("s").await, Ok(None), "nothing was saved");
}

pub(super) async fn a_larger_one_is_refused(cx: Cx) {
    let store = cx.open().await;
    let kept = snapshot(1, "kept");
    store.save_snapshot("s", kept.clone()).await.expect("saved");
    let limit = store.capabilities().max_event;
    let data = Bytes::from(vec![7; limit + 1]);
    let answer = store.save_snapshot("s", snapshot(2, data.clone())).await;
    assert_answer!(answer, Err(Error::ValueTooLarge { size, limit: l }) if (*size, *l) == (limit + 1, limit), "too large");
    assert_answer!(store.load_snapshot("s").await, Ok(Some(found)) if *found == kept, "the older one is still there");
    let largest = snapshot(3, data.slice(1..));
    store.save_snapshot("s", largest.clone()).await.expect("the largest is saved");
    let found = store.load_snapshot("s").await.expect("loaded").expect("there");
    assert!(found == largest, "the largest comes back as it was");
}

pub(super) async fn survives_truncation(cx: Cx) {
    let store = cx.open().await;
    grow(&store, "s", 5).await;
    let saved = snapshot(4, "x");
    store.save_snapshot("s", saved.clone()).await.expect("saved");
    if store.capabilities().truncate {
        store.truncate_before("s", u64::MAX).await.expect("truncated");
    }
    grow(&store, "s", 5).await;
    assert_answer!(store.load_snapshot("s").await, Ok(Some(found)) if *found == saved, "wanted {saved:?}");
}

pub(super) async fn undeclared_it_is_refused(cx: Cx) {
    let store = cx.open().await;
    assert_answer!(store.save_snapshot("s", snapshot(1, "x")).await, Err(Error::Unsupported { .. }), "save_snapshot");
    assert_answer!(store.load_snapshot("s").await, Err(Error::Unsupported { .. }), "load_snapshot");
    assert!(log(&store).await.is_empty(), "nothing was written");
}
