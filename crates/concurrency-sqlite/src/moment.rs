//! Time: the wall clock of the host as SQLite reads it, and what tells one boot of the machine from another.

use std::{sync::OnceLock, time::Duration};

use concurrency_core::Ttl;
use rusqlite::Connection;

use crate::error::Fault;

/// An instant of the host's wall clock in whole milliseconds since 1970, as it is stored.
pub(crate) type Millis = i64;

/// Now, rounded down. Asked once per request, so that a request judges everything by one instant.
pub(crate) fn now(connection: &Connection) -> Result<Millis, Fault> {
    let mut statement = connection.prepare_cached("SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER)")?;
    Ok(statement.query_row((), |row| row.get(0))?)
}

/// When something ends that begins now: a millisecond later than its TTL says, because `now` is rounded down and nothing may
/// end early.
pub(crate) fn deadline(now: Millis, ttl: Ttl) -> Millis {
    // Ten years of milliseconds fit many times.
    now.saturating_add_unsigned(ttl.as_millis()).saturating_add(1)
}

/// What is left until a deadline, rounded up: up to a millisecond more than the TTL was, never nothing for what is live.
pub(crate) fn remaining(deadline: Millis, now: Millis) -> Duration {
    Duration::from_millis(u64::try_from(deadline.saturating_sub(now)).unwrap_or(0))
}

/// What tells this boot of the machine from all others: the boot clock counts from there, so that an instant of it is stored
/// beside this. `None` where the system does not say (other than Linux).
pub(crate) fn boot_id() -> Option<[u8; 16]> {
    static ID: OnceLock<Option<[u8; 16]>> = OnceLock::new();
    *ID.get_or_init(|| parse(&std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?))
}

fn parse(uuid: &str) -> Option<[u8; 16]> {
    let hex: String = uuid.trim().chars().filter(|c| *c != '-').collect();
    if hex.len() != 32 {
        return None;
    }
    Some(u128::from_str_radix(&hex, 16).ok()?.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_early_nor_shows_less_than_is_left() {
        let ttl = Ttl::new(Duration::from_millis(5)).unwrap();
        // Written at 10.9 ms, which reads as 10: live until 15.9 at least, so at 15 it is.
        assert!(15 < deadline(10, ttl));
        assert_eq!(remaining(deadline(10, ttl), 10), Duration::from_millis(6));
        assert_eq!(remaining(deadline(10, ttl), 15), Duration::from_millis(1));
        assert_eq!(remaining(deadline(10, ttl), 17), Duration::ZERO);
    }

    #[test]
    fn now_is_the_hosts_wall_clock() {
        let connection = Connection::open_in_memory().unwrap();
        let wall = || {
            let since = concurrency_core::clock::wall().duration_since(std::time::UNIX_EPOCH).unwrap();
            Millis::try_from(since.as_millis()).unwrap()
        };
        let before = wall();
        let now = now(&connection).unwrap();
        assert!((before..=wall()).contains(&now), "{before} {now}");
    }

    #[test]
    fn a_boot_id_is_read_strictly() {
        assert_eq!(parse("00000000-0000-0000-0000-000000000001\n").unwrap()[15], 1);
        assert!(parse("nonsense").is_none() && parse("").is_none());
        #[cfg(target_os = "linux")]
        assert!(boot_id().is_some_and(|id| Some(id) == boot_id()));
    }
}
