//! Fencing: a store that has seen a later holder refuses the earlier one.

use std::time::Duration;

use concurrency_core::{DeleteOptions, Error, FencingToken, Precondition, Save, StateStore, Version, Write};

use super::fixture::{
    Cx, PLAIN, assert_conflict, assert_holds, assert_missing, fenced, has_lifetimes, outlive, put, put_with, refused,
    short_ttl, shown,
};

const DELETE: DeleteOptions = DeleteOptions::new();

/// A delete under a token.
fn delete(token: u64) -> DeleteOptions {
    DELETE.fenced_by(FencingToken(token))
}

/// The mark of the key is exactly this: it refuses one less, and takes itself.
async fn assert_mark(store: &dyn StateStore, key: &str, mark: u64, when: &str) {
    let below = store.fence(&[key], FencingToken(mark - 1)).await;
    refused!(
        below,
        Error::Fenced { key: named, seen, given } if *named == *key && seen.0 == mark && given.0 == mark - 1,
        "{when}: a token below the mark {mark} of {key:?}"
    );
    // Under a condition that fails, so that the mark stays as it is.
    let at = store.save(key, "v".into(), fenced(mark).if_version(Version::from_bytes([9; 16]))).await;
    refused!(at, Error::Conflict { .. }, "{when}: a token at the mark {mark} of {key:?}");
}

pub(super) async fn tokens_are_accepted_where_they_belong(cx: Cx) {
    let store = cx.open().await;
    put_with(&*store, "k", "v", fenced(0)).await;
    put_with(&*store, "k", "v", fenced(1)).await;
    assert!(store.delete("k", delete(2)).await.is_ok_and(|existed| existed), "a fenced delete");
    assert_mark(&*store, "k", 2, "after a fenced delete").await;
    assert!(store.delete("k", delete(3)).await.is_ok_and(|existed| !existed), "a fenced delete of a missing key");
    assert_mark(&*store, "k", 3, "after a fenced delete of a missing key").await;
    assert!(store.save_many(vec![Save::new("k", "v", fenced(4))]).await.iter().all(Result::is_ok), "save_many");
    put_with(&*store, "k", "v", fenced(FencingToken::MAX.0)).await;
    assert_mark(&*store, "k", FencingToken::MAX.0, "after the highest token").await;
}

pub(super) async fn a_commit_is_fenced_key_by_key(cx: Cx) {
    let store = cx.open().await;
    put(&*store, "b", "v").await;
    let writes = vec![
        Write::save("a", "v", fenced(3)),
        Write::delete("b", delete(5)),
        Write::save("unfenced", "v", PLAIN),
        Write::check("checked", Precondition::Absent),
    ];
    store.commit(writes).await.expect("commit");
    assert_mark(&*store, "a", 3, "after a commit").await;
    assert_mark(&*store, "b", 5, "after a commit").await;
    put_with(&*store, "unfenced", "v", fenced(1)).await;
    put_with(&*store, "checked", "v", fenced(1)).await;
}

pub(super) async fn a_token_out_of_bounds_is_refused(cx: Cx) {
    let store = cx.open().await;
    for token in [1 << 53, u64::MAX] {
        refused!(store.save("k", "v".into(), fenced(token)).await, Error::InvalidArgument { .. }, "save, {token}");
        refused!(store.delete("k", delete(token)).await, Error::InvalidArgument { .. }, "delete, {token}");
        refused!(store.fence(&["k"], FencingToken(token)).await, Error::InvalidArgument { .. }, "fence, {token}");
        let answer = store.save_many(vec![Save::new("k", "v", fenced(token))]).await.remove(0);
        refused!(answer, Error::InvalidArgument { .. }, "save_many, {token}");
        if store.capabilities().commit {
            let answer = store.commit(vec![Write::save("k", "v", fenced(token))]).await;
            refused!(answer, Error::InvalidArgument { .. }, "commit, {token}");
        }
    }
    assert_missing(&*store, "k", "after the refusals").await;
    put_with(&*store, "k", "no mark was raised", fenced(0)).await;
}

