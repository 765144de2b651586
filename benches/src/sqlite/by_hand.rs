//! What one writes by hand: a pool of rusqlite's connections, and tokio's threads for what blocks.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use concurrency_core::random;
use rusqlite::{Connection, OptionalExtension, Result, Transaction, TransactionBehavior};
use tokio::{sync::Semaphore, task::spawn_blocking};

use super::{
    NAMESPACE,
    operation::{Contender, VALUE, millis},
    ours,
    statements::{COUNT, EVENT, FIRST, FREE, GRANT, HOLDER, LEAVE, LOAD, RAISE, REPEATED, SAVE, STREAM},
};

/// How long SQLite's own handler waits for others.
const PATIENCE: Duration = Duration::from_secs(60);

/// A pool that hands out its warmest connection first.
#[derive(Clone)]
pub(super) struct ByHand(Arc<Pool>);

struct Pool {
    free: Mutex<Vec<Connection>>,
    room: Semaphore,
}

impl ByHand {
    /// So many connections to a file with the tables.
    pub(super) fn open(path: &Path, connections: usize) -> Result<Self> {
        let free = (0..connections).map(|_| open(path)).collect::<Result<_>>()?;
        Ok(Self(Arc::new(Pool { free: Mutex::new(free), room: Semaphore::new(connections) })))
    }

    /// Runs `work` on a connection and a thread for it.
    async fn with<T: Send + 'static>(&self, work: impl FnOnce(&mut Connection) -> Result<T> + Send + 'static) -> T {
        let _place = self.0.room.acquire().await.expect("it is never closed");
        let pool = Arc::clone(&self.0);
        let done = spawn_blocking(move || {
            let mut connection = pool.free().pop().expect("there is one for each place");
            let done = work(&mut connection);
            pool.free().push(connection);
            done
        });
        done.await.expect("it does not panic").expect("SQLite does it")
    }

    /// The same in a transaction that may write.
    async fn transaction<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> T {
        self.with(move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        })
        .await
    }
}

impl Pool {
    fn free(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that waits as SQLite does.
pub(super) fn open(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

pub(super) fn save(connection: &Connection, key: &str) -> Result<()> {
    let row = (NAMESPACE, key.as_bytes(), random::bytes(), None::<i64>, VALUE);
    connection.prepare_cached(SAVE)?.execute(row).map(drop)
}

fn load(connection: &Connection, key: &str) -> Result<(Option<i64>, [u8; 16], Vec<u8>)> {
    let mut statement = connection.prepare_cached(LOAD)?;
    statement.query_row((NAMESPACE, key.as_bytes(), 64 << 10, None::<i64>), |row| {
        Ok((row.get(1)?, row.get(0)?, row.get(3)?))
    })
}

fn append(connection: &Connection, stream: &str) -> Result<u64> {
    let (now, id) = (millis(), random::bytes());
    let mut statement = connection.prepare_cached(STREAM)?;
    let found = statement.query_row((NAMESPACE, stream.as_bytes()), |row| Ok((row.get(0)?, row.get(1)?, row.get(3)?)));
    let (log, number, last): (i64, i64, u64) = found?;
    let mut statement = connection.prepare_cached(REPEATED)?;
    let repeated = statement.query_row((number, id, now), |row| row.get::<_, u64>(0)).optional()?;
    assert_eq!(repeated, None, "an id of its own");
    let mark = (number, last + 1, None::<u64>, None::<i64>);
    connection.prepare_cached(RAISE)?.execute(mark)?;
    let position: u64 = connection.prepare_cached(COUNT)?.query_row([1], |row| row.get(0))?;
    let (event, content, metadata): (_, [u8; 16], &[u8]) = (random::bytes(), [7; 16], &[]);
    let mut statement = connection.prepare_cached(EVENT)?;
    statement.execute((position, log, number, last + 1, event, now, id, 1, content, "happened", metadata, VALUE))?;
    Ok(position)
}

fn acquire(connection: &Connection, name: &str, owner: [u8; 16]) -> Result<u64> {
    let now = millis();
    let name = name.as_bytes();
    let mut statement = connection.prepare_cached(HOLDER)?;
    let held = statement.query_row((NAMESPACE, name), |row| {
        Ok((row.get::<_, u64>(0)?, row.get::<_, Option<[u8; 16]>>(1)?, row.get::<_, i64>(3)?))
    });
    let (before, holder, _) = held.optional()?.unwrap_or_default();
    let first =
        connection.prepare_cached(FIRST)?.query_row((NAMESPACE, name), |row| row.get::<_, i64>(0)).optional()?;
    assert_eq!((holder, first), (None, None), "it is free");
    let token = (before + 1).max(now.unsigned_abs() * 1000);
    let expires = i64::try_from(ours::TTL.as_nanos()).expect("292 years fit");
    connection.prepare_cached(GRANT)?.execute((NAMESPACE, name, token, owner, owner, expires, false, now))?;
    Ok(token)
}

fn release(connection: &Connection, name: &str, owner: [u8; 16], token: u64) -> Result<()> {
    let name = name.as_bytes();
    connection.prepare_cached(LEAVE)?.execute((NAMESPACE, name, owner))?;
    let mut statement = connection.prepare_cached(HOLDER)?;
    let held = statement.query_row((NAMESPACE, name), |row| Ok((row.get(0)?, row.get(1)?)))?;
    assert_eq!(held, (token, owner), "it is ours");
    connection.prepare_cached(FREE)?.execute((NAMESPACE, name, millis()))?;
    let first =
        connection.prepare_cached(FIRST)?.query_row((NAMESPACE, name), |row| row.get::<_, i64>(0)).optional()?;
    assert_eq!(first, None, "nobody waits");
    Ok(())
}

impl Contender for ByHand {
    async fn load(&self, key: &str) {
        let key = key.to_owned();
        let (_, _, value) = self.with(move |connection| load(connection, &key)).await;
        assert_eq!(value.len(), VALUE.len());
    }

    async fn save(&self, key: &str) {
        let key = key.to_owned();
        // A single statement is a transaction of its own.
        self.with(move |connection| save(connection, &key)).await;
    }

    async fn append(&self, stream: &str) {
        let stream = stream.to_owned();
        self.transaction(move |transaction| append(transaction, &stream)).await;
    }

    async fn lock(&self, name: &str) {
        let (owner, asked) = (random::bytes(), name.to_owned());
        let token = self.transaction(move |transaction| acquire(transaction, &asked, owner)).await;
        let held = name.to_owned();
        self.transaction(move |transaction| release(transaction, &held, owner, token)).await;
    }
}
