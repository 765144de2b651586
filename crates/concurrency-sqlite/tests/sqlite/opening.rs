//! What may stand at a path, and what may become of it.

use std::{fs, path::Path, time::Duration};

use concurrency_core::{Backend, Error, clock::BootInstant};
use concurrency_sqlite::rusqlite::Connection;

use super::{is_unavailable, load, open, open_within, place, save};

/// The name of the error with what it is about, for tables of expectations.
async fn refusal(path: &Path) -> String {
    match open(path).await.expect_err("it is refused") {
        Error::InvalidArgument { what, why } => format!("invalid {what}: {why}"),
        Error::Incompatible { what, found, .. } => format!("incompatible {what}: {found}"),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn a_path_that_leads_nowhere_is_invalid_and_creates_nothing() {
    let (folder, path) = place();
    assert_eq!(refusal(folder.path()).await, "invalid path: it is a directory, not a file");
    let missing = folder.path().join("missing/test.db");
    assert_eq!(refusal(&missing).await, "invalid path: the directory of the file does not exist");
    fs::write(&path, "a file").unwrap();
    assert_eq!(refusal(&path.join("test.db")).await, "invalid path: the directory of the file does not exist");
    fs::remove_file(&path).unwrap();
    let url = format!("sqlite:{}?create=false", path.display());
    let refused = concurrency_core::connect(&url, &[concurrency_sqlite::Sqlite::CONNECTOR]).await.unwrap_err();
    assert!(matches!(refused, Error::InvalidArgument { what: "path", .. }), "{refused:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "something was created");
}

#[tokio::test]
async fn what_is_no_database_is_incompatible_and_stays_as_it_is() {
    let (_folder, path) = place();
    for bytes in [
        &b"not a database, but long enough to be taken for a header of one by its length alone: 100 bytes"[..],
        &[0; 5000],
    ] {
        fs::write(&path, bytes).unwrap();
        assert_eq!(refusal(&path).await, "incompatible file: no SQLite database");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[tokio::test]
async fn the_file_of_another_program_is_incompatible_and_stays_as_it_is() {
    let (_folder, path) = place();
    let theirs = Connection::open(&path).unwrap();
    theirs.execute_batch("CREATE TABLE theirs (x); PRAGMA user_version = 7").unwrap();
    drop(theirs);
    let before = fs::read(&path).unwrap();
    assert_eq!(refusal(&path).await, "incompatible file: tables of another program");
    assert!(fs::read(&path).unwrap() == before, "it was changed");
}

#[tokio::test]
async fn a_newer_version_is_incompatible_and_stays_as_it_is() {
    let (_folder, path) = place();
    let sqlite = open(&path).await.unwrap();
    save(&sqlite, "k", "v").await.unwrap();
    sqlite.close().await;
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 1000).unwrap();
    let before = fs::read(&path).unwrap();
    assert_eq!(refusal(&path).await, "incompatible schema: version 1000");
    assert!(fs::read(&path).unwrap() == before, "it was changed");
}

#[tokio::test]
async fn an_empty_file_is_taken() {
    let (_folder, path) = place();
    fs::write(&path, "").unwrap();
    let sqlite = open(&path).await.unwrap();
    save(&sqlite, "k", "v").await.unwrap();
    assert_eq!(load(&sqlite, "k").await.unwrap().unwrap(), "v");
}

#[tokio::test]
async fn a_file_that_is_held_beyond_the_deadline_is_unavailable() {
    let (_folder, path) = place();
    let holder = Connection::open(&path).unwrap();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let asked = BootInstant::now();
    let refused = open_within(&path, Duration::from_millis(300)).await;
    assert!(is_unavailable(&refused), "{refused:?}");
    let waited = BootInstant::now().since(asked);
    assert!(waited >= Duration::from_millis(290), "it gave up after {waited:?}");
    assert!(waited < Duration::from_secs(5), "it gave up after {waited:?} only");
    holder.execute_batch("COMMIT").unwrap();
    open(&path).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_gone_is_unavailable_until_it_is_back() {
    let (folder, path) = place();
    let sqlite = open(&path).await.unwrap();
    save(&sqlite, "k", "v").await.unwrap();
    let away = folder.path().join("away.db");
    fs::rename(&path, &away).unwrap();
    let refused = save(&sqlite, "k", "lost").await;
    assert!(is_unavailable(&refused), "{refused:?}");
    let health = sqlite.health().await;
    assert!(is_unavailable(&health), "{health:?}");
    // Readers look now and then.
    let deadline = BootInstant::now().after(Duration::from_secs(5));
    while !is_unavailable(&load(&sqlite, "k").await) {
        assert!(!deadline.has_passed(), "reads go on for ever");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!path.exists(), "it was created anew");
    fs::rename(&away, &path).unwrap();
    sqlite.health().await.unwrap();
    assert_eq!(load(&sqlite, "k").await.unwrap().unwrap(), "v");
    save(&sqlite, "k", "w").await.unwrap();
}

#[tokio::test]
async fn a_file_that_was_deleted_is_unavailable_and_is_not_created_anew() {
    let (_folder, path) = place();
    let sqlite = open(&path).await.unwrap();
    save(&sqlite, "k", "v").await.unwrap();
    fs::remove_file(&path).unwrap();
    for _ in 0..3 {
        let refused = save(&sqlite, "k", "lost").await;
        assert!(is_unavailable(&refused), "{refused:?}");
        let health = sqlite.health().await;
        assert!(is_unavailable(&health), "{health:?}");
    }
    sqlite.close().await;
    assert!(!path.exists(), "it was created anew");
}

#[tokio::test]
async fn a_file_that_was_replaced_is_unavailable_and_its_successor_stays_as_it_is() {
    let (folder, path) = place();
    let old = open(&path).await.unwrap();
    save(&old, "k", "old").await.unwrap();
    let other = folder.path().join("other.db");
    let new = open(&other).await.unwrap();
    save(&new, "k", "new").await.unwrap();
    new.close().await;
    // As whoever restores a backup has to do it: SQLite would take the log of the old file for one of the new.
    for log in ["test.db-wal", "test.db-shm"] {
        fs::remove_file(folder.path().join(log)).unwrap();
    }
    fs::rename(&other, &path).unwrap();
    let refused = save(&old, "k", "lost").await;
    assert!(is_unavailable(&refused), "{refused:?}");
    old.close().await;
    let again = open(&path).await.unwrap();
    assert_eq!(load(&again, "k").await.unwrap().unwrap(), "new");
}
