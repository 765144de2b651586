//! Times to live, checked once.

use std::time::Duration;

use crate::{Error, Result};

/// A time to live between 1 ms and ten years, in whole milliseconds. Callers write `Duration`; backends get this.
/// ```
/// use std::time::Duration;
/// use concurrency_core::Ttl;
///
/// assert_eq!(Ttl::new(Duration::from_nanos(1))?.as_millis(), 1);
/// assert!(Ttl::new(Duration::ZERO).is_err());
/// # Ok::<_, concurrency_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ttl(u64);

impl Ttl {
    /// Ten years of 365.25 days.
    pub const MAX: Duration = Duration::from_secs(315_576_000);

    /// Rounds up to whole milliseconds.
    ///
    /// # Errors
    /// `InvalidArgument` for zero and for more than ten years.
    pub fn new(ttl: Duration) -> Result<Self> {
        if ttl.is_zero() || ttl > Self::MAX {
            return Err(Error::invalid("TTL", "more than zero, at most ten years"));
        }
        let millis = ttl.as_nanos().div_ceil(1_000_000);
        Ok(Self(u64::try_from(millis).expect("ten years fit")))
    }

    /// Milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Rounded up to whole seconds, for backends that know no less.
    #[must_use]
    pub const fn as_secs_ceil(self) -> u64 {
        self.0.div_ceil(1000)
    }

    /// As a duration.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl From<Ttl> for Duration {
    fn from(ttl: Ttl) -> Self {
        ttl.as_duration()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_up_and_is_bounded() {
        assert_eq!(Ttl::new(Duration::from_micros(1001)).unwrap().as_millis(), 2);
        assert_eq!(Ttl::new(Duration::from_millis(1001)).unwrap().as_secs_ceil(), 2);
        assert_eq!(Ttl::new(Ttl::MAX).unwrap().as_duration(), Ttl::MAX);
        assert!(Ttl::new(Ttl::MAX + Duration::from_nanos(1)).is_err());
    }
}
