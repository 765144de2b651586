//! A backend of this process behind messages that can be lost, late, held back and doubled, in virtual time.
//!
//! A call is a request message and a reply message on the `line` of its client. The `server`
//! carries requests out, one at a time, on whatever backend it is given. On the client's side `state`,
//! `lock` and `event` keep the contract's rules of lost replies: what is repeated and what is
//! re-read, what an answer to a repeat says of the copies before it, from when a lease counts. They are a model of those
//! rules, as `Memory` is one of the others.
//!
//! Nothing here reads real time or other randomness than the simulation's, so that one plan gives one history.

mod event;
mod line;
mod lock;
mod server;
mod state;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use concurrency_core::{Backend, Cache, Capabilities, Error, EventStore, Lock, Memory, Namespace, Result, StateStore};

use self::{event::LossyEvents, line::Line, lock::LossyLock, server::Server, state::LossyState};
use crate::{
    Time,
    fault::{Connect, Ground, Kind, Strikes},
};

/// Opens the backend of a fresh server.
type Start = Arc<dyn Fn() -> Arc<dyn Backend> + Send + Sync>;

/// A backend of this process behind a lossy channel: one server for each history, a line of its own for each client.
#[derive(Clone)]
pub struct Channel {
    start: Start,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Channel(..)")
    }
}

impl Channel {
    /// In front of a backend that waits for nothing and reads time through `concurrency_core::clock` only; `start` gives a
    /// fresh one.
    pub fn new(start: impl Fn() -> Arc<dyn Backend> + Send + Sync + 'static) -> Self {
        Self { start: Arc::new(start) }
    }

    /// In front of [`Memory`].
    #[must_use]
    pub fn memory() -> Self {
        Self::new(|| Arc::new(Memory::new()))
    }
}

impl Ground for Channel {
    fn time(&self) -> Time {
        Time::Virtual
    }

    fn kinds(&self) -> &'static [Kind] {
        Kind::ALL
    }

    fn prepare(&self, strikes: &Strikes) -> Connect {
        let server = Server::new((self.start)());
        let strikes = strikes.clone();
        Box::new(move |client| {
            let line = Line::new(client, Arc::clone(&server), strikes.clone());
            Box::pin(std::future::ready(Ok(
                Arc::new(Lossy { line, closed: AtomicBool::new(false) }) as Arc<dyn Backend>
            )))
        })
    }
}

/// One client, at its end of the line. Caches are not carried, nor are batches and listings.
#[derive(Debug)]
struct Lossy {
    line: Arc<Line>,
    closed: AtomicBool,
}

impl Lossy {
    fn check(&self, namespace: &str) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        Namespace::new(namespace).map(drop)
    }
}

#[async_trait]
impl Backend for Lossy {
    fn name(&self) -> &'static str {
        "lossy"
    }

    fn capabilities(&self) -> Capabilities {
        let server = self.line.declared();
        Capabilities {
            state: server.state.map(state::capabilities),
            cache: None,
            lock: server.lock.map(lock::capabilities),
            events: server.events.map(event::capabilities),
        }
    }

    async fn health(&self) -> Result<()> {
        self.check("health")
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    fn state_store(&self, namespace: &str) -> Result<Arc<dyn StateStore>> {
        self.check(namespace)?;
        Ok(Arc::new(LossyState::new(Arc::clone(&self.line), namespace)?))
    }

    fn cache(&self, _: &str) -> Result<Arc<dyn Cache>> {
        Err(Error::unsupported("cache"))
    }

    fn lock(&self, namespace: &str) -> Result<Arc<dyn Lock>> {
        self.check(namespace)?;
        Ok(Arc::new(LossyLock::new(Arc::clone(&self.line), namespace)?))
    }

    fn event_store(&self, namespace: &str) -> Result<Arc<dyn EventStore>> {
        self.check(namespace)?;
        Ok(Arc::new(LossyEvents::new(Arc::clone(&self.line), namespace)?))
    }
}
