//! State in the file.

mod table;
mod transaction;

use std::time::Duration;

use async_trait::async_trait;
use concurrency_core::{
    Bytes, ClockSource, DeleteOptions, FencingToken, KeyPage, ListQuery, Result, Save, SaveOptions, State,
    StateCapabilities, StateStore, Survives, Ttl, Version, Write, check_batch_keys, check_commit, check_distinct_keys,
    check_key, check_keys, check_save_batch, check_size,
};

use self::table::{Loaded, Table};
pub use self::transaction::SqliteStateTransaction;
use crate::{
    config::NamespaceConfig,
    error::Fault,
    space::{Space, View, owned},
};

/// The most keys in one bulk write.
const MAX_BATCH_KEYS: usize = 1000;

/// The state of one namespace.
#[derive(Debug, Clone)]
pub struct SqliteState {
    space: Space,
}

fn tables(view: View<'_>) -> Result<Table<'_>, Fault> {
    Table::new(view.connection, view.namespace, view.config.fence_retention)
}

impl SqliteState {
    pub(crate) fn new(space: Space) -> Self {
        Self { space }
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
}

#[async_trait]
impl StateStore for SqliteState {
    fn capabilities(&self) -> StateCapabilities {
        Self::capabilities_under(self.space.config())
    }

    async fn load(&self, key: &str) -> Result<Option<State>> {
        self.space.check_open()?;
        check_key(key)?;
        if let Some(most) = self.space.config().inline_read_bytes {
            let read = |view: View<'_>| table::load(view.connection, view.namespace, key, most, None);
            match self.space.read_now(read).transpose()? {
                Some(Loaded::Missing) => return Ok(None),
                Some(Loaded::Live(state)) => return Ok(Some(state)),
                Some(Loaded::TooLarge) | None => {}
            }
        }
        let key = key.to_owned();
        self.space.read(move |view| tables(view)?.load(&key)).await
    }

    async fn save(&self, key: &str, value: Bytes, options: SaveOptions) -> Result<Version> {
        self.space.check_open()?;
        check_key(key)?;
        let parts = options.into_parts()?;
        check_size(value.len(), self.space.config().max_value)?;
        let (key, version) = (key.to_owned(), Version::mint());
        self.space.write(move |view| tables(view)?.save(&key, &value, version, parts)).await
    }

    async fn delete(&self, key: &str, options: DeleteOptions) -> Result<bool> {
        self.space.check_open()?;
        check_key(key)?;
        let (key, parts) = (key.to_owned(), options.into_parts()?);
        self.space.write(move |view| tables(view)?.delete(&key, parts)).await
    }

    async fn load_many(&self, keys: &[&str]) -> Result<Vec<Option<State>>> {
        self.space.check_open()?;
        check_keys(keys.iter().copied())?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let keys = owned(keys);
        let read = move |view: View<'_>| {
            let tables = tables(view)?;
            keys.iter().map(|key| tables.load(key)).collect()
        };
        self.space.read(read).await
    }

    async fn save_many(&self, saves: Vec<Save>) -> Vec<Result<Version>> {
        let (entries, limits) = (saves.len(), self.capabilities());
        let refused = self.space.check_open().and_then(|()| check_save_batch(&saves, &limits));
        let answers = match refused {
            Ok(()) if saves.is_empty() => return Vec::new(),
            Ok(()) => self.space.write(move |view| tables(view)?.save_many(&saves, &limits)).await,
            Err(refused) => Err(refused),
        };
        answers.unwrap_or_else(|error| vec![Err(error); entries])
    }

    async fn delete_many(&self, keys: &[&str]) -> Result<u64> {
        self.space.check_open()?;
        check_distinct_keys(keys.iter().copied())?;
        check_batch_keys(keys.len(), &self.capabilities())?;
        if keys.is_empty() {
            return Ok(0);
        }
        let keys = owned(keys);
        self.space.write(move |view| tables(view)?.delete_many(&keys)).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Version> {
        self.space.check_open()?;
        check_commit(&writes, &self.capabilities())?;
        let version = Version::mint();
        self.space.write(move |view| tables(view)?.commit(&writes, version)).await
    }

    async fn list(&self, query: ListQuery) -> Result<KeyPage> {
        self.space.check_open()?;
        let parts = query.into_parts()?;
        self.space.read(move |view| tables(view)?.list(&parts)).await
    }

    async fn fence(&self, keys: &[&str], token: FencingToken) -> Result<()> {
        self.space.check_open()?;
        check_distinct_keys(keys.iter().copied())?;
        check_batch_keys(keys.len(), &self.capabilities())?;
        let token = token.checked()?;
        if keys.is_empty() {
            return Ok(());
        }
        let keys = owned(keys);
        self.space.write(move |view| tables(view)?.fence(&keys, token)).await
    }
}
