//! The in-process cache: the model of the contract for `Cache`.
//!
//! This file holds the rules of the contract, one a line where that is possible (it is what the wrong caches of the suite's
//! own test are made from); `engine.rs` decides what is evicted, `reservations.rs` keeps who loads what.
//!
//! Reads go straight to the engine. Whatever changes a key holds the lock of its stripe, under which reservations and
//! entries change as one: so a `fill` compares its ticket and sets its value in one step.

mod engine;
mod reservations;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;

use self::{
    engine::{Bounds, Engine, Entry},
    reservations::{Reservation, Reservations},
};
use super::{NamespaceConfig, Session};
use crate::{
    Bytes, Cache, CacheCapabilities, Cached, ClockSource, Error, Expiry, Lookup, Result, Survives, Ticket, Ttl,
    check_distinct_keys, check_key, check_keys, check_set_batch, check_size,
    clock::{BootInstant, Clock},
    random,
};

/// The longest that `filled` waits for a hint.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How many locks writers share.
const STRIPES: usize = 16;

/// The data of the cache of one namespace.
///
/// Bounded by entries or by the bytes of keys and values. A value that is a slice of a larger buffer keeps that buffer alive,
/// of which only the slice is counted.
#[derive(Debug)]
pub struct CacheSpace {
    capabilities: CacheCapabilities,
    default_ttl: Option<Ttl>,
    clock: Clock,
    engine: Engine,
    stripes: [Mutex<Reservations>; STRIPES],
    stripe_of: random::Hashing,
    /// Entries with a deadline that were written since expired ones were last looked for.
    written: AtomicUsize,
}

impl CacheSpace {
    /// An empty one.
    #[must_use]
    pub fn new(config: NamespaceConfig, clock: Clock) -> Self {
        Self {
            capabilities: Self::capabilities(&config),
            default_ttl: config.cache_default_ttl,
            clock,
            engine: Engine::new(Bounds::of(&config)),
            stripes: std::array::from_fn(|_| Mutex::new(Reservations::new())),
            stripe_of: random::Hashing::new(),
            written: AtomicUsize::new(0),
        }
    }

    /// What a cache of this configuration promises.
    #[must_use]
    pub fn capabilities(config: &NamespaceConfig) -> CacheCapabilities {
        CacheCapabilities {
            shared: false,
            survives: Survives::Nothing,
            evictable: true,
            tickets: true,
            remaining: true,
            bulk: true,
            clock: if cfg!(target_os = "linux") { ClockSource::Boot } else { ClockSource::Monotonic },
            max_value: config.max_value.min(Bounds::of(config).max_value()),
            max_ttl: Some(Ttl::MAX),
            default_ttl: config.cache_default_ttl.map(Ttl::as_duration),
            ttl_granularity: Duration::from_millis(1),
        }
    }

