//! What the suite cannot see: the bound, the rows, the wake-ups, and what a dropped call leaves.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use concurrency_core::{Backend, Bytes, Cache, Error, Expiry, Lookup, Ticket, Ttl, clock::BootInstant};
use rusqlite::Connection;
use tempfile::TempDir;

use super::{
    SqliteCache,
    table::{ANY, EVICT, Found, Table},
};
use crate::{Sqlite, SqliteConfig, schema};

const HOUR: Duration = Duration::from_secs(3600);
const LIMIT: Duration = Duration::from_secs(20);

/// The tables alone: nobody sweeps.
fn tables() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    schema::migrate(&mut connection).unwrap();
    connection
}

fn table(connection: &Connection, max_entries: usize) -> Table<'_> {
    Table::new(connection, "test", max_entries).unwrap()
}

fn set(table: &Table<'_>, key: &str) {
    table.set(key, key.as_bytes(), None).unwrap();
}

fn is_live(table: &Table<'_>, key: &str) -> bool {
    matches!(table.find(key, ANY), Ok(Found::Live(cached)) if cached.value == key)
}

fn count(connection: &Connection, query: &str) -> i64 {
    connection.query_row(query, (), |row| row.get(0)).unwrap()
}

/// The number that is kept, and the number that there is.
fn entries(connection: &Connection) -> (i64, i64) {
    let kept = count(connection, "SELECT entries FROM concurrency_caches WHERE namespace = 'test'");
    let rows = "SELECT count(*) FROM concurrency_cache WHERE generation = \
        (SELECT generation FROM concurrency_caches WHERE namespace = 'test')";
    (kept, count(connection, rows))
}

async fn open(config: impl FnOnce(SqliteConfig) -> SqliteConfig) -> (TempDir, Sqlite, Arc<SqliteCache>) {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = client(&folder, config).await;
    let cache = sqlite.cache("test").unwrap();
    (folder, sqlite, cache)
}

async fn client(folder: &TempDir, config: impl FnOnce(SqliteConfig) -> SqliteConfig) -> Sqlite {
    let base = SqliteConfig::new(folder.path().join("test.db")).operation_timeout(LIMIT);
    Sqlite::connect(config(base)).await.unwrap()
}

async fn reserve(cache: &SqliteCache, key: &str) -> Ticket {
    match cache.get_or_reserve(key, HOUR).await {
        Ok(Lookup::Reserved(ticket)) => ticket,
        other => panic!("{key}: {other:?}"),
    }
}

async fn number(cache: &SqliteCache, query: &'static str) -> i64 {
    cache.space.read(move |view| Ok(view.connection.query_row(query, (), |row| row.get(0))?)).await.unwrap()
}

#[test]
fn the_oldest_go_where_there_is_no_room() {
    let connection = tables();
    let table = table(&connection, 3);
    for key in ["a", "b", "c", "a", "d"] {
        set(&table, key);
        assert!(is_live(&table, key), "{key} was written just now");
    }
    let live = ["a", "b", "c", "d"].map(|key| is_live(&table, key));
    assert_eq!(live, [true, false, true, true], "`a` was written again");
    assert_eq!(entries(&connection), (3, 3));
    // Another namespace has a bound of its own.
    let other = Table::new(&connection, "other", 3).unwrap();
    set(&other, "x");
    assert!(is_live(&table, "c") && is_live(&other, "x"));
    assert_eq!(entries(&connection), (3, 3));
}

#[test]
fn a_bound_of_one_keeps_what_was_written_last() {
    let connection = tables();
    let table = table(&connection, 1);
    for key in ["b", "a", "c", "c", "b"] {
        set(&table, key);
        assert!(is_live(&table, key), "{key}");
        assert_eq!(entries(&connection), (1, 1), "{key}");
    }
}

#[test]
fn a_lower_bound_is_reached_by_and_by() {
    let connection = tables();
    let wide = table(&connection, 1000);
    (0..500).for_each(|n| set(&wide, &n.to_string()));
    let narrow = table(&connection, 10);
    set(&narrow, "new");
    let (kept, rows) = entries(&connection);
    assert!(kept == rows && (400..500).contains(&rows), "{rows} after one write");
    (0..10).for_each(|_| set(&narrow, "new"));
    assert_eq!(entries(&connection), (10, 10));
    assert!(is_live(&narrow, "499") && is_live(&narrow, "new") && !is_live(&narrow, "490"));
}

