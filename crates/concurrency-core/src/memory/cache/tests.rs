//! What the suite cannot see through the trait: bounds, reclaiming, and the calls without a future.

use std::time::Duration;

use crate::{
    Backend, Bytes, Cache, Error, Expiry, Lookup, Memory, MemoryConfig,
    clock::{BootInstant, Clock, simulate},
};

const HOUR: Duration = Duration::from_secs(3600);

fn memory(config: MemoryConfig) -> Memory {
    Memory::with_config(config).unwrap()
}

fn text(s: &'static str) -> Bytes {
    Bytes::from_static(s.as_bytes())
}

#[tokio::test]
async fn the_calls_without_a_future_check_the_same() {
    let memory = memory(MemoryConfig::new().max_value(3));
    let cache = memory.cache("c").unwrap();
    assert_eq!(cache.get_now("k").unwrap(), None);
    cache.set_now("k", text("abc"), Expiry::Default).unwrap();
    assert_eq!(cache.get_now("k").unwrap(), Some(text("abc")));
    assert!(matches!(cache.get_now(""), Err(Error::InvalidKey { len: 0 })));
    assert!(matches!(cache.set_now("", text(""), Expiry::Never), Err(Error::InvalidKey { len: 0 })));
    let zero = cache.set_now("k", text("abcd"), Expiry::After(Duration::ZERO));
    assert!(matches!(zero, Err(Error::InvalidArgument { .. })), "arguments come before the size");
    let large = cache.set_now("k", text("abcd"), Expiry::Never);
    assert!(matches!(large, Err(Error::ValueTooLarge { size: 4, limit: 3 })));
    assert_eq!(cache.get_now("k").unwrap(), Some(text("abc")));
    memory.close().await;
    assert!(matches!(cache.get_now("k"), Err(Error::Closed)));
    assert!(matches!(cache.set_now("k", text("abc"), Expiry::Never), Err(Error::Closed)));
}

#[test]
fn a_bound_by_entries_holds_under_many_inserts() {
    let cache = memory(MemoryConfig::new().cache_max_entries(1000)).cache("c").unwrap();
    for i in 0..50_000 {
        cache.set_now(&i.to_string(), text("v"), Expiry::After(HOUR)).unwrap();
        assert!(cache.entries() <= 1000);
    }
    assert!(cache.entries() > 900, "{}", cache.entries());
}

#[test]
fn a_bound_by_bytes_counts_keys_and_values() {
    let config = MemoryConfig::new().cache_max_bytes(100_000).cache_max_entries(100_000).max_value(1000);
    let cache = memory(config).cache("c").unwrap();
    for i in 0..20_000_usize {
        cache.set_now(&format!("{i:010}"), vec![0; i % 1000].into(), Expiry::Default).unwrap();
        assert!(cache.weight() <= 100_000);
    }
    let held: usize =
        (0..20_000_usize).filter_map(|i| Some(10 + cache.get_now(&format!("{i:010}")).unwrap()?.len())).sum();
    assert!((80_000..=100_000).contains(&held), "{held}");
}

#[test]
fn a_scan_does_not_push_out_what_is_in_use() {
    let cache = memory(MemoryConfig::new().cache_max_entries(1000)).cache("c").unwrap();
    for i in 0..500 {
        cache.set_now(&format!("used{i}"), text("v"), Expiry::Default).unwrap();
    }
    for i in 0..20_000 {
        cache.set_now(&format!("scanned{i}"), text("v"), Expiry::Default).unwrap();
        // Each of those in use is read once in 500 new keys.
        cache.get_now(&format!("used{}", i % 500)).unwrap();
    }
    let kept = (0..500).filter(|i| cache.get_now(&format!("used{i}")).unwrap().is_some()).count();
    assert!(kept > 450, "{kept} of 500");
}

#[test]
fn what_does_not_fit_beside_its_bound_is_too_large() {
    let cache = memory(MemoryConfig::new().cache_max_bytes(10_000)).cache("c").unwrap();
    let limit = cache.capabilities().max_value;
    assert!((8000..10_000).contains(&limit), "{limit}");
    let key = "k".repeat(1024);
    cache.set_now(&key, vec![1; limit].into(), Expiry::Default).unwrap();
    assert_eq!(cache.get_now(&key).unwrap().map(|value| value.len()), Some(limit));
    let larger = cache.set_now(&key, vec![1; limit + 1].into(), Expiry::Default);
    assert!(matches!(larger, Err(Error::ValueTooLarge { .. })));
}

