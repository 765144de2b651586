//! Claims and owners.

use std::time::Duration;

use concurrency_core::{Error, Lock};

use super::steps::*;
use crate::Context;

pub(super) async fn a_ttl_below_100_ms_is_refused(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    for ttl in [Duration::ZERO, MILLI / 1_000_000, MILLI, MILLI * 99, MILLI * 100 - MILLI / 1_000_000] {
        let refused = concurrency_core::Claim::new("k", ttl);
        assert!(matches!(refused, Err(Error::InvalidArgument { .. })), "{ttl:?}: {refused:?}");
    }
    // A grant that is answered too late is none.
    let grant = async || lock.try_acquire(&claim("k", MILLI * 100)).await.expect("answered");
    cx.eventually("a grant of 100 ms", SECOND * 30, grant).await;
}

pub(super) async fn every_claim_has_an_owner_of_its_own(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let (first, second) = (claim("k", LONG), claim("k", LONG));
    assert!(first.owner() != second.owner() && first.renamed().owner() != first.owner());
    take(&lock, &first).await;
    assert!(lock.try_acquire(&second).await.expect("answered").is_none(), "the second owner is another one");
}

pub(super) async fn try_acquire_never_waits(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let held = take(&lock, &claim("k", LONG)).await;
    let begun = concurrency_core::clock::BootInstant::now();
    is_refused(&lock, "k").await;
    is_refused(&cx.other_client().await, "k").await;
    let took = concurrency_core::clock::BootInstant::now().since(begun);
    assert!(took <= cx.slack(), "two attempts took {took:?}");
    assert!(held.is_valid());
}

pub(super) async fn an_attempt_gives_way_to_who_waits(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    // It expires while the waiter is in line but is not polled, so nobody takes it over.
    let holder = take(&lock, &claim("k", MILLI * 500)).await;
    let mut waiter = Waiter::in_line(&cx, &lock, "k").await;
    outlive(&cx, &lock, MILLI * 500).await;
    is_refused(&lock, "k").await;
    is_refused(&cx.other_client().await, "k").await;
    let lease = waiter.granted_at_once(&cx).await;
    assert!(lease.fencing_token() > holder.fencing_token());
}

pub(super) async fn the_live_owner_gets_the_same_token_and_more_time(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let claim = claim("k", SECOND);
    let first = take(&lock, &claim).await;
    cx.sleep(MILLI * 600).await;
    let again = take(&lock, &claim).await;
    assert_eq!(again.fencing_token(), first.fencing_token(), "the same grant, the same token");
    assert!(again.deadline() > first.deadline());
    cx.sleep(MILLI * 600).await;
    is_refused_until(&lock, "k", again.deadline()).await;
    let by_waiting = lock.acquire(&claim, SECOND).await.expect("its own lock is no obstacle");
    assert_eq!(by_waiting.fencing_token(), first.fencing_token());
    assert_eq!(
        cx.other_client().await.renew(&by_waiting).await.expect("answered").fencing_token(),
        first.fencing_token()
    );
}

pub(super) async fn the_live_owner_comes_before_who_waits(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let claim = claim("k", LONG);
    let first = take(&lock, &claim).await;
    let mut waiter = Waiter::in_line(&cx, &lock, "k").await;
    let again = take(&lock, &claim).await;
    assert_eq!(again.fencing_token(), first.fencing_token());
    waiter.keeps_waiting(&cx, ARRIVES).await;
}

pub(super) async fn an_expired_owner_is_a_new_one(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let claim = claim("k", MILLI * 300);
    let first = take(&lock, &claim).await;
    outlive(&cx, &lock, MILLI * 300).await;
    let second = take(&lock, &claim).await;
    assert!(second.fencing_token() > first.fencing_token(), "a new grant has a new token: {second:?} after {first:?}");
    is_lost(lock.renew(&forged(&claim, first.fencing_token())).await);
    lock.renew(&second).await.expect("the second grant is live");
}

pub(super) async fn a_released_claim_is_dead(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let claim = claim("k", LONG);
    let lease = take(&lock, &claim).await;
    lock.release(&claim, Some(lease.fencing_token())).await.expect("answered");
    is_lost(lock.try_acquire(&claim).await);
    is_lost(lock.renew(&lease).await);
    is_free(&lock, "k").await;
}

pub(super) async fn a_claim_released_before_it_was_sent_is_dead(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let claim = claim("k", LONG);
    lock.release(&claim, None).await.expect("answered");
    is_lost(lock.try_acquire(&claim).await);
    is_lost(cx.other_client().await.try_acquire(&claim).await);
    is_free(&lock, "k").await;
}

pub(super) async fn an_acquire_goes_on_under_a_fresh_owner(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let dead = claim("k", LONG);
    lock.release(&dead, None).await.expect("answered");
    let lease = lock.acquire(&dead, SECOND).await.expect("the name is free");
    assert!(lease.claim().owner() != dead.owner(), "granted to a dead claim");
    // And one that dies while it waits.
    let dying = claim("k", LONG);
    let mut waiter = Waiter::in_line_with(&cx, &lock, &dying).await;
    lock.release(&dying, None).await.expect("answered");
    waiter.keeps_waiting(&cx, ARRIVES).await;
    lock.release(lease.claim(), Some(lease.fencing_token())).await.expect("answered");
    let lease = waiter.granted_within(&cx, SECOND + cx.slack()).await;
    assert!(lease.claim().owner() != dying.owner(), "granted to a claim that died while it waited");
}