pub(super) async fn a_save_below_the_mark_is_fenced(cx: Cx) {
    let store = cx.open().await;
    let version = put_with(&*store, "k", "later", fenced(7)).await;
    for token in [0, 1, 6] {
        for options in [fenced(token), fenced(token).if_version(version), fenced(token).if_present().keep_ttl()] {
            let answer = store.save("k", "late".into(), options).await;
            refused!(
                answer,
                Error::Fenced { key, seen, given } if &*key == "k" && seen.0 == 7 && given.0 == token,
                "{options:?}"
            );
            assert_holds(&*store, "k", "later", Some(version), "after a late save").await;
        }
        let answer = store.save_many(vec![Save::new("k", "late", fenced(token))]).await.remove(0);
        refused!(answer, Error::Fenced { .. }, "an entry of save_many under {token}");
        assert_holds(&*store, "k", "later", Some(version), "after a late save_many").await;
    }
}

pub(super) async fn a_delete_below_the_mark_is_fenced(cx: Cx) {
    let store = cx.open().await;
    let version = put_with(&*store, "k", "later", fenced(7)).await;
    for options in [delete(6), delete(0).if_present(), delete(6).if_version(version)] {
        let answer = store.delete("k", options).await;
        refused!(answer, Error::Fenced { seen, .. } if seen.0 == 7, "{options:?}");
        assert_holds(&*store, "k", "later", Some(version), "after a late delete").await;
    }
}

pub(super) async fn a_commit_below_a_mark_is_fenced(cx: Cx) {
    let store = cx.open().await;
    let version = put_with(&*store, "k", "later", fenced(7)).await;
    for late in [Write::save("k", "late", fenced(6)), Write::delete("k", delete(6))] {
        for first in [false, true] {
            let mut writes = vec![Write::save("beside", "v", fenced(9))];
            writes.insert(usize::from(!first), late.clone());
            let answer = store.commit(writes).await;
            refused!(answer, Error::Fenced { key, .. } if &*key == "k", "{late:?}");
            assert_missing(&*store, "beside", "after a fenced commit").await;
            assert_holds(&*store, "k", "later", Some(version), "after a fenced commit").await;
        }
    }
    put_with(&*store, "beside", "its mark was not raised", fenced(1)).await;
}

pub(super) async fn the_fence_comes_before_the_precondition(cx: Cx) {
    let store = cx.open().await;
    put_with(&*store, "k", "v", fenced(7)).await;
    let unseen = Version::mint();
    for options in [fenced(6).if_absent(), fenced(6).if_version(unseen)] {
        refused!(store.save("k", "v".into(), options).await, Error::Fenced { .. }, "{options:?}");
        let answer = store.save_many(vec![Save::new("k", "v", options)]).await.remove(0);
        refused!(answer, Error::Fenced { .. }, "{options:?} in save_many");
    }
    refused!(store.delete("k", delete(6).if_version(unseen)).await, Error::Fenced { .. }, "a delete");
    assert!(store.delete("k", DELETE).await.is_ok_and(|existed| existed));
    refused!(store.save("k", "v".into(), fenced(6).if_present()).await, Error::Fenced { .. }, "Present on missing");
    refused!(store.delete("k", delete(6).if_present()).await, Error::Fenced { .. }, "a delete on missing");
}

pub(super) async fn the_fence_comes_before_the_precondition_in_a_commit(cx: Cx) {
    let store = cx.open().await;
    put_with(&*store, "k", "v", fenced(7)).await;
    let unseen = Version::mint();
    for write in [
        Write::save("k", "v", fenced(6).if_absent()),
        Write::save("k", "v", fenced(6).if_version(unseen)),
        Write::delete("k", delete(6).if_version(unseen)),
    ] {
        let text = format!("{write:?}");
        refused!(store.commit(vec![write]).await, Error::Fenced { .. }, "{text}");
    }
}

