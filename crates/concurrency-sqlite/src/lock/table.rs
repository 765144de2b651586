//! The tables of the lock as a state machine: who holds which name, and which clients stand in line for it.
//!
//! Every step is one part of the writer's transaction at one instant of the boot clock, which is read after the transaction
//! began, so that nobody else's step lies between the clock and the commit. An instant is stored beside the id of its boot;
//! under another boot id a lease is over and a place in a queue counts for nothing.

use std::time::Duration;

use concurrency_core::{
    Claim, Error, FencingToken, Held, Owner, Released, Result,
    clock::BootInstant,
    desk::{HAND_OVER, Look, refresh_every},
};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::{error::Fault, moment};

/// What tells one boot of the machine from all others.
pub(super) type BootId = [u8; 16];
/// What tells one client's places in queues from those of others.
pub(super) type ClientId = [u8; 16];

/// An instant of the boot clock, as it is stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) boot: BootId,
    pub(super) nanos: i64,
}

impl Moment {
    pub(super) fn now(boot: BootId) -> Self {
        Self { boot, nanos: nanos(BootInstant::now().since_boot()) }
    }

    /// Whether what counts until then still counts.
    fn is_before(self, (boot, until): (BootId, i64)) -> bool {
        self.boot == boot && self.nanos < until
    }

    fn after(self, by: Duration) -> i64 {
        self.nanos.saturating_add(nanos(by))
    }

    /// What is left until then.
    fn until(self, then: i64) -> Duration {
        Duration::from_nanos(u64::try_from(then.saturating_sub(self.nanos)).unwrap_or(0))
    }
}

/// 292 years of nanoseconds fit.
fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// What came of asking for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Granted(Grant),
    /// In line; whatever may change by itself has changed when this has passed.
    Wait(Duration),
}

/// The name is the claim's for its full TTL from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) token: FencingToken,
    /// It was not before: a grant, or a hand-over taken up.
    pub(super) is_new: bool,
}

/// Whom the name was handed over to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Handed {
    pub(super) client: ClientId,
    pub(super) owner: Owner,
}

/// The record of a name.
struct Name {
    token: u64,
    /// Whoever holds it now.
    holder: Option<Holder>,
}

struct Holder {
    owner: Owner,
    expires: i64,
    is_handed: bool,
}

/// A live place in the queue of a name.
struct Waiting {
    place: i64,
    client: ClientId,
    owner: Owner,
    ttl: Duration,
    counts_until: i64,
}

/// The names of one namespace at one instant, inside a transaction.
#[derive(Debug)]
pub(super) struct Table<'c> {
    connection: &'c Connection,
    namespace: &'c str,
    now: Moment,
}

/// What `owner` would find, in one statement. The instant is read after it, so that what is called held is held then.
pub(super) fn look(
    connection: &Connection,
    namespace: &str,
    key: &str,
    owner: Owner,
    client: Option<ClientId>,
    boot: BootId,
) -> Result<Look, Fault> {
    const LOOK: &str = "SELECT owner, expires, (SELECT max(counts_until) FROM concurrency_lock_queue AS queue \
        WHERE queue.namespace = ?1 AND queue.name = ?2 AND queue.boot = ?3 AND queue.client IS NOT ?4) \
        FROM (SELECT 1) LEFT JOIN concurrency_locks AS lock \
        ON lock.namespace = ?1 AND lock.name = ?2 AND lock.boot = ?3";
    let mut statement = connection.prepare_cached(LOOK)?;
    let (holder, expires, queued) = statement.query_row((namespace, key.as_bytes(), boot, client), |row| {
        Ok((row.get::<_, Option<[u8; 16]>>(0)?, row.get::<_, Option<i64>>(1)?, row.get::<_, Option<i64>>(2)?))
    })?;
    let now = Moment::now(boot).nanos;
    let holder = holder.filter(|_| expires.is_some_and(|expires| now < expires));
    Ok(match holder {
        Some(holder) if holder == owner.to_bytes() => Look::Ours,
        Some(_) => Look::Taken,
        None if queued.is_some_and(|counts_until| now < counts_until) => Look::Taken,
        None => Look::Free,
    })
}

/// Who holds a name now.
pub(super) fn holder(connection: &Connection, namespace: &str, key: &str, boot: BootId) -> Result<Option<Held>, Fault> {
    let now = Moment::now(boot);
    let table = Table::new(connection, namespace, now);
    let Some(Name { token, holder: Some(holder) }) = table.name(key)? else { return Ok(None) };
    Ok(Some(Held { token: FencingToken(token), remaining: now.until(holder.expires) }))
}

