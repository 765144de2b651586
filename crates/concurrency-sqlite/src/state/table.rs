//! The table of values and that of fencing marks, as the rules of the contract see them.
//!
//! Every write decides before it changes anything, so that a refusal leaves the transaction as it was. Each rule stands where the
//! in-memory model has it.

use concurrency_core::{
    Bytes, DeleteParts, Error, Expires, FencingToken, KeyPage, KeyVersion, ListParts, Precondition, Result, Save,
    SaveParts, State, StateCapabilities, Ttl, Version, Write, check_key, check_size,
};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::{
    error::Fault,
    moment::{self, Millis},
};

/// What [`load`] found.
#[derive(Debug)]
pub(super) enum Loaded {
    Missing,
    Live(State),
    /// Live, and larger than asked for.
    TooLarge,
}

/// The live value under `key`, if it has at most so many bytes, in one statement: nothing of a larger value is read. Judged at
/// `now`, or at the instant of the statement.
pub(super) fn load(
    connection: &Connection,
    namespace: &str,
    key: &str,
    most: usize,
    now: Option<Millis>,
) -> Result<Loaded, Fault> {
    const LOAD: &str = concat!(
        "SELECT version, expires, coalesce(?4, CAST(round(unixepoch('subsec') * 1000) AS INTEGER)), ",
        "CASE WHEN length(value) <= ?3 THEN value END FROM concurrency_state WHERE namespace = ?1 AND key = ?2"
    );
    let mut statement = connection.prepare_cached(LOAD)?;
    let loaded = statement.query_row((namespace, key.as_bytes(), most, now), |row| {
        let (expires, now) = (row.get::<_, Option<Millis>>(1)?, row.get::<_, Millis>(2)?);
        if !is_live(expires, now) {
            return Ok(Loaded::Missing);
        }
        let Some(value) = row.get_ref(3)?.as_blob_or_null()? else { return Ok(Loaded::TooLarge) };
        let expires_in = expires.map(|deadline| moment::remaining(deadline, now));
        Ok(Loaded::Live(State::new(Bytes::copy_from_slice(value), version(row)?, expires_in)))
    });
    Ok(loaded.optional()?.unwrap_or(Loaded::Missing))
}

/// Expired means now >= deadline.
fn is_live(expires: Option<Millis>, now: Millis) -> bool {
    expires.is_none_or(|deadline| now < deadline)
}

fn version(row: &Row<'_>) -> rusqlite::Result<Version> {
    Ok(Version::from_bytes(row.get(0)?))
}

/// The tables of one namespace at one instant, inside a transaction.
#[derive(Debug)]
pub(super) struct Table<'c> {
    connection: &'c Connection,
    namespace: &'c str,
    now: Millis,
    marked_until: Millis,
}

/// What stands under a key: version and deadline of the live value.
type Live = Option<(Version, Option<Millis>)>;

impl<'c> Table<'c> {
    pub(super) fn new(connection: &'c Connection, namespace: &'c str, retention: Ttl) -> Result<Self, Fault> {
        let now = moment::now(connection)?;
        Ok(Self { connection, namespace, now, marked_until: moment::deadline(now, retention) })
    }

    pub(super) fn load(&self, key: &str) -> Result<Option<State>, Fault> {
        match load(self.connection, self.namespace, key, usize::MAX >> 1, Some(self.now))? {
            Loaded::Live(state) => Ok(Some(state)),
            Loaded::Missing | Loaded::TooLarge => Ok(None),
        }
    }

    pub(super) fn save(&self, key: &str, value: &[u8], version: Version, parts: SaveParts) -> Result<Version, Fault> {
        let SaveParts { precondition, expires, fenced_by } = parts;
        self.check_fence(key, fenced_by)?;
        self.check(key, precondition)?;
        self.raise_mark(key, fenced_by)?;
        self.put(key, value, version, expires)?;
        Ok(version)
    }

    /// True if there was a live value.
    pub(super) fn delete(&self, key: &str, parts: DeleteParts) -> Result<bool, Fault> {
        let DeleteParts { precondition, fenced_by } = parts;
        self.check_fence(key, fenced_by)?;
        let live = self.live(key)?;
        precondition.check(key, live.map(|(version, _)| version))?;
        self.raise_mark(key, fenced_by)?;
        self.remove(key)?;
        Ok(live.is_some())
    }

