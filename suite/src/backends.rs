//! The backends that the suite knows, by name.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use concurrency_conformance::{Component, Harness, peers::Crew};
use concurrency_core::{Backend, Boxed, Error, Memory, Result};
use concurrency_redis::{Redis, RedisConfig};
use concurrency_sqlite::{Sqlite, SqliteConfig};
use servers::{Kind, Sentinels, Server, Setup, Unavailable, Via};
use tempfile::TempDir;

use crate::parallel::processors;

/// So many cases of a backend that lives by real time are run at once: more of them keep each other from their times.
const REAL_AT_ONCE: usize = 4;

/// A backend under test.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// What `--backend` calls it.
    pub(crate) name: &'static str,
    place: Place,
}

/// Where a backend keeps its data, and how another client of that is opened.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// In this process, by virtual time.
    Process(fn() -> Connect),
    /// In a folder.
    Folder(fn(&Path) -> Connect),
    /// On a server, by its URL.
    Server(Kind, fn(&str) -> Connect),
    /// On a primary with replicas, by the URL of their sentinels.
    Sentinels(Kind, fn(&str) -> Connect),
}

/// Opens another client of one store, which ends with the last clone of this.
pub(crate) type Connect = Arc<dyn Fn() -> Boxed<'static, Result<Arc<dyn Backend>>> + Send + Sync>;

/// What the SQLite backend is called.
pub(crate) const SQLITE: &str = "sqlite";

/// All of them. The first is the model.
pub(crate) const ALL: &[Target] = &[
    Target { name: "memory", place: Place::Process(memory) },
    Target { name: SQLITE, place: Place::Folder(sqlite) },
    Target { name: Kind::Redis.name(), place: Place::Server(Kind::Redis, redis) },
    Target { name: "redis-sentinel", place: Place::Sentinels(Kind::Redis, redis) },
    Target { name: Kind::Valkey.name(), place: Place::Server(Kind::Valkey, redis) },
];

/// The file of SQLite, and of its mutants, in the folder of a server.
const FILE: &str = "suite.db";

/// A disk that others keep busy may take seconds to synchronise, and a busy server for the largest batch, which is nothing that the
/// suite is about.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(20);

fn memory() -> Connect {
    let memory = Memory::new();
    ready(Arc::new(move || Arc::new(memory.another_client())))
}

fn sqlite(folder: &Path) -> Connect {
    let config = SqliteConfig::new(folder.join(FILE)).operation_timeout(OPERATION_TIMEOUT);
    Arc::new(move || {
        let config = config.clone();
        Box::pin(async move { Ok(Arc::new(Sqlite::connect(config).await?) as Arc<dyn Backend>) })
    })
}

fn redis(url: &str) -> Connect {
    let config = RedisConfig::from_url(url);
    Arc::new(move || {
        let config = config.clone();
        Box::pin(async move {
            let config = config?.operation_timeout(OPERATION_TIMEOUT);
            Ok(Arc::new(Redis::connect(config).await?) as Arc<dyn Backend>)
        })
    })
}

/// Of clients that are there at once.
fn ready(connect: mutants::Connect) -> Connect {
    Arc::new(move || Box::pin(std::future::ready(Ok(connect()))))
}

/// Another client of the store that `address` names, as [`Store::address`] does, or of one of a mutant.
pub(crate) async fn join(address: String) -> Result<Arc<dyn Backend>> {
    let unknown = || Error::invalid("address", "a backend that processes can share, a colon, and a folder or a URL");
    let (name, rest) = address.split_once(':').ok_or_else(unknown)?;
    if let Some(mutant) = mutants_sqlite::all().into_iter().find(|mutant| mutant.name == name) {
        return mutant.connect(Path::new(rest).join(FILE), OPERATION_TIMEOUT).await;
    }
    let target = ALL.iter().find(|target| target.name == name).ok_or_else(unknown)?;
    let connect = match target.place {
        Place::Process(_) => return Err(unknown()),
        Place::Folder(connect) => connect(Path::new(rest)),
        Place::Server(_, connect) | Place::Sentinels(_, connect) => connect(rest),
    };
    connect().await
}

/// A harness over a fresh folder of SQLite or of a mutant of it, by its name, with the clients in the processes of a
/// crew.
#[must_use]
pub(crate) fn harness_in_folder<C: Component + ?Sized>(name: &str, crew: &Arc<Crew>) -> Harness<C> {
    let folder = Arc::new(tempfile::tempdir().expect("there is room for a temporary folder"));
    let address = format!("{name}:{}", folder.path().display());
    Harness::crew(Arc::clone(crew), &address, move |address| {
        // It lives as long as this.
        let _folder = Arc::clone(&folder);
        join(address)
    })
}

