//! The tables of caches, as the rules of the contract see them.
//!
//! A key has one row at most: a value, or a reservation, which is a row with a token. So whatever writes the row or removes it ends
//! the reservation by that. A row counts if it is of the generation of its namespace, which is looked up in the same statement.

use std::time::Duration;

use concurrency_core::{Bytes, Cached, Ttl, random};
use rusqlite::{Connection, OptionalExtension};

use crate::{
    error::Fault,
    moment::{self, Millis},
};

/// No value is larger.
pub(super) const ANY: usize = usize::MAX >> 1;

/// The most rows that one write evicts: more than one where the bound was lowered.
const MOST_EVICTED: i64 = 64;

/// Removes those that were written longest ago.
pub(super) const EVICT: &str = "DELETE FROM concurrency_cache WHERE (generation, key) IN \
    (SELECT generation, key FROM concurrency_cache WHERE generation = ?1 ORDER BY written LIMIT ?2)";

/// What [`find`] found.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing that is alive.
    Missing,
    Live(Cached),
    /// Live, and larger than asked for.
    TooLarge,
    Reserved(Reservation),
}

impl Found {
    pub(super) fn live(self) -> Option<Cached> {
        match self {
            Self::Live(cached) => Some(cached),
            Self::Missing | Self::TooLarge | Self::Reserved(_) => None,
        }
    }
}

/// A reservation that stands.
#[derive(Debug)]
pub(super) struct Reservation {
    pub(super) token: Token,
    pub(super) ends_in: Duration,
}

/// What tells a ticket from all others.
pub(super) type Token = [u8; 16];

/// What stands under `key`, with its value if that has at most so many bytes, in one statement: nothing of a larger value is read.
/// Judged at `now`, or at the instant of the statement.
pub(super) fn find(
    connection: &Connection,
    namespace: &str,
    key: &str,
    most: usize,
    now: Option<Millis>,
) -> Result<Found, Fault> {
    const FIND: &str = concat!(
        "SELECT token, expires, coalesce(?4, CAST(round(unixepoch('subsec') * 1000) AS INTEGER)), ",
        "CASE WHEN length(value) <= ?3 THEN value END FROM concurrency_caches cache CROSS JOIN concurrency_cache entry ",
        "ON entry.generation = cache.generation AND entry.key = ?2 WHERE cache.namespace = ?1"
    );
    let mut statement = connection.prepare_cached(FIND)?;
    let found = statement.query_row((namespace, key.as_bytes(), most, now), |row| {
        let (expires, now) = (row.get::<_, Option<Millis>>(1)?, row.get::<_, Millis>(2)?);
        // Expired means now >= deadline.
        if expires.is_some_and(|deadline| now >= deadline) {
            return Ok(Found::Missing);
        }
        let expires_in = expires.map(|deadline| moment::remaining(deadline, now));
        if let Some(token) = row.get(0)? {
            return Ok(Found::Reserved(Reservation { token, ends_in: expires_in.unwrap_or(Duration::MAX) }));
        }
        let Some(value) = row.get_ref(3)?.as_blob_or_null()? else { return Ok(Found::TooLarge) };
        Ok(Found::Live(Cached { value: Bytes::copy_from_slice(value), expires_in }))
    });
    Ok(found.optional()?.unwrap_or(Found::Missing))
}

/// The tables of one namespace at one instant, inside a transaction.
#[derive(Debug)]
pub(super) struct Table<'c> {
    connection: &'c Connection,
    namespace: &'c str,
    max_entries: i64,
    now: Millis,
}

/// Where the next row goes.
struct Place {
    generation: [u8; 16],
    written: i64,
    /// How many rows there are, before the next one.
    entries: i64,
}

/// What a row is to hold.
#[derive(Clone, Copy)]
enum Content<'v> {
    Value(&'v [u8], Option<Ttl>),
    Reservation(Token, Ttl),
}

impl<'c> Table<'c> {
    pub(super) fn new(connection: &'c Connection, namespace: &'c str, max_entries: usize) -> Result<Self, Fault> {
        let max_entries = i64::try_from(max_entries).unwrap_or(i64::MAX);
        Ok(Self { connection, namespace, max_entries, now: moment::now(connection)? })
    }

    pub(super) fn find(&self, key: &str, most: usize) -> Result<Found, Fault> {
        find(self.connection, self.namespace, key, most, Some(self.now))
    }

    /// Ends a reservation of the key.
    pub(super) fn set(&self, key: &str, value: &[u8], ttl: Option<Ttl>) -> Result<(), Fault> {
        self.put(key, Content::Value(value, ttl))
    }

    /// True if there was a live value. Ends a reservation of the key.
    pub(super) fn remove(&self, key: &str) -> Result<bool, Fault> {
        const REMOVE: &str = "DELETE FROM concurrency_cache WHERE key = ?2 \
            AND generation = (SELECT generation FROM concurrency_caches WHERE namespace = ?1) \
            RETURNING token IS NULL AND (expires IS NULL OR expires > ?3)";
        let mut statement = self.connection.prepare_cached(REMOVE)?;
        let removed = statement.query_row((self.namespace, key.as_bytes(), self.now), |row| row.get(0));
        Ok(removed.optional()?.unwrap_or(false))
    }

