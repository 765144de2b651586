//! The backends that the suite knows, by name.

use std::{path::Path, sync::Arc, time::Duration};

use concurrency_conformance::{Component, Harness, peers::Crew};
use concurrency_core::{Backend, Boxed, Error, Memory, Result};
use concurrency_sqlite::{Sqlite, SqliteConfig};

/// A backend under test.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// What `--backend` calls it.
    pub(crate) name: &'static str,
    /// Whether it lives in this process, by virtual time.
    is_virtual: bool,
    /// A fresh server; each call of the result is another client of it.
    start: fn() -> Connect,
    /// The server in this folder, which is the same for all processes that are given it; `None` where one process alone sees it.
    join: Option<fn(&Path) -> Connect>,
}

/// Opens another client of one server, which ends with the last clone of this.
pub(crate) type Connect = Arc<dyn Fn() -> Boxed<'static, Result<Arc<dyn Backend>>> + Send + Sync>;

/// What the SQLite backend is called.
pub(crate) const SQLITE: &str = "sqlite";

/// All of them. The first is the model.
pub(crate) const ALL: &[Target] = &[
    Target { name: "memory", is_virtual: true, start: memory, join: None },
    Target { name: SQLITE, is_virtual: false, start: sqlite, join: Some(sqlite_in) },
];

/// The file of SQLite, and of its mutants, in the folder of a server.
const FILE: &str = "suite.db";

/// A disk that others keep busy may take seconds to synchronise, which is nothing that the suite is about.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(20);

fn memory() -> Connect {
    let memory = Memory::new();
    ready(Arc::new(move || Arc::new(memory.another_client())))
}

/// A file in a folder that is thrown away.
fn sqlite() -> Connect {
    let folder = tempfile::tempdir().expect("there is room for a temporary folder");
    let connect = sqlite_in(folder.path());
    Arc::new(move || {
        // It lives as long as this.
        let _folder = &folder;
        connect()
    })
}

fn sqlite_in(folder: &Path) -> Connect {
    let config = SqliteConfig::new(folder.join(FILE)).operation_timeout(OPERATION_TIMEOUT);
    Arc::new(move || {
        let config = config.clone();
        Box::pin(async move { Ok(Arc::new(Sqlite::connect(config).await?) as Arc<dyn Backend>) })
    })
}

/// Of clients that are there at once.
fn ready(connect: mutants::Connect) -> Connect {
    Arc::new(move || Box::pin(std::future::ready(Ok(connect()))))
}

/// What [`join`] understands.
fn address(name: &str, folder: &Path) -> String {
    format!("{name}:{}", folder.display())
}

/// Another client of the server that `address` names: a backend, or a mutant of one, that processes can share, and a folder.
pub(crate) async fn join(address: String) -> Result<Arc<dyn Backend>> {
    let unknown = || Error::invalid("address", "a backend that processes can share, a colon, and a folder");
    let (name, folder) = address.split_once(':').ok_or_else(unknown)?;
    let folder = Path::new(folder);
    if let Some(mutant) = mutants_sqlite::all().into_iter().find(|mutant| mutant.name == name) {
        return mutant.connect(folder.join(FILE), OPERATION_TIMEOUT).await;
    }
    let target = ALL.iter().find(|target| target.name == name).ok_or_else(unknown)?;
    let connect = target.join(folder).ok_or_else(unknown)?;
    connect().await
}

/// A harness over a fresh server, by the name of a backend or mutant that processes can share, with the clients in those of a
/// crew.
#[must_use]
pub(crate) fn harness_over<C: Component + ?Sized>(name: &str, crew: &Arc<Crew>) -> Harness<C> {
    let folder = Arc::new(tempfile::tempdir().expect("there is room for a temporary folder"));
    let address = address(name, folder.path());
    Harness::crew(Arc::clone(crew), &address, move |address| {
        // It lives as long as this.
        let _folder = Arc::clone(&folder);
        join(address)
    })
}

impl Target {
    /// A fresh server; each call of the result is another client of it.
    #[must_use]
    pub(crate) fn connect(&self) -> Connect {
        (self.start)()
    }

    /// Whether several processes can be its clients.
    #[must_use]
    pub(crate) const fn is_shared(&self) -> bool {
        self.join.is_some()
    }

    /// Another client of the server in this folder; `None` where processes cannot share one.
    #[must_use]
    pub(crate) fn join(&self, folder: &Path) -> Option<Connect> {
        self.join.map(|join| join(folder))
    }

    /// A harness over a fresh server.
    #[must_use]
    pub(crate) fn harness<C: Component + ?Sized>(&self) -> Harness<C> {
        let connect = self.connect();
        let harness = Harness::backend(move || connect());
        if self.is_virtual { harness.with_virtual_time() } else { harness }
    }
}

/// A harness over a mutant, which lives in this process, by virtual time.
#[must_use]
pub(crate) fn harness_of_mutant<C: Component + ?Sized>(connect: mutants::Connect) -> Harness<C> {
    let connect = ready(connect);
    Harness::backend(move || connect()).with_virtual_time()
}
