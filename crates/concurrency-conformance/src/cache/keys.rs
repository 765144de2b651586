//! Namespaces, keys, and who sees what.

use concurrency_core::{Bytes, Error, Expiry, Ticket};

use super::fixture::{Cx, HOUR, assert_holds, assert_missing, put, put_for, refused, reserve, shown};
use crate::state::inputs::{bad_keys, hard_keys};

pub(super) async fn keys_at_both_bounds_are_accepted(cx: Cx) {
    let cache = cx.open().await;
    for key in ["x", " ", "\0", &"x".repeat(1024), &"é".repeat(512), &"\u{1f600}".repeat(256)] {
        put(&*cache, key, "v").await;
        assert_holds(&*cache, key, "v", "at the bounds").await;
        let removed = cache.remove(key).await;
        assert!(matches!(removed, Ok(true)), "remove of {} bytes: {}", key.len(), shown(&removed));
        assert_missing(&*cache, key, "after its removal").await;
    }
}

pub(super) async fn bad_keys_are_refused_by_every_call_of_one_key(cx: Cx) {
    let cache = cx.open().await;
    for bad in bad_keys() {
        let len = bad.len();
        refused!(cache.get(&bad).await, Error::InvalidKey { len: said } if said == len, "get, {len} bytes");
        refused!(cache.set(&bad, "v".into(), Expiry::Never).await, Error::InvalidKey { .. }, "set, {len} bytes");
        refused!(cache.remove(&bad).await, Error::InvalidKey { .. }, "remove, {len} bytes");
        refused!(cache.contains(&bad).await, Error::InvalidKey { .. }, "contains, {len} bytes");
        if cache.capabilities().remaining {
            refused!(cache.get_with_expiry(&bad).await, Error::InvalidKey { .. }, "get_with_expiry, {len} bytes");
        }
    }
}

pub(super) async fn bad_keys_are_refused_by_the_calls_of_tickets(cx: Cx) {
    let cache = cx.open().await;
    for bad in bad_keys() {
        let len = bad.len();
        refused!(cache.get_or_reserve(&bad, HOUR).await, Error::InvalidKey { .. }, "get_or_reserve, {len} bytes");
        refused!(cache.filled(&bad).await, Error::InvalidKey { .. }, "filled, {len} bytes");
        let forged = Ticket { key: bad.into(), token: [7; 16] };
        refused!(cache.fill(forged, "v".into(), Expiry::Never).await, Error::InvalidKey { .. }, "fill, {len} bytes");
    }
}

pub(super) async fn a_bad_key_refuses_a_whole_read_or_removal(cx: Cx) {
    let cache = cx.open().await;
    put(&*cache, "good", "v").await;
    for bad in bad_keys() {
        let len = bad.len();
        for keys in [["good", &bad], [&bad, "good"]] {
            refused!(cache.get_many(&keys).await, Error::InvalidKey { .. }, "get_many, {len} bytes");
            refused!(cache.remove_many(&keys).await, Error::InvalidKey { .. }, "remove_many, {len} bytes");
        }
    }
    assert_holds(&*cache, "good", "v", "after the refusals").await;
}

pub(super) async fn a_bad_key_refuses_its_own_entry(cx: Cx) {
    let cache = cx.open().await;
    for (i, bad) in bad_keys().into_iter().enumerate() {
        let len = bad.len();
        let value = format!("value {i}");
        let entries = [String::from("a"), bad, String::from("b")].map(|key| (key, Bytes::from(value.clone())));
        let answers = cache.set_many(entries.into(), Expiry::Never).await;
        assert_eq!(answers.len(), 3, "an answer for each entry");
        refused!(&answers[1], Error::InvalidKey { .. }, "the entry of {len} bytes");
        for (key, answer) in [("a", &answers[0]), ("b", &answers[2])] {
            assert!(answer.is_ok(), "the entry of {key:?} beside a bad one: {}", shown(answer));
            assert_holds(&*cache, key, &value, "beside a bad entry").await;
        }
    }
}

