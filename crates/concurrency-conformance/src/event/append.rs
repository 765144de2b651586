//! What an append does, and what is read back.

use concurrency_core::{AppendOptions, Error, EventId, ReadQuery};

use super::given::{
    Cx, assert_answer, contents, event, events, grow, identified, log, poll_and_drop, refused, slice, versions, whole,
};

pub(super) async fn answers_where_the_events_went(cx: Cx) {
    let store = cx.open().await;
    let first = grow(&store, "a", 3).await;
    assert_eq!((first.first, first.last), (1, 3));
    let other = grow(&store, "b", 1).await;
    assert_eq!((other.first, other.last), (1, 1));
    let second = grow(&store, "a", 2).await;
    assert_eq!((second.first, second.last), (4, 5));
    for (stream, appended) in [("a", first), ("b", other), ("a", second)] {
        let found = slice(&store, stream, ReadQuery::forwards(appended.last).limit(1)).await;
        assert_eq!(found.events[0].position, appended.position, "the position of the last event of {appended:?}");
    }
}

pub(super) async fn is_all_or_nothing(cx: Cx) {
    let store = cx.open().await;
    grow(&store, "s", 2).await;
    let bad_type = || vec![event("e", "3"), event("e", "4"), event("", "5")];
    refused(&store, "s", bad_type(), AppendOptions::new(), "the last of three events is bad", |error| {
        matches!(error, Error::InvalidArgument { .. })
    })
    .await;
    refused(&store, "new", bad_type(), AppendOptions::new(), "the same on a missing stream", |error| {
        matches!(error, Error::InvalidArgument { .. })
    })
    .await;
    grow(&store, "s", 3).await;
    assert_eq!(contents(&whole(&store, "s").await.events), ["e 1", "e 2", "e 1", "e 2", "e 3"]);
}

pub(super) async fn stand_side_by_side_in_request_order(cx: Cx) {
    let store = cx.open().await;
    let batch = || vec![event("z", "1"), event("a", "2"), event("m", "3")];
    store.append("x", batch(), AppendOptions::new()).await.expect("appended");
    grow(&store, "y", 1).await;
    store.append("x", batch(), AppendOptions::new()).await.expect("appended");
    let all = contents(&log(&store).await);
    assert_eq!(all, ["z 1", "a 2", "m 3", "e 1", "z 1", "a 2", "m 3"]);
}

pub(super) async fn versions_have_no_gaps(cx: Cx) {
    let store = cx.open().await;
    for count in [1, 5, 1, 40, 2] {
        grow(&store, "s", count).await;
        grow(&store, "other", 1).await;
    }
    let stream = whole(&store, "s").await;
    assert_eq!(versions(&stream.events), (1..=49).collect::<Vec<_>>());
}

pub(super) async fn of_no_events_is_refused(cx: Cx) {
    let store = cx.open().await;
    for stream in ["missing", "s"] {
        refused(&store, stream, Vec::new(), AppendOptions::new(), "no events", |error| {
            matches!(error, Error::InvalidArgument { .. })
        })
        .await;
        grow(&store, "s", 1).await;
    }
}

pub(super) async fn is_read_back_as_it_was_written(cx: Cx) {
    let (store, other) = (cx.open().await, cx.other_client().await);
    let every_byte: Vec<u8> = (0..=255).collect();
    let batch = vec![
        event("plain", "text"),
        event("empty", ""),
        event("bytes", every_byte.clone()).with_metadata(every_byte),
        event("ünïcode 🦀 %_*{}\0", "\0\0").with_metadata("{\"user\":7}"),
        event("metadata only", "").with_metadata("\0"),
    ];
    store.append("s", batch.clone(), AppendOptions::new()).await.expect("appended");
    for client in [&store, &other] {
        let read = whole(client, "s").await.events;
        let all = log(client).await;
        assert_eq!(read, all, "in the stream and in the global order");
        assert_eq!(read.len(), batch.len());
        for (found, given) in read.iter().zip(&batch) {
            assert_eq!(found.event_type.as_ref(), given.event_type);
            assert_eq!(found.data, given.data, "data of {}", given.event_type);
            assert_eq!(found.metadata, given.metadata, "metadata of {}", given.event_type);
            assert_eq!(found.id, given.id, "id of {}", given.event_type);
            assert_eq!(found.stream.as_ref(), "s");
        }
    }
}

pub(super) async fn stored_events_never_change(cx: Cx) {
    let store = cx.open().await;
    grow(&store, "s", 3).await;
    let before = whole(&store, "s").await.events;
    cx.sleep(std::time::Duration::from_millis(5)).await;
    grow(&store, "s", 3).await;
    grow(&store, "t", 3).await;
    let after = whole(&store, "s").await.events;
    assert_eq!(after[..3], before[..], "the same bytes, ids, positions and times, whatever came after");
    assert_eq!(before[0].recorded_at, before[2].recorded_at, "one append, one time");
}

pub(super) async fn events_have_ids_of_their_own(cx: Cx) {
    let store = cx.open().await;
    grow(&store, "s", 50).await;
    grow(&store, "t", 50).await;
    let ids: std::collections::HashSet<EventId> = log(&store).await.iter().map(|event| event.id).collect();
    assert_eq!(ids.len(), 100);
}

pub(super) async fn types_at_both_bounds(cx: Cx) {
    let store = cx.open().await;
    let longest = "é".repeat(128);
    for event_type in ["t", &longest] {
        store.append("s", vec![event(event_type, "1")], AppendOptions::new()).await.expect("accepted");
    }
    assert_eq!(whole(&store, "s").await.events[1].event_type.as_ref(), longest);
    for (what, event_type) in [("no type", ""), ("257 bytes", &*format!("{longest}x"))] {
        refused(&store, "s", vec![event(event_type, "1")], AppendOptions::new(), what, |error| {
            matches!(error, Error::InvalidArgument { .. })
        })
        .await;
    }
}

pub(super) async fn a_dropped_append_happened_or_not(cx: Cx) {
    let store = cx.open().await;
    for polls in 0..4 {
        let stream = format!("s{polls}");
        let options = identified();
        poll_and_drop(polls, store.append(&stream, events(3), options));
        let appended = store.append(&stream, events(3), options).await;
        assert_answer!(appended, Ok(appended) if (appended.first, appended.last) == (1, 3), "dropped after {polls} polls");
        assert_eq!(versions(&whole(&store, &stream).await.events), [1, 2, 3], "dropped after {polls} polls");
    }
}

pub(super) async fn a_dropped_calls_reply_reaches_nobody_else(cx: Cx) {
    let store = cx.open().await;
    grow(&store, "a", 1).await;
    grow(&store, "b", 2).await;
    for polls in [0, 1, 2, 1, 0, 3] {
        poll_and_drop(polls, store.read("a", ReadQuery::forwards(1)));
        assert_eq!(slice(&store, "b", ReadQuery::forwards(1)).await.last, 2, "after a dropped read of a");
    }
}