    fn stripe(&self, key: &str) -> MutexGuard<'_, Reservations> {
        let hash = std::hash::BuildHasher::hash_one(&self.stripe_of, key);
        // The upper half, since the engine's tables use other bits of hashes like this one.
        let stripe = (hash >> 32) as usize % STRIPES;
        self.stripes[stripe].lock().unwrap_or_else(PoisonError::into_inner)
    }

    // Inlined whatever the compiler thinks of it, as the two below: between functions an entry is copied before its parts
    // have reached memory, and the processor waits for them (measured: 60 ns a hit through a pointer instead of 65).
    /// Expired means now >= deadline.
    #[inline(always)]
    fn is_live(&self, entry: &Entry) -> bool {
        !self.clock.has_reached(entry.deadline)
    }

    #[inline(always)]
    fn get(&self, key: &str) -> Option<Entry> {
        let entry = self.engine.get(key)?;
        if self.is_live(&entry) { Some(entry) } else { self.reclaim(key) }
    }

    /// Takes an expired entry away, unless a live one took its place meanwhile.
    #[cold]
    fn reclaim(&self, key: &str) -> Option<Entry> {
        self.engine.remove_if(key, |entry| !self.is_live(entry));
        None
    }

    fn entry(&self, value: Bytes, ttl: Option<Ttl>) -> Entry {
        let deadline = ttl.map_or(BootInstant::NEVER, |ttl| self.clock.now().after(ttl.as_duration()));
        Entry { value, deadline }
    }

    fn set(&self, key: &str, value: Bytes, expiry: Expiry) -> Result<()> {
        check_key(key)?;
        let ttl = expiry.resolve(self.default_ttl)?;
        check_size(value.len(), self.capabilities.max_value)?;
        let entry = self.entry(value, ttl);
        let _ended = {
            let mut stripe = self.stripe(key);
            self.engine.insert(key, entry);
            stripe.remove(key) // a set ends the reservation
        };
        self.sweep(ttl);
        Ok(())
    }

    fn remove(&self, key: &str) -> bool {
        let (removed, _ended) = {
            let mut stripe = self.stripe(key);
            let removed = self.engine.remove(key);
            (removed, stripe.remove(key)) // a remove ends the reservation
        };
        removed.is_some_and(|entry| self.is_live(&entry))
    }

    fn clear(&self) {
        // All stripes, in their order, so that no write slips into a part that is empty already.
        let mut stripes: Vec<_> =
            self.stripes.iter().map(|stripe| stripe.lock().unwrap_or_else(PoisonError::into_inner)).collect();
        self.engine.clear();
        let ended: Vec<_> = stripes.iter_mut().map(|stripe| stripe.take()).collect(); // a clear ends all reservations
        drop(stripes);
        drop(ended);
    }

    fn get_or_reserve(&self, key: &str, hold: Ttl) -> Lookup {
        // Without the lock first: nearly all are hits.
        if let Some(entry) = self.get(key) {
            return Lookup::Hit(entry.value);
        }
        let mut stripe = self.stripe(key);
        if let Some(entry) = self.get(key) {
            return Lookup::Hit(entry.value);
        }
        if stripe.get(key).is_some_and(|standing| self.stands(standing)) {
            return Lookup::Loading;
        }
        let ticket = Ticket { key: key.into(), token: random::bytes() };
        let reservation = Reservation::new(ticket.token, self.clock.now().after(hold.as_duration()));
        let ended = stripe.insert(key, reservation, |reservation| !self.stands(reservation));
        drop(stripe);
        drop(ended);
        Lookup::Reserved(ticket)
    }

    /// Whether `hold` has not passed.
    fn stands(&self, reservation: &Reservation) -> bool {
        !self.clock.has_reached(reservation.until)
    }

    fn fill(&self, ticket: &Ticket, value: Bytes, expiry: Expiry) -> Result<bool> {
        check_key(&ticket.key)?;
        let ttl = expiry.resolve(self.default_ttl)?;
        check_size(value.len(), self.capabilities.max_value)?;
        let entry = self.entry(value, ttl);
        let _ended = {
            let mut stripe = self.stripe(&ticket.key);
            let Some(standing) = stripe.get(&ticket.key) else { return Ok(false) };
            if standing.token != ticket.token {
                return Ok(false);
            }
            if !self.stands(standing) {
                return Ok(false);
            }
            self.engine.insert(&ticket.key, entry);
            stripe.remove(&ticket.key) // a fill ends its reservation
        };
        self.sweep(ttl);
        Ok(true)
    }

    /// Takes expired entries away once as many with a TTL were written as there are entries, so that it costs each write a
    /// constant (measured: 5 ns).
    fn sweep(&self, ttl: Option<Ttl>) {
        const AT_LEAST: usize = 1024;
        if ttl.is_none() {
            return;
        }
        let written = self.written.fetch_add(1, Ordering::Relaxed) + 1;
        if written.is_multiple_of(AT_LEAST) && written >= self.engine.len() {
            self.written.store(0, Ordering::Relaxed);
            let now = self.clock.now();
            self.engine.retain(|entry| entry.deadline > now);
        }
    }
}

/// One client's view of the cache of a namespace. The methods of its own need no future; those of [`Cache`] wrap them.
#[derive(Debug)]
pub struct MemoryCache {
    space: Arc<CacheSpace>,
    session: Session,
}

impl MemoryCache {
    /// For [`Memory`](crate::Memory), which keeps the data.
    #[must_use]
    pub fn open(space: Arc<CacheSpace>, session: Session) -> Self {
        Self { space, session }
    }

    /// How many reservations stand, of all clients: for those who look for leaks.
    #[doc(hidden)]
    #[must_use]
    pub fn reserved(&self) -> usize {
        let standing = |stripe: &Mutex<Reservations>| {
            let stripe = stripe.lock().unwrap_or_else(PoisonError::into_inner);
            stripe.iter().filter(|reservation| self.space.stands(reservation)).count()
        };
        self.space.stripes.iter().map(standing).sum()
    }

