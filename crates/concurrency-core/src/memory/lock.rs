//! Locks in this process: the model of the lock's contract.
//!
//! The rules are in [`table`], one step each under one mutex; here is what calls them: the check of the session, the local
//! deadlines, and waiting. A waiter sleeps until its bell rings, the holder's lease ends or its place wants a refresh.

mod table;
#[cfg(test)]
#[cfg(feature = "simulation")]
mod tests;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::Notify;

use self::table::{Table, Turn};
use super::{NamespaceConfig, Session};
use crate::{
    Claim, ClockSource, Error, Fencing, FencingToken, Held, Lease, Lock, LockCapabilities, Released, Result, Survives,
    Ttl, check_key,
    clock::{BootInstant, Clock},
};

/// What rings when a waiter was handed the name, or has nothing to wait for any more.
type Bell = Arc<Notify>;

/// The locks of one namespace, shared by all clients.
#[derive(Debug)]
pub struct LockSpace {
    clock: Clock,
    table: Mutex<Table<Bell>>,
}

impl LockSpace {
    /// No name is held.
    #[must_use]
    pub fn new(_: NamespaceConfig, clock: Clock) -> Self {
        Self { clock, table: Mutex::new(Table::new()) }
    }

    /// What the locks promise, whatever the configuration.
    #[must_use]
    pub const fn capabilities(_: &NamespaceConfig) -> LockCapabilities {
        Self::CAPABILITIES
    }

    const CAPABILITIES: LockCapabilities = LockCapabilities {
        fencing: Fencing::Volatile,
        survives: Survives::Nothing,
        evictable: false,
        fair: true,
        notifies: true,
        inspection: true,
        clock: if cfg!(target_os = "linux") { ClockSource::Boot } else { ClockSource::Monotonic },
        max_ttl: Ttl::MAX,
        ttl_granularity: Duration::from_millis(1),
    };

    /// Releases what was granted through this session, except what was left to expire; its waiters end with `Closed`.
    pub fn release_all_of(&self, session: &Session) {
        self.step(|table, now| table.close(session, now));
    }

    /// One atomic step at one instant. Bells ring after the mutex is free.
    fn step<T>(&self, step: impl FnOnce(&mut Table<Bell>, BootInstant) -> T) -> T {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let done = step(&mut table, self.clock.now());
        let woken = table.take_woken();
        drop(table);
        for bell in woken {
            bell.notify_one();
        }
        done
    }
}

/// Locks in this process, as one client sees them.
///
/// Waiters are served in order, also those of different clients: a release hands the name to the first live one and wakes
/// it alone. A name that nobody holds or waits for costs no memory.
#[derive(Debug)]
pub struct MemoryLock {
    space: Arc<LockSpace>,
    session: Session,
}

impl MemoryLock {
    /// The view of one client.
    #[must_use]
    pub const fn open(space: Arc<LockSpace>, session: Session) -> Self {
        Self { space, session }
    }

    /// How many names are held, and how many waiters queue, of all clients: for those who look for leaks.
    #[doc(hidden)]
    #[must_use]
    pub fn held_and_waiting(&self) -> (usize, usize) {
        self.space.step(|table, now| table.held_and_waiting(now))
    }

    /// One attempt, at once.
    fn attempt(&self, claim: &Claim) -> Result<Option<Lease>> {
        let attempt = claim.attempt();
        self.space.step(|table, now| {
            self.session.check_open()?;
            claim.check_alive()?;
            let Some(token) = table.try_acquire(claim, &self.session, now) else { return Ok(None) };
            let lease = attempt.granted(token);
            if lease.is_none() {
                claim.die();
                table.release(claim, Some(token), now);
            }
            Ok(lease)
        })
    }
}

#[async_trait]
impl Lock for MemoryLock {
    fn capabilities(&self) -> LockCapabilities {
        LockSpace::CAPABILITIES
    }

    async fn try_acquire(&self, claim: &Claim) -> Result<Option<Lease>> {
        self.attempt(claim)
    }

    async fn renew(&self, lease: &Lease) -> Result<Lease> {
        let renewals = self.renew_many(&[lease]).await;
        renewals.into_iter().next().expect("one answer for one lease")
    }