pub(super) async fn at_or_above_the_mark_the_precondition_decides(cx: Cx) {
    let store = cx.open().await;
    let stale = put_with(&*store, "k", "v", fenced(7)).await;
    let version = put_with(&*store, "k", "v", fenced(7)).await;
    for token in [7, 8, 1000] {
        let save = |options| store.save("k", "v".into(), options);
        assert_conflict(save(fenced(token).if_absent()).await, "k", Some(version), "Absent under a good token");
        assert_conflict(save(fenced(token).if_version(stale)).await, "k", Some(version), "a stale version");
        let answer = store.delete("k", delete(token).if_version(stale)).await;
        assert_conflict(answer, "k", Some(version), "a delete of a stale version");
    }
    let version = put_with(&*store, "k", "v", fenced(7).if_version(version)).await;
    assert!(store.delete("k", delete(7).if_version(version)).await.is_ok_and(|existed| existed), "at the mark");
}

pub(super) async fn a_refused_write_leaves_the_mark(cx: Cx) {
    let store = cx.open().await;
    let version = put_with(&*store, "k", "v", fenced(2)).await;
    refused!(store.save("k", "v".into(), fenced(9).if_absent()).await, Error::Conflict { .. }, "save");
    refused!(store.delete("k", delete(9).if_version(Version::mint())).await, Error::Conflict { .. }, "delete");
    refused!(
        store.save("k", "v".into(), fenced(9).with_ttl(Duration::ZERO)).await,
        Error::InvalidArgument { .. },
        "TTL"
    );
    refused!(store.save("no", "v".into(), fenced(9).if_present()).await, Error::Conflict { .. }, "missing");
    let answer = store.save_many(vec![Save::new("k", "v", fenced(9).if_absent())]).await.remove(0);
    refused!(answer, Error::Conflict { .. }, "save_many");
    refused!(store.save("k", "v".into(), fenced(1)).await, Error::Fenced { .. }, "a token below");
    assert_holds(&*store, "k", "v", Some(version), "after the refusals").await;
    assert_mark(&*store, "k", 2, "after the refusals").await;
    put_with(&*store, "no", "v", fenced(0)).await;
}

pub(super) async fn a_refused_commit_leaves_the_marks(cx: Cx) {
    let store = cx.open().await;
    put_with(&*store, "k", "v", fenced(2)).await;
    let writes = vec![
        Write::save("k", "w", fenced(9)),
        Write::delete("l", delete(9)),
        Write::check("missing", Precondition::Present),
    ];
    assert_conflict(store.commit(writes).await, "missing", None, "a commit with a failed Check");
    assert_mark(&*store, "k", 2, "after a refused commit").await;
    put_with(&*store, "l", "v", fenced(0)).await;
}

pub(super) async fn a_write_without_a_token_is_not_checked_and_leaves_the_mark(cx: Cx) {
    let store = cx.open().await;
    put_with(&*store, "k", "v", fenced(7)).await;
    let version = put(&*store, "k", "unfenced").await;
    assert_holds(&*store, "k", "unfenced", Some(version), "saved without a token").await;
    assert_mark(&*store, "k", 7, "after a save without a token").await;
    assert!(store.delete("k", DELETE).await.is_ok_and(|existed| existed), "a delete without a token");
    assert_mark(&*store, "k", 7, "after a delete without a token").await;
    put_with(&*store, "k", "v", PLAIN.if_absent()).await;
    assert_mark(&*store, "k", 7, "after it was created without a token").await;
    if store.capabilities().commit {
        store.commit(vec![Write::save("k", "v", PLAIN)]).await.expect("a commit without a token");
        assert_mark(&*store, "k", 7, "after a commit without a token").await;
    }
}

