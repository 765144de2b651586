//! Locks on the server.
//!
//! - *Who judges.* A lease is the lifetime of its record, so the server's clock decides; a step on a name is one script, and so one
//!   instant. [`call`] describes the names and the bytes.
//! - *Tokens* are max(stored + 1, the server's clock in microseconds): they rise across expiry, a restart and the loss of all data,
//!   as long as that clock does not go back. A record outlives its lease by at least 7 days.
//! - *Waiting.* Those who wait in one client stand in a line of its own for each name, and of each line only the first asks the
//!   server, where the clients stand in line ([`concurrency_core::desk`]). Asking is refresh and attempt in one; whoever is
//!   granted the name puts the next one of its line into the queue in the same step. So with contention an acquisition is one
//!   request, and a release is another.
//! - *Hand-over.* A release grants to the first live client in the same step, for a short time, and tells that client alone: in the
//!   release's own answer where it is the same one, and at its inbox otherwise; a client that does not listen at that moment is
//!   passed by and keeps its place. Whoever waits there extends the lease by asking again, and its local deadline counts from that
//!   request. A push that is lost costs a refresh.
//! - *Dropped futures.* A waiter leaves its line at once and sends a request after all that it sent before, which gives back what
//!   those took: its place is stored with what they were granted, so that even a lost answer leaves nothing taken. Where a
//!   hand-over finds nobody, because it crossed that request, the client passes it on.

mod answer;
mod call;
mod desk;
mod renewals;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use concurrency_core::{
    Claim, ClockSource, Fencing, FencingToken, Held, Lease, Lock, LockCapabilities, Namespace, Released, Result,
    Survives, Ttl, check_key,
    desk::{Ended, Lines, Look, Queue, Turn, Waiter, wait_in_line},
};

pub(crate) use self::desk::Desk;
use self::{answer::Acquired, call::Calls, desk::Room};
use crate::{
    config::NamespaceConfig,
    connection::{Eviction, Repeat, Server},
    error,
};

/// The locks of one namespace.
///
/// A waiter costs no connection and no request while it waits; the server hears from one waiter for each name and client, every
/// third of its TTL or every second.
#[derive(Debug)]
pub struct RedisLock {
    desk: Arc<Desk>,
    room: Arc<Room>,
    capabilities: LockCapabilities,
}

impl RedisLock {
    /// # Errors
    /// `Incompatible` where the server may drop a live lease, and that was not allowed.
    pub(crate) fn new(desk: Arc<Desk>, namespace: Namespace, config: &NamespaceConfig) -> Result<Self> {
        let server = desk.server();
        if server.eviction != Eviction::Never && !config.allow_eviction {
            return Err(error::evicts(server.eviction));
        }
        let capabilities = Self::capabilities_on(server);
        let room = Arc::new(Room::new(&desk, namespace, config.operation_timeout));
        Ok(Self { desk, room, capabilities })
    }

    /// What the locks promise on this server, whatever the configuration.
    pub(crate) fn capabilities_on(server: &Server) -> LockCapabilities {
        let evictable = server.eviction != Eviction::Never;
        LockCapabilities {
            fencing: Fencing::ClockSeeded,
            survives: if evictable { Survives::Nothing } else { server.survives },
            evictable,
            fair: true,
            notifies: true,
            inspection: true,
            clock: ClockSource::Server,
            max_ttl: Ttl::MAX,
            ttl_granularity: Duration::from_millis(1),
        }
    }

    /// How many names of this namespace are held, how many places there are in its queues, of all clients, and how many wait
    /// in this one: for those who look for leaks.
    ///
    /// # Errors
    /// Those of reading.
    #[doc(hidden)]
    pub async fn held_and_waiting(&self) -> Result<(usize, usize, usize)> {
        let (held, places) = self.desk.held_and_queued(&self.room).await?;
        Ok((held, places, self.desk.with_lines(|lines| lines.waiters().len())))
    }

    fn calls(&self) -> Calls<'_> {
        self.desk.calls(&self.room)
    }

    /// The answer of one copy of an attempt.
    async fn attempt_once(&self, claim: &Claim, call: &redis::Cmd) -> Result<Option<Lease>> {
        let attempt = claim.attempt();
        match self.desk.acquire(&self.room, call).await? {
            Acquired::Granted { token, is_new } => {
                self.desk.note(&self.room, claim, token, is_new);
                let lease = attempt.granted(token);
                // Released meanwhile, or too late: nobody is to hold it.
                if claim.is_dead() || lease.is_none() {
                    let released = claim.check_alive();
                    self.give_back(claim);
                    return released.map(|()| None);
                }
                Ok(lease)
            }
            Acquired::Wait(_) | Acquired::None => Ok(None),
        }
    }
}

impl Queue for RedisLock {
    fn namespace(&self) -> &Namespace {
        &self.room.namespace
    }

    fn attend(&self) -> Result<()> {
        self.desk.check_open()
    }

    fn with_lines<T>(&self, step: impl FnOnce(&mut Lines) -> T) -> T {
        self.desk.with_lines(step)
    }

    async fn attempt(&self, claim: &Claim) -> Result<Option<Lease>> {
        let call = self.calls().attempt(claim, self.desk.next_place());
        let mut sending = self.desk.sending(&self.room);
        loop {
            self.desk.check_open()?;
            claim.check_alive()?;
            match self.attempt_once(claim, &call).await {
                Err(error) => sending.goes_on_after(error).await?,
                answer => return answer,
            }
        }
    }

    async fn ask(&self, waiter: &Arc<Waiter>) -> Result<Option<Turn>> {
        self.desk.ask(&self.room, waiter).await
    }

    async fn look(&self, claim: &Claim) -> Result<Look> {
        // Once: whoever looks has a deadline of its own.
        Ok(self.desk.find(&self.room, &self.calls().look(claim), Repeat::ByCaller).await?.looks)
    }

    fn leaves(&self, waiter: &Arc<Waiter>) -> Option<Ended> {
        self.desk.leaves(&self.room, waiter)
    }

    fn give_back(&self, claim: &Claim) {
        self.desk.give_back(&self.room, claim);
    }
}

#[async_trait]
impl Lock for RedisLock {
    fn capabilities(&self) -> LockCapabilities {
        self.capabilities
    }

    async fn try_acquire(&self, claim: &Claim) -> Result<Option<Lease>> {
        self.attempt(claim).await
    }

    async fn renew(&self, lease: &Lease) -> Result<Lease> {
        let renewals = self.renew_many(&[lease]).await;
        renewals.into_iter().next().expect("one answer for one lease")
    }

    async fn release(&self, claim: &Claim, token: Option<FencingToken>) -> Result<Released> {
        self.desk.release(&self.room, claim, token).await
    }

    async fn acquire(&self, claim: &Claim, timeout: Duration) -> Result<Lease> {
        wait_in_line(self, claim, timeout).await
    }

    async fn renew_many(&self, leases: &[&Lease]) -> Vec<Result<Lease>> {
        renewals::renew(&self.desk, &self.room, leases).await
    }

    async fn holder(&self, name: &str) -> Result<Option<Held>> {
        self.desk.check_open()?;
        check_key(name)?;
        Ok(self.desk.find(&self.room, &self.calls().holder(name), Repeat::UntilAnswered).await?.held)
    }

    fn leave(&self, lease: &Lease) {
        self.desk.leave(lease);
    }
}
