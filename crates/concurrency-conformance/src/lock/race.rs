//! Many tasks for one name, in real time.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use concurrency_core::{
    Error, FencingToken, Lease, Lock, Released,
    clock::{self, BootInstant},
};
use tokio::{sync::Barrier, task::JoinSet};

use super::steps::*;
use crate::Context;

/// What everybody who was granted the name writes down: nobody else may have it meanwhile, and tokens rise.
#[derive(Default)]
struct Watch {
    /// The token of whoever is inside; 0 for nobody.
    inside: AtomicU64,
    grants: Mutex<Vec<(FencingToken, usize)>>,
}

impl Watch {
    fn enter(&self, lease: &Lease, who: usize) {
        let before = self.inside.swap(lease.fencing_token().0, Ordering::SeqCst);
        assert_eq!(before, 0, "token {} was let in beside token {before}", lease.fencing_token());
        let mut grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
        let last = grants.last().map_or(FencingToken(0), |(token, _)| *token);
        assert!(lease.fencing_token() > last, "token {} came after {last}", lease.fencing_token());
        grants.push((lease.fencing_token(), who));
    }

    fn leave(&self, lease: &Lease) {
        let before = self.inside.swap(0, Ordering::SeqCst);
        assert_eq!(before, lease.fencing_token().0, "somebody else was let in meanwhile");
    }

    fn grants(&self) -> Vec<(FencingToken, usize)> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A lock for each of four tasks: two clients, and both a second time, if there are no more processes.
async fn clients(cx: &Cx) -> Vec<SomeLock> {
    let clients = cx.clients(2).await;
    clients.iter().chain(&clients).take(clients.len().max(4)).cloned().collect()
}

async fn all_well(mut tasks: JoinSet<()>) {
    while let Some(task) = tasks.join_next().await {
        task.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    }
}

pub(super) async fn one_at_a_time(cx: Context<dyn Lock>) {
    let (locks, watch) = (clients(&cx).await, Arc::new(Watch::default()));
    let mut tasks = JoinSet::new();
    for who in 0..8 {
        let (lock, watch) = (locks[who % 4].clone(), Arc::clone(&watch));
        tasks.spawn(async move {
            for _ in 0..15 {
                let lease = lock.acquire(&claim("k", LONG), LONG).await.expect("its turn comes");
                watch.enter(&lease, who);
                tokio::task::yield_now().await;
                watch.leave(&lease);
                let released = lock.release(lease.claim(), Some(lease.fencing_token())).await.expect("answered");
                assert_eq!(released, Released::Ours);
            }
        });
    }
    all_well(tasks).await;
    assert_eq!(watch.grants().len(), 8 * 15);
    is_free(&locks[0], "k").await;
}

pub(super) async fn of_many_attempts_one_wins(cx: Context<dyn Lock>) {
    let locks = clients(&cx).await;
    let mut last = FencingToken(0);
    for _ in 0..10 {
        let barrier = Arc::new(Barrier::new(8));
        let mut tasks = JoinSet::new();
        for who in 0..8 {
            let (lock, barrier) = (locks[who % 4].clone(), Arc::clone(&barrier));
            tasks.spawn(async move {
                barrier.wait().await;
                lock.try_acquire(&claim("k", LONG)).await.expect("answered")
            });
        }
        let winners: Vec<Lease> = tasks.join_all().await.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1, "of eight attempts one wins: {winners:?}");
        assert!(winners[0].fencing_token() > last);
        last = winners[0].fencing_token();
        let released = locks[1].release(winners[0].claim(), Some(last)).await.expect("answered");
        assert_eq!(released, Released::Ours);
    }
}

pub(super) async fn releases_aimed_at_their_own_expiry_steal_nothing(cx: Context<dyn Lock>) {
    /// From the answer of a grant to the local deadline of its holder.
    type Held = (FencingToken, BootInstant, BootInstant);
    let locks = clients(&cx).await;
    let mut tasks = JoinSet::new();
    for name in 0..16 {
        for lock in &locks[..2] {
            let (lock, aim) = (lock.clone(), Duration::from_micros(cx.rng().u64(0..6000)));
            tasks.spawn(async move {
                let mine = claim(&format!("k{name}"), MILLI * 100);
                let lease = lock.acquire(&mine, SECOND * 5).await.expect("a turn within five seconds");
                let held: Held = (lease.fencing_token(), BootInstant::now(), lease.deadline());
                // From 3 ms before the expiry to 3 ms after it.
                clock::sleep_until(lease.deadline().after(MILLI * 8 + aim)).await;
                lock.release(lease.claim(), Some(lease.fencing_token())).await.expect("answered");
                (name, held)
            });
        }
    }
    let mut all = tasks.join_all().await;
    all.sort_unstable();
    for pair in all.windows(2) {
        let [(name, (token, _, until)), (next_name, (next_token, granted, _))] = pair else { continue };
        if name == next_name {
            assert!(token < next_token, "token {token} was given out twice");
            assert!(granted >= until, "{next_token} was let in {:?} before {token} stopped", until.since(*granted));
        }
    }
    outlive(&cx, &locks[0], MILLI * 100).await;
    for name in 0..16 {
        is_free(&locks[0], &format!("k{name}")).await;
    }
}

