//! Bulk calls other than `commit`.

use concurrency_core::{Bytes, Error, Save, StateStore, Version};

use super::fixture::{
    Cx, PLAIN, assert_conflict, assert_holds, assert_missing, put, put_with, refused, shown, value_of, version_of,
};

/// Batches of more keys than this are not tried.
pub(super) const LARGEST_BATCH: usize = 20_000;
/// Batches of more bytes than this are not tried.
pub(super) const LARGEST_SUM: usize = 512 << 20;

pub(super) async fn a_repeated_key_refuses_a_delete_many(cx: Cx) {
    let store = cx.open().await;
    let (a, b) = (put(&*store, "a", "v").await, put(&*store, "b", "v").await);
    for keys in [&["a", "a"][..], &["a", "b", "a"], &["missing", "a", "missing"]] {
        refused!(store.delete_many(keys).await, Error::InvalidArgument { .. }, "{keys:?}");
    }
    assert_holds(&*store, "a", "v", Some(a), "after the refusals").await;
    assert_holds(&*store, "b", "v", Some(b), "after the refusals").await;
}

pub(super) async fn a_repeated_key_refuses_every_entry_of_a_save_many(cx: Cx) {
    let store = cx.open().await;
    let version = put(&*store, "b", "old").await;
    for keys in [&["a", "a"][..], &["a", "b", "a"], &["b", "a", "c", "c"]] {
        let answers = store.save_many(keys.iter().map(|key| Save::new(*key, "new", PLAIN)).collect()).await;
        assert_eq!(answers.len(), keys.len(), "an answer for each entry of {keys:?}");
        for (key, answer) in keys.iter().zip(answers) {
            refused!(answer, Error::InvalidArgument { .. }, "the entry of {key:?} in {keys:?}");
        }
    }
    assert_missing(&*store, "a", "after the refusals").await;
    assert_missing(&*store, "c", "after the refusals").await;
    assert_holds(&*store, "b", "old", Some(version), "after the refusals").await;
}

pub(super) async fn save_many_answers_in_request_order(cx: Cx) {
    let store = cx.open().await;
    let keys: Vec<String> = (0..50).map(|i| format!("k{}", (i * 7) % 50)).collect();
    let saves = keys.iter().map(|key| Save::new(key, Bytes::from(key.clone()), PLAIN.if_absent())).collect();
    let answers = store.save_many(saves).await;
    assert_eq!(answers.len(), keys.len());
    for (key, answer) in keys.iter().zip(answers) {
        let version = answer.unwrap_or_else(|e| panic!("the entry of {key:?}: {e}"));
        assert_holds(&*store, key, key, Some(version), "saved among fifty").await;
    }
    assert!(store.save_many(Vec::new()).await.is_empty(), "no entries have no answers");
}

pub(super) async fn each_entry_of_a_save_many_is_applied_on_its_own(cx: Cx) {
    let store = cx.open().await;
    let live = put(&*store, "live", "old").await;
    let stale = put(&*store, "stale", "old").await;
    let current = put(&*store, "stale", "current").await;
    let entries = vec![
        Save::new("live", "new", PLAIN.if_absent()),
        Save::new("new", "new", PLAIN.if_absent()),
        Save::new("missing", "new", PLAIN.if_present()),
        Save::new("stale", "new", PLAIN.if_version(stale)),
        Save::new("any", "new", PLAIN),
        Save::new("never", "new", PLAIN.if_version(Version::mint())),
        Save::new("last", "new", PLAIN),
    ];
    let answers = store.save_many(entries).await;
    assert_eq!(answers.len(), 7, "an answer for each entry");
    for (i, key) in [(6, "last"), (4, "any"), (1, "new")] {
        let version = answers[i].clone().unwrap_or_else(|e| panic!("the entry of {key:?}: {e}"));
        assert_holds(&*store, key, "new", Some(version), "saved beside refusals").await;
    }
    for (i, key, found) in
        [(5, "never", None), (3, "stale", Some(current)), (2, "missing", None), (0, "live", Some(live))]
    {
        assert_conflict(answers[i].clone(), key, found, "an entry");
        assert_eq!(version_of(&*store, key).await, found, "{key:?} after its entry was refused");
    }
}

