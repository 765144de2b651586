//! What is measured, and who does it.

use std::time::UNIX_EPOCH;

use concurrency_core::clock;

use crate::turn::Operation;

/// Somebody who keeps state, events and locks in a file. Whoever cannot go on panics: then there is no figure.
pub(super) trait Contender: Clone + Send + Sync + 'static {
    /// Reads the value of a key that has one.
    fn load(&self, key: &str) -> impl Future<Output = ()> + Send;
    /// Writes the value of a key, whatever is there.
    fn save(&self, key: &str) -> impl Future<Output = ()> + Send;
    /// Appends an event to a stream that has some.
    fn append(&self, stream: &str) -> impl Future<Output = ()> + Send;
    /// Acquires a name that is free, and releases it.
    fn lock(&self, name: &str) -> impl Future<Output = ()> + Send;
}

/// What every contender can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Load,
    Save,
    Append,
    Lock,
}

/// A contender who does one thing.
#[derive(Debug, Clone)]
pub(super) struct Doing<C>(pub(super) Kind, pub(super) C);

impl<C: Contender> Operation for Doing<C> {
    async fn once(&self, name: &str) {
        match self.0 {
            Kind::Load => self.1.load(name).await,
            Kind::Save => self.1.save(name).await,
            Kind::Append => self.1.append(name).await,
            Kind::Lock => self.1.lock(name).await,
        }
    }
}

/// What everybody stores.
pub(super) const VALUE: &[u8] = &[7; 100];

/// The wall clock in milliseconds, as the tables have it.
pub(super) fn millis() -> i64 {
    let since = clock::wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).expect("it is below the year 292,000,000")
}
