//! Names, sizes, and the order of checks.

use bytes::Bytes;
use concurrency_core::{
    AppendOptions, Error, EventId, EventStore, ExpectedVersion, FencingToken, NewEvent, Position, ReadQuery, Snapshot,
};

use super::given::{Cx, TWINS, assert_answer, event, events, grow, identified, log, refused, slice, versions, whole};

fn snapshot(version: u64, data: impl Into<Bytes>) -> Snapshot {
    Snapshot { version, event: EventId::mint(), schema: 1, data: data.into() }
}

pub(super) async fn bad_namespaces_are_refused(cx: Cx) {
    let backend = cx.client().await.backend();
    for bad in ["", "a b", "a/b", "é", "a\0", "%", &"x".repeat(65)] {
        let opened = backend.event_store(bad);
        assert_answer!(opened, Err(Error::InvalidArgument { .. }), "the namespace {bad:?}");
    }
}

/// What is declared is the same wherever it is asked for, and possible.
pub(super) async fn a_backend_declares_what_its_stores_do(cx: Cx) {
    let declared = cx.open().await.capabilities();
    assert_eq!(cx.client().await.backend().capabilities().events, Some(declared));
    assert_eq!(cx.other_client().await.capabilities(), declared, "at another client");
    assert!(declared.max_batch_events >= 1 && declared.max_event <= declared.max_batch_bytes, "{declared:?}");
}

pub(super) async fn names_at_both_bounds(cx: Cx) {
    let store = cx.open().await;
    let longest = "é".repeat(512);
    for name in ["x", &longest, &"y".repeat(1024)] {
        grow(&store, name, 2).await;
        assert_eq!(versions(&whole(&store, name).await.events), [1, 2], "{} bytes", name.len());
    }
    assert_eq!(log(&store).await.len(), 6);
}

pub(super) async fn bad_names_are_refused(cx: Cx) {
    let store = cx.open().await;
    for bad in [String::new(), "x".repeat(1025), "é".repeat(513)] {
        let is_key = |error: &Error| matches!(error, Error::InvalidKey { .. });
        let len = bad.len();
        let appended = store.append(&bad, events(1), AppendOptions::new()).await;
        assert_answer!(appended, Err(error) if is_key(error), "append to a name of {len} bytes");
        assert_answer!(store.read(&bad, ReadQuery::newest()).await, Err(error) if is_key(error), "read of {len} bytes");
        if store.capabilities().snapshots {
            assert_answer!(store.load_snapshot(&bad).await, Err(error) if is_key(error), "load_snapshot of {len} bytes");
            let saved = store.save_snapshot(&bad, snapshot(1, "")).await;
            assert_answer!(saved, Err(error) if is_key(error), "save_snapshot of {len} bytes");
        }
        if store.capabilities().truncate {
            assert_answer!(store.truncate_before(&bad, 2).await, Err(error) if is_key(error), "truncate of {len} bytes");
        }
    }
    assert!(log(&store).await.is_empty(), "nothing was appended");
}

pub(super) async fn names_are_compared_byte_for_byte(cx: Cx) {
    let store = cx.open().await;
    for (n, name) in TWINS.iter().enumerate() {
        grow(&store, name, n % 3 + 1).await;
    }
    for (n, name) in TWINS.iter().enumerate() {
        let found = whole(&store, name).await;
        assert_eq!(found.last, (n % 3 + 1) as u64, "{name:?} is another stream's twin");
        assert!(found.events.iter().all(|event| event.stream.as_ref() == *name), "{name:?}: {found:?}");
    }
}

/// An event of this size, half of it metadata.
fn sized(size: usize) -> NewEvent {
    event("e", vec![7; size - size / 2]).with_metadata(vec![8; size / 2])
}

pub(super) async fn an_event_of_the_largest_size(cx: Cx) {
    let store = cx.open().await;
    let largest = sized(store.capabilities().max_event);
    store.append("s", vec![largest.clone()], AppendOptions::new()).await.expect("accepted");
    let found = whole(&store, "s").await.events;
    assert!(found[0].data == largest.data && found[0].metadata == largest.metadata, "it comes back as it was");
}

