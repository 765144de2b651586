//! What `TypedCache` promises, over the cache that is under test.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use concurrency_core::{Cache, Error, Expiry, OnError, TypedCache};

use super::fixture::{Cx, HOUR, assert_missing, left_of, longest, outlive, put, refused, short_ttl};
use crate::state::inputs::bad_keys;

async fn numbers(cx: &Cx) -> TypedCache<u32> {
    TypedCache::new(cx.open().await)
}

async fn load(value: u32) -> Result<u32, io::Error> {
    Ok(value)
}

async fn never_polled() -> Result<u32, io::Error> {
    panic!("the loader was polled")
}

async fn refuses() -> Result<u32, io::Error> {
    Err(io::Error::other("away"))
}

pub(super) async fn a_loader_is_polled_on_a_miss_only(cx: Cx) {
    let cache = numbers(&cx).await;
    assert_eq!(cache.get("k").await.expect("get"), None);
    assert_eq!(*cache.get_or_load("k", load(7)).await.expect("get_or_load"), 7);
    assert_eq!(*cache.get_or_load("k", never_polled()).await.expect("get_or_load"), 7);
    let other = TypedCache::<u32>::new(cx.other_client().await);
    assert_eq!(*other.get_or_load("k", never_polled()).await.expect("get_or_load"), 7);
    let counts = cache.counts();
    assert_eq!((counts.hits, counts.misses, counts.loads), (1, 2, 1), "{counts:?}");
}

/// Where a load would be stored under no key, nothing is loaded; also where failures of the cache are misses.
pub(super) async fn a_bad_key_polls_no_loader(cx: Cx) {
    let cache = numbers(&cx).await;
    for cache in [cache.clone(), cache.on_error(OnError::Miss)] {
        for bad in bad_keys() {
            let len = bad.len();
            refused!(cache.get_or_load(&bad, never_polled()).await, Error::InvalidKey { .. }, "load, {len} bytes");
            refused!(cache.get(&bad).await, Error::InvalidKey { .. }, "get, {len} bytes");
            refused!(cache.set(&bad, &7).await, Error::InvalidKey { .. }, "set, {len} bytes");
            refused!(cache.remove(&bad).await, Error::InvalidKey { .. }, "remove, {len} bytes");
        }
    }
}

/// Callers of one process, or of one process each, miss together.
async fn loads_once(caches: Vec<TypedCache<u32>>) {
    let loads = Arc::new(AtomicU32::new(0));
    let mut callers = tokio::task::JoinSet::new();
    for (i, cache) in caches.into_iter().enumerate() {
        let loads = Arc::clone(&loads);
        callers.spawn(async move {
            let load = async {
                loads.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok::<_, io::Error>(u32::try_from(i).expect("few"))
            };
            *cache.get_or_load("k", load).await.expect("get_or_load")
        });
    }
    let mut seen = Vec::new();
    while let Some(caller) = callers.join_next().await {
        seen.push(caller.expect("a caller ends"));
    }
    assert_eq!(loads.load(Ordering::Relaxed), 1, "loads for one key");
    assert!(seen.iter().all(|value| *value == seen[0]), "the answers were {seen:?}");
}

pub(super) async fn one_load_for_all_callers_of_a_process(cx: Cx) {
    loads_once(vec![numbers(&cx).await; 20]).await;
}

pub(super) async fn one_load_for_all_processes(cx: Cx) {
    let mut processes = Vec::new();
    for _ in 0..4 {
        processes.push(TypedCache::new(cx.other_client().await));
    }
    loads_once(processes).await;
}

pub(super) async fn a_loaders_error_reaches_all_and_nobody_waits_for_it(cx: Cx) {
    let cache = numbers(&cx).await;
    let (leads, led) = tokio::sync::oneshot::channel();
    let failing = async {
        leads.send(()).expect("the case waits");
        // The other one has missed, too, and follows.
        cx.eventually("a second miss", Duration::from_secs(10), async || (cache.counts().misses == 2).then_some(()))
            .await;
        refuses().await
    };
    let following = async {
        led.await.expect("the leader leads");
        cache.get_or_load("k", never_polled()).await
    };
    let (leader, follower) = tokio::join!(cache.get_or_load("k", failing), following);
    for answer in [leader, follower] {
        let error = answer.expect_err("the loader failed");
        assert_eq!(error.load_error::<io::Error>().map(ToString::to_string).as_deref(), Some("away"), "{error:?}");
    }
    assert_missing(&**cache.shared(), "k", "after a failed load").await;
    // Long before the reservation of the failed load lapses.
    let other = TypedCache::<u32>::new(cx.other_client().await);
    let next = tokio::time::timeout(Duration::from_secs(10), other.get_or_load("k", load(8))).await;
    assert_eq!(*next.expect("nobody is loading").expect("get_or_load"), 8);
}

