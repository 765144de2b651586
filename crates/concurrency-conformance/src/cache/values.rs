//! Values, the order of checks, and errors.

use std::time::Duration;

use concurrency_core::{Bytes, Error, Expiry, Lookup, Outcome, Ttl};

use super::fixture::{Cx, HOUR, LARGEST_TRIED, assert_holds, assert_missing, put, refused, reserve, shown};
use crate::state::inputs::hard_values;

pub(super) async fn bytes_come_back_as_written(cx: Cx) {
    let cache = cx.open().await;
    for (i, value) in hard_values(&mut cx.rng()).into_iter().enumerate() {
        let key = format!("k{i}");
        cache.set(&key, value.clone(), Expiry::Never).await.unwrap_or_else(|e| panic!("set of value {i}: {e}"));
        assert_eq!(cache.get(&key).await.ok(), Some(Some(value.clone())), "get of value {i}, {} bytes", value.len());
        let many = cache.get_many(&[&key, "none"]).await.unwrap_or_else(|e| panic!("get_many of value {i}: {e}"));
        assert_eq!(many, [Some(value), None], "get_many of value {i}");
    }
}

pub(super) async fn an_empty_value_is_present(cx: Cx) {
    let cache = cx.open().await;
    put(&*cache, "k", "").await;
    assert_holds(&*cache, "k", "", "after an empty value was set").await;
    if cache.capabilities().tickets {
        let lookup = cache.get_or_reserve("k", HOUR).await;
        assert!(matches!(&lookup, Ok(Lookup::Hit(value)) if value.is_empty()), "get_or_reserve: {}", shown(&lookup));
    }
    assert!(matches!(cache.remove("k").await, Ok(true)), "an empty value did not count as present");
}

pub(super) async fn the_largest_value_fits(cx: Cx) {
    let cache = cx.open().await;
    let value = Bytes::from(vec![0xa5; cache.capabilities().max_value]);
    for key in ["k", &"k".repeat(1024)] {
        cache.set(key, value.clone(), Expiry::Never).await.unwrap_or_else(|e| panic!("set of the largest value: {e}"));
        let got = cache.get(key).await.expect("get");
        assert!(got.as_ref() == Some(&value), "the largest value came back as {:?} bytes", got.map(|got| got.len()));
        assert!(matches!(cache.remove(key).await, Ok(true)), "remove of the largest value");
    }
}

pub(super) async fn a_larger_value_is_refused_and_the_old_one_stays(cx: Cx) {
    let cache = cx.open().await;
    let limit = cache.capabilities().max_value;
    let large = Bytes::from(vec![0; limit + 1]);
    let answer = cache.set("new", large.clone(), Expiry::Never).await;
    refused!(answer, Error::ValueTooLarge { size, limit: said } if size == limit + 1 && said == limit, "one byte more");
    assert_missing(&*cache, "new", "after a refused set").await;
    put(&*cache, "old", "v").await;
    refused!(cache.set("old", large.clone(), Expiry::Never).await, Error::ValueTooLarge { .. }, "over an older value");
    assert_holds(&*cache, "old", "v", "after a refused set").await;
    let entries = [("a", Bytes::from("v")), ("old", large), ("b", Bytes::from("v"))];
    let answers = cache.set_many(entries.map(|(key, value)| (key.to_owned(), value)).into(), Expiry::Never).await;
    assert_eq!(answers.len(), 3, "an answer for each entry");
    refused!(&answers[1], Error::ValueTooLarge { .. }, "the large entry");
    assert!(answers[0].is_ok() && answers[2].is_ok(), "the entries beside a large one: {answers:?}");
    for key in ["a", "b", "old"] {
        assert_holds(&*cache, key, "v", "after a batch with a large entry").await;
    }
}

pub(super) async fn a_larger_value_fills_nothing(cx: Cx) {
    let cache = cx.open().await;
    let ticket = reserve(&*cache, "k", HOUR).await;
    let large = Bytes::from(vec![0; cache.capabilities().max_value + 1]);
    refused!(cache.fill(ticket, large, Expiry::Never).await, Error::ValueTooLarge { .. }, "fill");
    assert_missing(&*cache, "k", "after a refused fill").await;
}

pub(super) async fn the_first_failed_check_is_reported(cx: Cx) {
    let cache = cx.open().await;
    let limit = cache.capabilities().max_value;
    let large = if limit <= LARGEST_TRIED { Bytes::from(vec![0; limit + 1]) } else { Bytes::new() };
    let timeless = Expiry::After(Duration::ZERO);
    refused!(cache.set("", large.clone(), timeless).await, Error::InvalidKey { .. }, "key, TTL and size");
    refused!(cache.set("k", large.clone(), timeless).await, Error::InvalidArgument { .. }, "TTL and size");
    let answers = cache.set_many(vec![(String::new(), large.clone()), ("k".into(), large.clone())], timeless).await;
    refused!(&answers[0], Error::InvalidKey { .. }, "set_many: key, TTL and size");
    refused!(&answers[1], Error::InvalidArgument { .. }, "set_many: TTL and size");
    if cache.capabilities().tickets {
        refused!(cache.get_or_reserve("", Duration::ZERO).await, Error::InvalidKey { .. }, "key and hold");
        let ticket = reserve(&*cache, "k", HOUR).await;
        refused!(cache.fill(ticket, large, timeless).await, Error::InvalidArgument { .. }, "fill: TTL and size");
    }
    assert_missing(&*cache, "k", "after the refusals").await;
}

pub(super) async fn refusals_were_not_applied_and_say_so(cx: Cx) {
    let cache = cx.open().await;
    put(&*cache, "k", "v").await;
    let over = Expiry::After(Ttl::MAX + Duration::from_nanos(1));
    let refusals = [
        cache.set("", "new".into(), Expiry::Never).await.err(),
        cache.set("k", "new".into(), over).await.err(),
        cache.get("").await.err(),
        cache.remove_many(&["k", "k"]).await.err(),
    ];
    for refusal in refusals {
        let error = refusal.expect("a refusal");
        assert_eq!(error.outcome(), Outcome::NotApplied, "{error:?}");
        assert!(!error.is_retryable(), "{error:?} says that the same call may succeed later");
    }
    assert_holds(&*cache, "k", "v", "after the refusals").await;
}

pub(super) async fn no_value_or_ticket_shows_in_errors_or_debug(cx: Cx) {
    let cache = cx.open().await;
    let secret = "hunter2-".repeat(8);
    put(&*cache, "k", &secret).await;
    let mut seen = vec![format!("{cache:?}")];
    let value = || Bytes::from(secret.clone());
    let timeless = Expiry::After(Duration::ZERO);
    seen.push(format!("{:?}", cache.set("", value(), Expiry::Never).await));
    seen.push(format!("{:?}", cache.set("k", value(), timeless).await));
    seen.push(format!("{:?}", cache.set_many(vec![("k".into(), value()), ("k".into(), value())], timeless).await));
    if cache.capabilities().remaining {
        seen.push(format!("{:?}", cache.get_with_expiry("k").await));
    }
    if cache.capabilities().tickets {
        seen.push(format!("{:?}", cache.get_or_reserve("k", HOUR).await));
        let ticket = reserve(&*cache, "l", HOUR).await;
        seen.push(format!("{:?}", cache.fill(ticket, value(), timeless).await));
    }
    for text in seen {
        assert!(!text.contains("hunter2"), "a value shows: {text}");
    }
}
