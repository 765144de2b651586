//! What tasks have seen, and what they share.

use std::{
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use concurrency_core::{Error, Result, clock::BootInstant};
use tokio::sync::watch;

use super::{
    Seen,
    lock::{Guarded, Holder},
    log::Appends,
};

/// What one task has seen since it was asked last.
#[derive(Debug)]
pub(super) struct Progress {
    turns: AtomicUsize,
    unanswered: AtomicUsize,
    lost: AtomicUsize,
    /// The longest time without a success, and when the last one was, in milliseconds.
    longest: AtomicU64,
    last: AtomicU64,
    /// Why the last turn without an answer had none.
    why: Mutex<Option<Error>>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            turns: AtomicUsize::new(0),
            unanswered: AtomicUsize::new(0),
            lost: AtomicUsize::new(0),
            longest: AtomicU64::new(0),
            last: AtomicU64::new(milliseconds(BootInstant::now())),
            why: Mutex::new(None),
        }
    }

    pub(super) fn succeeded(&self) {
        let now = milliseconds(BootInstant::now());
        self.longest.fetch_max(now.saturating_sub(self.last.swap(now, Ordering::AcqRel)), Ordering::AcqRel);
        self.turns.fetch_add(1, Ordering::AcqRel);
    }

    /// So much is gone that was acknowledged.
    pub(super) fn lost(&self, count: usize) {
        self.lost.fetch_add(count, Ordering::AcqRel);
    }

    /// A turn ended so.
    pub(super) fn ended(&self, turn: Result<()>) {
        match turn {
            Ok(()) => self.succeeded(),
            Err(error) => self.had_no_answer(error),
        }
    }

    pub(super) fn had_no_answer(&self, error: Error) {
        assert!(is_outage(&error), "a call ended with {error:?}");
        *locked(&self.why) = Some(error);
        self.unanswered.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn turns(&self) -> usize {
        self.turns.load(Ordering::Acquire)
    }

    /// As that of a task on this component; from now on all of it is nothing again.
    pub(super) fn take(&self, what: &'static str) -> Seen {
        Seen {
            what,
            without: Duration::from_millis(self.longest.swap(0, Ordering::AcqRel)),
            unanswered: self.unanswered.swap(0, Ordering::AcqRel),
            lost: self.lost.swap(0, Ordering::AcqRel),
        }
    }
}

/// Where it is.
impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ago = milliseconds(BootInstant::now()).saturating_sub(self.last.load(Ordering::Acquire));
        write!(f, "{} turns, the last {ago} ms ago, {:?}", self.turns(), locked(&self.why))
    }
}

/// Whether a call may end so because of its server.
pub(super) fn is_outage(error: &Error) -> bool {
    matches!(error, Error::Unavailable { .. } | Error::Timeout { .. })
}

fn milliseconds(instant: BootInstant) -> u64 {
    u64::try_from(instant.since_boot().as_millis()).unwrap_or(u64::MAX)
}

/// Nothing here is left half changed by who panics.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What all tasks share.
#[derive(Debug)]
pub(super) struct Shared {
    is_over: watch::Sender<bool>,
    /// Whether the one who can hold on holds its lease on.
    pub(super) holds_on: watch::Sender<bool>,
    /// What is held for moments, and what is held on.
    guarded: [Guarded; 2],
    pub(super) appends: Appends,
}

impl Shared {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            is_over: watch::Sender::new(false),
            holds_on: watch::Sender::new(false),
            guarded: [Guarded::new("k")?, Guarded::new("held on")?],
            appends: Appends::default(),
        })
    }

    /// What such a holder guards.
    pub(super) fn guarded(&self, holder: Holder) -> &Guarded {
        &self.guarded[usize::from(holder != Holder::OfMany)]
    }

    /// Leases that were granted while another one of the name was still good.
    pub(super) fn held_twice(&self) -> usize {
        self.guarded.iter().map(Guarded::held_twice).sum()
    }

    /// Writes of holders that were refused because a later one had written.
    pub(super) fn caught(&self) -> usize {
        self.guarded.iter().map(Guarded::caught).sum()
    }

    /// Tells all to end.
    pub(super) fn end(&self) {
        self.is_over.send_replace(true);
        self.holds_on.send_replace(false);
    }

    pub(super) fn is_over(&self) -> bool {
        *self.is_over.borrow()
    }

    /// Returns when all are to end.
    pub(super) async fn over(&self) {
        // Its sender is here.
        drop(self.is_over.subscribe().wait_for(|over| *over).await);
    }
}
