//! Exclusion: who is kept out, and for how long.

use concurrency_core::{FencingToken, Lock, Released, clock::BootInstant};

use super::steps::*;
use crate::Context;

pub(super) async fn nobody_else_until_it_expires(cx: Context<dyn Lock>) {
    let (lock, other) = (cx.open().await, cx.other_client().await);
    let asked = BootInstant::now();
    let lease = take(&lock, &claim("k", SECOND)).await;
    for part in [1, 300, 600, 900, 988, 995, 999] {
        cx.sleep((MILLI * part).saturating_sub(BootInstant::now().since(asked))).await;
        is_refused_until(&lock, "k", asked.after(SECOND)).await;
        is_refused_until(&other, "k", asked.after(SECOND)).await;
    }
    assert!(lease.deadline() < asked.after(SECOND), "the holder stops first");
}

pub(super) async fn an_expired_name_can_be_granted(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let first = take(&lock, &claim("k", MILLI * 300)).await;
    outlive(&cx, &lock, MILLI * 300).await;
    let second = take(&lock, &claim("k", LONG)).await;
    assert!(second.fencing_token() > first.fencing_token());
    is_refused(&lock, "k").await;
}

pub(super) async fn it_expires_when_nothing_remains(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    take(&lock, &claim("k", SECOND)).await;
    cx.sleep(MILLI * 400).await;
    let held = lock.holder("k").await.expect("answered").expect("it is held");
    cx.sleep(held.remaining).await;
    assert_eq!(lock.holder("k").await.expect("answered"), None, "at the deadline itself it is expired");
    is_free(&lock, "k").await;
}

pub(super) async fn a_released_name_can_be_granted(cx: Context<dyn Lock>) {
    let (lock, other) = (cx.open().await, cx.other_client().await);
    for lock in [&lock, &other] {
        let lease = take(lock, &claim("k", LONG)).await;
        let released = lock.release(lease.claim(), Some(lease.fencing_token())).await.expect("answered");
        assert_eq!(released, Released::Ours);
        is_free(&other, "k").await;
    }
}

pub(super) async fn a_late_holder_cannot_release_its_successor(cx: Context<dyn Lock>) {
    let (lock, other) = (cx.open().await, cx.other_client().await);
    let late = take(&lock, &claim("k", MILLI * 300)).await;
    outlive(&cx, &lock, MILLI * 300).await;
    let successor = take(&other, &claim("k", LONG)).await;
    let released = lock.release(late.claim(), Some(late.fencing_token())).await.expect("answered");
    assert_eq!(released, Released::HeldByOther);
    is_refused(&lock, "k").await;
    let renewed = other.renew(&successor).await.expect("the successor keeps it");
    assert_eq!(renewed.fencing_token(), successor.fencing_token());
}

pub(super) async fn a_stranger_cannot_release(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let lease = take(&lock, &claim("k", LONG)).await;
    let stolen = Some(lease.fencing_token());
    for token in [None, stolen, Some(FencingToken(0)), Some(FencingToken::MAX)] {
        let released = lock.release(&claim("k", LONG), token).await.expect("answered");
        assert_eq!(released, Released::HeldByOther, "with {token:?}");
        is_refused(&lock, "k").await;
    }
    lock.renew(&lease).await.expect("the holder keeps it");
}

pub(super) async fn a_late_holder_cannot_renew_its_successor(cx: Context<dyn Lock>) {
    let (lock, other) = (cx.open().await, cx.other_client().await);
    let late = take(&lock, &claim("k", MILLI * 300)).await;
    outlive(&cx, &lock, MILLI * 300).await;
    let successor = take(&other, &claim("k", SECOND)).await;
    is_lost(lock.renew(&late).await);
    // Also where its own clock told it that there was time left.
    is_lost(lock.renew(&forged(late.claim(), late.fencing_token())).await);
    is_lost(lock.renew(&forged(late.claim(), successor.fencing_token())).await);
    outlive(&cx, &lock, SECOND).await;
    is_free(&lock, "k").await;
}

pub(super) async fn a_stranger_cannot_renew(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let lease = take(&lock, &claim("k", SECOND)).await;
    cx.sleep(MILLI * 500).await;
    is_lost(lock.renew(&stolen(&lease)).await);
    let answers = lock.renew_many(&[&stolen(&lease)]).await;
    answers.into_iter().for_each(is_lost);
    cx.sleep(MILLI * 500 + lock.capabilities().ttl_granularity).await;
    is_free(&lock, "k").await;
}

pub(super) async fn another_token_cannot_release(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    for wrong in [-1, 1, 1000] {
        let key = format!("k{wrong}");
        let lease = take(&lock, &claim(&key, LONG)).await;
        let token = FencingToken(lease.fencing_token().0.saturating_add_signed(wrong));
        let released = lock.release(lease.claim(), Some(token)).await.expect("answered");
        assert_ne!(released, Released::Ours, "token {token} released the grant {}", lease.fencing_token());
        is_refused(&lock, &key).await;
    }
}

