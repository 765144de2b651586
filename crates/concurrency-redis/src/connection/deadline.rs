//! When a call ends.

use std::time::Duration;

use concurrency_core::clock::BootInstant;

/// The end of a call, its repeats included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    pub(crate) at: BootInstant,
    /// The time that it was given.
    pub(crate) limit: Duration,
}

impl Deadline {
    /// So much from now.
    pub(crate) fn after(limit: Duration) -> Self {
        Self { at: BootInstant::now().after(limit), limit }
    }

    pub(crate) fn has_passed(self) -> bool {
        self.at.has_passed()
    }
}
