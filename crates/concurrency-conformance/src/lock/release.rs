//! Releasing: by claim, by closing; and what others may see of a holder.

use std::time::Duration;

use concurrency_core::{Error, FencingToken, Lock, Released};

use super::steps::*;
use crate::Context;

pub(super) async fn a_release_answers_what_it_found(cx: Context<dyn Lock>) {
    let (lock, other) = (cx.open().await, cx.other_client().await);
    let mine = claim("k", LONG);
    assert_eq!(lock.release(&mine, None).await.expect("answered"), Released::NotHeld, "never granted");
    let mine = claim("k", LONG);
    let lease = take(&lock, &mine).await;
    assert_eq!(other.release(&claim("k", LONG), None).await.expect("answered"), Released::HeldByOther);
    assert_eq!(lock.release(&mine, Some(lease.fencing_token())).await.expect("answered"), Released::Ours);
    assert_eq!(
        lock.release(&mine, Some(lease.fencing_token())).await.expect("answered"),
        Released::NotHeld,
        "a repeat"
    );
    let next = take(&other, &claim("k", LONG)).await;
    assert_eq!(
        lock.release(&mine, None).await.expect("answered"),
        Released::HeldByOther,
        "a repeat after another's grant"
    );
    other.renew(&next).await.expect("the other keeps it");
}

pub(super) async fn after_its_expiry_a_release_finds_nothing(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let lease = take(&lock, &claim("k", brief(&cx))).await;
    outlive(&cx, &lock, brief(&cx)).await;
    let released = lock.release(lease.claim(), Some(lease.fencing_token())).await.expect("answered");
    assert_eq!(released, Released::NotHeld);
    is_free(&lock, "k").await;
}

pub(super) async fn without_a_token_the_owner_alone_counts(cx: Context<dyn Lock>) {
    let (lock, other) = (cx.open().await, cx.other_client().await);
    let lease = take(&lock, &claim("k", LONG)).await;
    // As after an attempt whose answer was lost.
    assert_eq!(other.release(lease.claim(), None).await.expect("answered"), Released::Ours);
    is_free(&lock, "k").await;
}

pub(super) async fn any_client_may_speak_for_the_claim(cx: Context<dyn Lock>) {
    let (lock, other) = (cx.open().await, cx.other_client().await);
    let lease = take(&lock, &claim("k", SECOND)).await;
    cx.sleep(MILLI * 600).await;
    let renewed = other.renew(&lease).await.expect("owner and token are right");
    cx.sleep(MILLI * 600).await;
    is_refused_until(&lock, "k", renewed.deadline()).await;
    assert_eq!(other.release(lease.claim(), Some(lease.fencing_token())).await.expect("answered"), Released::Ours);
    is_free(&lock, "k").await;
}

pub(super) async fn a_released_waiter_waits_for_nothing(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let holder = take(&lock, &claim("k", LONG)).await;
    let gone = claim("k", LONG);
    // It is not polled any more, so nothing but the release can take it out of the line.
    let _waiter = Waiter::in_line_with(&cx, &lock, &gone).await;
    assert_eq!(lock.release(&gone, None).await.expect("answered"), Released::HeldByOther);
    lock.release(holder.claim(), Some(holder.fencing_token())).await.expect("answered");
    is_free(&lock, "k").await;
}

pub(super) async fn what_was_handed_over_can_be_released(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let holder = take(&lock, &claim("k", LONG)).await;
    let handed = claim("k", LONG);
    let _first = Waiter::in_line_with(&cx, &lock, &handed).await;
    let mut second = Waiter::in_line(&cx, &lock, "k").await;
    lock.release(holder.claim(), None).await.expect("answered");
    cx.sleep(ARRIVES).await;
    // By somebody who does not know of the grant yet.
    assert_eq!(lock.release(&handed, None).await.expect("answered"), Released::Ours);
    second.granted_at_once(&cx).await;
}

pub(super) async fn closing_releases_what_was_granted(cx: Context<dyn Lock>) {
    let (client, lock) = (cx.new_client().await, cx.open().await);
    let closing = client.open(cx.namespace()).expect("answered");
    let leases = [take(&closing, &claim("a", LONG)).await, take(&closing, &claim("b", LONG)).await];
    let kept = take(&lock, &claim("c", LONG)).await;
    let waited_for = Waiter::in_line(&cx, &lock, "a").await.spawn();
    client.backend().close().await;
    cx.sleep(cx.slack()).await;
    assert!(waited_for.is_finished(), "the name went to the one who waited for it");
    is_free(&lock, "b").await;
    is_refused(&lock, "c").await;
    lock.renew(&kept).await.expect("locks of other clients stay");
    is_lost(lock.renew(&leases[0]).await);
}

pub(super) async fn closing_keeps_what_was_left_to_expire(cx: Context<dyn Lock>) {
    let (client, lock) = (cx.new_client().await, cx.open().await);
    let closing = client.open(cx.namespace()).expect("answered");
    let left = take(&closing, &claim("left", SECOND)).await;
    let held = take(&closing, &claim("held", SECOND)).await;
    closing.leave(&left);
    // Of somebody else, and of another grant: it means nothing.
    closing.leave(&stolen(&held));
    closing.leave(&forged(held.claim(), FencingToken(held.fencing_token().0 + 1)));
    client.backend().close().await;
    is_refused_until(&lock, "left", left.deadline()).await;
    is_free(&lock, "held").await;
    outlive(&cx, &lock, SECOND).await;
    is_free(&lock, "left").await;
}

