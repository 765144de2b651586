//! Locks as a service uses them: acquire, work, release.

use std::{
    future::poll_fn,
    mem,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use super::{Claim, FencingToken, Lease, Lock, LockGuard, give_back::GiveBack, keeper::Keeper};
use crate::{Error, Outcome, Result, clock::BootInstant, observe, observe::Counter};

/// How to take a lock: by default with a TTL of 30 s, renewed while it is held, waiting up to 30 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct LockOptions {
    ttl: Duration,
    timeout: Duration,
    renewal: bool,
}

impl Default for LockOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl LockOptions {
    /// The defaults.
    pub const fn new() -> Self {
        Self { ttl: Duration::from_secs(30), timeout: Duration::from_secs(30), renewal: true }
    }

    /// How long a crashed holder blocks the others: 100 ms to ten years.
    pub const fn with_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// How long to wait for the lock; zero is one attempt. Where an operation takes no timeout, this counts for nothing.
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Held for one TTL at most.
    pub const fn without_renewal(mut self) -> Self {
        self.renewal = false;
        self
    }
}

/// Guards over a [`Lock`], with one keeper that renews them all in batches. Cheap to clone.
/// ```
/// use concurrency_core::{Error, LockOptions, Locks, Memory};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let locks = Locks::new(Memory::new().lock("jobs")?);
/// let answer = locks.run("index", LockOptions::new(), |_token| async { Ok::<_, Error>(42) }).await?;
/// assert_eq!(answer, 42);
///
/// let guard = locks.acquire("index", LockOptions::new()).await?;
/// assert!(locks.try_acquire("index", LockOptions::new()).await?.is_none(), "taken, also for ourselves");
/// guard.release().await?;
/// # Ok::<_, Error>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Locks {
    pub(super) shared: Arc<Shared>,
}

/// What clones, guards and the keeper have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) lock: Arc<dyn Lock>,
    pub(super) keeper: Keeper,
    pub(super) counters: Counters,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) waits: Counter,
    pub(super) grants: Counter,
    pub(super) losses: Counter,
    pub(super) renewals: Counter,
    pub(super) releases: Counter,
}

/// What a [`Locks`] and its clones have done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LockCounts {
    /// Calls of `acquire` and `run` that were not answered at once.
    pub waits: u64,
    /// Guards given out.
    pub grants: u64,
    /// Leases lost: to a deadline that passed, or to what the server said.
    pub losses: u64,
    /// Renewals confirmed by the server.
    pub renewals: u64,
    /// Releases confirmed by the server, those of dropped guards included.
    pub releases: u64,
}

impl Locks {
    /// Over any lock.
    #[must_use]
    pub fn new(lock: Arc<dyn Lock>) -> Self {
        Self { shared: Arc::new(Shared { lock, keeper: Keeper::default(), counters: Counters::default() }) }
    }

    /// The lock below.
    #[must_use]
    pub fn lock(&self) -> &Arc<dyn Lock> {
        &self.shared.lock
    }

    /// What this one and its clones have done so far.
    #[must_use]
    pub fn counts(&self) -> LockCounts {
        let Counters { waits, grants, losses, renewals, releases } = &self.shared.counters;
        LockCounts {
            waits: waits.get(),
            grants: grants.get(),
            losses: losses.get(),
            renewals: renewals.get(),
            releases: releases.get(),
        }
    }

    /// One attempt: `None` where somebody else holds the lock, or waits in line for it.
    ///
    /// # Errors
    /// `InvalidKey`; `InvalidArgument` for the TTL; those of [`Lock::try_acquire`].
    ///
    /// # Cancel safety
    /// What a dropped attempt may have taken is released in the background.
    pub async fn try_acquire(&self, key: &str, options: LockOptions) -> Result<Option<LockGuard>> {
        let claim = Claim::new(key, options.ttl)?;
        let (begun, give_back) = (BootInstant::now(), GiveBack::of_claim(&self.shared, &claim));
        let answer = self.shared.lock.try_acquire(&claim).await;
        settle(give_back, answer.as_ref().err());
        Ok(answer?.map(|lease| self.guard(lease, options, begun)))
    }

    /// Waits for the lock, up to the timeout of the options.
    ///
    /// # Errors
    /// `LockTimeout` where others held it until the timeout; `InvalidKey`; `InvalidArgument` for the TTL; those of
    /// [`Lock::acquire`].
    ///
    /// # Cancel safety
    /// A dropped wait gives up its place, and what it may have taken is released in the background.
    pub async fn acquire(&self, key: &str, options: LockOptions) -> Result<LockGuard> {
        let claim = Claim::new(key, options.ttl)?;
        let (begun, give_back) = (BootInstant::now(), GiveBack::of_claim(&self.shared, &claim));
        let mut acquiring = pin!(self.shared.lock.acquire(&claim, options.timeout));
        let mut waits = false;
        let poll = |cx: &mut Context<'_>| -> Poll<Result<Lease>> {
            let poll = acquiring.as_mut().poll(cx);
            if poll.is_pending() && !mem::replace(&mut waits, true) {
                self.shared.counters.waits.increment();
            }
            poll
        };
        let answer = poll_fn(poll).await;
        settle(give_back, answer.as_ref().err());
        Ok(self.guard(answer?, options, begun))
    }

    /// Acquire, work, release. The work gets the fencing token, and is dropped with `LeaseLost` when the lease is lost.
    ///
    /// Its result is returned once the lock was released. Where the release fails, the result still is: the work is done,
    /// and the lease lapses.
    ///
    /// # Errors
    /// Those of [`acquire`](Self::acquire); `LeaseLost`; the work's own.
    ///
    /// # Cancel safety
    /// Dropping the future drops the work, and the lock is released in the background. So it is after a panic.
    pub async fn run<T, E, W>(
        &self,
        key: &str,
        options: LockOptions,
        work: impl FnOnce(FencingToken) -> W,
    ) -> Result<T, E>
    where
        E: From<Error>,
        W: Future<Output = Result<T, E>>,
    {
        self.acquire(key, options).await?.run_and_release(work).await
    }

    /// As [`run`](Self::run), but `None` at once where the lock is taken.
    ///
    /// # Errors
    /// Those of [`try_acquire`](Self::try_acquire); `LeaseLost`; the work's own.
    ///
    /// # Cancel safety
    /// That of [`run`](Self::run).
    pub async fn run_or_skip<T, E, W>(
        &self,
        key: &str,
        options: LockOptions,
        work: impl FnOnce(FencingToken) -> W,
    ) -> Result<Option<T>, E>
    where
        E: From<Error>,
        W: Future<Output = Result<T, E>>,
    {
        match self.try_acquire(key, options).await? {
            Some(guard) => guard.run_and_release(work).await.map(Some),
            None => Ok(None),
        }
    }

    fn guard(&self, lease: Lease, options: LockOptions, begun: BootInstant) -> LockGuard {
        self.shared.counters.grants.increment();
        let (key, token) = (lease.key(), lease.fencing_token().0);
        let after_ms = u64::try_from(BootInstant::now().since(begun).as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(name: observe::LOCK_GRANTED, target: observe::LOCK, key, token, after_ms);
        LockGuard::new(&self.shared, lease, options.renewal)
    }
}

/// After an answer nothing is taken but what a guard holds; after an error whose effect is not known something may be.
fn settle(give_back: GiveBack, error: Option<&Error>) {
    if error.is_none_or(|error| error.outcome() == Outcome::NotApplied) {
        give_back.forget();
    }
}
