//! State, as far as it is about options and limits of this backend.

use std::{path::Path, time::Duration};

use concurrency_core::{Backend, Error, FencingToken, SaveOptions, StateStore, clock::BootInstant};
use concurrency_sqlite::{Sqlite, SqliteConfig};

use super::place;

#[tokio::test]
async fn a_mark_is_kept_for_its_retention_and_not_for_ever() {
    let (_folder, path) = place();
    let retention = Duration::from_millis(400);
    let sqlite = Sqlite::connect(SqliteConfig::new(path).fence_retention(retention)).await.unwrap();
    let store = sqlite.state_store("test").unwrap();
    let save = |token| store.save("k", "v".into(), SaveOptions::new().fenced_by(FencingToken(token)));
    let before = BootInstant::now();
    save(2).await.unwrap();
    let marked = BootInstant::now();
    loop {
        let asked = BootInstant::now();
        match save(1).await {
            Err(Error::Fenced { .. }) => assert!(asked.since(marked) < retention * 10, "it is kept for ever"),
            Ok(_) => break,
            Err(other) => panic!("{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The wall clock counts whole milliseconds.
    let kept = BootInstant::now().since(before) + Duration::from_millis(1);
    assert!(kept >= retention, "forgotten after {kept:?}");
}

#[tokio::test]
async fn every_way_of_reading_gives_the_same() {
    let (_folder, path) = place();
    let sizes = [0, 1, 999, 1000, 1001, 5000, 100_000];
    // Nothing is mapped, a part of the file, or all of it and more.
    for (inline, mapped) in
        [0, 1000, 1 << 20].into_iter().flat_map(|inline| [0, 32 << 10, 1 << 30].map(|m| (inline, m)))
    {
        let config = SqliteConfig::new(&path).inline_read_bytes(inline).reader_threads(1).mmap_size(mapped);
        let sqlite = Sqlite::connect(config).await.unwrap();
        let store = sqlite.state_store("test").unwrap();
        for size in sizes {
            let (key, value) = (format!("{size}"), vec![7; size]);
            store.save(&key, value.clone().into(), SaveOptions::new().with_ttl(Duration::from_secs(60))).await.unwrap();
            let one = store.load(&key).await.unwrap().unwrap();
            let many = store.load_many(&[&key, "missing"]).await.unwrap();
            assert!(one.value == value && many[1].is_none(), "{size} inline {inline}");
            let same = many[0].as_ref().unwrap();
            assert_eq!((same.version, &same.value), (one.version, &one.value));
            assert!(one.expires_in.is_some_and(|left| left <= Duration::from_millis(60_001)), "{:?}", one.expires_in);
        }
        assert!(store.load("missing").await.unwrap().is_none());
        if cfg!(target_os = "linux") {
            // Only the file is mapped, not its log: all has to be in the file, and read from there.
            let other = concurrency_sqlite::rusqlite::Connection::open(&path).unwrap();
            let copied = other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get::<_, u32>(0));
            assert_eq!(copied, Ok(0), "somebody was in its way");
            for size in sizes {
                assert!(store.load(&format!("{size}")).await.unwrap().is_some_and(|state| state.value.len() == size));
            }
            assert_eq!(is_mapped(&path), mapped > 0, "{inline} inline, {mapped} mapped");
        }
        sqlite.close().await;
    }
}

/// Whether this process maps that file.
fn is_mapped(path: &Path) -> bool {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux tells");
    let path = path.to_str().expect("the path is UTF-8");
    maps.lines().any(|line| line.ends_with(path))
}

#[tokio::test]
async fn bytes_of_another_shape_under_our_names_are_an_error_and_stay() {
    let (_folder, path) = place();
    let sqlite = Sqlite::connect(SqliteConfig::new(&path)).await.unwrap();
    let store = sqlite.state_store("test").unwrap();
    let other = concurrency_sqlite::rusqlite::Connection::open(&path).unwrap();
    let rows = "INSERT INTO concurrency_state VALUES ('test', x'6b', x'0102', NULL, x'76'), ('test', x'ff', zeroblob(16), NULL, x'');
        UPDATE concurrency_state SET key = x'C3' WHERE key = x'ff'";
    other.execute_batch(rows).unwrap();
    let short_version = store.load("k").await;
    assert!(matches!(short_version, Err(Error::Decode { .. })), "{short_version:?}");
    let listed = store.list(concurrency_core::ListQuery::prefix("\u{c0}")).await;
    assert!(matches!(&listed, Ok(page) if page.keys.is_empty()), "{listed:?}");
    let listed = store.list(concurrency_core::ListQuery::all()).await;
    assert!(matches!(listed, Err(Error::Decode { .. })), "{listed:?}");
    let left: u32 = other.query_row("SELECT count(*) FROM concurrency_state", (), |row| row.get(0)).unwrap();
    assert_eq!(left, 2);
}
