//! Namespaces, keys, and who sees what.

use std::collections::HashMap;

use concurrency_core::{Bytes, DeleteOptions, Error, FencingToken, Precondition, Save, StateStore, Write};

use super::{
    fixture::{Cx, PLAIN, assert_holds, assert_missing, fenced, keys_of, put, put_with, refused, shown, value_of},
    inputs::{bad_keys, hard_keys},
};

pub(super) async fn both_lengths_at_the_bounds_are_accepted(cx: Cx) {
    let store = cx.open().await;
    for key in ["x", " ", "\0", &"x".repeat(1024), &"é".repeat(512), &"\u{1f600}".repeat(256)] {
        let version = put(&*store, key, "v").await;
        assert_holds(&*store, key, "v", Some(version), "at the bounds").await;
        assert!(store.delete(key, DeleteOptions::new()).await.is_ok_and(|existed| existed), "{} bytes", key.len());
    }
}

pub(super) async fn bad_keys_are_refused_by_load_save_and_delete(cx: Cx) {
    let store = cx.open().await;
    for bad in bad_keys() {
        let len = bad.len();
        refused!(store.load(&bad).await, Error::InvalidKey { len: said } if said == len, "load, {len} bytes");
        refused!(store.save(&bad, "v".into(), PLAIN).await, Error::InvalidKey { .. }, "save, {len} bytes");
        refused!(store.delete(&bad, DeleteOptions::new()).await, Error::InvalidKey { .. }, "delete, {len} bytes");
    }
    if store.capabilities().list {
        assert_eq!(keys_of(&*store, "").await, [] as [&str; 0], "what the refused saves left behind");
    }
}

pub(super) async fn a_bad_key_refuses_a_whole_bulk_call(cx: Cx) {
    let store = cx.open().await;
    let kept = put(&*store, "good", "v").await;
    for bad in bad_keys() {
        let len = bad.len();
        for keys in [["good", &bad], [&bad, "good"]] {
            refused!(store.load_many(&keys).await, Error::InvalidKey { .. }, "load_many, {len} bytes");
            refused!(store.delete_many(&keys).await, Error::InvalidKey { .. }, "delete_many, {len} bytes");
        }
    }
    assert_holds(&*store, "good", "v", Some(kept), "after the refusals").await;
}

pub(super) async fn a_bad_key_refuses_a_whole_commit(cx: Cx) {
    let store = cx.open().await;
    for bad in bad_keys() {
        let wrong = [
            Write::save(&*bad, "v", PLAIN),
            Write::delete(&*bad, DeleteOptions::new()),
            Write::check(&*bad, Precondition::Any),
        ];
        for wrong in wrong {
            let writes = vec![Write::save("good", "v", PLAIN), wrong];
            refused!(store.commit(writes).await, Error::InvalidKey { .. }, "commit, {} bytes", bad.len());
            assert_missing(&*store, "good", "after a refused commit").await;
        }
    }
}

pub(super) async fn a_bad_key_refuses_a_fence(cx: Cx) {
    let store = cx.open().await;
    for bad in bad_keys() {
        let answer = store.fence(&["good", &bad], FencingToken(9)).await;
        refused!(answer, Error::InvalidKey { .. }, "fence, {} bytes", bad.len());
    }
    put_with(&*store, "good", "no mark was raised", fenced(1)).await;
}

pub(super) async fn any_characters_make_a_key(cx: Cx) {
    let store = cx.open().await;
    for (i, key) in hard_keys().iter().enumerate() {
        let value = Bytes::from(format!("value {i}"));
        let version = store.save(key, value.clone(), PLAIN).await.unwrap_or_else(|e| panic!("save of {key:?}: {e}"));
        let state = store.load(key).await.unwrap_or_else(|e| panic!("load of {key:?}: {e}"));
        let state = state.unwrap_or_else(|| panic!("{key:?} is missing after its save"));
        assert_eq!((state.value, state.version), (value, version), "{key:?}");
        assert!(store.delete(key, DeleteOptions::new()).await.is_ok_and(|existed| existed), "delete of {key:?}");
        assert_missing(&*store, key, "after its delete").await;
    }
}

