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

/// The span of one `execute` of a repository, with the stream.
pub const EVENT_EXECUTE: &str = "event.execute";
/// The event that `execute` met a conflict and goes on, with the stream and the version that it had loaded.
pub const EVENT_EXECUTE_CONFLICT: &str = "event.execute.conflict";
/// The event that a snapshot cannot be used and the stream is replayed, with the stream, the snapshot's version and why.
pub const EVENT_SNAPSHOT_DISCARDED: &str = "event.snapshot.discarded";
/// The event that a snapshot could not be saved, with the stream, its version and the error.
pub const EVENT_SNAPSHOT_FAILED: &str = "event.snapshot.failed";
/// The event that a subscription met truncated events, with the positions.
pub const EVENT_TRUNCATED: &str = "event.subscription.truncated";
/// The event that the log no longer holds the event of a checkpoint, with the position.
pub const EVENT_REWOUND: &str = "event.subscription.rewound";
/// The span of a projection's work under one lease, with its name and the fencing token.
pub const EVENT_PROJECT: &str = "event.project";
/// The event that a projection begins again at its stored checkpoint, with its name and the error.
pub const EVENT_PROJECT_RESTARTED: &str = "event.project.restarted";
/// The event that a projection drops its rows to be built again, with its name.
pub const EVENT_PROJECT_REBUILT: &str = "event.project.rebuilt";

/// The event that a projection's lock could not be released and will lapse, with its name and the error.
pub const EVENT_PROJECT_UNRELEASED: &str = "event.project.unreleased";

/// The event that a guard was granted its lock, with key, fencing token and the milliseconds it took.
pub const LOCK_GRANTED: &str = "lock.granted";
/// The event that a guard lost its lease, with key and fencing token.
pub const LOCK_LOST: &str = "lock.lost";
/// The event that a renewal failed and will be repeated, with key, fencing token and error.
pub const LOCK_RENEWAL_FAILED: &str = "lock.renewal.failed";
/// The event that a lease was given back, with key and fencing token.
pub const LOCK_RELEASED: &str = "lock.released";
/// The event that a release got no answer that settles it, with key and error.
pub const LOCK_RELEASE_FAILED: &str = "lock.release.failed";

/// The event that a failure of a cache was taken as a miss or passed over, with its key and the error.
pub const CACHE_FAILED: &str = "cache.failed";
/// The event that an old value was served because loading a new one failed, with its key.
pub const CACHE_STALE_SERVED: &str = "cache.stale_served";

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
