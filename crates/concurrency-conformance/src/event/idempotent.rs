//! Append ids.

use concurrency_core::{AppendId, AppendOptions, Error, EventId, ExpectedVersion, FencingToken, NewEvent};

use super::given::{Cx, assert_answer, event, events, grow, identified, refused, whole};

fn pair() -> Vec<NewEvent> {
    vec![event("a", "1"), event("b", "2")]
}

pub(super) async fn a_repeat_answers_the_same_and_appends_nothing(cx: Cx) {
    let (store, other) = (cx.open().await, cx.other_client().await);
    let options = identified();
    let first = store.append("s", pair(), options).await.expect("appended");
    for (who, client) in [("the same client", &store), ("another client", &other)] {
        let again = client.append("s", pair(), options).await;
        assert_answer!(again, Ok(again) if *again == first, "{who} repeats {first:?}");
    }
    assert_eq!(whole(&store, "s").await.last, 2);
}

pub(super) async fn wherever_the_stream_stands(cx: Cx) {
    let store = cx.open().await;
    let options = identified().expecting(ExpectedVersion::NoStream);
    let first = store.append("s", pair(), options).await.expect("appended");
    grow(&store, "other", 1).await;
    grow(&store, "s", 7).await;
    let again = store.append("s", pair(), options).await;
    assert_answer!(again, Ok(again) if *again == first, "a repeat of {first:?} seven events later");
    assert_eq!(whole(&store, "s").await.last, 9);
}

pub(super) async fn ids_and_metadata_do_not_count(cx: Cx) {
    let store = cx.open().await;
    let options = identified();
    let first = store.append("s", pair(), options).await.expect("appended");
    let ids = whole(&store, "s").await.events.iter().map(|event| event.id).collect::<Vec<EventId>>();
    let changed = pair().into_iter().map(|event| event.with_metadata("other")).collect();
    let again = store.append("s", changed, options).await;
    assert_answer!(again, Ok(again) if *again == first, "other event ids and metadata under a known append id");
    let kept = whole(&store, "s").await.events;
    assert_eq!(kept.iter().map(|event| event.id).collect::<Vec<_>>(), ids, "the first ones stay");
    assert!(kept.iter().all(|event| event.metadata.is_empty()), "the first metadata stay");
}

pub(super) async fn other_content_is_refused(cx: Cx) {
    let store = cx.open().await;
    let options = identified();
    store.append("s", pair(), options).await.expect("appended");
    let is_reused = |error: &Error| matches!(error, Error::AppendIdReused { stream } if &**stream == "s");
    for (what, other) in [
        ("other data", vec![event("a", "1"), event("b", "3")]),
        ("other type", vec![event("a", "1"), event("c", "2")]),
        ("other order", vec![event("b", "2"), event("a", "1")]),
        ("fewer", vec![event("a", "1")]),
        ("more", vec![event("a", "1"), event("b", "2"), event("c", "3")]),
        ("types and data joined otherwise", vec![event("a1", ""), event("b2", "")]),
        ("data joined otherwise", vec![event("a", "12"), event("b", "")]),
        ("nothing alike", events(2)),
    ] {
        refused(&store, "s", other, options, what, is_reused).await;
    }
}

pub(super) async fn is_looked_up_before_the_expected_version(cx: Cx) {
    let store = cx.open().await;
    let options = identified();
    let first = store.append("s", pair(), options).await.expect("appended");
    for wrong in [ExpectedVersion::NoStream, 0.into(), 1.into(), 99.into()] {
        let again = store.append("s", pair(), options.expecting(wrong)).await;
        assert_answer!(again, Ok(again) if *again == first, "a repeat that expects {wrong:?}");
        let other = store.append("s", events(1), options.expecting(wrong)).await;
        assert_answer!(other, Err(Error::AppendIdReused { .. }), "other content that expects {wrong:?}");
    }
}

pub(super) async fn is_looked_up_before_the_fence(cx: Cx) {
    let store = cx.open().await;
    let options = identified().fenced_by(FencingToken(5));
    let first = store.append("s", pair(), options).await.expect("appended");
    store.append("s", events(1), AppendOptions::new().fenced_by(FencingToken(6))).await.expect("a later holder");
    let again = store.append("s", pair(), options).await;
    assert_answer!(again, Ok(again) if *again == first, "a repeat under a token that is stale by now");
}

