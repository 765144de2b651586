//! Counters of the companions, and the names under which they trace.
//!
//! Spans and events go to the targets below, under names that do not change within a major version. Their fields are
//! names, counts, durations, versions and fencing numbers; never values, passwords or owner tokens.

use std::sync::atomic::{AtomicU64, Ordering};

/// The `tracing` target of typed states.
pub const STATE: &str = "concurrency::state";
/// The `tracing` target of typed caches.
pub const CACHE: &str = "concurrency::cache";
/// The `tracing` target of locks, guards and their keeper.
pub const LOCK: &str = "concurrency::lock";
/// The `tracing` target of repositories, subscriptions and projections.
pub const EVENT: &str = "concurrency::event";

/// The span of one update of a typed state, with its key.
pub const STATE_UPDATE: &str = "state.update";
/// The event that an update met a conflict and goes on, with its key and the number of the attempt.
pub const STATE_UPDATE_CONFLICT: &str = "state.update.conflict";

/// Counts up, from any thread.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn increment(&self) {
        self.add(1);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
