//! What tells those who wait in one client that a reservation may have ended.

use std::hash::{BuildHasher, Hash};

use tokio::sync::Notify;

use crate::random::Hashing;

/// Keys that share a bell wake each other for nothing.
const BELLS: usize = 64;

/// For backends: bells for all reservations of a client, by whatever tells one from another.
#[derive(Debug)]
pub struct Bells {
    bells: [Notify; BELLS],
    bell_of: Hashing,
}

impl Bells {
    /// New ones.
    #[must_use]
    pub fn new() -> Self {
        Self { bells: std::array::from_fn(|_| Notify::new()), bell_of: Hashing::new() }
    }

    /// The bell of this reservation, which may be that of others as well.
    pub fn of(&self, reservation: impl Hash) -> &Notify {
        let hash = self.bell_of.hash_one(reservation);
        let bell = usize::try_from(hash % BELLS as u64).expect("it is below 64");
        &self.bells[bell]
    }

    /// Wakes who waits for this reservation.
    pub fn ring(&self, reservation: impl Hash) {
        self.of(reservation).notify_waiters();
    }

    /// Wakes everybody.
    pub fn ring_all(&self) {
        self.bells.iter().for_each(Notify::notify_waiters);
    }
}

impl Default for Bells {
    fn default() -> Self {
        Self::new()
    }
}