    /// Each on its own: a refusal stands in the answer, and only a failure of SQLite fails all.
    pub(super) fn save_many(&self, saves: &[Save], limits: &StateCapabilities) -> Result<Vec<Result<Version>>, Fault> {
        let save = |Save { key, value, options }: &Save| {
            check_key(key)?;
            let parts = options.into_parts()?;
            check_size(value.len(), limits.max_value)?;
            self.save(key, value, Version::mint(), parts)
        };
        let told = |answer| match answer {
            Ok(version) => Ok(Ok(version)),
            Err(Fault::Told(refused)) => Ok(Err(refused)),
            Err(failure @ Fault::Driver(_)) => Err(failure),
        };
        saves.iter().map(|entry| told(save(entry))).collect()
    }

    /// How many held a live value.
    pub(super) fn delete_many(&self, keys: &[String]) -> Result<u64, Fault> {
        let any = DeleteParts { precondition: Precondition::Any, fenced_by: None };
        keys.iter().try_fold(0, |deleted, key| Ok(deleted + u64::from(self.delete(key, any)?)))
    }

    /// Decides every write before it applies the first.
    pub(super) fn commit(&self, writes: &[Write], version: Version) -> Result<Version, Fault> {
        for write in writes {
            self.admit(write)?;
        }
        for write in writes {
            match write {
                Write::Save(Save { key, value, options }) => {
                    let SaveParts { precondition: _, expires, fenced_by } = options.into_parts()?;
                    self.raise_mark(key, fenced_by)?;
                    self.put(key, value, version, expires)?;
                }
                Write::Delete { key, options } => {
                    let DeleteParts { precondition: _, fenced_by } = options.into_parts()?;
                    self.raise_mark(key, fenced_by)?;
                    self.remove(key)?;
                }
                Write::Check { .. } => {}
            }
        }
        Ok(version)
    }

    /// A page of live keys in byte order.
    pub(super) fn list(&self, parts: &ListParts) -> Result<KeyPage, Fault> {
        const LIST: &str = "SELECT version, key FROM concurrency_state WHERE namespace = ?1 AND key >= ?2 AND key < ?3 \
            AND (expires IS NULL OR expires > ?4) ORDER BY key LIMIT ?5";
        let ListParts { prefix, after, limit } = parts;
        // The least key behind `after` is that key and a zero byte.
        let first = match after {
            Some(after) if after >= prefix => [after.as_bytes(), &[0]].concat(),
            _ => prefix.as_bytes().to_vec(),
        };
        let mut statement = self.connection.prepare_cached(LIST)?;
        let mut rows = statement.query((self.namespace, first, behind(prefix), self.now, limit + 1))?;
        let mut page = KeyPage::default();
        while let Some(row) = rows.next()? {
            if page.keys.len() == *limit {
                page.next = page.keys.last().map(|last| last.key.clone());
                break;
            }
            let key = String::from_utf8(row.get(1)?).map_err(|_| not_a_key())?;
            page.keys.push(KeyVersion { key, version: version(row)? });
        }
        Ok(page)
    }

    /// All marks or none.
    pub(super) fn fence(&self, keys: &[String], token: FencingToken) -> Result<(), Fault> {
        for key in keys {
            self.check_fence(key, Some(token))?;
        }
        keys.iter().try_for_each(|key| self.raise_mark(key, Some(token)))
    }

    fn live(&self, key: &str) -> Result<Live, Fault> {
        const LIVE: &str = "SELECT version, expires FROM concurrency_state WHERE namespace = ?1 AND key = ?2";
        let mut statement = self.connection.prepare_cached(LIVE)?;
        let found = statement.query_row((self.namespace, key.as_bytes()), |row| Ok((version(row)?, row.get(1)?)));
        Ok(found.optional()?.filter(|(_, expires)| is_live(*expires, self.now)))
    }

