//! Fencing tokens, and the deadlines by which the holder stops first.

use concurrency_core::{FencingToken, Lease, Lock, clock::BootInstant, margin};

use super::steps::*;
use crate::Context;

#[track_caller]
fn rises(last: &mut FencingToken, lease: &Lease) {
    let token = lease.fencing_token();
    assert!(token > *last, "token {token} came after {last}");
    assert!(token <= FencingToken::MAX, "token {token} is 2^53 or more");
    *last = token;
}

pub(super) async fn tokens_rise_over_releases(cx: Context<dyn Lock>) {
    let (lock, other) = (cx.open().await, cx.other_client().await);
    let mut last = FencingToken(0);
    for i in 0..20 {
        let lock = if i % 2 == 0 { &lock } else { &other };
        let lease = take(lock, &claim("k", LONG)).await;
        rises(&mut last, &lease);
        let token = (i % 3 != 0).then(|| lease.fencing_token());
        lock.release(lease.claim(), token).await.expect("answered");
    }
}

pub(super) async fn tokens_rise_over_expiries(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let (mut last, ttl) = (FencingToken(0), brief(&cx));
    for _ in 0..4 {
        rises(&mut last, &take(&lock, &claim("k", ttl)).await);
        outlive(&cx, &lock, ttl).await;
    }
    // By somebody who waits for the expiry.
    rises(&mut last, &take(&lock, &claim("k", ttl)).await);
    rises(&mut last, &lock.acquire(&claim("k", LONG), LONG).await.expect("answered"));
}

pub(super) async fn tokens_rise_over_hand_overs(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let mut last = FencingToken(0);
    let mut lease = take(&lock, &claim("k", LONG)).await;
    for _ in 0..5 {
        rises(&mut last, &lease);
        let mut next = Waiter::in_line(&cx, &lock, "k").await;
        lock.release(lease.claim(), Some(lease.fencing_token())).await.expect("answered");
        lease = next.granted_within(&cx, SECOND).await;
    }
    rises(&mut last, &lease);
}

pub(super) async fn tokens_rise_although_the_name_was_idle(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let mut last = FencingToken(0);
    for round in 0..3 {
        let lease = take(&lock, &claim("k", LONG)).await;
        rises(&mut last, &lease);
        lock.release(lease.claim(), Some(lease.fencing_token())).await.expect("answered");
        for i in 0..100 {
            is_free(&lock, &format!("other {round} {i}")).await;
        }
    }
}

pub(super) async fn the_holder_stops_a_margin_before_the_server(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    for ttl in [brief(&cx), SECOND, LONG] {
        let claim = claim(&format!("{ttl:?}"), ttl);
        let held = ttl - margin(claim.ttl());
        let before = BootInstant::now();
        let mut lease = take(&lock, &claim).await;
        assert!(lease.deadline() >= before.after(held), "{ttl:?}: given up too early");
        assert!(lease.deadline() <= BootInstant::now().after(held), "{ttl:?}: held too long");
        cx.sleep(MILLI * 20).await;
        let before = BootInstant::now();
        lease = lock.renew(&lease).await.expect("answered");
        assert!(lease.deadline() >= before.after(held), "{ttl:?}: renewed, and given up too early");
        assert!(lease.deadline() <= BootInstant::now().after(held), "{ttl:?}: renewed, and held too long");
    }
}

pub(super) async fn a_hand_over_stops_before_the_server_too(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    for ttl in [MILLI * 300, SECOND * 10] {
        let key = format!("{ttl:?}");
        let holder = take(&lock, &claim(&key, LONG)).await;
        let mine = claim(&key, ttl);
        let mut waiter = Waiter::in_line_with(&cx, &lock, &mine).await;
        // It hears of it late.
        lock.release(holder.claim(), None).await.expect("answered");
        cx.sleep(MILLI * 60).await;
        let lease = waiter.granted_at_once(&cx).await;
        assert!(lease.deadline() <= BootInstant::now().after(ttl - margin(mine.ttl())), "{ttl:?}: held too long");
        is_refused_until(&lock, &key, lease.deadline()).await;
        cx.sleep(lease.deadline().remaining()).await;
        is_refused_until(&lock, &key, lease.deadline().after(margin(mine.ttl()) / 2)).await;
    }
}

pub(super) async fn past_its_local_deadline_a_lease_is_lost_for_good(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let lease = take(&lock, &claim("k", SECOND)).await;
    cx.sleep(lease.deadline().remaining()).await;
    is_lost(lock.renew(&lease).await);
    lock.renew_many(&[&lease, &lease]).await.into_iter().for_each(is_lost);
    // The server counts from when it was asked, which may be a little later.
    cx.sleep(margin(lease.claim().ttl()) + lock.capabilities().ttl_granularity + cx.slack()).await;
    is_free(&lock, "k").await;
}
