//! Leases on names, each with an owner, a time to live and a fencing token.

mod agenda;
pub mod desk;
mod give_back;
mod guard;
mod keeper;
mod lease;
mod locks;
#[cfg(test)]
#[cfg(feature = "simulation")]
mod tests;

use std::{fmt::Debug, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::Serialize;

pub use self::{
    guard::LockGuard,
    lease::{Attempt, Claim, FencingToken, Held, Lease, Released, Renewal, margin},
    locks::{LockCounts, LockOptions, Locks},
};
use crate::{
    ClockSource, Error, Outcome, Result, Survives, Ttl,
    capabilities::MILLISECOND,
    clock::{self, BootInstant},
    random,
};

/// The shortest TTL of a lock.
pub const MIN_LOCK_TTL: Duration = Duration::from_millis(100);

/// Leases on names. Callers use [`Locks`] and its guards; a backend writes four methods.
///
/// # Contract
/// Between a grant and its expiry nobody else is granted the name. Every grant of a name has a higher [`FencingToken`] than
/// all grants before it. A claim whose release was sent is dead: nothing but repeats of that release is sent for it. So
/// `release` begins with [`Claim::die`], and `try_acquire` and `renew` with [`Claim::check_alive`]. Checks of names and
/// TTLs are made by [`Claim::new`]; only [`holder`](Self::holder) checks a name itself. Sentences and ids:
/// `docs/contract.md`.
///
/// # Errors of every method
/// `Closed` after [`close`](crate::Backend::close); `Timeout`, `Unavailable`, `Unauthorized`, `Exhausted`, `Incompatible`
/// and `Backend` as far as there is a server; `Decode` where foreign bytes stand under our names.
///
/// # Cancel safety of every method
/// The future may be dropped at any point. What a dropped request may still take lapses within one TTL, or is given back
/// before; a place in a queue is given up.
#[async_trait]
pub trait Lock: Debug + Send + Sync + 'static {
    /// What this lock promises.
    fn capabilities(&self) -> LockCapabilities;

    /// One attempt, never waits. `None` where another owner holds the name or waits in line for it.
    ///
    /// The same claim again, while its lease lives, gets the same token, and its expiry moves as by a renewal. After its
    /// expiry it is a new grant with a new token.
    ///
    /// # Errors
    /// `LeaseLost` where a release of the claim was sent; and those of every method.
    async fn try_acquire(&self, claim: &Claim) -> Result<Option<Lease>>;

    /// A later expiry, never an earlier one, for a lease that is held now.
    ///
    /// # Errors
    /// `LeaseLost` where it has expired, its claim was released, or somebody else was granted the name since; and those of every
    /// method: then nothing is known but that the old deadline stands.
    async fn renew(&self, lease: &Lease) -> Result<Lease>;

    /// After an answer the claim holds nothing and waits for nothing. `token` is that of the grant; `None` if none was seen.
    ///
    /// # Errors
    /// Those of every method; what the claim may hold then lapses within one TTL.
    async fn release(&self, claim: &Claim, token: Option<FencingToken>) -> Result<Released>;

    /// Waits in line. The lease may be under another owner than `claim`'s, where that one had to be given up on the way, or
    /// was released before.
    ///
    /// Zero is one attempt. Outages are waited out until the timeout.
    ///
    /// Provided: adaptive polling with jitter, 5 to 250 ms. An attempt in flight at the timeout is abandoned, and
    /// [`Locks`] releases what it may take.
    ///
    /// # Errors
    /// `LockTimeout` at the timeout where the last answer was "held"; the last attempt's error where it got none, with an
    /// unknown outcome if that of an earlier attempt is not known; and those of every method but `Timeout` and `Unavailable`.
    async fn acquire(&self, claim: &Claim, timeout: Duration) -> Result<Lease> {
        let deadline = BootInstant::now().after(timeout);
        let mut pause = Duration::from_millis(5);
        let mut claim = claim.clone();
        // An attempt that got no answer may have taken the name.
        let mut unheard = false;
        loop {
            // A grant that came too late was released, and its claim died with that.
            if claim.is_dead() {
                claim = claim.renamed();
            }
            let answer = tokio::select! {
                biased;
                answer = self.try_acquire(&claim) => answer,
                () = clock::sleep_until(deadline), if !timeout.is_zero() => {
                    Err(Error::Timeout { after: timeout, outcome: Outcome::Unknown { settled: false } })
                }
            };
            let last = match answer.map_err(|error| if unheard { error.after_unheard() } else { error }) {
                Ok(Some(lease)) => return Ok(lease),
                Ok(None) => Error::LockTimeout { key: claim.key().into(), waited: timeout },
                Err(error @ (Error::Timeout { .. } | Error::Unavailable { .. })) => {
                    unheard |= error.outcome() != Outcome::NotApplied;
                    error
                }
                Err(error) => return Err(error),
            };
            // Half of the pause is certain, so that a crowd does not poll in a burst.
            let next = BootInstant::now().after(pause / 2 + random::up_to(pause / 2));
            clock::sleep_until(next.min(deadline)).await;
            if deadline.has_passed() {
                return Err(last);
            }
            pause = (pause * 2).min(Duration::from_millis(250));
        }
    }

    /// One outcome per lease, in order: what the keeper of guards calls.
    ///
    /// Provided: one `renew` each.
    ///
    /// # Errors
    /// For each lease those of [`renew`](Self::renew).
    async fn renew_many(&self, leases: &[&Lease]) -> Vec<Result<Lease>> {
        let mut renewed = Vec::with_capacity(leases.len());
        for lease in leases {
            renewed.push(self.renew(lease).await);
        }
        renewed
    }

    /// Who holds the name now: the token and what is left of the lease by the server's clock, never the owner.
    ///
    /// Provided: `Unsupported`.
    ///
    /// # Errors
    /// `InvalidKey`; `Unsupported` where `capabilities().inspection` is false; and those of every method.
    async fn holder(&self, name: &str) -> Result<Option<Held>> {
        let _ = name;
        Err(Error::unsupported("holder"))
    }

    /// Says that this lease is to run out by itself: closing the backend then leaves it, where it would release it.
    ///
    /// Provided: nothing, for backends whose `close` releases nothing.
    fn leave(&self, lease: &Lease) {
        let _ = lease;
    }
}

