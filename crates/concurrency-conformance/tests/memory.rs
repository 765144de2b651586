//! The suite on the in-memory backend: the model of the contract passes its own suite.

use std::sync::Arc;

use concurrency_conformance::{Component, Harness};
use concurrency_core::{Backend, Memory};

fn harness<C: Component + ?Sized>() -> Harness<C> {
    let memory = Memory::new();
    Harness::backend(move || {
        let client: Arc<dyn Backend> = Arc::new(memory.another_client());
        async { Ok(client) }
    })
    .with_virtual_time()
}

concurrency_conformance::state_store!(harness());
concurrency_conformance::cache!(harness());
concurrency_conformance::lock!(harness());
concurrency_conformance::event_store!(harness());
