//! What one writes with sqlx: its pool, and a transaction where there is more than one statement.

use std::{path::Path, time::Duration};

use concurrency_core::random;
use sqlx::{
    Result, SqliteConnection, SqlitePool, query, query_as,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    NAMESPACE,
    operation::{Contender, VALUE, millis},
    ours,
    statements::{COUNT, EVENT, FIRST, FREE, GRANT, HOLDER, LEAVE, LOAD, RAISE, REPEATED, SAVE, STREAM},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A pool of ten connections, as it is by default.
#[derive(Clone)]
pub(super) struct WithSqlx(SqlitePool);

impl WithSqlx {
    pub(super) async fn open(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(PATIENCE);
        // Without the question before each use whether a connection is still alive: a file's is.
        let pool = SqlitePoolOptions::new().test_before_acquire(false).acquire_timeout(PATIENCE);
        Ok(Self(pool.connect_with(options).await?))
    }

    pub(super) async fn close(&self) {
        self.0.close().await;
    }

    async fn load_one(&self, key: &str) -> Result<Vec<u8>> {
        let load = query_as(LOAD).bind(NAMESPACE).bind(key.as_bytes()).bind(64 << 10).bind(None::<i64>);
        let (_, _, _, value): (Vec<u8>, Option<i64>, i64, Vec<u8>) = load.fetch_one(&self.0).await?;
        Ok(value)
    }

    async fn save_one(&self, key: &str) -> Result<()> {
        let version = random::bytes();
        let save = query(SAVE).bind(NAMESPACE).bind(key.as_bytes()).bind(&version[..]).bind(None::<i64>).bind(VALUE);
        save.execute(&self.0).await.map(drop)
    }

    async fn append_one(&self, stream: &str) -> Result<()> {
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await?;
        append(&mut transaction, stream).await?;
        transaction.commit().await
    }

    async fn lock_once(&self, name: &str) -> Result<()> {
        let owner = random::bytes();
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await?;
        let token = acquire(&mut transaction, name, owner).await?;
        transaction.commit().await?;
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await?;
        release(&mut transaction, name, owner, token).await?;
        transaction.commit().await
    }
}

async fn append(connection: &mut SqliteConnection, stream: &str) -> Result<()> {
    type Found = (i64, i64, i64, i64, Option<i64>, Option<i64>);
    let (now, id, event) = (millis(), random::bytes(), random::bytes());
    let found = query_as(STREAM).bind(NAMESPACE).bind(stream.as_bytes());
    let (log, number, _, last, _, _): Found = found.fetch_one(&mut *connection).await?;
    let repeated = query(REPEATED).bind(number).bind(&id[..]).bind(now);
    assert!(repeated.fetch_optional(&mut *connection).await?.is_none(), "an id of its own");
    let raise = query(RAISE).bind(number).bind(last + 1).bind(None::<i64>).bind(None::<i64>);
    raise.execute(&mut *connection).await?;
    let (position,): (i64,) = query_as(COUNT).bind(1).fetch_one(&mut *connection).await?;
    let store = query(EVENT).bind(position).bind(log).bind(number).bind(last + 1).bind(&event[..]).bind(now);
    let store = store.bind(&id[..]).bind(1).bind(&[7; 16][..]).bind("happened").bind(&[][..]).bind(VALUE);
    store.execute(&mut *connection).await.map(drop)
}

async fn acquire(connection: &mut SqliteConnection, name: &str, owner: [u8; 16]) -> Result<i64> {
    type Found = (i64, Option<Vec<u8>>, Vec<u8>, i64, i64);
    let now = millis();
    let held = query_as(HOLDER).bind(NAMESPACE).bind(name.as_bytes());
    let held: Option<Found> = held.fetch_optional(&mut *connection).await?;
    let first = query(FIRST).bind(NAMESPACE).bind(name.as_bytes()).fetch_optional(&mut *connection).await?;
    assert!(held.as_ref().is_none_or(|held| held.1.is_none()) && first.is_none(), "it is free");
    let token = (held.map_or(0, |held| held.0) + 1).max(now * 1000);
    let expires = i64::try_from(ours::TTL.as_nanos()).expect("292 years fit");
    let grant = query(GRANT).bind(NAMESPACE).bind(name.as_bytes()).bind(token).bind(&owner[..]).bind(&owner[..]);
    grant.bind(expires).bind(0).bind(now).execute(&mut *connection).await?;
    Ok(token)
}

async fn release(connection: &mut SqliteConnection, name: &str, owner: [u8; 16], token: i64) -> Result<()> {
    let leave = query(LEAVE).bind(NAMESPACE).bind(name.as_bytes()).bind(&owner[..]);
    leave.execute(&mut *connection).await?;
    let held = query_as(HOLDER).bind(NAMESPACE).bind(name.as_bytes());
    let held: (i64, Option<Vec<u8>>, Vec<u8>, i64, i64) = held.fetch_one(&mut *connection).await?;
    assert_eq!((held.0, held.1.as_deref()), (token, Some(&owner[..])), "it is ours");
    let free = query(FREE).bind(NAMESPACE).bind(name.as_bytes()).bind(millis());
    free.execute(&mut *connection).await?;
    let first = query(FIRST).bind(NAMESPACE).bind(name.as_bytes()).fetch_optional(&mut *connection).await?;
    assert!(first.is_none(), "nobody waits");
    Ok(())
}

impl Contender for WithSqlx {
    async fn load(&self, key: &str) {
        assert_eq!(self.load_one(key).await.expect("loaded").len(), VALUE.len());
    }

    async fn save(&self, key: &str) {
        self.save_one(key).await.expect("saved");
    }

    async fn append(&self, stream: &str) {
        self.append_one(stream).await.expect("appended");
    }

    async fn lock(&self, name: &str) {
        self.lock_once(name).await.expect("acquired and released");
    }
}
