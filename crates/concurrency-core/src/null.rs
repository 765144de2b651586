//! Accepts everything, remembers nothing, declares nothing: the features of a service switched off by configuration.

#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    AppendOptions, AppendParts, Appended, Backend, Batch, Cache, CacheCapabilities, Cached, Capabilities, Claim,
    Connector, DeleteOptions, Error, EventCapabilities, EventStore, Expiry, FencingToken, Held, KeyPage, Lease,
    ListQuery, Lock, LockCapabilities, Lookup, Namespace, NewEvent, Position, ReadQuery, Released, Result, Save,
    SaveOptions, Snapshot, State, StateCapabilities, StateStore, StreamSlice, Ticket, Ttl, Version, Write,
    check_append, check_commit, check_distinct_keys, check_key, check_keys, check_limit, check_save_batch,
    check_set_batch, config,
};

/// Accepts everything, remembers nothing, declares nothing.
///
/// Arguments are checked as everywhere, so that what runs with it also runs with a real backend. Whatever is asked, the
/// answer is that of a store which was empty before the call and is empty after it; conditions and fences count as met, and
/// every lock is granted to everybody. So it is a cache that never hits, and state that is never there; it excludes nobody.
///
/// `null:` as a URL.
#[derive(Debug, Clone, Default)]
pub struct Null {
    closed: Arc<AtomicBool>,
    grants: Arc<AtomicU64>,
}

impl Null {
    /// `null:`, without options.
    pub const CONNECTOR: Connector = Connector {
        schemes: &["null"],
        connect: |url| {
            Box::pin(async move {
                if !config::options_of(url, "null")?.is_empty() {
                    return Err(Error::invalid("URL", "null: has no options"));
                }
                Ok(Arc::new(Self::new()) as Arc<dyn Backend>)
            })
        },
    };

    /// A fresh one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn component(&self, namespace: &str) -> Result<Self> {
        self.check_open()?;
        Namespace::new(namespace)?;
        Ok(self.clone())
    }

    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(()) }
    }

    fn check(&self, key: &str) -> Result<()> {
        self.check_open()?;
        check_key(key)
    }
}

#[async_trait]
impl Backend for Null {
    fn name(&self) -> &'static str {
        "null"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            state: Some(StateCapabilities::NONE),
            cache: Some(CacheCapabilities::NONE),
            lock: Some(LockCapabilities::NONE),
            events: Some(EventCapabilities::NONE),
        }
    }

    async fn health(&self) -> Result<()> {
        self.check_open()
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    fn state_store(&self, namespace: &str) -> Result<Arc<dyn StateStore>> {
        Ok(Arc::new(NullState(self.component(namespace)?)))
    }

    fn cache(&self, namespace: &str) -> Result<Arc<dyn Cache>> {
        Ok(Arc::new(NullCache(self.component(namespace)?)))
    }

    fn lock(&self, namespace: &str) -> Result<Arc<dyn Lock>> {
        Ok(Arc::new(NullLock(self.component(namespace)?)))
    }

    fn event_store(&self, namespace: &str) -> Result<Arc<dyn EventStore>> {
        Ok(Arc::new(NullEvents(self.component(namespace)?)))
    }
}

/// The state store of [`Null`]: every write is accepted, nothing is ever there.
#[derive(Debug)]
pub struct NullState(Null);

#[async_trait]
impl StateStore for NullState {
    fn capabilities(&self) -> StateCapabilities {
        StateCapabilities::NONE
    }

    async fn load(&self, key: &str) -> Result<Option<State>> {
        self.0.check(key)?;
        Ok(None)
    }

    async fn save(&self, key: &str, _value: Bytes, options: SaveOptions) -> Result<Version> {
        self.0.check(key)?;
        options.into_parts()?;
        Ok(Version::mint())
    }

    async fn delete(&self, key: &str, options: DeleteOptions) -> Result<bool> {
        self.0.check(key)?;
        options.into_parts()?;
        Ok(false)
    }

    async fn load_many(&self, keys: &[&str]) -> Result<Vec<Option<State>>> {
        self.0.check_open()?;
        check_keys(keys.iter().copied())?;
        Ok(keys.iter().map(|_| None).collect())
    }

    async fn save_many(&self, saves: Vec<Save>) -> Vec<Result<Version>> {
        if let Err(refused) = check_save_batch(&saves, &StateCapabilities::NONE) {
            return saves.iter().map(|_| Err(refused.clone())).collect();
        }
        let answer = |save: &Save| {
            self.0.check(&save.key)?;
            save.options.into_parts()?;
            Ok(Version::mint())
        };
        saves.iter().map(answer).collect()
    }

    async fn delete_many(&self, keys: &[&str]) -> Result<u64> {
        self.0.check_open()?;
        check_distinct_keys(keys.iter().copied())?;
        Ok(0)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Version> {
        self.0.check_open()?;
        check_commit(&writes, &StateCapabilities::NONE)?;
        Ok(Version::mint())
    }

    async fn list(&self, query: ListQuery) -> Result<KeyPage> {
        self.0.check_open()?;
        query.into_parts()?;
        Ok(KeyPage::default())
    }

    async fn fence(&self, keys: &[&str], token: FencingToken) -> Result<()> {
        self.0.check_open()?;
        check_distinct_keys(keys.iter().copied())?;
        token.checked()?;
        Ok(())
    }
}

/// The cache of [`Null`]: it never hits, and whoever misses may load.
#[derive(Debug)]
pub struct NullCache(Null);

#[async_trait]
impl Cache for NullCache {
    fn capabilities(&self) -> CacheCapabilities {
        CacheCapabilities::NONE
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        self.0.check(key)?;
        Ok(None)
    }

