//! Waiting for a name: first in line here, then in the file.
//!
//! Whoever stands first here asks the file; that is a refresh of the place and an attempt in one. The others wait for their
//! turn without touching it. A bell wakes whoever was handed the name; timers wake for a refresh, for the holder's expiry and for
//! the timeout.

use std::{pin::pin, sync::Arc, time::Duration};

use concurrency_core::{
    Claim, Error, Lease, Outcome, Result,
    clock::{self, BootInstant},
    random,
};

use super::{
    SqliteLock,
    line::{Standing, Waiter},
    table::{Look, Turn},
};

/// How long after the timeout an answer is waited for that is under way while the file shows the name free or ours.
const ON_ITS_WAY: Duration = Duration::from_secs(1);
/// How long a call that gives up waits for its place in the file to be gone, so that the name is free for whoever comes next.
const LEAVING: Duration = Duration::from_millis(250);
/// The pauses between attempts while the file cannot be had.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// [`Lock::acquire`](concurrency_core::Lock::acquire).
pub(super) async fn acquire(lock: &SqliteLock, claim: &Claim, timeout: Duration) -> Result<Lease> {
    lock.desk.check_open()?;
    let deadline = BootInstant::now().after(timeout);
    let claim = if claim.is_dead() { claim.renamed() } else { claim.clone() };
    // The live owner's own repeat does not wait behind others.
    if timeout.is_zero() || lock.desk.has_line(&lock.namespace, claim.key()) && is_ours(lock, &claim).await {
        match lock.attempt(&claim).await? {
            Some(lease) => return Ok(lease),
            None if timeout.is_zero() => return Err(timed_out(&claim, timeout)),
            None => {}
        }
    }
    let mut waiting = Waiting::new(lock, &claim, deadline, timeout);
    let answer = waiting.granted().await;
    if answer.is_err() {
        waiting.gives_up().await;
    }
    answer
}

async fn is_ours(lock: &SqliteLock, claim: &Claim) -> bool {
    lock.look(claim, true).await.is_ok_and(|look| look == Look::Ours)
}

fn timed_out(claim: &Claim, waited: Duration) -> Error {
    Error::LockTimeout { key: claim.key().into(), waited }
}

fn is_outage(error: &Error) -> bool {
    matches!(error, Error::Timeout { .. } | Error::Unavailable { .. })
}

/// Somebody who stands in line, and leaves it when dropped.
struct Waiting<'a> {
    lock: &'a SqliteLock,
    waiter: Arc<Waiter>,
    deadline: BootInstant,
    timeout: Duration,
    /// The next one after an attempt that could not be made.
    pause: Duration,
    /// It has the name, or has left the line.
    is_over: bool,
}

/// What came of asking the file.
enum Asked {
    Granted(Lease),
    /// To ask again then; with what went wrong, where there was no answer.
    Wait {
        until: BootInstant,
        failed: Option<Error>,
    },
    /// The place is lost.
    Again,
}

impl<'a> Waiting<'a> {
    fn new(lock: &'a SqliteLock, claim: &Claim, deadline: BootInstant, timeout: Duration) -> Self {
        let waiter = lock.desk.join(&lock.namespace, claim);
        Self { lock, waiter, deadline, timeout, pause: SHORTEST_PAUSE, is_over: false }
    }

    async fn granted(&mut self) -> Result<Lease> {
        loop {
            let standing = self.lock.desk.standing(&self.waiter)?;
            let (until, failed) = match standing {
                Standing::Behind { until } => (until, None),
                // Whoever has lost its place may have been handed the name before.
                Standing::First | Standing::Lost => match self.ask().await? {
                    Asked::Granted(lease) => {
                        self.is_over = true;
                        self.lock.desk.is_served(&self.waiter);
                        return Ok(lease);
                    }
                    Asked::Wait { until, failed } => (until, failed),
                    Asked::Again => {
                        self.begin_again();
                        continue;
                    }
                },
            };
            if !self.is_rung_by(until).await && self.deadline.has_passed() {
                return Err(self.timed_out(standing, failed).await);
            }
        }
    }

