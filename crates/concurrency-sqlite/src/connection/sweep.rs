//! Removing what has expired, a little at a time. Garbage collection: what is expired counts as gone long before.

use std::time::Duration;

use concurrency_core::{clock::BootInstant, random};
use rusqlite::Connection;

use crate::{
    error::{Fault, is_busy},
    moment,
    schema::{SWEEPS, Sweep},
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

    /// Removes some of what has expired, if nobody else holds the file. Where that is not all, it is due again at once.
    pub(super) fn sweep(&mut self, connection: &Connection) -> Result<(), Fault> {
        let now = moment::now(connection)?;
        let is_needed =
            |sweep: &Sweep| connection.prepare_cached(&sweep.is_needed)?.query_row([now], |row| row.get::<_, bool>(0));
        let mut needed = Vec::new();
        for sweep in SWEEPS.iter() {
            if is_needed(sweep)? {
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
        let (mut removed, mut is_more) = (0, false);
        for sweep in &needed {
            removed += connection.prepare_cached(&sweep.remove)?.execute((now, ROWS))?;
        }
        for sweep in needed {
            is_more |= is_needed(sweep)?;
        }
        connection.prepare_cached("COMMIT")?.execute(())?;
        // Of the same instant: what expires meanwhile is for the next time.
        if is_more && removed > 0 {
            self.next = BootInstant::now();
        }
        Ok(())
    }
}

fn later() -> BootInstant {
    BootInstant::now().after(PAUSE + random::up_to(PAUSE / 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    #[test]
    fn large_rows_go_a_few_at_a_time_and_without_a_pause() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection).unwrap();
        let insert = "INSERT INTO concurrency_state (namespace, key, version, expires, value) \
            VALUES ('n', ?1, zeroblob(16), 1, zeroblob(2097152))";
        for n in 0..20 {
            connection.execute(insert, [[n].as_slice()]).unwrap();
        }
        let (mut sweeper, mut left) = (Sweeper::new(), Vec::new());
        loop {
            sweeper.postpone();
            sweeper.sweep(&connection).unwrap();
            let count = connection.query_row("SELECT count(*) FROM concurrency_state", (), |row| row.get::<_, i64>(0));
            left.push(count.unwrap());
            if !sweeper.is_due() {
                break;
            }
        }
        assert_eq!(left, [12, 4, 0], "16 MiB at a time");
    }
}
