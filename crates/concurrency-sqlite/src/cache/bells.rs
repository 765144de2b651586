//! What tells those who wait in one client that a reservation may have ended there.

use std::hash::BuildHasher;

use concurrency_core::random::Hashing;
use tokio::sync::Notify;

/// Keys that share a bell wake each other for nothing.
const BELLS: usize = 64;

/// Bells for all keys of a client.
#[derive(Debug)]
pub(crate) struct Bells {
    bells: [Notify; BELLS],
    bell_of: Hashing,
}

impl Bells {
    pub(crate) fn new() -> Self {
        Self { bells: std::array::from_fn(|_| Notify::new()), bell_of: Hashing::new() }
    }

    pub(super) fn of(&self, namespace: &str, key: &str) -> &Notify {
        let hash = self.bell_of.hash_one((namespace, key));
        let bell = usize::try_from(hash % BELLS as u64).expect("it is below 64");
        &self.bells[bell]
    }

    pub(super) fn ring(&self, namespace: &str, key: &str) {
        self.of(namespace, key).notify_waiters();
    }

    pub(super) fn ring_all(&self) {
        self.bells.iter().for_each(Notify::notify_waiters);
    }
}
