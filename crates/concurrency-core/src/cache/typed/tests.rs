//! Typed caches over `Memory`, in virtual time.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use super::*;
use crate::{
    Bytes, Cached, Lookup, Memory, Outcome, Ticket,
    clock::{BootInstant, simulate},
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

type Numbers = TypedCache<u32>;

fn numbers(memory: &Memory) -> Numbers {
    TypedCache::new(memory.cache("numbers").unwrap())
}

async fn ok(value: u32) -> Result<u32, io::Error> {
    Ok(value)
}

async fn after(pause: Duration, value: u32) -> Result<u32, io::Error> {
    tokio::time::sleep(pause).await;
    Ok(value)
}

async fn refused() -> Result<u32, io::Error> {
    Err(io::Error::other("refused"))
}

async fn never_polled() -> Result<u32, io::Error> {
    panic!("the loader was polled");
}

/// A cache that can be made to fail, to be slow, or to know no tickets.
#[derive(Debug)]
struct Troubled {
    inner: Arc<dyn Cache>,
    tickets: bool,
    failing: std::sync::atomic::AtomicBool,
    delay: Duration,
    calls: AtomicU32,
}

impl Troubled {
    fn over(memory: &Memory) -> Self {
        let inner = memory.cache("numbers").unwrap();
        Self { inner, tickets: true, failing: false.into(), delay: Duration::ZERO, calls: 0.into() }
    }

    async fn trouble(&self) -> Result<()> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if self.failing.load(Ordering::Relaxed) {
            return Err(Error::Unavailable { outcome: Outcome::NotApplied, source: None });
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl Cache for Troubled {
    fn capabilities(&self) -> crate::CacheCapabilities {
        crate::CacheCapabilities { tickets: self.tickets, ..self.inner.capabilities() }
    }
    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.trouble().await?;
        let value = self.inner.get(key).await;
        // The reply travels.
        tokio::time::sleep(self.delay).await;
        value
    }
    async fn set(&self, key: &str, value: Bytes, expiry: Expiry) -> Result<()> {
        self.trouble().await?;
        self.inner.set(key, value, expiry).await
    }
    async fn remove(&self, key: &str) -> Result<bool> {
        self.trouble().await?;
        self.inner.remove(key).await
    }
    async fn clear(&self) -> Result<()> {
        self.trouble().await?;
        self.inner.clear().await
    }
    async fn get_with_expiry(&self, key: &str) -> Result<Option<Cached>> {
        self.trouble().await?;
        self.inner.get_with_expiry(key).await
    }
    async fn get_or_reserve(&self, key: &str, hold: Duration) -> Result<Lookup> {
        self.trouble().await?;
        self.inner.get_or_reserve(key, hold).await
    }
    async fn fill(&self, ticket: Ticket, value: Bytes, expiry: Expiry) -> Result<bool> {
        self.trouble().await?;
        self.inner.fill(ticket, value, expiry).await
    }
    async fn filled(&self, key: &str) -> Result<()> {
        self.inner.filled(key).await
    }
}

// T-13, T-40
#[tokio::test(start_paused = true)]
async fn a_loader_is_polled_on_a_miss_only() {
    let _simulation = simulate(1);
    let cache = numbers(&Memory::new());
    assert_eq!(cache.get("k").await.unwrap(), None);
    assert_eq!(*cache.get_or_load("k", ok(7)).await.unwrap(), 7);
    assert_eq!(*cache.get_or_load("k", never_polled()).await.unwrap(), 7);
    assert_eq!(cache.get("k").await.unwrap().as_deref(), Some(&7));
    let counts = cache.counts();
    assert_eq!((counts.hits, counts.misses, counts.loads), (2, 2, 1));
    assert!(matches!(cache.get_or_load("", never_polled()).await, Err(Error::InvalidKey { .. })));
}

// T-14, T-16
#[tokio::test(start_paused = true)]
async fn those_who_miss_together_share_one_load() {
    let _simulation = simulate(1);
    for tickets in [true, false] {
        let memory = Memory::new();
        let cache = Numbers::new(Arc::new(Troubled { tickets, ..Troubled::over(&memory) }));
        let loads = Arc::new(AtomicU32::new(0));
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let (cache, loads) = (cache.clone(), Arc::clone(&loads));
                tokio::spawn(async move {
                    let load = async {
                        loads.fetch_add(1, Ordering::Relaxed);
                        after(SECOND, 7).await
                    };
                    cache.get_or_load("k", load).await
                })
            })
            .collect();
        for task in tasks {
            assert_eq!(*task.await.unwrap().unwrap(), 7);
        }
        assert_eq!(loads.load(Ordering::Relaxed), 1);
    }
}

