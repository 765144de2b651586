//! Locks over a line.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use concurrency_core::{
    Bytes, Claim, Error, FencingToken, Held, Lease, Lock, LockCapabilities, Owner, Released, Result,
};
use serde::{Deserialize, Serialize};

use super::{
    backend::Caller,
    wire::{Refusal, What},
};

#[derive(Serialize, Deserialize)]
pub(super) enum Call {
    TryAcquire(Claimed),
    Acquire(Claimed, Duration),
    Renew(Granted),
    RenewMany(Vec<Granted>),
    Release(Claimed, Option<FencingToken>),
    Holder(String),
    /// Not answered.
    Leave(Granted),
}

/// As [`Claim`].
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Claimed {
    name: String,
    owner: [u8; 16],
    ttl: Duration,
}

/// As [`Lease`]; its deadline by the boot clock.
#[derive(Serialize, Deserialize)]
pub(super) struct Granted {
    claim: Claimed,
    token: FencingToken,
    deadline: Duration,
}

/// As [`Released`].
#[derive(Serialize, Deserialize)]
enum Ended {
    Ours,
    NotHeld,
    HeldByOther,
}

impl From<&Claim> for Claimed {
    fn from(claim: &Claim) -> Self {
        Self { name: claim.key().to_owned(), owner: claim.owner().to_bytes(), ttl: claim.ttl().as_duration() }
    }
}

impl From<&Lease> for Granted {
    fn from(lease: &Lease) -> Self {
        let deadline = lease.deadline().since_boot();
        Self { claim: lease.claim().into(), token: lease.fencing_token(), deadline }
    }
}

impl Claimed {
    fn claim(&self) -> Result<Claim> {
        Claim::made_elsewhere(&self.name, Owner::from_bytes(self.owner), self.ttl)
    }
}

impl Granted {
    fn lease(&self, claims: &Claims) -> Result<Lease> {
        Ok(Lease::granted_elsewhere(claims.find(&self.claim)?, self.token, self.deadline))
    }

    /// Under the claim that was asked with, unless it was renamed on the way.
    fn under(&self, claim: &Claim) -> Result<Lease> {
        let is_same = self.claim.owner == claim.owner().to_bytes();
        let claim = if is_same { claim.clone() } else { self.claim.claim()? };
        Ok(Lease::granted_elsewhere(claim, self.token, self.deadline))
    }
}

/// The claims that came over the line: the same for the same owner, name and TTL, so that they die for everybody.
#[derive(Default)]
pub(super) struct Claims(Mutex<HashMap<Claimed, Claim>>);

impl Claims {
    fn find(&self, claimed: &Claimed) -> Result<Claim> {
        let mut claims = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(claim) = claims.get(claimed) {
            return Ok(claim.clone());
        }
        let claim = claimed.claim()?;
        claims.insert(claimed.clone(), claim.clone());
        Ok(claim)
    }
}

/// Locks in another process.
#[derive(Debug)]
pub(super) struct PeerLock {
    pub(super) caller: Caller,
    /// Of the same in this process.
    pub(super) capabilities: LockCapabilities,
}

impl PeerLock {
    async fn ask<T: serde::de::DeserializeOwned>(&self, call: Call) -> Result<T> {
        self.caller.ask(|namespace| What::Lock { namespace, call }).await
    }
}

#[async_trait]
impl Lock for PeerLock {
    fn capabilities(&self) -> LockCapabilities {
        self.capabilities
    }

    async fn try_acquire(&self, claim: &Claim) -> Result<Option<Lease>> {
        claim.check_alive()?;
        let granted: Option<Granted> = self.ask(Call::TryAcquire(claim.into())).await?;
        granted.map(|granted| granted.under(claim)).transpose()
    }

    async fn renew(&self, lease: &Lease) -> Result<Lease> {
        lease.claim().check_alive()?;
        let granted: Granted = self.ask(Call::Renew(lease.into())).await?;
        granted.under(lease.claim())
    }

    async fn release(&self, claim: &Claim, token: Option<FencingToken>) -> Result<Released> {
        claim.die();
        Ok(match self.ask(Call::Release(claim.into(), token)).await? {
            Ended::Ours => Released::Ours,
            Ended::NotHeld => Released::NotHeld,
            Ended::HeldByOther => Released::HeldByOther,
        })
    }

    async fn acquire(&self, claim: &Claim, timeout: Duration) -> Result<Lease> {
        let granted: Granted = self.ask(Call::Acquire(claim.into(), timeout)).await?;
        granted.under(claim)
    }

    async fn renew_many(&self, leases: &[&Lease]) -> Vec<Result<Lease>> {
        let all = leases.iter().map(|lease| Granted::from(*lease)).collect();
        match self.ask::<Vec<Result<Granted, Refusal>>>(Call::RenewMany(all)).await {
            Ok(answers) => {
                let renewed = |(answer, lease): (Result<Granted, Refusal>, &&Lease)| {
                    answer.map_err(Error::from)?.under(lease.claim())
                };
                answers.into_iter().zip(leases).map(renewed).collect()
            }
            Err(error) => leases.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    async fn holder(&self, name: &str) -> Result<Option<Held>> {
        let held: Option<(FencingToken, Duration)> = self.ask(Call::Holder(name.to_owned())).await?;
        Ok(held.map(|(token, remaining)| Held { token, remaining }))
    }

    fn leave(&self, lease: &Lease) {
        self.caller.tell(|namespace| What::Lock { namespace, call: Call::Leave(lease.into()) });
    }
}

/// Makes a call, in the process that was asked to.
pub(super) async fn answer(lock: Arc<dyn Lock>, call: Call, claims: &Claims) -> Bytes {
    use super::server::encoded;
    let granted = |lease: Lease| Granted::from(&lease);
    match call {
        Call::TryAcquire(claimed) => {
            let attempt = async { lock.try_acquire(&claims.find(&claimed)?).await };
            encoded(attempt.await.map(|lease| lease.map(granted)))
        }
        Call::Acquire(claimed, timeout) => {
            let acquire = async { lock.acquire(&claims.find(&claimed)?, timeout).await };
            encoded(acquire.await.map(granted))
        }
        Call::Renew(lease) => {
            let renew = async { lock.renew(&lease.lease(claims)?).await };
            encoded(renew.await.map(granted))
        }
        Call::RenewMany(leases) => match leases.iter().map(|lease| lease.lease(claims)).collect::<Result<Vec<_>>>() {
            Ok(leases) => {
                let renewed = lock.renew_many(&leases.iter().collect::<Vec<_>>()).await;
                let renewed = renewed.into_iter().map(|lease| lease.map(granted).map_err(Refusal::from));
                encoded(Ok(renewed.collect::<Vec<_>>()))
            }
            Err(error) => encoded::<()>(Err(error)),
        },
        Call::Release(claimed, token) => {
            let release = async { lock.release(&claims.find(&claimed)?, token).await };
            encoded(release.await.map(|released| match released {
                Released::Ours => Ended::Ours,
                Released::NotHeld => Ended::NotHeld,
                Released::HeldByOther => Ended::HeldByOther,
            }))
        }
        Call::Holder(name) => {
            let held = lock.holder(&name).await;
            encoded(held.map(|held| held.map(|held| (held.token, held.remaining))))
        }
        Call::Leave(lease) => encoded(lease.lease(claims).map(|lease| lock.leave(&lease))),
    }
}
