//! Waiting: for how long, and what wakes a waiter.

use std::{sync::atomic::Ordering, time::Duration};

use concurrency_core::{Error, Lease, Lock, Result, clock::BootInstant};

use super::steps::*;
use crate::Context;

fn is_timeout(answer: Result<Lease>) {
    assert!(matches!(answer, Err(Error::LockTimeout { .. })), "wanted LockTimeout, got {answer:?}");
}

pub(super) async fn a_free_name_is_granted_at_once(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let mut waiter = Waiter::new(&lock, &claim("k", SECOND), LONG);
    waiter.granted_at_once(&cx).await;
    is_refused(&lock, "k").await;
}

pub(super) async fn a_release_wakes_the_waiter(cx: Context<dyn Lock>) {
    let (lock, other) = (cx.open().await, cx.other_client().await);
    let mut rng = cx.rng();
    let mut lease = take(&lock, &claim("k", LONG)).await;
    for i in 0..6 {
        let mut next = Waiter::in_line(&cx, if i % 2 == 0 { &lock } else { &other }, "k").await;
        // At any time between two refreshes.
        next.keeps_waiting(&cx, MILLI * rng.u32(1..1500)).await;
        lock.release(lease.claim(), Some(lease.fencing_token())).await.expect("answered");
        lease = next.granted_at_once(&cx).await;
    }
}

pub(super) async fn an_expiry_lets_the_waiter_in(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    for ttl in [brief(&cx), MILLI * 700, MILLI * 1900] {
        let key = format!("{ttl:?}");
        let asked = BootInstant::now();
        let held = take(&lock, &claim(&key, ttl)).await;
        let mut waiter = Waiter::new(&lock, &claim(&key, LONG), LONG);
        let lease = waiter.granted_within(&cx, ttl + lock.capabilities().ttl_granularity + cx.slack()).await;
        assert!(asked.after(ttl).has_passed(), "granted {:?} before the holder's expiry", asked.after(ttl).remaining());
        assert!(lease.fencing_token() > held.fencing_token());
    }
}

pub(super) async fn waiters_take_turns_although_no_holder_releases(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let ttl = brief(&cx);
    take(&lock, &claim("k", ttl)).await;
    let waiters: Vec<_> = (0..4).map(|_| Waiter::new(&lock, &claim("k", ttl), LONG).spawn()).collect();
    let begun = BootInstant::now();
    for waiter in waiters {
        waiter.await.expect("answered").expect("granted in turn");
    }
    // Each waits for an expiry, and finds out at most a second late.
    assert!(BootInstant::now().since(begun) <= (ttl + SECOND) * 5, "{:?}", BootInstant::now().since(begun));
}

pub(super) async fn a_timeout_comes_at_the_timeout(cx: Context<dyn Lock>) {
    let (lock, other) = (cx.open().await, cx.other_client().await);
    let held = take(&lock, &claim("k", LONG)).await;
    for (millis, ttl) in [(1, LONG), (37, SECOND), (250, MILLI * 100), (999, LONG), (1001, SECOND), (1733, LONG)] {
        let timeout = MILLI * millis;
        let begun = BootInstant::now();
        is_timeout(other.acquire(&claim("k", ttl), timeout).await);
        let took = BootInstant::now().since(begun);
        assert!(took >= timeout && took <= timeout + cx.slack(), "timeout {timeout:?} came after {took:?}");
    }
    lock.renew(&held).await.expect("nothing was taken from the holder");
}

pub(super) async fn many_waiters_each_time_out_at_their_own_time(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    take(&lock, &claim("k", LONG)).await;
    let mut rng = cx.rng();
    let mut waiters = Vec::new();
    for _ in 0..20 {
        let (timeout, begun) = (MILLI * rng.u32(1..1500), BootInstant::now());
        let waiter = Waiter::new(&lock, &claim("k", LONG), timeout);
        waiters.push(tokio::spawn(async move { (waiter.await, timeout, BootInstant::now().since(begun)) }));
    }
    for waiter in waiters {
        let (answer, timeout, took) = waiter.await.expect("answered");
        is_timeout(answer);
        assert!(took >= timeout && took <= timeout + cx.slack(), "timeout {timeout:?} came after {took:?}");
    }
}

pub(super) async fn who_timed_out_is_granted_nothing(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let held = take(&lock, &claim("k", LONG)).await;
    for _ in 0..3 {
        is_timeout(lock.acquire(&claim("k", LONG), MILLI * 20).await);
    }
    lock.release(held.claim(), Some(held.fencing_token())).await.expect("answered");
    is_free(&lock, "k").await;
    // A name that comes free at the very moment of a timeout belongs to the waiter, or to nobody.
    for i in 0..10 {
        let key = format!("k{i}");
        take(&lock, &claim(&key, MILLI * 200)).await;
        let waiting = lock.acquire(&claim(&key, LONG), MILLI * (195 + i)).await;
        outlive(&cx, &lock, MILLI * 10).await;
        match waiting {
            Ok(_) => is_refused(&lock, &key).await,
            timeout => {
                is_timeout(timeout);
                is_free(&lock, &key).await;
            }
        }
    }
}

