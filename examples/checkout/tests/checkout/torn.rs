//! A backend whose bulk reads are no snapshot, and a request that falls into the gap.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use checkout::service::Checkout;
use concurrency_core::{
    Backend, Cache, Capabilities, DeleteOptions, EventStore, KeyPage, ListQuery, Lock, Memory, Result, SaveOptions,
    State, StateCapabilities, StateStore, Version, Write,
};

use crate::shop::{Shop, wanted};

/// Memory, but in the middle of its first `load_many` the `rival` buys the last pieces under the very key.
#[derive(Debug)]
struct Torn {
    memory: Memory,
    rival: Arc<Checkout>,
}

#[derive(Debug)]
struct TornStates {
    states: Arc<dyn StateStore>,
    rival: Arc<Checkout>,
    torn: AtomicBool,
}

#[async_trait]
impl Backend for Torn {
    fn name(&self) -> &'static str {
        "torn"
    }
    fn capabilities(&self) -> Capabilities {
        Backend::capabilities(&self.memory)
    }
    async fn health(&self) -> Result<()> {
        self.memory.health().await
    }
    async fn close(&self) {
        self.memory.close().await;
    }
    fn state_store(&self, namespace: &str) -> Result<Arc<dyn StateStore>> {
        let (states, rival) = (self.memory.state_store(namespace)?, Arc::clone(&self.rival));
        Ok(Arc::new(TornStates { states, rival, torn: AtomicBool::new(false) }))
    }
    fn cache(&self, namespace: &str) -> Result<Arc<dyn Cache>> {
        Backend::cache(&self.memory, namespace)
    }
    fn lock(&self, namespace: &str) -> Result<Arc<dyn Lock>> {
        Backend::lock(&self.memory, namespace)
    }
    fn event_store(&self, namespace: &str) -> Result<Arc<dyn EventStore>> {
        Backend::event_store(&self.memory, namespace)
    }
}

#[async_trait]
impl StateStore for TornStates {
    fn capabilities(&self) -> StateCapabilities {
        StateCapabilities { snapshot_reads: false, ..self.states.capabilities() }
    }
    async fn load(&self, key: &str) -> Result<Option<State>> {
        self.states.load(key).await
    }
    async fn save(&self, key: &str, value: Bytes, options: SaveOptions) -> Result<Version> {
        self.states.save(key, value, options).await
    }
    async fn delete(&self, key: &str, options: DeleteOptions) -> Result<bool> {
        self.states.delete(key, options).await
    }
    async fn load_many(&self, keys: &[&str]) -> Result<Vec<Option<State>>> {
        let mut states = Vec::new();
        for key in keys {
            states.push(self.load(key).await?);
            if !self.torn.swap(true, Ordering::Relaxed) {
                self.rival.place("k", &wanted("tea", 10)).await.expect("there are ten");
            }
        }
        Ok(states)
    }
    async fn commit(&self, writes: Vec<Write>) -> Result<Version> {
        self.states.commit(writes).await
    }
    async fn list(&self, query: ListQuery) -> Result<KeyPage> {
        self.states.list(query).await
    }
}

#[tokio::test]
async fn whoever_took_the_last_pieces_is_not_told_that_there_are_none() {
    let shop = Shop::open().await;
    let torn = Torn { memory: shop.memory.another_client(), rival: shop.instance() };
    let accepted = shop.instance_over(Arc::new(torn)).place("k", &wanted("tea", 10)).await.unwrap();
    assert!(accepted.repeated);
    assert_eq!(shop.stored().await.stocks["tea"].left, 0);
}
