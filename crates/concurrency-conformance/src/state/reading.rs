//! Loading, and versions.

use std::collections::HashSet;

use concurrency_core::{DeleteOptions, Error, Save, StateStore, Version, clock::BootInstant};

use super::fixture::{
    Cx, HOUR, PLAIN, assert_expires_in, assert_holds, assert_missing, assert_permanent, has_lifetimes, put,
    put_expired, put_with, refused, short_ttl, version_of,
};

pub(super) async fn load_answers_value_version_and_lifetime(cx: Cx) {
    let store = cx.open().await;
    if has_lifetimes(&*store) {
        let saved = BootInstant::now();
        let version = put_with(&*store, "k", "v", PLAIN.with_ttl(HOUR)).await;
        assert_holds(&*store, "k", "v", Some(version), "just saved").await;
        assert_expires_in(&*store, "k", HOUR, saved, "just saved").await;
    }
    let version = put(&*store, "permanent", "w").await;
    assert_holds(&*store, "permanent", "w", Some(version), "just saved").await;
    assert_permanent(&*store, "permanent", "just saved").await;
}

pub(super) async fn a_missing_key_loads_as_none(cx: Cx) {
    let store = cx.open().await;
    assert_missing(&*store, "k", "never saved").await;
    put(&*store, "k", "v").await;
    assert_missing(&*store, "kk", "while its prefix is there").await;
    assert_missing(&*store, "K", "while its twin is there").await;
}

pub(super) async fn what_is_left_of_a_lifetime_shrinks(cx: Cx) {
    let store = cx.open().await;
    let (ttl, saved) = (short_ttl(&*store) * 10, BootInstant::now());
    put_with(&*store, "k", "v", PLAIN.with_ttl(ttl)).await;
    for _ in 0..3 {
        cx.sleep(short_ttl(&*store)).await;
        assert_expires_in(&*store, "k", ttl, saved, "later").await;
        let many = store.load_many(&["k"]).await.expect("load_many");
        let left = many[0].as_ref().expect("it lives").expires_in.expect("it expires");
        // Time that passed before the save began must not count, so the bound is one step loose.
        let most = ttl + store.capabilities().ttl_granularity;
        assert!(left <= most.saturating_sub(short_ttl(&*store)), "load_many says that {left:?} of {ttl:?} are left");
    }
}

pub(super) async fn load_many_answers_in_request_order(cx: Cx) {
    let store = cx.open().await;
    let mut versions = Vec::new();
    for key in ["b", "c", "a"] {
        versions.push((key, put(&*store, key, key).await));
    }
    let keys = ["c", "missing", "a", "c", "b", "missing", "a"];
    let many = store.load_many(&keys).await.expect("load_many");
    assert_eq!(many.len(), keys.len(), "one answer for each key asked for");
    for (key, state) in keys.iter().zip(many) {
        let version = versions.iter().find(|(saved, _)| saved == key).map(|(_, version)| *version);
        assert_eq!(state.as_ref().map(|state| state.version), version, "the answer for {key:?}");
        assert!(state.is_none_or(|state| state.value == *key), "the value of another key for {key:?}");
    }
}

pub(super) async fn load_many_of_nothing_is_nothing(cx: Cx) {
    let store = cx.open().await;
    put(&*store, "k", "v").await;
    assert_eq!(store.load_many(&[]).await.expect("load_many of no keys"), []);
}

