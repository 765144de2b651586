//! A full disk.

use std::path::Path;

use concurrency_core::{Backend, Bytes, Cache, DeleteOptions, Error, Expiry, Outcome, StateStore};
use concurrency_sqlite::{Sqlite, SqliteConfig};

use super::{load, place, processes, save};

/// Fills the file until it is full, checks that what was acknowledged is there, and nothing else; and that writing goes on after
/// room was made.
async fn fill(sqlite: &Sqlite, path: &Path, make_room: impl AsyncFnOnce()) {
    let value = vec![b'v'; 10_000];
    let mut kept = 0;
    let refused = loop {
        match save(sqlite, &format!("key {kept}"), value.clone()).await {
            Ok(()) => kept += 1,
            Err(refused) => break refused,
        }
        assert!(kept < 1000, "it is never full");
    };
    assert!(matches!(refused, Error::Exhausted { what: "disk", .. }), "{refused:?}");
    assert_eq!(refused.outcome(), Outcome::NotApplied);
    assert!(kept > 3, "{kept}");
    for key in 0..kept {
        assert_eq!(load(sqlite, &format!("key {key}")).await.expect("it can be read").expect("it is there"), value);
    }
    assert!(load(sqlite, &format!("key {kept}")).await.expect("it can be read").is_none());
    make_room().await;
    save(sqlite, "key 0", value.clone()).await.expect("there is room again");
    sqlite.close().await;
    let again = Sqlite::connect(SqliteConfig::new(path)).await.expect("the file is sound");
    assert_eq!(load(&again, "key 0").await.expect("it can be read").expect("it is there"), value);
    assert!(load(&again, &format!("key {kept}")).await.expect("it can be read").is_none());
    again.close().await;
}

#[tokio::test]
async fn a_file_at_its_largest_size_is_exhausted_and_loses_nothing() {
    let (_folder, path) = place();
    let sqlite = Sqlite::connect(SqliteConfig::new(&path).max_file_size(256 << 10)).await.unwrap();
    let store = sqlite.state_store("test").unwrap();
    let make_room = async || assert!(store.delete("key 0", DeleteOptions::new()).await.unwrap());
    fill(&sqlite, &path, make_room).await;
}

#[tokio::test]
async fn of_requests_of_one_batch_those_that_are_refused_are_not_there_and_all_others_are() {
    let (_folder, path) = place();
    let sqlite = Sqlite::connect(SqliteConfig::new(&path).max_file_size(256 << 10)).await.unwrap();
    let (small, large) = (vec![b's'; 10], vec![b'l'; 300_000]);
    let saves = (0..40).map(|n| {
        let (sqlite, value) = (sqlite.clone(), if n % 4 == 0 { large.clone() } else { small.clone() });
        tokio::spawn(async move { save(&sqlite, &format!("key {n}"), value).await })
    });
    for (n, saved) in saves.collect::<Vec<_>>().into_iter().enumerate() {
        let saved = saved.await.unwrap();
        // What came before one that does not fit in the same transaction may be refused with it: SQLite gives all of it up.
        assert!(matches!(saved, Ok(()) | Err(Error::Exhausted { .. })), "{n}: {saved:?}");
        assert!(saved.is_err() || n % 4 != 0, "{n} does not fit");
        assert_eq!(load(&sqlite, &format!("key {n}")).await.unwrap().is_some(), saved.is_ok(), "{n}");
    }
}

#[tokio::test]
async fn a_cache_in_a_file_at_its_largest_size_is_exhausted_and_keeps_what_it_has() {
    let (_folder, path) = place();
    let sqlite = Sqlite::connect(SqliteConfig::new(&path).max_file_size(512 << 10)).await.unwrap();
    let cache = sqlite.cache("test").unwrap();
    let value = |n: usize| Bytes::from(vec![u8::try_from(n % 251).unwrap(); 10_000]);
    let mut kept = 0;
    let refused = loop {
        match cache.set(&kept.to_string(), value(kept), Expiry::Never).await {
            Ok(()) => kept += 1,
            Err(refused) => break refused,
        }
        assert!(kept < 100, "it is never full");
    };
    assert!(matches!(refused, Error::Exhausted { what: "disk", .. }), "{refused:?}");
    for n in 0..=kept {
        assert_eq!(cache.get(&n.to_string()).await.unwrap(), (n < kept).then(|| value(n)), "{n} of {kept}");
    }
    assert!(cache.remove("0").await.unwrap());
    cache.set("new", value(0), Expiry::Never).await.expect("there is room again");
}

/// On a file system of 1 MiB, where this user may mount one; in a process of its own, whose mounts nobody else sees.
#[test]
fn a_full_file_system_is_exhausted_and_loses_nothing() {
    let (folder, _) = place();
    let mount = "mount -t tmpfs -o size=1m tmpfs \"$1\" && shift && exec \"$@\"";
    let mut shell = std::process::Command::new("unshare");
    shell.args(["--mount", "sh", "-c", mount, "sh"]).arg(folder.path());
    let may_mount = std::process::Command::new("unshare")
        .args(["--mount", "sh", "-c", "mount -t tmpfs tmpfs \"$1\"", "sh"])
        .arg(folder.path())
        .output();
    if !may_mount.is_ok_and(|output| output.status.success()) {
        println!("not run: this user may not mount a file system");
        return;
    }
    processes::child_by(shell, "full", &folder.path().join("test.db")).expect("the child passes");
}

/// What that process does.
pub(super) async fn child(path: &Path) {
    let ballast = path.with_file_name("ballast");
    std::fs::write(&ballast, vec![0; 300_000]).expect("there is room yet");
    let sqlite = Sqlite::connect(SqliteConfig::new(path)).await.expect("it opens");
    // A deletion would need room itself, in the log.
    fill(&sqlite, path, async || std::fs::remove_file(ballast).expect("it can be removed")).await;
}
