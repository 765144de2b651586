//! A backend seen from afar.
//!
//! Memory answers in no time, and with it hardly ever would two requests meet. Here each call takes as long as over a
//! network, half of it on the way there and half on the way back, so that instances race as they do in production: what
//! was read is old by the time it is used, and whoever is dropped while waiting does not learn what came of its call.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use concurrency_core::{
    AppendOptions, Appended, Backend, Batch, Cache, CacheCapabilities, Cached, Capabilities, Claim, DeleteOptions,
    EventCapabilities, EventStore, Expiry, FencingToken, Held, KeyPage, Lease, ListQuery, Lock, LockCapabilities,
    Lookup, NewEvent, Position, ReadQuery, Released, Result, Save, SaveOptions, Snapshot, State, StateCapabilities,
    StateStore, StreamSlice, Ticket, Version, Write,
    clock::{self, BootInstant},
    random,
};

/// A backend whose every call takes a random time up to twice `way`.
#[derive(Debug, Clone)]
pub struct Distant<B> {
    there: B,
    way: Duration,
}

impl<B> Distant<B> {
    /// Puts `there` so far away: each way takes a random time up to `way`.
    pub const fn new(there: B, way: Duration) -> Self {
        Self { there, way }
    }

    async fn travel(&self) {
        clock::sleep_until(BootInstant::now().after(random::up_to(self.way))).await;
    }
}

/// A component whose every call travels there, is carried out, and travels back; what needs no call is answered here.
macro_rules! remote {
    ($component:ident, $capabilities:ident {
        $(async fn $name:ident(&self $(, $arg:ident: $ty:ty)* $(,)?) -> $answer:ty;)*
        $(; $($here:tt)*)?
    }) => {
        #[async_trait]
        impl $component for Distant<Arc<dyn $component>> {
            fn capabilities(&self) -> $capabilities {
                self.there.capabilities()
            }
            $(async fn $name(&self $(, $arg: $ty)*) -> $answer {
                self.travel().await;
                let answer = self.there.$name($($arg),*).await;
                self.travel().await;
                answer
            })*
            $($($here)*)?
        }
    };
}

remote!(StateStore, StateCapabilities {
    async fn load(&self, key: &str) -> Result<Option<State>>;
    async fn save(&self, key: &str, value: Bytes, options: SaveOptions) -> Result<Version>;
    async fn delete(&self, key: &str, options: DeleteOptions) -> Result<bool>;
    async fn load_many(&self, keys: &[&str]) -> Result<Vec<Option<State>>>;
    async fn save_many(&self, saves: Vec<Save>) -> Vec<Result<Version>>;
    async fn delete_many(&self, keys: &[&str]) -> Result<u64>;
    async fn commit(&self, writes: Vec<Write>) -> Result<Version>;
    async fn list(&self, query: ListQuery) -> Result<KeyPage>;
    async fn fence(&self, keys: &[&str], token: FencingToken) -> Result<()>;
});

remote!(Cache, CacheCapabilities {
    async fn get(&self, key: &str) -> Result<Option<Bytes>>;
    async fn set(&self, key: &str, value: Bytes, expiry: Expiry) -> Result<()>;
    async fn remove(&self, key: &str) -> Result<bool>;
    async fn clear(&self) -> Result<()>;
    async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>>;
    async fn set_many(&self, entries: Vec<(String, Bytes)>, expiry: Expiry) -> Vec<Result<()>>;
    async fn remove_many(&self, keys: &[&str]) -> Result<u64>;
    async fn contains(&self, key: &str) -> Result<bool>;
    async fn get_with_expiry(&self, key: &str) -> Result<Option<Cached>>;
    async fn get_or_reserve(&self, key: &str, hold: Duration) -> Result<Lookup>;
    async fn fill(&self, ticket: Ticket, value: Bytes, expiry: Expiry) -> Result<bool>;
    async fn filled(&self, key: &str) -> Result<()>;
});

remote!(Lock, LockCapabilities {
    async fn try_acquire(&self, claim: &Claim) -> Result<Option<Lease>>;
    async fn renew(&self, lease: &Lease) -> Result<Lease>;
    async fn release(&self, claim: &Claim, token: Option<FencingToken>) -> Result<Released>;
    async fn acquire(&self, claim: &Claim, timeout: Duration) -> Result<Lease>;
    async fn renew_many(&self, leases: &[&Lease]) -> Vec<Result<Lease>>;
    async fn holder(&self, name: &str) -> Result<Option<Held>>;
    ;
    fn leave(&self, lease: &Lease) {
        self.there.leave(lease);
    }
});

remote!(EventStore, EventCapabilities {
    async fn append(&self, stream: &str, events: Vec<NewEvent>, options: AppendOptions) -> Result<Appended>;
    async fn read(&self, stream: &str, query: ReadQuery) -> Result<StreamSlice>;
    async fn read_all(&self, after: Position, limit: usize) -> Result<Batch>;
    async fn changed(&self, after: Position) -> Result<()>;
    async fn load_snapshot(&self, stream: &str) -> Result<Option<Snapshot>>;
    async fn save_snapshot(&self, stream: &str, snapshot: Snapshot) -> Result<()>;
    async fn truncate_before(&self, stream: &str, version: u64) -> Result<()>;
});

#[async_trait]
impl<B: Backend> Backend for Distant<B> {
    fn name(&self) -> &'static str {
        self.there.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.there.capabilities()
    }

    async fn health(&self) -> Result<()> {
        self.travel().await;
        self.there.health().await
    }

    async fn close(&self) {
        self.there.close().await;
    }

    fn state_store(&self, namespace: &str) -> Result<Arc<dyn StateStore>> {
        Ok(Arc::new(Distant::new(self.there.state_store(namespace)?, self.way)))
    }

    fn cache(&self, namespace: &str) -> Result<Arc<dyn Cache>> {
        Ok(Arc::new(Distant::new(self.there.cache(namespace)?, self.way)))
    }

    fn lock(&self, namespace: &str) -> Result<Arc<dyn Lock>> {
        Ok(Arc::new(Distant::new(self.there.lock(namespace)?, self.way)))
    }

    fn event_store(&self, namespace: &str) -> Result<Arc<dyn EventStore>> {
        Ok(Arc::new(Distant::new(self.there.event_store(namespace)?, self.way)))
    }
}
