//! The stores that calls are dropped on, and what can be counted in them.

use std::{path::Path, sync::Arc, time::Duration};

use concurrency_core::{
    Backend, Cache, Capabilities, EventStore, Lock, Memory, Result, StateStore,
    clock::{self, BootInstant},
    memory::{MemoryCache, MemoryLock},
};
use concurrency_redis::{Redis, RedisCache, RedisConfig, RedisLock};
use concurrency_sqlite::{Sqlite, SqliteCache, SqliteConfig, SqliteLock};
use servers::{Kind, Setup, Unavailable, Via};
use tempfile::TempDir;

/// The namespace of everything.
const NAMESPACE: &str = "drops";

/// A store.
#[derive(Debug)]
pub(super) enum Server {
    Memory(Memory),
    /// A file in a folder that is thrown away.
    Sqlite(TempDir),
    /// A server of its own.
    Redis(servers::Server),
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
    Redis(Arc<RedisLock>, Arc<RedisCache>),
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
    /// A fresh one.
    ///
    /// # Errors
    /// Why it cannot be had; for a backend that nothing can be counted in, that.
    pub(super) fn start(backend: &str, via: Option<Via>) -> Result<Self, Unavailable> {
        match (backend, Kind::find(backend)) {
            ("memory", _) => Ok(Self::Memory(Memory::new())),
            ("sqlite", _) => Ok(Self::Sqlite(tempfile::tempdir().expect("there is room for a temporary folder"))),
            (_, Some(kind @ (Kind::Redis | Kind::Valkey))) => {
                Ok(Self::Redis(servers::Server::start(kind, via, &Setup::new())?))
            }
            _ => Err(Unavailable::new("nothing can be counted in it")),
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
            Self::Redis(server) => {
                let client = Redis::connect(RedisConfig::from_url(server.url())?).await?;
                let counts = Counted::Redis(client.lock(NAMESPACE)?, client.cache(NAMESPACE)?);
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
            Counted::Redis(lock, _) => {
                let (held, places, waiting) = lock.held_and_waiting().await.expect("the server answers");
                LockCounts { held, waiting, places }
            }
        }
    }

    /// Open files of the store, or sockets to it, in this process; threads and tasks that end have until `end` to close theirs.
    pub(super) async fn connections(&self, end: BootInstant) -> usize {
        loop {
            let open = match self {
                Self::Memory(_) => 0,
                Self::Sqlite(folder) => open_in(folder.path()),
                Self::Redis(server) => connected_to(server.url()),
            };
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

/// How many sockets of this process are connected to the port of a URL; 0 where the system does not say.
fn connected_to(url: &str) -> usize {
    let port = url.rsplit(':').next().and_then(|port| port.trim_end_matches('/').parse::<u16>().ok());
    let (Some(port), Ok(sockets)) = (port, std::fs::read_to_string("/proc/self/net/tcp")) else { return 0 };
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else { return 0 };
    let ours: Vec<_> = open.flatten().filter_map(|file| std::fs::read_link(file.path()).ok()).collect();
    let remote = format!(":{port:04X}");
    let is_ours = |line: &&str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [_, _, address, _, _, _, _, _, _, inode, ..] = words[..] else { return false };
        let name = format!("socket:[{inode}]");
        address.ends_with(&remote) && ours.iter().any(|file| file.as_os_str() == name.as_str())
    };
    sockets.lines().filter(is_ours).count()
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
            Counted::Redis(_, cache) => cache.reserved().await.expect("the server answers"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn connections_are_counted(server: Server) {
        let client = server.client().await.expect("it opens");
        let now = BootInstant::now();
        assert!(server.connections(now).await > 0);
        client.close().await;
        drop(client);
        assert_eq!(server.connections(now.after(Duration::from_secs(5))).await, 0);
    }

    #[tokio::test]
    async fn files_are_counted() {
        connections_are_counted(Server::start("sqlite", None).expect("a file")).await;
    }

    #[tokio::test]
    async fn sockets_are_counted() {
        let Some(server) = servers::for_test(Kind::Redis, None, &Setup::new()) else { return };
        connections_are_counted(Server::Redis(server)).await;
    }
}
