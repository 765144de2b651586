//! A backend that remembers which leases this process holds, for a page that people look at. Nothing is decided by it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use concurrency_core::{
    Backend, Cache, Capabilities, Claim, EventStore, FencingToken, Held, Lease, Lock, LockCapabilities, Released,
    Result, StateStore, clock::BootInstant,
};

/// Leases by namespace and name.
#[derive(Debug, Clone, Default)]
pub struct Leases {
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    /// Namespace and name; token and local deadline.
    held: BTreeMap<(String, String), (FencingToken, BootInstant)>,
    /// Name and token, since they were told last.
    granted: Vec<(String, FencingToken)>,
}

/// The most grants that are remembered until they are told.
const GRANTED: usize = 1000;

impl Leases {
    /// Those that are held now: namespace, name and token.
    #[must_use]
    pub fn now(&self) -> Vec<(String, String, FencingToken)> {
        let mut table = self.table();
        table.held.retain(|_, (_, deadline)| !deadline.has_passed());
        table.held.iter().map(|((namespace, name), (token, _))| (namespace.clone(), name.clone(), *token)).collect()
    }

    /// What was granted since this was asked last: name and token.
    #[must_use]
    pub fn granted(&self) -> Vec<(String, FencingToken)> {
        std::mem::take(&mut self.table().granted)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, namespace: &str, lease: &Lease) {
        let key = (namespace.to_owned(), lease.key().to_owned());
        let held = (lease.fencing_token(), lease.deadline());
        let mut table = self.table();
        let before = table.held.insert(key, held);
        if before.is_none_or(|(token, _)| token != held.0) && table.granted.len() < GRANTED {
            table.granted.push((lease.key().to_owned(), held.0));
        }
    }

    fn forget(&self, namespace: &str, name: &str) {
        self.table().held.remove(&(namespace.to_owned(), name.to_owned()));
    }
}

/// A backend whose leases are remembered.
#[derive(Debug)]
pub struct Watched {
    there: Arc<dyn Backend>,
    leases: Leases,
}

impl Watched {
    /// Over any backend.
    #[must_use]
    pub fn new(there: Arc<dyn Backend>, leases: Leases) -> Self {
        Self { there, leases }
    }
}

#[async_trait]
impl Backend for Watched {
    fn name(&self) -> &'static str {
        self.there.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.there.capabilities()
    }

    async fn health(&self) -> Result<()> {
        self.there.health().await
    }

    async fn close(&self) {
        self.there.close().await;
    }

    fn state_store(&self, namespace: &str) -> Result<Arc<dyn StateStore>> {
        self.there.state_store(namespace)
    }

    fn cache(&self, namespace: &str) -> Result<Arc<dyn Cache>> {
        self.there.cache(namespace)
    }

    fn lock(&self, namespace: &str) -> Result<Arc<dyn Lock>> {
        let (there, leases) = (self.there.lock(namespace)?, self.leases.clone());
        Ok(Arc::new(WatchedLock { there, leases, namespace: namespace.to_owned() }))
    }

    fn event_store(&self, namespace: &str) -> Result<Arc<dyn EventStore>> {
        self.there.event_store(namespace)
    }
}

#[derive(Debug)]
struct WatchedLock {
    there: Arc<dyn Lock>,
    leases: Leases,
    namespace: String,
}

#[async_trait]
impl Lock for WatchedLock {
    fn capabilities(&self) -> LockCapabilities {
        self.there.capabilities()
    }

    async fn try_acquire(&self, claim: &Claim) -> Result<Option<Lease>> {
        let granted = self.there.try_acquire(claim).await?;
        granted.iter().for_each(|lease| self.leases.note(&self.namespace, lease));
        Ok(granted)
    }

    async fn acquire(&self, claim: &Claim, timeout: Duration) -> Result<Lease> {
        let lease = self.there.acquire(claim, timeout).await?;
        self.leases.note(&self.namespace, &lease);
        Ok(lease)
    }

    async fn renew(&self, lease: &Lease) -> Result<Lease> {
        let renewed = self.there.renew(lease).await?;
        self.leases.note(&self.namespace, &renewed);
        Ok(renewed)
    }

    async fn renew_many(&self, leases: &[&Lease]) -> Vec<Result<Lease>> {
        let renewed = self.there.renew_many(leases).await;
        renewed.iter().flatten().for_each(|lease| self.leases.note(&self.namespace, lease));
        renewed
    }

    async fn release(&self, claim: &Claim, token: Option<FencingToken>) -> Result<Released> {
        // Before it is sent: the next holder may be another task of this process.
        self.leases.forget(&self.namespace, claim.key());
        self.there.release(claim, token).await
    }

    async fn holder(&self, name: &str) -> Result<Option<Held>> {
        self.there.holder(name).await
    }

    fn leave(&self, lease: &Lease) {
        self.there.leave(lease);
    }
}
