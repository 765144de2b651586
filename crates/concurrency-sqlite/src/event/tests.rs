//! What the suite cannot see: the disk, the clock, and the caller's own transaction.

use std::{collections::HashSet, sync::Arc, time::Duration};

use concurrency_core::{
    AppendId, AppendOptions, Error, EventStore, FencingToken, NewEvent, Position, ReadQuery, Recorded,
    clock::BootInstant,
};
use rusqlite::Connection;
use tempfile::TempDir;

use super::{SqliteEvents, tables};
use crate::{Sqlite, SqliteConfig, connection::Kind, error::Fault, sql_error};

const LIMIT: Duration = Duration::from_secs(20);

async fn open() -> (TempDir, Sqlite, Arc<SqliteEvents>) {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = client(&folder).await;
    let store = sqlite.event_store("test").unwrap();
    (folder, sqlite, store)
}

async fn client(folder: &TempDir) -> Sqlite {
    Sqlite::connect(SqliteConfig::new(folder.path().join("test.db"))).await.unwrap()
}

fn events(count: usize) -> Vec<NewEvent> {
    (0..count).map(|n| NewEvent::new("e", n.to_string())).collect()
}

async fn grow(store: &SqliteEvents, stream: &str, count: usize) -> concurrency_core::Appended {
    store.append(stream, events(count), AppendOptions::new()).await.unwrap()
}

async fn versions(store: &SqliteEvents, stream: &str) -> Vec<u64> {
    let slice = store.read(stream, ReadQuery::forwards(0).limit(1000)).await.unwrap();
    slice.events.iter().map(|event| event.version).collect()
}

/// Everything in the global order.
async fn log(store: &SqliteEvents) -> Vec<Recorded> {
    let (mut all, mut after) = (Vec::new(), Position::START);
    loop {
        let batch = store.read_all(after, 1000).await.unwrap();
        if batch.events.is_empty() {
            return all;
        }
        after = batch.next;
        all.extend(batch.events);
    }
}

async fn sql(store: &SqliteEvents, statement: &'static str) {
    store.space.write(move |view| Ok(view.connection.execute_batch(statement)?)).await.unwrap();
}

async fn number(store: &SqliteEvents, query: &'static str) -> i64 {
    store.space.read(move |view| Ok(view.connection.query_row(query, (), |row| row.get(0))?)).await.unwrap()
}

/// Returns when all that was truncated is off the disk.
async fn swept(store: &SqliteEvents) {
    let deadline = BootInstant::now().after(LIMIT);
    while number(store, "SELECT count(*) FROM concurrency_event_streams WHERE swept < first").await > 0 {
        assert!(!deadline.has_passed(), "it is never swept");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn positions_never_go_back_and_refusals_burn_none() {
    let (_folder, _sqlite, store) = open().await;
    let first = grow(&store, "s", 3).await.position.to_u128();
    for refused in [AppendOptions::new().expecting(7), AppendOptions::new().expecting(0)] {
        assert!(store.append("s", events(5), refused).await.unwrap_err().is_conflict());
    }
    let failed = store.space.write(|view| -> Result<(), Fault> {
        tables(view)?.append("s", &events(5), [0; 16], AppendOptions::new().into_parts()?)?;
        Err(Error::LogRewound.into())
    });
    assert!(matches!(failed.await, Err(Error::LogRewound)), "it is rolled back");
    assert_eq!(grow(&store, "s", 1).await.position.to_u128(), first + 1);
    store.truncate_before("s", u64::MAX).await.unwrap();
    swept(&store).await;
    assert_eq!(number(&store, "SELECT count(*) FROM concurrency_events").await, 0, "the newest event is gone, too");
    let next = grow(&store, "s", 1).await;
    assert_eq!((next.first, next.position.to_u128()), (5, first + 2));
}

/// What no other test can see, for a kill takes nothing that was written, synchronised or not: SQLite is told to synchronise
/// the log before each commit of ours (2 is FULL), whatever was committed before on the same connection.
#[tokio::test]
async fn what_is_acknowledged_was_synchronised() {
    const FULL: i64 = 2;
    let (_folder, sqlite, store) = open().await;
    let ask = |connection: &Connection| connection.pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0));
    let database = store.space.database();
    let write = async |kind| database.write(kind, LIMIT, move |connection| Ok(ask(connection)?)).await.unwrap();
    for _ in 0..2 {
        assert_eq!(write(Kind::Durable).await, FULL);
        assert_ne!(write(Kind::Relaxed).await, FULL, "or this test shows nothing");
    }
    assert_eq!(write(Kind::Durable).await, FULL);
    let (relaxed, durable) = tokio::join!(write(Kind::Relaxed), write(Kind::Durable));
    assert_eq!(durable, FULL, "also where they share a commit; the other saw {relaxed}");
    assert_eq!(sqlite.transaction(async move |own| ask(own.sql()).map_err(sql_error)).await.unwrap(), FULL);
}

