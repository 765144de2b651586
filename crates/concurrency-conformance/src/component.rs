//! What the four kinds of components have in common, as far as the suite needs it.

use std::{fmt::Debug, ops::Deref, sync::Arc, time::Duration};

use concurrency_core::{
    Backend, Cache, CacheCapabilities, Capabilities, EventCapabilities, EventStore, Lock, LockCapabilities, Result,
    StateCapabilities, StateStore,
};

/// One of the four traits, as a trait object: `dyn StateStore`, `dyn Cache`, `dyn Lock` or `dyn EventStore`.
pub trait Component: Send + Sync + 'static {
    /// What it declares.
    type Capabilities: Debug + Copy + Send + Sync + 'static;
    /// What the suite calls it: `state`, `cache`, `lock`, `event`.
    const KIND: &'static str;
    /// That of a backend.
    ///
    /// # Errors
    /// Those of the backend's method.
    fn of(backend: &dyn Backend, namespace: &str) -> Result<Arc<Self>>;
    /// Whether a backend that declares this has it at all.
    fn is_in(capabilities: &Capabilities) -> bool;
    /// What it promises.
    fn declared(&self) -> Self::Capabilities;
}

macro_rules! component {
    ($kind:literal, $trait:ident, $capabilities:ty, $method:ident, $field:ident) => {
        impl Component for dyn $trait {
            type Capabilities = $capabilities;
            const KIND: &'static str = $kind;
            fn of(backend: &dyn Backend, namespace: &str) -> Result<Arc<Self>> {
                backend.$method(namespace)
            }
            fn is_in(capabilities: &Capabilities) -> bool {
                capabilities.$field.is_some()
            }
            fn declared(&self) -> Self::Capabilities {
                self.capabilities()
            }
        }
    };
}
component!("state", StateStore, StateCapabilities, state_store, state);
component!("cache", Cache, CacheCapabilities, cache, cache);
component!("lock", Lock, LockCapabilities, lock, lock);
component!("event", EventStore, EventCapabilities, event_store, events);

/// What decides whether a case applies: the component's capabilities, and whether there is a whole backend behind it.
#[derive(Debug, Clone, Copy)]
pub struct Declared<T> {
    /// What the component promises.
    pub capabilities: T,
    /// The harness has a backend, so that it can be closed and asked for components of other kinds.
    pub backend: bool,
    /// Time is virtual, so that waiting costs nothing.
    pub virtual_time: bool,
}

impl<T> Declared<T> {
    /// Whether a case may wait this long: ten seconds of real time, or any virtual time.
    #[must_use]
    pub fn can_wait(&self, duration: Duration) -> bool {
        self.virtual_time || duration <= Duration::from_secs(10)
    }
}

impl<T> Deref for Declared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.capabilities
    }
}