pub(super) async fn in_a_fair_queue_nobody_is_left_behind(cx: Context<dyn Lock>) {
    let (locks, watch) = (clients(&cx).await, Arc::new(Watch::default()));
    let barrier = Arc::new(Barrier::new(6));
    let mut tasks = JoinSet::new();
    for who in 0..6 {
        let (lock, watch, barrier) = (locks[who % 4].clone(), Arc::clone(&watch), Arc::clone(&barrier));
        tasks.spawn(async move {
            barrier.wait().await;
            for _ in 0..15 {
                let lease = lock.acquire(&claim("k", LONG), LONG).await.expect("its turn comes");
                watch.enter(&lease, who);
                // Long enough for the others to be back in line.
                tokio::time::sleep(MILLI).await;
                watch.leave(&lease);
                lock.release(lease.claim(), Some(lease.fencing_token())).await.expect("answered");
            }
        });
    }
    all_well(tasks).await;
    // With all six in line each has every sixth turn; a machine under load may keep one from its place for a while.
    let order: Vec<usize> = watch.grants().iter().map(|(_, who)| *who).collect();
    for (i, turns) in order.windows(36).enumerate().take(order.len() - 60) {
        for who in 0..6 {
            assert!(turns.contains(&who), "{who} waits too long from turn {i}: {order:?}");
        }
    }
}

pub(super) async fn dropped_waiters_never_keep_the_name(cx: Context<dyn Lock>) {
    let (locks, watch) = (clients(&cx).await, Arc::new(Watch::default()));
    let mut tasks = JoinSet::new();
    for who in 0..8 {
        let (lock, watch, mut rng) = (locks[who % 4].clone(), Arc::clone(&watch), cx.rng());
        tasks.spawn(async move {
            for _ in 0..25 {
                let mine = claim("k", LONG);
                let patience = Duration::from_micros(rng.u64(0..800));
                let Ok(lease) = tokio::time::timeout(patience, lock.acquire(&mine, LONG)).await else {
                    // What the trait leaves to the caller: an answer that came with the drop.
                    lock.release(&mine, None).await.expect("answered");
                    continue;
                };
                let lease = lease.expect("nothing fails");
                watch.enter(&lease, who);
                tokio::task::yield_now().await;
                watch.leave(&lease);
                lock.release(lease.claim(), Some(lease.fencing_token())).await.expect("answered");
            }
        });
    }
    all_well(tasks).await;
    is_free(&locks[0], "k").await;
}

pub(super) async fn who_ends_waiting_holds_up_nobody(cx: Context<dyn Lock>) {
    let locks = clients(&cx).await;
    for round in 0..4 {
        let (key, lock) = (format!("k{round}"), |which: usize| &locks[(round + which) % locks.len()]);
        let holder = take(lock(0), &claim(&key, LONG)).await;
        // Stands in line through one client, as the first, and ends in one of two ways.
        if round % 2 == 0 {
            drop(Waiter::in_line(&cx, lock(1), &key).await);
        } else {
            let timeout = lock(1).acquire(&claim(&key, LONG), ARRIVES).await;
            assert!(matches!(timeout, Err(Error::LockTimeout { .. })), "wanted LockTimeout, got {timeout:?}");
        }
        // Whoever stands behind that place, through another client, is the first now.
        let mut next = Waiter::in_line(&cx, lock(2), &key).await;
        let released = lock(0).release(holder.claim(), Some(holder.fencing_token())).await.expect("answered");
        assert_eq!(released, Released::Ours);
        next.granted_at_once(&cx).await;
    }
}

pub(super) async fn timeouts_under_contention_leave_nothing(cx: Context<dyn Lock>) {
    let (locks, watch) = (clients(&cx).await, Arc::new(Watch::default()));
    let mut tasks = JoinSet::new();
    for who in 0..8 {
        let (lock, watch, mut rng) = (locks[who % 4].clone(), Arc::clone(&watch), cx.rng());
        tasks.spawn(async move {
            for _ in 0..20 {
                let timeout = Duration::from_micros(rng.u64(0..4000));
                match lock.acquire(&claim("k", LONG), timeout).await {
                    Ok(lease) => {
                        watch.enter(&lease, who);
                        tokio::time::sleep(Duration::from_micros(rng.u64(0..300))).await;
                        watch.leave(&lease);
                        lock.release(lease.claim(), Some(lease.fencing_token())).await.expect("answered");
                    }
                    Err(Error::LockTimeout { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    all_well(tasks).await;
    is_free(&locks[0], "k").await;
}

pub(super) async fn renewals_and_releases_at_once_agree(cx: Context<dyn Lock>) {
    let locks = clients(&cx).await;
    for _ in 0..40 {
        let lease = take(&locks[0], &claim("k", LONG)).await;
        let mut tasks = JoinSet::new();
        for lock in &locks[1..] {
            let (lock, lease) = (lock.clone(), lease.clone());
            tasks.spawn(async move {
                match lock.renew(&lease).await {
                    Ok(renewed) => assert_eq!(renewed.fencing_token(), lease.fencing_token()),
                    lost => is_lost(lost),
                }
            });
        }
        let released = locks[0].release(lease.claim(), Some(lease.fencing_token())).await.expect("answered");
        assert_eq!(released, Released::Ours);
        is_free(&locks[0], "k").await;
        all_well(tasks).await;
        is_free(&locks[0], "k").await;
    }
}
