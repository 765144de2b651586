//! Values, the order of checks, and what errors tell.

use concurrency_core::{Bytes, DeleteOptions, Error, Outcome, Precondition, Save, StateStore, Version, Write};
use std::time::Duration;

use super::{
    fixture::{
        Cx, PLAIN, assert_conflict, assert_holds, assert_missing, fenced, put, put_with, refused, shown, value_of,
    },
    inputs::hard_values,
};

/// Larger values are not tried: a machine that runs a suite has memory, but not that much.
pub(super) const LARGEST_TRIED: usize = 64 << 20;

pub(super) async fn bytes_come_back_as_written(cx: Cx) {
    let store = cx.open().await;
    for value in hard_values(&mut cx.rng()) {
        let len = value.len();
        store.save("k", value.clone(), PLAIN).await.unwrap_or_else(|e| panic!("save of {len} bytes: {e}"));
        assert!(value_of(&*store, "k").await == Some(value), "{len} bytes come back changed");
    }
}

pub(super) async fn an_empty_value_is_present(cx: Cx) {
    let store = cx.open().await;
    let version = put_with(&*store, "k", "", PLAIN.if_absent()).await;
    assert_holds(&*store, "k", "", Some(version), "saved empty").await;
    let many = store.load_many(&["k", "missing"]).await.expect("load_many");
    assert!(many[0].is_some() && many[1].is_none(), "load_many of an empty and a missing value: {many:?}");
    refused!(
        store.save("k", "v".into(), PLAIN.if_absent()).await,
        Error::Conflict { .. },
        "Absent over an empty value"
    );
    put_with(&*store, "k", "", PLAIN.if_present()).await;
    assert!(store.delete("k", DeleteOptions::new()).await.is_ok_and(|existed| existed), "an empty value existed");
}

pub(super) async fn the_largest_value_fits(cx: Cx) {
    let store = cx.open().await;
    let limit = store.capabilities().max_value;
    let mut bytes = vec![b'x'; limit];
    bytes[limit - 1] = b'y';
    let value = Bytes::from(bytes);
    store.save("k", value.clone(), PLAIN).await.unwrap_or_else(|e| panic!("save of exactly {limit} bytes: {e}"));
    assert!(value_of(&*store, "k").await == Some(value), "the largest value comes back changed");
}

pub(super) async fn a_larger_value_is_refused_and_the_old_one_stays(cx: Cx) {
    let store = cx.open().await;
    let limit = store.capabilities().max_value;
    let version = put(&*store, "k", "old").await;
    let large = Bytes::from(vec![0; limit + 1]);
    for options in [PLAIN, PLAIN.if_version(version), PLAIN.if_absent(), PLAIN.if_version(Version::mint())] {
        let answer = store.save("k", large.clone(), options).await;
        refused!(answer, Error::ValueTooLarge { size, limit: said } if size == limit + 1 && said == limit, "{options:?}");
        assert_holds(&*store, "k", "old", Some(version), "after a value that is too large").await;
    }
}

pub(super) async fn a_larger_value_refuses_its_own_entry(cx: Cx) {
    let store = cx.open().await;
    let limit = store.capabilities().max_value;
    let version = put(&*store, "large", "old").await;
    let large = Bytes::from(vec![0; limit + 1]);
    let saves = vec![Save::new("a", "v", PLAIN), Save::new("large", large, PLAIN), Save::new("b", "v", PLAIN)];
    let answers = store.save_many(saves).await;
    assert!(answers[0].is_ok() && answers[2].is_ok(), "beside a value that is too large: {answers:?}");
    refused!(&answers[1], Error::ValueTooLarge { .. }, "the entry itself");
    assert_holds(&*store, "large", "old", Some(version), "after a value that is too large").await;
}

pub(super) async fn a_larger_value_refuses_a_whole_commit(cx: Cx) {
    let store = cx.open().await;
    let limit = store.capabilities().max_value;
    let writes = vec![Write::save("a", "v", PLAIN), Write::save("large", vec![0; limit + 1], PLAIN)];
    refused!(store.commit(writes).await, Error::ValueTooLarge { .. }, "a commit");
    assert_missing(&*store, "a", "after a refused commit").await;
    assert_missing(&*store, "large", "after a refused commit").await;
}

/// Each call fails every check from some point on.
pub(super) async fn a_save_reports_the_first_failed_check(cx: Cx) {
    let store = cx.open().await;
    let version = put(&*store, "k", "old").await;
    let stale = PLAIN.if_version(Version::mint());
    let timeless = stale.with_ttl(Duration::ZERO);
    let limit = store.capabilities().max_value;
    let large = if limit <= LARGEST_TRIED { Bytes::from(vec![0; limit + 1]) } else { Bytes::new() };
    refused!(store.save("", large.clone(), timeless).await, Error::InvalidKey { .. }, "all checks");
    refused!(store.save("k", large.clone(), timeless).await, Error::InvalidArgument { .. }, "all but the key");
    if !large.is_empty() {
        refused!(store.save("k", large, stale).await, Error::ValueTooLarge { .. }, "size and precondition");
    }
    refused!(store.save("k", "v".into(), stale).await, Error::Conflict { .. }, "the precondition");
    assert_holds(&*store, "k", "old", Some(version), "after the refusals").await;
}