/// Hand-overs that nobody has taken up yet: namespace, name and owner.
pub(super) fn handed(connection: &Connection, boot: BootId) -> Result<Vec<(String, String, Owner)>, Fault> {
    const HANDED: &str = "SELECT namespace, name, owner FROM concurrency_locks \
        WHERE handed = 1 AND owner IS NOT NULL AND boot = ?1 AND expires > ?2";
    let now = Moment::now(boot);
    let mut statement = connection.prepare_cached(HANDED)?;
    let mut rows = statement.query((boot, now.nanos))?;
    let mut handed = Vec::new();
    while let Some(row) = rows.next()? {
        let Ok(name) = String::from_utf8(row.get(1)?) else { continue };
        handed.push((row.get(0)?, name, Owner::from_bytes(row.get(2)?)));
    }
    Ok(handed)
}

/// How many names are held, and how many places there are in queues.
pub(super) fn count(connection: &Connection, namespace: &str, boot: BootId) -> Result<(usize, usize), Fault> {
    const COUNT: &str = "SELECT (SELECT count(*) FROM concurrency_locks \
        WHERE namespace = ?1 AND owner IS NOT NULL AND boot = ?2 AND expires > ?3), \
        (SELECT count(*) FROM concurrency_lock_queue WHERE namespace = ?1 AND boot = ?2 AND counts_until > ?3)";
    let now = Moment::now(boot).nanos;
    let mut count = connection.prepare_cached(COUNT)?;
    Ok(count.query_row((namespace, boot, now), |row| Ok((row.get(0)?, row.get(1)?)))?)
}

impl<'c> Table<'c> {
    pub(super) const fn new(connection: &'c Connection, namespace: &'c str, now: Moment) -> Self {
        Self { connection, namespace, now }
    }

    /// One attempt: the live owner's own repeat, or a grant where nobody holds the name or waits for it.
    pub(super) fn try_acquire(&self, claim: &Claim) -> Result<Option<Grant>, Fault> {
        let name = self.name(claim.key())?;
        if let Some(grant) = self.taken_up(claim, name.as_ref())? {
            return Ok(Some(grant));
        }
        if is_held(name.as_ref()) || self.first(claim.key())?.is_some() {
            return Ok(None);
        }
        let ttl = claim.ttl().as_duration();
        Ok(Some(Grant { token: self.grant(claim.key(), claim.owner(), ttl, name.as_ref(), false)?, is_new: true }))
    }

    /// Takes the name if it is free and nobody live stands before; stands in line otherwise, or refreshes the client's place.
    pub(super) fn wait(&self, claim: &Claim, client: ClientId) -> Result<Turn, Fault> {
        let key = claim.key();
        let name = self.name(key)?;
        if let Some(grant) = self.taken_up(claim, name.as_ref())? {
            self.step_out(key, client)?;
            return Ok(Turn::Granted(grant));
        }
        let first = self.first(key)?;
        let before = first.as_ref().filter(|first| first.client != client);
        let holder = name.as_ref().and_then(|name| name.holder.as_ref());
        if holder.is_none() && before.is_none() {
            if first.is_some() {
                self.step_out(key, client)?;
            }
            let token = self.grant(key, claim.owner(), claim.ttl().as_duration(), name.as_ref(), false)?;
            return Ok(Turn::Granted(Grant { token, is_new: true }));
        }
        self.stand(key, claim, client)?;
        let free_at = holder.map_or(self.now.nanos, |holder| holder.expires);
        let ours_at = before.map_or(free_at, |before| free_at.max(before.counts_until));
        Ok(Turn::Wait(self.now.until(ours_at).min(refresh_every(claim))))
    }

    /// The grant, if the claim holds the name: extended by that, and a hand-over is taken up.
    pub(super) fn take_up(&self, claim: &Claim) -> Result<Option<Grant>, Fault> {
        self.taken_up(claim, self.name(claim.key())?.as_ref())
    }

    /// Puts the claim at the client's place, or at the end of the line; it counts until two refreshes are missed.
    pub(super) fn stand(&self, key: &str, claim: &Claim, client: ClientId) -> Result<(), Fault> {
        const REFRESH: &str = "UPDATE concurrency_lock_queue SET owner = ?4, ttl = ?5, counts_until = ?6 \
            WHERE namespace = ?1 AND name = ?2 AND client = ?3 AND boot = ?7 AND counts_until > ?8";
        const STAND: &str = "INSERT INTO concurrency_lock_queue \
            (namespace, name, client, owner, ttl, counts_until, boot, place) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, \
            (SELECT coalesce(max(place), 0) + 1 FROM concurrency_lock_queue WHERE namespace = ?1 AND name = ?2))";
        let (owner, ttl) = (claim.owner().to_bytes(), nanos(claim.ttl().as_duration()));
        let counts_until = self.now.after(refresh_every(claim) * 2);
        let (namespace, name, Moment { boot, nanos: now }) = (self.namespace, key.as_bytes(), self.now);
        let mut refresh = self.connection.prepare_cached(REFRESH)?;
        if refresh.execute((namespace, name, client, owner, ttl, counts_until, boot, now))? == 0 {
            // What is left of a place that no longer counts.
            self.step_out(key, client)?;
            let mut stand = self.connection.prepare_cached(STAND)?;
            stand.execute((namespace, name, client, owner, ttl, counts_until, boot))?;
        }
        Ok(())
    }

