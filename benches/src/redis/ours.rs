//! The backend, through the pointers that services use.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use concurrency_core::{
    AppendOptions, Cache, EventStore, Expiry, Lock, NewEvent, Result, Save, SaveOptions, StateStore, Version,
};
use concurrency_redis::{Redis, RedisConfig};

use super::{
    NAMESPACE,
    operation::{AT_ONCE, Contender, EVENT_TYPE, VALUE, index},
    raw::TIMEOUT,
    side::{NAMES, SWAPPED},
};

/// One client, with its defaults.
#[derive(Clone)]
pub(super) struct Ours {
    pub(super) cache: Arc<dyn Cache>,
    pub(super) state: Arc<dyn StateStore>,
    pub(super) events: Arc<dyn EventStore>,
    pub(super) lock: Arc<dyn Lock>,
    keys: Arc<[String]>,
    /// Of each value that is swapped: what whoever swaps it has read.
    versions: Arc<[Mutex<Version>]>,
}

impl Ours {
    pub(super) async fn open(url: &str) -> Result<Self> {
        let client = Redis::connect(RedisConfig::from_url(url)?.operation_timeout(TIMEOUT)).await?;
        let (cache, state): (Arc<dyn Cache>, Arc<dyn StateStore>) =
            (client.cache(NAMESPACE)?, client.state_store(NAMESPACE)?);
        let (events, lock): (Arc<dyn EventStore>, Arc<dyn Lock>) =
            (client.event_store(NAMESPACE)?, client.lock(NAMESPACE)?);
        Ok(Self { cache, state, events, lock, keys: NAMES.all().collect(), versions: Arc::new([]) })
    }

    /// Something under every name.
    pub(super) async fn fill(&mut self) -> Result<()> {
        let value = Bytes::from_static(VALUE);
        let entries = NAMES.all().map(|key| (key, value.clone())).collect();
        self.cache.set_many(entries, Expiry::Never).await.into_iter().collect::<Result<()>>()?;
        let save = |key| Save { key, value: value.clone(), options: SaveOptions::new() };
        for names in [NAMES, SWAPPED] {
            let saved = self.state.save_many(names.all().map(save).collect()).await;
            let versions = saved.into_iter().map(|version| version.map(Mutex::new));
            self.versions = versions.collect::<Result<_>>()?;
        }
        for stream in NAMES.all() {
            self.append(&stream).await;
        }
        Ok(())
    }
}

impl Contender for Ours {
    async fn get(&self, key: &str) {
        self.cache.get(key).await.expect("read").expect("it is there");
    }

    async fn set(&self, key: &str) {
        self.cache.set(key, Bytes::from_static(VALUE), Expiry::Never).await.expect("set");
    }

    async fn get_many(&self, key: &str) {
        let first = index(key);
        let keys: [&str; AT_ONCE] = std::array::from_fn(|i| &*self.keys[(first + i) % self.keys.len()]);
        let found = self.cache.get_many(&keys).await.expect("read");
        assert!(found.iter().all(Option::is_some), "they are there");
    }

    async fn save(&self, key: &str) {
        self.state.save(key, Bytes::from_static(VALUE), SaveOptions::new()).await.expect("saved");
    }

    async fn swap(&self, key: &str) {
        let version = &self.versions[index(key)];
        let read = *version.lock().unwrap_or_else(PoisonError::into_inner);
        let options = SaveOptions::new().if_version(read);
        let written = self.state.save(key, Bytes::from_static(VALUE), options).await.expect("saved");
        *version.lock().unwrap_or_else(PoisonError::into_inner) = written;
    }

    async fn append(&self, stream: &str) {
        let event = NewEvent::new(EVENT_TYPE, VALUE);
        self.events.append(stream, vec![event], AppendOptions::new()).await.expect("appended");
    }
}