pub(super) async fn a_dropped_leader_hands_over(cx: Cx) {
    for panics in [false, true] {
        let cache = numbers(&cx).await;
        let key = format!("panics {panics}");
        let (leads, led) = tokio::sync::oneshot::channel();
        let leader = tokio::spawn({
            let (cache, key) = (cache.clone(), key.clone());
            async move {
                let load = async {
                    leads.send(()).expect("the case waits");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    assert!(!panics, "a panicking loader");
                    std::future::pending::<Result<u32, io::Error>>().await
                };
                cache.get_or_load(&key, load).await
            }
        });
        led.await.expect("the leader leads");
        let follower = tokio::spawn({
            let (cache, key) = (cache.clone(), key.clone());
            async move { cache.get_or_load(&key, load(2)).await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        if !panics {
            leader.abort();
        }
        let followed = tokio::time::timeout(Duration::from_secs(10), follower).await.expect("the turn is passed on");
        assert_eq!(*followed.expect("the follower ends").expect("get_or_load"), 2, "panics {panics}");
        assert!(leader.await.is_err(), "the leader answered");
        assert_eq!(cache.get(&key).await.expect("get").as_deref(), Some(&2), "what the follower loaded");
    }
}

pub(super) async fn the_near_tier_is_never_older_than_it_says(cx: Cx) {
    let staleness = Duration::from_millis(200);
    let near = numbers(&cx).await.with_near(10, staleness);
    let other = TypedCache::<u32>::new(cx.other_client().await);
    near.set("k", &1).await.expect("set");
    assert_eq!(near.get("k").await.expect("get").as_deref(), Some(&1));
    other.set("k", &2).await.expect("set");
    cx.sleep(staleness).await;
    assert_eq!(near.get("k").await.expect("get").as_deref(), Some(&2), "older than the near tier says");
    near.set("k", &3).await.expect("set");
    assert_eq!(near.get("k").await.expect("get").as_deref(), Some(&3), "after a set of its own");
    assert!(near.remove("k").await.expect("remove"));
    assert_eq!(near.get("k").await.expect("get"), None, "after a removal of its own");
    near.get_or_load("k", load(4)).await.expect("get_or_load");
    near.clear().await.expect("clear");
    assert_eq!(near.get("k").await.expect("get"), None, "after a clear of its own");
}

pub(super) async fn an_old_value_is_served_if_the_loader_fails(cx: Cx) {
    let shared = cx.open().await;
    let ttl = short_ttl(&shared.capabilities());
    let stale_for = ttl * 20;
    let cache = TypedCache::<u32>::new(Arc::clone(&shared)).with_expiry(ttl).with_stale_if_error(stale_for);
    cache.set("k", &1).await.expect("set");
    let left = left_of(&*shared, "k").await.expect("it was given a lifetime");
    assert!(left > stale_for && left <= longest(&shared.capabilities(), ttl + stale_for), "{left:?} of {ttl:?}");
    outlive(&cx, &*shared, ttl).await;
    assert_eq!(cache.get("k").await.expect("get"), None, "past its time");
    assert_eq!(*cache.get_or_load("k", refuses()).await.expect("the old value"), 1);
    assert_eq!(cache.counts().stale_served, 1);
    assert_eq!(*cache.get_or_load("k", load(2)).await.expect("get_or_load"), 2);
    assert_eq!(cache.get("k").await.expect("get").as_deref(), Some(&2), "the new value");
    refused!(cache.get_or_load("none", refuses()).await, Error::Load { .. }, "without an old value");
}

pub(super) async fn jitter_only_shortens(cx: Cx) {
    let cache = numbers(&cx).await.with_expiry(HOUR).with_jitter(0.5);
    let mut lifetimes = Vec::new();
    for i in 0..30 {
        let key = format!("k{i}");
        cache.set(&key, &1).await.expect("set");
        lifetimes.push(left_of(&**cache.shared(), &key).await.expect("it was given a lifetime"));
    }
    let bound = longest(&cache.shared().capabilities(), HOUR);
    let slack = cache.shared().capabilities().ttl_granularity + Duration::from_secs(60);
    assert!(lifetimes.iter().all(|left| *left <= bound && *left + slack >= HOUR / 2), "{lifetimes:?}");
    let (least, most) = (lifetimes.iter().min(), lifetimes.iter().max());
    assert!(most > least, "all alike: {lifetimes:?}");
}

pub(super) async fn bytes_of_another_kind_are_an_error_and_stay(cx: Cx) {
    let cache = numbers(&cx).await;
    put(&**cache.shared(), "k", "\"hunter2\"").await;
    let error = cache.get("k").await.expect_err("bytes that are no number");
    assert!(matches!(error, Error::Decode { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "a value shows: {error:?}");
    let there = cache.shared().get("k").await.expect("get");
    assert_eq!(there.as_deref(), Some(&b"\"hunter2\""[..]), "what was there");
}

pub(super) async fn what_cannot_be_written_is_not_sent(cx: Cx) {
    let shared: Arc<dyn Cache> = cx.open().await;
    let cache = TypedCache::<std::collections::BTreeMap<(u8, u8), u8>>::new(Arc::clone(&shared));
    let value = [((1, 2), 3)].into();
    refused!(cache.with_expiry(Expiry::Never).set("k", &value).await, Error::Encode { .. }, "keys that are no text");
    assert_missing(&*shared, "k", "after the refusal").await;
}