    /// Nobody of this client waits any more.
    pub(super) fn step_out(&self, key: &str, client: ClientId) -> Result<(), Fault> {
        const STEP_OUT: &str = "DELETE FROM concurrency_lock_queue WHERE namespace = ?1 AND name = ?2 AND client = ?3";
        self.connection.prepare_cached(STEP_OUT)?.execute((self.namespace, key.as_bytes(), client))?;
        Ok(())
    }

    /// Moves the expiry of a live lease to one TTL from now, never forward; false where there is no such lease.
    pub(super) fn renew(&self, claim: &Claim, token: FencingToken) -> Result<bool, Fault> {
        const RENEW: &str = "UPDATE concurrency_locks SET expires = max(expires, ?3), used = ?4 WHERE namespace = ?1 \
            AND name = ?2 AND owner = ?5 AND token = ?6 AND boot = ?7 AND expires > ?8";
        let Ok(token) = i64::try_from(token.0) else { return Ok(false) };
        let Moment { boot, nanos: now } = self.now;
        let (expires, used) = (self.now.after(claim.ttl().as_duration()), moment::now(self.connection)?);
        let mut renew = self.connection.prepare_cached(RENEW)?;
        let (name, owner) = (claim.key().as_bytes(), claim.owner().to_bytes());
        Ok(renew.execute((self.namespace, name, expires, used, owner, token, boot, now))? == 1)
    }

    /// The owner holds nothing afterwards and waits for nothing. Without a token the owner alone is compared.
    pub(super) fn release(&self, key: &str, owner: Owner, token: Option<FencingToken>) -> Result<Released, Fault> {
        const LEAVE: &str = "DELETE FROM concurrency_lock_queue WHERE namespace = ?1 AND name = ?2 AND owner = ?3";
        self.connection.prepare_cached(LEAVE)?.execute((self.namespace, key.as_bytes(), owner.to_bytes()))?;
        match self.name(key)? {
            None | Some(Name { holder: None, .. }) => Ok(Released::NotHeld),
            Some(Name { holder: Some(holder), token: held })
                if holder.owner == owner && token.is_none_or(|token| token.0 == held) =>
            {
                self.free(key)?;
                Ok(Released::Ours)
            }
            Some(_) => Ok(Released::HeldByOther),
        }
    }

    /// A waiter is gone: what it was handed over, or was granted under this token while it waited, is given back.
    pub(super) fn give_up(&self, key: &str, owner: Owner, granted: Option<FencingToken>) -> Result<(), Fault> {
        if let Some(Name { token, holder: Some(holder) }) = self.name(key)?
            && holder.owner == owner
            && (holder.is_handed || granted == Some(FencingToken(token)))
        {
            self.free(key)?;
        }
        Ok(())
    }

    /// If the name is free, the first live waiter gets it for a short time.
    pub(super) fn hand_over(&self, key: &str) -> Result<Option<Handed>, Fault> {
        let Some(Waiting { place, client, owner, ttl, .. }) = self.first(key)? else { return Ok(None) };
        let name = self.name(key)?;
        if is_held(name.as_ref()) {
            return Ok(None);
        }
        self.remove(key, place)?;
        self.grant(key, owner, ttl.min(HAND_OVER), name.as_ref(), true)?;
        Ok(Some(Handed { client, owner }))
    }

    /// How long the name is held yet.
    pub(super) fn held_for(&self, key: &str) -> Result<Duration, Fault> {
        let holder = self.name(key)?.and_then(|name| name.holder);
        Ok(holder.map_or(Duration::ZERO, |holder| self.now.until(holder.expires)))
    }

    fn name(&self, key: &str) -> Result<Option<Name>, Fault> {
        const NAME: &str =
            "SELECT token, owner, boot, expires, handed FROM concurrency_locks WHERE namespace = ?1 AND name = ?2";
        let mut statement = self.connection.prepare_cached(NAME)?;
        let name = statement.query_row((self.namespace, key.as_bytes()), |row| {
            let (until, owner) = ((row.get(2)?, row.get(3)?), row.get::<_, Option<[u8; 16]>>(1)?);
            let holder = |owner| -> rusqlite::Result<Holder> {
                Ok(Holder { owner: Owner::from_bytes(owner), expires: until.1, is_handed: row.get(4)? })
            };
            let owner = owner.filter(|_| self.now.is_before(until));
            Ok(Name { token: row.get(0)?, holder: owner.map(holder).transpose()? })
        });
        Ok(name.optional()?)
    }

