//! Lifetimes.

use std::time::Duration;

use concurrency_core::{Bytes, Cache, Error, Expiry, Lookup, Ttl, clock::BootInstant};

use super::fixture::{
    Cx, HOUR, assert_expires_in, assert_holds, assert_missing, fill, left_of, longest, outlive, put, put_expired,
    put_for, refused, reserve, short_ttl, shown, value_of,
};

pub(super) async fn bad_lifetimes_are_refused(cx: Cx) {
    let cache = cx.open().await;
    put(&*cache, "k", "v").await;
    for bad in [Duration::ZERO, Ttl::MAX + Duration::from_nanos(1), Duration::MAX] {
        let expiry = Expiry::After(bad);
        refused!(cache.set("k", "new".into(), expiry).await, Error::InvalidArgument { .. }, "set with {bad:?}");
        refused!(cache.set("l", "new".into(), expiry).await, Error::InvalidArgument { .. }, "set with {bad:?}");
        let entries = ["k", "l"].map(|key| (key.to_owned(), Bytes::from("new")));
        for answer in cache.set_many(entries.into(), expiry).await {
            refused!(answer, Error::InvalidArgument { .. }, "an entry of set_many with {bad:?}");
        }
        if cache.capabilities().tickets {
            cache.remove("l").await.expect("remove");
            let ticket = reserve(&*cache, "l", HOUR).await;
            refused!(
                cache.fill(ticket, "new".into(), expiry).await,
                Error::InvalidArgument { .. },
                "fill with {bad:?}"
            );
        }
        assert_holds(&*cache, "k", "v", "after the refusals").await;
        assert_missing(&*cache, "l", "after the refusals").await;
    }
}

pub(super) async fn a_lifetime_beyond_the_longest_is_refused(cx: Cx) {
    let cache = cx.open().await;
    let longest = cache.capabilities().max_ttl.expect("the condition of this case");
    let ttl = (longest + Duration::from_millis(1)).min(Ttl::MAX);
    no_lifetime(&*cache, ttl, |error| matches!(error, Error::InvalidArgument { .. })).await;
}

pub(super) async fn an_undeclared_lifetime_is_unsupported(cx: Cx) {
    let cache = cx.open().await;
    for ttl in [Duration::from_nanos(1), HOUR, Ttl::MAX] {
        no_lifetime(&*cache, ttl, |error| matches!(error, Error::Unsupported { .. })).await;
    }
}

/// Every write with this lifetime is refused, and changes nothing.
async fn no_lifetime(cache: &dyn Cache, ttl: Duration, wanted: fn(&Error) -> bool) {
    put(cache, "k", "v").await;
    let expiry = Expiry::After(ttl);
    for key in ["k", "l"] {
        let answer = cache.set(key, "new".into(), expiry).await;
        assert!(answer.as_ref().is_err_and(wanted), "a set for {ttl:?}: {answer:?}");
    }
    let entries = ["k", "l"].map(|key| (key.to_owned(), Bytes::from("new")));
    for answer in cache.set_many(entries.into(), expiry).await {
        assert!(answer.as_ref().is_err_and(wanted), "an entry of set_many for {ttl:?}: {answer:?}");
    }
    if cache.capabilities().tickets {
        let ticket = reserve(cache, "l", HOUR).await;
        let answer = cache.fill(ticket, "new".into(), expiry).await;
        assert!(answer.as_ref().is_err_and(wanted), "a fill for {ttl:?}: {answer:?}");
        cache.remove("l").await.expect("remove");
    }
    assert_holds(cache, "k", "v", "after the refusals").await;
    assert_missing(cache, "l", "after the refusals").await;
}

pub(super) async fn a_lifetime_below_a_millisecond_is_one(cx: Cx) {
    let cache = cx.open().await;
    for ttl in [Duration::from_nanos(1), Duration::from_micros(999)] {
        put_for(&*cache, "k", "v", Expiry::After(ttl)).await;
        if cache.capabilities().remaining
            && let Some(cached) = cache.get_with_expiry("k").await.expect("get_with_expiry")
        {
            let left = cached.expires_in.expect("it was given a lifetime");
            assert!(left <= longest(&cache.capabilities(), Duration::from_millis(1)), "{left:?} left of {ttl:?}");
        }
        outlive(&cx, &*cache, Duration::from_millis(1)).await;
        assert_missing(&*cache, "k", &format!("after {ttl:?}")).await;
    }
}

pub(super) async fn long_lifetimes_are_accepted(cx: Cx) {
    let cache = cx.open().await;
    let longest = cache.capabilities().max_ttl.unwrap_or_default().min(Ttl::MAX);
    for days in [30, 31, 3652] {
        let ttl = Duration::from_secs(86_400 * days).min(longest);
        let set = BootInstant::now();
        put_for(&*cache, "k", "v", Expiry::After(ttl)).await;
        assert_holds(&*cache, "k", "v", &format!("set for {ttl:?}")).await;
        if cache.capabilities().remaining {
            assert_expires_in(&*cache, "k", ttl, set, "a long lifetime").await;
        }
    }
}

