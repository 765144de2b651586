//! The operations of a state store inside the caller's transaction.

use async_trait::async_trait;
use concurrency_core::{
    Bytes, DeleteOptions, Error, FencingToken, KeyPage, ListQuery, Result, Save, SaveOptions, State, StateTransaction,
    Version, Write, check_batch_keys, check_commit, check_distinct_keys, check_key, check_keys, check_save_batch,
    check_size,
};
use rusqlite::Connection;

use super::{SqliteState, table::Table, tables};
use crate::{
    connection::Database,
    error::Fault,
    space::{Space, owned},
    transaction::step,
};

/// A [`SqliteState`] inside a [`SqliteTransaction`](crate::SqliteTransaction): the same operations, seen and committed together
/// with the caller's own SQL. None of them waits for anything.
#[derive(Debug)]
pub struct SqliteStateTransaction<'t> {
    connection: &'t mut Connection,
    store: SqliteState,
}

impl<'t> SqliteStateTransaction<'t> {
    pub(crate) fn new(connection: &'t mut Connection, database: &Database, store: &SqliteState) -> Result<Self> {
        if !store.space.is_of(database) {
            return Err(Error::invalid("state store", "it belongs to another client"));
        }
        Ok(Self { connection, store: store.clone() })
    }

    fn space(&self) -> &Space {
        &self.store.space
    }

    /// Runs `work` as one step of the transaction.
    fn step<T>(&self, work: impl FnOnce(&Table<'_>) -> Result<T, Fault>) -> Result<T> {
        step(self.connection, |connection| work(&tables(self.space().view(connection))?))
    }
}

#[async_trait]
impl StateTransaction for SqliteStateTransaction<'_> {
    async fn load(&mut self, key: &str) -> Result<Option<State>> {
        check_key(key)?;
        self.step(|table| table.load(key))
    }

    async fn load_many(&mut self, keys: &[&str]) -> Result<Vec<Option<State>>> {
        check_keys(keys.iter().copied())?;
        self.step(|table| keys.iter().map(|key| table.load(key)).collect())
    }

    async fn save(&mut self, key: &str, value: Bytes, options: SaveOptions) -> Result<Version> {
        check_key(key)?;
        let parts = options.into_parts()?;
        check_size(value.len(), self.space().config().max_value)?;
        self.step(|table| table.save(key, &value, Version::mint(), parts))
    }

    async fn save_many(&mut self, saves: Vec<Save>) -> Vec<Result<Version>> {
        let limits = SqliteState::capabilities_under(self.space().config());
        let answers =
            check_save_batch(&saves, &limits).and_then(|()| self.step(|table| table.save_many(&saves, &limits)));
        answers.unwrap_or_else(|error| vec![Err(error); saves.len()])
    }

    async fn delete(&mut self, key: &str, options: DeleteOptions) -> Result<bool> {
        check_key(key)?;
        let parts = options.into_parts()?;
        self.step(|table| table.delete(key, parts))
    }

    async fn delete_many(&mut self, keys: &[&str]) -> Result<u64> {
        check_distinct_keys(keys.iter().copied())?;
        check_batch_keys(keys.len(), &SqliteState::capabilities_under(self.space().config()))?;
        let keys = owned(keys);
        self.step(|table| table.delete_many(&keys))
    }

    async fn commit(&mut self, writes: Vec<Write>) -> Result<Version> {
        check_commit(&writes, &SqliteState::capabilities_under(self.space().config()))?;
        self.step(|table| table.commit(&writes, Version::mint()))
    }

    async fn list(&mut self, query: ListQuery) -> Result<KeyPage> {
        let parts = query.into_parts()?;
        self.step(|table| table.list(&parts))
    }

    async fn fence(&mut self, keys: &[&str], token: FencingToken) -> Result<()> {
        check_distinct_keys(keys.iter().copied())?;
        check_batch_keys(keys.len(), &SqliteState::capabilities_under(self.space().config()))?;
        let (keys, token) = (owned(keys), token.checked()?);
        self.step(|table| table.fence(&keys, token))
    }
}
