//! What a typed cache counts.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use crate::observe::Counter;

/// What happened in a [`TypedCache`](crate::TypedCache) and its clones so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CacheCounts {
    /// Values found in the shared cache.
    pub hits: u64,
    /// Values found in the near tier, without a look at the shared cache.
    pub near_hits: u64,
    /// Values found nowhere, past their time, or not readable where that counts as a miss.
    pub misses: u64,
    /// Loaders run to an end.
    pub loads: u64,
    /// Of these, loaders that answered an error.
    pub load_errors: u64,
    /// Old values served because the loader failed.
    pub stale_served: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) hits: Counter,
    pub(super) near_hits: HotCounter,
    pub(super) misses: Counter,
    pub(super) loads: Counter,
    pub(super) load_errors: Counter,
    pub(super) stale_served: Counter,
}

impl Counters {
    pub(super) fn read(&self) -> CacheCounts {
        CacheCounts {
            hits: self.hits.get(),
            near_hits: self.near_hits.get(),
            misses: self.misses.get(),
            loads: self.loads.get(),
            load_errors: self.load_errors.get(),
            stale_served: self.stale_served.get(),
        }
    }
}

/// Counts what happens many million times a second: threads count in cells of their own, or they would pass one cache line
/// back and forth.
#[derive(Debug, Default)]
pub(super) struct HotCounter([Line; LINES]);

const LINES: usize = 16;

/// Two lines, since processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Line(AtomicU64);

impl HotCounter {
    #[inline]
    pub(super) fn increment(&self) {
        self.0[line_of_this_thread()].0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.iter().map(|line| line.0.load(Ordering::Relaxed)).sum()
    }
}

#[inline]
fn line_of_this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static LINE: Cell<usize> = const { Cell::new(LINES) };
    }
    let line = LINE.get();
    if line < LINES {
        return line;
    }
    let line = NEXT.fetch_add(1, Ordering::Relaxed) % LINES;
    LINE.set(line);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_count_is_lost_between_threads() {
        let counter = HotCounter::default();
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| (0..1000).for_each(|_| counter.increment()));
            }
        });
        assert_eq!(counter.get(), 20_000);
    }
}