#[test]
fn an_evicted_reservation_fills_nothing() {
    let connection = tables();
    let table = table(&connection, 2);
    let hold = Ttl::new(HOUR).unwrap();
    assert!(matches!(table.reserve("k", [1; 16], hold), Ok(Found::Missing)));
    set(&table, "a");
    assert!(matches!(table.find("k", 0), Ok(Found::Reserved(_))));
    set(&table, "b");
    assert!(!table.fill("k", [1; 16], b"late", None).unwrap());
    assert!(matches!(table.find("k", 0), Ok(Found::Missing)));
    assert_eq!(entries(&connection), (2, 2));
}

#[test]
fn a_clear_takes_one_step_and_its_rows_go_later() {
    let connection = tables();
    let table = table(&connection, 10_000);
    let other = Table::new(&connection, "other", 10_000).unwrap();
    for round in 1..=2_i64 {
        (0..300).for_each(|n| set(&table, &n.to_string()));
        set(&other, "kept");
        let before = connection.total_changes();
        table.clear().unwrap();
        assert!(connection.total_changes() - before < 5, "a clear changes some rows only");
        assert!(!is_live(&table, "7"), "cleared");
        assert_eq!(entries(&connection), (0, 0));
        assert_eq!(count(&connection, "SELECT count(*) FROM concurrency_cache_cleared"), round);
        table.clear().unwrap();
        assert_eq!(count(&connection, "SELECT count(*) FROM concurrency_cache_cleared"), round, "nothing was there");
    }
    set(&table, "new");
    let mut sweeps = 0;
    while count(&connection, "SELECT count(*) FROM concurrency_cache_cleared") > 0 {
        sweeps += 1;
        for sweep in schema::SWEEPS.iter() {
            let needed: bool = connection.query_row(&sweep.is_needed, [0], |row| row.get(0)).unwrap();
            assert!(!needed || connection.execute(&sweep.remove, (0, 200)).unwrap() <= 200);
        }
    }
    assert!((3..=5).contains(&sweeps), "600 rows, 200 at a time: {sweeps}");
    assert_eq!(count(&connection, "SELECT count(*) FROM concurrency_cache"), 2);
    assert!(is_live(&table, "new") && is_live(&other, "kept"));
    assert_eq!(entries(&connection), (1, 1));
}

#[test]
fn a_sweep_of_large_values_is_bounded_by_bytes() {
    let connection = tables();
    let table = table(&connection, 100);
    (0..20).for_each(|n| table.set(&n.to_string(), &vec![7; 2 << 20], None).unwrap());
    table.clear().unwrap();
    let cleared = schema::SWEEPS.iter().find(|sweep| sweep.remove.contains("SELECT entry.generation")).unwrap();
    assert_eq!(connection.execute(&cleared.remove, (0, 200)).unwrap(), 8);
    assert_eq!(count(&connection, "SELECT count(*) FROM concurrency_cache"), 12);
}

#[test]
fn no_generation_comes_twice() {
    let connection = tables();
    let table = table(&connection, 10);
    let mut seen = std::collections::HashSet::new();
    for _ in 0..50 {
        set(&table, "k");
        let generation = "SELECT generation FROM concurrency_caches WHERE namespace = 'test'";
        let generation: [u8; 16] = connection.query_row(generation, (), |row| row.get(0)).unwrap();
        assert!(seen.insert(generation));
        table.clear().unwrap();
    }
}

#[test]
fn the_count_is_right_whatever_is_done() {
    let connection = tables();
    let (mut rng, hold) = (fastrand::Rng::with_seed(7), Ttl::new(HOUR).unwrap());
    for step in 0..3000 {
        let table = table(&connection, 20);
        let key = rng.u8(..40).to_string();
        match rng.u8(..20) {
            0..8 => set(&table, &key),
            8..10 => table.set(&key, b"", Some(Ttl::new(Duration::from_millis(1)).unwrap())).unwrap(),
            10..13 => drop(table.remove(&key).unwrap()),
            13..16 => drop(table.reserve(&key, [1; 16], hold).unwrap()),
            16 => drop(table.fill(&key, [1; 16], b"", None).unwrap()),
            17 => table.give_back(&key, [1; 16]).unwrap(),
            18 => {
                let now = crate::moment::now(&connection).unwrap();
                for sweep in schema::SWEEPS.iter() {
                    connection.execute(&sweep.remove, (now, 5)).unwrap();
                }
            }
            _ if rng.u8(..10) == 0 => table.clear().unwrap(),
            _ => {}
        }
        let known = count(&connection, "SELECT count(*) FROM concurrency_caches");
        if known > 0 {
            let (kept, rows) = entries(&connection);
            assert!(kept == rows && rows <= 20, "step {step}: {kept} are counted, {rows} there");
        }
    }
}

