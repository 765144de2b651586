//! The stores that calls are dropped on, and what can be counted in them.

use std::{path::Path, sync::Arc, time::Duration};

use concurrency_core::{
    Backend, Cache, Capabilities, EventStore, Lock, Memory, Result, StateStore,
    clock::{self, BootInstant},
    memory::{MemoryCache, MemoryLock},
};
use concurrency_sqlite::{Sqlite, SqliteCache, SqliteConfig, SqliteLock};
use tempfile::TempDir;

/// The namespace of everything.
const NAMESPACE: &str = "drops";

/// A store.
#[derive(Debug)]
pub(super) enum Server {
    Memory(Memory),
    /// A file in a folder that is thrown away.
    Sqlite(TempDir),
}

/// A client of it.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) state: Arc<dyn StateStore>,
    pub(super) cache: Arc<dyn Cache>,
    pub(super) lock: Arc<dyn Lock>,
    pub(super) events: Arc<dyn EventStore>,
    pub(super) capabilities: Capabilities,
    backend: Arc<dyn Backend>,
    counts: Counted,
}

#[derive(Debug)]
enum Counted {
    Memory(Arc<MemoryLock>, Arc<MemoryCache>),
    Sqlite(Arc<SqliteLock>, Arc<SqliteCache>),
}

/// What there is of locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LockCounts {
    pub(super) held: usize,
    /// Who waits in the client that is asked.
    pub(super) waiting: usize,
    /// In the store's queues.
    pub(super) places: usize,
}

impl Server {
    /// A fresh one; `None` for a backend that nothing can be counted in.
    pub(super) fn start(backend: &str) -> Option<Self> {
        match backend {
            "memory" => Some(Self::Memory(Memory::new())),
            "sqlite" => Some(Self::Sqlite(tempfile::tempdir().expect("there is room for a temporary folder"))),
            _ => None,
        }
    }

    /// Another client.
    pub(super) async fn client(&self) -> Result<Client> {
        let (backend, counts): (Arc<dyn Backend>, _) = match self {
            Self::Memory(memory) => {
                let client = memory.another_client();
                let counts = Counted::Memory(client.lock(NAMESPACE)?, client.cache(NAMESPACE)?);
                (Arc::new(client), counts)
            }
            Self::Sqlite(folder) => {
                let client = Sqlite::connect(SqliteConfig::new(folder.path().join("drops.db"))).await?;
                let counts = Counted::Sqlite(client.lock(NAMESPACE)?, client.cache(NAMESPACE)?);
                (Arc::new(client), counts)
            }
        };
        let capabilities = backend.capabilities();
        Ok(Client {
            state: backend.state_store(NAMESPACE)?,
            cache: backend.cache(NAMESPACE)?,
            lock: backend.lock(NAMESPACE)?,
            events: backend.event_store(NAMESPACE)?,
            capabilities,
            backend,
            counts,
        })
    }

    /// What there is of locks, as this client sees it.
    pub(super) async fn locks(&self, client: &Client) -> LockCounts {
        match &client.counts {
            Counted::Memory(lock, _) => {
                let (held, waiting) = lock.held_and_waiting();
                LockCounts { held, waiting, places: 0 }
            }
            Counted::Sqlite(lock, _) => {
                let (held, places, waiting) = lock.held_and_waiting().await.expect("the file can be read");
                LockCounts { held, waiting, places }
            }
        }
    }

    /// Open files of the store in this process; threads that end have until `end` to close theirs.
    pub(super) async fn connections(&self, end: BootInstant) -> usize {
        let Self::Sqlite(folder) = self else { return 0 };
        loop {
            let open = open_in(folder.path());
            if open == 0 || end.has_passed() {
                return open;
            }
            clock::sleep_until(BootInstant::now().after(Duration::from_millis(10))).await;
        }
    }
}

/// How many files of this process are open in a folder; 0 where the system does not say.
fn open_in(folder: &Path) -> usize {
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else { return 0 };
    let is_inside = |file: &std::path::PathBuf| file.starts_with(folder);
    open.flatten().filter_map(|file| std::fs::read_link(file.path()).ok()).filter(is_inside).count()
}

impl Client {
    pub(super) async fn close(&self) {
        self.backend.close().await;
    }

    /// Reservations of the cache that stand, of all clients.
    pub(super) async fn reserved(&self) -> usize {
        match &self.counts {
            Counted::Memory(_, cache) => cache.reserved(),
            Counted::Sqlite(_, cache) => cache.reserved().await.expect("the file can be read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_are_counted() {
        let server = Server::start("sqlite").expect("a file");
        let client = server.client().await.expect("it opens");
        let now = BootInstant::now();
        assert!(server.connections(now).await > 0);
        client.close().await;
        drop(client);
        assert_eq!(server.connections(now.after(Duration::from_secs(5))).await, 0);
    }
}
