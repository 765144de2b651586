//! The backends that the Criterion benches measure side by side.

use std::{env, path::Path, sync::Arc};

use concurrency_core::{Backend, Memory};
use concurrency_sqlite::{Sqlite, SqliteConfig};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Each backend that needs no server, with its name: the series of every group. Files are made in this folder.
///
/// # Panics
/// If a file cannot be made there.
#[must_use]
pub fn all(runtime: &Runtime, folder: &Path) -> Vec<(&'static str, Arc<dyn Backend>)> {
    let sqlite = runtime.block_on(Sqlite::connect(SqliteConfig::new(folder.join("bench.db"))));
    vec![("memory", Arc::new(Memory::new())), ("sqlite", Arc::new(sqlite.expect("a new file")))]
}

/// A folder beside this program, which stands on a disk where one for temporary files may be memory. It is gone when this is
/// dropped.
///
/// # Panics
/// If there is no room for it.
#[must_use]
pub fn folder() -> TempDir {
    let program = env::current_exe().expect("a program has a path");
    let beside = program.parent().expect("it stands in a folder");
    tempfile::Builder::new().prefix("bench-").tempdir_in(beside).expect("there is room for a folder")
}

/// A runtime that drives a backend: timers, and threads for those that need them.
///
/// # Panics
/// If the system refuses to start its threads.
#[must_use]
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime starts")
}
