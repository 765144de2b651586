//! Several things at once, on threads.

use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

/// As many as there are processors.
pub(crate) fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Does the work for each item, for so many of them at once, and tells the results on this thread in the order of the items, each
/// as soon as those before it are there.
pub(crate) fn in_order<T: Sync, R: Send>(
    items: &[T],
    at_once: usize,
    work: impl Fn(&T) -> R + Sync,
    mut tell: impl FnMut(&T, R),
) {
    let next = AtomicUsize::new(0);
    let (done, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..at_once.clamp(1, items.len().max(1)) {
            let (done, next, work) = (done.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { return };
                    done.send((index, work(item))).expect("it is received until all threads have ended");
                }
            });
        }
        drop(done);
        let (mut early, mut told) = (BTreeMap::new(), 0);
        for (index, result) in results {
            early.insert(index, result);
            while let Some(result) = early.remove(&told) {
                tell(&items[told], result);
                told += 1;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_none_is_missing() {
        for at_once in [0, 1, 3, 500] {
            for count in [0_usize, 1, 100] {
                let items: Vec<_> = (0..count).collect();
                let mut told = Vec::new();
                let work = |item: &usize| {
                    // The even ones are late.
                    (0..(1 - item % 2) * 100).for_each(|_| thread::yield_now());
                    item * 2
                };
                in_order(&items, at_once, work, |item, result| told.push((*item, result)));
                assert_eq!(told, (0..count).map(|n| (n, n * 2)).collect::<Vec<_>>(), "{at_once} at once");
            }
        }
    }
}