impl Target {
    /// Whether several processes can be its clients.
    #[must_use]
    pub(crate) const fn is_shared(&self) -> bool {
        !matches!(self.place, Place::Process(_))
    }

    /// What a run needs of it: for a backend on a server, the server, which ends with this.
    ///
    /// # Errors
    /// Why there is no server.
    pub(crate) fn prepare(&'static self, via: Option<Via>) -> std::result::Result<Ready, Unavailable> {
        let setup = Setup::new().durable();
        let server = match self.place {
            Place::Process(_) | Place::Folder(_) => None,
            Place::Server(kind, _) => Some(Running::Server(Server::start(kind, via, &setup)?)),
            Place::Sentinels(kind, _) => Some(Running::Sentinels(Sentinels::start(kind, via, &setup)?)),
        };
        Ok(Ready { target: self, server })
    }
}

/// A backend that can be run.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) target: &'static Target,
    server: Option<Running>,
}

/// What a backend runs on.
#[derive(Debug)]
enum Running {
    Server(Server),
    Sentinels(Sentinels),
}

impl Running {
    fn url(&self) -> &str {
        match self {
            Self::Server(server) => server.url(),
            Self::Sentinels(set) => set.url(),
        }
    }
}

/// Its name, with version and origin of its server.
impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.server {
            Some(Running::Server(server)) => server.fmt(f),
            Some(Running::Sentinels(set)) => set.fmt(f),
            None => f.write_str(self.target.name),
        }
    }
}

/// The model, which lives in this process.
#[must_use]
pub(crate) fn model() -> Ready {
    Ready { target: &ALL[0], server: None }
}

impl Ready {
    /// A store for some clients: of its own, or on a server, which all of a run share, the cases in namespaces of their
    /// own.
    #[must_use]
    pub(crate) fn store(&self) -> Store {
        let (connect, folder, rest) = match (self.target.place, &self.server) {
            (Place::Process(start), _) => (start(), None, None),
            (Place::Folder(connect), _) => {
                let folder = tempfile::tempdir().expect("there is room for a temporary folder");
                let path = folder.path().display().to_string();
                (connect(folder.path()), Some(Arc::new(folder)), Some(path))
            }
            (Place::Server(_, connect) | Place::Sentinels(_, connect), Some(server)) => {
                (connect(server.url()), None, Some(server.url().to_owned()))
            }
            (Place::Server(..) | Place::Sentinels(..), None) => {
                unreachable!("a backend on a server is prepared with one")
            }
        };
        let address = rest.map(|rest| format!("{}:{rest}", self.target.name));
        Store { connect, address, _folder: folder }
    }

    /// How many cases are run at once.
    #[must_use]
    pub(crate) fn at_once(&self) -> usize {
        // By real time they wait most of the time, for time to pass and for disks.
        if self.target.is_shared() { REAL_AT_ONCE } else { processors() }
    }

    /// A harness over a store.
    #[must_use]
    pub(crate) fn harness<C: Component + ?Sized>(&self) -> Harness<C> {
        let store = self.store();
        let harness = Harness::backend(move || store.connect());
        if self.target.is_shared() { harness } else { harness.with_virtual_time() }
    }

    /// As [`harness`](Self::harness), with the clients in the processes of a crew.
    #[must_use]
    pub(crate) fn harness_over<C: Component + ?Sized>(&self, crew: &Arc<Crew>) -> Harness<C> {
        let store = self.store();
        let address = store.address.clone().expect("only what processes can share is run over several");
        Harness::crew(Arc::clone(crew), &address, move |_| store.connect())
    }
}

/// Data that clients share. What was made for it ends with the last of its clones.
#[derive(Clone)]
pub(crate) struct Store {
    connect: Connect,
    /// What other processes [`join`] it by; `None` where one process alone sees it.
    pub(crate) address: Option<String>,
    _folder: Option<Arc<TempDir>>,
}

impl Store {
    /// Another client.
    pub(crate) fn connect(&self) -> Boxed<'static, Result<Arc<dyn Backend>>> {
        (self.connect)()
    }
}

/// A harness over a mutant, which lives in this process, by virtual time.
#[must_use]
pub(crate) fn harness_of_mutant<C: Component + ?Sized>(connect: mutants::Connect) -> Harness<C> {
    let connect = ready(connect);
    Harness::backend(move || connect()).with_virtual_time()
}
