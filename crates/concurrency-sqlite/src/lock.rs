//! Locks in the file.
//!
//! - *Who judges.* A lease is stored with the id of the boot and the boot clock's instant of its end, and judged by them inside the
//!   writer's transaction ([`table`]): a process whose wall clock is wrong takes nothing, and after a reboot every lease is over.
//!   Without a boot id, or without a clock that all processes share, there is no lock at all.
//! - *Tokens* are max(stored + 1, wall clock in microseconds), so that the record of a name that was idle for 7 days may go
//!   ([`sweep`]).
//! - *Waiting.* Those who wait in one client stand in a line of its own for each name, and of each line only the first asks the
//!   file, where the clients stand in line ([`concurrency_core::desk`]). So one client's waiters are served in order of arrival,
//!   and clients in turn. Asking is refresh and attempt in one step.
//! - *Hand-over.* A release grants to the first live client in the same transaction, for a short time; whoever waits there is woken
//!   by a bell in the same process, and by a look at the file after each commit in others ([`watch`]), and extends the lease by
//!   asking again.
//! - *Dropped futures.* A waiter leaves its line at once and sends a step after all that it sent before: what it was granted or
//!   handed meanwhile is passed on ([`desk`]).

mod desk;
mod sweep;
mod table;
#[cfg(test)]
mod tests;
mod watch;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use concurrency_core::{
    Claim, ClockSource, Error, Fencing, FencingToken, Held, Lease, Lock, LockCapabilities, Namespace, Released, Result,
    Survives, Ttl, check_key,
    desk::{Ended, Lines, Look, Queue, Turn, Waiter, wait_in_line},
};

pub(crate) use self::desk::Desk;
use self::table::Table;
use crate::{config::NamespaceConfig, error::Fault};

/// The locks of one namespace.
///
/// A waiter costs no thread, no connection and no transaction while it waits; the file hears from one waiter for each name and
/// client, every third of its TTL or every second.
#[derive(Debug)]
pub struct SqliteLock {
    desk: Arc<Desk>,
    namespace: Namespace,
    limit: Duration,
}

impl SqliteLock {
    /// What the locks promise, whatever the configuration.
    pub(crate) const CAPABILITIES: LockCapabilities = LockCapabilities {
        fencing: Fencing::ClockSeeded,
        survives: Survives::Crash,
        evictable: false,
        fair: true,
        notifies: true,
        inspection: true,
        clock: ClockSource::Boot,
        max_ttl: Ttl::MAX,
        ttl_granularity: Duration::from_millis(1),
    };

    pub(crate) fn new(desk: Arc<Desk>, namespace: Namespace, config: &NamespaceConfig) -> Self {
        Self { desk, namespace, limit: config.operation_timeout }
    }

    /// How many names of this namespace are held, and how many places there are in their queues, of all clients; and how many
    /// wait in this client: for those who look for leaks.
    ///
    /// # Errors
    /// Those of reading the file.
    #[doc(hidden)]
    pub async fn held_and_waiting(&self) -> Result<(usize, usize, usize)> {
        let (namespace, boot) = (self.namespace.clone(), self.desk.boot);
        let count = move |connection: &rusqlite::Connection| table::count(connection, namespace.as_str(), boot);
        let (held, places) = self.desk.database.read(self.limit, count).await?;
        Ok((held, places, self.desk.waiting()))
    }

    async fn step<T: Send + 'static>(
        &self,
        step: impl FnOnce(&Desk, &Table<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        self.desk.step(&self.namespace, self.limit, step).await
    }

    /// What the claim would find. `besides` leaves out the places of this client.
    async fn find(&self, claim: &Claim, besides: bool) -> Result<Look> {
        self.desk.look(&self.namespace, claim, besides, self.limit).await
    }
}

impl Queue for SqliteLock {
    fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    fn attend(&self) -> Result<()> {
        self.desk.attend()
    }

    fn with_lines<T>(&self, step: impl FnOnce(&mut Lines) -> T) -> T {
        self.desk.with_lines(step)
    }

