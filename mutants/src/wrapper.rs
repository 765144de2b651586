//! Wrong backends that no patch inside one component can express: wrappers around the whole backend.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use concurrency_core::{Backend, Cache, Capabilities, EventStore, Lock, Memory, Namespace, Result, StateStore};

use crate::{Connect, Mutant};

/// The mutants of this kind.
pub(crate) fn all() -> Vec<Mutant> {
    vec![
        Mutant {
            name: "takes_any_namespace",
            kind: "state",
            sentences: &["G-1"],
            start: || renaming(|name| if Namespace::new(name).is_ok() { name.to_owned() } else { "other".to_owned() }),
        },
        Mutant {
            name: "shares_one_namespace",
            kind: "state",
            sentences: &["G-2"],
            start: || renaming(|name| Namespace::new(name).map_or_else(|_| name.to_owned(), |_| "all".to_owned())),
        },
        Mutant {
            name: "folds_the_case_of_namespaces",
            kind: "state",
            sentences: &["G-3"],
            start: || renaming(str::to_lowercase),
        },
    ]
}

fn renaming(rename: fn(&str) -> String) -> Connect {
    let memory = Memory::new();
    Arc::new(move || Arc::new(Renaming { memory: memory.another_client(), rename }))
}

/// A `Memory` that takes one namespace for another.
struct Renaming {
    memory: Memory,
    rename: fn(&str) -> String,
}

impl fmt::Debug for Renaming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Renaming(..)")
    }
}

#[async_trait]
impl Backend for Renaming {
    fn name(&self) -> &'static str {
        "mutant"
    }

    fn capabilities(&self) -> Capabilities {
        self.memory.capabilities()
    }

    async fn health(&self) -> Result<()> {
        self.memory.health().await
    }

    async fn close(&self) {
        self.memory.close().await;
    }

    fn state_store(&self, namespace: &str) -> Result<Arc<dyn StateStore>> {
        Backend::state_store(&self.memory, &(self.rename)(namespace))
    }

    fn cache(&self, namespace: &str) -> Result<Arc<dyn Cache>> {
        Backend::cache(&self.memory, &(self.rename)(namespace))
    }

    fn lock(&self, namespace: &str) -> Result<Arc<dyn Lock>> {
        Backend::lock(&self.memory, &(self.rename)(namespace))
    }

    fn event_store(&self, namespace: &str) -> Result<Arc<dyn EventStore>> {
        Backend::event_store(&self.memory, &(self.rename)(namespace))
    }
}