#[test]
fn nothing_is_searched_row_by_row() {
    let connection = tables();
    let statements = [
        EVICT,
        &schema::SWEEPS.iter().find(|sweep| sweep.remove.contains("concurrency_cache_cleared")).unwrap().remove,
        &schema::SWEEPS.iter().find(|sweep| sweep.remove.starts_with("DELETE FROM concurrency_cache ")).unwrap().remove,
    ];
    for sql in statements {
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps: Vec<String> = plan.query_map([0, 1], |row| row.get(3)).unwrap().map(Result::unwrap).collect();
        let scans = |step: &&String| step.starts_with("SCAN concurrency_cache") || step.starts_with("SCAN entry");
        assert!(!steps.iter().any(|step| scans(&step)) && steps.iter().any(|step| step.contains("USING")), "{steps:?}");
        assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE FOR ORDER BY")), "{steps:?}");
    }
}

#[tokio::test]
async fn the_bound_holds_for_all_clients() {
    let (folder, _sqlite, cache) = open(|config| config.cache_max_entries(50)).await;
    let other = client(&folder, |config| config.cache_max_entries(50)).await.cache("test").unwrap();
    for n in 0..100 {
        cache.set(&format!("a{n}"), "v".into(), Expiry::Never).await.unwrap();
        let batch = (0..5).map(|m| (format!("b{n}-{m}"), Bytes::from("v"))).collect();
        assert!(other.set_many(batch, Expiry::Never).await.iter().all(Result::is_ok));
        let _ticket = reserve(&cache, &format!("c{n}")).await;
        assert!(number(&cache, "SELECT count(*) FROM concurrency_cache").await <= 50);
    }
    assert_eq!(number(&cache, "SELECT count(*) FROM concurrency_cache").await, 50);
}

#[tokio::test]
async fn what_expired_or_was_cleared_leaves_the_file() {
    let (_folder, _sqlite, cache) = open(|config| config).await;
    cache.set("kept", "v".into(), HOUR.into()).await.unwrap();
    cache.set("cleared", "v".into(), Expiry::Never).await.unwrap();
    cache.clear().await.unwrap();
    cache.set("kept", "v".into(), HOUR.into()).await.unwrap();
    for key in ["a", "b"] {
        cache.set(key, "v".into(), Duration::from_millis(1).into()).await.unwrap();
    }
    assert!(matches!(cache.get_or_reserve("c", Duration::from_millis(1)).await, Ok(Lookup::Reserved(_))));
    let deadline = BootInstant::now().after(LIMIT);
    let rows = "SELECT (SELECT count(*) FROM concurrency_cache) + (SELECT count(*) FROM concurrency_cache_cleared)";
    while number(&cache, rows).await > 1 {
        assert!(!deadline.has_passed(), "nobody sweeps");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(cache.get("kept").await.unwrap().as_deref(), Some(&b"v"[..]));
}

#[tokio::test]
async fn a_new_client_finds_what_a_dead_one_wrote() {
    let (folder, sqlite, cache) = open(|config| config).await;
    cache.set("gone", "v".into(), Expiry::Never).await.unwrap();
    cache.clear().await.unwrap();
    cache.set("k", "v".into(), Expiry::Never).await.unwrap();
    let ticket = reserve(&cache, "l").await;
    sqlite.close().await;
    assert!(matches!(cache.get("k").await, Err(Error::Closed)));
    let again = client(&folder, |config| config).await.cache("test").unwrap();
    assert_eq!(again.get_many(&["k", "gone"]).await.unwrap(), [Some(Bytes::from("v")), None]);
    assert!(again.fill(ticket, "w".into(), Expiry::Never).await.unwrap(), "a ticket of another client");
}

#[tokio::test]
async fn every_way_of_reading_gives_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for inline in [0, 1000, 1 << 20] {
        let sqlite = client(&folder, |config| config.inline_read_bytes(inline).reader_threads(1)).await;
        let cache = sqlite.cache("test").unwrap();
        for size in [0, 1, 999, 1000, 1001, 5000, 100_000] {
            let (key, value) = (size.to_string(), Bytes::from(vec![7; size]));
            cache.set(&key, value.clone(), HOUR.into()).await.unwrap();
            let (one, told) = (cache.get(&key).await.unwrap(), cache.get_with_expiry(&key).await.unwrap().unwrap());
            let many = cache.get_many(&["none", &key]).await.unwrap();
            assert!(one.as_ref() == Some(&value) && told.value == value && many == [None, one], "{size} at {inline}");
            assert!(told.expires_in.is_some_and(|left| left <= HOUR + Duration::from_millis(1)), "{told:?}");
            assert!(cache.contains(&key).await.unwrap() && !cache.contains("none").await.unwrap());
            let lookup = cache.get_or_reserve(&key, HOUR).await;
            assert!(matches!(lookup, Ok(Lookup::Hit(hit)) if hit == value), "{size} at {inline}");
        }
        sqlite.close().await;
    }
}

