//! Waiting for a name: first in line here, then at the server.
//!
//! Whoever stands first here asks the server; that is a refresh of the place and an attempt in one. The others wait for their
//! turn without touching it. A bell wakes whoever was handed the name; timers wake for a refresh, for the holder's expiry and for
//! the timeout.

use std::{pin::pin, sync::Arc, time::Duration};

use super::{Ended, Lines, Look, Standing, Turn, Waiter};
use crate::{
    Claim, Error, Lease, Namespace, Outcome, Result,
    clock::{self, BootInstant},
    random,
};

/// How long after the timeout an answer is waited for that is under way.
const ON_ITS_WAY: Duration = Duration::from_secs(1);
/// How long a call that gives up waits for its place at the server to be gone, so that the name is free for whoever comes next.
const LEAVING: Duration = Duration::from_millis(250);
/// The pauses between attempts while the server cannot be had.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// The locks of one namespace, as those see them who wait: what [`wait_in_line`] needs of a backend.
///
/// Futures may be dropped at any point; what a request that was sent may still take, [`leaves`](Self::leaves) gives back.
pub trait Queue: Send + Sync {
    /// Of the locks.
    fn namespace(&self) -> &Namespace;

    /// Called again and again by those who wait: sees to it that their bells are rung.
    ///
    /// # Errors
    /// `Closed`, which ends the wait.
    fn attend(&self) -> Result<()>;

    /// One step on the lines of the client.
    fn with_lines<T>(&self, step: impl FnOnce(&mut Lines) -> T) -> T;

    /// One attempt of a claim that is alive, as [`try_acquire`](crate::Lock::try_acquire).
    ///
    /// # Errors
    /// As there.
    fn attempt(&self, claim: &Claim) -> impl Future<Output = Result<Option<Lease>>> + Send;

    /// Sent once: takes the name if it is free and nobody live stands before the client; stands in line otherwise, or refreshes
    /// the client's place. For a waiter that does not stand first here, whether it was handed the name before. `None` where
    /// that one has not been, and where the waiter has left or its claim is dead: nothing is sent then.
    ///
    /// Where it grants, whoever stands next here should take the client's place at the server in the same step, so that it need
    /// not ask before its turn.
    ///
    /// # Errors
    /// As [`acquire`](crate::Lock::acquire), with `Timeout` and `Unavailable`.
    fn ask(&self, waiter: &Arc<Waiter>) -> impl Future<Output = Result<Option<Turn>>> + Send;

    /// What the claim would find, without a place of this client in its way.
    ///
    /// # Errors
    /// As [`holder`](crate::Lock::holder).
    fn look(&self, claim: &Claim) -> impl Future<Output = Result<Look>> + Send;

    /// The waiter will never look again: its place goes to the next one here, and what it was handed, or granted while it
    /// waited, is passed on in the background. The end of that, where the server had to be told.
    fn leaves(&self, waiter: &Arc<Waiter>) -> Option<Ended>;

    /// Releases a grant that came too late, in the background.
    fn give_back(&self, claim: &Claim);
}

/// [`Lock::acquire`](crate::Lock::acquire) in a line.
///
/// # Errors
/// As there.
///
/// # Cancel safety
/// A dropped wait leaves its place, and what it was handed meanwhile is passed on.
pub async fn wait_in_line<Q: Queue>(queue: &Q, claim: &Claim, timeout: Duration) -> Result<Lease> {
    queue.attend()?;
    let deadline = BootInstant::now().after(timeout);
    let claim = if claim.is_dead() { claim.renamed() } else { claim.clone() };
    // The live owner's own repeat does not wait behind others.
    if timeout.is_zero() || is_ours(queue, &claim).await {
        match queue.attempt(&claim).await? {
            Some(lease) => return Ok(lease),
            None if timeout.is_zero() => return Err(timed_out(&claim, timeout)),
            None => {}
        }
    }
    let mut waiting = Waiting::new(queue, &claim, deadline, timeout);
    let answer = waiting.granted().await;
    if answer.is_err() {
        waiting.gives_up().await;
    }
    answer.map_err(|error| if waiting.unheard { error.after_unheard() } else { error })
}

/// Asks the server only where there is a line to pass by and the claim may hold something.
async fn is_ours<Q: Queue>(queue: &Q, claim: &Claim) -> bool {
    claim.was_sent()
        && queue.with_lines(|lines| lines.has_line(queue.namespace(), claim.key()))
        && queue.look(claim).await.is_ok_and(|look| look == Look::Ours)
}

fn timed_out(claim: &Claim, waited: Duration) -> Error {
    Error::LockTimeout { key: claim.key().into(), waited }
}

fn is_outage(error: &Error) -> bool {
    matches!(error, Error::Timeout { .. } | Error::Unavailable { .. })
}

/// Somebody who stands in line, and leaves it when dropped.
struct Waiting<'a, Q: Queue> {
    queue: &'a Q,
    waiter: Arc<Waiter>,
    deadline: BootInstant,
    timeout: Duration,
    /// The next one after an attempt that could not be made.
    pause: Duration,
    /// An attempt got no answer, and may have taken the name.
    unheard: bool,
    /// It has the name, or has left the line.
    is_over: bool,
}

