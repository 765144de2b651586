//! Claims, attempts and leases: what makes the holder stop before the server lets somebody else in.
//!
//! A holder's local deadline is `asked + TTL - margin` by the boot clock, read *before* the request was sent. The server's
//! expiry is `arrival + TTL`, and arrival is never before sending, so the holder stops first by at least the margin.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::MIN_LOCK_TTL;
use crate::{Error, Owner, Result, Ttl, check_key, clock::BootInstant};

/// A number that grows with every grant of a name; a store that is given it refuses the work of earlier holders.
///
/// Below 2^53, so that it survives JSON and Lua.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FencingToken(pub u64);

impl FencingToken {
    /// The highest token.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// For backends: itself, where it is one.
    ///
    /// # Errors
    /// `InvalidArgument` for 2^53 and above.
    pub const fn checked(self) -> Result<Self> {
        if self.0 <= Self::MAX.0 {
            return Ok(self);
        }
        let why = std::borrow::Cow::Borrowed("at most 2^53 - 1");
        Err(Error::InvalidArgument { what: "fencing token", why })
    }
}

impl fmt::Display for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who wants which name for how long; made before anything is sent, and used by every repeat.
///
/// Checked when made, so a backend need not check. Clones are the same claim and die together.
#[derive(Clone)]
pub struct Claim {
    identity: Arc<Identity>,
    ttl: Ttl,
}

struct Identity {
    key: Box<str>,
    owner: Owner,
    /// The last look at the clock before it was sent, in nanoseconds since the boot; 0 before the first.
    asked: AtomicU64,
    /// Set for good when a release is sent.
    dead: AtomicBool,
}

impl Identity {
    fn new(key: &str, owner: Owner, asked: u64) -> Arc<Self> {
        Arc::new(Self { key: key.into(), owner, asked: AtomicU64::new(asked), dead: AtomicBool::new(false) })
    }

    /// Something is about to be sent, and the clock was read before.
    fn asks(&self, now: BootInstant) {
        let nanos = u64::try_from(now.since_boot().as_nanos()).unwrap_or(u64::MAX);
        self.asked.fetch_max(nanos, Ordering::Relaxed);
    }
}

impl Claim {
    /// A claim of a fresh owner.
    ///
    /// # Errors
    /// `InvalidKey`; `InvalidArgument` for a TTL below 100 ms or above ten years.
    pub fn new(key: &str, ttl: Duration) -> Result<Self> {
        check_key(key)?;
        if ttl < MIN_LOCK_TTL {
            return Err(Error::invalid("TTL", "a lock's is at least 100 ms"));
        }
        Ok(Self::fresh(key, Ttl::new(ttl)?))
    }

    fn fresh(key: &str, ttl: Ttl) -> Self {
        Self { identity: Identity::new(key, Owner::mint(), 0), ttl }
    }

    /// For tests over several processes: the claim that another process of this machine made.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    #[cfg(feature = "simulation")]
    #[doc(hidden)]
    pub fn made_elsewhere(key: &str, owner: Owner, ttl: Duration) -> Result<Self> {
        let claim = Self::new(key, ttl)?;
        Ok(Self { identity: Identity::new(key, owner, 1), ..claim })
    }

    /// The same name and TTL under a fresh owner, once a release of this claim was sent.
    #[must_use]
    pub fn renamed(&self) -> Self {
        Self::fresh(self.key(), self.ttl)
    }

