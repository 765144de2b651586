//! The work itself: read, apply, commit.

use std::time::Duration;

use tracing::Instrument as _;

use super::{
    Projector, Rows,
    head::{Head, Stored},
};
use crate::{
    Checkpoint, Current, DeleteOptions, Delivery, Error, FencingToken, KeyVersion, ListQuery, Outcome, Recorded,
    Result, Subscription, Write, observe, retry::Backoff,
};

/// How often an idle projection looks whether somebody has decided to rebuild it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Pauses after errors are those of [`Backoff`] times this: up to about a second.
const PATIENCE: u32 = 16;

/// What ends the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    Closed,
    CaughtUp,
}

impl Projector {
    pub(super) async fn run_until(&self, until: Until) -> Result<()> {
        let mut backoff = Backoff::new();
        loop {
            let leases = self.counters.leases.get();
            match self.run_under_lock(until).await {
                Err(Error::Closed) if until == Until::Closed => return Ok(()),
                Err(timeout @ Error::LockTimeout { .. }) if until == Until::CaughtUp => return Err(timeout),
                Err(Error::LockTimeout { .. }) => {}
                // Another instance has taken over, or the lock's server was away for too long.
                Err(error @ (Error::LeaseLost { .. } | Error::Fenced { .. })) => self.restarted(&error),
                Err(error) if error.is_retryable() => self.restarted(&error),
                ended => return ended,
            }
            if self.counters.leases.get() > leases {
                backoff = Backoff::new();
            }
            tokio::time::sleep(backoff.pause() * PATIENCE).await;
        }
    }

    async fn run_under_lock(&self, until: Until) -> Result<()> {
        let name = self.projection.name();
        let guard = self.locks.acquire(name, self.lock_options).await?;
        self.counters.leases.increment();
        let token = guard.fencing_token();
        let span = tracing::info_span!(target: observe::EVENT, observe::EVENT_PROJECT, name, token = token.0);
        let ended = guard.run(self.work(token, until).instrument(span)).await;
        if let Err(error) = guard.release().await {
            // What was committed is committed; the lease lapses.
            tracing::debug!(name: observe::EVENT_PROJECT_UNRELEASED, target: observe::EVENT, name, %error);
        }
        ended
    }

    /// From the stored checkpoint on, again and again, as long as what goes wrong may go away.
    async fn work(&self, token: FencingToken, until: Until) -> Result<()> {
        let mut backoff = Backoff::new();
        let token = self.rows.capabilities().fencing.then_some(token);
        loop {
            let commits = self.counters.commits.get();
            let error = match self.follow(token, until).await {
                Ok(()) => return Ok(()),
                // The checkpoint is not the one that was loaded, or may not be, since an answer was lost. Look again.
                Err(error) if error.is_conflict() || error.is_retryable() => error,
                Err(error @ Error::Backend { outcome: Outcome::Unknown { .. }, .. }) => error,
                Err(error) => return Err(error),
            };
            self.restarted(&error);
            if self.counters.commits.get() > commits {
                backoff = Backoff::new();
            }
            tokio::time::sleep(backoff.pause() * PATIENCE).await;
        }
    }

    fn restarted(&self, error: &Error) {
        self.counters.restarts.increment();
        let name = self.projection.name();
        tracing::debug!(name: observe::EVENT_PROJECT_RESTARTED, target: observe::EVENT, name, %error);
    }

    /// From the stored checkpoint on, until something goes wrong or somebody moves it.
    async fn follow(&self, token: Option<FencingToken>, until: Until) -> Result<()> {
        let name = self.projection.name();
        let mut stored = Head::load(&*self.rows, name).await?;
        if stored.head.clearing {
            self.clear(&mut stored, token).await?;
        }
        let mut rows = self.empty_rows();
        let mut subscription = Subscription::new(self.events.clone(), stored.head.checkpoint).with_batch(self.batch)?;
        loop {
            let Ok(delivery) = tokio::time::timeout(LOOK_AGAIN, subscription.next()).await else {
                if Head::load(&*self.rows, name).await?.version != stored.version {
                    return Err(Error::conflict(name, Current::Unknown));
                }
                continue;
            };
            match delivery? {
                Delivery::Event(event) => self.batch(event, &mut subscription, &mut rows, &mut stored, token).await?,
                Delivery::Truncated { first_available, .. } => {
                    self.projection.truncated(first_available, &mut rows).await?;
                    rows.accept();
                }
                Delivery::CaughtUp if until == Until::CaughtUp => return Ok(()),
                Delivery::CaughtUp => {}
            }
        }
    }