pub(super) async fn a_fenced_save_reports_the_first_failed_check(cx: Cx) {
    let store = cx.open().await;
    put_with(&*store, "k", "old", fenced(7)).await;
    let late = fenced(6).if_version(Version::mint());
    let limit = store.capabilities().max_value;
    refused!(
        store.save("k", "v".into(), late.with_ttl(Duration::ZERO)).await,
        Error::InvalidArgument { .. },
        "arguments"
    );
    if limit <= LARGEST_TRIED {
        let large = Bytes::from(vec![0; limit + 1]);
        refused!(store.save("k", large, late).await, Error::ValueTooLarge { .. }, "size, fence and precondition");
    }
    refused!(store.save("k", "v".into(), late).await, Error::Fenced { .. }, "fence and precondition");
}

pub(super) async fn a_delete_reports_the_first_failed_check(cx: Cx) {
    let store = cx.open().await;
    let version = put(&*store, "k", "old").await;
    let absent = DeleteOptions::new().when(Precondition::Absent);
    refused!(store.delete("", absent).await, Error::InvalidKey { .. }, "key and argument");
    refused!(store.delete("k", absent).await, Error::InvalidArgument { .. }, "argument and precondition");
    refused!(store.delete_many(&["k", "k", ""]).await, Error::InvalidKey { .. }, "a repeated and a bad key");
    assert_holds(&*store, "k", "old", Some(version), "after the refusals").await;
}

pub(super) async fn a_commit_reports_the_first_failed_check(cx: Cx) {
    let store = cx.open().await;
    put(&*store, "k", "old").await;
    let refused_first = || Write::save("k", "v", PLAIN.if_absent());
    let timeless = || Write::save("l", "v", PLAIN.with_ttl(Duration::ZERO));
    let bad = || Write::save("", "v", PLAIN);
    let answer = store.commit(vec![refused_first(), timeless(), bad()]).await;
    refused!(answer, Error::InvalidKey { .. }, "precondition, argument and key, in that order of entries");
    let answer = store.commit(vec![refused_first(), timeless()]).await;
    refused!(answer, Error::InvalidArgument { .. }, "precondition and argument, in that order of entries");
    let limit = store.capabilities().max_value;
    if limit <= LARGEST_TRIED {
        let large = || Write::save("m", vec![0; limit + 1], PLAIN);
        let answer = store.commit(vec![refused_first(), large()]).await;
        refused!(answer, Error::ValueTooLarge { .. }, "precondition and size, in that order of entries");
        let answer = store.commit(vec![large(), timeless()]).await;
        refused!(answer, Error::InvalidArgument { .. }, "size and argument, in that order of entries");
    }
}

pub(super) async fn a_conflict_says_what_is_there_and_not_what_was_expected(cx: Cx) {
    let store = cx.open().await;
    let stale = put(&*store, "k", "first").await;
    let current = put(&*store, "k", "second").await;
    let unseen = Version::mint();
    let delete = DeleteOptions::new();
    assert_conflict(store.save("k", "v".into(), PLAIN.if_version(stale)).await, "k", Some(current), "stale");
    assert_conflict(store.save("k", "v".into(), PLAIN.if_absent()).await, "k", Some(current), "Absent");
    assert_conflict(store.delete("k", delete.if_version(stale)).await, "k", Some(current), "stale delete");
    assert_conflict(store.save("no", "v".into(), PLAIN.if_version(unseen)).await, "no", None, "missing");
    assert_conflict(store.save("no", "v".into(), PLAIN.if_present()).await, "no", None, "Present on missing");
    assert_conflict(store.delete("no", delete.if_version(unseen)).await, "no", None, "delete of missing");
}

pub(super) async fn refusals_were_not_applied_and_say_so(cx: Cx) {
    let store = cx.open().await;
    let version = put(&*store, "k", "old").await;
    let answers = [
        store.save("", "v".into(), PLAIN).await.map(drop),
        store.save("k", "v".into(), PLAIN.with_ttl(Duration::ZERO)).await.map(drop),
        store.save("k", "v".into(), PLAIN.if_absent()).await.map(drop),
        store.delete("k", DeleteOptions::new().if_version(Version::mint())).await.map(drop),
        store.delete_many(&["k", "k"]).await.map(drop),
    ];
    for answer in answers {
        let error = answer.expect_err("each is refused");
        assert_eq!(error.outcome(), Outcome::NotApplied, "{error}");
        assert!(!error.is_retryable(), "{error}: the same call would be refused again");
        assert_eq!(error.is_conflict(), matches!(error, Error::Conflict { .. }), "{error}");
        assert_holds(&*store, "k", "old", Some(version), &format!("after {error}")).await;
    }
}

pub(super) async fn no_value_shows_in_errors_or_debug(cx: Cx) {
    let store = cx.open().await;
    let version = put(&*store, "k", "hunter2").await;
    let save = || Save::new("k", "hunter2", PLAIN.if_absent());
    let mut texts = vec![
        shown(&store.load("k").await),
        shown(&store.load_many(&["k"]).await),
        shown(&store.save("k", "hunter2".into(), PLAIN.if_absent()).await),
        shown(&store.save("k", "hunter2".into(), PLAIN.with_ttl(Duration::ZERO)).await),
        format!("{:?} {:?}", store.save_many(vec![save()]).await, save()),
        format!("{store:?} {:?}", Write::Save(save())),
        format!("{:?}", store.commit(vec![Write::Save(save())]).await),
    ];
    if let Err(error) = store.save("k", "hunter2".into(), PLAIN.if_version(Version::mint())).await {
        texts.push(error.to_string());
    }
    for text in texts {
        // As text, and as the numbers of its bytes.
        assert!(!text.contains("hunter2") && !text.contains("104, 117, 110"), "a value shows in {text}");
    }
    assert_holds(&*store, "k", "hunter2", Some(version), "at the end").await;
}