pub(super) async fn another_token_cannot_renew(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let lease = take(&lock, &claim("k", SECOND)).await;
    cx.sleep(MILLI * 500).await;
    for wrong in [-1, 1, 1000] {
        let token = FencingToken(lease.fencing_token().0.saturating_add_signed(wrong));
        is_lost(lock.renew(&forged(lease.claim(), token)).await);
    }
    cx.sleep(MILLI * 500 + lock.capabilities().ttl_granularity).await;
    is_free(&lock, "k").await;
}

pub(super) async fn an_earlier_grant_of_the_same_owner_is_over(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let claim = claim("k", MILLI * 300);
    let first = take(&lock, &claim).await;
    outlive(&cx, &lock, MILLI * 300).await;
    let second = take(&lock, &claim).await;
    let released = lock.release(&claim, Some(first.fencing_token())).await.expect("answered");
    assert_ne!(released, Released::Ours, "{first:?} released {second:?}");
    is_refused_until(&lock, "k", second.deadline()).await;
}

pub(super) async fn a_renewal_gives_the_full_ttl_and_never_less(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    // So long that a loaded machine is not late for the renewal.
    let ttl = SECOND + cx.slack() * 4;
    let nearly_over = ttl - MILLI * 50 - cx.slack() / 2;
    let asked = BootInstant::now();
    let mut lease = take(&lock, &claim("k", ttl)).await;
    // At once: what is left must not shrink.
    lease = lock.renew(&lease).await.expect("answered");
    cx.sleep(nearly_over).await;
    is_refused_until(&lock, "k", asked.after(ttl)).await;
    for _ in 0..3 {
        let asked = BootInstant::now();
        lease = lock.renew(&lease).await.expect("answered");
        cx.sleep(nearly_over).await;
        is_refused_until(&lock, "k", asked.after(ttl)).await;
    }
    assert!(lease.deadline() > asked.after(ttl * 3), "{lease:?}");
}

pub(super) async fn renewals_that_overtake_each_other_never_shorten(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let first = take(&lock, &claim("k", SECOND)).await;
    cx.sleep(MILLI * 300).await;
    let asked = BootInstant::now();
    // The same grant as it was known at different times, renewed at once by two clients.
    let other = cx.other_client().await;
    let (a, b, c) = tokio::join!(lock.renew(&first), other.renew(&first), lock.try_acquire(first.claim()));
    let latest = a
        .expect("answered")
        .deadline()
        .max(b.expect("answered").deadline())
        .max(c.expect("answered").expect("its own").deadline());
    assert!(latest > first.deadline());
    cx.sleep(latest.remaining()).await;
    is_refused_until(&lock, "k", asked.after(SECOND)).await;
}

pub(super) async fn a_renewal_does_not_revive_what_expired(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let lease = take(&lock, &claim("k", MILLI * 300)).await;
    outlive(&cx, &lock, MILLI * 300).await;
    is_lost(lock.renew(&lease).await);
    is_lost(lock.renew(&forged(lease.claim(), lease.fencing_token())).await);
    is_free(&lock, "k").await;
}

pub(super) async fn a_renewal_does_not_revive_what_another_had_since(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let lease = take(&lock, &claim("k", MILLI * 300)).await;
    outlive(&cx, &lock, MILLI * 300).await;
    is_free(&lock, "k").await;
    is_lost(lock.renew(&forged(lease.claim(), lease.fencing_token())).await);
    is_free(&lock, "k").await;
}

pub(super) async fn a_renewal_does_not_revive_what_was_released(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let lease = take(&lock, &claim("k", LONG)).await;
    lock.release(lease.claim(), Some(lease.fencing_token())).await.expect("answered");
    is_lost(cx.other_client().await.renew(&lease).await);
    is_free(&lock, "k").await;
}

pub(super) async fn renew_many_answers_each_in_order(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    assert!(lock.renew_many(&[]).await.is_empty());
    let mut leases = Vec::new();
    for i in 0..40 {
        let lease = take(&lock, &claim(&format!("k{i}"), LONG)).await;
        leases.push(if i % 3 == 1 { stolen(&lease) } else { lease });
    }
    let answers = lock.renew_many(&leases.iter().collect::<Vec<_>>()).await;
    assert_eq!(answers.len(), leases.len());
    for (i, (answer, lease)) in answers.into_iter().zip(&leases).enumerate() {
        if i % 3 == 1 {
            is_lost(answer);
            continue;
        }
        let renewed = answer.unwrap_or_else(|error| panic!("lease {i} is live, but: {error}"));
        assert_eq!((renewed.key(), renewed.fencing_token()), (lease.key(), lease.fencing_token()), "at place {i}");
    }
}
