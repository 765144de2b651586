//! Caches in the file.
//!
//! - *Freshness.* There is one copy of everything, in the file, and each read is a snapshot taken after the call began: what another
//!   process has written, removed or cleared before is seen by it.
//! - *Clear* gives the namespace a new random generation, in constant time: rows of another generation count for nothing, from the
//!   same statement on, and are removed later, some at a time. A `DELETE` of a million rows would keep all processes from writing for
//!   seconds.
//! - *Tickets* are rows beside the values ([`table`]), judged inside the writer's transaction.
//! - *Durability.* Writes are not synchronised: a process that dies loses nothing that was acknowledged, a loss of power may take
//!   back the last writes, removals and clears.

mod table;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use concurrency_core::{
    Bells, Bytes, Cache, CacheCapabilities, Cached, ClockSource, Error, Expiry, Lookup, Result, Survives, Ticket, Ttl,
    check_distinct_keys, check_key, check_keys, check_set_batch, check_size,
    clock::{self, BootInstant},
    random,
};

use self::table::{ANY, Found, Table, Token};
use crate::{
    config::NamespaceConfig,
    error::Fault,
    space::{Space, View, owned},
};

/// The longest that `filled` waits for a hint.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The cache of one namespace.
#[derive(Debug, Clone)]
pub struct SqliteCache {
    space: Space,
    /// Writes of this client, to all of its namespaces.
    bells: Arc<Bells>,
}