    /// The name.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.identity.key
    }

    /// The owner.
    #[must_use]
    pub fn owner(&self) -> Owner {
        self.identity.owner
    }

    /// The time to live.
    #[must_use]
    pub const fn ttl(&self) -> Ttl {
        self.ttl
    }

    /// For backends: a release of this claim is about to be sent. From now on nothing else is sent for it.
    pub fn die(&self) {
        self.identity.dead.store(true, Ordering::Release);
    }

    /// Whether a release of it was sent.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.identity.dead.load(Ordering::Acquire)
    }

    /// For backends: call it before anything but a release is sent.
    ///
    /// # Errors
    /// `LeaseLost` once a release of this claim was sent.
    pub fn check_alive(&self) -> Result<()> {
        if self.is_dead() { Err(Error::lease_lost(self.key())) } else { Ok(()) }
    }

    /// For backends: whether it may hold something, since [`attempt`](Self::attempt) was called for it or for a clone.
    #[must_use]
    pub fn was_sent(&self) -> bool {
        self.identity.asked.load(Ordering::Relaxed) > 0
    }

    /// For backends: whether all that it can hold has lapsed, going by when it was sent last.
    #[must_use]
    pub fn has_lapsed(&self) -> bool {
        let asked = Duration::from_nanos(self.identity.asked.load(Ordering::Relaxed));
        BootInstant::now().before(self.ttl.as_duration()).since_boot() >= asked
    }

    /// For backends: looks at the clock; call it before sending. The only way to a [`Lease`].
    pub fn attempt(&self) -> Attempt<'_> {
        let asked = BootInstant::now();
        self.identity.asks(asked);
        Attempt { claim: self, asked }
    }
}

impl PartialEq for Claim {
    fn eq(&self, other: &Self) -> bool {
        self.owner() == other.owner() && self.key() == other.key() && self.ttl == other.ttl
    }
}

impl Eq for Claim {}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("key", &self.key()).field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

/// What is taken off a TTL so that the holder stops first: 10 ms and 1 % of it.
#[must_use]
pub const fn margin(ttl: Ttl) -> Duration {
    Duration::from_micros(10_000 + ttl.as_millis() * 10)
}

/// A request for a grant that is about to be sent.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Attempt<'a> {
    claim: &'a Claim,
    asked: BootInstant,
}

impl Attempt<'_> {
    /// The server granted it for the claim's TTL, under this token. `None` where the answer came past the lease's own local
    /// deadline: release the claim, and count it as not granted.
    #[must_use = "a late grant must be released"]
    pub fn granted(self, token: FencingToken) -> Option<Lease> {
        self.granted_for(token, self.claim.ttl.as_duration())
    }

    /// As [`granted`](Self::granted), where the server gave it for `valid` only, as in a hand-over: the deadline is not later
    /// than `valid` after the request was sent, less the margin of that time, nor than the claim's own.
    #[must_use = "a late grant must be released"]
    pub fn granted_for(self, token: FencingToken, valid: Duration) -> Option<Lease> {
        let valid = valid.min(self.claim.ttl.as_duration());
        let valid = Ttl::new(valid).ok()?;
        let deadline = self.asked.after(valid.as_duration().saturating_sub(margin(valid)));
        (!deadline.has_passed()).then(|| Lease { claim: self.claim.clone(), token, deadline })
    }
}

/// A grant. Plain data: dropping it releases nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    claim: Claim,
    token: FencingToken,
    deadline: BootInstant,
}

impl Lease {
    /// For tests over several processes: the lease that another process of this machine was granted, and its deadline by the
    /// boot clock, which is one for all of them.
    #[cfg(feature = "simulation")]
    #[doc(hidden)]
    #[must_use]
    pub fn granted_elsewhere(claim: Claim, token: FencingToken, deadline: Duration) -> Self {
        let boot = BootInstant::now().before(Duration::MAX);
        Self { claim, token, deadline: boot.after(deadline) }
    }

    /// Whose it is, to release it with.
    #[must_use]
    pub const fn claim(&self) -> &Claim {
        &self.claim
    }

    /// The name.
    #[must_use]
    pub fn key(&self) -> &str {
        self.claim.key()
    }

    /// To fence writes with.
    #[must_use]
    pub const fn fencing_token(&self) -> FencingToken {
        self.token
    }

    /// Past this the lease counts as lost, whatever the server says.
    #[must_use]
    pub const fn deadline(&self) -> BootInstant {
        self.deadline
    }