macro_rules! pointer {
    ($ptr:ident) => {
        impl<L: Lock + ?Sized> Lock for $ptr<L> {
            fn capabilities(&self) -> LockCapabilities {
                (**self).capabilities()
            }
            forward!(try_acquire<'c>(claim: &'c Claim) -> Result<Option<Lease>>);
            forward!(renew<'c>(lease: &'c Lease) -> Result<Lease>);
            forward!(release<'c>(claim: &'c Claim, token: Option<FencingToken>) -> Result<Released>);
            forward!(acquire<'c>(claim: &'c Claim, timeout: Duration) -> Result<Lease>);
            forward!(renew_many<'c, 'd>(leases: &'c [&'d Lease]) -> Vec<Result<Lease>>);
            forward!(holder<'k>(name: &'k str) -> Result<Option<Held>>);
            fn leave(&self, lease: &Lease) {
                (**self).leave(lease);
            }
        }
    };
}
pointer!(Arc);
pointer!(Box);

/// What a lock promises. Exhaustive, as [`StateCapabilities`](crate::StateCapabilities).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LockCapabilities {
    /// How long tokens keep increasing.
    pub fencing: Fencing,
    /// What exclusion survives.
    pub survives: Survives,
    /// The server may drop a live lease: the lock is advisory.
    pub evictable: bool,
    /// Waiters are served in order.
    pub fair: bool,
    /// Waiters are woken, not polling.
    pub notifies: bool,
    /// `holder` is there.
    pub inspection: bool,
    /// Whose clock decides what is expired.
    pub clock: ClockSource,
    /// The longest TTL; a longer one is `InvalidArgument`.
    pub max_ttl: Duration,
    /// TTLs are rounded up to a multiple of this, and may last this much longer.
    pub ttl_granularity: Duration,
}

impl LockCapabilities {
    /// Promises nothing but exclusion while nothing fails.
    pub const NONE: Self = Self {
        fencing: Fencing::Volatile,
        survives: Survives::Nothing,
        evictable: true,
        fair: false,
        notifies: false,
        inspection: false,
        clock: ClockSource::Server,
        max_ttl: Ttl::MAX,
        ttl_granularity: MILLISECOND,
    };
}

/// How long fencing tokens of a name keep increasing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fencing {
    /// Across restarts of the server.
    Durable,
    /// Across restarts and loss of the data, as long as the server's clock does not go back.
    ClockSeeded,
    /// Not across loss of the record.
    Volatile,
}