#[test]
fn expired_entries_are_reclaimed_by_reads_and_by_later_writes() {
    let clock = Clock::new();
    let memory = Memory::with_clock(MemoryConfig::new(), clock.clone()).unwrap();
    let cache = memory.cache("c").unwrap();
    for i in 0..2000 {
        cache.set_now(&format!("old{i}"), text("v"), Expiry::After(HOUR)).unwrap();
    }
    clock.advance(HOUR);
    assert_eq!(cache.get_now("old7").unwrap(), None);
    assert_eq!(cache.entries(), 1999);
    for i in 0..4096 {
        cache.set_now(&format!("new{}", i % 10), text("v"), Expiry::After(HOUR)).unwrap();
    }
    assert_eq!(cache.entries(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_judged_to_the_millisecond() {
    let _simulation = simulate(1);
    let cache = memory(MemoryConfig::new().cache_default_ttl(Duration::from_millis(500))).cache("c").unwrap();
    cache.set_now("default", text("v"), Expiry::Default).unwrap();
    cache.set_now("own", text("v"), Expiry::After(Duration::from_secs(5))).unwrap();
    cache.set_now("never", text("v"), Expiry::Never).unwrap();
    tokio::time::advance(Duration::from_millis(499)).await;
    assert_eq!(cache.get_with_expiry("default").await.unwrap().unwrap().expires_in, Some(Duration::from_millis(1)));
    assert!(cache.contains("default").await.unwrap());
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(cache.get_now("default").unwrap(), None);
    assert!(!cache.remove("default").await.unwrap());
    tokio::time::advance(Duration::from_millis(4500)).await;
    let left = cache.get_many(&["default", "own", "never"]).await.unwrap();
    assert_eq!(left, [None, None, Some(text("v"))]);
    assert_eq!(cache.get_with_expiry("never").await.unwrap().unwrap().expires_in, None);
}

/// Who reserves, and gets the ticket.
async fn reserve(cache: &dyn Cache, hold: Duration) -> crate::Ticket {
    match cache.get_or_reserve("k", hold).await.unwrap() {
        Lookup::Reserved(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_woken_when_a_reservation_ends() {
    let _simulation = simulate(1);
    let memory = memory(MemoryConfig::new());
    let cache = memory.cache("c").unwrap();
    for end in 0..5 {
        let ticket = reserve(&*cache, HOUR).await;
        let before = BootInstant::now();
        let waiting = tokio::spawn({
            let cache = std::sync::Arc::clone(&cache);
            async move { cache.filled("k").await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        match end {
            0 => assert!(cache.fill(ticket, text("v"), Expiry::Default).await.unwrap()),
            1 => cache.set_now("k", text("v"), Expiry::Default).unwrap(),
            2 => assert!(!cache.remove("k").await.unwrap()),
            3 => cache.clear().await.unwrap(),
            _ => memory.close().await,
        }
        let outcome = waiting.await.unwrap();
        assert_eq!(BootInstant::now(), before, "woken, not timed out");
        assert_eq!(outcome.is_ok(), end < 4);
        if end < 4 {
            cache.clear().await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_hold_and_is_a_hint() {
    let _simulation = simulate(1);
    let cache = memory(MemoryConfig::new()).cache("c").unwrap();
    cache.filled("k").await.unwrap();
    let lapsed = reserve(&*cache, Duration::from_millis(30)).await;
    cache.filled("k").await.unwrap();
    let second = reserve(&*cache, HOUR).await;
    assert!(!cache.fill(lapsed, text("late"), Expiry::Default).await.unwrap());
    cache.filled("k").await.unwrap();
    assert!(matches!(cache.get_or_reserve("k", HOUR).await.unwrap(), Lookup::Loading));
    assert!(cache.fill(second, text("v"), Expiry::Default).await.unwrap());
}

#[tokio::test]
async fn nothing_shows_values_or_tokens() {
    let cache = memory(MemoryConfig::new()).cache("c").unwrap();
    cache.set_now("k", text("hunter2"), Expiry::Default).unwrap();
    assert!(!format!("{cache:?}").contains("hunter2"));
}