    async fn set(&self, key: &str, _value: Bytes, expiry: Expiry) -> Result<()> {
        self.0.check(key)?;
        expiry.resolve(None)?;
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<bool> {
        self.0.check(key)?;
        Ok(false)
    }

    async fn clear(&self) -> Result<()> {
        self.0.check_open()
    }

    async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>> {
        self.0.check_open()?;
        check_keys(keys.iter().copied())?;
        Ok(keys.iter().map(|_| None).collect())
    }

    async fn set_many(&self, entries: Vec<(String, Bytes)>, expiry: Expiry) -> Vec<Result<()>> {
        if let Err(refused) = check_set_batch(&entries) {
            return entries.iter().map(|_| Err(refused.clone())).collect();
        }
        let answer = |key: &str| {
            self.0.check(key)?;
            expiry.resolve(None)?;
            Ok(())
        };
        entries.iter().map(|(key, _)| answer(key)).collect()
    }

    async fn remove_many(&self, keys: &[&str]) -> Result<u64> {
        self.0.check_open()?;
        check_distinct_keys(keys.iter().copied())?;
        Ok(0)
    }

    async fn contains(&self, key: &str) -> Result<bool> {
        self.0.check(key)?;
        Ok(false)
    }

    async fn get_with_expiry(&self, key: &str) -> Result<Option<Cached>> {
        self.0.check(key)?;
        Ok(None)
    }

    async fn get_or_reserve(&self, key: &str, hold: Duration) -> Result<Lookup> {
        self.0.check(key)?;
        Ttl::new(hold)?;
        Ok(Lookup::Reserved(Ticket { key: key.into(), token: Version::mint().to_bytes() }))
    }

    async fn fill(&self, ticket: Ticket, _value: Bytes, expiry: Expiry) -> Result<bool> {
        self.0.check(&ticket.key)?;
        expiry.resolve(None)?;
        Ok(true)
    }

    async fn filled(&self, key: &str) -> Result<()> {
        self.0.check(key)
    }
}

/// The locks of [`Null`]: granted to everybody, at once. It excludes nobody.
#[derive(Debug)]
pub struct NullLock(Null);

#[async_trait]
impl Lock for NullLock {
    fn capabilities(&self) -> LockCapabilities {
        LockCapabilities::NONE
    }

    async fn try_acquire(&self, claim: &Claim) -> Result<Option<Lease>> {
        self.0.check_open()?;
        let attempt = claim.attempt();
        Ok(attempt.granted(FencingToken(self.0.grants.fetch_add(1, Ordering::Relaxed) + 1)))
    }

    async fn renew(&self, lease: &Lease) -> Result<Lease> {
        self.0.check_open()?;
        lease.renewal().confirmed()
    }

    async fn release(&self, _claim: &Claim, _token: Option<FencingToken>) -> Result<Released> {
        self.0.check_open()?;
        Ok(Released::Ours)
    }

    async fn holder(&self, name: &str) -> Result<Option<Held>> {
        self.0.check(name)?;
        Ok(None)
    }
}

/// The event store of [`Null`]: every append is accepted, every stream is empty, and nothing ever changes.
#[derive(Debug)]
pub struct NullEvents(Null);

#[async_trait]
impl EventStore for NullEvents {
    fn capabilities(&self) -> EventCapabilities {
        EventCapabilities::NONE
    }

    /// The position is that before the first event, so that nobody waits for a reader to reach it.
    async fn append(&self, stream: &str, events: Vec<NewEvent>, options: AppendOptions) -> Result<Appended> {
        self.0.check(stream)?;
        let AppendParts { expected: _, append_id: _, fenced_by: _ } = options.into_parts()?;
        check_append(stream, &events, &EventCapabilities::NONE)?;
        Ok(Appended { first: 1, last: events.len() as u64, position: Position::START })
    }

    async fn read(&self, stream: &str, query: ReadQuery) -> Result<StreamSlice> {
        self.0.check(stream)?;
        query.into_parts()?;
        Ok(StreamSlice { events: Vec::new(), first: 1, last: 0 })
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Batch> {
        self.0.check_open()?;
        check_limit(limit)?;
        Ok(Batch { events: Vec::new(), next: after, truncated: None })
    }

    async fn load_snapshot(&self, stream: &str) -> Result<Option<Snapshot>> {
        self.0.check(stream)?;
        Ok(None)
    }

    async fn save_snapshot(&self, stream: &str, snapshot: Snapshot) -> Result<()> {
        self.0.check(stream)?;
        if snapshot.version == 0 { Err(Error::invalid("snapshot version", "1 or more")) } else { Ok(()) }
    }

    async fn truncate_before(&self, stream: &str, _version: u64) -> Result<()> {
        self.0.check(stream)
    }
}
