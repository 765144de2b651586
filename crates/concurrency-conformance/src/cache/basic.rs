//! Reading, writing, removing, clearing.

use concurrency_core::{Bytes, Error, Expiry};

use super::fixture::{Cx, assert_holds, assert_missing, put, put_expired, refused, shown};

fn entries(of: &[(&str, &str)]) -> Vec<(String, Bytes)> {
    of.iter().map(|(key, value)| ((*key).to_owned(), Bytes::copy_from_slice(value.as_bytes()))).collect()
}

pub(super) async fn get_answers_what_was_set(cx: Cx) {
    let cache = cx.open().await;
    assert_missing(&*cache, "k", "before anything was set").await;
    for value in ["first", "second", "", "third"] {
        put(&*cache, "k", value).await;
        assert_holds(&*cache, "k", value, "after its set").await;
    }
    assert_missing(&*cache, "l", "beside another key").await;
}

pub(super) async fn get_many_answers_in_request_order(cx: Cx) {
    let cache = cx.open().await;
    for (key, value) in [("a", "1"), ("b", "2"), ("c", "")] {
        put(&*cache, key, value).await;
    }
    let asked = ["c", "none", "a", "b", "a", "none"];
    let answers = cache.get_many(&asked).await.expect("get_many");
    let wanted = [Some(""), None, Some("1"), Some("2"), Some("1"), None].map(|value| value.map(Bytes::from));
    assert_eq!(answers, wanted, "get_many of {asked:?}");
    assert_eq!(cache.get_many(&[]).await.ok(), Some(Vec::new()), "get_many of nothing");
    let many: Vec<String> = (0..500).map(|i| format!("k{i}")).collect();
    for key in many.iter().step_by(3) {
        put(&*cache, key, key).await;
    }
    let asked: Vec<&str> = many.iter().map(String::as_str).collect();
    for (i, answer) in cache.get_many(&asked).await.expect("get_many").into_iter().enumerate() {
        assert_eq!(answer, (i % 3 == 0).then(|| Bytes::from(many[i].clone())), "get_many: {}", many[i]);
    }
}

pub(super) async fn contains_answers_whether_there_is_a_value(cx: Cx) {
    let cache = cx.open().await;
    assert_eq!(cache.contains("k").await.ok(), Some(false), "before the set");
    put(&*cache, "k", "v").await;
    assert_eq!(cache.contains("k").await.ok(), Some(true), "after the set");
    assert_eq!(cache.contains("K").await.ok(), Some(false), "another key");
    assert!(matches!(cache.remove("k").await, Ok(true)), "remove");
    assert_eq!(cache.contains("k").await.ok(), Some(false), "after the removal");
}

pub(super) async fn set_many_answers_in_request_order(cx: Cx) {
    let cache = cx.open().await;
    assert!(cache.set_many(Vec::new(), Expiry::Never).await.is_empty(), "set_many of nothing");
    put(&*cache, "b", "old").await;
    let long = "x".repeat(1025);
    let batch = entries(&[("a", "1"), ("", "bad"), ("b", "2"), (&long, "bad"), ("c", "3")]);
    let answers = cache.set_many(batch, Expiry::Never).await;
    let good: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(good, [true, false, true, false, true], "the answers are {answers:?}");
    refused!(&answers[1], Error::InvalidKey { len: 0 }, "the empty key");
    refused!(&answers[3], Error::InvalidKey { len: 1025 }, "the long key");
    for (key, value) in [("a", "1"), ("b", "2"), ("c", "3")] {
        assert_holds(&*cache, key, value, "after set_many").await;
    }
    let many: Vec<String> = (0..300).map(|i| format!("k{i}")).collect();
    let batch = many.iter().map(|key| (key.clone(), Bytes::from(key.clone()))).collect();
    let answers = cache.set_many(batch, Expiry::Never).await;
    assert!(answers.len() == 300 && answers.iter().all(Result::is_ok), "a batch of 300");
    for key in &many {
        assert_eq!(cache.get(key).await.ok().flatten(), Some(Bytes::from(key.clone())), "{key} of a batch of 300");
    }
}

pub(super) async fn a_repeated_key_refuses_the_whole_batch(cx: Cx) {
    let cache = cx.open().await;
    put(&*cache, "a", "old").await;
    let batch = entries(&[("a", "1"), ("b", "2"), ("a", "3")]);
    let answers = cache.set_many(batch, Expiry::Never).await;
    assert_eq!(answers.len(), 3, "an answer for each entry");
    for answer in &answers {
        refused!(answer, Error::InvalidArgument { .. }, "an entry of a batch with a repeated key");
    }
    assert_holds(&*cache, "a", "old", "after the refusal").await;
    assert_missing(&*cache, "b", "after the refusal").await;
    refused!(cache.remove_many(&["b", "a", "b"]).await, Error::InvalidArgument { .. }, "remove_many");
    assert_holds(&*cache, "a", "old", "after the refusal").await;
}

