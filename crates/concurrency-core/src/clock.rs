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
pub struct BootInstant(u64);

/// Nanoseconds, at most 584 years of them.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl BootInstant {
    /// Later than every instant that a clock reaches: a deadline that never comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// Now.
    #[must_use]
    pub fn now() -> Self {
        #[cfg(feature = "simulation")]
        if let Some(now) = simulation::now() {
            return now;
        }
        Self(system::since_boot())
    }

    /// An instant that has passed, at most [`ROUGH`] ago. Costs a quarter of [`now`](Self::now).
    #[inline]
    fn roughly_now() -> Self {
        #[cfg(feature = "simulation")]
        if let Some(now) = simulation::now() {
            return now;
        }
        Self(system::roughly_since_boot())
    }

    /// As [`has_passed`](Self::has_passed), for hot paths: while the instant is more than 100 ms ahead, which is nearly
    /// always, the answer costs a look at the kernel's last tick (measured: 5 ns instead of 22).
    #[must_use]
    #[inline]
    pub fn has_passed_fast(self) -> bool {
        has_passed_fast(self, 0, Self::now)
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
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Later by this much.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(nanos(by)))
    }

    /// Earlier by this much, at most back to the boot.
    #[must_use]
    pub fn before(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(by)))
    }

    /// The time since the boot, for those who store it beside a boot id.
    #[must_use]
    pub fn since_boot(self) -> Duration {
        Duration::from_nanos(self.0)
    }
}

/// How far [`BootInstant::roughly_now`] may lie behind: the kernel makes up for a tick (4 ms, at most 10) that did not come
/// within five ticks, and this is twice that.
const ROUGH: u64 = 100_000_000;

/// Asks the exact clock only where the rough one leaves a doubt.
#[inline]
fn has_passed_fast(deadline: BootInstant, ahead: u64, exact: impl FnOnce() -> BootInstant) -> bool {
    if deadline == BootInstant::NEVER {
        return false;
    }
    let latest = BootInstant::roughly_now().0.saturating_add(ahead).saturating_add(ROUGH);
    latest >= deadline.0 && exact() >= deadline
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

    /// Whether this clock has reached `deadline`, for hot paths: see [`BootInstant::has_passed_fast`].
    #[must_use]
    #[inline]
    pub fn has_reached(&self, deadline: BootInstant) -> bool {
        has_passed_fast(deadline, self.ahead.nanos.load(Ordering::Acquire), || self.now())
    }

    /// How far it was pushed ahead of the boot clock.
    #[must_use]
    pub fn ahead(&self) -> Duration {
        Duration::from_nanos(self.ahead.nanos.load(Ordering::Acquire))
    }

    /// Pushes this clock ahead and wakes whoever sleeps by it. At most 584 years in all.
    pub fn advance(&self, by: Duration) {
        let by = nanos(by);
        self.ahead
            .nanos
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |ahead| Some(ahead.saturating_add(by)))
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
    use std::sync::atomic::{AtomicU64, Ordering};

    use rustix::time::{ClockId, clock_gettime};

    pub(super) fn since_boot() -> u64 {
        read(ClockId::Boottime)
    }

    // `SEEN == t` implies that `BOOT` was read after tick t began: `BOOT` is written first, and never goes back.
    static SEEN: AtomicU64 = AtomicU64::new(u64::MAX);
    static BOOT: AtomicU64 = AtomicU64::new(0);

    /// The boot clock as it was read first in the kernel's present tick, by whichever thread.
    ///
    /// The coarse monotonic clock only says whether a new tick began; it does not count suspended time itself. No thread
    /// sees one tick both before and after a suspend: threads are frozen long before it and thawed long after it, and ticks
    /// pass in between. So the first look after a suspend reads the boot clock anew.
    #[inline]
    pub(super) fn roughly_since_boot() -> u64 {
        let tick = read(ClockId::MonotonicCoarse);
        if SEEN.load(Ordering::Acquire) != tick {
            look_again(tick);
        }
        BOOT.load(Ordering::Acquire)
    }

    #[cold]
    fn look_again(tick: u64) {
        BOOT.fetch_max(since_boot(), Ordering::AcqRel);
        SEEN.store(tick, Ordering::Release);
    }

    #[inline]
    fn read(clock: ClockId) -> u64 {
        let now = clock_gettime(clock);
        // Never negative on a clock that starts at zero; 584 years fit.
        now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::{sync::LazyLock, time::Instant};

    #[allow(clippy::disallowed_methods, reason = "this is the seam")]
    pub(super) fn since_boot() -> u64 {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        super::nanos(START.elapsed())
    }

    pub(super) fn roughly_since_boot() -> u64 {
        since_boot()
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
            BootInstant(super::nanos(Duration::from_secs(86_400) + since))
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

    #[test]
    fn the_rough_clock_is_behind_by_little_and_never_ahead() {
        for _ in 0..10_000 {
            let before = BootInstant::now();
            let rough = BootInstant::roughly_now();
            assert!(rough <= BootInstant::now());
            assert!(before.since(rough) <= Duration::from_nanos(ROUGH), "{:?}", before.since(rough));
        }
    }

    #[test]
    fn the_fast_answer_is_the_exact_one() {
        let clock = Clock::new();
        for millis in [0, 1, 50, 99, 101, 1000] {
            let deadline = clock.now().after(Duration::from_millis(millis));
            let before = clock.now() >= deadline;
            let fast = clock.has_reached(deadline);
            assert!(fast == before || fast == (clock.now() >= deadline), "{millis}");
        }
        let deadline = clock.now().after(Duration::from_secs(3600));
        assert!(!clock.has_reached(deadline) && !deadline.has_passed_fast());
        clock.advance(Duration::from_secs(3600));
        assert!(clock.has_reached(deadline) && !deadline.has_passed_fast());
        clock.advance(Duration::MAX);
        assert!(!clock.has_reached(BootInstant::NEVER));
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
