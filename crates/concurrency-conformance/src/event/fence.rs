//! Fenced appends.

use concurrency_core::{AppendOptions, Error, ExpectedVersion, FencingToken};

use super::given::{Cx, assert_answer, events, grow, identified, refused};

fn by(token: u64) -> AppendOptions {
    AppendOptions::new().fenced_by(FencingToken(token))
}

fn is_fenced(error: &Error) -> bool {
    matches!(error, Error::Fenced { key, seen: FencingToken(7), given: FencingToken(6) } if &**key == "s")
}

pub(super) async fn an_earlier_holder_is_refused(cx: Cx) {
    let (store, other) = (cx.open().await, cx.other_client().await);
    assert_answer!(store.append("s", events(1), by(7)).await, Ok(_), "the first token");
    refused(&store, "s", events(1), by(6), "token 6 after token 7", is_fenced).await;
    refused(&other, "s", events(1), by(6), "token 6 after token 7, elsewhere", is_fenced).await;
    assert_answer!(store.append("s", events(1), by(7)).await, Ok(appended) if appended.first == 2, "token 7 again");
    assert_answer!(store.append("s", events(1), by(8)).await, Ok(appended) if appended.first == 3, "a higher token");
}

pub(super) async fn the_fence_comes_before_the_expected_version(cx: Cx) {
    let store = cx.open().await;
    store.append("s", events(1), by(7)).await.expect("appended");
    for expected in [ExpectedVersion::Exact(1), ExpectedVersion::NoStream, ExpectedVersion::Exact(9)] {
        refused(&store, "s", events(1), by(6).expecting(expected), &format!("{expected:?}"), is_fenced).await;
    }
}

pub(super) async fn without_a_token_nothing_is_checked(cx: Cx) {
    let store = cx.open().await;
    store.append("s", events(1), by(7)).await.expect("appended");
    grow(&store, "s", 2).await;
    refused(&store, "s", events(1), by(6), "the mark has stayed", is_fenced).await;
}

pub(super) async fn only_an_accepted_append_sets_the_mark(cx: Cx) {
    let store = cx.open().await;
    store.append("s", events(1), by(7)).await.expect("appended");
    let refused = store.append("s", events(1), by(9).expecting(77)).await;
    assert_answer!(refused, Err(Error::Conflict { .. }), "token 9, but the expected version does not match");
    let bad = store.append("s", Vec::new(), by(9)).await;
    assert_answer!(bad, Err(Error::InvalidArgument { .. }), "token 9, but no events");
    assert_answer!(store.append("s", events(1), by(7)).await, Ok(_), "the mark is still 7");
}

pub(super) async fn a_repeat_does_not_set_the_mark(cx: Cx) {
    let store = cx.open().await;
    let known = identified();
    let first = store.append("s", events(1), known).await.expect("appended");
    let again = store.append("s", events(1), known.fenced_by(FencingToken(9))).await;
    assert_answer!(again, Ok(again) if *again == first, "a repeat under token 9");
    assert_answer!(store.append("s", events(1), by(7)).await, Ok(_), "nothing was appended under token 9");
}

pub(super) async fn the_mark_is_the_streams_own(cx: Cx) {
    let store = cx.open().await;
    store.append("s", events(1), by(7)).await.expect("appended");
    assert_answer!(store.append("t", events(1), by(1)).await, Ok(_), "another stream");
    let elsewhere = cx.other_namespace("x").await;
    assert_answer!(elsewhere.append("s", events(1), by(1)).await, Ok(_), "another namespace");
    if store.capabilities().truncate {
        store.truncate_before("s", u64::MAX).await.expect("truncated");
        let late = store.append("s", events(1), by(6)).await;
        assert_answer!(late, Err(Error::Fenced { .. }), "token 6 after truncation");
    }
}

pub(super) async fn tokens_have_bounds(cx: Cx) {
    let store = cx.open().await;
    for bad in [1 << 53, u64::MAX] {
        refused(&store, "s", events(1), by(bad), &format!("token {bad}"), |error| {
            matches!(error, Error::InvalidArgument { .. })
        })
        .await;
    }
    assert_answer!(store.append("s", events(1), by((1 << 53) - 1)).await, Ok(_), "the highest token");
    let late = store.append("s", events(1), by((1 << 53) - 2)).await;
    assert_answer!(late, Err(Error::Fenced { .. }), "one below the highest");
}

pub(super) async fn undeclared_it_is_refused(cx: Cx) {
    let store = cx.open().await;
    refused(&store, "s", events(1), by(7), "a token", |error| matches!(error, Error::Unsupported { .. })).await;
}
