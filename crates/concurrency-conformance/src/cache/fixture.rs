//! What the cases of this trait have in common.

use std::time::Duration;

use concurrency_core::{Bytes, Cache, CacheCapabilities, Expiry, Lookup, Result, Ticket, clock::BootInstant};

use crate::Context;

/// What a case is handed.
pub(super) type Cx = Context<dyn Cache>;

/// A lifetime, or a hold, that does not end before the case does.
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// Larger values are not tried: a machine that runs a suite has memory, but not that much.
pub(super) const LARGEST_TRIED: usize = 64 << 20;

/// Fails unless the answer is an error of this pattern.
macro_rules! refused {
    ($answer:expr, $wanted:pat $(if $guard:expr)?, $($what:tt)+) => {
        match $answer {
            Err($wanted) $(if $guard)? => {}
            other => panic!(
                "{}: {}, wanted {}",
                format!($($what)+),
                $crate::cache::fixture::shown(&other),
                stringify!($wanted $(if $guard)?),
            ),
        }
    };
}
pub(super) use refused;

/// An answer, short enough to read.
pub(super) fn shown<T: std::fmt::Debug>(answer: &Result<T>) -> String {
    let mut text = format!("{answer:?}");
    if let Some((cut, _)) = text.char_indices().nth(300) {
        text.truncate(cut);
        text.push_str("..");
    }
    text
}

/// Sets without an end, and must.
pub(super) async fn put(cache: &dyn Cache, key: &str, value: &str) {
    put_for(cache, key, value, Expiry::Never).await;
}

/// Sets, and must.
pub(super) async fn put_for(cache: &dyn Cache, key: &str, value: &str, expiry: Expiry) {
    let value = Bytes::copy_from_slice(value.as_bytes());
    cache.set(key, value, expiry).await.unwrap_or_else(|e| panic!("set of {key:?} with {expiry:?}: {e}"));
}

/// What is there, as text.
pub(super) async fn value_of(cache: &dyn Cache, key: &str) -> Option<String> {
    let value = cache.get(key).await.unwrap_or_else(|e| panic!("get of {key:?}: {e}"));
    value.map(|value| String::from_utf8_lossy(&value).into_owned())
}

/// The key holds this value, to each of the methods that read.
pub(super) async fn assert_holds(cache: &dyn Cache, key: &str, value: &str, when: &str) {
    assert_eq!(value_of(cache, key).await.as_deref(), Some(value), "{when}: get of {key:?}");
    let many = cache.get_many(&[key]).await.unwrap_or_else(|e| panic!("{when}: get_many of {key:?}: {e}"));
    assert_eq!(many, [Some(Bytes::copy_from_slice(value.as_bytes()))], "{when}: get_many of {key:?}");
    assert_eq!(cache.contains(key).await.ok(), Some(true), "{when}: contains of {key:?}");
    if cache.capabilities().remaining {
        let cached = cache.get_with_expiry(key).await.unwrap_or_else(|e| panic!("{when}: get_with_expiry: {e}"));
        let cached = cached.unwrap_or_else(|| panic!("{when}: get_with_expiry of {key:?} is a miss"));
        assert_eq!(cached.value, value, "{when}: get_with_expiry of {key:?}");
    }
}

/// The key holds nothing, to none of the methods that read.
pub(super) async fn assert_missing(cache: &dyn Cache, key: &str, when: &str) {
    assert_eq!(value_of(cache, key).await, None, "{when}: get of {key:?}");
    let many = cache.get_many(&[key]).await.unwrap_or_else(|e| panic!("{when}: get_many of {key:?}: {e}"));
    assert_eq!(many, [None], "{when}: get_many of {key:?}");
    assert_eq!(cache.contains(key).await.ok(), Some(false), "{when}: contains of {key:?}");
    if cache.capabilities().remaining {
        let cached = cache.get_with_expiry(key).await.unwrap_or_else(|e| panic!("{when}: get_with_expiry: {e}"));
        assert!(cached.is_none(), "{when}: get_with_expiry of {key:?} answers {cached:?}");
    }
}

/// What is left of the value's lifetime.
pub(super) async fn left_of(cache: &dyn Cache, key: &str) -> Option<Duration> {
    let cached = cache.get_with_expiry(key).await.unwrap_or_else(|e| panic!("get_with_expiry of {key:?}: {e}"));
    cached.unwrap_or_else(|| panic!("{key:?} is missing")).expires_in
}

/// A lifetime as the cache shows it: at most what it was given, and no shorter than what has passed since allows.
pub(super) async fn assert_expires_in(cache: &dyn Cache, key: &str, ttl: Duration, set: BootInstant, when: &str) {
    let left = left_of(cache, key).await.unwrap_or_else(|| panic!("{when}: {key:?} never expires, wanted {ttl:?}"));
    let passed = BootInstant::now().since(set);
    let declared = cache.capabilities();
    assert!(left <= longest(&declared, ttl), "{when}: {key:?} has {left:?} left of {ttl:?}");
    let least = ttl.saturating_sub(passed + declared.ttl_granularity);
    assert!(left >= least, "{when}: {key:?} has {left:?} left of {ttl:?} after {passed:?}");
}

/// A short lifetime that the cache can tell from none: long enough for a few requests, and not below its granularity.
pub(super) fn short_ttl(declared: &CacheCapabilities) -> Duration {
    declared.ttl_granularity.max(Duration::from_millis(300))
}

/// The longest that a value of this TTL may live: rounded up to the granularity, and that much longer.
pub(super) fn longest(declared: &CacheCapabilities, ttl: Duration) -> Duration {
    let granularity = declared.ttl_granularity.as_nanos().max(1);
    let rounded = ttl.as_nanos().div_ceil(granularity) * granularity;
    Duration::from_nanos(u64::try_from(rounded).expect("ten years fit")) + declared.ttl_granularity
}

/// Waits until what was written with this TTL, before the call, must be gone.
pub(super) async fn outlive(cx: &Cx, cache: &dyn Cache, ttl: Duration) {
    cx.sleep(longest(&cache.capabilities(), ttl)).await;
}

/// Sets values that have expired when this returns.
pub(super) async fn put_expired(cx: &Cx, cache: &dyn Cache, keys: &[&str]) {
    let ttl = short_ttl(&cache.capabilities());
    for key in keys {
        put_for(cache, key, "expired", Expiry::After(ttl)).await;
    }
    outlive(cx, cache, ttl).await;
}

/// Reserves, and must get the ticket.
pub(super) async fn reserve(cache: &dyn Cache, key: &str, hold: Duration) -> Ticket {
    match cache.get_or_reserve(key, hold).await {
        Ok(Lookup::Reserved(ticket)) => ticket,
        other => panic!("get_or_reserve of {key:?}: {}, wanted a ticket", shown(&other)),
    }
}

/// Somebody else has the ticket.
pub(super) async fn assert_loading(cache: &dyn Cache, key: &str, when: &str) {
    let answer = cache.get_or_reserve(key, HOUR).await;
    assert!(matches!(answer, Ok(Lookup::Loading)), "{when}: {}, wanted Loading", shown(&answer));
}

/// Fills for ever, and must get an answer.
pub(super) async fn fill(cache: &dyn Cache, ticket: Ticket, value: &str) -> bool {
    let value = Bytes::copy_from_slice(value.as_bytes());
    cache.fill(ticket, value, Expiry::Never).await.unwrap_or_else(|e| panic!("fill: {e}"))
}

/// What the cache needs to have for cases that let lifetimes end.
pub(super) fn has_lifetimes(declared: &CacheCapabilities) -> bool {
    declared.max_ttl.is_some()
}
