//! `list`: live keys, page after page.

use std::collections::BTreeSet;

use concurrency_core::{DeleteOptions, Error, ListQuery, StateStore};

use super::{
    fixture::{Cx, PLAIN, keys_of, list_all, outlive, put, put_with, refused, short_ttl},
    inputs::hard_keys,
};

pub(super) async fn keys_are_listed_with_their_versions(cx: Cx) {
    let store = cx.open().await;
    assert_eq!(list_all(&*store, "", 100).await, [], "an empty namespace");
    let mut saved = Vec::new();
    for key in ["b", "a", "ab", "c", "B"] {
        saved.push((key.to_owned(), put(&*store, key, key).await));
    }
    saved.sort_by(|(a, _), (b, _)| a.cmp(b));
    assert_eq!(list_all(&*store, "", 100).await, saved);
    for (key, version) in &mut saved {
        *version = put(&*store, key, "again").await;
    }
    assert_eq!(list_all(&*store, "", 100).await, saved, "after each was saved again");
}

pub(super) async fn keys_come_in_byte_order(cx: Cx) {
    let store = cx.open().await;
    // Byte order differs from that of dictionaries, of numbers, and (beyond U+FFFF) from that of UTF-16.
    let mut keys =
        ["10", "9", "a", "B", "b", "A", "é", "z", "_", "~", " ", "aa", "a\0", "a\u{1}", "\u{ffff}", "\u{10000}"];
    for key in keys {
        put(&*store, key, "v").await;
    }
    keys.sort_unstable();
    for limit in [1, 4, 1000] {
        let listed: Vec<String> = list_all(&*store, "", limit).await.into_iter().map(|(key, _)| key).collect();
        assert_eq!(listed, keys, "in pages of {limit}");
    }
}

pub(super) async fn a_prefix_is_literal(cx: Cx) {
    let store = cx.open().await;
    let keys = hard_keys();
    for key in &keys {
        put(&*store, key, "v").await;
    }
    let long = "x".repeat(1024);
    let prefixes =
        ["%", "_", "*", "?", "[", "\\", "k", "k%", "k_", "k*", "key", "K", "'", "{", "\0", "x", ".", "^", "$"];
    for prefix in prefixes.into_iter().chain(keys.iter().map(String::as_str)).chain(["", &long, "é", "no such"]) {
        let mut wanted: Vec<&String> = keys.iter().filter(|key| key.starts_with(prefix)).collect();
        wanted.sort();
        assert_eq!(keys_of(&*store, prefix).await.iter().collect::<Vec<_>>(), wanted, "prefix {prefix:?}");
    }
}

pub(super) async fn bad_queries_are_refused(cx: Cx) {
    let store = cx.open().await;
    put(&*store, "k", "v").await;
    for limit in [0, 1001, usize::MAX] {
        refused!(store.list(ListQuery::all().limit(limit)).await, Error::InvalidArgument { .. }, "a limit of {limit}");
    }
    for prefix in ["x".repeat(1025), "é".repeat(513)] {
        let len = prefix.len();
        refused!(store.list(ListQuery::prefix(prefix)).await, Error::InvalidArgument { .. }, "a prefix of {len} bytes");
    }
    let long = ListQuery::all().after("x".repeat(1025));
    refused!(store.list(long).await, Error::InvalidArgument { .. }, "an `after` of 1025 bytes");
    for limit in [1, 1000] {
        let page = store.list(ListQuery::prefix("k").after("k".repeat(1024)).limit(limit)).await;
        assert!(page.is_ok(), "all at their bounds: {page:?}");
    }
}

pub(super) async fn a_page_has_a_hundred_keys_unless_told(cx: Cx) {
    let store = cx.open().await;
    for i in 0..130 {
        put(&*store, &format!("k{i:03}"), "v").await;
    }
    let (mut query, mut listed, mut longest) = (ListQuery::all(), Vec::new(), 0);
    loop {
        let page = store.list(query).await.expect("list");
        longest = longest.max(page.keys.len());
        assert!(page.keys.len() <= 100, "{} keys on a page of the default size", page.keys.len());
        listed.extend(page.keys.into_iter().map(|key| key.key));
        let Some(next) = page.next else { break };
        assert!(listed.len() <= 130, "it goes on after {} of 130 keys", listed.len());
        query = ListQuery::all().after(next);
    }
    assert!(listed.iter().enumerate().all(|(i, key)| *key == format!("k{i:03}")) && listed.len() == 130, "{listed:?}");
    assert!(longest > 0, "all pages were empty");
}

/// Also where the number of keys is a multiple of the page.
pub(super) async fn pages_show_every_key_once(cx: Cx) {
    let store = cx.open().await;
    let mut keys: Vec<String> = (0..12).map(|i| format!("p/{i}")).collect();
    keys.sort();
    for key in keys.iter().map(String::as_str).chain(["a", "p", "p.", "p0", "q"]) {
        put(&*store, key, "v").await;
    }
    for limit in [1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 1000] {
        let listed: Vec<String> = list_all(&*store, "p/", limit).await.into_iter().map(|(key, _)| key).collect();
        assert_eq!(listed, keys, "in pages of {limit}");
    }
}