    /// As [`Cache::get`], at once and without a box.
    ///
    /// # Errors
    /// As there: `InvalidKey`, `Closed`.
    #[inline(always)]
    pub fn get_now(&self, key: &str) -> Result<Option<Bytes>> {
        self.session.check_open()?;
        check_key(key)?;
        Ok(self.space.get(key).map(|entry| entry.value))
    }

    /// As [`Cache::set`], at once and without a box.
    ///
    /// # Errors
    /// As there: `InvalidKey`, `InvalidArgument`, `ValueTooLarge`, `Closed`.
    pub fn set_now(&self, key: &str, value: Bytes, expiry: Expiry) -> Result<()> {
        self.session.check_open()?;
        self.space.set(key, value, expiry)
    }

    /// How many entries there are, expired ones that were not yet reclaimed included. Never more than configured.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.space.engine.len()
    }

    /// What counts towards the bound: entries, or bytes of keys and values (each entry at least its even share).
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.space.engine.weight()
    }
}

#[async_trait]
impl Cache for MemoryCache {
    fn capabilities(&self) -> CacheCapabilities {
        self.space.capabilities
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.get_now(key)
    }

    async fn set(&self, key: &str, value: Bytes, expiry: Expiry) -> Result<()> {
        self.set_now(key, value, expiry)
    }

    async fn remove(&self, key: &str) -> Result<bool> {
        self.session.check_open()?;
        check_key(key)?;
        Ok(self.space.remove(key))
    }

    async fn clear(&self) -> Result<()> {
        self.session.check_open()?;
        self.space.clear();
        Ok(())
    }

    async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>> {
        self.session.check_open()?;
        check_keys(keys.iter().copied())?;
        // One instant for all.
        let now = self.space.clock.now();
        let live =
            |key: &&str| self.space.engine.get(key).filter(|entry| entry.deadline > now).map(|entry| entry.value);
        Ok(keys.iter().map(live).collect())
    }

    async fn set_many(&self, entries: Vec<(String, Bytes)>, expiry: Expiry) -> Vec<Result<()>> {
        let batch = self.session.check_open().and_then(|()| check_set_batch(&entries));
        let each = entries.into_iter();
        match batch {
            Err(refused) => each.map(|_| Err(refused.clone())).collect(),
            Ok(()) => each.map(|(key, value)| self.space.set(&key, value, expiry)).collect(),
        }
    }

    async fn remove_many(&self, keys: &[&str]) -> Result<u64> {
        self.session.check_open()?;
        check_distinct_keys(keys.iter().copied())?;
        Ok(keys.iter().map(|key| u64::from(self.space.remove(key))).sum())
    }

    async fn contains(&self, key: &str) -> Result<bool> {
        self.session.check_open()?;
        check_key(key)?;
        Ok(self.space.engine.peek(key).is_some_and(|entry| self.space.is_live(&entry)))
    }

    async fn get_with_expiry(&self, key: &str) -> Result<Option<Cached>> {
        self.session.check_open()?;
        check_key(key)?;
        let Some(entry) = self.space.engine.get(key) else { return Ok(None) };
        if entry.deadline == BootInstant::NEVER {
            return Ok(Some(Cached { value: entry.value, expires_in: None }));
        }
        let remains = entry.deadline.since(self.space.clock.now());
        Ok((!remains.is_zero()).then_some(Cached { value: entry.value, expires_in: Some(remains) }))
    }

    async fn get_or_reserve(&self, key: &str, hold: Duration) -> Result<Lookup> {
        self.session.check_open()?;
        check_key(key)?;
        let hold = Ttl::new(hold).map_err(|_| Error::invalid("hold", "more than zero, at most ten years"))?;
        Ok(self.space.get_or_reserve(key, hold))
    }

    async fn fill(&self, ticket: Ticket, value: Bytes, expiry: Expiry) -> Result<bool> {
        self.session.check_open()?;
        self.space.fill(&ticket, value, expiry)
    }

    async fn filled(&self, key: &str) -> Result<()> {
        self.session.check_open()?;
        check_key(key)?;
        let clock = &self.space.clock;
        let (ended, until) = match self.space.stripe(key).get(key) {
            Some(standing) => (standing.ended(), standing.until),
            None => return Ok(()),
        };
        tokio::select! {
            () = ended => {}
            () = clock.sleep_until(until.min(clock.now().after(LONGEST_WAIT))) => {}
            () = self.session.closed() => {}
        }
        self.session.check_open()
    }
}

#[cfg(test)]
mod tests;
