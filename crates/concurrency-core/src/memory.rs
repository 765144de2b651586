//! Everything in this process: the executable model of the contract.
//!
//! A [`Memory`] plays both parts: the *server*, which is the data and a clock, and a *client* of it, which can be closed.
//! [`Memory::another_client`] opens a second client of the same data, as another process would.

mod cache;
mod config;
mod event;
mod lock;
mod state;
#[cfg(test)]
mod state_tests;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use tokio::sync::Notify;

pub use self::{
    cache::{CacheSpace, MemoryCache},
    config::{MemoryConfig, NamespaceConfig},
    event::{EventSpace, MemoryEvents},
    lock::{LockSpace, MemoryLock},
    state::{MemoryState, StateSpace},
};
use crate::{
    Backend, Cache, Capabilities, Connector, Error, EventStore, Lock, Namespace, Result, StateStore, clock::Clock,
};

/// Everything in this process. Clones are the same client of the same data.
#[derive(Debug, Clone)]
pub struct Memory {
    server: Arc<Server>,
    session: Session,
}

/// The data of one namespace, of one kind.
type Spaces<S> = Mutex<HashMap<Namespace, Arc<S>>>;

#[derive(Debug)]
struct Server {
    config: MemoryConfig,
    clock: Clock,
    states: Spaces<StateSpace>,
    caches: Spaces<CacheSpace>,
    locks: Spaces<LockSpace>,
    events: Spaces<EventSpace>,
}

impl Memory {
    /// `memory:`, with the options of [`MemoryConfig`] as its parameters.
    pub const CONNECTOR: Connector = Connector {
        schemes: &["memory"],
        connect: |url| {
            Box::pin(async move { Ok(Arc::new(Self::with_config(MemoryConfig::from_url(url)?)?) as Arc<dyn Backend>) })
        },
    };

    /// A fresh one, with the default configuration.
    #[must_use]
    pub fn new() -> Self {
        Self::with_config(MemoryConfig::default()).expect("the default configuration is valid")
    }

    /// A fresh one.
    ///
    /// # Errors
    /// `InvalidArgument` for an option out of bounds.
    pub fn with_config(config: MemoryConfig) -> Result<Self> {
        Self::with_clock(config, Clock::new())
    }

    /// A fresh one whose server lives by `clock`, so that a test can let time pass.
    ///
    /// # Errors
    /// `InvalidArgument` for an option out of bounds.
    pub fn with_clock(config: MemoryConfig, clock: Clock) -> Result<Self> {
        config.check()?;
        let server = Server {
            config,
            clock,
            states: Spaces::default(),
            caches: Spaces::default(),
            locks: Spaces::default(),
            events: Spaces::default(),
        };
        Ok(Self { server: Arc::new(server), session: Session::default() })
    }

    /// Another client of the same data, open whether or not this one is closed: what a second process is to a server.
    #[must_use]
    pub fn another_client(&self) -> Self {
        Self { server: Arc::clone(&self.server), session: Session::default() }
    }

    /// The server's clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.server.clock
    }

    /// As [`Backend::state_store`], the type itself.
    ///
    /// # Errors
    /// As there.
    pub fn state_store(&self, namespace: &str) -> Result<Arc<MemoryState>> {
        let space = self.space(namespace, &self.server.states, StateSpace::new)?;
        Ok(Arc::new(MemoryState::open(space, self.session.clone())))
    }

    /// As [`Backend::cache`], the type itself, which has calls that need no future.
    ///
    /// # Errors
    /// As there.
    pub fn cache(&self, namespace: &str) -> Result<Arc<MemoryCache>> {
        let space = self.space(namespace, &self.server.caches, CacheSpace::new)?;
        Ok(Arc::new(MemoryCache::open(space, self.session.clone())))
    }

    /// As [`Backend::lock`], the type itself.
    ///
    /// # Errors
    /// As there.
    pub fn lock(&self, namespace: &str) -> Result<Arc<MemoryLock>> {
        let space = self.space(namespace, &self.server.locks, LockSpace::new)?;
        Ok(Arc::new(MemoryLock::open(space, self.session.clone())))
    }

    /// As [`Backend::event_store`], the type itself.
    ///
    /// # Errors
    /// As there.
    pub fn event_store(&self, namespace: &str) -> Result<Arc<MemoryEvents>> {
        let space = self.space(namespace, &self.server.events, EventSpace::new)?;
        Ok(Arc::new(MemoryEvents::open(space, self.session.clone())))
    }

    fn space<S>(
        &self,
        namespace: &str,
        spaces: &Spaces<S>,
        create: impl FnOnce(NamespaceConfig, Clock) -> S,
    ) -> Result<Arc<S>> {
        self.session.check_open()?;
        let namespace = Namespace::new(namespace)?;
        let mut spaces = spaces.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(space) = spaces.get(&namespace) {
            return Ok(Arc::clone(space));
        }
        let config = self.server.config.of(namespace.as_str());
        let space = Arc::new(create(config, self.server.clock.clone()));
        spaces.insert(namespace, Arc::clone(&space));
        Ok(space)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Backend for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn capabilities(&self) -> Capabilities {
        let config = self.server.config.of("");
        Capabilities {
            state: Some(StateSpace::capabilities(&config)),
            cache: Some(CacheSpace::capabilities(&config)),
            lock: Some(LockSpace::capabilities(&config)),
            events: Some(EventSpace::capabilities(&config)),
        }
    }

    async fn health(&self) -> Result<()> {
        self.session.check_open()
    }

    async fn close(&self) {
        if !self.session.close() {
            return;
        }
        let locks = self.server.locks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for space in locks.values() {
            space.release_all_of(&self.session);
        }
    }

    fn state_store(&self, namespace: &str) -> Result<Arc<dyn StateStore>> {
        Ok(self.state_store(namespace)?)
    }

    fn cache(&self, namespace: &str) -> Result<Arc<dyn Cache>> {
        Ok(self.cache(namespace)?)
    }

    fn lock(&self, namespace: &str) -> Result<Arc<dyn Lock>> {
        Ok(self.lock(namespace)?)
    }

    fn event_store(&self, namespace: &str) -> Result<Arc<dyn EventStore>> {
        Ok(self.event_store(namespace)?)
    }
}

/// One client of a [`Memory`], as its components see it.
#[derive(Debug, Clone, Default)]
pub struct Session {
    state: Arc<SessionState>,
}

#[derive(Debug, Default)]
struct SessionState {
    closed: AtomicBool,
    closing: Notify,
}

impl Session {
    /// Whether calls may go on.
    ///
    /// # Errors
    /// `Closed` after the client was closed.
    #[inline]
    pub fn check_open(&self) -> Result<()> {
        if self.state.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(()) }
    }

    /// Returns once the client is closed, at once if it is: what a call that waits selects on.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn closed(&self) {
        let closing = self.state.closing.notified();
        tokio::pin!(closing);
        // Registered before the flag is read, so that no closing is missed in between.
        closing.as_mut().enable();
        if self.check_open().is_ok() {
            closing.await;
        }
    }

    /// Whether `other` is the same client.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }

    /// Closes the client; true for the first call only.
    pub fn close(&self) -> bool {
        let first = !self.state.closed.swap(true, Ordering::AcqRel);
        self.state.closing.notify_waiters();
        first
    }
}
