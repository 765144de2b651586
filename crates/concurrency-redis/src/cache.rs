//! Caches on the server.
//!
//! - *Freshness.* There is one copy of everything, on the server: what another process has written, removed or cleared before
//!   a read began is seen by it.
//! - *Clear*, in one of two ways for a namespace. By a scan, all names are looked through and the entries removed; reads are plain.
//!   By a generation, a random token under one name of which every entry has a copy: a clear is one write, a read compares,
//!   in the same request; and what was cleared is removed in the background.
//! - *Tickets.* A reservation stands where the value will ([`entry`]), so that whatever writes the key ends it. Those who wait for
//!   one are noted in it, and told by whatever script ends it.

mod call;
mod clear;
mod entry;
#[cfg(test)]
mod tests;
mod tickets;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use concurrency_core::{
    Bells, Bytes, Cache, CacheCapabilities, Cached, ClockSource, Expiry, Lookup, Namespace, Result, Ticket, Ttl,
    check_distinct_keys, check_key, check_keys, check_set_batch, check_size,
};
use redis::{Cmd, Pipeline, Value, cmd};

use self::call::Calls;
use crate::{
    config::{CacheClear, NamespaceConfig},
    connection::{Client, Deadline, Eviction, Push, Repeat, Server},
    error,
    key::CacheKeys,
    script, stored,
};

/// The mark of what is told to caches.
pub(crate) const MARK: u8 = b'c';

/// Rings for what comes to the inbox of a client.
pub(crate) fn bells(client: &Client) -> Arc<Bells> {
    let bells = Arc::new(Bells::new());
    let rung = Arc::clone(&bells);
    let ring = move |push: Push<'_>| match push {
        Push::Message(name) => rung.ring(name),
        Push::Gap => rung.ring_all(),
    };
    client.pushes().on(MARK, Arc::new(ring));
    bells
}

/// The cache of one namespace.
#[derive(Debug, Clone)]
pub struct RedisCache {
    client: Client,
    space: Arc<Space>,
    /// Rings where a reservation ends that this client waits for, in whatever namespace.
    bells: Arc<Bells>,
}

/// A namespace and its options.
#[derive(Debug)]
struct Space {
    keys: CacheKeys,
    config: NamespaceConfig,
    capabilities: CacheCapabilities,
}

impl Space {
    /// A value to be set: checked in the order of the contract.
    fn check_set(&self, key: &str, value: &Bytes, expiry: Expiry) -> Result<Option<Ttl>> {
        check_key(key)?;
        let ttl = expiry.resolve(self.config.cache_default_ttl)?;
        check_size(value.len(), self.config.max_value)?;
        Ok(ttl)
    }
}

impl RedisCache {
    pub(crate) fn new(
        client: Client,
        bells: Arc<Bells>,
        prefix: &str,
        namespace: &Namespace,
        config: NamespaceConfig,
    ) -> Self {
        let capabilities = Self::capabilities_under(&config, client.server());
        let keys = CacheKeys::new(prefix, namespace, config.cache_clear == CacheClear::Generation);
        Self { client, space: Arc::new(Space { keys, config, capabilities }), bells }
    }

    /// What a cache under this configuration promises on this server.
    pub(crate) fn capabilities_under(config: &NamespaceConfig, server: &Server) -> CacheCapabilities {
        CacheCapabilities {
            shared: true,
            survives: server.survives,
            evictable: server.eviction != Eviction::Never,
            tickets: true,
            remaining: true,
            bulk: true,
            clock: ClockSource::Server,
            max_value: config.max_value,
            max_ttl: Some(Ttl::MAX),
            default_ttl: config.cache_default_ttl.map(Ttl::as_duration),
            ttl_granularity: Duration::from_millis(1),
        }
    }

    fn deadline(&self) -> Deadline {
        Deadline::after(self.space.config.operation_timeout)
    }

    fn calls(&self) -> Calls<'_> {
        Calls { keys: &self.space.keys, inbox: self.client.pushes().inbox_parts() }
    }

    /// What stands under the generation, where there is one, and under these keys; of each at most its first bytes, if so many are
    /// named.
    async fn read(&self, keys: &[&str], deadline: Deadline) -> Result<Vec<Option<Bytes>>> {
        let generation = self.space.keys.generation();
        let mut get = cmd("MGET");
        get.arg(generation);
        let mut name = String::new();
        for key in keys {
            self.space.keys.entry_into(key, &mut name);
            get.arg(&name);
        }
        let Value::Array(found) = self.client.read(&get, deadline).await? else { return Err(error::not_understood()) };
        let mut found = found.into_iter();
        let stored = match generation {
            Some(_) => Some(bytes(found.next().unwrap_or(Value::Nil))?),
            None => None,
        };
        let stored = stored.as_ref().map(Option::as_deref);
        let value = |found| bytes(found)?.map_or(Ok(None), |entry| entry::value(entry, stored));
        found.map(value).collect()
    }

    /// Whether there was a value; of a call that answers that or a refusal.
    async fn write(&self, script: &'static script::Script, call: &Cmd, repeat: Repeat) -> Result<bool> {
        self.client.call(script, call, repeat, self.deadline()).await.and_then(|said| did(said.value))
    }
}

#[async_trait]
impl Cache for RedisCache {
    fn capabilities(&self) -> CacheCapabilities {
        self.space.capabilities
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.client.check_open()?;
        check_key(key)?;
        if self.space.keys.generation().is_some() {
            return Ok(self.read(&[key], self.deadline()).await?.pop().flatten());
        }
        let found = self.client.read(cmd("GET").arg(self.space.keys.entry(key)), self.deadline()).await?;
        bytes(found)?.map_or(Ok(None), |entry| entry::value(entry, None))
    }