// T-16, T-18
#[tokio::test(start_paused = true)]
async fn a_loaders_error_reaches_all_and_stores_nothing() {
    let _simulation = simulate(1);
    let memory = Memory::new();
    let cache = numbers(&memory);
    let slow_refusal = async {
        tokio::time::sleep(SECOND).await;
        refused().await
    };
    let (leader, follower) = tokio::join!(cache.get_or_load("k", slow_refusal), cache.get_or_load("k", never_polled()));
    for result in [leader, follower] {
        assert_eq!(result.unwrap_err().load_error::<io::Error>().unwrap().to_string(), "refused");
    }
    assert_eq!((cache.counts().loads, cache.counts().load_errors), (1, 1));
    // The reservation was given back: another process loads at once.
    let before = BootInstant::now();
    assert_eq!(*numbers(&memory.another_client()).get_or_load("k", ok(8)).await.unwrap(), 8);
    assert_eq!(BootInstant::now(), before);
}

// T-17
#[tokio::test(start_paused = true)]
async fn a_dropped_or_panicking_leader_hands_over() {
    let _simulation = simulate(1);
    for panics in [false, true] {
        let cache = numbers(&Memory::new());
        let leader = tokio::spawn({
            let cache = cache.clone();
            async move {
                let load = async {
                    tokio::time::sleep(SECOND).await;
                    assert!(!panics, "the loader panics");
                    after(HOUR, 1).await
                };
                cache.get_or_load("k", load).await
            }
        });
        tokio::time::sleep(Duration::from_millis(1)).await;
        let follower = tokio::spawn({
            let cache = cache.clone();
            async move { cache.get_or_load("k", ok(2)).await }
        });
        tokio::time::sleep(SECOND).await;
        if !panics {
            leader.abort();
        }
        let before = BootInstant::now();
        assert_eq!(*follower.await.unwrap().unwrap(), 2);
        assert_eq!(BootInstant::now(), before, "the follower did not wait for the reservation to lapse");
        assert_eq!(leader.await.unwrap_err().is_panic(), panics);
        assert_eq!(cache.get("k").await.unwrap().as_deref(), Some(&2));
    }
}

// T-15
#[tokio::test(start_paused = true)]
async fn processes_load_one_at_a_time() {
    let _simulation = simulate(1);
    let memory = Memory::new();
    let (one, other) = (numbers(&memory), numbers(&memory.another_client()));
    let (first, second) = tokio::join!(one.get_or_load("k", after(SECOND, 7)), other.get_or_load("k", never_polled()));
    assert_eq!((*first.unwrap(), *second.unwrap()), (7, 7));
    // A leader that is dropped and has nobody to hand over to gives its reservation back.
    let dropped = tokio::time::timeout(SECOND, one.get_or_load("x", after(HOUR, 1))).await;
    assert!(dropped.is_err());
    let before = BootInstant::now();
    assert_eq!(*other.get_or_load("x", ok(8)).await.unwrap(), 8);
    assert!(BootInstant::now().since(before) < SECOND);
}

// T-14
#[tokio::test(start_paused = true)]
async fn a_load_that_a_write_overtook_is_not_cached() {
    let _simulation = simulate(1);
    for tickets in [true, false] {
        for write in 0..3 {
            let memory = Memory::new();
            let cache = Numbers::new(Arc::new(Troubled { tickets, ..Troubled::over(&memory) }));
            let slow = tokio::spawn({
                let cache = cache.clone();
                async move { cache.get_or_load("k", after(SECOND, 1)).await }
            });
            tokio::time::sleep(Duration::from_millis(1)).await;
            match write {
                0 => assert!(!cache.remove("k").await.unwrap()),
                1 => cache.clear().await.unwrap(),
                _ => cache.set("k", &2).await.unwrap(),
            }
            let before = BootInstant::now();
            assert_eq!(*cache.get_or_load("k", ok(2)).await.unwrap(), 2, "a newcomer does not join the old load");
            assert_eq!(BootInstant::now(), before);
            cache.remove("k").await.unwrap();
            assert_eq!(*slow.await.unwrap().unwrap(), 1, "it is answered to who waited for it");
            assert_eq!(cache.get("k").await.unwrap(), None, "tickets {tickets}, write {write}");
        }
    }
}

