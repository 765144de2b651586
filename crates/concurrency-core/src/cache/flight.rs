//! One load at a time for each key of one process.
//!
//! Those who miss together join one flight. Its single turn decides who leads: the leader loads and publishes the outcome to
//! all; if it panics or is dropped before that, the turn passes on to the next in line, who leads instead.

use std::{
    collections::HashMap,
    hash::BuildHasher,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{Cache, Result, Ticket, clock::BootInstant, random::Hashing};

/// The loads that run in this process, by key.
pub(super) struct Flights<T> {
    running: Mutex<HashMap<Box<str>, Arc<Flight<T>>, Hashing>>,
    /// How many flights of the keys of a stripe have ended.
    landed: Box<[AtomicU64]>,
    stripe_of: Hashing,
    shared: Arc<dyn Cache>,
}

struct Flight<T> {
    /// One permit, whose holder leads; closed once there is an outcome.
    turn: Semaphore,
    outcome: OnceLock<Outcome<T>>,
    /// The key was written since this flight began: its value may be old, and newcomers must not join.
    overtaken: AtomicBool,
    /// Changed only under the lock of the map.
    members: AtomicU64,
    /// Left behind by a leader that went without using it.
    left: Mutex<Option<Held>>,
}

/// A ticket, and until when it is worth anything by the local clock.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) ticket: Ticket,
    pub(super) until: BootInstant,
}

/// What a flight ended with.
pub(super) enum Outcome<T> {
    /// The loader's answer, or why there is none.
    Loaded(Result<Arc<T>>),
    /// There was nothing to load; whoever wants the value reads it for himself, lest it be older than his call.
    AskAgain,
}

impl<T> Clone for Outcome<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Loaded(result) => Self::Loaded(result.clone()),
            Self::AskAgain => Self::AskAgain,
        }
    }
}

/// Takes part in a flight, until it is dropped.
pub(super) struct Member<'f, T> {
    flights: &'f Flights<T>,
    flight: Arc<Flight<T>>,
    key: &'f str,
}

/// What it is to do.
pub(super) enum Turn<'m, T> {
    /// To load, and then to [`publish`](Member::publish). Dropped without that, it passes the turn on.
    Lead { permit: SemaphorePermit<'m> },
    /// To take what the leader brought.
    Follow(Outcome<T>),
}

impl<T> Flights<T> {
    const STRIPES: usize = 256;

    pub(super) fn new(shared: Arc<dyn Cache>) -> Self {
        Self {
            running: Mutex::new(HashMap::with_hasher(Hashing::new())),
            landed: (0..Self::STRIPES).map(|_| AtomicU64::new(0)).collect(),
            stripe_of: Hashing::new(),
            shared,
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<Flight<T>>, Hashing>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many keys are being loaded.
    pub(super) fn len(&self) -> usize {
        self.running().len()
    }

    /// Changes whenever a flight of this key has ended: a miss that was seen before that may be none any more.
    pub(super) fn landed(&self, key: &str) -> u64 {
        self.landings(key).load(Ordering::Acquire)
    }

    fn landings(&self, key: &str) -> &AtomicU64 {
        &self.landed[(self.stripe_of.hash_one(key) >> 32) as usize % Self::STRIPES]
    }

    pub(super) fn join<'f>(&'f self, key: &'f str) -> Member<'f, T> {
        let mut running = self.running();
        let flight = match running.get(key) {
            Some(flight) => Arc::clone(flight),
            None => {
                let flight = Arc::new(Flight::new());
                running.insert(key.into(), Arc::clone(&flight));
                flight
            }
        };
        flight.members.fetch_add(1, Ordering::Relaxed);
        Member { flights: self, flight, key }
    }

    /// Whoever comes after this joins no flight that began before it.
    pub(super) fn overtake(&self, key: &str) {
        if let Some(flight) = self.running().remove(key) {
            flight.overtaken.store(true, Ordering::Release);
        }
    }

    /// As [`overtake`](Self::overtake), for all keys.
    pub(super) fn overtake_all(&self) {
        for (_, flight) in self.running().drain() {
            flight.overtaken.store(true, Ordering::Release);
        }
    }
}

impl<T> Flight<T> {
    fn new() -> Self {
        Self {
            turn: Semaphore::new(1),
            outcome: OnceLock::new(),
            overtaken: AtomicBool::new(false),
            members: AtomicU64::new(0),
            left: Mutex::new(None),
        }
    }

    fn left(&self) -> MutexGuard<'_, Option<Held>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Member<'_, T> {
    /// Waits until it is this member's turn, or somebody else has brought the outcome.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place in line and nothing else.
    pub(super) async fn turn(&self) -> Turn<'_, T> {
        match self.flight.turn.acquire().await {
            Ok(permit) => Turn::Lead { permit },
            Err(_closed) => Turn::Follow(
                self.flight.outcome.get().cloned().expect("the outcome is there before the turn is closed"),
            ),
        }
    }

    /// Whether the key was written since this flight began.
    pub(super) fn is_overtaken(&self) -> bool {
        self.flight.overtaken.load(Ordering::Acquire)
    }

    /// Ends the flight: all its members follow with this outcome.
    pub(super) fn publish(&self, outcome: Outcome<T>) {
        self.leave_map();
        self.flights.landings(self.key).fetch_add(1, Ordering::AcqRel);
        // Only the leader publishes, once: nobody else holds the turn.
        let _first = self.flight.outcome.set(outcome);
        self.flight.turn.close();
    }

    /// The ticket that an earlier leader left, if it may still stand.
    pub(super) fn inherit(&self) -> Option<Held> {
        self.flight.left().take().filter(|held| !held.until.has_passed())
    }

    /// Leaves an unused ticket to the next leader.
    pub(super) fn leave(&self, held: Held) {
        *self.flight.left() = Some(held);
    }

    fn leave_map(&self) {
        let mut running = self.flights.running();
        if running.get(self.key).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight)) {
            running.remove(self.key);
        }
    }
}

impl<T> Drop for Member<'_, T> {
    fn drop(&mut self) {
        let mut running = self.flights.running();
        if self.flight.members.fetch_sub(1, Ordering::Relaxed) > 1 {
            return;
        }
        if running.get(self.key).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight)) {
            running.remove(self.key);
        }
        drop(running);
        // Nobody is left who could use the ticket: give the reservation back, or other processes wait for it to lapse.
        if let Some(held) = self.inherit()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let shared = Arc::clone(&self.flights.shared);
            runtime.spawn(async move { shared.remove(&held.ticket.key).await });
        }
    }
}
