//! The operations of an event store inside the caller's transaction.

use concurrency_core::{
    AppendOptions, Appended, Error, NewEvent, ReadQuery, Result, StreamSlice, append_content, check_append, check_key,
};
use rusqlite::Connection;

use super::{SqliteEvents, read, tables};
use crate::{connection::Database, space::Space, transaction::step};

/// A [`SqliteEvents`] inside a [`SqliteTransaction`](crate::SqliteTransaction): appends that are committed together with the
/// caller's own SQL, and reads that see them. None of them waits for anything.
///
/// Positions are given when the transaction writes, and nobody else writes meanwhile: readers of the global order step over
/// nothing. What the transaction appends shows to others, and in `changed`, once it is committed.
#[derive(Debug)]
pub struct SqliteEventsTransaction<'t> {
    connection: &'t mut Connection,
    store: SqliteEvents,
}

impl<'t> SqliteEventsTransaction<'t> {
    pub(crate) fn new(connection: &'t mut Connection, database: &Database, store: &SqliteEvents) -> Result<Self> {
        if !store.space.is_of(database) {
            return Err(Error::invalid("event store", "it belongs to another client"));
        }
        Ok(Self { connection, store: store.clone() })
    }

    fn space(&self) -> &Space {
        &self.store.space
    }

    /// As [`EventStore::append`](concurrency_core::EventStore::append), if the transaction commits.
    ///
    /// # Errors
    /// As there, and `TransactionAborted` where SQLite gave the transaction up. `Conflict`, `Fenced` and `AppendIdReused` leave
    /// it usable.
    pub async fn append(&mut self, stream: &str, events: Vec<NewEvent>, options: AppendOptions) -> Result<Appended> {
        check_key(stream)?;
        let parts = options.into_parts()?;
        check_append(stream, &events, &SqliteEvents::capabilities_under(self.space().config()))?;
        let content = append_content(&events);
        step(self.connection, |connection| {
            tables(self.space().view(connection))?.append(stream, &events, content, parts)
        })
    }

    /// As [`EventStore::read`](concurrency_core::EventStore::read), as this transaction sees the stream.
    ///
    /// # Errors
    /// As there, and `TransactionAborted` where SQLite gave the transaction up.
    pub async fn read(&mut self, stream: &str, query: ReadQuery) -> Result<StreamSlice> {
        check_key(stream)?;
        let parts = query.into_parts()?;
        step(self.connection, |connection| read::stream(self.space().view(connection), stream, parts))
    }
}