// T-20
#[tokio::test(start_paused = true)]
async fn the_near_tier_sees_own_writes_at_once_and_others_within_its_staleness() {
    let _simulation = simulate(1);
    let memory = Memory::new();
    let (near, far) = (numbers(&memory).with_near(100, SECOND), numbers(&memory.another_client()));
    near.set("k", &1).await.unwrap();
    assert_eq!(near.get("k").await.unwrap().as_deref(), Some(&1));
    far.set("k", &2).await.unwrap();
    tokio::time::advance(SECOND - Duration::from_millis(1)).await;
    assert_eq!(near.get("k").await.unwrap().as_deref(), Some(&1));
    assert!(near.contains("k").await.unwrap());
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(near.get_many(&["k", "none"]).await.unwrap(), [Some(Arc::new(2)), None]);
    assert_eq!(near.get_near("k").as_deref(), Some(&2));
    near.set("k", &3).await.unwrap();
    assert_eq!(near.clone().get("k").await.unwrap().as_deref(), Some(&3));
    assert!(near.remove("k").await.unwrap());
    assert_eq!(near.get("k").await.unwrap(), None);
    near.get_or_load("k", ok(4)).await.unwrap();
    assert_eq!(near.get_near("k").as_deref(), Some(&4));
    near.clear().await.unwrap();
    assert_eq!((near.get_near("k"), near.get("k").await.unwrap()), (None, None));
    assert_eq!(near.counts().near_hits, 3);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_travels_while_the_key_is_removed_is_not_kept_near() {
    let _simulation = simulate(1);
    let shared = Arc::new(Troubled { delay: SECOND, ..Troubled::over(&Memory::new()) });
    let cache = Numbers::new(shared).with_near(100, HOUR);
    for clear in [false, true] {
        cache.set("k", &1).await.unwrap();
        let reader = tokio::spawn({
            let cache = cache.clone();
            async move { cache.get("k").await }
        });
        tokio::time::sleep(SECOND / 2).await;
        if clear {
            cache.clear().await.unwrap();
        } else {
            assert!(cache.remove("k").await.unwrap());
        }
        assert_eq!(reader.await.unwrap().unwrap().as_deref(), Some(&1));
        assert_eq!(cache.get("k").await.unwrap(), None);
    }
}

// T-21, T-22
#[tokio::test(start_paused = true)]
async fn an_old_value_is_served_if_loading_fails() {
    let _simulation = simulate(1);
    let cache = numbers(&Memory::new()).with_expiry(SECOND * 10).with_stale_if_error(SECOND * 5);
    cache.get_or_load("k", ok(1)).await.unwrap();
    tokio::time::advance(SECOND * 10 - Duration::from_millis(1)).await;
    assert_eq!(*cache.get_or_load("k", never_polled()).await.unwrap(), 1);
    assert!(cache.contains("k").await.unwrap());
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!((cache.get("k").await.unwrap(), cache.contains("k").await.unwrap()), (None, false));
    assert_eq!(cache.get_many(&["k"]).await.unwrap(), [None]);
    assert_eq!(*cache.get_or_load("k", refused()).await.unwrap(), 1);
    assert_eq!(cache.counts().stale_served, 1);
    assert_eq!(*cache.get_or_load("k", ok(2)).await.unwrap(), 2);
    assert_eq!(cache.get("k").await.unwrap().as_deref(), Some(&2));
    tokio::time::advance(SECOND * 15).await;
    assert!(matches!(cache.get_or_load("k", refused()).await, Err(Error::Load { .. })));
}

// T-23
#[tokio::test(start_paused = true)]
async fn jitter_only_shortens() {
    let _simulation = simulate(1);
    let memory = Memory::new();
    let cache = numbers(&memory).with_expiry(SECOND * 100).with_jitter(0.2);
    let mut lifetimes = Vec::new();
    for i in 0..100 {
        cache.set(&i.to_string(), &i).await.unwrap();
        let cached = cache.shared().get_with_expiry(&i.to_string()).await.unwrap().unwrap();
        lifetimes.push(cached.expires_in.unwrap());
    }
    assert!(lifetimes.iter().all(|ttl| (SECOND * 80..=SECOND * 100).contains(ttl)), "{lifetimes:?}");
    assert!(lifetimes.iter().max().unwrap().saturating_sub(*lifetimes.iter().min().unwrap()) > SECOND * 10);
}

#[tokio::test(start_paused = true)]
async fn the_components_default_ttl_is_jittered_and_kept_stale_like_any() {
    let _simulation = simulate(1);
    let memory = Memory::with_config(crate::MemoryConfig::new().cache_default_ttl(SECOND * 10)).unwrap();
    let cache = numbers(&memory).with_stale_if_error(SECOND * 5).with_jitter(0.5);
    cache.set("k", &1).await.unwrap();
    let left = cache.shared().get_with_expiry("k").await.unwrap().unwrap().expires_in.unwrap();
    assert!((SECOND * 10..SECOND * 15).contains(&left), "{left:?}");
    tokio::time::advance(SECOND * 10).await;
    assert_eq!(*cache.get_or_load("k", refused()).await.unwrap(), 1);
    let never = numbers(&Memory::new()).with_stale_if_error(SECOND).with_jitter(0.5);
    never.set("k", &1).await.unwrap();
    tokio::time::advance(HOUR * 24 * 400).await;
    assert_eq!(never.get("k").await.unwrap().as_deref(), Some(&1));
}

#[tokio::test]
async fn options_that_cannot_be_kept_are_refused() {
    let cache = numbers(&Memory::new());
    let refused = [
        cache.clone().with_expiry(SECOND).with_jitter(1.1),
        cache.clone().with_expiry(SECOND).with_jitter(f64::NAN),
        cache.clone().with_expiry(Duration::ZERO).with_stale_if_error(SECOND),
        cache.with_expiry(crate::Ttl::MAX).with_stale_if_error(SECOND),
    ];
    for cache in refused {
        assert!(matches!(cache.set("k", &1).await, Err(Error::InvalidArgument { .. })));
        let loaded = cache.get_or_load("k", ok(1)).await;
        assert!(matches!(loaded, Err(Error::InvalidArgument { .. })), "{loaded:?}");
    }
}

// T-19
#[tokio::test(start_paused = true)]
async fn a_failing_cache_is_an_error_or_a_miss() {
    let _simulation = simulate(1);
    let shared = Arc::new(Troubled::over(&Memory::new()));
    let strict = Numbers::new(Arc::clone(&shared) as Arc<dyn Cache>);
    let lenient = strict.clone().on_error(OnError::Miss);
    strict.set("k", &1).await.unwrap();
    shared.failing.store(true, Ordering::Relaxed);
    assert!(matches!(strict.get("k").await, Err(Error::Unavailable { .. })));
    assert!(strict.get_many(&["k"]).await.is_err() && strict.contains("k").await.is_err());
    assert!(strict.get_or_load("k", never_polled()).await.is_err());
    assert_eq!(lenient.get("k").await.unwrap(), None);
    assert_eq!(lenient.get_many(&["k", "l"]).await.unwrap(), [None, None]);
    assert!(!lenient.contains("k").await.unwrap());
    let calls = shared.calls.load(Ordering::Relaxed);
    assert_eq!(*lenient.get_or_load("k", ok(2)).await.unwrap(), 2);
    assert_eq!(shared.calls.load(Ordering::Relaxed), calls + 1, "a cache that is away is asked once");
    for cache in [&strict, &lenient] {
        assert!(cache.set("k", &2).await.is_err() && cache.remove("k").await.is_err() && cache.clear().await.is_err());
    }
    shared.failing.store(false, Ordering::Relaxed);
    assert!(matches!(lenient.get("").await, Err(Error::InvalidKey { .. })));
}

// T-3, T-5
#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_value_are_an_error_or_a_miss_and_stay() {
    let _simulation = simulate(1);
    let strict = numbers(&Memory::new());
    let lenient = strict.clone().on_error(OnError::Miss);
    strict.shared().set("k", Bytes::from_static(b"hunter2"), Expiry::Default).await.unwrap();
    let error = strict.get("k").await.unwrap_err();
    assert!(matches!(error, Error::Decode { .. }) && !format!("{error:?}").contains("hunter2"));
    assert_eq!(lenient.get("k").await.unwrap(), None);
    assert!(strict.shared().contains("k").await.unwrap());
    assert_eq!(*lenient.get_or_load("k", ok(3)).await.unwrap(), 3);
    assert_eq!(strict.get("k").await.unwrap().as_deref(), Some(&3));
}

