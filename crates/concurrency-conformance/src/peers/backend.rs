//! A client in another process, as a backend here.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use concurrency_core::{Backend, Cache, Capabilities, Error, EventStore, Lock, Namespace, Result, StateStore};
use serde::de::DeserializeOwned;

use super::{cache::PeerCache, event::PeerEvents, line::Line, lock::PeerLock, state::PeerState, wire::What};

/// A client in another process. It is dropped there when its last component and itself are dropped here.
#[derive(Debug)]
pub(super) struct Peer {
    client: Arc<Client>,
    here: Arc<dyn Backend>,
    closed: AtomicBool,
}

struct Client {
    line: Arc<Line>,
    number: u64,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.number).finish()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.line.tell(self.number, What::Forget);
    }
}

/// A component of a client, for whoever calls.
#[derive(Debug)]
pub(super) struct Caller {
    client: Arc<Client>,
    namespace: String,
}

impl Caller {
    pub(super) async fn ask<T: DeserializeOwned>(&self, what: impl FnOnce(String) -> What) -> Result<T> {
        self.client.line.ask(self.client.number, what(self.namespace.clone())).await
    }

    pub(super) fn tell(&self, what: impl FnOnce(String) -> What) {
        self.client.line.tell(self.client.number, what(self.namespace.clone()));
    }
}

impl Peer {
    pub(super) async fn connect(line: Arc<Line>, number: u64, url: &str, here: Arc<dyn Backend>) -> Result<Self> {
        let client = Client { line, number };
        client.line.ask::<()>(number, What::Connect { url: url.to_owned() }).await?;
        Ok(Self { client: Arc::new(client), here, closed: AtomicBool::new(false) })
    }

    fn caller(&self, namespace: &str) -> Result<Caller> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        Namespace::new(namespace)?;
        Ok(Caller { client: Arc::clone(&self.client), namespace: namespace.to_owned() })
    }
}

#[async_trait]
impl Backend for Peer {
    fn name(&self) -> &'static str {
        self.here.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.here.capabilities()
    }

    async fn health(&self) -> Result<()> {
        self.client.line.ask(self.client.number, What::Health).await
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        // A process that is gone has nothing left to close.
        drop(self.client.line.ask::<()>(self.client.number, What::Close).await);
    }

    fn state_store(&self, namespace: &str) -> Result<Arc<dyn StateStore>> {
        let capabilities = self.here.state_store(namespace)?.capabilities();
        Ok(Arc::new(PeerState { caller: self.caller(namespace)?, capabilities }))
    }

    fn cache(&self, namespace: &str) -> Result<Arc<dyn Cache>> {
        let capabilities = self.here.cache(namespace)?.capabilities();
        Ok(Arc::new(PeerCache { caller: self.caller(namespace)?, capabilities }))
    }

    fn lock(&self, namespace: &str) -> Result<Arc<dyn Lock>> {
        let capabilities = self.here.lock(namespace)?.capabilities();
        Ok(Arc::new(PeerLock { caller: self.caller(namespace)?, capabilities }))
    }

    fn event_store(&self, namespace: &str) -> Result<Arc<dyn EventStore>> {
        let capabilities = self.here.event_store(namespace)?.capabilities();
        Ok(Arc::new(PeerEvents { caller: self.caller(namespace)?, capabilities }))
    }
}