pub(super) async fn too_many_keys_are_refused(cx: Cx) {
    let store = cx.open().await;
    let limit = store.capabilities().max_batch_keys;
    let keys: Vec<String> = (0..=limit).map(|i| format!("k{i}")).collect();
    put(&*store, "k0", "old").await;
    let answers = store.save_many(keys.iter().map(|key| Save::new(key, "new", PLAIN)).collect()).await;
    assert_eq!(answers.len(), limit + 1);
    for (key, answer) in keys.iter().zip(answers) {
        refused!(answer, Error::InvalidArgument { .. }, "{key:?} among {} entries", limit + 1);
    }
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    refused!(store.delete_many(&names).await, Error::InvalidArgument { .. }, "delete_many of {} keys", limit + 1);
    assert_holds(&*store, "k0", "old", None, "after the refusals").await;
    assert_missing(&*store, "k1", "after the refusals").await;
}

pub(super) async fn as_many_keys_as_declared_are_accepted(cx: Cx) {
    let store = cx.open().await;
    let limit = store.capabilities().max_batch_keys;
    let keys: Vec<String> = (0..limit).map(|i| format!("k{i}")).collect();
    let answers = store.save_many(keys.iter().map(|key| Save::new(key, "v", PLAIN)).collect()).await;
    let refused = answers.iter().find(|answer| answer.is_err());
    assert!(refused.is_none(), "{limit} keys: {}", refused.map_or(String::new(), shown));
    assert!(value_of(&*store, &keys[limit - 1]).await.is_some(), "the last of {limit}");
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    assert_eq!(store.delete_many(&names).await.expect("delete_many"), limit as u64);
}

/// Values that fit one by one and not together.
fn heavy(store: &dyn StateStore) -> Vec<Save> {
    let capabilities = store.capabilities();
    let each = Bytes::from(vec![0; capabilities.max_value.min(capabilities.max_batch_bytes / 2 + 1)]);
    let count = capabilities.max_batch_bytes / each.len() + 1;
    (0..count).map(|i| Save::new(format!("k{i}"), each.clone(), PLAIN)).collect()
}

pub(super) async fn too_many_bytes_together_are_refused(cx: Cx) {
    let store = cx.open().await;
    put(&*store, "k0", "old").await;
    for answer in store.save_many(heavy(&*store)).await {
        refused!(answer, Error::InvalidArgument { .. }, "an entry of a batch beyond `max_batch_bytes`");
    }
    assert_holds(&*store, "k0", "old", None, "after the refusal").await;
    assert_missing(&*store, "k1", "after the refusal").await;
    let mut fits = heavy(&*store);
    fits.pop();
    assert!(store.save_many(fits).await.iter().all(Result::is_ok), "one entry less fits");
}

pub(super) async fn a_save_many_keeps_each_rule_of_a_save(cx: Cx) {
    let store = cx.open().await;
    let mut versions = Vec::new();
    for round in 0..3 {
        let previous = versions.last().copied();
        let options = previous.map_or(PLAIN.if_absent(), |version| PLAIN.if_version(version));
        let answers =
            store.save_many(vec![Save::new("k", "v", options), Save::new(format!("{round}"), "v", PLAIN)]).await;
        let version = answers[0].clone().unwrap_or_else(|e| panic!("round {round}: {e}"));
        assert!(!versions.contains(&version), "{version} was used before");
        versions.push(version);
    }
    let answer = store.save_many(vec![Save::new("k", "v", PLAIN.if_version(versions[0]))]).await.remove(0);
    assert_conflict(answer, "k", Some(versions[2]), "a stale version");
    put_with(&*store, "k", "v", PLAIN.if_version(versions[2])).await;
}
