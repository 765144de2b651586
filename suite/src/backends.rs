//! The backends that the suite knows, by name.

use std::{path::Path, sync::Arc, time::Duration};

use concurrency_conformance::{Component, Harness, peers::Crew};
use concurrency_core::{Backend, Boxed, Error, Memory, Result};
use concurrency_sqlite::{Sqlite, SqliteConfig};

use crate::parallel::processors;

/// So many cases of a backend that lives by real time are run at once: more of them keep each other from their times.
const REAL_AT_ONCE: usize = 4;

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

/// All of them. The first is the model.
pub(crate) const ALL: &[Target] = &[
    Target { name: "memory", is_virtual: true, start: memory, join: None },
    Target { name: "sqlite", is_virtual: false, start: sqlite, join: Some(sqlite_in) },
];

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
    // A disk that others keep busy may take seconds to synchronise, which is nothing that the suite is about.
    let config = SqliteConfig::new(folder.join("suite.db")).operation_timeout(Duration::from_secs(20));
    Arc::new(move || {
        let config = config.clone();
        Box::pin(async move { Ok(Arc::new(Sqlite::connect(config).await?) as Arc<dyn Backend>) })
    })
}

/// Of clients that are there at once.
fn ready(connect: mutants::Connect) -> Connect {
    Arc::new(move || Box::pin(std::future::ready(Ok(connect()))))
}

/// Another client of the server that `address` names: a backend and a folder, as [`Target::address`] writes them.
pub(crate) async fn join(address: String) -> Result<Arc<dyn Backend>> {
    let unknown = || Error::invalid("address", "a backend that processes can share, a colon, and a folder");
    let (name, folder) = address.split_once(':').ok_or_else(unknown)?;
    let target = ALL.iter().find(|target| target.name == name).ok_or_else(unknown)?;
    let connect = target.join(Path::new(folder)).ok_or_else(unknown)?;
    connect().await
}

impl Target {
    /// What [`join`] understands.
    #[must_use]
    pub(crate) fn address(&self, folder: &Path) -> String {
        format!("{}:{}", self.name, folder.display())
    }

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

    /// How many cases are run at once.
    #[must_use]
    pub(crate) fn at_once(&self) -> usize {
        // By real time they wait most of the time, for time to pass and for disks.
        if self.is_virtual { processors() } else { REAL_AT_ONCE }
    }

    /// A harness over a fresh server.
    #[must_use]
    pub(crate) fn harness<C: Component + ?Sized>(&self) -> Harness<C> {
        let connect = self.connect();
        let harness = Harness::backend(move || connect());
        if self.is_virtual { harness.with_virtual_time() } else { harness }
    }

    /// As [`harness`](Self::harness), with the clients in the processes of a crew.
    #[must_use]
    pub(crate) fn harness_over<C: Component + ?Sized>(&self, crew: &Arc<Crew>) -> Harness<C> {
        let folder = Arc::new(tempfile::tempdir().expect("there is room for a temporary folder"));
        let address = self.address(folder.path());
        Harness::crew(Arc::clone(crew), &address, move |address| {
            // It lives as long as this.
            let _folder = Arc::clone(&folder);
            join(address)
        })
    }
}

/// A harness over a mutant, which lives in this process, by virtual time.
#[must_use]
pub(crate) fn harness_of_mutant<C: Component + ?Sized>(connect: mutants::Connect) -> Harness<C> {
    let connect = ready(connect);
    Harness::backend(move || connect()).with_virtual_time()
}