fn tables(view: View<'_>) -> Result<Table<'_>, Fault> {
    Table::new(view.connection, view.namespace, view.config.cache_max_entries)
}

impl SqliteCache {
    pub(crate) fn new(space: Space, bells: Arc<Bells>) -> Self {
        Self { space, bells }
    }

    /// What a cache under this configuration promises.
    pub(crate) fn capabilities_under(config: &NamespaceConfig) -> CacheCapabilities {
        CacheCapabilities {
            shared: true,
            survives: Survives::Process,
            evictable: true,
            tickets: true,
            remaining: true,
            bulk: true,
            clock: ClockSource::Host,
            max_value: config.max_value,
            max_ttl: Some(Ttl::MAX),
            default_ttl: config.cache_default_ttl.map(Ttl::as_duration),
            ttl_granularity: Duration::from_millis(1),
        }
    }

    /// How many reservations of this namespace stand, of all clients: for those who look for leaks.
    ///
    /// # Errors
    /// Those of reading the file.
    #[doc(hidden)]
    pub async fn reserved(&self) -> Result<usize> {
        self.space.read(|view| tables(view)?.reserved()).await
    }

    /// A value to be set: checked in the order of the contract.
    fn check_set(&self, key: &str, value: &Bytes, expiry: Expiry) -> Result<Option<Ttl>> {
        let config = self.space.config();
        check_key(key)?;
        let ttl = expiry.resolve(config.cache_default_ttl)?;
        check_size(value.len(), config.max_value)?;
        Ok(ttl)
    }

    fn ring(&self, key: &str) {
        self.bells.ring((self.space.namespace(), key));
    }

    /// What stands under the key, with a value of at most so many bytes: read at once if it is small, and by a reader if not.
    async fn find(&self, key: &str, most: usize) -> Result<Found> {
        let find = |view: View<'_>, key: &str, most| table::find(view.connection, view.namespace, key, most, None);
        if let Some(inline) = self.space.config().inline_read_bytes {
            match self.space.read_now(|view| find(view, key, inline.min(most))).transpose()? {
                Some(Found::TooLarge) if inline < most => {}
                Some(found) => return Ok(found),
                None => {}
            }
        }
        let key = key.to_owned();
        self.space.read(move |view| find(view, &key, most)).await
    }
}

#[async_trait]
impl Cache for SqliteCache {
    fn capabilities(&self) -> CacheCapabilities {
        Self::capabilities_under(self.space.config())
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        Ok(self.get_with_expiry(key).await?.map(|cached| cached.value))
    }

    async fn set(&self, key: &str, value: Bytes, expiry: Expiry) -> Result<()> {
        self.space.check_open()?;
        let ttl = self.check_set(key, &value, expiry)?;
        let sent = key.to_owned();
        self.space.write(move |view| tables(view)?.set(&sent, &value, ttl)).await?;
        self.ring(key);
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<bool> {
        self.space.check_open()?;
        check_key(key)?;
        let sent = key.to_owned();
        let removed = self.space.write(move |view| tables(view)?.remove(&sent)).await?;
        self.ring(key);
        Ok(removed)
    }

    async fn clear(&self) -> Result<()> {
        self.space.check_open()?;
        self.space.write(|view| tables(view)?.clear()).await?;
        self.bells.ring_all();
        Ok(())
    }

    async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>> {
        self.space.check_open()?;
        check_keys(keys.iter().copied())?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let keys = owned(keys);
        let read = move |view: View<'_>| {
            // One instant for all, and one snapshot.
            let tables = tables(view)?;
            let value = |key: &String| Ok(tables.find(key, ANY)?.live().map(|cached| cached.value));
            keys.iter().map(value).collect()
        };
        self.space.read(read).await
    }

    async fn set_many(&self, entries: Vec<(String, Bytes)>, expiry: Expiry) -> Vec<Result<()>> {
        if let Err(refused) = self.space.check_open().and_then(|()| check_set_batch(&entries)) {
            return vec![Err(refused); entries.len()];
        }
        let check = |(key, value): &(String, Bytes)| self.check_set(key, value, expiry);
        let checked: Vec<_> = entries.iter().map(check).collect();
        if checked.iter().all(Result::is_err) {
            return checked.into_iter().map(|refused| refused.map(drop)).collect();
        }
        let accepted = entries.into_iter().zip(&checked).filter_map(|(entry, ttl)| Some((entry, *ttl.as_ref().ok()?)));
        let accepted: Vec<_> = accepted.collect();
        let keys: Vec<String> = accepted.iter().map(|((key, _), _)| key.clone()).collect();
        let set = move |view: View<'_>| {
            let tables = tables(view)?;
            accepted.iter().try_for_each(|((key, value), ttl)| tables.set(key, value, *ttl))
        };
        let answer = self.space.write(set).await;
        keys.iter().for_each(|key| self.ring(key));
        checked.into_iter().map(|ttl| ttl.and_then(|_| answer.clone())).collect()
    }

    async fn remove_many(&self, keys: &[&str]) -> Result<u64> {
        self.space.check_open()?;
        check_distinct_keys(keys.iter().copied())?;
        if keys.is_empty() {
            return Ok(0);
        }
        let sent = owned(keys);
        let remove = move |view: View<'_>| {
            let tables = tables(view)?;
            sent.iter().try_fold(0, |removed, key| Ok(removed + u64::from(tables.remove(key)?)))
        };
        let removed = self.space.write(remove).await?;
        keys.iter().for_each(|key| self.ring(key));
        Ok(removed)
    }

    async fn contains(&self, key: &str) -> Result<bool> {
        self.space.check_open()?;
        check_key(key)?;
        Ok(matches!(self.find(key, 0).await?, Found::Live(_) | Found::TooLarge))
    }

    async fn get_with_expiry(&self, key: &str) -> Result<Option<Cached>> {
        self.space.check_open()?;
        check_key(key)?;
        Ok(self.find(key, ANY).await?.live())
    }

    async fn get_or_reserve(&self, key: &str, hold: Duration) -> Result<Lookup> {
        self.space.check_open()?;
        check_key(key)?;
        let hold = Ttl::new(hold).map_err(|_| Error::invalid("hold", "more than zero, at most ten years"))?;
        // Without a transaction first: nearly all are hits, and the others of those who miss together wait.
        match self.find(key, ANY).await? {
            Found::Live(cached) => return Ok(Lookup::Hit(cached.value)),
            Found::Reserved(_) => return Ok(Lookup::Loading),
            Found::Missing | Found::TooLarge => {}
        }
        let mut asked = Asked { cache: self, key, token: random::bytes(), is_answered: false };
        let (sent, token) = (key.to_owned(), asked.token);
        let found = self.space.write(move |view| tables(view)?.reserve(&sent, token, hold)).await?;
        asked.is_answered = true;
        Ok(match found {
            Found::Live(cached) => Lookup::Hit(cached.value),
            Found::Missing => Lookup::Reserved(Ticket { key: key.into(), token }),
            Found::Reserved(_) | Found::TooLarge => Lookup::Loading,
        })
    }

    async fn fill(&self, ticket: Ticket, value: Bytes, expiry: Expiry) -> Result<bool> {
        self.space.check_open()?;
        let ttl = self.check_set(&ticket.key, &value, expiry)?;
        let Ticket { key, token } = ticket.clone();
        let is_filled = self.space.write(move |view| tables(view)?.fill(&key, token, &value, ttl)).await?;
        self.ring(&ticket.key);
        Ok(is_filled)
    }

    async fn filled(&self, key: &str) -> Result<()> {
        self.space.check_open()?;
        check_key(key)?;
        let mut commits = self.space.commits();
        let bell = self.bells.of((self.space.namespace(), key));
        let (mut first, until) = (None, BootInstant::now().after(LONGEST_WAIT));
        loop {
            let rung = bell.notified();
            tokio::pin!(rung);
            // Registered before the file is looked at, so that no end is missed in between.
            rung.as_mut().enable();
            let Found::Reserved(standing) = self.find(key, 0).await? else { return Ok(()) };
            if *first.get_or_insert(standing.token) != standing.token || until.has_passed() {
                return Ok(());
            }
            tokio::select! {
                () = rung => {}
                // Of other processes; of this one where a call was dropped; and the end of the client.
                () = commits.next() => {}
                () = clock::sleep_until(until.min(BootInstant::now().after(standing.ends_in))) => {}
            }
        }
    }
}

/// A reservation that was asked for. Where nobody learns of the ticket, it is given back, in a transaction behind the one that may
/// give it.
struct Asked<'c> {
    cache: &'c SqliteCache,
    key: &'c str,
    token: Token,
    is_answered: bool,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        let (key, token) = (self.key.to_owned(), self.token);
        self.cache.space.post(move |view| tables(view)?.give_back(&key, token));
    }
}
