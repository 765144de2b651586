//! A backend whose `clear` reaches beyond its namespace, which no patch inside one component can express.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use concurrency_core::{
    Backend, Bytes, Cache, CacheCapabilities, Cached, Capabilities, EventStore, Expiry, Lock, Lookup, Memory, Result,
    StateStore, Ticket,
};

use crate::Mutant;

/// The mutants of this kind.
pub(crate) fn all() -> [Mutant; 1] {
    [Mutant {
        name: "clears_the_other_namespaces",
        kind: "cache",
        sentences: &["C-10"],
        start: || {
            let memory = Memory::new();
            let opened = Opened::default();
            Arc::new(move || Arc::new(ClearsAll { memory: memory.another_client(), opened: Arc::clone(&opened) }))
        },
    }]
}

/// Every cache that somebody has opened.
type Opened = Arc<Mutex<Vec<Arc<dyn Cache>>>>;

/// A backend whose `clear` empties all caches that are open.
#[derive(Debug)]
struct ClearsAll {
    memory: Memory,
    opened: Opened,
}

#[async_trait]
impl Backend for ClearsAll {
    fn name(&self) -> &'static str {
        "mutant"
    }

    fn capabilities(&self) -> Capabilities {
        self.memory.capabilities()
    }

    async fn health(&self) -> Result<()> {
        self.memory.health().await
    }

    async fn close(&self) {
        self.memory.close().await;
    }

    fn state_store(&self, namespace: &str) -> Result<Arc<dyn StateStore>> {
        Backend::state_store(&self.memory, namespace)
    }

    fn cache(&self, namespace: &str) -> Result<Arc<dyn Cache>> {
        let cache = Backend::cache(&self.memory, namespace)?;
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&cache));
        Ok(Arc::new(Clearing { cache, opened: Arc::clone(&self.opened) }))
    }

    fn lock(&self, namespace: &str) -> Result<Arc<dyn Lock>> {
        Backend::lock(&self.memory, namespace)
    }

    fn event_store(&self, namespace: &str) -> Result<Arc<dyn EventStore>> {
        Backend::event_store(&self.memory, namespace)
    }
}

#[derive(Debug)]
struct Clearing {
    cache: Arc<dyn Cache>,
    opened: Opened,
}

#[async_trait]
impl Cache for Clearing {
    fn capabilities(&self) -> CacheCapabilities {
        self.cache.capabilities()
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.cache.get(key).await
    }

    async fn set(&self, key: &str, value: Bytes, expiry: Expiry) -> Result<()> {
        self.cache.set(key, value, expiry).await
    }

    async fn remove(&self, key: &str) -> Result<bool> {
        self.cache.remove(key).await
    }

    async fn clear(&self) -> Result<()> {
        self.cache.clear().await?;
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for other in opened {
            // A closed client cannot clear; the others can.
            drop(other.clear().await);
        }
        Ok(())
    }

    async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>> {
        self.cache.get_many(keys).await
    }

    async fn set_many(&self, entries: Vec<(String, Bytes)>, expiry: Expiry) -> Vec<Result<()>> {
        self.cache.set_many(entries, expiry).await
    }

    async fn remove_many(&self, keys: &[&str]) -> Result<u64> {
        self.cache.remove_many(keys).await
    }

    async fn contains(&self, key: &str) -> Result<bool> {
        self.cache.contains(key).await
    }

    async fn get_with_expiry(&self, key: &str) -> Result<Option<Cached>> {
        self.cache.get_with_expiry(key).await
    }

    async fn get_or_reserve(&self, key: &str, hold: std::time::Duration) -> Result<Lookup> {
        self.cache.get_or_reserve(key, hold).await
    }

    async fn fill(&self, ticket: Ticket, value: Bytes, expiry: Expiry) -> Result<bool> {
        self.cache.fill(ticket, value, expiry).await
    }

    async fn filled(&self, key: &str) -> Result<()> {
        self.cache.filled(key).await
    }
}
