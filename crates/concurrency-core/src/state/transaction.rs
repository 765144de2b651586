//! The same operations inside a transaction that the caller opened.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{DeleteOptions, FencingToken, KeyPage, ListQuery, Result, Save, SaveOptions, State, Version, Write};

/// The operations of a [`StateStore`](crate::StateStore) inside a transaction that the caller opened and will end (SQL,
/// MongoDB sessions). `&mut self`, borrowed and never stored: so a trait of its own.
///
/// Each statement runs once: no repeat, no second reading. A refused precondition or fence leaves the transaction usable.
/// Versions count from its commit on.
///
/// # Errors of every method
/// Those of the [`StateStore`](crate::StateStore) method of the same name, and `TransactionAborted` where the server gave
/// the transaction up: then the only way on is the caller's rollback.
///
/// # Cancel safety of every method
/// A statement whose future was dropped has taken effect in the transaction or not: roll it back.
#[async_trait]
pub trait StateTransaction: Send {
    /// The live value under `key`, as this transaction sees it.
    async fn load(&mut self, key: &str) -> Result<Option<State>>;
    /// One answer per key, in request order, as this transaction sees them.
    async fn load_many(&mut self, keys: &[&str]) -> Result<Vec<Option<State>>>;
    /// Saves, if the transaction commits.
    async fn save(&mut self, key: &str, value: Bytes, options: SaveOptions) -> Result<Version>;
    /// Saves, each on its own, if the transaction commits.
    async fn save_many(&mut self, saves: Vec<Save>) -> Vec<Result<Version>>;
    /// Deletes, if the transaction commits.
    async fn delete(&mut self, key: &str, options: DeleteOptions) -> Result<bool>;
    /// Deletes all, if the transaction commits.
    async fn delete_many(&mut self, keys: &[&str]) -> Result<u64>;
    /// All writes or none of them, if the transaction commits.
    async fn commit(&mut self, writes: Vec<Write>) -> Result<Version>;
    /// A page of live keys, as this transaction sees them.
    async fn list(&mut self, query: ListQuery) -> Result<KeyPage>;
    /// Raises fencing marks, if the transaction commits.
    async fn fence(&mut self, keys: &[&str], token: FencingToken) -> Result<()>;
}
