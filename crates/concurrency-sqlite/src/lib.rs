//! State, cache, locks and events in one SQLite file, for the processes of one machine.
//!
//! ```
//! use concurrency_core::{Backend, SaveOptions, TypedState};
//! use concurrency_sqlite::{Sqlite, SqliteConfig};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> concurrency_core::Result<()> {
//! # let folder = std::env::temp_dir().join(format!("concurrency-sqlite-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder).unwrap();
//! # let path = folder.join("app.db");
//! let sqlite = Sqlite::connect(SqliteConfig::new(path)).await?;
//! let stock = TypedState::<u32>::new(sqlite.state_store("stock")?);
//! stock.save("apples", &7, SaveOptions::new().if_absent()).await?;
//! sqlite.close().await;
//! # drop(std::fs::remove_dir_all(folder));
//! # Ok(())
//! # }
//! ```
//! Any number of processes may open the file at once; the caller's own tables may stand in it, too, and be changed in one
//! transaction with ours: [`Sqlite::transaction`]. Options are described at [`SqliteConfig`], guarantees in
//! `docs/backends/sqlite.md`.

mod cache;
mod config;
mod connection;
mod error;
mod event;
mod lock;
mod moment;
mod schema;
mod space;
mod state;
mod transaction;

use std::sync::Arc;

use async_trait::async_trait;
use concurrency_core::{
    Backend, Bells, Cache, Capabilities, Connector, Error, EventStore, Lock, Namespace, Result, StateStore,
};
pub use rusqlite;
use tokio::sync::Notify;

pub use self::{
    cache::SqliteCache,
    config::SqliteConfig,
    error::sql_error,
    event::{SqliteEvents, SqliteEventsTransaction},
    lock::SqliteLock,
    state::{SqliteState, SqliteStateTransaction},
    transaction::SqliteTransaction,
};
use self::{
    config::NamespaceConfig,
    connection::{Database, Kind},
    lock::Desk,
    space::Space,
};

/// One client of one SQLite file: a writing thread, `reader_threads` reading ones, and at most seven connections more than those,
/// whatever the number of components. Clones are the same client; a process needs one per file.
///
/// Several clients of one file in one process are as several processes are: correct, but each with a writer of its own.
#[derive(Debug, Clone)]
pub struct Sqlite {
    config: Arc<SqliteConfig>,
    database: Database,
    /// Tells those who wait for a value that this client writes to a cache.
    bells: Arc<Bells>,
    /// Tells those who wait for events of this client's own appends.
    appended: Arc<Notify>,
    /// `None` where the system has no clock by which several processes can judge a lease.
    locks: Option<Arc<Desk>>,
}

impl Sqlite {
    /// `sqlite:PATH`, with the options of [`SqliteConfig`] as its parameters.
    pub const CONNECTOR: Connector = Connector {
        schemes: &["sqlite"],
        connect: |url| {
            Box::pin(
                async move { Ok(Arc::new(Self::connect(SqliteConfig::from_url(url)?).await?) as Arc<dyn Backend>) },
            )
        },
    };

    /// Opens the file, creates it and its tables where they are missing, and proves that it can be written.
    ///
    /// # Errors
    /// `InvalidArgument` for an option out of bounds, a path that leads to a directory or into none, and a missing file with
    /// `create` off; `Unavailable` where somebody holds the file for longer than `operation_timeout`, and for a file that cannot
    /// be written; `Incompatible` for a file of another kind, of another program or of a newer version, and for a file system
    /// where processes cannot share it; `Unauthorized`; `Exhausted`.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing open; the file may have been created.
    pub async fn connect(config: SqliteConfig) -> Result<Self> {
        config.check()?;
        let database = Database::open(&config, config.of("").operation_timeout).await?;
        let locks = Desk::new(database.clone(), moment::boot_id());
        let bells = Arc::new(Bells::new());
        Ok(Self { config: Arc::new(config), database, bells, appended: Arc::default(), locks })
    }

    /// As [`Backend::state_store`], the type itself, which [`transaction`](Self::transaction) takes.
    ///
    /// # Errors
    /// As there.
    pub fn state_store(&self, namespace: &str) -> Result<Arc<SqliteState>> {
        Ok(Arc::new(SqliteState::new(self.space(namespace, Kind::Durable)?)))
    }

    /// As [`Backend::cache`], the type itself.
    ///
    /// # Errors
    /// As there.
    pub fn cache(&self, namespace: &str) -> Result<Arc<SqliteCache>> {
        Ok(Arc::new(SqliteCache::new(self.space(namespace, Kind::Relaxed)?, Arc::clone(&self.bells))))
    }

    /// As [`Backend::event_store`], the type itself, which [`transaction`](Self::transaction) takes.
    ///
    /// # Errors
    /// As there.
    pub fn event_store(&self, namespace: &str) -> Result<Arc<SqliteEvents>> {
        Ok(Arc::new(SqliteEvents::new(self.space(namespace, Kind::Durable)?, Arc::clone(&self.appended))))
    }

    /// As [`Backend::lock`], the type itself.
    ///
    /// # Errors
    /// As there; `Unsupported` where the system does not tell its boots apart (other than Linux).
    pub fn lock(&self, namespace: &str) -> Result<Arc<SqliteLock>> {
        let (namespace, config) = self.component(namespace)?;
        let desk = self.locks.as_ref().ok_or_else(|| Error::unsupported("lock"))?;
        Ok(Arc::new(SqliteLock::new(Arc::clone(desk), namespace, &config)))
    }

    /// What state, caches and events are bound to; `kind` is how they commit.
    fn space(&self, namespace: &str, kind: Kind) -> Result<Space> {
        let (namespace, config) = self.component(namespace)?;
        Ok(Space::new(self.database.clone(), kind, namespace, config))
    }

    /// What every component is made of.
    fn component(&self, namespace: &str) -> Result<(Namespace, NamespaceConfig)> {
        self.database.check_open()?;
        let namespace = Namespace::new(namespace)?;
        let config = self.config.of(namespace.as_str());
        Ok((namespace, config))
    }
}

#[async_trait]
impl Backend for Sqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn capabilities(&self) -> Capabilities {
        let config = self.config.of("");
        Capabilities {
            state: Some(SqliteState::capabilities_under(&config)),
            cache: Some(SqliteCache::capabilities_under(&config)),
            lock: self.locks.as_ref().map(|_| SqliteLock::CAPABILITIES),
            events: Some(SqliteEvents::capabilities_under(&config)),
        }
    }

    async fn health(&self) -> Result<()> {
        self.database.health(self.config.of("").operation_timeout).await
    }

    async fn close(&self) {
        if let Some(locks) = &self.locks {
            locks.close(self.config.of("").operation_timeout).await;
        }
        self.database.close().await;
    }

    fn state_store(&self, namespace: &str) -> Result<Arc<dyn StateStore>> {
        Ok(self.state_store(namespace)?)
    }

    fn cache(&self, namespace: &str) -> Result<Arc<dyn Cache>> {
        Ok(self.cache(namespace)?)
    }

    fn lock(&self, namespace: &str) -> Result<Arc<dyn Lock>> {
        Ok(self.lock(namespace)?)
    }

    fn event_store(&self, namespace: &str) -> Result<Arc<dyn EventStore>> {
        Ok(self.event_store(namespace)?)
    }
}
