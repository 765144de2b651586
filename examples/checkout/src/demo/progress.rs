//! How far the run is: a bar on a terminal, a line at each quarter elsewhere.

use std::{
    io::{IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use concurrency_core::clock::{self, BootInstant};

use crate::words::grouped;

const WIDTH: usize = 40;

/// Counts orders, for the clients to tell and for the bar to show.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    done: Arc<AtomicUsize>,
    overlapping: Arc<AtomicUsize>,
}

impl Progress {
    /// One more.
    pub fn tick(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// One more repeat that was under way together with the first.
    pub(crate) fn overlapped(&self) {
        self.overlapping.fetch_add(1, Ordering::Relaxed);
    }

    /// How many repeats so far were under way together with the first.
    pub(crate) fn overlapping(&self) -> usize {
        self.overlapping.load(Ordering::Relaxed)
    }

    /// How many so far.
    #[must_use]
    pub fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// Shows it on the standard error until all `of` are done or the future is dropped.
    pub async fn show(&self, of: usize) {
        let terminal = std::io::stderr().is_terminal();
        let mut told = 0;
        while told < of {
            clock::sleep_until(BootInstant::now().after(Duration::from_millis(100))).await;
            let done = self.done().min(of);
            if terminal && done != told {
                let filled = done * WIDTH / of;
                let bar = format!("{}{}", "#".repeat(filled), ".".repeat(WIDTH - filled));
                eprint!("\r[{bar}] {} of {} orders ", grouped(done), grouped(of));
                // A bar that cannot be shown is no reason to stop.
                std::io::stderr().flush().ok();
            } else if !terminal && done * 4 / of > told * 4 / of {
                eprintln!("{} of {} orders", grouped(done), grouped(of));
            }
            told = done;
        }
    }
}

/// Takes the bar away again, once nothing shows it any more.
pub(super) fn clear() {
    if std::io::stderr().is_terminal() {
        eprint!("\r{:1$}\r", "", WIDTH + 40);
    }
}