pub(super) async fn a_larger_event_is_refused(cx: Cx) {
    let store = cx.open().await;
    grow(&store, "s", 1).await;
    let limit = store.capabilities().max_event;
    for (what, too_large) in [
        ("data and metadata together", sized(limit + 1)),
        ("data alone", event("e", vec![7; limit + 1])),
        ("metadata alone", event("e", "").with_metadata(vec![7; limit + 1])),
    ] {
        let before = log(&store).await;
        let answer = store.append("s", vec![event("e", "good"), too_large], AppendOptions::new()).await;
        let size = limit + 1;
        assert_answer!(answer, Err(Error::ValueTooLarge { size: s, limit: l }) if (*s, *l) == (size, limit), "{what}");
        assert_eq!(log(&store).await, before, "{what}: something was appended");
    }
}

pub(super) async fn as_many_events_as_declared(cx: Cx) {
    let store = cx.open().await;
    let most = store.capabilities().max_batch_events;
    let appended = grow(&store, "s", most).await;
    assert_eq!((appended.first, appended.last), (1, most as u64));
    assert_eq!(whole(&store, "s").await.events.len(), most);
    refused(&store, "s", events(most + 1), AppendOptions::new(), "one event more than max_batch_events", |error| {
        matches!(error, Error::InvalidArgument { .. })
    })
    .await;
}

pub(super) async fn more_bytes_than_declared_are_refused(cx: Cx) {
    let store = cx.open().await;
    let limits = store.capabilities();
    let data = Bytes::from(vec![7; limits.max_event.min(limits.max_batch_bytes)]);
    let full = limits.max_batch_bytes / data.len();
    let mut batch = vec![event("e", data.clone()); full];
    batch.push(event("e", data.slice(..limits.max_batch_bytes - full * data.len())));
    if batch.len() < limits.max_batch_events {
        store.append("s", batch.clone(), AppendOptions::new()).await.expect("max_batch_bytes are accepted");
        batch.push(event("e", "1"));
        let answer = store.append("s", batch.clone(), AppendOptions::new()).await;
        assert_answer!(answer, Err(Error::InvalidArgument { .. }), "one byte more than max_batch_bytes");
        let end = slice(&store, "s", ReadQuery::newest().limit(1)).await;
        assert_eq!(end.last, batch.len() as u64 - 1, "nothing of it was appended");
    }
}

pub(super) async fn checks_have_an_order(cx: Cx) {
    let store = cx.open().await;
    let limits = store.capabilities();
    let known = identified();
    store.append("s", events(1), known).await.expect("appended");
    let wrong_version = |options: AppendOptions| options.expecting(77);

    let answer = store.append("", Vec::new(), wrong_version(known)).await;
    assert_answer!(answer, Err(Error::InvalidKey { .. }), "the key comes before the arguments");
    let out_of_bounds = AppendOptions::new().fenced_by(FencingToken(1 << 53));
    let answer = store.append("", events(1), out_of_bounds).await;
    assert_answer!(answer, Err(Error::InvalidKey { .. }), "the key comes before the options");
    let answer = store.append("s", Vec::new(), wrong_version(known)).await;
    assert_answer!(answer, Err(Error::InvalidArgument { .. }), "arguments come before the append id");
    if limits.max_event <= super::given::LARGEST_TRIED {
        let too_large = vec![7; limits.max_event + 1];
        let answer = store.append("s", vec![event("e", too_large.clone()), event("", "")], known).await;
        assert_answer!(answer, Err(Error::InvalidArgument { .. }), "arguments come before the size");
        let answer = store.append("s", vec![event("e", too_large)], wrong_version(known)).await;
        assert_answer!(answer, Err(Error::ValueTooLarge { .. }), "the size comes before the append id");
    }
    let answer = store.append("s", events(2), wrong_version(known)).await;
    assert_answer!(answer, Err(Error::AppendIdReused { .. }), "the append id comes before the expected version");
    if limits.fencing {
        store.append("s", events(1), AppendOptions::new().fenced_by(FencingToken(9))).await.expect("appended");
        let stale = FencingToken(8);
        let answer = store.append("s", events(2), known.fenced_by(stale)).await;
        assert_answer!(answer, Err(Error::AppendIdReused { .. }), "the append id comes before the fence");
        let answer = store.append("s", events(1), wrong_version(identified()).fenced_by(stale)).await;
        assert_answer!(answer, Err(Error::Fenced { .. }), "the fence comes before the expected version");
    }
}

