//! Closed clients and dropped calls.

use std::{
    pin::pin,
    task::{Context as Wakeup, Waker},
};

use concurrency_core::{DeleteOptions, Error, FencingToken, ListQuery, Precondition, Save, StateStore, Write};

use super::fixture::{Cx, PLAIN, assert_holds, put, refused};

pub(super) async fn every_call_after_close_is_closed(cx: Cx) {
    let (client, other) = (cx.new_client().await, cx.open().await);
    let store = client.open(cx.namespace()).expect("the store opens");
    let version = put(&*store, "k", "v").await;
    client.backend().close().await;
    // An empty key or call would be answered otherwise on an open client.
    for key in ["k", ""] {
        refused!(store.load(key).await, Error::Closed, "load");
        refused!(store.save(key, "w".into(), PLAIN).await, Error::Closed, "save");
        refused!(store.delete(key, DeleteOptions::new()).await, Error::Closed, "delete");
        refused!(store.load_many(&[key]).await, Error::Closed, "load_many");
        refused!(store.delete_many(&[key]).await, Error::Closed, "delete_many");
    }
    let answers = store.save_many(vec![Save::new("k", "w", PLAIN), Save::new("l", "w", PLAIN)]).await;
    assert_eq!(answers.len(), 2, "an answer for each entry");
    for answer in answers {
        refused!(answer, Error::Closed, "an entry of save_many");
    }
    let declared = store.capabilities();
    if declared.commit {
        refused!(store.commit(vec![Write::check("k", Precondition::Any)]).await, Error::Closed, "commit");
    }
    if declared.list {
        refused!(store.list(ListQuery::all()).await, Error::Closed, "list");
    }
    if declared.fencing {
        refused!(store.fence(&["k"], FencingToken(1)).await, Error::Closed, "fence");
    }
    refused!(client.backend().health().await, Error::Closed, "health");
    refused!(client.open(cx.namespace()), Error::Closed, "a component of a closed backend");
    assert_holds(&*other, "k", "v", Some(version), "at another client after all this").await;
}

pub(super) async fn closing_twice_is_fine(cx: Cx) {
    let (client, other) = (cx.new_client().await, cx.open().await);
    let store = client.open(cx.namespace()).expect("the store opens");
    for _ in 0..3 {
        client.backend().close().await;
        refused!(store.load("k").await, Error::Closed, "load");
    }
    put(&*other, "k", "other clients go on").await;
}

/// Each call is polled some times and dropped, and then other calls must get their own answers.
pub(super) async fn a_dropped_call_leaves_nothing_behind(cx: Cx) {
    let store = cx.open().await;
    let names: Vec<String> = (0..10).map(|i| format!("k{i}")).collect();
    for (i, key) in names.iter().enumerate() {
        store.save(key, format!("value {i}").into(), PLAIN).await.expect("save");
    }
    for polls in 0..6 {
        for i in 0..10 {
            let dropped = [&*names[i], &*names[(i + 1) % 10]];
            poll_and_drop(polls, store.load(dropped[0]));
            poll_and_drop(polls, store.load_many(&dropped));
            poll_and_drop(polls, store.save(dropped[0], format!("value {i}").into(), PLAIN));
            poll_and_drop(polls, store.delete("none", DeleteOptions::new()));
            let asked = (i + 5) % 10;
            let state = store.load(&names[asked]).await.expect("load after a dropped call");
            let value = state.expect("it was saved").value;
            assert_eq!(value, format!("value {asked}"), "the answer to another call ({polls} polls)");
        }
    }
}

fn poll_and_drop<T>(times: usize, call: impl Future<Output = T>) {
    let mut call = pin!(call);
    let mut wakeup = Wakeup::from_waker(Waker::noop());
    for _ in 0..times {
        if call.as_mut().poll(&mut wakeup).is_ready() {
            return;
        }
    }
}