pub(super) async fn a_timeout_of_zero_is_one_attempt(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let lease = lock.acquire(&claim("k", LONG), Duration::ZERO).await.expect("the name is free");
    let begun = BootInstant::now();
    is_timeout(lock.acquire(&claim("k", LONG), Duration::ZERO).await);
    assert!(BootInstant::now().since(begun) <= cx.slack());
    lock.release(lease.claim(), Some(lease.fencing_token())).await.expect("answered");
    is_free(&lock, "k").await;
}

pub(super) async fn an_attempt_of_acquire_gives_way_to_who_waits(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    take(&lock, &claim("k", MILLI * 500)).await;
    let mut waiter = Waiter::in_line(&cx, &lock, "k").await;
    outlive(&cx, &lock, MILLI * 500).await;
    is_timeout(lock.acquire(&claim("k", LONG), Duration::ZERO).await);
    is_timeout(lock.acquire(&claim("k", LONG), MILLI * 50).await);
    waiter.granted_at_once(&cx).await;
}

pub(super) async fn a_release_wakes_one_waiter(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    // On a loaded machine it may take so long that waiters look by themselves, which proves nothing.
    for attempt in 0..8 {
        if wakes_one_waiter(&cx, &lock, &format!("k{attempt}")).await {
            return;
        }
    }
    panic!("less than a second was never enough to see who is woken");
}

/// False where it took longer than a refresh, which all waiters make.
async fn wakes_one_waiter(cx: &Cx, lock: &SomeLock, key: &str) -> bool {
    let holder = take(lock, &claim(key, LONG)).await;
    let begun = BootInstant::now();
    let (mut polls, mut waiters) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        let waiter = Waiter::new(lock, &claim(key, LONG), LONG);
        polls.push(waiter.polls());
        waiters.push(waiter.spawn());
    }
    cx.sleep(MILLI * 500).await;
    let count = || polls.iter().map(|polls| polls.load(Ordering::Relaxed)).collect::<Vec<_>>();
    let before = count();
    lock.release(holder.claim(), Some(holder.fencing_token())).await.expect("answered");
    cx.sleep(cx.slack().min(MILLI * 250)).await;
    let after = count();
    let served = waiters.iter().filter(|waiter| waiter.is_finished()).count();
    waiters.iter().for_each(tokio::task::JoinHandle::abort);
    if begun.after(SECOND).has_passed() {
        return false;
    }
    let woken = before.iter().zip(&after).filter(|(before, after)| after > before).count();
    assert_eq!(woken, 1, "one of twenty waiters is woken");
    assert_eq!(served, 1, "and has the name");
    true
}

pub(super) async fn waiters_for_other_names_do_not_matter(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    take(&lock, &claim("a", LONG)).await;
    let mut waiter = Waiter::in_line(&cx, &lock, "a").await;
    is_free(&lock, "b").await;
    let b = take(&lock, &claim("b", LONG)).await;
    lock.release(b.claim(), None).await.expect("answered");
    waiter.keeps_waiting(&cx, ARRIVES).await;
}

pub(super) async fn a_dropped_call_leaves_nothing(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    for polls in 0..6 {
        let key = format!("k{polls}");
        let holder = take(&lock, &claim(&key, LONG)).await;
        let waiting = claim(&key, LONG);
        let answer = poll_and_drop(&cx, lock.acquire(&waiting, LONG), polls).await;
        assert!(answer.is_none(), "the name is held: {answer:?}");
        assert!(poll_and_drop(&cx, lock.renew(&holder), polls).await.is_none_or(|answer| answer.is_ok()));
        let given_back = poll_and_drop(&cx, lock.release(holder.claim(), Some(holder.fencing_token())), polls).await;
        if given_back.is_none() {
            lock.release(holder.claim(), Some(holder.fencing_token())).await.expect("answered");
        }
        // Whatever the dropped calls may still do, they do within their TTL of 100 ms.
        let short = claim(&key, MILLI * 100);
        drop(poll_and_drop(&cx, lock.try_acquire(&short), polls).await);
        drop(poll_and_drop(&cx, lock.acquire(&claim(&key, MILLI * 100), SECOND), polls).await);
        outlive(&cx, &lock, MILLI * 200 + cx.slack()).await;
        is_free(&lock, &key).await;
    }
}