#[tokio::test]
async fn truncated_events_are_gone_at_once_and_off_the_disk_soon() {
    let (_folder, _sqlite, store) = open().await;
    // The sweeper comes between the requests of a busy client, a few events at a time.
    for _ in 0..5 {
        grow(&store, "long", 200).await;
    }
    grow(&store, "short", 3).await;
    let before = log(&store).await;
    store.truncate_before("long", 1000).await.unwrap();
    store.truncate_before("short", 2).await.unwrap();
    assert_eq!((versions(&store, "long").await, versions(&store, "short").await), (vec![1000], vec![2, 3]));
    let left: Vec<_> = before.into_iter().filter(|event| event.version == 1000 || &*event.stream == "short").collect();
    let left = [&left[..1], &left[2..]].concat();
    assert_eq!(log(&store).await, left, "before they are swept");
    swept(&store).await;
    assert_eq!(number(&store, "SELECT count(*) FROM concurrency_events").await, 3);
    assert_eq!(log(&store).await, left, "and afterwards");
}

#[tokio::test]
async fn an_append_id_outlives_its_events_for_seven_days() {
    let (_folder, _sqlite, store) = open().await;
    let options = AppendOptions::new().with_append_id(AppendId::named("once")).fenced_by(FencingToken(5));
    let appended = store.append("s", events(3), options).await.unwrap();
    store.truncate_before("s", 2).await.unwrap();
    for is_swept in [false, true] {
        assert_eq!(store.append("s", events(3), options).await.unwrap(), appended, "swept: {is_swept}");
        let other = store.append("s", events(2), options).await;
        assert!(matches!(other, Err(Error::AppendIdReused { .. })), "swept: {is_swept}: {other:?}");
        swept(&store).await;
    }
    let forgotten = "SELECT min(until) - (SELECT min(recorded) FROM concurrency_events) FROM concurrency_event_appends";
    assert_eq!(number(&store, forgotten).await, 7 * 86_400_000 + 1);
    // A moment before, and when it is over.
    sql(&store, "UPDATE concurrency_event_appends SET until = unixepoch() * 1000 + 60000").await;
    assert_eq!(store.append("s", events(3), options).await.unwrap(), appended);
    sql(&store, "UPDATE concurrency_event_appends SET until = unixepoch() * 1000 - 1").await;
    assert_eq!(store.append("s", events(3), options).await.unwrap().first, 4, "it is another append");
    // And that one is remembered in its turn, though the old one may not have been swept.
    store.truncate_before("s", u64::MAX).await.unwrap();
    swept(&store).await;
    assert_eq!(store.append("s", events(3), options).await.unwrap().first, 4);
}

#[tokio::test]
async fn an_append_whose_events_are_there_is_known_whatever_the_time() {
    let (_folder, _sqlite, store) = open().await;
    let options = AppendOptions::new().with_append_id(AppendId::named("once"));
    let appended = store.append("s", events(3), options).await.unwrap();
    sql(&store, "UPDATE concurrency_events SET recorded = 7").await;
    assert_eq!(store.append("s", events(3), options).await.unwrap(), appended);
    // Its first event is there; of the others nothing was asked.
    store.truncate_before("s", 1).await.unwrap();
    assert_eq!(store.append("s", events(3), options).await.unwrap(), appended);
}

#[tokio::test]
async fn a_fencing_mark_is_forgotten_after_its_retention() {
    let (_folder, _sqlite, store) = open().await;
    let fenced = |token| AppendOptions::new().fenced_by(FencingToken(token));
    store.append("s", events(1), fenced(5)).await.unwrap();
    assert!(matches!(store.append("s", events(1), fenced(4)).await, Err(Error::Fenced { .. })));
    sql(&store, "UPDATE concurrency_event_streams SET until = unixepoch() * 1000 - 1").await;
    store.append("s", events(1), fenced(4)).await.unwrap();
    assert!(matches!(store.append("s", events(1), fenced(3)).await, Err(Error::Fenced { .. })));
    store.append("s", events(1), fenced(5)).await.unwrap();
}

#[tokio::test]
async fn a_page_of_large_events_is_short_and_leads_on() {
    let (_folder, _sqlite, store) = open().await;
    let large = vec![7; 5 << 20];
    for _ in 0..7 {
        store.append("s", vec![NewEvent::new("large", large.clone())], AppendOptions::new()).await.unwrap();
    }
    let page = store.read_all(Position::START, 1000).await.unwrap();
    assert_eq!(page.events.len(), 4, "the fourth reaches 16 MiB");
    assert_eq!(page.next, page.events[3].position);
    assert_eq!(log(&store).await.len(), 7);
}