// T-4
#[tokio::test(start_paused = true)]
async fn a_value_that_cannot_be_encoded_is_an_error_and_blocks_nobody() {
    let _simulation = simulate(1);
    let memory = Memory::new();
    type Unwritable = std::collections::BTreeMap<(u8, u8), u8>;
    let cache: TypedCache<Unwritable> = TypedCache::new(memory.cache("numbers").unwrap());
    let value = Unwritable::from([((1, 2), 3)]);
    assert!(matches!(cache.set("k", &value).await, Err(Error::Encode { .. })));
    let load = async { Ok::<_, io::Error>(value) };
    assert!(matches!(cache.get_or_load("k", load).await, Err(Error::Encode { .. })));
    let before = BootInstant::now();
    assert_eq!(*numbers(&memory.another_client()).get_or_load("k", ok(1)).await.unwrap(), 1);
    assert_eq!(BootInstant::now(), before);
}

#[tokio::test(start_paused = true)]
async fn futures_are_send_and_borrow() {
    fn is_send<F: Send>(future: F) -> F {
        future
    }
    let _simulation = simulate(1);
    let cache = numbers(&Memory::new());
    let local = String::from("7");
    let load = async { local.parse::<u32>() };
    assert_eq!(*is_send(cache.get_or_load("k", load)).await.unwrap(), 7);
}