pub(super) async fn twins_are_different_keys(cx: Cx) {
    let store = cx.open().await;
    let keys = hard_keys();
    for (i, key) in keys.iter().enumerate() {
        let fresh = store.save(key, Bytes::from(format!("{i}")), PLAIN.if_absent()).await;
        assert!(fresh.is_ok(), "{key:?} is taken for a key saved before: {}", shown(&fresh));
    }
    for (i, key) in keys.iter().enumerate() {
        let value = value_of(&*store, key).await;
        assert_eq!(value, Some(Bytes::from(format!("{i}"))), "{key:?} shows the value of another key");
    }
    let as_str: Vec<&str> = keys.iter().map(String::as_str).collect();
    let many = store.load_many(&as_str).await.unwrap_or_else(|e| panic!("load_many: {e}"));
    for (i, state) in many.into_iter().enumerate() {
        let value = state.map(|state| state.value);
        assert_eq!(value, Some(Bytes::from(format!("{i}"))), "load_many of {:?}", keys[i]);
    }
    for (i, key) in keys.iter().enumerate() {
        assert!(store.delete(key, DeleteOptions::new()).await.is_ok_and(|existed| existed), "delete of {key:?}");
        if let Some(next) = keys.get(i + 1) {
            assert!(value_of(&*store, next).await.is_some(), "the delete of {key:?} took {next:?} along");
        }
    }
}

pub(super) async fn twins_are_listed_apart(cx: Cx) {
    let store = cx.open().await;
    let mut keys = hard_keys();
    for key in &keys {
        put(&*store, key, "v").await;
    }
    keys.sort();
    assert_eq!(keys_of(&*store, "").await, keys);
}

pub(super) async fn twins_have_their_own_marks(cx: Cx) {
    let store = cx.open().await;
    for (i, key) in hard_keys().iter().enumerate() {
        // Each token is lower than that of the key before, which a shared mark would refuse.
        let save = store.save(key, "v".into(), fenced(1000 - i as u64)).await;
        assert!(save.is_ok(), "{key:?}: {}", shown(&save));
    }
}

pub(super) async fn bad_namespaces_are_refused(cx: Cx) {
    let client = cx.client().await;
    let too_long = "x".repeat(65);
    for bad in ["", " ", "a b", "a/b", "a:b", "a\0", "é", "a*", "{a}", "a\n", &too_long] {
        refused!(client.open(bad), Error::InvalidArgument { .. }, "namespace {bad:?}");
    }
}

/// What is declared is the same wherever it is asked for, and possible.
pub(super) async fn a_backend_declares_what_its_stores_do(cx: Cx) {
    let declared = cx.open().await.capabilities();
    assert_eq!(cx.client().await.backend().capabilities().state, Some(declared));
    assert_eq!(cx.other_client().await.capabilities(), declared, "at another client");
    assert!(declared.max_batch_keys >= 1 && declared.max_value <= declared.max_batch_bytes, "{declared:?}");
    assert!(declared.fencing || declared.fence_retention.is_zero(), "retention of what is not there: {declared:?}");
    assert!(!declared.fencing || !declared.fence_retention.is_zero(), "marks are kept for no time: {declared:?}");
}

pub(super) async fn all_allowed_namespaces_work(cx: Cx) {
    let client = cx.client().await;
    let longest = format!("{}{}", cx.namespace(), "x".repeat(64 - cx.namespace().len()));
    for name in [format!("{}.A_z-9", cx.namespace()), format!("{}..", cx.namespace()), longest] {
        let store = client.open(&name).unwrap_or_else(|e| panic!("namespace {name:?}: {e}"));
        let version = put(&*store, "k", "v").await;
        assert_holds(&*store, "k", "v", Some(version), &name).await;
        let _existed = store.delete("k", DeleteOptions::new()).await;
    }
}

pub(super) async fn namespaces_share_no_keys(cx: Cx) {
    let (here, there) = (cx.open().await, cx.other_namespace("there").await);
    let version = put(&*here, "k", "here").await;
    assert_missing(&*there, "k", "in the other namespace").await;
    let elsewhere = put_with(&*there, "k", "there", PLAIN.if_absent()).await;
    assert_holds(&*here, "k", "here", Some(version), "after a save in the other namespace").await;
    assert_eq!(there.delete_many(&["k", "l"]).await.ok(), Some(1), "delete_many in the other namespace");
    assert_holds(&*here, "k", "here", Some(version), "after a delete in the other namespace").await;
    refused!(
        here.save("k", "v".into(), PLAIN.if_version(elsewhere)).await,
        Error::Conflict { .. },
        "a version of the other namespace"
    );
}

pub(super) async fn namespaces_share_no_listing(cx: Cx) {
    let (here, there) = (cx.open().await, cx.other_namespace("there").await);
    put(&*here, "a", "v").await;
    put(&*there, "b", "v").await;
    assert_eq!(keys_of(&*here, "").await, ["a"]);
    assert_eq!(keys_of(&*there, "").await, ["b"]);
}

pub(super) async fn namespaces_share_no_marks(cx: Cx) {
    let (here, there) = (cx.open().await, cx.other_namespace("there").await);
    put_with(&*here, "k", "v", fenced(7)).await;
    put_with(&*there, "k", "v", fenced(1)).await;
}

