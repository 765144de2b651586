//! What repositories count.

use serde::Serialize;

use crate::observe::Counter;

/// What a [`Repository`](crate::Repository) and its clones have done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct RepositoryCounts {
    /// Aggregates loaded, those for `execute` included.
    pub loads: u64,
    /// Events applied while loading.
    pub events: u64,
    /// Loads that discarded a snapshot and replayed the stream from its beginning.
    pub replays: u64,
    /// Appends that were accepted.
    pub appends: u64,
    /// Appends that met a conflict.
    pub conflicts: u64,
    /// Snapshots saved.
    pub snapshots: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) loads: Counter,
    pub(super) events: Counter,
    pub(super) replays: Counter,
    pub(super) appends: Counter,
    pub(super) conflicts: Counter,
    pub(super) snapshots: Counter,
}

impl Counters {
    pub(super) fn read(&self) -> RepositoryCounts {
        RepositoryCounts {
            loads: self.loads.get(),
            events: self.events.get(),
            replays: self.replays.get(),
            appends: self.appends.get(),
            conflicts: self.conflicts.get(),
            snapshots: self.snapshots.get(),
        }
    }
}
