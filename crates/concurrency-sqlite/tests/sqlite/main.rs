//! What the suite cannot ask of every backend alike: files in every bad shape, several processes, and the caller's own SQL.

mod cache;
mod full;
mod opening;
mod processes;
mod state;
mod transaction;

use std::{path::Path, time::Duration};

use concurrency_core::{Bytes, Error, Outcome, Result, SaveOptions, StateStore};
use concurrency_sqlite::{Sqlite, SqliteConfig};
use tempfile::TempDir;

/// A throw-away folder, and the path of a file in it that does not exist yet.
fn place() -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("there is room for a temporary folder");
    let path = folder.path().join("test.db");
    (folder, path)
}

/// A client with more patience than a busy machine needs.
async fn open(path: &Path) -> Result<Sqlite> {
    open_within(path, Duration::from_secs(20)).await
}

async fn open_within(path: &Path, limit: Duration) -> Result<Sqlite> {
    Sqlite::connect(SqliteConfig::new(path).operation_timeout(limit)).await
}

async fn save(sqlite: &Sqlite, key: &str, value: impl Into<Bytes> + Send) -> Result<()> {
    sqlite.state_store("test")?.save(key, value.into(), SaveOptions::new()).await.map(drop)
}

async fn load(sqlite: &Sqlite, key: &str) -> Result<Option<Bytes>> {
    Ok(sqlite.state_store("test")?.load(key).await?.map(|state| state.value))
}

/// Unavailable, and nothing was done.
fn is_unavailable<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::Unavailable { outcome: Outcome::NotApplied, .. }))
}
