//! The stores that calls are dropped on, and what can be counted in them.

use std::{path::Path, sync::Arc, time::Duration};

use concurrency_core::{
    Backend, Cache, Capabilities, Error, EventStore, Lock, Memory, Result, StateStore,
    clock::{self, BootInstant},
    memory::{MemoryCache, MemoryLock},
};
use concurrency_sqlite::{Sqlite, SqliteConfig, SqliteLock};
use tempfile::TempDir;

/// The namespace of everything.
const NAMESPACE: &str = "drops";

/// A store.
#[derive(Debug)]
pub(super) enum Server {
    Memory(Memory),
    /// A file in a folder that is thrown away, and a memory that stands in for the components that it lacks.
    Sqlite(TempDir, Memory),
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
    counts: CountedLock,
}

#[derive(Debug)]
enum CountedLock {
    Memory(Arc<MemoryLock>),
    Sqlite(Arc<SqliteLock>),
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
            "sqlite" => {
                Some(Self::Sqlite(tempfile::tempdir().expect("there is room for a temporary folder"), Memory::new()))
            }
            _ => None,
        }
    }

    /// Another client.
    pub(super) async fn client(&self) -> Result<Client> {
        let (backend, counts, stands_in): (Arc<dyn Backend>, _, _) = match self {
            Self::Memory(memory) => {
                let client = memory.another_client();
                let counts = CountedLock::Memory(client.lock(NAMESPACE)?);
                (Arc::new(client), counts, memory)
            }
            Self::Sqlite(folder, memory) => {
                let client = Sqlite::connect(SqliteConfig::new(folder.path().join("drops.db"))).await?;
                let counts = CountedLock::Sqlite(client.lock(NAMESPACE)?);
                (Arc::new(client), counts, memory)
            }
        };
        let capabilities = backend.capabilities();
        let stands_in = stands_in.another_client();
        Ok(Client {
            state: backend.state_store(NAMESPACE)?,
            cache: or(backend.cache(NAMESPACE), || Ok(stands_in.cache(NAMESPACE)?))?,
            lock: backend.lock(NAMESPACE)?,
            events: or(backend.event_store(NAMESPACE), || Ok(stands_in.event_store(NAMESPACE)?))?,
            capabilities,
            backend,
            counts,
        })
    }

    /// Reservations of the cache in memory; elsewhere they lapse, and nothing is held for them.
    pub(super) fn reserved(&self) -> usize {
        let (Self::Memory(memory) | Self::Sqlite(_, memory)) = self;
        memory.cache(NAMESPACE).map_or(0, |cache: Arc<MemoryCache>| cache.reserved())
    }

    /// What there is of locks, as this client sees it.
    pub(super) async fn locks(&self, client: &Client) -> LockCounts {
        match &client.counts {
            CountedLock::Memory(lock) => {
                let (held, waiting) = lock.held_and_waiting();
                LockCounts { held, waiting, places: 0 }
            }
            CountedLock::Sqlite(lock) => {
                let (held, places, waiting) = lock.held_and_waiting().await.expect("the file can be read");
                LockCounts { held, waiting, places }
            }
        }
    }

    /// Open files of the store in this process; threads that end have until `end` to close theirs.
    pub(super) async fn connections(&self, end: BootInstant) -> usize {
        let Self::Sqlite(folder, _) = self else { return 0 };
        loop {
            let open = open_in(folder.path());
            if open == 0 || end.has_passed() {
                return open;
            }
            clock::sleep_until(BootInstant::now().after(Duration::from_millis(10))).await;
        }
    }
}

fn or<C: ?Sized>(component: Result<Arc<C>>, stands_in: impl FnOnce() -> Result<Arc<C>>) -> Result<Arc<C>> {
    match component {
        Err(Error::Unsupported { .. }) => stands_in(),
        component => component,
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