pub(super) async fn the_mark_outlives_a_delete(cx: Cx) {
    let store = cx.open().await;
    put_with(&*store, "k", "v", fenced(7)).await;
    assert!(store.delete("k", delete(8)).await.is_ok_and(|existed| existed));
    assert_mark(&*store, "k", 8, "after a fenced delete").await;
    put_with(&*store, "many", "v", fenced(7)).await;
    assert_eq!(store.delete_many(&["many"]).await.ok(), Some(1));
    assert_mark(&*store, "many", 7, "after delete_many").await;
    refused!(
        store.save("many", "v".into(), fenced(6).if_absent()).await,
        Error::Fenced { .. },
        "a late holder creates"
    );
    assert!(store.delete("never", delete(5)).await.is_ok_and(|existed| !existed));
    assert_mark(&*store, "never", 5, "after a fenced delete of a key that was never there").await;
}

pub(super) async fn the_mark_outlives_a_delete_in_a_commit(cx: Cx) {
    let store = cx.open().await;
    put_with(&*store, "k", "v", fenced(7)).await;
    put_with(&*store, "l", "v", fenced(7)).await;
    let writes = vec![Write::delete("k", DELETE), Write::delete("l", delete(8))];
    store.commit(writes).await.expect("commit");
    assert_mark(&*store, "k", 7, "after a delete in a commit").await;
    assert_mark(&*store, "l", 8, "after a fenced delete in a commit").await;
}

/// A paused holder wakes after its value has expired, and so has its successor's.
pub(super) async fn the_mark_outlives_expiry(cx: Cx) {
    let store = cx.open().await;
    let ttl = short_ttl(&*store);
    put_with(&*store, "k", "v", fenced(7).with_ttl(ttl)).await;
    outlive(&cx, &*store, ttl).await;
    assert_missing(&*store, "k", "after its end").await;
    assert_mark(&*store, "k", 7, "after the value expired").await;
    refused!(store.save("k", "late".into(), fenced(6)).await, Error::Fenced { .. }, "a late holder");
    put_with(&*store, "k", "v", fenced(8).with_ttl(ttl).if_absent()).await;
    outlive(&cx, &*store, ttl).await;
    assert_mark(&*store, "k", 8, "after the next value expired").await;
}

pub(super) async fn the_mark_outlives_replacement(cx: Cx) {
    let store = cx.open().await;
    put_with(&*store, "k", "v", fenced(7)).await;
    let mut replacements = vec![PLAIN, PLAIN.keep_ttl(), fenced(7), PLAIN.if_present()];
    if has_lifetimes(&*store) {
        replacements.extend([PLAIN.with_ttl(short_ttl(&*store) * 100), fenced(7).keep_ttl(), PLAIN]);
    }
    for options in replacements {
        put_with(&*store, "k", "v", options).await;
        assert_mark(&*store, "k", 7, &format!("after a save under {options:?}")).await;
    }
}

pub(super) async fn fence_raises_marks_without_a_value(cx: Cx) {
    let store = cx.open().await;
    let version = put(&*store, "there", "v").await;
    store.fence(&["there", "missing"], FencingToken(7)).await.expect("fence");
    assert_holds(&*store, "there", "v", Some(version), "after a fence").await;
    assert_missing(&*store, "missing", "after a fence").await;
    for key in ["there", "missing"] {
        assert_mark(&*store, key, 7, "after a fence").await;
        refused!(store.save(key, "late".into(), fenced(6)).await, Error::Fenced { .. }, "a late save of {key:?}");
        refused!(store.delete(key, delete(6)).await, Error::Fenced { .. }, "a late delete of {key:?}");
        put_with(&*store, key, "v", fenced(7)).await;
    }
    put_with(&*store, "beside", "v", fenced(1)).await;
    store.fence(&[], FencingToken(7)).await.expect("a fence of no keys");
}

pub(super) async fn fence_is_idempotent_and_never_lowers(cx: Cx) {
    let store = cx.open().await;
    for token in [3, 3, 5, 5, 5] {
        let answer = store.fence(&["k"], FencingToken(token)).await;
        assert!(answer.is_ok(), "fence with {token}: {}", shown(&answer));
        assert_mark(&*store, "k", token, "after a fence").await;
    }
    put_with(&*store, "k", "v", fenced(6)).await;
    store.fence(&["k"], FencingToken(6)).await.expect("at the mark of a save");
    assert_mark(&*store, "k", 6, "after a fence at the mark").await;
}