    async fn attempt(&self, claim: &Claim) -> Result<Option<Lease>> {
        let attempt = claim.attempt();
        // An attempt in vain costs no transaction; but a look must not miss what was given back before.
        if self.desk.is_settled() && self.find(claim, false).await? == Look::Taken {
            return Ok(None);
        }
        let (namespace, asked) = (self.namespace.clone(), claim.clone());
        let step = move |desk: &Desk, table: &Table<'_>| {
            desk.check_open()?;
            asked.check_alive()?;
            let grant = table.try_acquire(&asked)?;
            if let Some(grant) = grant {
                desk.note(&namespace, &asked, grant);
            }
            Ok(grant)
        };
        let Some(grant) = self.step(step).await? else { return Ok(None) };
        let lease = attempt.granted(grant.token);
        if lease.is_none() {
            self.give_back(claim);
        }
        Ok(lease)
    }

    async fn ask(&self, waiter: &Arc<Waiter>) -> Result<Option<Turn>> {
        let waiter = Arc::clone(waiter);
        self.step(move |desk, table| desk.ask(table, &waiter)).await
    }

    async fn look(&self, claim: &Claim) -> Result<Look> {
        self.find(claim, true).await
    }

    fn leaves(&self, waiter: &Arc<Waiter>) -> Option<Ended> {
        self.desk.leaves(waiter, self.limit)
    }

    fn give_back(&self, claim: &Claim) {
        self.desk.give_back(&self.namespace, claim, self.limit);
    }
}

#[async_trait]
impl Lock for SqliteLock {
    fn capabilities(&self) -> LockCapabilities {
        Self::CAPABILITIES
    }

    async fn try_acquire(&self, claim: &Claim) -> Result<Option<Lease>> {
        self.desk.check_open()?;
        claim.check_alive()?;
        self.attempt(claim).await
    }

    async fn renew(&self, lease: &Lease) -> Result<Lease> {
        let renewals = self.renew_many(&[lease]).await;
        renewals.into_iter().next().expect("one answer for one lease")
    }

    async fn release(&self, claim: &Claim, token: Option<FencingToken>) -> Result<Released> {
        self.desk.check_open()?;
        let waited = self.desk.dies(&self.namespace, claim);
        let (namespace, claim) = (self.namespace.clone(), claim.clone());
        self.step(move |desk, table| desk.release(table, &namespace, &claim, token, waited)).await
    }

    async fn acquire(&self, claim: &Claim, timeout: Duration) -> Result<Lease> {
        wait_in_line(self, claim, timeout).await
    }

    async fn renew_many(&self, leases: &[&Lease]) -> Vec<Result<Lease>> {
        let renewals = Lease::renewals(leases);
        let check = |lease: &Lease| {
            self.desk.check_open()?;
            lease.claim().check_alive()?;
            if lease.is_valid() { Ok(()) } else { Err(Error::lease_lost(lease.key())) }
        };
        let checked: Vec<_> = leases.iter().map(|lease| check(lease)).collect();
        let sent = leases.iter().zip(&checked).filter(|(_, checked)| checked.is_ok());
        let sent: Vec<_> = sent.map(|(lease, _)| (lease.claim().clone(), lease.fencing_token())).collect();
        let step = move |_: &Desk, table: &Table<'_>| {
            let renew = |(claim, token): &(Claim, FencingToken)| Ok(!claim.is_dead() && table.renew(claim, *token)?);
            sent.iter().map(renew).collect::<Result<Vec<bool>, Fault>>()
        };
        let answers = if checked.iter().any(Result::is_ok) { self.step(step).await } else { Ok(Vec::new()) };
        let mut answers = answers.map(Vec::into_iter);
        let verdict = |((lease, renewal), checked): ((&&Lease, concurrency_core::Renewal<'_>), Result<()>)| {
            checked?;
            let is_renewed = answers.as_mut().map_err(|error| error.clone())?.next();
            if is_renewed.expect("one answer for each that was sent") {
                renewal.confirmed()
            } else {
                Err(Error::lease_lost(lease.key()))
            }
        };
        leases.iter().zip(renewals).zip(checked).map(verdict).collect()
    }

    async fn holder(&self, name: &str) -> Result<Option<Held>> {
        self.desk.check_open()?;
        check_key(name)?;
        let (namespace, name, boot) = (self.namespace.clone(), name.to_owned(), self.desk.boot);
        let read = move |connection: &rusqlite::Connection| table::holder(connection, namespace.as_str(), &name, boot);
        self.desk.database.read_little(self.limit, read).await
    }

    fn leave(&self, lease: &Lease) {
        self.desk.leave(lease);
    }
}