/// Whoever waits is woken long before the pause that ends every wait.
#[tokio::test(flavor = "multi_thread")]
async fn a_waiter_is_woken() {
    let (folder, _sqlite, cache) = open(|config| config).await;
    let other = client(&folder, |config| config).await.cache("test").unwrap();
    for waiter in [&cache, &other] {
        let mut best = Duration::MAX;
        for _ in 0..10 {
            let ticket = reserve(&cache, "k").await;
            let waiting = Arc::clone(waiter);
            let waiting = tokio::spawn(async move { waiting.filled("k").await.map(|()| BootInstant::now()) });
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert!(!waiting.is_finished(), "nothing has ended");
            let before = BootInstant::now();
            assert!(cache.fill(ticket, "v".into(), Expiry::Never).await.unwrap());
            best = best.min(waiting.await.unwrap().unwrap().since(before));
            cache.remove("k").await.unwrap();
        }
        assert!(best < Duration::from_millis(300), "woken after {best:?} at best");
    }
}

#[tokio::test]
async fn waiting_ends_at_once_where_nothing_is_reserved_and_with_the_client() {
    let (_folder, sqlite, cache) = open(|config| config).await;
    cache.filled("k").await.unwrap();
    cache.set("k", "v".into(), Expiry::Never).await.unwrap();
    cache.filled("k").await.unwrap();
    let _ticket = reserve(&cache, "l").await;
    let waiting = tokio::spawn({
        let cache = Arc::clone(&cache);
        async move { cache.filled("l").await }
    });
    tokio::task::yield_now().await;
    sqlite.close().await;
    assert!(matches!(waiting.await.unwrap(), Err(Error::Closed)));
}

/// For an hour nobody else could load otherwise.
#[tokio::test]
async fn a_dropped_call_gives_its_reservation_back() {
    let (_folder, _sqlite, cache) = open(|config| config).await;
    let (mut dropped, deadline) = (0, BootInstant::now().after(LIMIT));
    for round in 0..200 {
        let key = format!("k{round}");
        {
            let mut call = pin!(cache.get_or_reserve(&key, HOUR));
            let mut context = Context::from_waker(Waker::noop());
            if call.as_mut().poll(&mut context).is_ready() {
                // The writer was faster than we.
                continue;
            }
            dropped += 1;
            if round % 2 == 0 {
                // It has its ticket by then, mostly; and nobody asks for it.
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        // What gave it back was sent before.
        let _ticket = loop {
            match cache.get_or_reserve(&key, HOUR).await.unwrap() {
                Lookup::Reserved(ticket) => break ticket,
                Lookup::Loading => assert!(!deadline.has_passed(), "{key} stays reserved"),
                Lookup::Hit(_) => panic!("nobody filled it"),
            }
        };
    }
    assert!(dropped > 20, "{dropped} calls were dropped under way");
}

#[tokio::test]
async fn rows_of_another_shape_are_an_error_and_stay() {
    let (folder, _sqlite, cache) = open(|config| config).await;
    cache.set("k", "v".into(), Expiry::Never).await.unwrap();
    let foreign = Connection::open(folder.path().join("test.db")).unwrap();
    foreign.execute("UPDATE concurrency_cache SET token = x'0102'", ()).unwrap();
    let read = cache.get("k").await;
    assert!(matches!(read, Err(Error::Decode { .. })), "{read:?}");
    assert_eq!(number(&cache, "SELECT count(*) FROM concurrency_cache").await, 1);
}