pub(super) async fn remove_answers_whether_there_was_a_value(cx: Cx) {
    let cache = cx.open().await;
    assert!(matches!(cache.remove("k").await, Ok(false)), "nothing to remove");
    put(&*cache, "k", "v").await;
    put(&*cache, "l", "v").await;
    assert!(matches!(cache.remove("k").await, Ok(true)), "a value to remove");
    assert_missing(&*cache, "k", "after its removal").await;
    assert_holds(&*cache, "l", "v", "after the removal of another").await;
    assert!(matches!(cache.remove("k").await, Ok(false)), "removed before");
    put(&*cache, "k", "again").await;
    assert_holds(&*cache, "k", "again", "set after its removal").await;
}

pub(super) async fn remove_many_answers_how_many_there_were(cx: Cx) {
    let cache = cx.open().await;
    for key in ["a", "b", "c"] {
        put(&*cache, key, "v").await;
    }
    assert_eq!(cache.remove_many(&[]).await.ok(), Some(0), "remove_many of nothing");
    assert_eq!(cache.remove_many(&["a", "none", "b"]).await.ok(), Some(2), "two of three");
    for key in ["a", "b"] {
        assert_missing(&*cache, key, "after its removal").await;
    }
    assert_holds(&*cache, "c", "v", "not asked for").await;
    assert_eq!(cache.remove_many(&["a", "c"]).await.ok(), Some(1), "one of two");
}

pub(super) async fn remove_many_does_not_count_what_expired(cx: Cx) {
    let cache = cx.open().await;
    put_expired(&cx, &*cache, &["a", "b"]).await;
    put(&*cache, "c", "v").await;
    assert_eq!(cache.remove_many(&["a", "b", "c"]).await.ok(), Some(1), "one live value among three");
}

pub(super) async fn clear_empties_the_namespace(cx: Cx) {
    let cache = cx.open().await;
    cache.clear().await.expect("clear of nothing");
    let keys: Vec<String> = (0..300).map(|i| format!("k{i}")).collect();
    for key in &keys {
        put(&*cache, key, "old").await;
    }
    cache.clear().await.expect("clear");
    let asked: Vec<&str> = keys.iter().map(String::as_str).collect();
    let left = cache.get_many(&asked).await.expect("get_many");
    assert!(left.iter().all(Option::is_none), "{} values after a clear", left.iter().flatten().count());
    for key in &keys[..20] {
        assert_missing(&*cache, key, "after a clear").await;
        assert!(matches!(cache.remove(key).await, Ok(false)), "remove of {key} after a clear");
    }
    put(&*cache, "k0", "new").await;
    assert_holds(&*cache, "k0", "new", "set after a clear").await;
    assert_missing(&*cache, "k1", "beside a value set after a clear").await;
}

pub(super) async fn clear_leaves_other_namespaces(cx: Cx) {
    let here = cx.open().await;
    let mut others = Vec::new();
    for name in ["a", "b", "a1", "a.b"] {
        let other = cx.other_namespace(name).await;
        put(&*other, "k", name).await;
        others.push((name, other));
    }
    put(&*here, "k", "here").await;
    here.clear().await.expect("clear");
    assert_missing(&*here, "k", "after a clear").await;
    for (name, other) in &others {
        assert_holds(&**other, "k", name, &format!("in {name:?} after a clear of another namespace")).await;
    }
    // One whose name begins like others.
    others[0].1.clear().await.expect("clear");
    assert_missing(&*others[0].1, "k", "after a clear").await;
    for (name, other) in &others[1..] {
        assert_holds(&**other, "k", name, &format!("in {name:?} after a clear of \"a\"")).await;
    }
}

pub(super) async fn a_backend_declares_what_its_caches_do(cx: Cx) {
    let declared = cx.open().await.capabilities();
    assert_eq!(cx.client().await.backend().capabilities().cache, Some(declared));
}

pub(super) async fn bounds_are_declared(cx: Cx) {
    let declared = cx.open().await.capabilities();
    assert!(declared.max_value >= 1, "{declared:?}");
    assert!(declared.max_ttl.is_none_or(|longest| !longest.is_zero()), "{declared:?}");
    assert!(!declared.ttl_granularity.is_zero() || declared.max_ttl.is_none(), "{declared:?}");
    let default_fits = match (declared.default_ttl, declared.max_ttl) {
        (Some(default), Some(longest)) => !default.is_zero() && default <= longest,
        (Some(_), None) => false,
        (None, _) => true,
    };
    assert!(default_fits, "{declared:?}");
    let again = cx.other_client().await.capabilities();
    assert_eq!(shown(&Ok(declared)), shown(&Ok(again)), "two clients of one cache");
}
