//! Who loads which key: the reservations of a cache, and those who wait for them to end.

use std::{collections::HashMap, fmt, sync::Arc};

use tokio::sync::{Notify, futures::OwnedNotified};

use crate::{clock::BootInstant, random::Hashing};

/// The right to fill one key. Whoever waits for it to end is woken when it is dropped; drop it outside locks.
pub(super) struct Reservation {
    pub(super) token: [u8; 16],
    pub(super) until: BootInstant,
    ended: Arc<Notify>,
}

impl Reservation {
    pub(super) fn new(token: [u8; 16], until: BootInstant) -> Self {
        Self { token, until, ended: Arc::default() }
    }

    /// Wakes when this reservation ends, also if it ends before the first poll.
    pub(super) fn ended(&self) -> OwnedNotified {
        Arc::clone(&self.ended).notified_owned()
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.ended.notify_waiters();
    }
}

/// Reservations by key, a bounded number of them.
pub(super) struct Reservations {
    by_key: HashMap<Box<str>, Reservation, Hashing>,
    /// At how many the lapsed ones are looked for.
    sweep_at: usize,
}

impl Reservations {
    const FIRST_SWEEP: usize = 16;
    /// The most that stand at once; beyond it one is evicted, which ends it.
    const MOST: usize = 1024;

    pub(super) fn new() -> Self {
        Self { by_key: HashMap::with_hasher(Hashing::new()), sweep_at: Self::FIRST_SWEEP }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Reservation> {
        self.by_key.get(key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Reservation> {
        self.by_key.values()
    }

    #[must_use = "dropped outside the lock"]
    pub(super) fn insert(
        &mut self,
        key: &str,
        reservation: Reservation,
        lapsed: impl Fn(&Reservation) -> bool,
    ) -> Vec<Reservation> {
        let mut ended = Vec::new();
        if self.by_key.len() >= self.sweep_at {
            ended.extend(self.by_key.extract_if(|_, reservation| lapsed(reservation)).map(|(_, ended)| ended));
            self.sweep_at = (self.by_key.len() * 2).max(Self::FIRST_SWEEP);
        }
        if self.by_key.len() >= Self::MOST {
            let soonest = self.by_key.iter().min_by_key(|(_, reservation)| reservation.until);
            let soonest = soonest.map(|(key, _)| key.clone()).expect("there are many");
            ended.extend(self.by_key.remove(&soonest));
        }
        ended.extend(self.by_key.insert(key.into(), reservation));
        ended
    }

    #[must_use = "dropped outside the lock"]
    pub(super) fn remove(&mut self, key: &str) -> Option<Reservation> {
        // Nearly always there is none at all, and then the key need not be hashed.
        if self.by_key.is_empty() { None } else { self.by_key.remove(key) }
    }

    #[must_use = "dropped outside the lock"]
    pub(super) fn take(&mut self) -> Vec<Reservation> {
        self.by_key.drain().map(|(_, reservation)| reservation).collect()
    }
}

impl fmt::Debug for Reservations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservations").field("standing", &self.by_key.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn lapsed_ones_go_and_their_number_is_bounded() {
        let mut reservations = Reservations::new();
        let now = BootInstant::now();
        for i in 0..5000 {
            drop(reservations.insert(&i.to_string(), Reservation::new([0; 16], now), |r| r.until <= now));
            assert!(reservations.by_key.len() <= Reservations::FIRST_SWEEP + 1);
        }
        for i in 0..5000 {
            let until = now.after(Duration::from_secs(1 + i));
            drop(reservations.insert(&i.to_string(), Reservation::new([0; 16], until), |r| r.until <= now));
        }
        assert_eq!(reservations.by_key.len(), Reservations::MOST);
        assert!(reservations.get("4999").is_some() && reservations.get("0").is_none());
    }
}
