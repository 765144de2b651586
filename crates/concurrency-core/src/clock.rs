//! The one place where this library reads time.
//!
//! Leases are judged by the boot clock, because it counts the time a machine spends suspended: a laptop that sleeps for an
//! hour must not wake up believing that it still holds a lock of thirty seconds.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::sync::Notify;

/// Local time that goes on while the machine sleeps (`CLOCK_BOOTTIME`; elsewhere than on Linux a monotonic clock).
///
/// Comparable only within one boot of one machine, and never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootInstant(Duration);

impl BootInstant {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        #[cfg(feature = "simulation")]
        if let Some(now) = simulation::now() {
            return now;
        }
        Self(system::since_boot())
    }

    /// What is left until this instant; zero once it has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.since(Self::now())
    }

    /// Whether this instant has passed: now is at it or later.
    #[must_use]
    pub fn has_passed(self) -> bool {
        Self::now() >= self
    }

    /// The time from `earlier` to this instant; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// Later by this much.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }

    /// Earlier by this much, at most back to the boot.
    #[must_use]
    pub fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(by))
    }

    /// The time since the boot, for those who store it beside a boot id.
    #[must_use]
    pub fn since_boot(self) -> Duration {
        self.0
    }
}

/// Returns once the boot clock has reached `deadline`. The timer only wakes; the clock decides.
///
/// # Cancel safety
/// Dropping the future has no effect.
pub async fn sleep_until(deadline: BootInstant) {
    loop {
        let left = deadline.remaining();
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left).await;
    }
}

/// The wall clock, for stamps that people read. Never for deciding anything.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is the seam")]
pub fn wall() -> SystemTime {
    SystemTime::now()
}

/// The clock of a server that lives in this process: the boot clock, which tests may push ahead.
///
/// Clones share what they are pushed by. A [`Memory`](crate::Memory) takes one, so that a test lets an hour pass at once:
/// ```
/// use std::time::Duration;
/// use concurrency_core::clock::Clock;
///
/// let clock = Clock::new();
/// let before = clock.now();
/// clock.advance(Duration::from_secs(3600));
/// assert!(clock.now().since(before) >= Duration::from_secs(3600));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Clock {
    ahead: Arc<Ahead>,
}

#[derive(Debug, Default)]
struct Ahead {
    nanos: AtomicU64,
    moved: Notify,
}

impl Clock {
    /// The boot clock.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Now, by this clock.
    #[must_use]
    pub fn now(&self) -> BootInstant {
        BootInstant::now().after(self.ahead())
    }

    /// How far it was pushed ahead of the boot clock.
    #[must_use]
    pub fn ahead(&self) -> Duration {
        Duration::from_nanos(self.ahead.nanos.load(Ordering::Acquire))
    }

    /// Pushes this clock ahead and wakes whoever sleeps by it. At most 584 years in all.
    pub fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.ahead
            .nanos
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |ahead| Some(ahead.saturating_add(nanos)))
            .expect("the closure never refuses");
        self.ahead.moved.notify_waiters();
    }

    /// Returns once this clock has reached `deadline`.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn sleep_until(&self, deadline: BootInstant) {
        loop {
            let moved = self.ahead.moved.notified();
            tokio::pin!(moved);
            // Registered before the clock is read, so that no push is missed in between.
            moved.as_mut().enable();
            let left = deadline.since(self.now());
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = moved => {}
                () = tokio::time::sleep(left) => {}
            }
        }
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::time::Duration;

    pub(super) fn since_boot() -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        // Both are never negative on a clock that starts at zero.
        Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::{
        sync::LazyLock,
        time::{Duration, Instant},
    };

    #[allow(clippy::disallowed_methods, reason = "this is the seam")]
    pub(super) fn since_boot() -> Duration {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed()
    }
}

#[cfg(feature = "simulation")]
pub use simulation::{Simulation, simulate};

#[cfg(feature = "simulation")]
mod simulation {
    use std::{cell::Cell, marker::PhantomData, time::Duration};

    use super::BootInstant;

    thread_local! {
        static SIMULATED: Cell<bool> = const { Cell::new(false) };
    }

    /// While it lives, time on this thread is tokio's, so that a runtime with paused time holds this library's clock, too,
    /// and randomness on this thread comes from a seed.
    #[derive(Debug)]
    pub struct Simulation {
        not_send: PhantomData<*const ()>,
    }

    /// Begins a simulation on this thread: virtual time, and randomness drawn from `seed`.
    ///
    /// Enter it inside a current-thread runtime with paused time; such a runtime jumps to the next timer when all tasks wait.
    #[must_use]
    pub fn simulate(seed: u64) -> Simulation {
        SIMULATED.set(true);
        crate::random::simulate(Some(seed));
        Simulation { not_send: PhantomData }
    }

    impl Drop for Simulation {
        fn drop(&mut self) {
            SIMULATED.set(false);
            crate::random::simulate(None);
        }
    }

    #[allow(clippy::disallowed_methods, reason = "this is the seam")]
    pub(super) fn now() -> Option<BootInstant> {
        thread_local! {
            // A day after the boot, so that going back a little never meets zero.
            static START: std::time::Instant = std::time::Instant::now() - Duration::from_secs(1);
        }
        SIMULATED.get().then(|| {
            let since = START.with(|start| tokio::time::Instant::now().into_std().saturating_duration_since(*start));
            BootInstant(Duration::from_secs(86_400) + since)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_ordered_and_saturate() {
        let now = BootInstant::now();
        assert!(now.after(Duration::from_secs(1)) > now);
        assert_eq!(now.since(now.after(Duration::from_secs(1))), Duration::ZERO);
        assert!(now.has_passed());
        assert!(now.after(Duration::from_secs(60)).remaining() > Duration::from_secs(59));
        assert_eq!(now.before(Duration::MAX).since_boot(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn advancing_wakes_a_sleeper() {
        let clock = Clock::new();
        let deadline = clock.now().after(Duration::from_secs(3600));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(deadline).await }
        });
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(3600));
        sleeper.await.expect("the sleeper wakes");
    }
}
