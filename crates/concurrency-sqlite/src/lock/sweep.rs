//! Removing records of names that nobody has used for long, and what dead processes left behind. Garbage collection: none of it
//! counts any more.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use concurrency_core::{clock::BootInstant, random};
use rusqlite::Connection;

use super::table::Moment;
use crate::{error::Fault, moment};

/// How long a record is kept after the last use of its name, in milliseconds: seven days. A token of a later grant is above
/// those of the record, because it is not below the clock.
const KEPT: i64 = 7 * 86_400_000;
/// The pause of each client, and half as much again at random.
const PAUSE: Duration = Duration::from_secs(60);
/// The most rows at a time.
const ROWS: i64 = 200;

/// When it is time again, in nanoseconds since the boot.
#[derive(Debug)]
pub(super) struct Sweep(AtomicI64);

impl Sweep {
    pub(super) fn new() -> Self {
        Self(AtomicI64::new(next()))
    }

    /// Inside a transaction of somebody else's step.
    pub(super) fn now_and_then(&self, connection: &Connection, now: Moment) -> Result<(), Fault> {
        if now.nanos < self.0.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.0.store(next(), Ordering::Relaxed);
        sweep(connection, now)
    }
}

fn next() -> i64 {
    let at = BootInstant::now().after(PAUSE + random::up_to(PAUSE / 2));
    i64::try_from(at.since_boot().as_nanos()).unwrap_or(i64::MAX)
}

pub(super) fn sweep(connection: &Connection, Moment { boot, nanos }: Moment) -> Result<(), Fault> {
    const IDLE: &str = "DELETE FROM concurrency_locks WHERE (namespace, name) IN (SELECT namespace, name \
        FROM concurrency_locks WHERE used <= ?1 AND (owner IS NULL OR boot <> ?2 OR expires <= ?3) LIMIT ?4)";
    const LAPSED: &str = "UPDATE concurrency_locks SET handed = 0 WHERE handed = 1 AND (boot <> ?1 OR expires <= ?2)";
    const DEAD: &str = "DELETE FROM concurrency_lock_queue WHERE (namespace, name, place) IN (SELECT namespace, name, place \
        FROM concurrency_lock_queue WHERE boot <> ?1 OR counts_until <= ?2 LIMIT ?3)";
    let idle_since = moment::now(connection)? - KEPT;
    connection.prepare_cached(IDLE)?.execute((idle_since, boot, nanos, ROWS))?;
    connection.prepare_cached(LAPSED)?.execute((boot, nanos))?;
    connection.prepare_cached(DEAD)?.execute((boot, nanos, ROWS))?;
    Ok(())
}