    /// What one write of a commit must meet: of one key, the fence before the precondition.
    fn admit(&self, write: &Write) -> Result<(), Fault> {
        match write {
            Write::Save(Save { key, value: _, options }) => {
                let SaveParts { precondition, expires: _, fenced_by } = options.into_parts()?;
                self.check_fence(key, fenced_by)?;
                self.check(key, precondition)
            }
            Write::Delete { key, options } => {
                let DeleteParts { precondition, fenced_by } = options.into_parts()?;
                self.check_fence(key, fenced_by)?;
                self.check(key, precondition)
            }
            Write::Check { key, precondition } => self.check(key, *precondition),
        }
    }

    fn check(&self, key: &str, precondition: Precondition) -> Result<(), Fault> {
        if precondition == Precondition::Any {
            return Ok(());
        }
        Ok(precondition.check(key, self.live(key)?.map(|(version, _)| version))?)
    }

    /// A token below the mark is refused; no token is not checked.
    fn check_fence(&self, key: &str, token: Option<FencingToken>) -> Result<(), Fault> {
        const MARK: &str = "SELECT token FROM concurrency_state_marks WHERE namespace = ?1 AND key = ?2 AND until > ?3";
        let Some(given) = token else { return Ok(()) };
        let mut statement = self.connection.prepare_cached(MARK)?;
        let mark = statement.query_row((self.namespace, key.as_bytes(), self.now), |row| row.get(0));
        match mark.optional()?.map(FencingToken) {
            Some(seen) if given < seen => Err(Error::fenced(key, seen, given).into()),
            _ => Ok(()),
        }
    }

    /// After an accepted write. No token leaves the mark as it is.
    fn raise_mark(&self, key: &str, token: Option<FencingToken>) -> Result<(), Fault> {
        const RAISE: &str = "INSERT INTO concurrency_state_marks (namespace, key, token, until) VALUES (?1, ?2, ?3, ?4) \
            ON CONFLICT DO UPDATE SET token = excluded.token, until = excluded.until";
        let Some(FencingToken(token)) = token else { return Ok(()) };
        let mut statement = self.connection.prepare_cached(RAISE)?;
        // Tokens are below 2^53.
        let token = i64::try_from(token).expect("it was checked");
        statement.execute((self.namespace, key.as_bytes(), token, self.marked_until))?;
        Ok(())
    }

    fn put(&self, key: &str, value: &[u8], version: Version, expires: Expires) -> Result<(), Fault> {
        const PUT: &str = "INSERT INTO concurrency_state (namespace, key, version, expires, value) \
            VALUES (?1, ?2, ?3, ?4, ?5) \
            ON CONFLICT DO UPDATE SET version = excluded.version, expires = excluded.expires, value = excluded.value";
        let deadline = match expires {
            Expires::Never => None,
            Expires::After(ttl) => Some(moment::deadline(self.now, ttl)),
            Expires::Keep => self.live(key)?.and_then(|(_, deadline)| deadline),
        };
        let mut statement = self.connection.prepare_cached(PUT)?;
        statement.execute((self.namespace, key.as_bytes(), version.to_bytes(), deadline, value))?;
        Ok(())
    }

    fn remove(&self, key: &str) -> Result<(), Fault> {
        const REMOVE: &str = "DELETE FROM concurrency_state WHERE namespace = ?1 AND key = ?2";
        self.connection.prepare_cached(REMOVE)?.execute((self.namespace, key.as_bytes()))?;
        Ok(())
    }
}

/// The least bytes behind all keys that begin with `prefix`. No byte of UTF-8 is 255.
fn behind(prefix: &str) -> Vec<u8> {
    let mut bytes = prefix.as_bytes().to_vec();
    match bytes.last_mut() {
        Some(last) => *last += 1,
        None => bytes.push(255),
    }
    bytes
}

fn not_a_key() -> Error {
    Error::Decode { what: "a stored key", why: "it is not UTF-8".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_behind_all_that_begin_with_it() {
        for (prefix, inside, outside) in [("a", "a\u{10ffff}", "b"), ("é", "é\u{10ffff}", "ê"), ("", "\u{10ffff}", "")]
        {
            assert!(inside.as_bytes() < behind(prefix).as_slice(), "{prefix}");
            assert!(outside.is_empty() || outside.as_bytes() >= behind(prefix).as_slice(), "{prefix}");
        }
    }
}
