//! Reading one stream.

use concurrency_core::ReadQuery;

use super::given::{Cx, contents, grow, slice, versions, whole};

pub(super) async fn forwards_is_inclusive(cx: Cx) {
    let store = cx.open().await;
    grow(&store, "s", 9).await;
    for (from, expected) in
        [(1, vec![1, 2, 3]), (4, vec![4, 5, 6]), (8, vec![8, 9]), (9, vec![9]), (10, vec![]), (u64::MAX, vec![])]
    {
        let found = slice(&store, "s", ReadQuery::forwards(from).limit(3)).await;
        assert_eq!(versions(&found.events), expected, "three from version {from}");
        assert_eq!((found.first, found.last), (1, 9), "how far the stream reaches, read from {from}");
    }
    assert_eq!(versions(&slice(&store, "s", ReadQuery::forwards(0).limit(2)).await.events), [1, 2], "from zero");
}

pub(super) async fn backwards_is_inclusive_and_falls(cx: Cx) {
    let store = cx.open().await;
    grow(&store, "s", 9).await;
    for (from, expected) in
        [(9, vec![9, 8, 7]), (6, vec![6, 5, 4]), (2, vec![2, 1]), (1, vec![1]), (0, vec![]), (10, vec![9, 8, 7])]
    {
        let found = slice(&store, "s", ReadQuery::backwards(from).limit(3)).await;
        assert_eq!(versions(&found.events), expected, "three backwards from version {from}");
        assert_eq!((found.first, found.last), (1, 9), "how far the stream reaches, read back from {from}");
    }
    let newest = slice(&store, "s", ReadQuery::newest().limit(2)).await;
    assert_eq!(versions(&newest.events), [9, 8], "the newest first");
    assert_eq!(contents(&newest.events), ["e 9", "e 8"], "with the content of their versions");
}

pub(super) async fn pages_meet_both_ways(cx: Cx) {
    let store = cx.open().await;
    grow(&store, "s", 23).await;
    for page in [1, 4, 23, 24] {
        let mut forwards = Vec::new();
        while let Some(event) = {
            let next = forwards.last().map_or(1, |last| last + 1);
            let more = slice(&store, "s", ReadQuery::forwards(next).limit(page)).await;
            forwards.extend(versions(&more.events));
            more.events.last().cloned()
        } {
            assert!(event.version <= 23 && forwards.len() <= 23, "{event:?} after {forwards:?}");
        }
        assert_eq!(forwards, (1..=23).collect::<Vec<_>>(), "forwards, {page} a page");
        let mut backwards = Vec::new();
        while backwards.last() != Some(&1) {
            let next = backwards.last().map_or(u64::MAX, |last| last - 1);
            let more = slice(&store, "s", ReadQuery::backwards(next).limit(page)).await;
            assert!(!more.events.is_empty(), "nothing at or before {next}");
            backwards.extend(versions(&more.events));
            assert!(backwards.len() <= 23, "{backwards:?}");
        }
        assert_eq!(backwards, (1..=23).rev().collect::<Vec<_>>(), "backwards, {page} a page");
    }
}

pub(super) async fn a_missing_stream_reads_as_empty(cx: Cx) {
    let store = cx.open().await;
    grow(&store, "other", 2).await;
    for query in [ReadQuery::forwards(1), ReadQuery::forwards(5), ReadQuery::newest(), ReadQuery::backwards(3)] {
        let found = slice(&store, "missing", query).await;
        assert!(found.events.is_empty(), "{query:?}: {found:?}");
        assert_eq!((found.first, found.last), (1, 0), "{query:?} of a missing stream");
    }
}

pub(super) async fn other_clients_see_it_at_once(cx: Cx) {
    let (store, other) = (cx.open().await, cx.other_client().await);
    for n in 1..=20 {
        let (writer, reader) = if n % 2 == 0 { (&store, &other) } else { (&other, &store) };
        grow(writer, "s", 1).await;
        assert_eq!(whole(reader, "s").await.last, n, "an append that was answered is seen by whoever reads next");
    }
}
