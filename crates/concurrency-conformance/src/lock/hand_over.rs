//! Hand-over: to the first who waits, and what becomes of it where nobody is there to take it.

use concurrency_core::{Lease, Lock, clock::BootInstant, margin};

use super::steps::*;
use crate::Context;

async fn release(lock: &SomeLock, lease: &Lease) {
    let released = lock.release(lease.claim(), Some(lease.fencing_token())).await.expect("answered");
    assert_eq!(released, concurrency_core::Released::Ours);
}

pub(super) async fn the_receiver_has_the_full_ttl(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let holder = take(&lock, &claim("k", LONG)).await;
    let mine = claim("k", SECOND * 5);
    let mut waiter = Waiter::in_line_with(&cx, &lock, &mine).await;
    release(&lock, &holder).await;
    let asked = BootInstant::now();
    let lease = waiter.granted_at_once(&cx).await;
    assert!(lease.deadline() >= asked.after(SECOND * 5 - margin(mine.ttl())), "the local deadline is of the full TTL");
    cx.sleep(SECOND * 3).await;
    is_refused_until(&lock, "k", asked.after(SECOND * 5)).await;
    lock.renew(&lease).await.expect("still held");
}

pub(super) async fn waiters_are_served_in_order(cx: Context<dyn Lock>) {
    let clients = [cx.open().await, cx.other_client().await];
    let mut last = take(&clients[0], &claim("k", LONG)).await;
    let mut waiters = Vec::new();
    for i in 0..6 {
        waiters.push(Waiter::in_line(&cx, &clients[i % 2], "k").await.spawn());
    }
    for (i, waiter) in waiters.into_iter().enumerate() {
        release(&clients[0], &last).await;
        let lease = tokio::time::timeout(SECOND, waiter).await;
        last = lease.unwrap_or_else(|_| panic!("waiter {i} is next")).expect("it ends").expect("granted");
    }
}

pub(super) async fn a_long_wait_keeps_its_place(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let holder = take(&lock, &claim("k", LONG)).await;
    // A short TTL has a quick refresh: the first has more of them than the second. Not so short that it is missed on a loaded
    // machine.
    let short = MILLI * 300 + cx.slack() * 3;
    let mut first = Waiter::in_line_with(&cx, &lock, &claim("k", short)).await.spawn();
    let mut second = Waiter::in_line(&cx, &lock, "k").await.spawn();
    let third = Waiter::in_line_with(&cx, &lock, &claim("k", short * 3 / 2)).await.spawn();
    cx.sleep(MILLI * 2600).await;
    release(&lock, &holder).await;
    let lease = tokio::select! {
        biased;
        lease = &mut first => lease.expect("it ends").expect("granted"),
        _ = &mut second => panic!("the second was served before the first"),
        () = cx.sleep(cx.slack()) => panic!("nobody was served"),
    };
    release(&lock, &lease).await;
    let lease = second.await.expect("it ends").expect("granted");
    assert!(!third.is_finished());
    release(&lock, &lease).await;
    third.await.expect("it ends").expect("granted");
}

pub(super) async fn at_an_expiry_the_first_is_served(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    take(&lock, &claim("k", MILLI * 700)).await;
    let (mut first, mut second) = (Waiter::in_line(&cx, &lock, "k").await, Waiter::in_line(&cx, &lock, "k").await);
    // The second looks first, and still the name is not its own.
    second.keeps_waiting(&cx, MILLI * 900).await;
    let lease = first.granted_at_once(&cx).await;
    second.keeps_waiting(&cx, MILLI * 300).await;
    release(&lock, &lease).await;
    second.granted_at_once(&cx).await;
}

pub(super) async fn who_stopped_waiting_is_passed_over(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let holder = take(&lock, &claim("k", LONG)).await;
    let first = Waiter::in_line(&cx, &lock, "k").await;
    let mut second = Waiter::in_line(&cx, &lock, "k").await;
    drop(first);
    second.keeps_waiting(&cx, ARRIVES).await;
    release(&lock, &holder).await;
    second.granted_at_once(&cx).await;
}

pub(super) async fn what_a_dropped_waiter_was_handed_is_passed_on(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let holder = take(&lock, &claim("k", LONG)).await;
    let first = Waiter::in_line(&cx, &lock, "k").await;
    let mut second = Waiter::in_line(&cx, &lock, "k").await;
    let third = Waiter::in_line(&cx, &lock, "k").await;
    release(&lock, &holder).await;
    // Handed to the first, which has not looked yet.
    second.keeps_waiting(&cx, ARRIVES).await;
    drop(first);
    let lease = second.granted_at_once(&cx).await;
    assert!(lease.fencing_token() > holder.fencing_token());
    // The last in line is handed it, and dropped: then it is free.
    release(&lock, &lease).await;
    drop(third);
    cx.sleep(ARRIVES).await;
    is_free(&lock, "k").await;
}

pub(super) async fn a_hand_over_that_is_not_taken_lapses_soon(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    for (ttl, lapses) in [(LONG, SECOND * 2), (MILLI * 900, MILLI * 900)] {
        let key = format!("{ttl:?}");
        let holder = take(&lock, &claim(&key, LONG)).await;
        // As a process that hangs just now.
        let hangs = Waiter::in_line_with(&cx, &lock, &claim(&key, ttl)).await;
        let mut second = Waiter::in_line(&cx, &lock, &key).await;
        release(&lock, &holder).await;
        // It finds out when it refreshes its place, which is within a second.
        let lapses = lapses + SECOND + lock.capabilities().ttl_granularity;
        let lease = second.granted_within(&cx, lapses + cx.slack()).await;
        assert!(lease.is_valid());
        drop(hangs);
        lock.renew(&lease).await.expect("dropping the late one takes nothing from its successor");
    }
}

