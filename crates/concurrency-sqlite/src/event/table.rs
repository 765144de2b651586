//! The tables of streams and events, as the rules of the contract see them.
//!
//! An append decides before it changes anything, so that a refusal leaves the transaction as it was, and burns no number. Each
//! rule stands where the in-memory model has it.

use concurrency_core::{
    AppendId, AppendParts, Appended, Error, EventId, FencingToken, NewEvent, Position, Result, Snapshot, Ttl,
};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::{
    error::Fault,
    moment::{self, Millis},
};

/// What an append says: [`append_content`](concurrency_core::append_content).
type Content = [u8; 16];

const FIND: &str = "SELECT log.number, stream.number, first, last, token, until FROM concurrency_event_logs log \
    LEFT JOIN concurrency_event_streams stream ON stream.log = log.number AND stream.name = ?2 \
    WHERE log.namespace = ?1";

const KNOWN: &str = "SELECT version, position, count, content FROM concurrency_events \
    WHERE stream = ?1 AND append_id = ?2 \
    UNION ALL SELECT first, position, count, content FROM concurrency_event_appends \
    WHERE stream = ?1 AND append_id = ?2 AND until > ?3";

const LAST_TRUNCATED: &str = "SELECT position FROM concurrency_events WHERE stream = ?1 AND version = ?2";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[FIND, KNOWN, LAST_TRUNCATED];

/// The tables of one namespace at one instant, inside a transaction.
#[derive(Debug)]
pub(super) struct Table<'c> {
    connection: &'c Connection,
    namespace: &'c str,
    now: Millis,
    marked_until: Millis,
}

/// What is known of a name.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    /// The number of the namespace; `None` before its first append.
    log: Option<i64>,
    stream: Option<Stream>,
}

/// A stream that was ever appended to.
#[derive(Debug, Clone, Copy)]
struct Stream {
    number: i64,
    first: u64,
    last: u64,
    /// The fencing mark, if it is not forgotten yet.
    mark: Option<FencingToken>,
}

/// What is stored beside the first event of an append.
#[derive(Debug, Clone, Copy)]
struct Head {
    id: AppendId,
    content: Content,
}

impl<'c> Table<'c> {
    pub(super) fn new(connection: &'c Connection, namespace: &'c str, retention: Ttl) -> Result<Self, Fault> {
        let now = moment::now(connection)?;
        Ok(Self { connection, namespace, now, marked_until: moment::deadline(now, retention) })
    }

    pub(super) fn append(
        &self,
        name: &str,
        events: &[NewEvent],
        content: Content,
        parts: AppendParts,
    ) -> Result<Appended, Fault> {
        let AppendParts { expected, append_id, fenced_by } = parts;
        let found = self.find(name)?;
        match found.stream {
            None => expected.check(name, 0)?,
            Some(stream) => {
                if let Some(appended) = self.repeated(name, stream, append_id, content)? {
                    return Ok(appended);
                }
                if let (Some(given), Some(seen)) = (fenced_by, stream.mark)
                    && given < seen
                {
                    return Err(Error::fenced(name, seen, given).into());
                }
                expected.check(name, stream.last)?;
            }
        }
        self.store(name, events, Head { id: append_id, content }, found, fenced_by)
    }

    /// Marks the events below `version` as truncated. The sweeper removes them from the disk, a few at a time: a million at once
    /// would hold the file for seconds.
    pub(super) fn truncate_before(&self, name: &str, version: u64) -> Result<(), Fault> {
        const STREAM: &str = "UPDATE concurrency_event_streams SET first = ?2 WHERE number = ?1";
        const LOG: &str =
            "UPDATE concurrency_event_logs SET truncated = max(ifnull(truncated, 0), ?2) WHERE number = ?1";
        let Found { log, stream: Some(Stream { number, first, last, .. }) } = self.find(name)? else { return Ok(()) };
        let version = version.min(last + 1);
        if version <= first {
            return Ok(());
        }
        let mut statement = self.connection.prepare_cached(LAST_TRUNCATED)?;
        let truncated: i64 = statement.query_row((number, version - 1), |row| row.get(0))?;
        self.connection.prepare_cached(STREAM)?.execute((number, version))?;
        self.connection.prepare_cached(LOG)?.execute((log, truncated))?;
        Ok(())
    }

    pub(super) fn load_snapshot(&self, name: &str) -> Result<Option<Snapshot>, Fault> {
        const LOAD: &str = "SELECT version, event, schema, data FROM concurrency_event_snapshots \
            WHERE namespace = ?1 AND stream = ?2";
        let mut statement = self.connection.prepare_cached(LOAD)?;
        let snapshot = statement.query_row((self.namespace, name.as_bytes()), |row| {
            Ok(Snapshot {
                version: u64::from_be_bytes(row.get(0)?),
                event: EventId::from_bytes(row.get(1)?),
                schema: row.get(2)?,
                data: row.get::<_, Vec<u8>>(3)?.into(),
            })
        });
        Ok(snapshot.optional()?)
    }

