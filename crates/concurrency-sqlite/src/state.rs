//! State in the file.

mod table;
mod transaction;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use concurrency_core::{
    Bytes, ClockSource, DeleteOptions, FencingToken, KeyPage, ListQuery, Namespace, Result, Save, SaveOptions, State,
    StateCapabilities, StateStore, Survives, Ttl, Version, Write, check_batch_keys, check_commit, check_distinct_keys,
    check_key, check_keys, check_save_batch, check_size,
};
use rusqlite::Connection;

use self::table::{Loaded, Table};
pub use self::transaction::SqliteStateTransaction;
use crate::{
    config::NamespaceConfig,
    connection::{Database, Kind},
    error::Fault,
};

/// The most keys in one bulk write.
const MAX_BATCH_KEYS: usize = 1000;

/// The state of one namespace.
#[derive(Debug, Clone)]
pub struct SqliteState {
    database: Database,
    space: Arc<Space>,
}

/// A namespace and its options.
#[derive(Debug)]
struct Space {
    namespace: Namespace,
    config: NamespaceConfig,
}

impl Space {
    fn table<'c>(&'c self, connection: &'c Connection) -> Result<Table<'c>, Fault> {
        Table::new(connection, self.namespace.as_str(), self.config.fence_retention)
    }
}

impl SqliteState {
    pub(crate) fn new(database: Database, namespace: Namespace, config: NamespaceConfig) -> Self {
        Self { database, space: Arc::new(Space { namespace, config }) }
    }

    /// What a store under this configuration promises.
    pub(crate) fn capabilities_under(config: &NamespaceConfig) -> StateCapabilities {
        StateCapabilities {
            survives: Survives::Crash,
            evictable: false,
            fencing: true,
            fence_retention: config.fence_retention.as_duration(),
            commit: true,
            list: true,
            bulk: true,
            snapshot_reads: true,
            transactions: true,
            clock: ClockSource::Host,
            max_value: config.max_value,
            max_batch_keys: MAX_BATCH_KEYS,
            max_batch_bytes: config.max_value.saturating_mul(4),
            max_ttl: Some(Ttl::MAX),
            ttl_granularity: Duration::from_millis(1),
        }
    }

    fn limit(&self) -> Duration {
        self.space.config.operation_timeout
    }

    /// Runs `work` on the table, inside the writer's transaction.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Table<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        let space = Arc::clone(&self.space);
        let work = move |connection: &Connection| work(&space.table(connection)?);
        self.database.write(Kind::Durable, self.limit(), work).await
    }

    /// Runs `work` on one snapshot of the table, on a reader's thread.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Table<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        let space = Arc::clone(&self.space);
        self.database.read(self.limit(), move |connection| work(&space.table(connection)?)).await
    }
}

#[async_trait]
impl StateStore for SqliteState {
    fn capabilities(&self) -> StateCapabilities {
        Self::capabilities_under(&self.space.config)
    }

    async fn load(&self, key: &str) -> Result<Option<State>> {
        self.database.check_open()?;
        check_key(key)?;
        if let Some(most) = self.space.config.inline_read_bytes {
            let namespace = self.space.namespace.as_str();
            let read = self.database.read_now(|connection| table::load(connection, namespace, key, most, None));
            match read.transpose()? {
                Some(Loaded::Missing) => return Ok(None),
                Some(Loaded::Live(state)) => return Ok(Some(state)),
                Some(Loaded::TooLarge) | None => {}
            }
        }
        let key = key.to_owned();
        self.read(move |table| table.load(&key)).await
    }

    async fn save(&self, key: &str, value: Bytes, options: SaveOptions) -> Result<Version> {
        self.database.check_open()?;
        check_key(key)?;
        let parts = options.into_parts()?;
        check_size(value.len(), self.space.config.max_value)?;
        let (key, version) = (key.to_owned(), Version::mint());
        self.write(move |table| table.save(&key, &value, version, parts)).await
    }

    async fn delete(&self, key: &str, options: DeleteOptions) -> Result<bool> {
        self.database.check_open()?;
        check_key(key)?;
        let (key, parts) = (key.to_owned(), options.into_parts()?);
        self.write(move |table| table.delete(&key, parts)).await
    }

    async fn load_many(&self, keys: &[&str]) -> Result<Vec<Option<State>>> {
        self.database.check_open()?;
        check_keys(keys.iter().copied())?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let keys = owned(keys);
        self.read(move |table| keys.iter().map(|key| table.load(key)).collect()).await
    }

    async fn save_many(&self, saves: Vec<Save>) -> Vec<Result<Version>> {
        let (entries, limits) = (saves.len(), self.capabilities());
        let refused = self.database.check_open().and_then(|()| check_save_batch(&saves, &limits));
        let answers = match refused {
            Ok(()) if saves.is_empty() => return Vec::new(),
            Ok(()) => self.write(move |table| table.save_many(&saves, &limits)).await,
            Err(refused) => Err(refused),
        };
        answers.unwrap_or_else(|error| vec![Err(error); entries])
    }

    async fn delete_many(&self, keys: &[&str]) -> Result<u64> {
        self.database.check_open()?;
        check_distinct_keys(keys.iter().copied())?;
        check_batch_keys(keys.len(), &self.capabilities())?;
        if keys.is_empty() {
            return Ok(0);
        }
        let keys = owned(keys);
        self.write(move |table| table.delete_many(&keys)).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Version> {
        self.database.check_open()?;
        check_commit(&writes, &self.capabilities())?;
        let version = Version::mint();
        self.write(move |table| table.commit(&writes, version)).await
    }

    async fn list(&self, query: ListQuery) -> Result<KeyPage> {
        self.database.check_open()?;
        let parts = query.into_parts()?;
        self.read(move |table| table.list(&parts)).await
    }

    async fn fence(&self, keys: &[&str], token: FencingToken) -> Result<()> {
        self.database.check_open()?;
        check_distinct_keys(keys.iter().copied())?;
        check_batch_keys(keys.len(), &self.capabilities())?;
        let token = token.checked()?;
        if keys.is_empty() {
            return Ok(());
        }
        let keys = owned(keys);
        self.write(move |table| table.fence(&keys, token)).await
    }
}

fn owned(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}