pub(super) async fn who_comes_too_late_for_a_hand_over_waits_on(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let holder = take(&lock, &claim("k", LONG)).await;
    let mut late = Waiter::in_line(&cx, &lock, "k").await;
    let mut second = Waiter::in_line(&cx, &lock, "k").await;
    release(&lock, &holder).await;
    let lease = second.granted_within(&cx, SECOND * 3).await;
    late.keeps_waiting(&cx, MILLI * 300).await;
    lock.renew(&lease).await.expect("the one that came late has taken nothing");
    release(&lock, &lease).await;
    let last = late.granted_at_once(&cx).await;
    assert!(last.fencing_token() > lease.fencing_token());
}

pub(super) async fn a_hand_over_that_lapsed_is_over(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let holder = take(&lock, &claim("k", LONG)).await;
    let mut late = Waiter::in_line(&cx, &lock, "k").await;
    release(&lock, &holder).await;
    let handed = lock.holder("k").await.expect("answered").expect("handed to the waiter").token;
    assert!(handed > holder.fencing_token(), "a hand-over is a grant");
    outlive(&cx, &lock, SECOND * 2 + cx.slack()).await;
    assert_eq!(lock.holder("k").await.expect("answered"), None);
    // Nobody else was there, and still it is another grant.
    let lease = late.granted_at_once(&cx).await;
    assert!(lease.fencing_token() > handed, "{} was revived", lease.fencing_token());
}

pub(super) async fn a_hand_over_taken_late_is_still_good(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let holder = take(&lock, &claim("k", LONG)).await;
    let mut slow = Waiter::in_line(&cx, &lock, "k").await;
    release(&lock, &holder).await;
    cx.sleep(SECOND).await;
    is_refused(&lock, "k").await;
    let lease = slow.granted_at_once(&cx).await;
    cx.sleep(SECOND * 3).await;
    lock.renew(&lease).await.expect("extended to the full TTL when it was taken");
}

pub(super) async fn a_dead_waiter_counts_for_nothing(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let holder = take(&lock, &claim("k", LONG)).await;
    let mut dead = Waiter::in_line(&cx, &lock, "k").await;
    // Two refreshes of a second each are missed.
    cx.sleep(SECOND * 2 + cx.slack()).await;
    release(&lock, &holder).await;
    let lease = take(&lock, &claim("k", LONG)).await;
    // It was not dead after all: it has lost its place, and nothing else.
    dead.keeps_waiting(&cx, ARRIVES).await;
    release(&lock, &lease).await;
    dead.granted_at_once(&cx).await;
}

pub(super) async fn dead_waiters_do_not_hide_a_live_one(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let holder = take(&lock, &claim("k", LONG)).await;
    let dead = [Waiter::in_line(&cx, &lock, "k").await, Waiter::in_line(&cx, &lock, "k").await];
    let mut live = Waiter::in_line(&cx, &lock, "k").await;
    live.keeps_waiting(&cx, SECOND * 2 + cx.slack()).await;
    release(&lock, &holder).await;
    live.granted_at_once(&cx).await;
    drop(dead);
    is_refused(&lock, "k").await;
}

pub(super) async fn a_waiter_that_comes_back_from_the_dead_is_last(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let holder = take(&lock, &claim("k", LONG)).await;
    let mut dead = Waiter::in_line(&cx, &lock, "k").await;
    let mut live = Waiter::in_line(&cx, &lock, "k").await;
    live.keeps_waiting(&cx, SECOND * 2 + cx.slack()).await;
    dead.keeps_waiting(&cx, ARRIVES).await;
    release(&lock, &holder).await;
    let lease = live.granted_at_once(&cx).await;
    dead.keeps_waiting(&cx, ARRIVES).await;
    release(&lock, &lease).await;
    dead.granted_at_once(&cx).await;
}

pub(super) async fn many_waiters_all_come_to_their_turn(cx: Context<dyn Lock>) {
    let clients = [cx.open().await, cx.other_client().await];
    let mut rng = cx.rng();
    let first = take(&clients[0], &claim("k", LONG)).await;
    let (mut stay, mut leave) = (Vec::new(), Vec::new());
    for i in 0..24 {
        // Whoever is aborted with the name in its hands leaves it to lapse.
        let waiter = Waiter::new(&clients[i % 2], &claim("k", SECOND), LONG);
        if rng.bool() {
            let lock = clients[i % 2].clone();
            stay.push(tokio::spawn(async move {
                let lease = waiter.await.expect("its turn comes");
                release(&lock, &lease).await;
                lease.fencing_token()
            }));
        } else {
            leave.push(waiter.spawn());
        }
    }
    cx.sleep(ARRIVES).await;
    leave.drain(..leave.len() / 2).for_each(|waiter| waiter.abort());
    release(&clients[0], &first).await;
    // The rest are dropped while the name goes round.
    leave.iter().for_each(tokio::task::JoinHandle::abort);
    let mut tokens = Vec::new();
    for waiter in stay {
        tokens.push(tokio::time::timeout(SECOND * 10, waiter).await.expect("nobody is forgotten").expect("answered"));
    }
    let mut sorted = tokens.clone();
    sorted.dedup();
    assert_eq!(sorted.len(), tokens.len(), "a token was given out twice: {tokens:?}");
}