pub(super) async fn limits_of_reading(cx: Cx) {
    let store = cx.open().await;
    for _ in 0..3 {
        grow(&store, "s", 400.min(store.capabilities().max_batch_events)).await;
    }
    for bad in [0, 1001, usize::MAX] {
        let read = store.read("s", ReadQuery::forwards(1).limit(bad)).await;
        assert_answer!(read, Err(Error::InvalidArgument { .. }), "read with limit {bad}");
        let read = store.read("s", ReadQuery::newest().limit(bad)).await;
        assert_answer!(read, Err(Error::InvalidArgument { .. }), "read backwards with limit {bad}");
        let read = store.read_all(Position::START, bad).await;
        assert_answer!(read, Err(Error::InvalidArgument { .. }), "read_all with limit {bad}");
    }
    let last = slice(&store, "s", ReadQuery::newest().limit(1)).await.last;
    for limit in [1, 2, 999, 1000] {
        let expected = limit.min(usize::try_from(last).expect("a short stream"));
        assert_eq!(slice(&store, "s", ReadQuery::forwards(1).limit(limit)).await.events.len(), expected);
        assert_eq!(slice(&store, "s", ReadQuery::newest().limit(limit)).await.events.len(), expected);
        let batch = store.read_all(Position::START, limit).await.expect("a good limit");
        assert!((1..=limit).contains(&batch.events.len()), "{} of {limit}", batch.events.len());
    }
    if last >= 100 {
        assert_eq!(slice(&store, "s", ReadQuery::forwards(1)).await.events.len(), 100, "100 unless told");
    }
}

pub(super) async fn nothing_shows_a_value(cx: Cx) {
    let store = cx.open().await;
    let secret = "hunter2";
    let options = identified();
    let telling = || vec![event("e", secret).with_metadata(secret)];
    store.append("s", telling(), options).await.expect("appended");
    let refusals = [
        store.append("s", vec![event("e", "hunter2!")], options).await,
        store.append("s", telling(), AppendOptions::new().expecting(ExpectedVersion::NoStream)).await,
        store.append("", telling(), AppendOptions::new()).await,
        store.append("s", vec![event("", secret)], AppendOptions::new()).await,
    ];
    for refusal in &refusals {
        let error = refusal.as_ref().expect_err("refused");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(secret), "{shown}");
    }
    let slice = whole(&store, "s").await;
    let batch = store.read_all(Position::START, 10).await.expect("read");
    let shown = format!("{store:?} {slice:?} {batch:?} {:?} {:?}", telling(), snapshot(1, secret));
    assert!(!shown.contains(secret), "{shown}");
}

pub(super) async fn errors_say_what_happened(cx: Cx) {
    let store = cx.open().await;
    let options = identified();
    grow(&store, "s", 1).await;
    store.append("s", events(1), options).await.expect("appended");
    for answer in [
        store.append("s", events(1), AppendOptions::new().expecting(7)).await,
        store.append("s", events(2), options).await,
        store.append("s", Vec::new(), AppendOptions::new()).await,
    ] {
        let error = answer.expect_err("refused");
        assert_eq!(error.outcome(), concurrency_core::Outcome::NotApplied, "{error:?}");
        assert!(!error.is_retryable(), "the same call again is refused again: {error:?}");
    }
}
