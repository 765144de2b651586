//! Names, namespaces and TTLs at their limits.

use std::time::Duration;

use concurrency_core::{Claim, Error, Lock, MIN_LOCK_TTL, Precondition, Released, SaveOptions, Ttl};

use super::steps::*;
use crate::Context;

/// Names that some store folds, cuts, splits or takes for a pattern.
const ODD: &[&str] = &[
    "name",
    "Name",
    "NAME",
    "name ",
    " name",
    "name\0",
    "name\0x",
    "nam%",
    "nam_",
    "nam*",
    "nam?",
    "%",
    "_",
    "*",
    "{name}",
    "{name",
    "name}",
    "{}",
    "}",
    "na:me",
    "na/me",
    "na\\me",
    "na'me",
    "na\"me",
    "na\nme",
    "na\r\nme",
    "\t",
    " ",
    "\0",
    "é",
    "e\u{301}",
    "\u{e9}\u{301}",
    "ß",
    "ss",
    "ı",
    "i",
    "I",
    "İ",
    "🔒",
    "👩‍🔬",
    "\u{feff}name",
    "\u{202e}name",
    "..",
    "-1",
    "0",
    "null",
];

pub(super) async fn any_characters_make_a_name_of_its_own(cx: Context<dyn Lock>) {
    let (lock, other) = (cx.open().await, cx.other_client().await);
    let mut leases = Vec::new();
    for name in ODD {
        leases.push(take(&lock, &claim(name, LONG)).await);
    }
    for lease in &leases {
        is_refused(&other, lease.key()).await;
        other.renew(lease).await.unwrap_or_else(|error| panic!("{:?}: {error}", lease.key()));
    }
    for lease in leases {
        let released = other.release(lease.claim(), Some(lease.fencing_token())).await.expect("answered");
        assert_eq!(released, Released::Ours, "{:?}", lease.key());
    }
}

pub(super) async fn any_characters_can_be_waited_for(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    for name in ["na%me", "na*me", "{na}me", "na\0me", " ", "🔒"] {
        let holder = take(&lock, &claim(name, LONG)).await;
        let mut waiter = Waiter::in_line(&cx, &lock, name).await;
        lock.release(holder.claim(), None).await.expect("answered");
        let lease = waiter.granted_within(&cx, SECOND + cx.slack()).await;
        assert_eq!(lease.key(), name);
    }
}

pub(super) async fn names_of_1_and_of_1024_bytes_are_good(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let long = "x".repeat(1023);
    // Long names that differ in one byte, at either end.
    for name in ["x".to_owned(), "x".repeat(1024), format!("{long}y"), format!("y{long}"), "é".repeat(512)] {
        take(&lock, &claim(&name, LONG)).await;
        is_refused(&lock, &name).await;
    }
}

pub(super) async fn bad_names_are_refused(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    for name in ["", &"x".repeat(1025), &"é".repeat(513), &"x".repeat(1 << 20)] {
        let refused = Claim::new(name, LONG);
        assert!(matches!(refused, Err(Error::InvalidKey { len }) if len == name.len()), "{refused:?}");
        // The name is checked before the TTL.
        assert!(matches!(Claim::new(name, Duration::ZERO), Err(Error::InvalidKey { .. })));
        if lock.capabilities().inspection {
            let refused = lock.holder(name).await;
            assert!(matches!(refused, Err(Error::InvalidKey { len }) if len == name.len()), "{refused:?}");
        }
    }
}

pub(super) async fn ttls_out_of_bounds_are_refused(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let nano = Duration::from_nanos(1);
    for ttl in [Duration::ZERO, nano, MILLI * 50, MIN_LOCK_TTL - nano, Ttl::MAX + nano, Duration::MAX] {
        let refused = Claim::new("k", ttl);
        assert!(matches!(refused, Err(Error::InvalidArgument { .. })), "{ttl:?}: {refused:?}");
    }
    let max = lock.capabilities().max_ttl;
    if max < Ttl::MAX {
        let beyond = claim("k", max + MILLI);
        for answer in [lock.try_acquire(&beyond).await.map(drop), lock.acquire(&beyond, SECOND).await.map(drop)] {
            assert!(matches!(answer, Err(Error::InvalidArgument { .. })), "longer than declared: {answer:?}");
        }
    }
    is_free(&lock, "k").await;
    let shortest = take(&lock, &claim("k", MIN_LOCK_TTL)).await;
    lock.release(shortest.claim(), None).await.expect("100 ms are enough");
}

