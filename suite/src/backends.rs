//! The backends that the suite knows, by name.

use std::sync::Arc;

use concurrency_conformance::{Component, Harness};
use concurrency_core::{Backend, Boxed, Memory, Result};
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
}

/// Opens another client of one server, which ends with the last clone of this.
pub(crate) type Connect = Arc<dyn Fn() -> Boxed<'static, Result<Arc<dyn Backend>>> + Send + Sync>;

/// All of them. The first is the model.
pub(crate) const ALL: &[Target] = &[
    Target { name: "memory", is_virtual: true, start: memory },
    Target { name: "sqlite", is_virtual: false, start: sqlite },
];

fn memory() -> Connect {
    let memory = Memory::new();
    ready(Arc::new(move || Arc::new(memory.another_client())))
}

/// A file in a folder that is thrown away.
fn sqlite() -> Connect {
    let folder = Arc::new(tempfile::tempdir().expect("there is room for a temporary folder"));
    Arc::new(move || {
        let config = SqliteConfig::new(folder.path().join("suite.db"));
        Box::pin(async move { Ok(Arc::new(Sqlite::connect(config).await?) as Arc<dyn Backend>) })
    })
}

/// Of clients that are there at once.
fn ready(connect: mutants::Connect) -> Connect {
    Arc::new(move || Box::pin(std::future::ready(Ok(connect()))))
}

impl Target {
    /// A fresh server; each call of the result is another client of it.
    #[must_use]
    pub(crate) fn connect(&self) -> Connect {
        (self.start)()
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
