//! Components whose calls take two polls longer: one before the call reaches the server, one before its answer is back.
//!
//! Calls to memory are over at their first poll. Behind this they can be dropped before they were sent, and after they had
//! their effect, as calls over a network can.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use concurrency_core::{
    AppendOptions, Appended, Batch, Bytes, Cache, CacheCapabilities, Cached, Claim, DeleteOptions, EventCapabilities,
    EventStore, Expiry, FencingToken, Held, KeyPage, Lease, ListQuery, Lock, LockCapabilities, Lookup, NewEvent,
    Position, ReadQuery, Released, Result, Save, SaveOptions, Snapshot, State, StateCapabilities, StateStore,
    StreamSlice, Ticket, Version, Write,
};
use tokio::task::yield_now;

/// A component behind a delay.
#[derive(Debug)]
pub(super) struct Delayed<C: ?Sized>(pub(super) Arc<C>);

async fn delay<T>(call: impl Future<Output = T>) -> T {
    yield_now().await;
    let answer = call.await;
    yield_now().await;
    answer
}

macro_rules! delayed {
    ($trait:ident, $capabilities:ident; $($name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)* $(@ $($rest:tt)*)?) => {
        #[async_trait]
        impl $trait for Delayed<dyn $trait> {
            fn capabilities(&self) -> $capabilities {
                self.0.capabilities()
            }
            $(async fn $name(&self, $($arg: $ty),*) -> $ret {
                delay(self.0.$name($($arg),*)).await
            })*
            $($($rest)*)?
        }
    };
}

delayed! { StateStore, StateCapabilities;
    load(key: &str) -> Result<Option<State>>;
    save(key: &str, value: Bytes, options: SaveOptions) -> Result<Version>;
    delete(key: &str, options: DeleteOptions) -> Result<bool>;
    load_many(keys: &[&str]) -> Result<Vec<Option<State>>>;
    save_many(saves: Vec<Save>) -> Vec<Result<Version>>;
    delete_many(keys: &[&str]) -> Result<u64>;
    commit(writes: Vec<Write>) -> Result<Version>;
    list(query: ListQuery) -> Result<KeyPage>;
    fence(keys: &[&str], token: FencingToken) -> Result<()>;
}

delayed! { Cache, CacheCapabilities;
    get(key: &str) -> Result<Option<Bytes>>;
    set(key: &str, value: Bytes, expiry: Expiry) -> Result<()>;
    remove(key: &str) -> Result<bool>;
    clear() -> Result<()>;
    get_many(keys: &[&str]) -> Result<Vec<Option<Bytes>>>;
    set_many(entries: Vec<(String, Bytes)>, expiry: Expiry) -> Vec<Result<()>>;
    remove_many(keys: &[&str]) -> Result<u64>;
    contains(key: &str) -> Result<bool>;
    get_with_expiry(key: &str) -> Result<Option<Cached>>;
    get_or_reserve(key: &str, hold: Duration) -> Result<Lookup>;
    fill(ticket: Ticket, value: Bytes, expiry: Expiry) -> Result<bool>;
    filled(key: &str) -> Result<()>;
}

delayed! { Lock, LockCapabilities;
    try_acquire(claim: &Claim) -> Result<Option<Lease>>;
    renew(lease: &Lease) -> Result<Lease>;
    release(claim: &Claim, token: Option<FencingToken>) -> Result<Released>;
    acquire(claim: &Claim, timeout: Duration) -> Result<Lease>;
    renew_many(leases: &[&Lease]) -> Vec<Result<Lease>>;
    holder(name: &str) -> Result<Option<Held>>;
    @ fn leave(&self, lease: &Lease) {
        self.0.leave(lease);
    }
}

delayed! { EventStore, EventCapabilities;
    append(stream: &str, events: Vec<NewEvent>, options: AppendOptions) -> Result<Appended>;
    read(stream: &str, query: ReadQuery) -> Result<StreamSlice>;
    read_all(after: Position, limit: usize) -> Result<Batch>;
    changed(after: Position) -> Result<()>;
    load_snapshot(stream: &str) -> Result<Option<Snapshot>>;
    save_snapshot(stream: &str, snapshot: Snapshot) -> Result<()>;
    truncate_before(stream: &str, version: u64) -> Result<()>;
}
