//! Removing what has expired, a little at a time. Garbage collection: what is expired counts as gone long before.

use std::time::Duration;

use concurrency_core::{clock::BootInstant, random};
use rusqlite::Connection;

use crate::{
    error::{Fault, is_busy},
    moment,
    schema::SWEEPS,
};

/// The pause where nothing is left to remove, and half as much again at random, since every process sweeps.
const PAUSE: Duration = Duration::from_secs(1);
/// The most rows of a table in one transaction: about a millisecond of work.
const ROWS: usize = 200;

pub(super) struct Sweeper {
    next: BootInstant,
}

impl Sweeper {
    pub(super) fn new() -> Self {
        Self { next: later() }
    }

    pub(super) fn is_due(&self) -> bool {
        self.next.has_passed()
    }

    /// Not now, whatever comes of this time.
    pub(super) fn postpone(&mut self) {
        self.next = later();
    }

    /// How long the writer may wait for requests.
    pub(super) fn pause(&self) -> Duration {
        self.next.remaining()
    }

    /// Removes some of what has expired, if nobody else holds the file.
    pub(super) fn sweep(&mut self, connection: &Connection) -> Result<(), Fault> {
        let now = moment::now(connection)?;
        let mut needed = Vec::new();
        for sweep in SWEEPS.iter() {
            if connection.prepare_cached(&sweep.is_needed)?.query_row([now], |row| row.get(0))? {
                needed.push(sweep);
            }
        }
        if needed.is_empty() {
            return Ok(());
        }
        match connection.prepare_cached("BEGIN IMMEDIATE")?.execute(()) {
            Ok(_) => {}
            Err(error) if is_busy(&error) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let mut is_more = false;
        for sweep in needed {
            is_more |= connection.prepare_cached(&sweep.remove)?.execute((now, ROWS))? == ROWS;
        }
        connection.prepare_cached("COMMIT")?.execute(())?;
        if is_more {
            self.next = BootInstant::now();
        }
        Ok(())
    }
}

fn later() -> BootInstant {
    BootInstant::now().after(PAUSE + random::up_to(PAUSE / 2))
}
