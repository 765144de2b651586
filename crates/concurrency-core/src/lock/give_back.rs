//! Giving a claim back: repeated with the same owner, and in the background where nobody waits for the answer.

use std::{mem, sync::Arc, time::Duration};

use tokio::runtime::Handle;

use super::{Claim, FencingToken, Lease, Released, locks::Shared};
use crate::{
    Error, Outcome, Result,
    clock::{self, BootInstant},
    observe, random,
};

/// How long a caller of `release` is kept waiting by repeats.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest pause between repeats.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A claim that may hold a name or stand in line for it. Dropped, it is released in the background.
#[derive(Debug)]
pub(super) struct GiveBack {
    shared: Arc<Shared>,
    claim: Claim,
    /// Of the grant; `None` if none was seen.
    token: Option<FencingToken>,
    /// When it lapses by itself. Without a grant it is one TTL from the release.
    deadline: Option<BootInstant>,
    /// Whether a release that got no answer may have reached the server.
    sent: bool,
    needed: bool,
    runtime: Option<Handle>,
}

impl GiveBack {
    /// Of a claim that is about to be sent.
    pub(super) fn of_claim(shared: &Arc<Shared>, claim: &Claim) -> Self {
        Self {
            shared: Arc::clone(shared),
            claim: claim.clone(),
            token: None,
            deadline: None,
            sent: false,
            needed: true,
            runtime: Handle::try_current().ok(),
        }
    }

    /// Of a grant.
    pub(super) fn of_lease(shared: &Arc<Shared>, lease: &Lease, runtime: Option<Handle>) -> Self {
        Self {
            shared: Arc::clone(shared),
            claim: lease.claim().clone(),
            token: Some(lease.fencing_token()),
            deadline: Some(lease.deadline()),
            sent: false,
            needed: true,
            runtime,
        }
    }

    /// There is nothing to give back.
    pub(super) fn forget(mut self) {
        self.needed = false;
    }

    /// Releases a grant, and makes the verdict.
    ///
    /// # Errors
    /// `LeaseLost` where it was not ours any more; the last error where no release was answered: the background goes on.
    ///
    /// # Cancel safety
    /// Dropping the future sends the release to the background.
    pub(super) async fn send(mut self) -> Result<()> {
        let answer = self.repeat_until(self.lapses().min(BootInstant::now().after(PATIENCE))).await;
        self.needed = answer.as_ref().is_err_and(Error::is_retryable);
        self.judge(answer)
    }

    async fn send_in_background(mut self) {
        let answer = self.repeat_until(self.lapses()).await;
        // Nobody is there to hear the verdict; the counters and the trace have it.
        drop(self.judge(answer));
    }

    fn lapses(&self) -> BootInstant {
        self.deadline.unwrap_or_else(|| BootInstant::now().after(self.claim.ttl().as_duration()))
    }

    /// Sends until answered, at least once, and begins no repeat at `until` or later.
    async fn repeat_until(&mut self, until: BootInstant) -> Result<Released> {
        let mut pause = Duration::from_millis(5);
        loop {
            let error = match self.shared.lock.release(&self.claim, self.token).await {
                Ok(released) => return Ok(released),
                Err(error) => error,
            };
            self.sent |= error.outcome() != Outcome::NotApplied;
            // Half of the pause is certain, so that a crowd does not repeat in a burst.
            let next = BootInstant::now().after(pause / 2 + random::up_to(pause / 2));
            if !error.is_retryable() || next >= until {
                return Err(error);
            }
            clock::sleep_until(next).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn judge(&self, answer: Result<Released>) -> Result<()> {
        let key = self.claim.key();
        let (token, counters) = (self.token.map(|token| token.0), &self.shared.counters);
        // Before the deadline nobody else can have been granted it, so an earlier copy of this release was ours.
        let earlier_copy = || self.sent && self.deadline.is_some_and(|deadline| !deadline.has_passed());
        match answer {
            Ok(released) if released == Released::Ours || earlier_copy() => {
                counters.releases.increment();
                tracing::debug!(name: observe::LOCK_RELEASED, target: observe::LOCK, key, token);
                Ok(())
            }
            Ok(_) => Err(Error::lease_lost(key)),
            Err(error) => {
                let shown = tracing::field::display(&error);
                tracing::debug!(name: observe::LOCK_RELEASE_FAILED, target: observe::LOCK, key, token, error = shown);
                Err(error)
            }
        }
    }
}

impl Drop for GiveBack {
    fn drop(&mut self) {
        if !mem::take(&mut self.needed) {
            return;
        }
        // The runtime that is running now, or the one that asked for the lock. Without one the lease lapses.
        let Some(runtime) = Handle::try_current().ok().or_else(|| self.runtime.take()) else { return };
        let background = Self {
            shared: Arc::clone(&self.shared),
            claim: self.claim.clone(),
            token: self.token,
            deadline: self.deadline,
            sent: self.sent,
            // Not a second time: a runtime that shuts down drops what is spawned on it at once.
            needed: false,
            runtime: None,
        };
        drop(runtime.spawn(background.send_in_background()));
    }
}
