//! The one place where this library gets randomness.

use std::{hash::BuildHasher, time::Duration};

#[cfg(feature = "simulation")]
use foldhash::SharedSeed;
use foldhash::fast::{FoldHasher, SeedableRandomState};

/// Sixteen random bytes from the operating system.
///
/// # Panics
/// If the operating system has no randomness to give; nothing that needs unguessable tokens can go on then.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is the seam")]
pub fn bytes() -> [u8; 16] {
    #[cfg(feature = "simulation")]
    if let Some(bytes) = simulation::bytes() {
        return bytes;
    }
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives randomness");
    bytes
}

/// A random duration from zero up to `limit`, both included: full jitter.
#[must_use]
pub fn up_to(limit: Duration) -> Duration {
    let [a, b, c, d, e, f, g, h, ..] = bytes();
    let random = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
    // The bias of the remainder is below 2^-20 for every limit under an hour.
    Duration::from_nanos(nanos.checked_add(1).map_or(random, |bound| random % bound))
}

/// How hash tables and caches that hold keys of strangers hash them: fast (foldhash), and seeded at random, so that nobody
/// can prepare keys that all fall into one place.
#[derive(Clone)]
pub struct Hashing(SeedableRandomState);

impl Hashing {
    /// With a seed of its own.
    #[must_use]
    pub fn new() -> Self {
        #[cfg(feature = "simulation")]
        if let Some(bytes) = simulation::bytes() {
            let [a, b, c, d, e, f, g, h, ..] = bytes;
            let seed = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
            return Self(SeedableRandomState::with_seed(seed, SharedSeed::global_fixed()));
        }
        Self(SeedableRandomState::random())
    }
}

impl Default for Hashing {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Hashing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hashing(..)")
    }
}

impl BuildHasher for Hashing {
    type Hasher = FoldHasher<'static>;

    #[inline]
    fn build_hasher(&self) -> Self::Hasher {
        self.0.build_hasher()
    }
}

#[cfg(feature = "simulation")]
pub(crate) use simulation::simulate;

#[cfg(feature = "simulation")]
mod simulation {
    use std::cell::RefCell;

    thread_local! {
        static SEEDED: RefCell<Option<fastrand::Rng>> = const { RefCell::new(None) };
    }

    pub(crate) fn simulate(seed: Option<u64>) {
        SEEDED.set(seed.map(fastrand::Rng::with_seed));
    }

    pub(super) fn bytes() -> Option<[u8; 16]> {
        SEEDED.with_borrow_mut(|rng| rng.as_mut().map(|rng| rng.u128(..).to_le_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_its_limit() {
        assert_eq!(up_to(Duration::ZERO), Duration::ZERO);
        assert!((0..1000).all(|_| up_to(Duration::from_millis(3)) <= Duration::from_millis(3)));
        assert_ne!(bytes(), bytes());
    }
}