pub(super) async fn any_characters_make_a_key(cx: Cx) {
    let cache = cx.open().await;
    for (i, key) in hard_keys().iter().enumerate() {
        let value = format!("value {i}");
        put(&*cache, key, &value).await;
        assert_holds(&*cache, key, &value, "after its set").await;
        assert!(matches!(cache.remove(key).await, Ok(true)), "remove of {key:?}");
        assert_missing(&*cache, key, "after its removal").await;
    }
}

pub(super) async fn twins_are_different_keys(cx: Cx) {
    let cache = cx.open().await;
    let keys = hard_keys();
    let entries = keys.iter().enumerate().map(|(i, key)| (key.clone(), Bytes::from(i.to_string()))).collect();
    for answer in cache.set_many(entries, Expiry::Never).await {
        assert!(answer.is_ok(), "an entry of set_many: {}", shown(&answer));
    }
    let asked: Vec<&str> = keys.iter().map(String::as_str).collect();
    let answers = cache.get_many(&asked).await.expect("get_many");
    for (i, key) in keys.iter().enumerate() {
        assert_eq!(answers[i], Some(Bytes::from(i.to_string())), "get_many of {key:?}");
        assert_holds(&*cache, key, &i.to_string(), "beside its twins").await;
    }
    // Every second one goes; the others stay.
    for key in keys.iter().step_by(2) {
        assert!(matches!(cache.remove(key).await, Ok(true)), "remove of {key:?}");
    }
    for (i, key) in keys.iter().enumerate() {
        match i % 2 {
            0 => assert_missing(&*cache, key, "after its own removal").await,
            _ => assert_holds(&*cache, key, &i.to_string(), "after the removal of its twins").await,
        }
    }
}

pub(super) async fn twins_have_their_own_tickets(cx: Cx) {
    let cache = cx.open().await;
    let keys = hard_keys();
    let mut tickets = Vec::new();
    for key in &keys {
        tickets.push(reserve(&*cache, key, HOUR).await);
    }
    for (i, ticket) in tickets.into_iter().enumerate() {
        assert_eq!(&*ticket.key, keys[i], "the key of the ticket");
        assert!(super::fixture::fill(&*cache, ticket, &i.to_string()).await, "fill of {:?}", keys[i]);
    }
    for (i, key) in keys.iter().enumerate() {
        assert_holds(&*cache, key, &i.to_string(), "after all fills").await;
    }
}

pub(super) async fn bad_namespaces_are_refused(cx: Cx) {
    let client = cx.client().await;
    let too_long = "x".repeat(65);
    for bad in ["", " ", "a b", "a/b", "a:b", "a\0", "é", "a*", "{a}", "a\n", &too_long] {
        refused!(client.open(bad), Error::InvalidArgument { .. }, "namespace {bad:?}");
    }
}

pub(super) async fn all_allowed_namespaces_work(cx: Cx) {
    let client = cx.client().await;
    let longest = format!("{}{}", cx.namespace(), "x".repeat(64 - cx.namespace().len()));
    for name in [format!("{}.A_z-9", cx.namespace()), format!("{}..", cx.namespace()), longest] {
        let cache = client.open(&name).unwrap_or_else(|e| panic!("namespace {name:?}: {e}"));
        put(&*cache, "k", "v").await;
        assert_holds(&*cache, "k", "v", &name).await;
        cache.clear().await.expect("clear");
    }
}

pub(super) async fn namespaces_share_no_keys(cx: Cx) {
    let (here, there) = (cx.open().await, cx.other_namespace("there").await);
    put(&*here, "k", "here").await;
    assert_missing(&*there, "k", "in the other namespace").await;
    put(&*there, "k", "there").await;
    assert_holds(&*here, "k", "here", "after a set in the other namespace").await;
    assert_eq!(there.remove_many(&["k", "l"]).await.ok(), Some(1), "remove_many in the other namespace");
    assert_holds(&*here, "k", "here", "after a removal in the other namespace").await;
}

pub(super) async fn namespaces_share_no_tickets(cx: Cx) {
    let (here, there) = (cx.open().await, cx.other_namespace("there").await);
    let ticket = reserve(&*here, "k", HOUR).await;
    let of_there = reserve(&*there, "k", HOUR).await;
    let foreign = super::fixture::fill(&*there, ticket.clone(), "foreign").await;
    assert!(!foreign, "a ticket of one namespace filled a key of another");
    assert_missing(&*there, "k", "after a fill with a ticket of another namespace").await;
    assert!(super::fixture::fill(&*there, of_there, "there").await, "its own ticket");
    assert!(super::fixture::fill(&*here, ticket, "here").await, "its own ticket");
    assert_holds(&*here, "k", "here", "after both fills").await;
    assert_holds(&*there, "k", "there", "after both fills").await;
}