pub(super) async fn load_many_beyond_the_limits_is_split(cx: Cx) {
    let store = cx.open().await;
    let many = store.capabilities().max_batch_keys.min(2000) + 500;
    for i in [0, 1, many / 2, many - 1] {
        put(&*store, &format!("k{i}"), "v").await;
    }
    let keys: Vec<String> = (0..many).map(|i| format!("k{i}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let states = store.load_many(&keys).await.unwrap_or_else(|e| panic!("load_many of {many} keys: {e}"));
    assert_eq!(states.len(), many);
    let there: Vec<usize> = states.iter().enumerate().filter_map(|(i, state)| state.as_ref().map(|_| i)).collect();
    assert_eq!(there, [0, 1, many / 2, many - 1], "where the answers of a split load_many stand");
}

pub(super) async fn a_save_returns_the_version_that_loads_show(cx: Cx) {
    let store = cx.open().await;
    for options in [PLAIN, PLAIN, PLAIN.keep_ttl(), PLAIN.if_present()] {
        let version = put_with(&*store, "k", "v", options).await;
        assert_eq!(version_of(&*store, "k").await, Some(version), "{options:?}");
        let many = store.load_many(&["k"]).await.expect("load_many");
        assert_eq!(many[0].as_ref().map(|state| state.version), Some(version), "load_many after {options:?}");
    }
    let answers = store.save_many(vec![Save::new("k", "v", PLAIN), Save::new("l", "v", PLAIN)]).await;
    for (key, answer) in ["k", "l"].into_iter().zip(answers) {
        assert_eq!(version_of(&*store, key).await, Some(answer.expect("save_many")), "{key:?} after save_many");
    }
}

pub(super) async fn no_two_writes_have_one_version(cx: Cx) {
    let store = cx.open().await;
    let mut seen = HashSet::new();
    for round in 0..50 {
        for key in ["a", "b"] {
            let version = put(&*store, key, "v").await;
            assert!(seen.insert(version), "{version} was used before (round {round}, {key:?})");
        }
        let saves = ["c", "d"].map(|key| Save::new(key, "v", PLAIN));
        for answer in store.save_many(saves.into()).await {
            let version = answer.expect("save_many");
            assert!(seen.insert(version), "{version} was used before (round {round}, save_many)");
        }
        if round % 7 == 0 {
            let _deleted = store.delete_many(&["a", "c"]).await.expect("delete_many");
        }
    }
}

pub(super) async fn versions_differ_between_clients_and_namespaces(cx: Cx) {
    let stores = [cx.open().await, cx.other_client().await, cx.other_namespace("there").await];
    let mut seen = HashSet::new();
    for _ in 0..20 {
        for store in &stores {
            let version = put(&**store, "k", "v").await;
            assert!(seen.insert(version), "{version} was used before");
        }
    }
}

pub(super) async fn an_identical_value_gets_another_version(cx: Cx) {
    let store = cx.open().await;
    let first = put(&*store, "k", "same").await;
    let second = put_with(&*store, "k", "same", PLAIN.if_version(first)).await;
    assert_ne!(first, second, "saving the same bytes again");
    assert_holds(&*store, "k", "same", Some(second), "saved again").await;
    refused!(
        store.save("k", "same".into(), PLAIN.if_version(first)).await,
        Error::Conflict { .. },
        "the first version"
    );
}

pub(super) async fn a_version_is_dead_after_delete_and_re_creation(cx: Cx) {
    let store = cx.open().await;
    let mut dead = Vec::new();
    for round in 0..4 {
        dead.push(put(&*store, "k", "v").await);
        assert!(store.delete("k", DeleteOptions::new()).await.is_ok_and(|existed| existed));
        let current = put(&*store, "k", "v").await;
        for version in &dead {
            let save = store.save("k", "w".into(), PLAIN.if_version(*version)).await;
            refused!(save, Error::Conflict { .. }, "a save under a version from before a delete, round {round}");
            let delete = store.delete("k", DeleteOptions::new().if_version(*version)).await;
            refused!(delete, Error::Conflict { .. }, "a delete under a version from before a delete, round {round}");
        }
        assert_holds(&*store, "k", "v", Some(current), "after the refusals").await;
        dead.push(current);
    }
}

pub(super) async fn a_version_is_dead_after_expiry_and_re_creation(cx: Cx) {
    let store = cx.open().await;
    let expired = put_expired(&cx, &*store, "k").await;
    let current = put_with(&*store, "k", "v", PLAIN.if_absent()).await;
    assert_ne!(expired, current);
    refused!(
        store.save("k", "w".into(), PLAIN.if_version(expired)).await,
        Error::Conflict { .. },
        "the expired version"
    );
    assert_holds(&*store, "k", "v", Some(current), "after the refusal").await;
}

pub(super) async fn versions_are_compared_whole(cx: Cx) {
    let store = cx.open().await;
    let current = put(&*store, "k", "v").await;
    let mut forged = vec![Version::from_bytes([0; 16]), Version::from_bytes([0xff; 16])];
    for bit in 0..128 {
        let mut bytes = current.to_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        forged.push(Version::from_bytes(bytes));
    }
    let mut reversed = current.to_bytes();
    reversed.reverse();
    forged.push(Version::from_bytes(reversed));
    for forged in forged {
        let save = store.save("k", "w".into(), PLAIN.if_version(forged)).await;
        refused!(save, Error::Conflict { .. }, "{forged} against {current}");
    }
    assert_holds(&*store, "k", "v", Some(current), "after the refusals").await;
}
