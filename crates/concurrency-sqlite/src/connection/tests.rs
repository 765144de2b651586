//! What holds whoever asks: group commit, refusals, panics, deadlines, the end.

use std::time::Duration;

use concurrency_core::{Error, Outcome, Result};
use rusqlite::Connection;
use tempfile::TempDir;

use super::{Database, Kind};
use crate::{SqliteConfig, error::Fault};

const LIMIT: Duration = Duration::from_secs(5);

async fn open() -> (TempDir, Database) {
    let folder = tempfile::tempdir().unwrap();
    let config = SqliteConfig::new(folder.path().join("test.db"));
    let database = Database::open(&config, LIMIT).await.unwrap();
    database.write(Kind::Durable, LIMIT, |c| Ok(c.execute_batch("CREATE TABLE t (x)")?)).await.unwrap();
    (folder, database)
}

fn insert(x: i64) -> impl FnOnce(&Connection) -> Result<i64, Fault> + Send {
    move |connection| {
        connection.prepare_cached("INSERT INTO t VALUES (?1)")?.execute([x])?;
        Ok(x)
    }
}

fn files(folder: &TempDir) -> Vec<String> {
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    std::fs::read_dir(folder.path()).unwrap().map(name).collect()
}

async fn rows(database: &Database) -> Vec<i64> {
    let select = |connection: &Connection| {
        let mut select = connection.prepare_cached("SELECT x FROM t ORDER BY x")?;
        let rows = select.query_map((), |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        Ok(rows)
    };
    database.read(LIMIT, select).await.unwrap()
}

#[tokio::test]
async fn requests_of_one_batch_are_refused_apart() {
    let (_folder, database) = open().await;
    // Holds the writer until all others have queued, so that they are one batch.
    let (go, wait) = std::sync::mpsc::channel::<u8>();
    let first = database.write(Kind::Durable, LIMIT, move |_| Ok(wait.recv().unwrap()));
    let writes = async {
        tokio::join!(
            database.write(Kind::Durable, LIMIT, insert(1)),
            database.write(Kind::Durable, LIMIT, |connection| {
                insert(2)(connection)?;
                Err::<(), _>(Fault::Told(Error::LogRewound))
            }),
            database.write(Kind::Durable, LIMIT, |connection| {
                insert(3)(connection)?;
                panic!("half done");
                #[allow(unreachable_code, reason = "gives the closure its type")]
                Ok(())
            }),
            database.write(Kind::Durable, LIMIT, |connection| {
                insert(4)(connection)?;
                Ok(connection.execute_batch("INSERT INTO nowhere VALUES (1)")?)
            }),
            database.write(Kind::Relaxed, LIMIT, insert(5)),
            async { go.send(0).unwrap() },
        )
    };
    let (held, (one, two, three, four, five, ())) = tokio::join!(first, writes);
    assert!(held.is_ok() && one.is_ok() && five.is_ok());
    assert!(matches!(two, Err(Error::LogRewound)), "{two:?}");
    for failed in [three, four] {
        assert!(matches!(failed, Err(Error::Backend { outcome: Outcome::NotApplied, .. })), "{failed:?}");
    }
    assert_eq!(rows(&database).await, [1, 5]);
}

#[tokio::test]
async fn a_request_whose_time_is_over_before_its_turn_never_runs() {
    let (_folder, database) = open().await;
    let (go, wait) = std::sync::mpsc::channel::<u8>();
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let held = tokio::spawn({
        let database = database.clone();
        let hold = move |_: &Connection| {
            begun.send(()).unwrap();
            Ok(wait.recv().unwrap())
        };
        async move { database.write(Kind::Durable, Duration::from_secs(1), hold).await }
    });
    has_begun.await.unwrap();
    let late = database.write(Kind::Durable, Duration::from_millis(20), insert(1)).await;
    assert!(matches!(late, Err(Error::Timeout { outcome: Outcome::NotApplied, .. })), "{late:?}");
    // What was under way at its deadline may have had its effect.
    let held = held.await.unwrap();
    assert!(matches!(held, Err(Error::Timeout { outcome: Outcome::Unknown { settled: false }, .. })), "{held:?}");
    go.send(0).unwrap();
    database.write(Kind::Durable, LIMIT, insert(2)).await.unwrap();
    assert_eq!(rows(&database).await, [2]);
}

#[tokio::test]
async fn a_file_that_is_held_by_somebody_else_is_unavailable_at_the_deadline() {
    let (folder, database) = open().await;
    let other = Connection::open(folder.path().join("test.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = database.write(Kind::Durable, Duration::from_millis(50), insert(1)).await;
    assert!(matches!(refused, Err(Error::Unavailable { outcome: Outcome::NotApplied, .. })), "{refused:?}");
    assert_eq!(rows(&database).await, [0; 0], "reads go on");
    let waiting = database.write(Kind::Durable, LIMIT, insert(2));
    let (written, ()) = tokio::join!(waiting, async { other.execute_batch("COMMIT").unwrap() });
    written.unwrap();
    assert_eq!(rows(&database).await, [2]);
}

#[tokio::test]
async fn a_dropped_call_is_finished_by_its_thread() {
    let (_folder, database) = open().await;
    let mut call = Box::pin(database.write(Kind::Durable, LIMIT, insert(1)));
    let once = std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx).is_ready()));
    let _is_answered: bool = once.await;
    drop(call);
    // Behind it in the same queue.
    database.write(Kind::Durable, LIMIT, insert(2)).await.unwrap();
    assert_eq!(rows(&database).await, [1, 2]);
}