/// Where a backend glues namespace and key together, the seam must not move.
pub(super) async fn no_namespace_and_key_make_those_of_another(cx: Cx) {
    let seams = [("s", "a-k"), ("s-a", "k"), ("s.a", "k"), ("s_a", "k")];
    for (i, (namespace, key)) in seams.iter().enumerate() {
        put(&*cx.other_namespace(namespace).await, key, &i.to_string()).await;
    }
    for (i, (namespace, key)) in seams.iter().enumerate() {
        let cache = cx.other_namespace(namespace).await;
        assert_holds(&*cache, key, &i.to_string(), &format!("in {namespace:?}")).await;
        for (other, (_, key)) in seams.iter().enumerate().filter(|(_, (_, other))| other != key) {
            assert_missing(&*cache, key, &format!("the key of {other} in {namespace:?}")).await;
        }
    }
}

pub(super) async fn namespaces_are_compared_byte_for_byte(cx: Cx) {
    let names = ["users", "Users", "USERS", "user", "users.", "users-", "users_"];
    for name in names {
        put(&*cx.other_namespace(name).await, "k", name).await;
    }
    for name in names {
        assert_holds(&*cx.other_namespace(name).await, "k", name, &format!("in {name:?}")).await;
    }
    cx.other_namespace("users").await.clear().await.expect("clear");
    for name in &names[1..] {
        assert_holds(&*cx.other_namespace(name).await, "k", name, &format!("in {name:?} after a clear of its twin"))
            .await;
    }
}

pub(super) async fn other_components_of_one_name_do_not_collide(cx: Cx) {
    let (cache, backend) = (cx.open().await, cx.client().await.backend());
    put(&*cache, "k", "cached").await;
    let states = backend.state_store(cx.namespace()).ok();
    if let Some(states) = &states {
        assert!(states.load("k").await.is_ok_and(|state| state.is_none()), "the state store shows the cached value");
        let saved = states.save("k", "state".into(), concurrency_core::SaveOptions::new().if_absent()).await;
        assert!(saved.is_ok(), "a state of the same name: {}", shown(&saved));
        assert_holds(&*cache, "k", "cached", "after a save in the state store").await;
    }
    let locks = backend.lock(cx.namespace()).ok();
    let claim = concurrency_core::Claim::new("k", HOUR).expect("a good claim");
    if let Some(locks) = &locks {
        let lease = locks.try_acquire(&claim).await;
        assert!(matches!(lease, Ok(Some(_))), "a lock of the same name: {}", shown(&lease));
        assert_holds(&*cache, "k", "cached", "under a lock of its name").await;
    }
    let events = backend.event_store(cx.namespace()).ok();
    if let Some(events) = &events {
        let event = concurrency_core::NewEvent::new("type", "data");
        let appended = events.append("k", vec![event], concurrency_core::AppendOptions::new()).await;
        assert_eq!(appended.map(|appended| appended.last).ok(), Some(1), "the stream is not new beside the value");
        assert_holds(&*cache, "k", "cached", "beside a stream of its name").await;
    }
    cache.clear().await.expect("clear");
    if let Some(states) = &states {
        let state = states.load("k").await.expect("load");
        assert_eq!(
            state.map(|state| state.value).as_deref(),
            Some(&b"state"[..]),
            "the state after a clear of the cache"
        );
    }
    if let Some(locks) = &locks {
        let released = locks.release(&claim, None).await;
        let ours = matches!(released, Ok(concurrency_core::Released::Ours));
        assert!(ours, "the lock after a clear of the cache: {}", shown(&released));
    }
    if let Some(events) = &events {
        let read = events.read("k", concurrency_core::ReadQuery::forwards(1)).await.expect("read");
        assert_eq!(read.events.len(), 1, "the stream after a clear of the cache");
    }
    put_for(&*cache, "k", "again", Expiry::Default).await;
}
