//! Caches over a line.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use concurrency_core::{Bytes, Cache, CacheCapabilities, Cached, Error, Expiry, Lookup, Result, Ticket};
use serde::{Deserialize, Serialize};

use super::{
    backend::Caller,
    state::{borrowed, owned},
    wire::{Refusal, What},
};

#[derive(Serialize, Deserialize)]
pub(super) enum Call {
    Get(String),
    Set(String, Bytes, Lifetime),
    Remove(String),
    Clear,
    GetMany(Vec<String>),
    SetMany(Vec<(String, Bytes)>, Lifetime),
    RemoveMany(Vec<String>),
    Contains(String),
    GetWithExpiry(String),
    GetOrReserve(String, Duration),
    Fill { key: String, token: [u8; 16], value: Bytes, lifetime: Lifetime },
    Filled(String),
}

/// As [`Expiry`].
#[derive(Serialize, Deserialize)]
pub(super) enum Lifetime {
    Default,
    After(Duration),
    Never,
}

/// As [`Lookup`].
#[derive(Serialize, Deserialize)]
enum Looked {
    Hit(Bytes),
    Reserved(String, [u8; 16]),
    Loading,
}

impl From<Expiry> for Lifetime {
    fn from(expiry: Expiry) -> Self {
        match expiry {
            Expiry::Default => Self::Default,
            Expiry::After(ttl) => Self::After(ttl),
            Expiry::Never => Self::Never,
        }
    }
}

impl From<Lifetime> for Expiry {
    fn from(lifetime: Lifetime) -> Self {
        match lifetime {
            Lifetime::Default => Self::Default,
            Lifetime::After(ttl) => Self::After(ttl),
            Lifetime::Never => Self::Never,
        }
    }
}

/// A cache in another process.
#[derive(Debug)]
pub(super) struct PeerCache {
    pub(super) caller: Caller,
    /// Of the same in this process.
    pub(super) capabilities: CacheCapabilities,
}

impl PeerCache {
    async fn ask<T: serde::de::DeserializeOwned>(&self, call: Call) -> Result<T> {
        self.caller.ask(|namespace| What::Cache { namespace, call }).await
    }
}

#[async_trait]
impl Cache for PeerCache {
    fn capabilities(&self) -> CacheCapabilities {
        self.capabilities
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.ask(Call::Get(key.to_owned())).await
    }

    async fn set(&self, key: &str, value: Bytes, expiry: Expiry) -> Result<()> {
        self.ask(Call::Set(key.to_owned(), value, expiry.into())).await
    }

    async fn remove(&self, key: &str) -> Result<bool> {
        self.ask(Call::Remove(key.to_owned())).await
    }

    async fn clear(&self) -> Result<()> {
        self.ask(Call::Clear).await
    }

    async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>> {
        self.ask(Call::GetMany(owned(keys))).await
    }

    async fn set_many(&self, entries: Vec<(String, Bytes)>, expiry: Expiry) -> Vec<Result<()>> {
        let count = entries.len();
        match self.ask::<Vec<Result<(), Refusal>>>(Call::SetMany(entries, expiry.into())).await {
            Ok(answers) => answers.into_iter().map(|answer| answer.map_err(Error::from)).collect(),
            Err(error) => (0..count).map(|_| Err(error.clone())).collect(),
        }
    }

    async fn remove_many(&self, keys: &[&str]) -> Result<u64> {
        self.ask(Call::RemoveMany(owned(keys))).await
    }

    async fn contains(&self, key: &str) -> Result<bool> {
        self.ask(Call::Contains(key.to_owned())).await
    }

    async fn get_with_expiry(&self, key: &str) -> Result<Option<Cached>> {
        let cached: Option<(Bytes, Option<Duration>)> = self.ask(Call::GetWithExpiry(key.to_owned())).await?;
        Ok(cached.map(|(value, expires_in)| Cached { value, expires_in }))
    }

    async fn get_or_reserve(&self, key: &str, hold: Duration) -> Result<Lookup> {
        Ok(match self.ask(Call::GetOrReserve(key.to_owned(), hold)).await? {
            Looked::Hit(value) => Lookup::Hit(value),
            Looked::Reserved(key, token) => Lookup::Reserved(Ticket { key: key.into(), token }),
            Looked::Loading => Lookup::Loading,
        })
    }

    async fn fill(&self, ticket: Ticket, value: Bytes, expiry: Expiry) -> Result<bool> {
        let Ticket { key, token } = ticket;
        self.ask(Call::Fill { key: key.into(), token, value, lifetime: expiry.into() }).await
    }

    async fn filled(&self, key: &str) -> Result<()> {
        self.ask(Call::Filled(key.to_owned())).await
    }
}

/// Makes a call, in the process that was asked to.
pub(super) async fn answer(cache: Arc<dyn Cache>, call: Call) -> Bytes {
    use super::server::encoded;
    match call {
        Call::Get(key) => encoded(cache.get(&key).await),
        Call::Set(key, value, lifetime) => encoded(cache.set(&key, value, lifetime.into()).await),
        Call::Remove(key) => encoded(cache.remove(&key).await),
        Call::Clear => encoded(cache.clear().await),
        Call::GetMany(keys) => encoded(cache.get_many(&borrowed(&keys)).await),
        Call::SetMany(entries, lifetime) => {
            let answers = cache.set_many(entries, lifetime.into()).await;
            encoded(Ok(answers.into_iter().map(|answer| answer.map_err(Refusal::from)).collect::<Vec<_>>()))
        }
        Call::RemoveMany(keys) => encoded(cache.remove_many(&borrowed(&keys)).await),
        Call::Contains(key) => encoded(cache.contains(&key).await),
        Call::GetWithExpiry(key) => {
            let cached = cache.get_with_expiry(&key).await;
            encoded(cached.map(|cached| cached.map(|cached| (cached.value, cached.expires_in))))
        }
        Call::GetOrReserve(key, hold) => encoded(cache.get_or_reserve(&key, hold).await.map(|lookup| match lookup {
            Lookup::Hit(value) => Looked::Hit(value),
            Lookup::Reserved(Ticket { key, token }) => Looked::Reserved(key.into(), token),
            Lookup::Loading => Looked::Loading,
        })),
        Call::Fill { key, token, value, lifetime } => {
            let ticket = Ticket { key: key.into(), token };
            encoded(cache.fill(ticket, value, lifetime.into()).await)
        }
        Call::Filled(key) => encoded(cache.filled(&key).await),
    }
}
