//! Preconditions of saves and deletes.

use concurrency_core::{DeleteOptions, Error, Precondition, StateStore, Version};

use super::fixture::{
    Cx, PLAIN, assert_conflict, assert_holds, assert_missing, has_lifetimes, outlive, put, put_expired, put_with,
    refused, short_ttl,
};

const DELETE: DeleteOptions = DeleteOptions::new();

pub(super) async fn any_is_never_refused(cx: Cx) {
    let store = cx.open().await;
    let first = put(&*store, "k", "missing").await;
    let second = put(&*store, "k", "live").await;
    assert!(store.delete("k", DELETE).await.is_ok_and(|existed| existed));
    let third = put(&*store, "k", "deleted").await;
    assert_holds(&*store, "k", "deleted", Some(third), "after three saves").await;
    assert!(first != second && second != third);
}

pub(super) async fn any_over_an_expired_key_succeeds(cx: Cx) {
    let store = cx.open().await;
    let expired = put_expired(&cx, &*store, "k").await;
    let version = put(&*store, "k", "v").await;
    assert_holds(&*store, "k", "v", Some(version), "over an expired value").await;
    assert_ne!(version, expired);
}

pub(super) async fn absent_over_a_live_key_is_a_conflict(cx: Cx) {
    let store = cx.open().await;
    let version = put(&*store, "k", "old").await;
    assert_conflict(store.save("k", "new".into(), PLAIN.if_absent()).await, "k", Some(version), "Absent over live");
    assert_holds(&*store, "k", "old", Some(version), "after the refusal").await;
    if !has_lifetimes(&*store) {
        return;
    }
    let lasting = put_with(&*store, "l", "old", PLAIN.with_ttl(short_ttl(&*store) * 100)).await;
    let answer = store.save("l", "new".into(), PLAIN.if_absent()).await;
    assert_conflict(answer, "l", Some(lasting), "Absent over a live key that will expire");
    assert_holds(&*store, "l", "old", Some(lasting), "after the refusal").await;
}

pub(super) async fn absent_over_a_missing_key_succeeds(cx: Cx) {
    let store = cx.open().await;
    let version = put_with(&*store, "k", "v", PLAIN.if_absent()).await;
    assert_holds(&*store, "k", "v", Some(version), "created").await;
    assert!(store.delete("k", DELETE).await.is_ok_and(|existed| existed));
    let version = put_with(&*store, "k", "w", PLAIN.if_absent()).await;
    assert_holds(&*store, "k", "w", Some(version), "created again after a delete").await;
}

pub(super) async fn absent_over_an_expired_key_succeeds(cx: Cx) {
    let store = cx.open().await;
    put_expired(&cx, &*store, "k").await;
    let version = put_with(&*store, "k", "v", PLAIN.if_absent()).await;
    assert_holds(&*store, "k", "v", Some(version), "created over an expired value").await;
}

pub(super) async fn present_over_a_live_key_succeeds(cx: Cx) {
    let store = cx.open().await;
    put(&*store, "k", "old").await;
    let version = put_with(&*store, "k", "new", PLAIN.if_present()).await;
    assert_holds(&*store, "k", "new", Some(version), "saved under Present").await;
    assert!(store.delete("k", DELETE.if_present()).await.is_ok_and(|existed| existed), "a delete under Present");
    assert_missing(&*store, "k", "deleted under Present").await;
}

pub(super) async fn present_on_a_missing_key_is_a_conflict(cx: Cx) {
    let store = cx.open().await;
    assert_conflict(store.save("k", "v".into(), PLAIN.if_present()).await, "k", None, "Present on a key never saved");
    put(&*store, "k", "v").await;
    assert!(store.delete("k", DELETE).await.is_ok_and(|existed| existed));
    assert_conflict(store.save("k", "v".into(), PLAIN.if_present()).await, "k", None, "Present on a deleted key");
    assert_missing(&*store, "k", "after the refusal").await;
}

pub(super) async fn present_on_an_expired_key_is_a_conflict(cx: Cx) {
    let store = cx.open().await;
    put_expired(&cx, &*store, "k").await;
    assert_conflict(store.save("k", "v".into(), PLAIN.if_present()).await, "k", None, "Present on an expired key");
    assert_missing(&*store, "k", "after the refusal").await;
}

pub(super) async fn match_of_the_current_version_succeeds(cx: Cx) {
    let store = cx.open().await;
    let mut version = put(&*store, "k", "0").await;
    for _ in 0..10 {
        version = put_with(&*store, "k", "next", PLAIN.if_version(version)).await;
        assert_holds(&*store, "k", "next", Some(version), "saved under Match").await;
    }
    assert!(store.delete("k", DELETE.if_version(version)).await.is_ok_and(|existed| existed), "a delete under Match");
    assert_missing(&*store, "k", "deleted under Match").await;
}

pub(super) async fn match_of_another_version_is_a_conflict(cx: Cx) {
    let store = cx.open().await;
    let stale = put(&*store, "k", "old").await;
    let current = put(&*store, "k", "current").await;
    let foreign = put(&*store, "other", "v").await;
    for (what, version) in [("stale", stale), ("foreign", foreign), ("forged", Version::mint())] {
        let answer = store.save("k", "new".into(), PLAIN.if_version(version)).await;
        assert_conflict(answer, "k", Some(current), what);
        assert_holds(&*store, "k", "current", Some(current), &format!("after a {what} version was refused")).await;
    }
    assert_holds(&*store, "other", "v", Some(foreign), "the key of the foreign version").await;
}