    /// Unless a newer one is there.
    pub(super) fn save_snapshot(&self, name: &str, snapshot: &Snapshot) -> Result<(), Fault> {
        const SAVE: &str = "INSERT INTO concurrency_event_snapshots (namespace, stream, version, event, schema, data) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET version = excluded.version, \
            event = excluded.event, schema = excluded.schema, data = excluded.data WHERE version <= excluded.version";
        let Snapshot { version, event, schema, data } = snapshot;
        let (version, event) = (version.to_be_bytes(), event.to_bytes());
        let values = (self.namespace, name.as_bytes(), version, event, schema, data.as_ref());
        self.connection.prepare_cached(SAVE)?.execute(values)?;
        Ok(())
    }

    fn find(&self, name: &str) -> Result<Found, Fault> {
        let mut statement = self.connection.prepare_cached(FIND)?;
        let found = statement.query_row((self.namespace, name.as_bytes()), |row| self.found(row));
        Ok(found.optional()?.unwrap_or_default())
    }

    fn found(&self, row: &Row<'_>) -> rusqlite::Result<Found> {
        let stream = |number| {
            let mark = row.get::<_, Option<u64>>(4)?.map(FencingToken);
            let is_known = row.get::<_, Option<Millis>>(5)?.is_some_and(|until| self.now < until);
            Ok::<_, rusqlite::Error>(Stream {
                number,
                first: row.get(2)?,
                last: row.get(3)?,
                mark: mark.filter(|_| is_known),
            })
        };
        Ok(Found { log: row.get(0)?, stream: row.get::<_, Option<i64>>(1)?.map(stream).transpose()? })
    }

    /// What the append of this id answered, if there was one.
    fn repeated(&self, name: &str, stream: Stream, id: AppendId, given: Content) -> Result<Option<Appended>, Fault> {
        let mut statement = self.connection.prepare_cached(KNOWN)?;
        let known = statement.query_row((stream.number, id.to_bytes(), self.now), |row| {
            let (first, position, count) = (row.get::<_, u64>(0)?, row.get::<_, u64>(1)?, row.get::<_, u64>(2)?);
            // The events of one append stand side by side.
            let (last, position) = (first + count - 1, Position::from_u128(u128::from(position + count - 1)));
            Ok((Appended { first, last, position }, row.get::<_, Content>(3)?))
        });
        match known.optional()? {
            Some((appended, content)) if content == given => Ok(Some(appended)),
            Some(_) => Err(Error::AppendIdReused { stream: name.into() }.into()),
            None => Ok(None),
        }
    }

    fn store(
        &self,
        name: &str,
        events: &[NewEvent],
        head: Head,
        found: Found,
        token: Option<FencingToken>,
    ) -> Result<Appended, Fault> {
        const COUNT: &str = "UPDATE concurrency_event_counter SET last = last + ?1 RETURNING last";
        const EVENT: &str = "INSERT INTO concurrency_events (position, log, stream, version, id, recorded, \
            append_id, count, content, type, metadata, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
        let first = found.stream.map_or(0, |stream| stream.last) + 1;
        let last = first + events.len() as u64 - 1;
        let log = match found.log {
            Some(log) => log,
            None => self.new_log()?,
        };
        let stream = match found.stream {
            Some(Stream { number, .. }) => self.raise(number, last, token)?,
            None => self.new_stream(log, name, last, token)?,
        };
        let position: u64 = self.connection.prepare_cached(COUNT)?.query_row([events.len()], |row| row.get(0))?;
        let mut statement = self.connection.prepare_cached(EVENT)?;
        let (mut append, mut at) = (Some(head), position - events.len() as u64);
        for (version, event) in (first..).zip(events) {
            at += 1;
            let head = append.take();
            statement.execute((
                at,
                log,
                stream,
                version,
                event.id.to_bytes(),
                self.now,
                head.map(|head| head.id.to_bytes()),
                head.map(|_| events.len()),
                head.map(|head| head.content),
                &event.event_type,
                event.metadata.as_ref(),
                event.data.as_ref(),
            ))?;
        }
        Ok(Appended { first, last, position: Position::from_u128(u128::from(position)) })
    }

    fn new_log(&self) -> Result<i64, Fault> {
        const NEW: &str = "INSERT INTO concurrency_event_logs (namespace) VALUES (?1) RETURNING number";
        Ok(self.connection.prepare_cached(NEW)?.query_row([self.namespace], |row| row.get(0))?)
    }

    fn new_stream(&self, log: i64, name: &str, last: u64, token: Option<FencingToken>) -> Result<i64, Fault> {
        const NEW: &str = "INSERT INTO concurrency_event_streams (log, name, last, token, until) \
            VALUES (?1, ?2, ?3, ?4, ?5) RETURNING number";
        let (token, until) = self.mark(token);
        let mut statement = self.connection.prepare_cached(NEW)?;
        Ok(statement.query_row((log, name.as_bytes(), last, token, until), |row| row.get(0))?)
    }

    /// Of an accepted append: the stream's version, and its mark where there is a token.
    fn raise(&self, number: i64, last: u64, token: Option<FencingToken>) -> Result<i64, Fault> {
        const RAISE: &str = "UPDATE concurrency_event_streams SET last = ?2, token = ifnull(?3, token), \
            until = ifnull(?4, until) WHERE number = ?1";
        let (token, until) = self.mark(token);
        self.connection.prepare_cached(RAISE)?.execute((number, last, token, until))?;
        Ok(number)
    }

    fn mark(&self, token: Option<FencingToken>) -> (Option<u64>, Option<Millis>) {
        (token.map(|FencingToken(token)| token), token.map(|_| self.marked_until))
    }
}
