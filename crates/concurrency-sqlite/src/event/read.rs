//! Reading events: of one stream, and in the global order.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use concurrency_core::{Batch, Error, EventId, Position, ReadParts, Recorded, Result, StreamSlice};
use rusqlite::{OptionalExtension, Row};

use crate::{error::Fault, space::View};

/// A page of the global order ends with the event that reaches this: a thousand of the largest would not fit into memory.
const PAGE_BYTES: usize = 16 << 20;

const STREAM: &str = "SELECT number, first, last FROM concurrency_event_streams \
    WHERE log = (SELECT number FROM concurrency_event_logs WHERE namespace = ?1) AND name = ?2";

const FORWARDS: &str = "SELECT version, position, id, recorded, type, metadata, data FROM concurrency_events \
    WHERE stream = ?1 AND version BETWEEN ?2 AND ?3 ORDER BY version LIMIT ?4";

const BACKWARDS: &str = "SELECT version, position, id, recorded, type, metadata, data FROM concurrency_events \
    WHERE stream = ?1 AND version BETWEEN ?2 AND ?3 ORDER BY version DESC LIMIT ?4";

const LOG: &str = "SELECT number, truncated, (SELECT last FROM concurrency_event_counter) \
    FROM concurrency_event_logs WHERE namespace = ?1";

// `CROSS JOIN` says which table comes first; truncated events stay on the disk for a while.
const FOLLOWING: &str = "SELECT version, position, id, recorded, type, metadata, data, stream.number, name \
    FROM concurrency_events event CROSS JOIN concurrency_event_streams stream ON stream.number = event.stream \
    WHERE event.log = ?1 AND position > ?2 AND version >= first ORDER BY position LIMIT ?3";

const MORE: &str = "SELECT EXISTS (SELECT 1 FROM concurrency_events \
    WHERE log = (SELECT number FROM concurrency_event_logs WHERE namespace = ?1) AND position > ?2)";

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[STREAM, FORWARDS, BACKWARDS, LOG, FOLLOWING, MORE];

/// A stretch of one stream.
pub(super) fn stream(view: View<'_>, name: &str, parts: ReadParts) -> Result<StreamSlice, Fault> {
    let View { connection, namespace, .. } = view;
    let ReadParts { from, backwards, limit } = parts;
    let mut statement = connection.prepare_cached(STREAM)?;
    let found = statement.query_row((namespace, name.as_bytes()), |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, u64>(1)?, row.get::<_, u64>(2)?))
    });
    let Some((number, first, last)) = found.optional()? else {
        return Ok(StreamSlice { events: Vec::new(), first: 1, last: 0 });
    };
    let (sql, least, most) =
        if backwards { (BACKWARDS, first, from.min(last)) } else { (FORWARDS, from.max(first), last) };
    let mut slice = StreamSlice { events: Vec::new(), first, last };
    if least > most {
        return Ok(slice);
    }
    let name: Arc<str> = name.into();
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((number, least, most, limit))?;
    while let Some(row) = rows.next()? {
        slice.events.push(recorded(row, Arc::clone(&name))?);
    }
    Ok(slice)
}

/// What follows a position.
pub(super) fn all(view: View<'_>, after: Position, limit: usize) -> Result<Batch, Fault> {
    let View { connection, namespace, .. } = view;
    let mut batch = Batch { events: Vec::new(), next: after, truncated: None };
    let mut statement = connection.prepare_cached(LOG)?;
    let log = statement.query_row([namespace], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Option<u64>>(1)?, row.get::<_, u64>(2)?))
    });
    let Some((number, truncated, last)) = log.optional()? else { return Ok(batch) };
    let mut names = HashMap::new();
    let mut statement = connection.prepare_cached(FOLLOWING)?;
    let mut rows = statement.query((number, stored(after), limit))?;
    let mut bytes = 0;
    let mut is_all = true;
    while let Some(row) = rows.next()? {
        let name = name_of(row, &mut names)?;
        let event = recorded(row, name)?;
        bytes += event.data.len() + event.metadata.len();
        batch.next = event.position;
        batch.events.push(event);
        if bytes >= PAGE_BYTES {
            is_all = false;
            break;
        }
    }
    if is_all && batch.events.len() < limit {
        // Whatever comes, comes behind the last position that was ever given, in this namespace or another.
        batch.next = after.max(position(last));
    }
    batch.truncated = truncated.map(position).filter(|truncated| *truncated > after);
    Ok(batch)
}

/// Whether there may be something behind a position: what was truncated counts as long as it is on the disk.
pub(super) fn is_more(view: View<'_>, after: Position) -> Result<bool, Fault> {
    let mut statement = view.connection.prepare_cached(MORE)?;
    Ok(statement.query_row((view.namespace, stored(after)), |row| row.get(0))?)
}

/// The stream of a row of the global order; each name is read once a page.
fn name_of(row: &Row<'_>, names: &mut HashMap<i64, Arc<str>>) -> Result<Arc<str>, Fault> {
    let number = row.get(7)?;
    if let Some(name) = names.get(&number) {
        return Ok(Arc::clone(name));
    }
    let name: Arc<str> = String::from_utf8(row.get(8)?).map_err(|_| not_a_name())?.into();
    names.insert(number, Arc::clone(&name));
    Ok(name)
}

/// `version, position, id, recorded, type, metadata, data`.
fn recorded(row: &Row<'_>, stream: Arc<str>) -> rusqlite::Result<Recorded> {
    Ok(Recorded {
        stream,
        version: row.get(0)?,
        position: position(row.get(1)?),
        id: EventId::from_bytes(row.get(2)?),
        // A clock that stood before 1970 is shown as if it had been then.
        recorded_at: SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(row.get::<_, i64>(3)?).unwrap_or(0)),
        event_type: row.get::<_, String>(4)?.into(),
        metadata: row.get::<_, Vec<u8>>(5)?.into(),
        data: row.get::<_, Vec<u8>>(6)?.into(),
    })
}

fn position(stored: u64) -> Position {
    Position::from_u128(u128::from(stored))
}

/// Any position can be asked for; those that do not fit are behind all that there are.
fn stored(position: Position) -> i64 {
    i64::try_from(position.to_u128()).unwrap_or(i64::MAX)
}

fn not_a_name() -> Error {
    Error::Decode { what: "a stored name of a stream", why: "it is not UTF-8".into() }
}