pub(super) async fn a_listing_goes_on_after_any_key(cx: Cx) {
    let store = cx.open().await;
    for key in ["a", "b", "d", "p/a", "p/c", "q"] {
        put(&*store, key, "v").await;
    }
    let list = async |query: ListQuery| {
        let page = store.list(query).await.expect("list");
        page.keys.into_iter().map(|key| key.key).collect::<Vec<_>>()
    };
    assert_eq!(list(ListQuery::all().after("b")).await, ["d", "p/a", "p/c", "q"], "`after` is exclusive");
    assert_eq!(list(ListQuery::all().after("c")).await, ["d", "p/a", "p/c", "q"], "after a key that is not there");
    assert_eq!(list(ListQuery::all().after("q")).await, [""; 0], "after the last");
    assert_eq!(list(ListQuery::prefix("p/").after("a")).await, ["p/a", "p/c"], "after a key before the prefix");
    assert_eq!(list(ListQuery::prefix("p/").after("p/b")).await, ["p/c"], "after a key within the prefix");
    assert_eq!(list(ListQuery::prefix("p/").after("q")).await, [""; 0], "after a key behind the prefix");
    assert_eq!(list(ListQuery::prefix("p/").after("p/a\0")).await, ["p/c"], "right after a key");
}

pub(super) async fn only_next_none_ends_a_listing(cx: Cx) {
    let store = cx.open().await;
    for key in ["a", "b", "c", "d"] {
        put(&*store, key, "v").await;
    }
    let page = store.list(ListQuery::all().limit(2)).await.expect("list");
    assert!(page.next.is_some(), "two of four keys were asked for, and the listing ends: {page:?}");
    let mut query = ListQuery::all().limit(1000);
    for _ in 0..100 {
        let page = store.list(query).await.expect("list");
        let Some(next) = page.next else { return };
        query = ListQuery::all().limit(1000).after(next);
    }
    panic!("a listing of four keys does not end");
}

pub(super) async fn deleted_keys_are_not_listed(cx: Cx) {
    let store = cx.open().await;
    for key in ["a", "b", "c", "d"] {
        put(&*store, key, "v").await;
    }
    assert!(store.delete("b", DeleteOptions::new()).await.is_ok_and(|existed| existed));
    assert_eq!(store.delete_many(&["d"]).await.ok(), Some(1));
    assert_eq!(keys_of(&*store, "").await, ["a", "c"]);
    put(&*store, "b", "v").await;
    assert_eq!(keys_of(&*store, "").await, ["a", "b", "c"], "after it was saved again");
}

/// An index that keeps what expired shows pages of nothing, and a caller who stops at one misses the rest.
pub(super) async fn the_expired_do_not_hide_the_living(cx: Cx) {
    let store = cx.open().await;
    let ttl = short_ttl(&*store) * 5;
    put(&*store, "a", "v").await;
    for i in 0..300 {
        put_with(&*store, &format!("k{i:03}"), "v", PLAIN.with_ttl(ttl)).await;
    }
    put(&*store, "z", "v").await;
    outlive(&cx, &*store, ttl).await;
    for limit in [1, 10, 1000] {
        let listed: Vec<String> = list_all(&*store, "", limit).await.into_iter().map(|(key, _)| key).collect();
        assert_eq!(listed, ["a", "z"], "in pages of {limit}");
    }
}

/// Keys before, at and behind the page's end come and go between the pages.
pub(super) async fn keys_that_stay_are_listed_once_whatever_comes_and_goes(cx: Cx) {
    let store = cx.open().await;
    let mut rng = cx.rng();
    for round in 0..6 {
        let limit = 1 + rng.usize(..4);
        let staying: BTreeSet<String> = (0..10).map(|i| format!("{round}/k{i}-stays")).collect();
        let passing = |i: usize| format!("{round}/k{i}-passes");
        for key in &staying {
            put(&*store, key, "v").await;
        }
        for i in (0..10).step_by(2) {
            put(&*store, &passing(i), "v").await;
        }
        let (prefix, mut listed, mut after) = (format!("{round}/"), Vec::new(), None::<String>);
        loop {
            let query = ListQuery::prefix(prefix.clone()).limit(limit);
            let page =
                store.list(after.iter().fold(query, |query, after| query.after(after.clone()))).await.expect("list");
            listed.extend(page.keys.into_iter().map(|key| key.key));
            let Some(next) = page.next else { break };
            assert!(after.as_ref() < Some(&next), "`next` does not go forward: {after:?} to {next:?}");
            // Among them the very key at which the next page begins.
            let _existed = store.delete(&passing(rng.usize(..10)), DeleteOptions::new()).await.expect("delete");
            if !staying.contains(&next) {
                let _existed = store.delete(&next, DeleteOptions::new()).await.expect("delete");
            }
            put(&*store, &passing(rng.usize(..10)), "v").await;
            put(&*store, staying.iter().nth(rng.usize(..10)).expect("ten stay"), "again").await;
            after = Some(next);
        }
        assert!(listed.is_sorted_by(|a, b| a < b), "out of order, or twice, in pages of {limit}: {listed:?}");
        let found: BTreeSet<String> = listed.into_iter().filter(|key| key.ends_with("stays")).collect();
        assert_eq!(found, staying, "in pages of {limit}");
    }
}

pub(super) async fn an_undeclared_list_is_unsupported(cx: Cx) {
    let store = cx.open().await;
    put(&*store, "k", "v").await;
    refused!(store.list(ListQuery::all()).await, Error::Unsupported { .. }, "list");
}
