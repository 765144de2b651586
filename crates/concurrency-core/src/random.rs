//! The one place where this library gets randomness.

use std::time::Duration;

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