    /// A new generation. The rows of the old one are nobody's from now on; they are removed later, a few at a time.
    pub(super) fn clear(&self) -> Result<(), Fault> {
        const LEAVE: &str = "INSERT INTO concurrency_cache_cleared \
            SELECT generation FROM concurrency_caches cache WHERE namespace = ?1 \
            AND EXISTS (SELECT 1 FROM concurrency_cache entry WHERE entry.generation = cache.generation)";
        const BEGIN: &str = "INSERT INTO concurrency_caches VALUES (?1, ?2, 0, 0) ON CONFLICT (namespace) \
            DO UPDATE SET generation = excluded.generation, entries = 0, writes = 0";
        self.connection.prepare_cached(LEAVE)?.execute([self.namespace])?;
        self.connection.prepare_cached(BEGIN)?.execute((self.namespace, random::bytes()))?;
        Ok(())
    }

    /// What stands under the key; where nothing does, the ticket of this token from now on.
    pub(super) fn reserve(&self, key: &str, token: Token, hold: Ttl) -> Result<Found, Fault> {
        let found = self.find(key, ANY)?;
        if matches!(found, Found::Missing) {
            self.put(key, Content::Reservation(token, hold))?;
        }
        Ok(found)
    }

    /// Sets the value if the reservation of this token stands; whether it did.
    pub(super) fn fill(&self, key: &str, token: Token, value: &[u8], ttl: Option<Ttl>) -> Result<bool, Fault> {
        match self.find(key, 0)? {
            Found::Reserved(standing) if standing.token == token => self.set(key, value, ttl).map(|()| true),
            Found::Missing | Found::Live(_) | Found::TooLarge | Found::Reserved(_) => Ok(false),
        }
    }

    /// Ends the reservation of this token, if it stands.
    pub(super) fn give_back(&self, key: &str, token: Token) -> Result<(), Fault> {
        const GIVE_BACK: &str = "DELETE FROM concurrency_cache WHERE key = ?2 AND token = ?3 \
            AND generation = (SELECT generation FROM concurrency_caches WHERE namespace = ?1)";
        self.connection.prepare_cached(GIVE_BACK)?.execute((self.namespace, key.as_bytes(), token))?;
        Ok(())
    }

    /// How many reservations stand.
    pub(super) fn reserved(&self) -> Result<usize, Fault> {
        const RESERVED: &str = "SELECT count(*) FROM concurrency_cache WHERE token IS NOT NULL AND expires > ?2 \
            AND generation = (SELECT generation FROM concurrency_caches WHERE namespace = ?1)";
        let mut statement = self.connection.prepare_cached(RESERVED)?;
        Ok(statement.query_row((self.namespace, self.now), |row| row.get(0))?)
    }

    /// Replaces the row of the key, and keeps the bound.
    fn put(&self, key: &str, content: Content<'_>) -> Result<(), Fault> {
        const PUT: &str = "INSERT INTO concurrency_cache (generation, key, written, expires, token, value) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (generation, key) DO UPDATE \
            SET written = excluded.written, expires = excluded.expires, token = excluded.token, value = excluded.value";
        let place = self.place()?;
        let (value, token, ttl) = match content {
            Content::Value(value, ttl) => (value, None, ttl),
            Content::Reservation(token, hold) => (&[][..], Some(token), Some(hold)),
        };
        let expires = ttl.map(|ttl| moment::deadline(self.now, ttl));
        let row = (place.generation, key.as_bytes(), place.written, expires, token, value);
        self.connection.prepare_cached(PUT)?.execute(row)?;
        self.evict(&place)
    }

    /// The first write to a namespace gives it its generation.
    fn place(&self) -> Result<Place, Fault> {
        const PLACE: &str = "INSERT INTO concurrency_caches VALUES (?1, ?2, 0, 1) ON CONFLICT (namespace) \
            DO UPDATE SET writes = writes + 1 RETURNING generation, writes, entries";
        let mut statement = self.connection.prepare_cached(PLACE)?;
        Ok(statement.query_row((self.namespace, random::bytes()), |row| {
            Ok(Place { generation: row.get(0)?, written: row.get(1)?, entries: row.get(2)? })
        })?)
    }

    /// What was written longest ago goes first; never what was written just now, since the bound is one or more.
    fn evict(&self, place: &Place) -> Result<(), Fault> {
        const ENTRIES: &str = "SELECT entries FROM concurrency_caches WHERE generation = ?1";
        if place.entries < self.max_entries {
            return Ok(());
        }
        // The last write may have replaced a row.
        let entries: i64 = self.connection.prepare_cached(ENTRIES)?.query_row([place.generation], |row| row.get(0))?;
        let excess = entries.saturating_sub(self.max_entries).min(MOST_EVICTED);
        if excess > 0 {
            self.connection.prepare_cached(EVICT)?.execute((place.generation, excess))?;
        }
        Ok(())
    }
}