#[tokio::test]
async fn after_closing_everything_is_closed_and_what_was_sent_before_is_done() {
    let (folder, database) = open().await;
    // Each in a connection of its own.
    assert!(matches!(database.read_now(|_| Ok(())), Some(Ok(()))));
    assert_eq!(rows(&database).await, [0; 0]);
    database.commits().next().await;
    let other = database.clone();
    let (written, ()) = tokio::join!(biased; database.write(Kind::Durable, LIMIT, insert(1)), other.close());
    written.unwrap();
    for _ in 0..2 {
        database.close().await;
        assert!(matches!(database.write(Kind::Durable, LIMIT, insert(2)).await, Err(Error::Closed)));
        assert!(matches!(database.read(LIMIT, |_| Ok(())).await, Err(Error::Closed)));
        assert!(matches!(database.read_now(|_| Ok(())), Some(Err(Error::Closed))));
        assert!(matches!(database.health(LIMIT).await, Err(Error::Closed)));
    }
    assert_eq!(files(&folder), ["test.db"], "the last connection that closes removes the log");
}

#[tokio::test]
async fn who_closes_waits_for_what_is_being_read_and_the_writer_closes_last() {
    let (folder, database) = open().await;
    let (go, wait) = std::sync::mpsc::channel::<u8>();
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let reads = database.read(LIMIT, move |connection| {
        let count = connection.query_row("SELECT count(*) FROM t", (), |row| row.get::<_, u8>(0))?;
        begun.send(()).unwrap();
        wait.recv().unwrap();
        Ok(count)
    });
    let closes = async {
        has_begun.await.unwrap();
        let (left, ()) = tokio::join!(
            async {
                database.close().await;
                files(&folder)
            },
            async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                go.send(1).unwrap();
            }
        );
        left
    };
    let (read, left) = tokio::join!(reads, closes);
    assert_eq!((read.unwrap(), left), (0, vec!["test.db".to_owned()]), "whoever is last removes the log");
}

#[tokio::test]
async fn commits_of_others_are_felt() {
    let (folder, database) = open().await;
    let mut commits = database.commits();
    let other = Connection::open(folder.path().join("test.db")).unwrap();
    for x in 0..3 {
        // What came before may still be told.
        while tokio::time::timeout(Duration::from_millis(50), commits.next()).await.is_ok() {}
        other.execute("INSERT INTO t VALUES (?1)", [x]).unwrap();
        tokio::time::timeout(LIMIT, commits.next()).await.expect("it wakes");
    }
}

#[tokio::test]
async fn what_has_expired_is_swept_while_nothing_else_is_to_do() {
    let (_folder, database) = open().await;
    let fill = |connection: &Connection| {
        for key in 0..500_i64 {
            let insert = "INSERT INTO concurrency_state VALUES ('n', CAST(?1 AS BLOB), zeroblob(16), 1, x'')";
            connection.prepare_cached(insert)?.execute([key])?;
        }
        Ok(())
    };
    database.write(Kind::Durable, LIMIT, fill).await.unwrap();
    let count = |connection: &Connection| {
        Ok(connection.query_row("SELECT count(*) FROM concurrency_state", (), |r| r.get::<_, i64>(0))?)
    };
    let deadline = concurrency_core::clock::BootInstant::now().after(LIMIT);
    while database.read(LIMIT, count).await.unwrap() != 0 {
        assert!(!deadline.has_passed(), "nothing is swept");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