    /// Sleeps, at most until the timeout. True if the bell has rung.
    async fn is_rung_by(&self, until: BootInstant) -> bool {
        self.lock.desk.sleeps_until(&self.waiter, until);
        tokio::select! {
            biased;
            () = self.waiter.bell.notified() => true,
            () = clock::sleep_until(until.min(self.deadline)) => false,
        }
    }

    async fn ask(&mut self) -> Result<Asked> {
        if !self.waiter.has_asked() || self.waiter.claim.is_dead() {
            return Ok(Asked::Again);
        }
        let waiter = Arc::clone(&self.waiter);
        let attempt = waiter.claim.attempt();
        match self.answer().await {
            Ok(Some(Turn::Granted(grant))) => {
                let Some(lease) = attempt.granted(grant.token) else {
                    self.lock.give_back(&waiter.claim);
                    return Ok(Asked::Again);
                };
                Ok(Asked::Granted(lease))
            }
            Ok(Some(Turn::Wait(wait))) => {
                self.pause = SHORTEST_PAUSE;
                Ok(Asked::Wait { until: BootInstant::now().after(wait), failed: None })
            }
            Ok(None) => Ok(Asked::Again),
            Err(error) if is_outage(&error) && !self.deadline.has_passed() => {
                // Half of the pause is certain, so that a crowd does not ask in a burst.
                let pause = self.pause / 2 + random::up_to(self.pause / 2);
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                Ok(Asked::Wait { until: BootInstant::now().after(pause), failed: Some(error) })
            }
            Err(error) => Err(error),
        }
    }

    /// The file's answer. At the timeout a look decides: an attempt that is under way then is abandoned where others have the
    /// name, and otherwise waited for a little longer.
    async fn answer(&self) -> Result<Option<Turn>> {
        let (lock, waiter) = (self.lock, Arc::clone(&self.waiter));
        let mut answer = pin!(lock.step(move |desk, table| desk.ask(table, &waiter)));
        tokio::select! {
            biased;
            answer = &mut answer => return answer,
            () = clock::sleep_until(self.deadline) => {}
        }
        if lock.look(&self.waiter.claim, true).await? == Look::Taken {
            return Err(timed_out(&self.waiter.claim, self.timeout));
        }
        tokio::select! {
            biased;
            answer = &mut answer => answer,
            () = clock::sleep_until(BootInstant::now().after(ON_ITS_WAY)) => {
                Err(Error::Timeout { after: self.timeout, outcome: Outcome::Unknown { settled: false } })
            }
        }
    }

    /// What to say at the timeout: that somebody else has the name, if the file has said so.
    async fn timed_out(&self, standing: Standing, failed: Option<Error>) -> Error {
        let failed = match standing {
            // It has not asked; whoever is before it here waits, if the file answers at all.
            Standing::Behind { .. } => self.lock.look(&self.waiter.claim, true).await.err(),
            Standing::First | Standing::Lost => failed,
        };
        failed.unwrap_or_else(|| timed_out(&self.waiter.claim, self.timeout))
    }

    async fn gives_up(&mut self) {
        self.is_over = true;
        if let Some(ended) = self.lock.desk.leaves(&self.waiter, self.lock.limit) {
            tokio::select! {
                () = ended.wait() => {}
                () = clock::sleep_until(BootInstant::now().after(LEAVING)) => {}
            }
        }
    }

    /// Goes on at the end of the line; under a fresh owner, if the claim died.
    fn begin_again(&mut self) {
        let (lock, old) = (self.lock, &self.waiter);
        drop(lock.desk.leaves(old, lock.limit));
        self.waiter = lock.desk.join(&lock.namespace, &old.claim);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            drop(self.lock.desk.leaves(&self.waiter, self.lock.limit));
        }
    }
}