/// What joins a namespace to a key takes these for one another.
pub(super) async fn no_namespace_and_key_make_those_of_another(cx: Cx) {
    let short = cx.other_namespace("a").await;
    for separator in ["-", ".", "_"] {
        let long = cx.other_namespace(&format!("a{separator}b")).await;
        for key in [format!("b{separator}k"), format!("{separator}b{separator}k"), format!("{separator}bk")] {
            put(&*short, &key, "short").await;
        }
        assert_missing(&*long, "k", &format!("in the namespace that ends in {separator}b")).await;
        put(&*long, "k", "long").await;
        assert_holds(&*short, &format!("b{separator}k"), "short", None, "in the namespace that ends in a").await;
    }
}

pub(super) async fn namespaces_are_compared_byte_for_byte(cx: Cx) {
    let mut stores = HashMap::new();
    for suffix in ["a", "A", "a.", "a_", "a-", "aa"] {
        let store = cx.other_namespace(suffix).await;
        assert_missing(&*store, "k", &format!("in namespace {suffix:?}")).await;
        put(&*store, "k", suffix).await;
        stores.insert(suffix, store);
    }
    for (suffix, store) in stores {
        assert_holds(&*store, "k", suffix, None, &format!("in namespace {suffix:?}")).await;
    }
}

pub(super) async fn other_clients_see_what_was_saved(cx: Cx) {
    let (one, other) = (cx.open().await, cx.other_client().await);
    let version = put(&*one, "k", "one").await;
    assert_holds(&*other, "k", "one", Some(version), "at another client").await;
    let version = put_with(&*other, "k", "other", PLAIN.if_version(version)).await;
    assert_holds(&*one, "k", "other", Some(version), "saved by another client").await;
    assert!(other.delete("k", DeleteOptions::new().if_version(version)).await.is_ok_and(|existed| existed));
    assert_missing(&*one, "k", "deleted by another client").await;
}

/// Of the same name in the same namespace, whatever the backend has beside a state store.
pub(super) async fn other_components_of_one_name_do_not_collide(cx: Cx) {
    let (store, backend) = (cx.open().await, cx.client().await.backend());
    let version = put(&*store, "k", "state").await;
    if let Ok(cache) = backend.cache(cx.namespace()) {
        assert_eq!(cache.get("k").await.ok().flatten(), None, "the cache shows the state");
        cache.set("k", "cached".into(), concurrency_core::Expiry::Never).await.expect("the cache takes a value");
        assert_holds(&*store, "k", "state", Some(version), "after a set in the cache").await;
        cache.clear().await.expect("the cache is cleared");
    }
    if let Ok(locks) = backend.lock(cx.namespace()) {
        let claim = concurrency_core::Claim::new("k", super::fixture::HOUR).expect("a good claim");
        let lease = locks.try_acquire(&claim).await.expect("an answer").expect("the lock is free beside the state");
        assert_holds(&*store, "k", "state", Some(version), "under a lock of its name").await;
        locks.release(&claim, Some(lease.fencing_token())).await.expect("the lock is released");
    }
    if let Ok(events) = backend.event_store(cx.namespace()) {
        let event = concurrency_core::NewEvent::new("type", "data");
        let appended = events.append("k", vec![event], concurrency_core::AppendOptions::new()).await;
        assert_eq!(appended.map(|appended| appended.last).ok(), Some(1), "the stream is not new beside the state");
        if store.capabilities().fencing && events.capabilities().fencing {
            put_with(&*store, "k", "state", fenced(9)).await;
            let options = concurrency_core::AppendOptions::new().fenced_by(FencingToken(1));
            let append = events.append("k", vec![concurrency_core::NewEvent::new("type", "data")], options).await;
            assert!(append.is_ok(), "the stream has the mark of the state: {}", shown(&append));
        }
    }
    assert_eq!(value_of(&*store, "k").await.as_deref(), Some(&b"state"[..]), "after the other components' work");
}

pub(super) async fn a_bad_key_refuses_its_own_entry(cx: Cx) {
    let store = cx.open().await;
    for bad in bad_keys() {
        let saves = vec![Save::new("a", "v", PLAIN), Save::new(&*bad, "v", PLAIN), Save::new("b", "v", PLAIN)];
        let answers = store.save_many(saves).await;
        assert_eq!(answers.len(), 3, "an answer for each entry");
        refused!(&answers[1], Error::InvalidKey { .. }, "the entry of {} bytes", bad.len());
        for (key, answer) in [("a", &answers[0]), ("b", &answers[2])] {
            let version = answer.as_ref().unwrap_or_else(|e| panic!("the entry of {key:?} beside a bad one: {e}"));
            assert_holds(&*store, key, "v", Some(*version), "beside a bad entry").await;
        }
    }
}