    async fn set(&self, key: &str, value: Bytes, expiry: Expiry) -> Result<()> {
        self.client.check_open()?;
        let ttl = self.space.check_set(key, &value, expiry)?;
        self.write(&script::SET, &self.calls().set(key, &value, ttl), Repeat::Never).await.map(drop)
    }

    async fn remove(&self, key: &str) -> Result<bool> {
        self.client.check_open()?;
        check_key(key)?;
        self.write(&script::REMOVE, &self.calls().remove(key), Repeat::UntilAnswered).await
    }

    async fn clear(&self) -> Result<()> {
        self.client.check_open()?;
        self.clear_all(self.deadline()).await
    }

    async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>> {
        self.client.check_open()?;
        check_keys(keys.iter().copied())?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        self.read(keys, self.deadline()).await
    }

    async fn set_many(&self, entries: Vec<(String, Bytes)>, expiry: Expiry) -> Vec<Result<()>> {
        if let Err(refused) = self.client.check_open().and_then(|()| check_set_batch(&entries)) {
            return vec![Err(refused); entries.len()];
        }
        let check = |(key, value): &(String, Bytes)| self.space.check_set(key, value, expiry);
        let checked: Vec<_> = entries.iter().map(check).collect();
        let mut calls = Pipeline::new();
        for ((key, value), ttl) in entries.iter().zip(&checked) {
            if let Ok(ttl) = ttl {
                calls.add_command(self.calls().set(key, value, *ttl));
            }
        }
        let mut said = self.write_many(&script::SET, &calls, Repeat::Never).await.into_iter();
        let answer =
            |checked: Result<_>| checked.and_then(|_| said.next().expect("one for each that was sent").map(drop));
        checked.into_iter().map(answer).collect()
    }

    async fn remove_many(&self, keys: &[&str]) -> Result<u64> {
        self.client.check_open()?;
        check_distinct_keys(keys.iter().copied())?;
        let mut calls = Pipeline::new();
        for key in keys {
            calls.add_command(self.calls().remove(key));
        }
        let said = self.write_many(&script::REMOVE, &calls, Repeat::UntilAnswered).await;
        said.into_iter().try_fold(0, |removed, there_was| Ok(removed + u64::from(there_was?)))
    }

    async fn contains(&self, key: &str) -> Result<bool> {
        self.client.check_open()?;
        check_key(key)?;
        if self.space.keys.generation().is_some() {
            return Ok(self.read(&[key], self.deadline()).await?.pop().flatten().is_some());
        }
        let mut head = cmd("GETRANGE");
        head.arg(self.space.keys.entry(key)).arg(0).arg(2);
        let found = bytes(self.client.read(&head, self.deadline()).await?)?.unwrap_or_default();
        if found.is_empty() { Ok(false) } else { Ok(entry::value(found, None)?.is_some()) }
    }

    async fn get_with_expiry(&self, key: &str) -> Result<Option<Cached>> {
        self.client.check_open()?;
        check_key(key)?;
        let call = self.calls().remaining(key);
        let said = self.client.call(&script::REMAINING, &call, Repeat::UntilAnswered, self.deadline()).await;
        let said = said.map_err(error::without_effect)?.value;
        let (entry, left) = match answer(said)? {
            Value::Array(found) => match <[Value; 2]>::try_from(found) {
                Ok([Value::BulkString(entry), Value::Int(left)]) => (entry, left),
                _ => return Err(error::not_understood()),
            },
            _ => return Ok(None),
        };
        let begins = entry::head(self.space.keys.generation().is_some());
        let value = Bytes::from(entry).slice(begins..);
        Ok(Some(Cached { value, expires_in: u64::try_from(left).ok().map(Duration::from_millis) }))
    }

    async fn get_or_reserve(&self, key: &str, hold: Duration) -> Result<Lookup> {
        self.client.check_open()?;
        check_key(key)?;
        self.find_or_reserve(key, hold).await
    }

    async fn fill(&self, ticket: Ticket, value: Bytes, expiry: Expiry) -> Result<bool> {
        self.client.check_open()?;
        let ttl = self.space.check_set(&ticket.key, &value, expiry)?;
        let call = self.calls().fill(&ticket.key, &value, ttl, ticket.token);
        self.write(&script::FILL, &call, Repeat::Never).await
    }

    async fn filled(&self, key: &str) -> Result<()> {
        self.client.check_open()?;
        check_key(key)?;
        self.wait_for_end(key).await
    }
}

impl RedisCache {
    /// One answer for each call.
    async fn write_many(&self, script: &'static script::Script, calls: &Pipeline, repeat: Repeat) -> Vec<Result<bool>> {
        let sent = calls.len();
        if sent == 0 {
            return Vec::new();
        }
        match self.client.call_many(script, calls, repeat, self.deadline()).await {
            Ok(said) if said.len() == sent => {
                said.into_iter().map(|said| said.and_then(|said| did(said.value))).collect()
            }
            Ok(_) => vec![Err(error::not_understood()); sent],
            Err(lost) => vec![Err(lost); sent],
        }
    }
}

/// What a script answered, if it did not refuse.
fn answer(value: Value) -> Result<Value> {
    match &value {
        Value::Array(refused) => match refused[..] {
            [Value::Int(3)] => Err(stored::foreign()),
            [Value::Int(4), Value::Int(format)] => Err(stored::newer_format(u8::try_from(format).unwrap_or(u8::MAX))),
            _ => Ok(value),
        },
        _ => Ok(value),
    }
}

fn did(value: Value) -> Result<bool> {
    match answer(value)? {
        Value::Int(did) => Ok(did == 1),
        _ => Err(error::not_understood()),
    }
}

fn bytes(value: Value) -> Result<Option<Vec<u8>>> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(bytes)),
        _ => Err(error::not_understood()),
    }
}
