//! The backends that the suite knows, by name.

use std::sync::Arc;

use concurrency_conformance::{Component, Harness};
use concurrency_core::{Backend, Memory};

/// A backend under test.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// What `--backend` calls it.
    pub(crate) name: &'static str,
    /// A fresh server; each call of the result is another client of it.
    start: fn() -> mutants::Connect,
}

/// All of them.
pub(crate) const ALL: &[Target] = &[Target { name: "memory", start: memory }];

fn memory() -> mutants::Connect {
    let memory = Memory::new();
    Arc::new(move || Arc::new(memory.another_client()) as Arc<dyn Backend>)
}

impl Target {
    /// A fresh server; each call of the result is another client of it.
    #[must_use]
    pub(crate) fn connect(&self) -> mutants::Connect {
        (self.start)()
    }

    /// A harness over a fresh server.
    #[must_use]
    pub(crate) fn harness<C: Component + ?Sized>(&self) -> Harness<C> {
        harness((self.start)())
    }
}

/// A harness over backends in this process, which live by virtual time.
#[must_use]
pub(crate) fn harness<C: Component + ?Sized>(connect: mutants::Connect) -> Harness<C> {
    Harness::backend(move || {
        let client = connect();
        async { Ok(client) }
    })
    .with_virtual_time()
}