/// Each value is asked for until it is gone: not before its time, and not after it.
pub(super) async fn nothing_expires_early_or_lives_long(cx: Cx) {
    let cache = cx.open().await;
    let declared = cache.capabilities();
    let short = short_ttl(&declared);
    for (i, ttl) in [short, short + Duration::from_micros(400), short * 2].into_iter().enumerate() {
        let key = format!("k{i}");
        let before = BootInstant::now();
        put_for(&*cache, &key, "v", Expiry::After(ttl)).await;
        let set = BootInstant::now();
        let step = Duration::from_micros(500);
        cx.sleep(ttl.saturating_sub(BootInstant::now().since(before)).saturating_sub(step * 4)).await;
        loop {
            let asked = BootInstant::now();
            let value = value_of(&*cache, &key).await;
            let answered = BootInstant::now();
            if value.is_none() {
                let lived = answered.since(before);
                assert!(lived >= ttl, "expired early: {lived:?} after a set for {ttl:?}");
                break;
            }
            let lives = asked.since(set);
            assert!(lives < longest(&declared, ttl), "still there {lives:?} after a set for {ttl:?}");
            cx.sleep(step).await;
        }
    }
}

/// At the deadline itself a value is expired, so no answer says that nothing is left.
pub(super) async fn a_value_that_is_answered_has_some_time_left(cx: Cx) {
    let cache = cx.open().await;
    let ttl = short_ttl(&cache.capabilities());
    put_for(&*cache, "k", "v", Expiry::After(ttl)).await;
    cx.sleep(ttl - Duration::from_millis(2)).await;
    let mut last = ttl + cache.capabilities().ttl_granularity;
    while let Some(cached) = cache.get_with_expiry("k").await.expect("get_with_expiry") {
        let left = cached.expires_in.expect("it was given a lifetime");
        assert!(!left.is_zero(), "a value with nothing left of its lifetime was answered");
        assert!(left <= last, "{left:?} left after {last:?}");
        last = left;
        cx.sleep(Duration::from_micros(500)).await;
    }
}

/// Each method is the first that comes upon an expired value: another may sweep it away.
pub(super) async fn an_expired_value_is_missing_everywhere(cx: Cx) {
    let cache = cx.open().await;
    let keys = ["get", "get_many", "contains", "get_with_expiry", "remove", "remove_many"];
    put_expired(&cx, &*cache, &keys).await;
    assert_eq!(value_of(&*cache, "get").await, None, "expired: get");
    assert_eq!(cache.get_many(&["get_many", "none"]).await.ok(), Some(vec![None, None]), "expired: get_many");
    assert_eq!(cache.contains("contains").await.ok(), Some(false), "expired: contains");
    if cache.capabilities().remaining {
        let cached = cache.get_with_expiry("get_with_expiry").await;
        assert!(matches!(cached, Ok(None)), "expired: get_with_expiry: {}", shown(&cached));
    }
    assert!(matches!(cache.remove("remove").await, Ok(false)), "an expired value counted as removed");
    assert_eq!(cache.remove_many(&["remove_many"]).await.ok(), Some(0), "an expired value counted as removed");
    for key in keys {
        assert_missing(&*cache, key, "expired").await;
    }
}

pub(super) async fn an_expired_value_can_be_reserved(cx: Cx) {
    let cache = cx.open().await;
    put_expired(&cx, &*cache, &["k"]).await;
    let ticket = reserve(&*cache, "k", HOUR).await;
    assert!(fill(&*cache, ticket, "new").await, "fill over an expired value");
    assert_holds(&*cache, "k", "new", "after a fill over an expired value").await;
}

pub(super) async fn the_default_lifetime_is_the_declared_one(cx: Cx) {
    let cache = cx.open().await;
    let declared = cache.capabilities();
    let set = BootInstant::now();
    put_for(&*cache, "set", "v", Expiry::Default).await;
    let answers = cache.set_many(vec![("set_many".into(), "v".into())], Expiry::Default).await;
    assert!(answers[0].is_ok(), "set_many: {}", shown(&answers[0]));
    let mut keys = vec!["set", "set_many"];
    if declared.tickets {
        let ticket = reserve(&*cache, "fill", HOUR).await;
        let filled = cache.fill(ticket, "v".into(), Expiry::Default).await;
        assert!(matches!(filled, Ok(true)), "fill: {}", shown(&filled));
        keys.push("fill");
    }
    for key in keys {
        assert_holds(&*cache, key, "v", "with the default lifetime").await;
        match declared.default_ttl {
            Some(ttl) if declared.remaining => assert_expires_in(&*cache, key, ttl, set, "by default").await,
            None if declared.remaining => assert_eq!(left_of(&*cache, key).await, None, "{key}: expires by default"),
            _ => {}
        }
    }
    // Where there is none, nothing ends it however long one waits; a little is what a test has.
    if declared.default_ttl.is_none() {
        cx.sleep(short_ttl(&declared) * 3).await;
        assert_holds(&*cache, "set", "v", "after a while").await;
    }
}

