//! The backends that the Criterion benches measure side by side.

use std::sync::Arc;

use concurrency_core::{Backend, Memory};

/// Each backend that needs no server, with its name: the series of every group.
#[must_use]
pub fn all() -> Vec<(&'static str, Arc<dyn Backend>)> {
    vec![("memory", Arc::new(Memory::new()))]
}

/// A runtime that drives a backend: timers, and threads for those that need them.
///
/// # Panics
/// If the system refuses to start its threads.
#[must_use]
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime starts")
}
