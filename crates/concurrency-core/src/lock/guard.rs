//! A held lock, shared by clones, that ends when the local deadline does.

use std::{
    fmt,
    future::{pending, poll_fn},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::Duration,
};

use tokio::{runtime::Handle, sync::Notify};

use super::{Claim, FencingToken, Lease, give_back::GiveBack, keeper::Keeper, locks::Shared};
use crate::{
    Error, Result,
    clock::{self, BootInstant},
    observe,
};

/// A held lock. Clones share it; when the last of them is dropped, it is released in the background.
///
/// It is renewed at a third of its TTL, unless its options said otherwise, and is lost when its local deadline passes, which
/// is before the server lets anybody else in. Dropping it never panics, blocks or needs a runtime; where nothing can send the
/// release any more, the lease lapses.
#[derive(Debug, Clone)]
#[must_use = "the lock is released when the guard is dropped"]
pub struct LockGuard {
    hold: Arc<Hold>,
}

impl LockGuard {
    pub(super) fn new(shared: &Arc<Shared>, lease: Lease, renewal: bool) -> Self {
        let id = renewal.then(|| shared.keeper.next_id());
        let state = Mutex::new(State { lease: lease.clone(), phase: Phase::Held });
        let hold = Arc::new(Hold {
            shared: Arc::clone(shared),
            claim: lease.claim().clone(),
            token: lease.fencing_token(),
            id,
            state,
            changed: Notify::new(),
            runtime: Handle::try_current().ok(),
        });
        if let Some(id) = id {
            Keeper::add(&hold.shared, id, &hold, &lease);
        }
        Self { hold }
    }

    #[cfg(test)]
    pub(super) fn claim(&self) -> &Claim {
        &self.hold.claim
    }

    /// The lock's name.
    #[must_use]
    pub fn key(&self) -> &str {
        self.hold.claim.key()
    }

    /// The token of the grant, to fence writes with.
    #[must_use]
    pub fn fencing_token(&self) -> FencingToken {
        self.hold.token
    }

    /// Until the local deadline; zero once the lease is lost or was given back.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.hold.deadline().map_or(Duration::ZERO, BootInstant::remaining)
    }

    /// Whether the lease is held, by the local clock as of now.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.hold.deadline().is_some()
    }

    /// Returns when the lease is lost; never, once `release` was called.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn lost(&self) {
        self.hold.over().await;
        if self.hold.state().phase == Phase::Released {
            pending::<()>().await;
        }
    }

    /// Runs `work` while the lease is held, and drops it when that ends.
    ///
    /// The clock is compared at every poll; what the work does between its polls, it does under the lease.
    ///
    /// # Errors
    /// `LeaseLost` at the local deadline, or when another clone releases the lock; the work's own.
    ///
    /// # Cancel safety
    /// Dropping the future drops the work, and the guard still holds the lock.
    pub async fn run<T, E: From<Error>>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let (mut work, mut over) = (pin!(work), pin!(self.hold.over()));
        poll_fn(|cx| {
            // Timers only wake: after the machine slept, or in a runtime that is late, the clock knows better.
            if !self.is_valid() || over.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(Error::lease_lost(self.key()).into()));
            }
            work.as_mut().poll(cx)
        })
        .await
    }

    pub(super) async fn run_and_release<T, E, W>(self, work: impl FnOnce(FencingToken) -> W) -> Result<T, E>
    where
        E: From<Error>,
        W: Future<Output = Result<T, E>>,
    {
        let done = self.run(work(self.fencing_token())).await;
        if self.is_valid() {
            // The work's result counts; how the release went is in the counters and the trace.
            drop(self.release().await);
        }
        done
    }

    /// Gives the lock back, for all clones. After `Ok` others may have it.
    ///
    /// Repeated for up to five seconds, and then in the background, until the lease lapses.
    ///
    /// # Errors
    /// `LeaseLost` where the lease was not ours any more, which says only that the caller holds nothing now; otherwise the
    /// error of the last attempt, where none was answered.
    ///
    /// # Cancel safety
    /// When the future is dropped, the release goes on in the background.
    pub async fn release(self) -> Result<()> {
        let (before, lease) = self.hold.end(Phase::Released);
        if before == Phase::Released {
            return Err(Error::lease_lost(self.key()));
        }
        let give_back = GiveBack::of_lease(&self.hold.shared, &lease, self.hold.runtime.clone());
        let released = give_back.send().await;
        if before == Phase::Held && matches!(released, Err(Error::LeaseLost { .. })) {
            self.hold.announce_loss();
        }
        released
    }

    /// Stops renewing, for all clones, and lets the lease run out: nobody else within this TTL. For a job that is to run
    /// once a period, although it takes less time than the clocks of its instances differ by.
    pub fn let_expire(self) {
        let (before, lease) = self.hold.end(Phase::Left);
        if before == Phase::Held {
            self.hold.shared.lock.leave(&lease);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Held,
    /// For good: no later answer revives it.
    Lost,
    Released,
    /// Left to expire; held until then.
    Left,
}

struct State {
    lease: Lease,
    phase: Phase,
}

/// What the clones of a guard share.
pub(super) struct Hold {
    shared: Arc<Shared>,
    claim: Claim,
    token: FencingToken,
    /// By what the keeper knows it, where it is renewed.
    id: Option<u64>,
    /// Whoever has locked it does not lock the keeper's book.
    state: Mutex<State>,
    changed: Notify,
    runtime: Option<Handle>,
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Hold").field("lease", &state.lease).field("phase", &state.phase).finish_non_exhaustive()
    }
}

