//! The backend, through the pointers that services use.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use concurrency_core::{AppendOptions, Backend, Claim, EventStore, Lock, NewEvent, Result, SaveOptions, StateStore};
use concurrency_sqlite::{Sqlite, SqliteConfig};

use super::{
    NAMESPACE,
    operation::{Contender, VALUE},
};

/// How long the name of a lock may be waited for: it is free.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a lease counts.
pub(super) const TTL: Duration = Duration::from_secs(3600);

/// One client, with its defaults.
#[derive(Clone)]
pub(super) struct Ours {
    pub(super) client: Sqlite,
    pub(super) state: Arc<dyn StateStore>,
    pub(super) events: Arc<dyn EventStore>,
    pub(super) lock: Arc<dyn Lock>,
}

impl Ours {
    pub(super) async fn open(path: &Path) -> Result<Self> {
        Self::with(SqliteConfig::new(path)).await
    }

    /// One that maps as much of the file as SQLite does at most.
    pub(super) async fn open_mapped(path: &Path) -> Result<Self> {
        Self::with(SqliteConfig::new(path).mmap_size((2 << 30) - (64 << 10))).await
    }

    async fn with(config: SqliteConfig) -> Result<Self> {
        // Nobody is to fail because the machine is busy.
        let client = Sqlite::connect(config.operation_timeout(PATIENCE)).await?;
        let (state, events) = (client.state_store(NAMESPACE)?, client.event_store(NAMESPACE)?);
        let lock = client.lock(NAMESPACE)?;
        Ok(Self { client, state, events, lock })
    }

    /// Ends the connections and leaves everything in the file itself.
    pub(super) async fn close(&self) {
        self.client.close().await;
    }
}

impl Contender for Ours {
    async fn load(&self, key: &str) {
        self.state.load(key).await.expect("loaded").expect("it is there");
    }

    async fn save(&self, key: &str) {
        self.state.save(key, Bytes::from_static(VALUE), SaveOptions::new()).await.expect("saved");
    }

    async fn append(&self, stream: &str) {
        let event = NewEvent::new("happened", VALUE);
        self.events.append(stream, vec![event], AppendOptions::new()).await.expect("appended");
    }

    async fn lock(&self, name: &str) {
        let claim = Claim::new(name, TTL).expect("a good claim");
        let lease = self.lock.acquire(&claim, PATIENCE).await.expect("it is free");
        self.lock.release(&claim, Some(lease.fencing_token())).await.expect("released");
    }
}