    /// Whether the local deadline is still ahead.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        !self.deadline.has_passed()
    }

    /// For backends: looks at the clock; call it before a renewal is sent.
    pub fn renewal(&self) -> Renewal<'_> {
        self.asked_for(BootInstant::now())
    }

    /// For backends: as [`renewal`](Self::renewal), for all that are sent together; one look at the clock.
    #[must_use]
    pub fn renewals<'l>(leases: &[&'l Self]) -> Vec<Renewal<'l>> {
        let now = BootInstant::now();
        leases.iter().map(|lease| lease.asked_for(now)).collect()
    }

    fn asked_for(&self, asked: BootInstant) -> Renewal<'_> {
        self.claim.identity.asks(asked);
        Renewal { lease: self, asked }
    }
}

/// A renewal that is about to be sent.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Renewal<'a> {
    lease: &'a Lease,
    asked: BootInstant,
}

impl Renewal<'_> {
    /// The server moved the expiry. An answer past its own local deadline is ignored, and the deadline never comes forward.
    ///
    /// # Errors
    /// `LeaseLost` where the lease's deadline passed meanwhile: it is lost for good, and no answer revives it.
    pub fn confirmed(self) -> Result<Lease> {
        if !self.lease.is_valid() {
            return Err(Error::lease_lost(self.lease.key()));
        }
        let ttl = self.lease.claim.ttl;
        let renewed = self.asked.after(ttl.as_duration().saturating_sub(margin(ttl)));
        Ok(Lease { deadline: self.lease.deadline.max(renewed), ..self.lease.clone() })
    }
}

/// What a release found. A fact; [`LockGuard::release`](crate::LockGuard::release) makes the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    /// The claim held the name, and holds it no longer.
    Ours,
    /// Nobody held the name.
    NotHeld,
    /// Somebody else holds it.
    HeldByOther,
}

/// Who holds a name, as far as others may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The fencing token of the grant.
    pub token: FencingToken,
    /// What is left of the lease by the server's clock.
    pub remaining: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_claims_cannot_be_made() {
        assert!(matches!(Claim::new("", MIN_LOCK_TTL), Err(Error::InvalidKey { .. })));
        assert!(matches!(Claim::new("k", Duration::from_millis(99)), Err(Error::InvalidArgument { .. })));
        assert!(matches!(Claim::new("k", Ttl::MAX + MIN_LOCK_TTL), Err(Error::InvalidArgument { .. })));
        assert!(Claim::new("k", MIN_LOCK_TTL).is_ok());
        assert!(FencingToken::MAX.checked().is_ok() && FencingToken(1 << 53).checked().is_err());
    }

    #[test]
    fn a_released_claim_is_dead_in_all_its_clones() {
        let claim = Claim::new("k", MIN_LOCK_TTL).unwrap();
        let clone = claim.clone();
        assert!(clone.check_alive().is_ok() && !clone.was_sent());
        drop(claim.attempt().granted(FencingToken(1)));
        assert!(clone.was_sent() && !clone.has_lapsed());
        claim.die();
        assert!(matches!(clone.check_alive(), Err(Error::LeaseLost { .. })));
        let fresh = claim.renamed();
        assert!(!fresh.is_dead() && !fresh.was_sent() && fresh != claim && clone == claim && fresh.key() == "k");
    }

    #[test]
    fn the_holder_stops_a_margin_before_the_ttl() {
        assert_eq!(margin(Ttl::new(Duration::from_secs(10)).unwrap()), Duration::from_millis(110));
        let claim = Claim::new("k", Duration::from_secs(10)).unwrap();
        let asked = BootInstant::now();
        let lease = claim.attempt().granted(FencingToken(1)).unwrap();
        let held = lease.deadline().since(asked);
        assert!(held >= Duration::from_millis(9890) && held < Duration::from_millis(9990), "{held:?}");
    }

    #[test]
    fn a_hand_over_is_never_longer_than_the_claim() {
        let claim = Claim::new("k", Duration::from_secs(1)).unwrap();
        let lease = claim.attempt().granted_for(FencingToken(1), Duration::from_secs(60)).unwrap();
        assert!(lease.deadline().remaining() <= Duration::from_millis(980));
        assert!(claim.attempt().granted_for(FencingToken(1), Duration::ZERO).is_none());
        assert!(claim.attempt().granted_for(FencingToken(1), Duration::from_millis(5)).is_none());
    }
}