pub(super) async fn a_set_replaces_the_lifetime(cx: Cx) {
    let cache = cx.open().await;
    let ttl = short_ttl(&cache.capabilities());
    for key in ["never", "longer"] {
        put_for(&*cache, key, "old", Expiry::After(ttl)).await;
    }
    put_for(&*cache, "never", "new", Expiry::Never).await;
    put_for(&*cache, "longer", "new", Expiry::After(HOUR)).await;
    put_for(&*cache, "shorter", "old", Expiry::Never).await;
    put_for(&*cache, "shorter", "new", Expiry::After(ttl)).await;
    outlive(&cx, &*cache, ttl).await;
    assert_holds(&*cache, "never", "new", "a value without an end over one with an end").await;
    assert_holds(&*cache, "longer", "new", "a long lifetime over a short one").await;
    assert_missing(&*cache, "shorter", "a short lifetime over none").await;
}

pub(super) async fn each_entry_of_a_batch_gets_the_lifetime(cx: Cx) {
    let cache = cx.open().await;
    let ttl = short_ttl(&cache.capabilities());
    put(&*cache, "b", "old").await;
    let entries = ["a", "b", "c"].map(|key| (key.to_owned(), Bytes::from("v"))).to_vec();
    for answer in cache.set_many(entries, Expiry::After(ttl)).await {
        assert!(answer.is_ok(), "set_many: {}", shown(&answer));
    }
    outlive(&cx, &*cache, ttl).await;
    for key in ["a", "b", "c"] {
        assert_missing(&*cache, key, "after the lifetime of its batch").await;
    }
}

pub(super) async fn a_fill_gives_its_lifetime(cx: Cx) {
    let cache = cx.open().await;
    let ttl = short_ttl(&cache.capabilities());
    let before = BootInstant::now();
    for (key, expiry) in [("short", Expiry::After(ttl)), ("never", Expiry::Never)] {
        let ticket = reserve(&*cache, key, HOUR).await;
        let filled = cache.fill(ticket, "v".into(), expiry).await;
        assert!(matches!(filled, Ok(true)), "fill: {}", shown(&filled));
    }
    if value_of(&*cache, "short").await.is_none() {
        assert!(BootInstant::now().since(before) >= ttl, "a filled value expired early");
    }
    outlive(&cx, &*cache, ttl).await;
    assert_missing(&*cache, "short", "after its lifetime").await;
    assert_holds(&*cache, "never", "v", "without an end").await;
}

pub(super) async fn what_is_left_of_a_lifetime_shrinks(cx: Cx) {
    let cache = cx.open().await;
    assert!(cache.get_with_expiry("k").await.expect("get_with_expiry").is_none(), "a missing key");
    let set = BootInstant::now();
    put_for(&*cache, "k", "v", Expiry::After(HOUR)).await;
    let granularity = cache.capabilities().ttl_granularity;
    let mut last = HOUR + granularity * 2;
    for _ in 0..3 {
        assert_expires_in(&*cache, "k", HOUR, set, "a lifetime of an hour").await;
        let left = left_of(&*cache, "k").await.expect("it was given a lifetime");
        assert!(left < last, "{left:?} left after {last:?}");
        last = left;
        cx.sleep(granularity.max(Duration::from_millis(20)) * 2).await;
    }
    put(&*cache, "k", "v").await;
    assert_eq!(left_of(&*cache, "k").await, None, "what never expires");
}

pub(super) async fn what_is_left_is_not_told_where_it_is_not_declared(cx: Cx) {
    let cache = cx.open().await;
    put_for(&*cache, "k", "v", Expiry::After(HOUR)).await;
    refused!(cache.get_with_expiry("k").await, Error::Unsupported { .. }, "get_with_expiry");
    assert_holds(&*cache, "k", "v", "after the refusal").await;
}

/// What expired is gone for good: no later call, and no sweeping, brings it back.
pub(super) async fn what_expired_does_not_come_back(cx: Cx) {
    let cache = cx.open().await;
    put_expired(&cx, &*cache, &["k", "l"]).await;
    // Enough writes for whatever sweeps now and then.
    let others: Vec<String> = (0..1500).map(|i| format!("other{i}")).collect();
    for batch in others.chunks(100) {
        let entries = batch.iter().map(|key| (key.clone(), Bytes::from("v"))).collect();
        for answer in cache.set_many(entries, Expiry::After(HOUR)).await {
            assert!(answer.is_ok(), "set_many: {}", shown(&answer));
        }
    }
    assert_missing(&*cache, "k", "after later writes").await;
    if cache.capabilities().tickets {
        let lookup = cache.get_or_reserve("l", HOUR).await;
        assert!(matches!(lookup, Ok(Lookup::Reserved(_))), "get_or_reserve: {}", shown(&lookup));
    }
    for key in others.iter().step_by(30) {
        assert_holds(&*cache, key, "v", "beside expired values").await;
    }
}
