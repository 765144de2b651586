//! Updates of one key wait for one another in the process, instead of refusing each other at the store.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use crate::clock::{self, BootInstant};

type Lanes = HashMap<Box<str>, Arc<Turn<()>>>;

/// One lane per key that is being updated; a lane goes with the last who stands in it.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lanes: Mutex<Lanes>,
}

impl Queue {
    /// Waits in line for the key's turn, which lasts until the place is dropped. `None` if it did not come before the deadline.
    ///
    /// # Cancel safety
    /// A dropped future leaves the line.
    pub(super) async fn wait(&self, key: &str, deadline: BootInstant) -> Option<Place<'_>> {
        // The lane is dropped before the place, which looks at who is left.
        let (mut place, lane) = self.enter(key);
        // Free at once, mostly; and then without a timer.
        if let Ok(turn) = Arc::clone(&lane).try_lock_owned() {
            place.turn = Some(turn);
            return Some(place);
        }
        tokio::select! {
            biased;
            turn = lane.lock_owned() => place.turn = Some(turn),
            () = clock::sleep_until(deadline) => return None,
        }
        Some(place)
    }

    fn enter(&self, key: &str) -> (Place<'_>, Arc<Turn<()>>) {
        let mut lanes = self.lanes();
        let lane = match lanes.get(key) {
            Some(lane) => Arc::clone(lane),
            None => Arc::clone(lanes.entry(key.into()).or_default()),
        };
        (Place { queue: self, key: key.into(), turn: None }, lane)
    }

    fn lanes(&self) -> std::sync::MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.lanes().len()
    }
}

/// A place in the line of a key.
#[derive(Debug)]
pub(super) struct Place<'q> {
    queue: &'q Queue,
    key: Box<str>,
    turn: Option<OwnedMutexGuard<()>>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.turn = None;
        let mut lanes = self.queue.lanes();
        // Nobody enters while the lanes are locked: a count of one is the map's own.
        if lanes.get(&self.key).is_some_and(|lane| Arc::strong_count(lane) == 1) {
            lanes.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn places_are_given_in_order_and_lanes_go() {
        let _time = clock::simulate(1);
        let queue = Arc::new(Queue::default());
        let later = BootInstant::now().after(Duration::from_secs(9));
        let first = queue.wait("k", later).await.unwrap();
        let other = queue.wait("other", later).await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let waiters: Vec<_> = (0..3)
            .map(|i| {
                let (queue, order) = (Arc::clone(&queue), Arc::clone(&order));
                tokio::spawn(async move {
                    let _place = queue.wait("k", later).await.unwrap();
                    order.lock().unwrap().push(i);
                })
            })
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(queue.len(), 2);
        waiters[1].abort();
        drop((first, other));
        for (i, waiter) in waiters.into_iter().enumerate() {
            assert_eq!(waiter.await.is_ok(), i != 1);
        }
        assert_eq!(*order.lock().unwrap(), [0, 2]);
        assert_eq!(queue.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_ends_at_the_deadline() {
        let _time = clock::simulate(1);
        let queue = Queue::default();
        let now = BootInstant::now();
        let held = queue.wait("k", now.after(Duration::from_secs(9))).await.unwrap();
        assert!(queue.wait("k", now.after(Duration::from_secs(1))).await.is_none());
        assert_eq!(BootInstant::now().since(now), Duration::from_secs(1));
        drop(held);
        assert_eq!(queue.len(), 0);
    }
}
