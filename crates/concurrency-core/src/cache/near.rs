//! The near tier: decoded values in this process, for a stated time.

use std::{
    hash::BuildHasher,
    num::NonZero,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::available_parallelism,
    time::Duration,
};

use quick_cache::{
    OptionsBuilder, UnitWeighter,
    sync::{Cache, DefaultLifecycle},
};

use crate::{KeyRef, StoredKey, clock::BootInstant, random::Hashing};

/// Decoded values, none of them kept longer than `max_staleness` after it was read.
///
/// A read that began before a write of this process ended must not put its answer back afterwards. Hence every write moves
/// the epoch of its key's stripe on, and [`keep`](Self::keep) compares the epoch of when its read began, in one step.
pub(super) struct Near<T> {
    entries: Cache<StoredKey, Entry<T>, UnitWeighter, Hashing>,
    epochs: Box<[Mutex<u64>]>,
    stripe_of: Hashing,
    max_staleness: Duration,
}

struct Entry<T> {
    value: Arc<T>,
    deadline: BootInstant,
}

impl<T> Clone for Entry<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), deadline: self.deadline }
    }
}

/// The moment at which a read of the shared cache began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    epoch: u64,
    began: BootInstant,
}

impl<T> Near<T> {
    const STRIPES: usize = 256;

    pub(super) fn new(entries: usize, max_staleness: Duration) -> Self {
        let most = (available_parallelism().map_or(1, NonZero::get) * 4).next_power_of_two();
        // Powers of two, with at least 32 entries each; rounded down, so that the bound holds.
        let shards = std::iter::successors(Some(most), |n| Some(n / 2)).find(|n| *n == 1 || entries / n >= 32);
        let shards = shards.expect("halving ends at one");
        let options = OptionsBuilder::new()
            .shards(shards)
            .weight_capacity((entries / shards * shards) as u64)
            .estimated_items_capacity(entries)
            .build()
            .expect("both capacities are given");
        Self {
            entries: Cache::with_options(options, UnitWeighter, Hashing::new(), DefaultLifecycle::default()),
            epochs: (0..Self::STRIPES).map(|_| Mutex::new(0)).collect(),
            stripe_of: Hashing::new(),
            max_staleness,
        }
    }

    #[inline]
    pub(super) fn get(&self, key: &str) -> Option<Arc<T>> {
        let entry = self.entries.get(&KeyRef(key))?;
        if entry.deadline.has_passed_fast() { self.reclaim(key) } else { Some(entry.value) }
    }

    #[cold]
    fn reclaim(&self, key: &str) -> Option<Arc<T>> {
        self.entries.remove_if(&KeyRef(key), |entry| entry.deadline.has_passed());
        None
    }

    /// To be taken before the read of the shared cache is sent.
    pub(super) fn look(&self, key: &str) -> Look {
        Look { epoch: *self.epoch(key), began: BootInstant::now() }
    }

    /// Keeps what a read that began at `look` found, for `at_most` if that is shorter; unless the key was written meanwhile.
    pub(super) fn keep(&self, key: &str, look: Look, value: &Arc<T>, at_most: Option<Duration>) {
        let epoch = self.epoch(key);
        if *epoch == look.epoch {
            self.insert(key, look, value, at_most);
        }
    }

    /// As [`keep`](Self::keep), for what this process itself wrote to the shared cache: what earlier reads found is void.
    pub(super) fn written(&self, key: &str, look: Look, value: &Arc<T>, at_most: Option<Duration>) {
        let mut epoch = self.epoch(key);
        if *epoch == look.epoch {
            self.insert(key, look, value, at_most);
        } else {
            self.entries.remove(&KeyRef(key));
        }
        *epoch += 1;
    }

    fn insert(&self, key: &str, look: Look, value: &Arc<T>, at_most: Option<Duration>) {
        let lifetime = at_most.map_or(self.max_staleness, |at_most| at_most.min(self.max_staleness));
        let entry = Entry { value: Arc::clone(value), deadline: look.began.after(lifetime) };
        self.entries.insert(key.into(), entry);
    }

    /// Afterwards nothing that was read before now is served.
    pub(super) fn forget(&self, key: &str) {
        let mut epoch = self.epoch(key);
        *epoch += 1;
        self.entries.remove(&KeyRef(key));
    }

    /// As [`forget`](Self::forget), for all keys.
    pub(super) fn forget_all(&self) {
        let mut epochs: Vec<_> = self.epochs.iter().map(lock).collect();
        epochs.iter_mut().for_each(|epoch| **epoch += 1);
        self.entries.clear();
    }

    fn epoch(&self, key: &str) -> MutexGuard<'_, u64> {
        lock(&self.epochs[(self.stripe_of.hash_one(key) >> 32) as usize % Self::STRIPES])
    }
}

fn lock(epoch: &Mutex<u64>) -> MutexGuard<'_, u64> {
    epoch.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::simulate;

    #[tokio::test(start_paused = true)]
    async fn nothing_is_served_beyond_its_staleness() {
        let _simulation = simulate(1);
        let near = Near::new(100, Duration::from_secs(1));
        let look = near.look("k");
        tokio::time::advance(Duration::from_millis(400)).await;
        near.keep("k", look, &Arc::new(7), None);
        tokio::time::advance(Duration::from_millis(599)).await;
        assert_eq!(near.get("k").as_deref(), Some(&7));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(near.get("k"), None, "it counts from the read, not from the keeping");
        let look = near.look("k");
        near.keep("k", look, &Arc::new(8), Some(Duration::from_millis(5)));
        tokio::time::advance(Duration::from_millis(5)).await;
        assert_eq!(near.get("k"), None);
    }

    #[test]
    fn what_was_read_before_a_write_is_not_kept_after_it() {
        let near = Near::new(100, Duration::from_secs(3600));
        let look = near.look("k");
        near.forget("k");
        near.keep("k", look, &Arc::new("old"), None);
        assert_eq!(near.get("k"), None);
        let (reader, writer) = (near.look("k"), near.look("k"));
        near.written("k", writer, &Arc::new("new"), None);
        near.keep("k", reader, &Arc::new("old"), None);
        assert_eq!(near.get("k").as_deref(), Some(&"new"));
        let look = near.look("k");
        near.forget_all();
        assert_eq!(near.get("k"), None);
        near.written("k", look, &Arc::new("old"), None);
        assert_eq!(near.get("k"), None);
    }

    #[test]
    fn the_bound_holds() {
        for bound in [1, 40, 1001] {
            let near = Near::new(bound, Duration::from_secs(3600));
            for i in 0..5000 {
                let key = i.to_string();
                near.keep(&key, near.look(&key), &Arc::new(i), None);
            }
            assert!((1..=bound).contains(&near.entries.len()), "{} of {bound}", near.entries.len());
        }
    }
}