    fn taken_up(&self, claim: &Claim, name: Option<&Name>) -> Result<Option<Grant>, Fault> {
        const EXTEND: &str = "UPDATE concurrency_locks SET expires = max(expires, ?3), handed = 0, used = ?4 \
            WHERE namespace = ?1 AND name = ?2";
        let Some(Name { token, holder: Some(holder) }) = name else { return Ok(None) };
        if holder.owner != claim.owner() {
            return Ok(None);
        }
        let (expires, used) = (self.now.after(claim.ttl().as_duration()), moment::now(self.connection)?);
        let mut extend = self.connection.prepare_cached(EXTEND)?;
        extend.execute((self.namespace, claim.key().as_bytes(), expires, used))?;
        Ok(Some(Grant { token: FencingToken(*token), is_new: holder.is_handed }))
    }

    /// The token is above the last one, and above those of a record that was removed long ago.
    fn grant(
        &self,
        key: &str,
        owner: Owner,
        valid: Duration,
        before: Option<&Name>,
        is_handed: bool,
    ) -> Result<FencingToken, Fault> {
        const GRANT: &str = "INSERT INTO concurrency_locks (namespace, name, token, owner, boot, expires, handed, used) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO UPDATE SET token = excluded.token, \
            owner = excluded.owner, boot = excluded.boot, expires = excluded.expires, handed = excluded.handed, \
            used = excluded.used";
        let used = moment::now(self.connection)?;
        // A clock that is wrong by centuries gives no tokens.
        let wall = u64::try_from(used).unwrap_or(0).saturating_mul(1000);
        let seed = if wall < FencingToken::MAX.0 / 2 { wall } else { 1 };
        let token = FencingToken(before.map_or(0, |name| name.token + 1).max(seed)).checked();
        let token = token.map_err(|_| Error::Exhausted { what: "fencing tokens", source: None })?;
        let stored = i64::try_from(token.0).expect("tokens are below 2^53");
        let mut grant = self.connection.prepare_cached(GRANT)?;
        let (name, expires) = (key.as_bytes(), self.now.after(valid));
        let owner = owner.to_bytes();
        grant.execute((self.namespace, name, stored, owner, self.now.boot, expires, is_handed, used))?;
        Ok(token)
    }

    fn free(&self, key: &str) -> Result<(), Fault> {
        const FREE: &str =
            "UPDATE concurrency_locks SET owner = NULL, handed = 0, used = ?3 WHERE namespace = ?1 AND name = ?2";
        let used = moment::now(self.connection)?;
        self.connection.prepare_cached(FREE)?.execute((self.namespace, key.as_bytes(), used))?;
        Ok(())
    }

    /// Whoever stands first in line; places that no longer count are removed on the way.
    fn first(&self, key: &str) -> Result<Option<Waiting>, Fault> {
        const FIRST: &str = "SELECT place, client, owner, ttl, boot, counts_until FROM concurrency_lock_queue \
            WHERE namespace = ?1 AND name = ?2 ORDER BY place LIMIT 1";
        let mut first = self.connection.prepare_cached(FIRST)?;
        loop {
            let found = first.query_row((self.namespace, key.as_bytes()), |row| Ok((waiting(row)?, row.get(4)?)));
            match found.optional()? {
                Some((waiting, boot)) if !self.now.is_before((boot, waiting.counts_until)) => {
                    self.remove(key, waiting.place)?;
                }
                found => return Ok(found.map(|(waiting, _)| waiting)),
            }
        }
    }

    fn remove(&self, key: &str, place: i64) -> Result<(), Fault> {
        const REMOVE: &str = "DELETE FROM concurrency_lock_queue WHERE namespace = ?1 AND name = ?2 AND place = ?3";
        self.connection.prepare_cached(REMOVE)?.execute((self.namespace, key.as_bytes(), place))?;
        Ok(())
    }
}

fn is_held(name: Option<&Name>) -> bool {
    name.is_some_and(|name| name.holder.is_some())
}

fn waiting(row: &Row<'_>) -> rusqlite::Result<Waiting> {
    Ok(Waiting {
        place: row.get(0)?,
        client: row.get(1)?,
        owner: Owner::from_bytes(row.get(2)?),
        ttl: Duration::from_nanos(row.get(3)?),
        counts_until: row.get(5)?,
    })
}
