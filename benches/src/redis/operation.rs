//! What is measured side by side, and who does it.

use crate::turn::Operation;

/// Somebody who keeps values and events on a server. Whoever cannot go on panics: then there is no figure.
pub(super) trait Contender: Clone + Send + Sync + 'static {
    /// Reads an entry of a cache that is there.
    fn get(&self, key: &str) -> impl Future<Output = ()> + Send;
    /// Writes an entry of a cache.
    fn set(&self, key: &str) -> impl Future<Output = ()> + Send;
    /// Reads [`AT_ONCE`] entries of a cache that are there, from this one on.
    fn get_many(&self, key: &str) -> impl Future<Output = ()> + Send;
    /// Writes a value of a state, whatever is there.
    fn save(&self, key: &str) -> impl Future<Output = ()> + Send;
    /// Writes a value of a state that nobody else writes, under the version that it has.
    fn swap(&self, key: &str) -> impl Future<Output = ()> + Send;
    /// Appends an event to a stream that has some.
    fn append(&self, stream: &str) -> impl Future<Output = ()> + Send;
}

/// What every contender can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Get,
    Set,
    GetMany,
    Save,
    Swap,
    Append,
}

/// A contender who does one thing.
#[derive(Debug, Clone)]
pub(super) struct Doing<C>(pub(super) Kind, pub(super) C);

impl<C: Contender> Operation for Doing<C> {
    async fn once(&self, name: &str) {
        match self.0 {
            Kind::Get => self.1.get(name).await,
            Kind::Set => self.1.set(name).await,
            Kind::GetMany => self.1.get_many(name).await,
            Kind::Save => self.1.save(name).await,
            Kind::Swap => self.1.swap(name).await,
            Kind::Append => self.1.append(name).await,
        }
    }
}

/// What everybody stores.
pub(super) const VALUE: &[u8] = &[7; 100];
/// The type of every event.
pub(super) const EVENT_TYPE: &str = "happened";
/// So many entries are read in one request.
pub(super) const AT_ONCE: usize = 64;

/// The number at the end of a name.
pub(super) fn index(name: &str) -> usize {
    name.rsplit(':').next().and_then(|index| index.parse().ok()).expect("names end with their index")
}