/// What came of asking the server.
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

/// At the end of the line; under a fresh owner, if the claim is dead.
fn join<Q: Queue>(queue: &Q, claim: &Claim) -> Arc<Waiter> {
    let waiter = Waiter::new(queue.namespace(), claim);
    queue.with_lines(|lines| lines.join(&waiter, BootInstant::now()));
    waiter
}

impl<'a, Q: Queue> Waiting<'a, Q> {
    fn new(queue: &'a Q, claim: &Claim, deadline: BootInstant, timeout: Duration) -> Self {
        let waiter = join(queue, claim);
        Self { queue, waiter, deadline, timeout, pause: SHORTEST_PAUSE, unheard: false, is_over: false }
    }

    async fn granted(&mut self) -> Result<Lease> {
        loop {
            self.queue.attend()?;
            let standing = self.queue.with_lines(|lines| lines.look(&self.waiter, BootInstant::now()));
            let (until, failed) = match standing {
                Standing::Behind { until } => (until, None),
                // Whoever has lost its place may have been handed the name before.
                Standing::First | Standing::Lost => match self.ask().await? {
                    Asked::Granted(lease) => {
                        self.is_over = true;
                        self.is_served();
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
        self.queue.with_lines(|lines| lines.sleeps_until(&self.waiter, until));
        tokio::select! {
            biased;
            () = self.waiter.is_rung() => true,
            () = clock::sleep_until(until.min(self.deadline)) => false,
        }
    }

    async fn ask(&mut self) -> Result<Asked> {
        if !self.waiter.has_asked() || self.waiter.claim().is_dead() {
            return Ok(Asked::Again);
        }
        let waiter = Arc::clone(&self.waiter);
        let attempt = waiter.claim().attempt();
        match self.answer().await {
            Ok(Some(Turn::Granted(token))) => {
                let Some(lease) = attempt.granted(token) else {
                    self.queue.give_back(waiter.claim());
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
                self.unheard |= error.outcome() != Outcome::NotApplied;
                Ok(Asked::Wait { until: BootInstant::now().after(pause), failed: Some(error) })
            }
            Err(error) => Err(error),
        }
    }

    /// The server's answer. One that is under way at the timeout is waited for a little longer, unless a look says sooner that
    /// others have the name.
    async fn answer(&self) -> Result<Option<Turn>> {
        let mut answer = pin!(self.queue.ask(&self.waiter));
        tokio::select! {
            biased;
            answer = &mut answer => return answer,
            () = clock::sleep_until(self.deadline) => {}
        }
        let mut too_late = pin!(clock::sleep_until(BootInstant::now().after(ON_ITS_WAY)));
        let no_answer = || Err(Error::Timeout { after: self.timeout, outcome: Outcome::Unknown { settled: false } });
        tokio::select! {
            biased;
            answer = &mut answer => return answer,
            () = &mut too_late => return no_answer(),
            look = self.queue.look(self.waiter.claim()) => if look.is_ok_and(|look| look == Look::Taken) {
                return Err(timed_out(self.waiter.claim(), self.timeout));
            },
        }
        tokio::select! {
            biased;
            answer = &mut answer => answer,
            () = too_late => no_answer(),
        }
    }

    /// What to say at the timeout: that somebody else has the name, if the server has said so.
    async fn timed_out(&self, standing: Standing, failed: Option<Error>) -> Error {
        let failed = match standing {
            // It has not asked; whoever is before it here waits, if the server answers at all.
            Standing::Behind { .. } => tokio::select! {
                look = self.queue.look(self.waiter.claim()) => look.err(),
                () = clock::sleep_until(BootInstant::now().after(ON_ITS_WAY)) => {
                    Some(Error::Timeout { after: self.timeout, outcome: Outcome::NotApplied })
                }
            },
            Standing::First | Standing::Lost => failed,
        };
        failed.unwrap_or_else(|| timed_out(self.waiter.claim(), self.timeout))
    }

    /// Has the name, and is in line no more.
    fn is_served(&self) {
        self.queue.with_lines(|lines| {
            lines.leave(&self.waiter);
            // Somebody may have come since the grant.
            lines.wake_first_unless_asked(self.queue.namespace(), self.waiter.key());
        });
    }

    async fn gives_up(&mut self) {
        self.is_over = true;
        if let Some(ended) = self.queue.leaves(&self.waiter) {
            tokio::select! {
                () = ended.wait() => {}
                () = clock::sleep_until(BootInstant::now().after(LEAVING)) => {}
            }
        }
    }

    /// Goes on at the end of the line; under a fresh owner, if the claim died.
    fn begin_again(&mut self) {
        drop(self.queue.leaves(&self.waiter));
        self.waiter = join(self.queue, self.waiter.claim());
    }
}

impl<Q: Queue> Drop for Waiting<'_, Q> {
    fn drop(&mut self) {
        if !self.is_over {
            drop(self.queue.leaves(&self.waiter));
        }
    }
}