pub(super) async fn closing_covers_what_was_waited_for(cx: Context<dyn Lock>) {
    let (client, lock) = (cx.new_client().await, cx.open().await);
    let closing = client.open(cx.namespace()).expect("answered");
    let holder = take(&lock, &claim("k", LONG)).await;
    let mut waiter = Waiter::in_line(&cx, &closing, "k").await;
    lock.release(holder.claim(), None).await.expect("answered");
    waiter.granted_at_once(&cx).await;
    client.backend().close().await;
    is_free(&lock, "k").await;
}

pub(super) async fn closing_ends_those_who_wait(cx: Context<dyn Lock>) {
    let (client, lock) = (cx.new_client().await, cx.open().await);
    let closing = client.open(cx.namespace()).expect("answered");
    let holder = take(&lock, &claim("k", LONG)).await;
    let waiter = Waiter::in_line(&cx, &closing, "k").await.spawn();
    client.backend().close().await;
    let ended = tokio::time::timeout(cx.slack(), waiter).await.expect("a waiter of a closed client ends at once");
    let ended = ended.expect("answered");
    assert!(matches!(ended, Err(Error::Closed)), "wanted Closed, got {ended:?}");
    lock.release(holder.claim(), None).await.expect("answered");
    is_free(&lock, "k").await;
}

pub(super) async fn after_closing_every_call_is_refused(cx: Context<dyn Lock>) {
    let client = cx.new_client().await;
    let lock = client.open(cx.namespace()).expect("answered");
    let lease = take(&lock, &claim("k", LONG)).await;
    client.backend().close().await;
    client.backend().close().await;
    let fresh = claim("other", LONG);
    assert!(matches!(lock.try_acquire(&fresh).await, Err(Error::Closed)));
    assert!(matches!(lock.acquire(&fresh, SECOND).await, Err(Error::Closed)));
    assert!(matches!(lock.acquire(&fresh, Duration::ZERO).await, Err(Error::Closed)));
    assert!(matches!(lock.renew(&lease).await, Err(Error::Closed)));
    let renewals = lock.renew_many(&[&lease, &lease]).await;
    assert!(renewals.len() == 2 && renewals.iter().all(|answer| matches!(answer, Err(Error::Closed))), "{renewals:?}");
    assert!(matches!(lock.release(&fresh, None).await, Err(Error::Closed)));
    assert!(matches!(client.open(cx.namespace()), Err(Error::Closed)));
    if lock.capabilities().inspection {
        assert!(matches!(lock.holder("k").await, Err(Error::Closed)));
    }
    lock.leave(&lease);
}

pub(super) async fn the_holder_shows_its_token_and_time(cx: Context<dyn Lock>) {
    let (lock, other) = (cx.open().await, cx.other_client().await);
    assert_eq!(lock.holder("k").await.expect("answered"), None, "never held");
    let lease = take(&lock, &claim("k", SECOND)).await;
    cx.sleep(MILLI * 400).await;
    for lock in [&lock, &other] {
        let held = lock.holder("k").await.expect("answered").expect("it is held");
        assert_eq!(held.token, lease.fencing_token());
        let longest = MILLI * 600 + lock.capabilities().ttl_granularity;
        assert!(held.remaining <= longest, "{:?} of a second remain after 0.4 s", held.remaining);
        assert!(held.remaining >= lease.deadline().remaining(), "the server gives up before the holder");
    }
    let lease = lock.renew(&lease).await.expect("answered");
    assert!(other.holder("k").await.expect("answered").expect("it is held").remaining >= lease.deadline().remaining());
    lock.release(lease.claim(), Some(lease.fencing_token())).await.expect("answered");
    assert_eq!(other.holder("k").await.expect("answered"), None, "released");
}

pub(super) async fn an_expired_lease_has_no_holder(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    take(&lock, &claim("k", brief(&cx))).await;
    outlive(&cx, &lock, brief(&cx)).await;
    assert_eq!(lock.holder("k").await.expect("answered"), None);
}

pub(super) async fn without_inspection_holder_is_unsupported(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    assert!(matches!(lock.holder("k").await, Err(Error::Unsupported { .. })));
}

pub(super) async fn a_backend_declares_what_its_locks_do(cx: Context<dyn Lock>) {
    let declared = cx.open().await.capabilities();
    assert_eq!(cx.client().await.backend().capabilities().lock, Some(declared));
}

pub(super) async fn what_is_declared_is_possible(cx: Context<dyn Lock>) {
    let declared = cx.open().await.capabilities();
    assert_eq!(declared, cx.other_client().await.capabilities());
    assert!(declared.max_ttl >= SECOND && declared.max_ttl <= concurrency_core::Ttl::MAX);
    assert!(declared.ttl_granularity >= MILLI, "no clock of ours is finer");
    assert!(declared.ttl_granularity <= SECOND * 60);
}

pub(super) async fn no_owner_shows(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let lease = take(&lock, &claim("k", LONG)).await;
    let owner = lease.claim().owner().to_bytes();
    let hex: String = owner.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = format!("{owner:?}");
    let error = lock.acquire(&claim("k", LONG), Duration::ZERO).await.expect_err("it is refused");
    let shown = format!("{lock:?} {lease:?} {:?} {error} {error:?}", lease.claim());
    let flat = shown.to_lowercase().replace(char::is_whitespace, "");
    let list = list.replace(char::is_whitespace, "");
    assert!(!flat.contains(&hex) && !flat.contains(list.trim_matches(['[', ']'])), "an owner token shows in {shown}");
}