pub(super) async fn fence_below_a_mark_is_fenced(cx: Cx) {
    let store = cx.open().await;
    store.fence(&["k"], FencingToken(7)).await.expect("fence");
    put_with(&*store, "saved", "v", fenced(7)).await;
    for key in ["k", "saved"] {
        let answer = store.fence(&[key], FencingToken(6)).await;
        refused!(answer, Error::Fenced { key: named, seen, .. } if &*named == key && seen.0 == 7, "{key:?}");
        for keys in [["other", key], [key, "other"]] {
            let answer = store.fence(&keys, FencingToken(6)).await;
            refused!(answer, Error::Fenced { key: named, .. } if &*named == key, "{keys:?}");
        }
        assert_mark(&*store, key, 7, "after a refused fence").await;
    }
    put_with(&*store, "other", "its mark was not raised", fenced(1)).await;
}

pub(super) async fn a_bad_fence_is_refused(cx: Cx) {
    let store = cx.open().await;
    refused!(store.fence(&["k", "l", "k"], FencingToken(9)).await, Error::InvalidArgument { .. }, "a key twice");
    let limit = store.capabilities().max_batch_keys;
    if limit <= super::bulk::LARGEST_BATCH {
        let keys: Vec<String> = (0..=limit).map(|i| format!("k{i}")).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        refused!(store.fence(&keys, FencingToken(9)).await, Error::InvalidArgument { .. }, "{} keys", keys.len());
    }
    for key in ["k", "l", "k0"] {
        put_with(&*store, key, "no mark was raised", fenced(1)).await;
    }
}

/// Retention counts from the last accepted fenced write or `fence`, whichever is later.
pub(super) async fn a_mark_is_kept_for_its_retention(cx: Cx) {
    let store = cx.open().await;
    let retention = store.capabilities().fence_retention;
    let most = retention.mul_f64(0.9);
    for key in ["saved", "deleted", "fenced", "committed", "again"] {
        put_with(&*store, key, "v", fenced(7)).await;
    }
    cx.sleep(most).await;
    put_with(&*store, "saved", "v", fenced(7)).await;
    let _existed = store.delete("deleted", delete(8)).await.expect("a fenced delete");
    store.fence(&["fenced"], FencingToken(7)).await.expect("fence");
    if store.capabilities().commit {
        store.commit(vec![Write::save("committed", "v", fenced(9))]).await.expect("commit");
    } else {
        put_with(&*store, "committed", "v", fenced(9)).await;
    }
    // What is refused, or carries no token, does not count.
    refused!(store.save("again", "v".into(), fenced(6)).await, Error::Fenced { .. }, "within the retention");
    put(&*store, "again", "v").await;
    cx.sleep(most).await;
    for (key, mark) in [("saved", 7), ("deleted", 8), ("fenced", 7), ("committed", 9)] {
        assert_mark(&*store, key, mark, "within the retention of the latest").await;
    }
}

pub(super) async fn undeclared_fencing_is_unsupported(cx: Cx) {
    let store = cx.open().await;
    let version = put(&*store, "k", "old").await;
    refused!(store.save("k", "new".into(), fenced(7)).await, Error::Unsupported { .. }, "save");
    refused!(store.save("new", "new".into(), fenced(7)).await, Error::Unsupported { .. }, "save");
    refused!(store.delete("k", delete(7)).await, Error::Unsupported { .. }, "delete");
    refused!(store.fence(&["k"], FencingToken(7)).await, Error::Unsupported { .. }, "fence");
    let answer = store.save_many(vec![Save::new("k", "new", fenced(7))]).await.remove(0);
    refused!(answer, Error::Unsupported { .. }, "save_many");
    if store.capabilities().commit {
        refused!(store.commit(vec![Write::save("k", "new", fenced(7))]).await, Error::Unsupported { .. }, "commit");
    }
    assert_holds(&*store, "k", "old", Some(version), "after the refusals").await;
    assert_missing(&*store, "new", "after the refusals").await;
}
