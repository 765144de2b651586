//! How long to wait before trying again.

use std::time::Duration;

use crate::{clock::BootInstant, random};

/// Pauses with full jitter: the limit doubles from 1 ms to 64 ms, and each pause is drawn from zero to the limit.
///
/// Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. Without the jitter, four tasks that repeat a
/// compare-and-swap on one key starve one another.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    attempt: u32,
}

impl Backoff {
    /// The first pause is up to 1 ms.
    #[must_use]
    pub const fn new() -> Self {
        Self { attempt: 0 }
    }

    /// The next pause.
    pub fn pause(&mut self) -> Duration {
        let limit = Duration::from_millis(1 << self.attempt.min(6));
        self.attempt = self.attempt.saturating_add(1);
        random::up_to(limit)
    }

    /// Sleeps for the next pause; false, at once, if that would reach `deadline`.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect but that the next pause may be longer.
    pub async fn sleep_before(&mut self, deadline: BootInstant) -> bool {
        let pause = self.pause();
        if BootInstant::now().after(pause) >= deadline {
            return false;
        }
        tokio::time::sleep(pause).await;
        true
    }
}