    /// Applies an event and those that have been read with it, and commits.
    async fn batch(
        &self,
        first: Recorded,
        subscription: &mut Subscription,
        rows: &mut Rows,
        stored: &mut Stored,
        token: Option<FencingToken>,
    ) -> Result<()> {
        let mut event = first;
        let mut applied = 0;
        let mut last = stored.head.checkpoint;
        loop {
            if let Err(error) = self.projection.apply(&event, rows).await {
                // The events before this one are good, so that the next run begins at this one.
                rows.discard();
                self.commit(last, applied, rows, stored, token).await?;
                return Err(error);
            }
            if !rows.fits() && applied > 0 {
                self.commit(last, applied, rows, stored, token).await?;
                applied = 0;
            }
            rows.accept();
            applied += 1;
            last = Some(event.checkpoint());
            if !subscription.has_event() || applied == self.batch as u64 {
                return self.commit(last, applied, rows, stored, token).await;
            }
            let Delivery::Event(next) = subscription.next().await? else { unreachable!("it has been read") };
            event = next;
        }
    }

    /// Rows and checkpoint in one step, which is refused where the checkpoint is not the one that this began at.
    async fn commit(
        &self,
        checkpoint: Option<Checkpoint>,
        applied: u64,
        rows: &mut Rows,
        stored: &mut Stored,
        token: Option<FencingToken>,
    ) -> Result<()> {
        if applied > 0 {
            self.replace(Head::at(checkpoint), rows.take(), stored, token).await?;
            self.counters.events.add(applied);
        }
        Ok(())
    }

    async fn replace(
        &self,
        head: Head,
        mut writes: Vec<Write>,
        stored: &mut Stored,
        token: Option<FencingToken>,
    ) -> Result<()> {
        // First, so that it is the one that is named where it is refused.
        writes.insert(0, stored.replace(self.projection.name(), &head, token)?);
        let version = self.rows.commit(writes).await?;
        self.counters.commits.increment();
        *stored = Stored { head, version: Some(version) };
        Ok(())
    }

    pub(super) async fn begin_rebuilding(&self) -> Result<()> {
        let mut backoff = Backoff::new();
        loop {
            let mut stored = Head::load(&*self.rows, self.projection.name()).await?;
            match self.replace(Head::to_be_cleared(), Vec::new(), &mut stored, None).await {
                Err(conflict) if conflict.is_conflict() => tokio::time::sleep(backoff.pause()).await,
                decided => {
                    decided?;
                    self.counters.rebuilds.increment();
                    return Ok(());
                }
            }
        }
    }

    /// Drops all rows, a page at a time, and then begins at the first event.
    async fn clear(&self, stored: &mut Stored, token: Option<FencingToken>) -> Result<()> {
        let name = self.projection.name();
        tracing::info!(name: observe::EVENT_PROJECT_REBUILT, target: observe::EVENT, name);
        let limits = self.rows.capabilities();
        let page = limits.max_batch_keys.saturating_sub(1).clamp(1, ListQuery::MAX_LIMIT);
        let mut query = ListQuery::prefix(format!("{name}/")).limit(page);
        loop {
            let listed = self.rows.list(query.clone()).await?;
            let delete = |key: KeyVersion| Write::delete(key.key, DeleteOptions::new());
            let writes: Vec<_> = listed.keys.into_iter().map(delete).collect();
            if !writes.is_empty() {
                self.replace(Head::to_be_cleared(), writes, stored, token).await?;
            }
            let Some(next) = listed.next else { break };
            query = query.after(next);
        }
        self.replace(Head::at(None), Vec::new(), stored, token).await
    }
}
