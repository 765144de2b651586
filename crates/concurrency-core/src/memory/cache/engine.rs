//! The eviction engine: `quick_cache`, known to this module only.
//!
//! Its policy is a modified CLOCK-PRO with the small probationary queue and the ghosts of S3-FIFO (Yang and others, "FIFO
//! queues are all you need for cache eviction", SOSP 2023). It knows no TTL: [`Entry`] carries a deadline, which the rules
//! in `cache.rs` check.

use std::{fmt, num::NonZero, thread::available_parallelism};

use crate::{Bytes, KeyRef, MAX_KEY_BYTES, StoredKey, clock::BootInstant, random::Hashing};
use quick_cache::{
    OptionsBuilder, Weighter,
    sync::{Cache, DefaultLifecycle},
};

use super::super::NamespaceConfig;

/// A value and when it expires.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) value: Bytes,
    /// `BootInstant::NEVER` goes only by eviction.
    pub(super) deadline: BootInstant,
}

/// How large a cache is, and in how many shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    shards: usize,
    /// Of one shard.
    weight: u64,
    entries: usize,
    weigher: Weigher,
}

/// Counts each entry once, or by the bytes of its key and value; then at least `least`, so that both bounds hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Weigher {
    bytes: bool,
    least: u64,
}

/// The part of a shard that one entry may take: the engine refuses what is heavier than its share for entries in use.
const HOT_SHARE: f64 = 0.97;

/// The fewest entries of a shard, or a few keys that hash alike would push one another out.
const LEAST_PER_SHARD: usize = 32;

impl Bounds {
    /// Of the cache of a namespace: never more than what is configured, also where it does not divide evenly.
    pub(super) fn of(config: &NamespaceConfig) -> Self {
        let entries = config.cache_max_entries;
        let most = (available_parallelism().map_or(1, NonZero::get) * 4).next_power_of_two();
        let mut shards = most;
        // Far above every memory, and low enough that sums of weights do not overflow.
        let total = config.cache_max_bytes.map_or(entries as u64, |bytes| bytes.min(1 << 62));
        let heaviest = config.cache_max_bytes.map_or(1, |_| (config.max_value + MAX_KEY_BYTES) as u64);
        while shards > 1 && (entries / shards < LEAST_PER_SHARD || heaviest > Self::heaviest(total / shards as u64)) {
            shards /= 2;
        }
        let least = config.cache_max_bytes.map_or(1, |_| total.div_ceil(entries as u64));
        let weigher = Weigher { bytes: config.cache_max_bytes.is_some(), least };
        Self { shards, weight: total / shards as u64, entries, weigher }
    }

    /// The largest value that fits beside a key.
    pub(super) fn max_value(&self) -> usize {
        if !self.weigher.bytes {
            return usize::MAX;
        }
        let fits = usize::try_from(Self::heaviest(self.weight)).unwrap_or(usize::MAX);
        fits - MAX_KEY_BYTES.min(fits / 2)
    }

    /// The heaviest entry that a shard takes; computed as the engine does.
    fn heaviest(shard: u64) -> u64 {
        ((shard as f64 * HOT_SHARE) as u64).clamp(shard.min(1), shard)
    }
}

impl Weighter<StoredKey, Entry> for Weigher {
    #[inline]
    fn weight(&self, key: &StoredKey, entry: &Entry) -> u64 {
        if self.bytes { self.least.max((key.byte_len() + entry.value.len()) as u64) } else { self.least }
    }
}

/// Keys and their entries, as many as its bounds allow. Each method is one atomic step for its key.
pub(super) struct Engine(Cache<StoredKey, Entry, Weigher, Hashing>);

impl Engine {
    pub(super) fn new(bounds: Bounds) -> Self {
        let options = OptionsBuilder::new()
            .shards(bounds.shards)
            .weight_capacity(bounds.weight * bounds.shards as u64)
            .estimated_items_capacity(bounds.entries)
            .hot_allocation(HOT_SHARE)
            .build()
            .expect("both capacities are given");
        Self(Cache::with_options(options, bounds.weigher, Hashing::new(), DefaultLifecycle::default()))
    }

    /// The entry, which counts as used.
    #[inline(always)]
    pub(super) fn get(&self, key: &str) -> Option<Entry> {
        self.0.get(&KeyRef(key))
    }

    /// The entry, which does not count as used.
    pub(super) fn peek(&self, key: &str) -> Option<Entry> {
        self.0.peek(&KeyRef(key))
    }

    /// Replaces; afterwards an older entry of the key is gone, also if the new one does not fit.
    pub(super) fn insert(&self, key: &str, entry: Entry) {
        self.0.insert(key.into(), entry);
    }

    pub(super) fn remove(&self, key: &str) -> Option<Entry> {
        self.0.remove(&KeyRef(key)).map(|(_, entry)| entry)
    }

    pub(super) fn remove_if(&self, key: &str, condition: impl FnOnce(&Entry) -> bool) {
        self.0.remove_if(&KeyRef(key), condition);
    }

    pub(super) fn retain(&self, condition: impl Fn(&Entry) -> bool) {
        self.0.retain(|_, entry| condition(entry));
    }

    pub(super) fn clear(&self) {
        self.0.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn weight(&self) -> u64 {
        self.0.weight()
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("entries", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn config(entries: usize, bytes: Option<u64>, max_value: usize) -> NamespaceConfig {
        NamespaceConfig {
            cache_max_entries: entries,
            cache_max_bytes: bytes,
            cache_default_ttl: None,
            max_value,
            fence_retention: Duration::from_secs(1),
        }
    }

    fn entry(bytes: usize) -> Entry {
        Entry { value: vec![0; bytes].into(), deadline: BootInstant::NEVER }
    }

    #[test]
    fn a_bound_is_never_rounded_up() {
        for entries in [1, 2, 31, 33, 100, 257, 1001, 10_000] {
            let bounds = Bounds::of(&config(entries, None, 1 << 20));
            let engine = Engine::new(bounds);
            for i in 0..entries * 3 {
                engine.insert(&i.to_string(), entry(0));
                assert!(engine.len() <= entries);
            }
            assert!(engine.len() * 10 >= entries * 9, "{} of {entries}", engine.len());
        }
    }

    #[test]
    fn bytes_and_entries_are_both_bounded() {
        let engine = Engine::new(Bounds::of(&config(100, Some(100_000), 50_000)));
        for i in 0..1000 {
            engine.insert(&format!("{i:04}"), entry(if i % 2 == 0 { 5000 } else { 0 }));
            assert!(engine.len() <= 100 && engine.weight() <= 100_000);
        }
    }

    #[test]
    fn the_largest_declared_value_is_kept() {
        for bytes in [2, 10, 2048, 10_000, 1 << 20, 64 << 20, u64::MAX] {
            for max_value in [1, 1000, 16 << 20] {
                let bounds = Bounds::of(&config(10_000, Some(bytes), max_value));
                let engine = Engine::new(bounds);
                engine.insert("k", entry(bounds.max_value().min(max_value).saturating_sub(usize::from(bytes < 2048))));
                assert_eq!(engine.len(), 1, "{bytes} {max_value} {bounds:?}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_still_replaces() {
        let engine = Engine::new(Bounds::of(&config(100, Some(1000), 1000)));
        engine.insert("k", entry(1));
        engine.insert("k", entry(1000));
        assert!(engine.peek("k").is_none());
    }
}
