//! Closed clients and dropped calls.

use std::{
    pin::pin,
    task::{Context as Wakeup, Waker},
};

use concurrency_core::{Error, Expiry, Lookup, Ticket};

use super::fixture::{Cx, HOUR, assert_holds, assert_missing, put, refused, reserve, shown};

pub(super) async fn every_call_after_close_is_closed(cx: Cx) {
    let (client, other) = (cx.new_client().await, cx.open().await);
    let cache = client.open(cx.namespace()).expect("the cache opens");
    put(&*cache, "k", "v").await;
    client.backend().close().await;
    // An empty key would be answered otherwise on an open client.
    for key in ["k", ""] {
        refused!(cache.get(key).await, Error::Closed, "get");
        refused!(cache.set(key, "w".into(), Expiry::Never).await, Error::Closed, "set");
        refused!(cache.remove(key).await, Error::Closed, "remove");
        refused!(cache.contains(key).await, Error::Closed, "contains");
        refused!(cache.get_many(&[key]).await, Error::Closed, "get_many");
        refused!(cache.remove_many(&[key]).await, Error::Closed, "remove_many");
        if cache.capabilities().remaining {
            refused!(cache.get_with_expiry(key).await, Error::Closed, "get_with_expiry");
        }
        if cache.capabilities().tickets {
            refused!(cache.get_or_reserve(key, HOUR).await, Error::Closed, "get_or_reserve");
            let ticket = Ticket { key: key.into(), token: [7; 16] };
            refused!(cache.fill(ticket, "w".into(), Expiry::Never).await, Error::Closed, "fill");
            refused!(cache.filled(key).await, Error::Closed, "filled");
        }
    }
    let answers = cache.set_many(vec![("k".into(), "w".into()), ("l".into(), "w".into())], Expiry::Never).await;
    assert_eq!(answers.len(), 2, "an answer for each entry");
    for answer in answers {
        refused!(answer, Error::Closed, "an entry of set_many");
    }
    refused!(cache.clear().await, Error::Closed, "clear");
    refused!(client.open(cx.namespace()), Error::Closed, "a component of a closed backend");
    assert_holds(&*other, "k", "v", "at another client after all this").await;
}

pub(super) async fn closing_twice_is_fine(cx: Cx) {
    let (client, other) = (cx.new_client().await, cx.open().await);
    let cache = client.open(cx.namespace()).expect("the cache opens");
    for _ in 0..3 {
        client.backend().close().await;
        refused!(cache.get("k").await, Error::Closed, "get");
    }
    put(&*other, "k", "other clients go on").await;
}

/// Each call is polled some times and dropped, and then other calls must get their own answers.
pub(super) async fn a_dropped_call_leaves_nothing_behind(cx: Cx) {
    let cache = cx.open().await;
    let names: Vec<String> = (0..10).map(|i| format!("k{i}")).collect();
    for (i, key) in names.iter().enumerate() {
        put(&*cache, key, &format!("value {i}")).await;
    }
    for polls in 0..6 {
        for i in 0..10 {
            let dropped = [&*names[i], &*names[(i + 1) % 10]];
            poll_and_drop(polls, cache.get(dropped[0]));
            poll_and_drop(polls, cache.get_many(&dropped));
            poll_and_drop(polls, cache.contains("none"));
            poll_and_drop(polls, cache.remove("none"));
            poll_and_drop(polls, cache.set(dropped[0], format!("value {i}").into(), Expiry::Never));
            let asked = (i + 5) % 10;
            let value = format!("value {asked}");
            assert_holds(&*cache, &names[asked], &value, &format!("another call ({polls} polls)")).await;
            assert_missing(&*cache, "none", &format!("another call ({polls} polls)")).await;
        }
    }
}

/// A loader that is dropped before it got its ticket, or while it waits, is in nobody's way for longer than its hold.
pub(super) async fn a_dropped_loader_is_in_nobodys_way(cx: Cx) {
    let cache = cx.open().await;
    let hold = super::fixture::short_ttl(&cache.capabilities());
    for polls in 0..4 {
        let key = format!("k{polls}");
        poll_and_drop(polls, cache.get_or_reserve(&key, hold));
    }
    super::fixture::outlive(&cx, &*cache, hold * 2).await;
    for polls in 0..4 {
        let key = format!("k{polls}");
        let ticket = reserve(&*cache, &key, HOUR).await;
        poll_and_drop(polls, cache.filled(&key));
        poll_and_drop(polls, cache.filled(&key));
        let filled = cache.fill(ticket, "v".into(), Expiry::Never).await;
        assert!(matches!(filled, Ok(true)), "fill after waiters were dropped: {}", shown(&filled));
        let lookup = cache.get_or_reserve(&key, HOUR).await;
        assert!(matches!(lookup, Ok(Lookup::Hit(_))), "after waiters were dropped: {}", shown(&lookup));
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