impl Hold {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lease as it stands, if it is held now.
    pub(super) fn lease_now(&self) -> Option<Lease> {
        let state = self.state();
        (state.phase == Phase::Held && state.lease.is_valid()).then(|| state.lease.clone())
    }

    /// Notices a deadline that has passed.
    pub(super) fn look(&self) {
        let state = self.state();
        if state.phase == Phase::Held && !state.lease.is_valid() {
            self.lose(state);
        }
    }

    /// Those who wait for the end look again.
    pub(super) fn wake(&self) {
        self.changed.notify_waiters();
    }

    /// The local deadline, while it is ahead and the lease has not ended otherwise.
    fn deadline(&self) -> Option<BootInstant> {
        if self.id.is_some() {
            Keeper::run(&self.shared);
        }
        self.look();
        let state = self.state();
        let going = matches!(state.phase, Phase::Held | Phase::Left) && state.lease.is_valid();
        going.then(|| state.lease.deadline())
    }

    /// Returns when there is no deadline ahead any more.
    async fn over(&self) {
        loop {
            let mut changed = pin!(self.changed.notified());
            // Registered before the state is read, so that no change is missed in between.
            changed.as_mut().enable();
            let Some(deadline) = self.deadline() else { return };
            tokio::select! {
                () = changed => {}
                () = clock::sleep_until(deadline) => {}
            }
        }
    }

    /// Takes the answer to a renewal of `sent`; true if the renewal is to be repeated.
    pub(super) fn answered(&self, sent: &Lease, answer: Result<Lease>) -> bool {
        let mut state = self.state();
        if state.phase != Phase::Held {
            return false;
        }
        if !state.lease.is_valid() {
            self.lose(state);
            return false;
        }
        match answer {
            Ok(lease) => {
                self.shared.counters.renewals.increment();
                if lease.deadline() > state.lease.deadline() {
                    state.lease = lease;
                }
                false
            }
            // After its own local deadline an answer says nothing: other answers stand.
            Err(Error::LeaseLost { .. }) if !sent.is_valid() => false,
            // Closing has released it.
            Err(Error::LeaseLost { .. } | Error::Closed) => {
                self.lose(state);
                false
            }
            Err(error) => {
                drop(state);
                let (key, token, error) = (self.claim.key(), self.token.0, tracing::field::display(&error));
                tracing::debug!(name: observe::LOCK_RENEWAL_FAILED, target: observe::LOCK, key, token, error);
                true
            }
        }
    }

    fn lose(&self, mut state: MutexGuard<'_, State>) {
        state.phase = Phase::Lost;
        drop(state);
        self.announce_loss();
        self.wake();
    }

    fn announce_loss(&self) {
        self.shared.counters.losses.increment();
        let (key, token) = (self.claim.key(), self.token.0);
        tracing::warn!(name: observe::LOCK_LOST, target: observe::LOCK, key, token);
    }

    /// Not renewed any more; the phase before and the lease as it stands. What has ended cannot be left to expire.
    fn end(&self, phase: Phase) -> (Phase, Lease) {
        self.look();
        let mut state = self.state();
        let before = state.phase;
        if before == Phase::Held || phase == Phase::Released {
            state.phase = phase;
        }
        let lease = state.lease.clone();
        drop(state);
        if let Some(id) = self.id {
            self.shared.keeper.remove(id);
        }
        self.wake();
        (before, lease)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let (before, lease) = self.end(Phase::Released);
        if matches!(before, Phase::Held | Phase::Lost) {
            drop(GiveBack::of_lease(&self.shared, &lease, self.runtime.take()));
        }
    }
}
