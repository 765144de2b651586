//! Truncation.

use concurrency_core::{AppendOptions, Error, ExpectedVersion, Position, ReadQuery};

use super::given::{Cx, assert_answer, events, grow, log, refused, slice, versions, whole};

pub(super) async fn removes_what_is_below_and_no_other(cx: Cx) {
    let store = cx.open().await;
    grow(&store, "s", 6).await;
    grow(&store, "t", 6).await;
    for (before, left) in [(0, 1), (1, 1), (4, 4), (2, 4), (5, 5)] {
        store.truncate_before("s", before).await.expect("truncated");
        let found = slice(&store, "s", ReadQuery::forwards(1)).await;
        assert_eq!(versions(&found.events), (left..=6).collect::<Vec<_>>(), "truncated before {before}");
        assert_eq!((found.first, found.last), (left, 6), "truncated before {before}");
    }
    assert_eq!(versions(&slice(&store, "s", ReadQuery::newest()).await.events), [6, 5], "backwards");
    assert_eq!(versions(&slice(&store, "s", ReadQuery::forwards(3).limit(1)).await.events), [5], "from below the mark");
    assert_eq!(whole(&store, "t").await.events.len(), 6, "another stream");
    assert_eq!(log(&store).await.len(), 8, "the global order");
}

pub(super) async fn numbers_and_positions_stay(cx: Cx) {
    let store = cx.open().await;
    grow(&store, "s", 3).await;
    grow(&store, "t", 2).await;
    let last = grow(&store, "s", 3).await;
    let before = log(&store).await;
    store.truncate_before("s", 3).await.expect("truncated");
    assert_eq!(log(&store).await, before[2..], "what is left is as it was");
    let next = grow(&store, "s", 2).await;
    assert_eq!((next.first, next.last), (7, 8), "the numbering goes on");
    assert!(next.position > last.position);
    let conflict = store.append("s", events(1), AppendOptions::new().expecting(7)).await;
    assert_answer!(conflict, Err(Error::Conflict { .. }), "Exact(7) at version 8");
    assert_answer!(store.append("s", events(1), AppendOptions::new().expecting(8)).await, Ok(_), "Exact(8)");
}

pub(super) async fn an_emptied_stream_exists_and_keeps_its_version(cx: Cx) {
    let store = cx.open().await;
    for (stream, before) in [("exactly", 4), ("far beyond", u64::MAX)] {
        grow(&store, stream, 3).await;
        store.truncate_before(stream, before).await.expect("truncated");
        let empty = slice(&store, stream, ReadQuery::newest()).await;
        assert!(empty.events.is_empty(), "{stream}: {empty:?}");
        assert_eq!((empty.first, empty.last), (4, 3), "{stream}: first is behind the last");
        for wrong in [ExpectedVersion::NoStream, 0.into(), 2.into()] {
            let options = AppendOptions::new().expecting(wrong);
            refused(&store, stream, events(1), options, &format!("{stream}: {wrong:?}"), |error| error.is_conflict())
                .await;
        }
        let next = store.append(stream, events(1), AppendOptions::new().expecting(3)).await;
        assert_answer!(next, Ok(next) if next.first == 4, "{stream}: Exact(3) counts on");
        let next = store.append(stream, events(1), AppendOptions::new().expecting(ExpectedVersion::Exists)).await;
        assert_answer!(next, Ok(next) if next.first == 5, "{stream}: it exists");
    }
}

pub(super) async fn a_missing_stream_stays_missing(cx: Cx) {
    let store = cx.open().await;
    assert_answer!(store.truncate_before("missing", 5).await, Ok(()), "nothing to truncate");
    let next = store.append("missing", events(1), AppendOptions::new().expecting(ExpectedVersion::NoStream)).await;
    assert_answer!(next, Ok(next) if next.first == 1, "it was never appended to");
    assert_eq!(whole(&store, "missing").await.events.len(), 1, "and nothing of it is gone");
}

pub(super) async fn readers_of_the_global_order_are_told(cx: Cx) {
    let store = cx.open().await;
    grow(&store, "s", 2).await;
    grow(&store, "t", 1).await;
    grow(&store, "s", 1).await;
    let all = log(&store).await;
    let told = async |after: Position| store.read_all(after, 10).await.expect("read").truncated;
    assert_eq!(told(Position::START).await, None, "nothing was truncated");
    store.truncate_before("s", 3).await.expect("truncated");
    let mark = all[1].position;
    for (after, expected) in [(Position::START, Some(mark)), (all[0].position, Some(mark)), (mark, None)] {
        assert_eq!(told(after).await, expected, "after {after}");
    }
    store.truncate_before("s", 4).await.expect("truncated");
    let mark = all[3].position;
    assert_eq!(told(all[2].position).await, Some(mark), "the mark has moved");
    let end = store.read_all(all[2].position, 10).await.expect("read");
    assert!(end.events.is_empty(), "{end:?}");
    let end = store.read_all(end.next, 10).await.expect("read");
    grow(&store, "t", 1).await;
    let batch = store.read_all(end.next, 10).await.expect("read");
    assert_eq!(versions(&batch.events), [2], "what comes after a truncated end is seen");
}

pub(super) async fn undeclared_it_is_refused(cx: Cx) {
    let store = cx.open().await;
    grow(&store, "s", 3).await;
    let answer = store.truncate_before("s", 3).await;
    assert_answer!(answer, Err(Error::Unsupported { .. }), "truncate_before");
    assert_eq!(whole(&store, "s").await.events.len(), 3, "nothing is gone");
}
