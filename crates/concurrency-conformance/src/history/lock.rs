//! A lock whose calls are noted.

use std::{sync::Arc, time::Duration};

use concurrency_core::{Claim, Error, FencingToken, Lease, Lock, Owner, Released, Result, clock::BootInstant};

use super::{History, Numbers, Open, Recorder, nanos};
use crate::linear::{LockAnswer, LockCall, LockModel};

/// One client of a lock, whose calls are noted. They answer what the lock answers.
#[derive(Debug, Clone)]
pub struct RecordedLock {
    lock: Arc<dyn Lock>,
    client: u32,
    /// How much longer the server may keep a lease.
    slack: u64,
    owners: Numbers<Owner>,
    recorder: Recorder<LockModel>,
}

impl RecordedLock {
    /// The first client.
    #[must_use]
    pub fn new(lock: Arc<dyn Lock>) -> Self {
        let slack = nanos(lock.capabilities().ttl_granularity);
        Self { lock, client: 0, slack, owners: Numbers::default(), recorder: Recorder::new() }
    }

    /// Another client, noted in the same history.
    #[must_use]
    pub fn client(&self, client: u32, lock: Arc<dyn Lock>) -> Self {
        Self { lock, client, ..self.clone() }
    }

    /// How many calls began while another was under way.
    #[must_use]
    pub fn met(&self) -> u64 {
        self.recorder.met()
    }

    /// What was noted so far.
    #[must_use]
    pub fn history(&self) -> History<LockModel> {
        self.recorder.history()
    }

    /// `try_acquire`.
    ///
    /// # Errors
    /// Those of the lock.
    pub async fn try_acquire(&self, claim: &Claim) -> Result<Option<Lease>> {
        let open = self.begin_acquire(claim);
        let answer = self.lock.try_acquire(claim).await;
        let noted = answer.as_ref().map(|lease| lease.as_ref().map_or(LockAnswer::Held, |lease| self.granted(lease)));
        open.close(noted.map_err(Clone::clone));
        answer
    }

    /// `acquire`.
    ///
    /// # Errors
    /// Those of the lock.
    pub async fn acquire(&self, claim: &Claim, timeout: Duration) -> Result<Lease> {
        let (owner, ttl, slack) = self.asked(claim);
        let open = self.recorder.begin(self.client, claim.key(), LockCall::Acquire { owner, ttl, slack });
        let answer = self.lock.acquire(claim, timeout).await;
        open.close(match &answer {
            Ok(lease) => Ok(self.granted(lease)),
            Err(Error::LockTimeout { .. }) => Ok(LockAnswer::Held),
            Err(error) => Err(error.clone()),
        });
        answer
    }

    /// `renew`.
    ///
    /// # Errors
    /// Those of the lock.
    pub async fn renew(&self, lease: &Lease) -> Result<Lease> {
        let open = self.begin_renew(lease);
        let answer = self.lock.renew(lease).await;
        open.close(match &answer {
            Ok(lease) => Ok(LockAnswer::Renewed { deadline: instant(lease.deadline()) }),
            Err(Error::LeaseLost { .. }) => Ok(LockAnswer::Lost),
            Err(error) => Err(error.clone()),
        });
        answer
    }

    /// `release`.
    ///
    /// # Errors
    /// Those of the lock.
    pub async fn release(&self, claim: &Claim, token: Option<FencingToken>) -> Result<Released> {
        let open = self.begin_release(claim, token);
        let answer = self.lock.release(claim, token).await;
        let noted = answer.as_ref().map(|released| match released {
            Released::Ours => LockAnswer::Ours,
            Released::NotHeld => LockAnswer::NotHeld,
            Released::HeldByOther => LockAnswer::HeldByOther,
        });
        open.close(noted.map_err(Clone::clone));
        answer
    }

    /// `holder`: the token of the live lease.
    ///
    /// # Errors
    /// Those of the lock.
    pub async fn holder(&self, name: &str) -> Result<Option<FencingToken>> {
        let open = self.recorder.begin(self.client, name, LockCall::Holder);
        let answer = self.lock.holder(name).await.map(|held| held.map(|held| held.token));
        open.close(answer.clone().map(|token| LockAnswer::Holder { token: token.map(|token| token.0) }));
        answer
    }

    /// An attempt that somebody else carries out: a copy of a request, say, of which nobody will hear. Dropped, it is noted
    /// as one that may take effect at any time from now on.
    pub fn begin_acquire(&self, claim: &Claim) -> Open<LockModel> {
        let (owner, ttl, slack) = self.asked(claim);
        self.recorder.begin(self.client, claim.key(), LockCall::TryAcquire { owner, ttl, slack })
    }

    /// As [`begin_acquire`](Self::begin_acquire), a renewal.
    pub fn begin_renew(&self, lease: &Lease) -> Open<LockModel> {
        let (owner, ttl, slack) = self.asked(lease.claim());
        let (token, deadline) = (lease.fencing_token().0, instant(lease.deadline()));
        let call = LockCall::Renew { owner, token, ttl, slack, deadline };
        self.recorder.begin(self.client, lease.key(), call)
    }

    /// As [`begin_acquire`](Self::begin_acquire), a release.
    pub fn begin_release(&self, claim: &Claim, token: Option<FencingToken>) -> Open<LockModel> {
        let (owner, token) = (self.owners.of(claim.owner()), token.map(|token| token.0));
        self.recorder.begin(self.client, claim.key(), LockCall::Release { owner, token })
    }

    /// The number by which the history knows this owner.
    #[must_use]
    pub fn owner(&self, claim: &Claim) -> u64 {
        self.owners.of(claim.owner())
    }

    fn asked(&self, claim: &Claim) -> (u64, u64, u64) {
        (self.owners.of(claim.owner()), nanos(claim.ttl().as_duration()), self.slack)
    }

    fn granted(&self, lease: &Lease) -> LockAnswer {
        let owner = self.owners.of(lease.claim().owner());
        LockAnswer::Granted { owner, token: lease.fencing_token().0, deadline: instant(lease.deadline()) }
    }
}

fn instant(instant: BootInstant) -> u64 {
    nanos(instant.since_boot())
}
