//! The caller's own transaction: SQL of theirs and operations of ours, in one commit.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use concurrency_core::{Error, Result, Source};
use rusqlite::Connection;
use tokio::runtime::Handle;

use crate::{
    Sqlite, SqliteEvents, SqliteEventsTransaction, SqliteState, SqliteStateTransaction,
    connection::Database,
    error::{Fault, sql_error},
};

/// A transaction that is open while the closure of [`Sqlite::transaction`] runs.
#[derive(Debug)]
pub struct SqliteTransaction<'t> {
    connection: &'t mut Connection,
    database: &'t Database,
}

impl SqliteTransaction<'_> {
    /// The connection, for the caller's own statements and tables. Its errors become ours by [`sql_error`](crate::sql_error).
    ///
    /// The transaction is open already, and ended when the closure returns: `BEGIN`, `COMMIT` and `ROLLBACK` are not for the
    /// closure (savepoints are). The connection is kept for later transactions, with its pragmas and temporary tables. Table names that begin with `concurrency_`, `application_id` and `user_version` are ours.
    #[must_use]
    pub fn sql(&self) -> &Connection {
        self.connection
    }

    /// The operations of `store` inside this transaction.
    ///
    /// # Errors
    /// `InvalidArgument` for the store of another client.
    pub fn state(&mut self, store: &SqliteState) -> Result<SqliteStateTransaction<'_>> {
        SqliteStateTransaction::new(self.connection, self.database, store)
    }

    /// The operations of `store` inside this transaction.
    ///
    /// # Errors
    /// `InvalidArgument` for the store of another client.
    pub fn events(&mut self, store: &SqliteEvents) -> Result<SqliteEventsTransaction<'_>> {
        SqliteEventsTransaction::new(self.connection, self.database, store)
    }
}

/// Runs `work` as one step of an open transaction: what it began is undone if it fails in the middle, and the transaction goes
/// on. What it refuses before it begins anything needs no undoing.
pub(crate) fn step<T>(connection: &Connection, work: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T> {
    if connection.is_autocommit() {
        return Err(Error::TransactionAborted { source: None });
    }
    let execute = |sql: &str| connection.prepare_cached(sql).and_then(|mut step| step.execute(()));
    execute("SAVEPOINT step").map_err(sql_error)?;
    let done = work(connection);
    if connection.is_autocommit() {
        // SQLite gave it up, as it may where the disk is full.
        let source = done.err().map(|fault| Source::new(Error::from(fault)));
        return Err(Error::TransactionAborted { source });
    }
    if matches!(done, Err(Fault::Driver(_))) {
        execute("ROLLBACK TO step").map_err(sql_error)?;
    }
    execute("RELEASE step").map_err(sql_error)?;
    Ok(done?)
}

impl Sqlite {
    /// Runs `work` in a transaction, and commits everything if it returns `Ok`, or nothing. It runs on the writing thread, alone:
    /// nobody else writes to the file meanwhile, so it should be short, and it must not wait for anything but the operations of
    /// the transaction, which are there at once.
    ///
    /// `Conflict` and `Fenced` leave the transaction usable: `work` may pass them over and return `Ok`.
    ///
    /// ```
    /// # use concurrency_core::{Backend, Error, SaveOptions, TypedState};
    /// # use concurrency_sqlite::{Sqlite, SqliteConfig, sql_error};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> concurrency_core::Result<()> {
    /// # let folder = std::env::temp_dir().join(format!("concurrency-sqlite-doc-transaction-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let sqlite = Sqlite::connect(SqliteConfig::new(folder.join("app.db"))).await?;
    /// let store = sqlite.state_store("orders")?;
    /// let orders = TypedState::<String>::new(store.clone());
    /// sqlite
    ///     .transaction(async move |transaction| {
    ///         transaction.sql().execute_batch("CREATE TABLE IF NOT EXISTS audit (what TEXT)").map_err(sql_error)?;
    ///         transaction.sql().execute("INSERT INTO audit VALUES ('order 7')", ()).map_err(sql_error)?;
    ///         let mut state = transaction.state(&store)?;
    ///         orders.within(&mut state).save("7", &"placed".to_owned(), SaveOptions::new().if_absent()).await?;
    ///         Ok::<_, Error>(())
    ///     })
    ///     .await?;
    /// # sqlite.close().await;
    /// # drop(std::fs::remove_dir_all(folder));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// That of `work`, and then nothing of it was written. `Closed`; `Timeout` or `Unavailable`, `NotApplied`, if its turn did not
    /// come within `operation_timeout` (`work` does not run then); `Timeout` with an unknown effect if it was under way by then;
    /// the failure of the commit, with its outcome; `InvalidArgument` if `work` waited for something else; `Backend` if it ended
    /// the transaction itself.
    ///
    /// # Panics
    /// If `work` does: everything was rolled back then.
    ///
    /// # Cancel safety
    /// Once polled, `work` runs to its end and is committed even if the future is dropped.
    pub async fn transaction<T, E, W>(&self, work: W) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        W: AsyncFnOnce(&mut SqliteTransaction<'_>) -> Result<T, E> + Send + 'static,
    {
        let limit = self.config.of("").operation_timeout;
        let database = self.database.clone();
        // So that whoever waits for a timer or a socket is refused, where without a runtime it would panic.
        let runtime = Handle::try_current().ok();
        let run = move |connection: &mut Connection| {
            let _inside = runtime.as_ref().map(Handle::enter);
            let mut transaction = SqliteTransaction { connection, database: &database };
            match pin!(work(&mut transaction)).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(done) => done,
                Poll::Pending => {
                    Err(Error::invalid("transaction", "its closure waited for something that is not of it").into())
                }
            }
        };
        self.database.write_alone(limit, run).await
    }
}