pub(super) async fn long_ttls_hold(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let max = lock.capabilities().max_ttl;
    for ttl in [SECOND * 86_400 * 31, Ttl::MAX] {
        let claim = claim(&format!("{ttl:?}"), ttl);
        let answer = lock.try_acquire(&claim).await;
        if ttl > max {
            assert!(matches!(answer, Err(Error::InvalidArgument { .. })), "{ttl:?} is beyond {max:?}: {answer:?}");
            continue;
        }
        let lease = answer.expect("answered").expect("the name is free");
        assert!(lease.deadline().remaining() > ttl.mul_f64(0.98));
        is_refused(&lock, claim.key()).await;
        cx.sleep(MILLI * 10).await;
        is_refused(&lock, claim.key()).await;
        lock.renew(&lease).await.expect("it is live");
    }
}

pub(super) async fn namespaces_do_not_see_each_other(cx: Context<dyn Lock>) {
    let spaces = [cx.open().await, cx.other_namespace("n").await, cx.other_namespace("N").await];
    let mut leases = Vec::new();
    for lock in &spaces {
        leases.push(take(lock, &claim("k", LONG)).await);
    }
    for (i, lock) in spaces.iter().enumerate() {
        is_refused(lock, "k").await;
        for (j, lease) in leases.iter().enumerate().filter(|(j, _)| i != *j) {
            is_lost(lock.renew(&forged(lease.claim(), lease.fencing_token())).await);
            if lock.capabilities().inspection {
                assert!(lock.holder("k").await.expect("answered").is_some(), "namespaces {i} and {j}");
            }
        }
    }
    let waiter = Waiter::in_line(&cx, &spaces[0], "k").await.spawn();
    spaces[1].release(leases[1].claim(), None).await.expect("answered");
    is_free(&spaces[1], "k").await;
    assert!(!waiter.is_finished(), "woken by a release in another namespace");
    for (lock, lease) in [(&spaces[0], &leases[0]), (&spaces[2], &leases[2])] {
        lock.renew(lease).await.expect("a release in another namespace does not matter");
    }
}

pub(super) async fn bad_namespaces_are_refused(cx: Context<dyn Lock>) {
    let client = cx.client().await;
    for name in ["", " ", "a b", "a/b", "a:b", "é", "a\0", "*", "{a}", &"n".repeat(65)] {
        let refused = client.open(name).map(drop);
        assert!(matches!(refused, Err(Error::InvalidArgument { .. })), "{name:?}: {refused:?}");
    }
    for name in ["a", "A-z_0.9", &"n".repeat(64)] {
        client.open(name).unwrap_or_else(|error| panic!("{name:?}: {error}"));
    }
}

pub(super) async fn a_lock_is_no_state(cx: Context<dyn Lock>) {
    let backend = std::sync::Arc::clone(cx.client().await.backend());
    let lock = cx.open().await;
    let lease = take(&lock, &claim("k", LONG)).await;
    if let Ok(cache) = backend.cache(cx.namespace()) {
        cache.set("k", "value".into(), concurrency_core::Expiry::Never).await.expect("answered");
        cache.clear().await.expect("answered");
    }
    if let Ok(state) = backend.state_store(cx.namespace()) {
        assert!(state.load("k").await.expect("answered").is_none(), "a lock shows as a state");
        let options = SaveOptions::new().if_absent();
        state.save("k", "value".into(), options).await.expect("a lock is in the way of a state");
        is_refused(&lock, "k").await;
        let deleted = state.delete("k", concurrency_core::DeleteOptions::new()).await;
        assert!(deleted.expect("answered"), "{:?}", Precondition::Any);
    }
    lock.renew(&lease).await.expect("what happened to a state or a cache entry of that name is nothing to the lock");
}