    async fn release(&self, claim: &Claim, token: Option<FencingToken>) -> Result<Released> {
        self.space.step(|table, now| {
            self.session.check_open()?;
            claim.die();
            Ok(table.release(claim, token, now))
        })
    }

    async fn acquire(&self, claim: &Claim, timeout: Duration) -> Result<Lease> {
        let deadline = BootInstant::now().after(timeout);
        let claim = if claim.is_dead() { claim.renamed() } else { claim.clone() };
        if let Some(lease) = self.attempt(&claim)? {
            return Ok(lease);
        }
        if timeout.is_zero() {
            return Err(timed_out(claim.key(), timeout));
        }
        let mut waiting = Waiting { lock: self, claim, place: None, bell: Bell::default() };
        loop {
            match waiting.look()? {
                Look::Granted(lease) => return Ok(lease),
                Look::Again => {}
                Look::Wait { until } => {
                    if deadline.has_passed() {
                        return Err(timed_out(waiting.claim.key(), timeout));
                    }
                    let clock = &self.space.clock;
                    let until = until.min(clock.now().after(deadline.remaining()));
                    tokio::select! {
                        () = waiting.bell.notified() => {}
                        () = clock.sleep_until(until) => {}
                    }
                }
            }
        }
    }

    async fn renew_many(&self, leases: &[&Lease]) -> Vec<Result<Lease>> {
        self.space.step(|table, now| {
            let renew = |lease: &&Lease| {
                self.session.check_open()?;
                lease.claim().check_alive()?;
                let renewal = lease.renewal();
                if !lease.is_valid() || !table.renew(lease.claim(), lease.fencing_token(), now) {
                    return Err(Error::lease_lost(lease.key()));
                }
                renewal.confirmed()
            };
            leases.iter().map(renew).collect()
        })
    }

    async fn holder(&self, name: &str) -> Result<Option<Held>> {
        check_key(name)?;
        self.space.step(|table, now| {
            self.session.check_open()?;
            Ok(table.holder(name, now))
        })
    }

    fn leave(&self, lease: &Lease) {
        self.space.step(|table, _| table.leave(lease.claim(), lease.fencing_token()));
    }
}

fn timed_out(key: &str, waited: Duration) -> Error {
    Error::LockTimeout { key: key.into(), waited }
}

/// Somebody who stands in line, and leaves it when dropped.
struct Waiting<'a> {
    lock: &'a MemoryLock,
    claim: Claim,
    place: Option<u64>,
    bell: Bell,
}

enum Look {
    Granted(Lease),
    Wait {
        until: BootInstant,
    },
    /// Under a fresh claim.
    Again,
}

impl Waiting<'_> {
    /// Takes the name if it is our turn, and refreshes our place otherwise.
    fn look(&mut self) -> Result<Look> {
        let attempt = self.claim.attempt();
        let session = &self.lock.session;
        let turn = self.lock.space.step(|table, now| {
            session.check_open()?;
            if self.claim.is_dead() {
                return Ok(Turn::PlaceLost);
            }
            Ok(table.wait(&self.claim, session, self.place, &self.bell, now))
        })?;
        match turn {
            Turn::Granted(token) => {
                self.place = None;
                if let Some(lease) = attempt.granted(token) {
                    return Ok(Look::Granted(lease));
                }
                let claim = &self.claim;
                claim.die();
                self.lock.space.step(|table, now| table.release(claim, Some(token), now));
                self.begin_again();
                Ok(Look::Again)
            }
            Turn::Wait { place, until } => {
                self.place = Some(place);
                Ok(Look::Wait { until })
            }
            Turn::PlaceLost => {
                self.begin_again();
                Ok(Look::Again)
            }
        }
    }

    /// Goes on at the end of the line, under a fresh owner: nothing that was meant for the old one counts any more.
    fn begin_again(&mut self) {
        self.claim = self.claim.renamed();
        self.place = None;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let key = self.claim.key();
            self.lock.space.step(|table, now| table.give_up(key, place, now));
        }
    }
}
