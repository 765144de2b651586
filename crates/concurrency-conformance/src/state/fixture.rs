//! What the cases of this trait have in common.

use std::time::Duration;

use concurrency_core::{
    Bytes, Current, Error, FencingToken, ListQuery, Result, SaveOptions, StateStore, Version, clock::BootInstant,
};

use crate::Context;

/// What a case is handed.
pub(super) type Cx = Context<dyn StateStore>;

/// Unconditional, permanent, unfenced.
pub(super) const PLAIN: SaveOptions = SaveOptions::new();

/// A lifetime that does not end before the case does.
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// Fails unless the answer is an error of this pattern.
macro_rules! refused {
    ($answer:expr, $wanted:pat $(if $guard:expr)?, $($what:tt)+) => {
        match $answer {
            Err($wanted) $(if $guard)? => {}
            other => panic!(
                "{}: {}, wanted {}",
                format!($($what)+),
                $crate::state::fixture::shown(&other),
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

/// Saves, and must.
pub(super) async fn put(store: &dyn StateStore, key: &str, value: &'static str) -> Version {
    put_with(store, key, value, PLAIN).await
}

/// Saves under options, and must.
pub(super) async fn put_with(store: &dyn StateStore, key: &str, value: &'static str, options: SaveOptions) -> Version {
    store
        .save(key, Bytes::from_static(value.as_bytes()), options)
        .await
        .unwrap_or_else(|e| panic!("save of {key:?} under {options:?}: {e}"))
}

/// The value that lives under the key.
pub(super) async fn value_of(store: &dyn StateStore, key: &str) -> Option<Bytes> {
    store.load(key).await.unwrap_or_else(|e| panic!("load of {key:?}: {e}")).map(|state| state.value)
}

/// The version that lives under the key.
pub(super) async fn version_of(store: &dyn StateStore, key: &str) -> Option<Version> {
    store.load(key).await.unwrap_or_else(|e| panic!("load of {key:?}: {e}")).map(|state| state.version)
}

/// The key holds this value, and this version where one is given.
pub(super) async fn assert_holds(store: &dyn StateStore, key: &str, value: &str, version: Option<Version>, when: &str) {
    let state = store.load(key).await.unwrap_or_else(|e| panic!("load of {key:?} {when}: {e}"));
    let Some(state) = state else { panic!("{when}: {key:?} is missing, wanted {value:?}") };
    assert_eq!(state.value, value, "{when}: the value of {key:?}");
    if let Some(version) = version {
        assert_eq!(state.version, version, "{when}: the version of {key:?}");
    }
}

/// The key is missing.
pub(super) async fn assert_missing(store: &dyn StateStore, key: &str, when: &str) {
    let state = store.load(key).await.unwrap_or_else(|e| panic!("load of {key:?} {when}: {e}"));
    assert!(state.is_none(), "{when}: {key:?} holds {state:?}, wanted nothing");
}

/// Under a fencing token.
pub(super) fn fenced(token: u64) -> SaveOptions {
    PLAIN.fenced_by(FencingToken(token))
}

/// A `Conflict` on this key that tells the truth as far as it tells anything: `found` is what is there.
pub(super) fn assert_conflict<T: std::fmt::Debug>(answer: Result<T>, key: &str, found: Option<Version>, when: &str) {
    let Err(Error::Conflict { key: named, current }) = &answer else {
        panic!("{when}: {}, wanted a Conflict on {key:?}", shown(&answer));
    };
    assert_eq!(&**named, key, "{when}: the key that the Conflict names");
    match (current, found) {
        (Current::Unknown, _) | (Current::Absent, None) => {}
        (Current::Version(version), Some(found)) if *version == found => {}
        (current, found) => panic!("{when}: the Conflict says {current:?}, but there is {found:?}"),
    }
}

/// All keys with the prefix, page after page.
pub(super) async fn list_all(store: &dyn StateStore, prefix: &str, limit: usize) -> Vec<(String, Version)> {
    let (mut listed, mut after) = (Vec::new(), None::<String>);
    loop {
        let mut query = ListQuery::prefix(prefix).limit(limit);
        if let Some(after) = &after {
            query = query.after(after.clone());
        }
        let page = store.list(query).await.unwrap_or_else(|e| panic!("list of {prefix:?} after {after:?}: {e}"));
        assert!(page.keys.len() <= limit, "{} keys on a page of at most {limit}", page.keys.len());
        listed.extend(page.keys.into_iter().map(|key| (key.key, key.version)));
        match page.next {
            None => return listed,
            // Without progress the listing would never end.
            Some(next) => assert!(after.replace(next.clone()) < Some(next), "`next` does not go forward"),
        }
    }
}

/// The names of all keys with the prefix.
pub(super) async fn keys_of(store: &dyn StateStore, prefix: &str) -> Vec<String> {
    list_all(store, prefix, 1000).await.into_iter().map(|(key, _)| key).collect()
}

/// Whether values can have a lifetime here. Cases that are about lifetimes are listed with this as their condition.
pub(super) fn has_lifetimes(store: &dyn StateStore) -> bool {
    store.capabilities().max_ttl.is_some()
}

/// A short lifetime that the store can tell from none: long enough for a few requests, and a multiple of its granularity.
pub(super) fn short_ttl(store: &dyn StateStore) -> Duration {
    store.capabilities().ttl_granularity.max(Duration::from_millis(400))
}

/// Waits until what was saved with this lifetime, before the call, must be gone.
pub(super) async fn outlive(cx: &Cx, store: &dyn StateStore, ttl: Duration) {
    cx.sleep(ttl + store.capabilities().ttl_granularity).await;
}

/// Saves a value that has expired when this returns.
pub(super) async fn put_expired(cx: &Cx, store: &dyn StateStore, key: &str) -> Version {
    let ttl = short_ttl(store);
    let version = put_with(store, key, "expired", PLAIN.with_ttl(ttl)).await;
    outlive(cx, store, ttl).await;
    version
}

/// A lifetime as the store shows it: at most what it was given, and no shorter than what has passed since allows.
pub(super) async fn assert_expires_in(
    store: &dyn StateStore,
    key: &str,
    ttl: Duration,
    saved: BootInstant,
    when: &str,
) {
    let granularity = store.capabilities().ttl_granularity;
    let state = store.load(key).await.unwrap_or_else(|e| panic!("load of {key:?} {when}: {e}"));
    let passed = BootInstant::now().since(saved);
    let left = state.unwrap_or_else(|| panic!("{when}: {key:?} is missing")).expires_in;
    let left = left.unwrap_or_else(|| panic!("{when}: {key:?} is permanent, wanted {ttl:?}"));
    assert!(left <= ttl + granularity, "{when}: {key:?} has {left:?} left of {ttl:?}");
    // Below a millisecond clocks of servers do not agree.
    let least = ttl.saturating_sub(passed + granularity);
    assert!(left >= least, "{when}: {key:?} has {left:?} left of {ttl:?} after {passed:?}");
}

/// The key never expires.
pub(super) async fn assert_permanent(store: &dyn StateStore, key: &str, when: &str) {
    let state = store.load(key).await.unwrap_or_else(|e| panic!("load of {key:?} {when}: {e}"));
    let state = state.unwrap_or_else(|| panic!("{when}: {key:?} is missing"));
    assert_eq!(state.expires_in, None, "{when}: {key:?} is not permanent");
}
