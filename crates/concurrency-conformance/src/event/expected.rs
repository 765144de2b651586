//! Expected versions.

use concurrency_core::{AppendOptions, Current, Error, ExpectedVersion};

use super::given::{Cx, assert_answer, events, grow, refused, versions, whole};

fn expecting(expected: impl Into<ExpectedVersion>) -> AppendOptions {
    AppendOptions::new().expecting(expected)
}

fn is_conflict(error: &Error) -> bool {
    matches!(error, Error::Conflict { .. })
}

pub(super) async fn any_accepts_everything(cx: Cx) {
    let store = cx.open().await;
    for n in 1..=3 {
        let appended = store.append("s", events(1), expecting(ExpectedVersion::Any)).await;
        assert_answer!(appended, Ok(appended) if appended.last == n, "Any at version {}", n - 1);
    }
}

pub(super) async fn no_stream_wants_a_fresh_one(cx: Cx) {
    let store = cx.open().await;
    let first = store.append("s", events(1), expecting(ExpectedVersion::NoStream)).await;
    assert_answer!(first, Ok(_), "NoStream on a missing stream");
    let options = expecting(ExpectedVersion::NoStream);
    refused(&store, "s", events(1), options, "NoStream on a stream of one", is_conflict).await;
    grow(&store, "s", 5).await;
    refused(&store, "s", events(1), options, "NoStream on a stream of six", is_conflict).await;
}

pub(super) async fn exists_wants_one_that_was_appended_to(cx: Cx) {
    let store = cx.open().await;
    refused(&store, "s", events(1), expecting(ExpectedVersion::Exists), "Exists on a missing stream", is_conflict)
        .await;
    grow(&store, "s", 1).await;
    let second = store.append("s", events(1), expecting(ExpectedVersion::Exists)).await;
    assert_answer!(second, Ok(second) if second.last == 2, "Exists on a stream of one");
}

pub(super) async fn exact_wants_the_last_version(cx: Cx) {
    let store = cx.open().await;
    refused(&store, "s", events(1), expecting(1), "Exact(1) on a missing stream", is_conflict).await;
    grow(&store, "s", 3).await;
    for wrong in [1, 2, 4, u64::MAX] {
        refused(&store, "s", events(1), expecting(wrong), &format!("Exact({wrong}) at version 3"), is_conflict).await;
    }
    let next = store.append("s", events(2), expecting(3)).await;
    assert_answer!(next, Ok(next) if (next.first, next.last) == (4, 5), "Exact(3) at version 3");
}

pub(super) async fn exact_zero_is_no_stream(cx: Cx) {
    let store = cx.open().await;
    assert_answer!(store.append("s", events(1), expecting(0)).await, Ok(_), "Exact(0) on a missing stream");
    refused(&store, "s", events(1), expecting(0), "Exact(0) on a stream of one", is_conflict).await;
}

pub(super) async fn a_mismatch_burns_no_number(cx: Cx) {
    let store = cx.open().await;
    for wrong in [ExpectedVersion::Exists, 1.into()] {
        refused(&store, "s", events(3), expecting(wrong), &format!("{wrong:?} on a missing stream"), is_conflict).await;
    }
    let first = store.append("s", events(2), expecting(ExpectedVersion::NoStream)).await;
    assert_answer!(first, Ok(first) if first.first == 1, "a refused append has made no stream");
    for wrong in [ExpectedVersion::NoStream, 1.into(), 7.into()] {
        refused(&store, "s", events(3), expecting(wrong), &format!("{wrong:?} at version 2"), is_conflict).await;
    }
    let next = grow(&store, "s", 1).await;
    assert_eq!((next.first, next.last), (3, 3), "the next append continues without a gap");
    assert_eq!(versions(&whole(&store, "s").await.events), [1, 2, 3]);
}

pub(super) async fn a_conflict_names_the_stream_and_what_is_there(cx: Cx) {
    let store = cx.open().await;
    let missing = store.append("missing", events(1), expecting(4)).await;
    assert_answer!(missing, Err(Error::Conflict { key, current: Current::Absent | Current::Unknown }) if &**key == "missing",
        "Exact(4) on a missing stream");
    grow(&store, "s", 3).await;
    for (wrong, expected) in [(ExpectedVersion::NoStream, 0), (2.into(), 2), (4.into(), 4)] {
        let answer = store.append("s", events(1), expecting(wrong)).await;
        assert_answer!(answer, Err(Error::Conflict { key, current }) if &**key == "s" && match current {
            Current::Unknown => true,
            Current::Stream(found) => *found == 3 && *found != expected,
            _ => false,
        }, "{wrong:?} at version 3");
    }
}