#[tokio::test]
async fn a_commit_of_anybody_wakes_those_who_wait() {
    let (folder, sqlite, store) = open().await;
    let other = client(&folder).await.event_store("test").unwrap();
    let mut seen = HashSet::new();
    for writer in ["this client", "another", "a transaction"] {
        let after = store.read_all(Position::START, 1000).await.unwrap().next;
        let waiting = tokio::spawn({
            let store = Arc::clone(&store);
            async move { store.changed(after).await }
        });
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert!(!waiting.is_finished(), "there is nothing yet");
        match writer {
            "this client" => drop(grow(&store, "s", 1).await),
            "another" => drop(grow(&other, "s", 1).await),
            _ => {
                let store = Arc::clone(&store);
                let append = async move |transaction: &mut crate::SqliteTransaction<'_>| {
                    transaction.events(&store)?.append("s", events(1), AppendOptions::new()).await
                };
                sqlite.transaction(append).await.unwrap();
            }
        }
        tokio::time::timeout(LIMIT, waiting).await.expect(writer).unwrap().unwrap();
        let found = store.read_all(after, 10).await.unwrap();
        assert_eq!(found.events.len(), 1, "{writer}");
        seen.insert(found.events[0].id);
    }
    assert_eq!(seen.len(), 3);
}

#[tokio::test]
async fn appends_commit_with_the_callers_own_sql_or_not_at_all() {
    let (folder, sqlite, store) = open().await;
    grow(&store, "s", 1).await;
    sql(&store, "CREATE TABLE theirs (x)").await;
    let run = async |fails: bool| {
        let store = Arc::clone(&store);
        let work = async move |transaction: &mut crate::SqliteTransaction<'_>| {
            transaction.sql().execute("INSERT INTO theirs VALUES (7)", ()).map_err(sql_error)?;
            let mut ours = transaction.events(&store)?;
            let refused = ours.append("s", events(1), AppendOptions::new().expecting(0)).await;
            assert!(refused.is_err_and(|error| error.is_conflict()), "and the transaction goes on");
            let appended = ours.append("s", events(2), AppendOptions::new().expecting(1)).await?;
            assert_eq!(ours.read("s", ReadQuery::newest().limit(1)).await?.last, 3, "it sees what it appended");
            assert_eq!(store.read_now_last("s"), Some(1), "which nobody else does");
            if fails { Err(Error::LogRewound) } else { Ok(appended) }
        };
        sqlite.transaction(work).await
    };
    assert!(matches!(run(true).await, Err(Error::LogRewound)));
    assert_eq!(number(&store, "SELECT count(*) FROM theirs").await, 0);
    assert_eq!(versions(&store, "s").await, [1]);
    let appended = run(false).await.unwrap();
    assert_eq!((appended.first, appended.last, appended.position.to_u128()), (2, 3, 3), "no number was burnt");
    assert_eq!(number(&store, "SELECT count(*) FROM theirs").await, 1);
    assert_eq!(versions(&store, "s").await, [1, 2, 3]);

    let strange = client(&folder).await.event_store("test").unwrap();
    let refused = sqlite.transaction(async move |transaction| transaction.events(&strange).map(drop)).await;
    assert!(matches!(refused, Err(Error::InvalidArgument { .. })), "{refused:?}");
}

impl SqliteEvents {
    /// The version of a stream, asked at once from where nothing can be awaited.
    fn read_now_last(&self, stream: &'static str) -> Option<u64> {
        let parts = ReadQuery::newest().limit(1).into_parts().unwrap();
        self.space.read_now(|view| super::read::stream(view, stream, parts)).map(|slice| slice.unwrap().last)
    }
}

/// What has to be as fast with a million events as with a thousand finds its rows by an index, and sorts nothing.
#[tokio::test]
async fn nothing_walks_through_a_table() {
    let (_folder, _sqlite, store) = open().await;
    grow(&store, "s", 1).await;
    let mut statements = super::read::STATEMENTS.to_vec();
    statements.extend(super::table::STATEMENTS);
    let sweeps = crate::schema::SWEEPS.iter().flat_map(|sweep| [&*sweep.is_needed, &*sweep.remove]);
    statements.extend(sweeps);
    for statement in statements {
        let plan = format!("EXPLAIN QUERY PLAN {statement}");
        let plan: Vec<String> = store
            .space
            .read(move |view| {
                let mut explain = view.connection.prepare(&plan)?;
                let steps = explain.raw_query().mapped(|row| row.get(3)).collect::<Result<_, _>>()?;
                Ok(steps)
            })
            .await
            .unwrap();
        for step in &plan {
            let walks = step.contains("SCAN") || step.contains("TEMP B-TREE") || step.contains("AUTOMATIC");
            // A row of it is a clear whose sweep is not over.
            let cleared = step.ends_with("SCAN cleared") || step.ends_with("SCAN concurrency_cache_cleared");
            let small = ["unswept", "CONSTANT ROW", "(subquery", "concurrency_event_counter", "SCAN (join"];
            assert!(!walks || cleared || small.iter().any(|small| step.contains(small)), "{statement}: {plan:#?}");
        }
    }
}