pub(super) async fn match_on_a_missing_key_is_a_conflict(cx: Cx) {
    let store = cx.open().await;
    let foreign = put(&*store, "other", "v").await;
    let gone = put(&*store, "gone", "v").await;
    assert!(store.delete("gone", DELETE).await.is_ok_and(|existed| existed));
    for (key, version) in [("never", Version::mint()), ("never", foreign), ("gone", gone), ("gone", foreign)] {
        assert_conflict(
            store.save(key, "v".into(), PLAIN.if_version(version)).await,
            key,
            None,
            "Match on a missing key",
        );
        assert_missing(&*store, key, "after the refusal").await;
    }
}

pub(super) async fn match_on_an_expired_key_is_a_conflict(cx: Cx) {
    let store = cx.open().await;
    let expired = put_expired(&cx, &*store, "k").await;
    let answer = store.save("k", "v".into(), PLAIN.if_version(expired)).await;
    assert_conflict(answer, "k", None, "Match on an expired key");
    assert_missing(&*store, "k", "after the refusal").await;
}

pub(super) async fn a_delete_leaves_the_key_missing(cx: Cx) {
    let store = cx.open().await;
    put(&*store, "k", "v").await;
    put(&*store, "kk", "neighbour").await;
    assert!(store.delete("k", DELETE).await.expect("delete"), "a live value existed");
    assert_missing(&*store, "k", "deleted").await;
    assert!(!store.delete("k", DELETE).await.expect("delete"), "nothing existed any more");
    assert_holds(&*store, "kk", "neighbour", None, "beside a delete").await;
}

pub(super) async fn a_delete_of_a_missing_key_is_false(cx: Cx) {
    let store = cx.open().await;
    assert!(!store.delete("never", DELETE).await.expect("delete of a key never saved"));
    put(&*store, "k", "v").await;
    assert!(store.delete("k", DELETE).await.expect("delete of a live key"));
    assert!(!store.delete("k", DELETE).await.expect("delete of a deleted key"));
}

pub(super) async fn a_delete_of_an_expired_key_is_false(cx: Cx) {
    let store = cx.open().await;
    put_expired(&cx, &*store, "k").await;
    assert!(!store.delete("k", DELETE).await.expect("delete of an expired key"), "an expired value did not exist");
    assert!(!store.delete("k", DELETE).await.expect("delete again"));
}

pub(super) async fn a_delete_under_another_version_is_a_conflict(cx: Cx) {
    let store = cx.open().await;
    let stale = put(&*store, "k", "old").await;
    let current = put(&*store, "k", "current").await;
    let foreign = put(&*store, "other", "v").await;
    for (what, version) in [("stale", stale), ("foreign", foreign), ("forged", Version::mint())] {
        assert_conflict(store.delete("k", DELETE.if_version(version)).await, "k", Some(current), what);
        assert_holds(&*store, "k", "current", Some(current), &format!("after a {what} version was refused")).await;
    }
}

pub(super) async fn a_conditional_delete_of_a_missing_key_is_a_conflict(cx: Cx) {
    let store = cx.open().await;
    let gone = put(&*store, "k", "v").await;
    assert!(store.delete("k", DELETE).await.is_ok_and(|existed| existed));
    for options in [DELETE.if_present(), DELETE.if_version(gone), DELETE.if_version(Version::mint())] {
        assert_conflict(store.delete("k", options).await, "k", None, "a conditional delete of a deleted key");
        assert_conflict(store.delete("never", options).await, "never", None, "a conditional delete of no key");
    }
}

pub(super) async fn a_conditional_delete_of_an_expired_key_is_a_conflict(cx: Cx) {
    let store = cx.open().await;
    let expired = put_expired(&cx, &*store, "k").await;
    for options in [DELETE.if_present(), DELETE.if_version(expired)] {
        assert_conflict(store.delete("k", options).await, "k", None, "a conditional delete of an expired key");
    }
}

pub(super) async fn a_delete_under_absent_makes_no_sense(cx: Cx) {
    let store = cx.open().await;
    let version = put(&*store, "k", "v").await;
    for key in ["k", "missing"] {
        let answer = store.delete(key, DELETE.when(Precondition::Absent)).await;
        refused!(answer, Error::InvalidArgument { .. }, "a delete of {key:?} under Absent");
    }
    assert_holds(&*store, "k", "v", Some(version), "after the refusal").await;
}

pub(super) async fn delete_many_counts_what_existed(cx: Cx) {
    let store = cx.open().await;
    for key in ["a", "b", "c", "kept"] {
        put(&*store, key, "v").await;
    }
    assert_eq!(store.delete_many(&["a", "missing", "b"]).await.expect("delete_many"), 2);
    for key in ["a", "b"] {
        assert_missing(&*store, key, "after delete_many").await;
    }
    assert_eq!(store.delete_many(&["a", "b", "c"]).await.expect("delete_many"), 1);
    assert_holds(&*store, "kept", "v", None, "beside delete_many").await;
    assert_eq!(store.delete_many(&[]).await.expect("delete_many of no keys"), 0);
}

pub(super) async fn delete_many_does_not_count_what_expired(cx: Cx) {
    let store = cx.open().await;
    let ttl = short_ttl(&*store);
    for key in ["a", "b"] {
        put_with(&*store, key, "v", PLAIN.with_ttl(ttl)).await;
    }
    outlive(&cx, &*store, ttl).await;
    put(&*store, "c", "v").await;
    assert_eq!(store.delete_many(&["a", "b", "c"]).await.expect("delete_many"), 1, "two of three had expired");
}
