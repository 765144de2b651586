//! What a model has met: a promise that holds because nothing ever happens proves nothing.

use std::sync::atomic::{AtomicU64, Ordering};

/// How often each thing happened that must happen. Not part of a state, so that counting makes no states.
#[derive(Debug)]
pub(crate) struct Sights(Vec<(&'static str, AtomicU64)>);

impl Sights {
    /// To be met.
    #[must_use]
    pub(crate) fn of(names: &[&'static str]) -> Self {
        Self(names.iter().map(|name| (*name, AtomicU64::new(0))).collect())
    }

    /// It happened once more. What is not looked for in this scope is not counted.
    pub(crate) fn see(&self, name: &'static str) {
        if let Some((_, times)) = self.0.iter().find(|(known, _)| *known == name) {
            times.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Each with how often it happened, over all orders of events.
    pub(crate) fn times(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(name, times)| (*name, times.load(Ordering::Relaxed)))
    }
}