pub(super) async fn a_refused_append_does_not_use_its_id_up(cx: Cx) {
    let store = cx.open().await;
    grow(&store, "s", 1).await;
    let options = identified();
    let conflict = store.append("s", pair(), options.expecting(7)).await;
    assert_answer!(conflict, Err(Error::Conflict { .. }), "Exact(7) at version 1");
    let bad = store.append("s", Vec::new(), options).await;
    assert_answer!(bad, Err(Error::InvalidArgument { .. }), "no events");
    if store.capabilities().fencing {
        store.append("s", events(1), AppendOptions::new().fenced_by(FencingToken(5))).await.expect("appended");
        let fenced = store.append("s", pair(), options.fenced_by(FencingToken(4))).await;
        assert_answer!(fenced, Err(Error::Fenced { .. }), "token 4 after token 5");
    }
    let before = whole(&store, "s").await.last;
    let accepted = store.append("s", events(3), options).await;
    assert_answer!(accepted, Ok(accepted) if accepted.first == before + 1, "the id is free, for any content");
}

pub(super) async fn a_refusal_on_a_missing_stream_leaves_its_id_free(cx: Cx) {
    let store = cx.open().await;
    let options = identified();
    let conflict = store.append("s", pair(), options.expecting(1)).await;
    assert_answer!(conflict, Err(Error::Conflict { .. }), "Exact(1) on a missing stream");
    let accepted = store.append("s", events(1), options.expecting(ExpectedVersion::NoStream)).await;
    assert_answer!(accepted, Ok(accepted) if accepted.first == 1, "the stream is still missing, and the id free");
}

pub(super) async fn is_valid_for_its_stream(cx: Cx) {
    let store = cx.open().await;
    let options = identified();
    store.append("a", pair(), options).await.expect("appended");
    let other = store.append("b", events(3), options).await;
    assert_answer!(other, Ok(other) if (other.first, other.last) == (1, 3), "the same id on another stream");
    let elsewhere = cx.other_namespace("x").await;
    let other = elsewhere.append("a", events(1), options).await;
    assert_answer!(other, Ok(other) if other.last == 1, "the same id and stream in another namespace");
}

pub(super) async fn one_is_minted_where_none_is_given(cx: Cx) {
    let store = cx.open().await;
    for n in 1..=3 {
        let appended = store.append("s", pair(), AppendOptions::new()).await;
        assert_answer!(appended, Ok(appended) if appended.last == 2 * n, "the same events without an id, time {n}");
    }
}

pub(super) async fn any_128_bits_are_an_id(cx: Cx) {
    let store = cx.open().await;
    for (n, bytes) in [[0; 16], [255; 16], *b"order-7/charged\0"].into_iter().enumerate() {
        let options = AppendOptions::new().with_append_id(AppendId::from_bytes(bytes));
        let first = store.append("s", events(n + 1), options).await.expect("a forged id is an id");
        let again = store.append("s", events(n + 1), options).await;
        assert_answer!(again, Ok(again) if *again == first, "a repeat under {bytes:?}");
    }
    assert_eq!(whole(&store, "s").await.last, 6);
}

pub(super) async fn many_are_known_at_once(cx: Cx) {
    let store = cx.open().await;
    let mut known = Vec::new();
    for n in 0..50 {
        let options = identified();
        let content = vec![event("e", n.to_string())];
        known.push((options, content.clone(), store.append("s", content, options).await.expect("appended")));
    }
    for (options, content, appended) in known {
        let again = store.append("s", content, options).await;
        assert_answer!(again, Ok(again) if *again == appended, "a repeat of {appended:?}");
    }
}

pub(super) async fn is_known_after_its_events_were_truncated(cx: Cx) {
    let store = cx.open().await;
    let options = identified();
    let first = store.append("s", pair(), options).await.expect("appended");
    grow(&store, "s", 1).await;
    for before in [2, 3, 99] {
        store.truncate_before("s", before).await.expect("truncated");
        let again = store.append("s", pair(), options).await;
        assert_answer!(again, Ok(again) if *again == first, "a repeat after truncation before {before}");
    }
}
