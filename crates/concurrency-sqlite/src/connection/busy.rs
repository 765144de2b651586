//! Waiting for somebody else's lock on the file.
//!
//! SQLite's own handler sleeps for up to 100 ms at a time, which starves processes: of four under load one did 94,000 writes a
//! second and another 2,000, waiting for up to 1.5 s. Naps of 0.1 to 0.4 ms shared the file evenly, with a longest wait of 50 ms.

use std::{
    cell::{Cell, RefCell},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use concurrency_core::{clock::BootInstant, random};

const SHORTEST: Duration = Duration::from_micros(100);
const SPREAD: Duration = Duration::from_micros(300);

thread_local! {
    /// Until when this thread waits; it does not unless it is told to.
    static DEADLINE: Cell<Option<BootInstant>> = const { Cell::new(None) };
    /// Where this thread says that it waits, while it does.
    static WAITING: RefCell<Option<Waiting>> = const { RefCell::new(None) };
}

struct Waiting {
    blocked: Arc<AtomicUsize>,
    counted: bool,
}

/// What every connection has for a busy handler: naps, or gives up.
pub(super) fn nap(_: i32) -> bool {
    if DEADLINE.get().is_none_or(BootInstant::has_passed) {
        return false;
    }
    WAITING.with_borrow_mut(|waiting| {
        if let Some(waiting) = waiting.as_mut().filter(|waiting| !waiting.counted) {
            waiting.counted = true;
            waiting.blocked.fetch_add(1, Ordering::AcqRel);
        }
    });
    std::thread::sleep(SHORTEST + random::up_to(SPREAD));
    true
}

/// Does `work`, waiting for locks until `deadline`, and counted in `blocked` while it waits. For threads of our own only: it
/// blocks.
pub(super) fn until<R>(deadline: BootInstant, blocked: &Arc<AtomicUsize>, work: impl FnOnce() -> R) -> R {
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            DEADLINE.set(None);
            if let Some(Waiting { blocked, counted: true }) = WAITING.take() {
                blocked.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }
    let _reset = Reset;
    DEADLINE.set(Some(deadline));
    WAITING.set(Some(Waiting { blocked: Arc::clone(blocked), counted: false }));
    work()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_only_where_it_is_told_to_and_only_until_the_deadline() {
        let blocked = Arc::new(AtomicUsize::new(0));
        assert!(!nap(0));
        let start = BootInstant::now();
        let deadline = start.after(Duration::from_millis(5));
        until(deadline, &blocked, || {
            while nap(0) {
                assert_eq!(blocked.load(Ordering::Acquire), 1);
            }
        });
        assert!(deadline.has_passed());
        assert_eq!(blocked.load(Ordering::Acquire), 0);
        assert!(!nap(0));
    }
}
