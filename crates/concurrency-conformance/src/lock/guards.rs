//! Guards, over whatever lock is under test.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use concurrency_core::{
    Error, FencingToken, Lock, LockGuard, LockOptions, Locks, Result,
    clock::{self, BootInstant},
};

use super::steps::*;
use crate::Context;

fn options() -> LockOptions {
    LockOptions::new().with_ttl(SECOND)
}

async fn guard(locks: &Locks, options: LockOptions) -> LockGuard {
    locks.acquire("k", options).await.expect("the name is free")
}

async fn work(millis: u32) -> Result<u32> {
    clock::sleep_until(BootInstant::now().after(MILLI * millis)).await;
    Ok(millis)
}

/// Releases in the background need a moment.
async fn soon_free(cx: &Cx, lock: &SomeLock) {
    cx.eventually("the name is free", SECOND / 2 + cx.slack(), async || {
        let mine = claim("k", SECOND);
        let lease = lock.try_acquire(&mine).await.expect("answered")?;
        lock.release(&mine, Some(lease.fencing_token())).await.ok()
    })
    .await;
}

pub(super) async fn a_guard_is_renewed_while_it_lives(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let locks = Locks::new(lock.clone());
    let (guard, other) = (guard(&locks, options()).await, locks.acquire("other", options()).await.expect("answered"));
    for _ in 0..5 {
        cx.sleep(MILLI * 500).await;
        assert!(guard.is_valid() && other.is_valid());
        is_refused_until(&lock, "k", BootInstant::now().after(guard.remaining())).await;
    }
    let renewals = locks.counts().renewals;
    assert!((10..=18).contains(&renewals), "two guards of a second over 2.5 s: {renewals} renewals");
}

pub(super) async fn the_last_clone_of_a_guard_releases(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let locks = Locks::new(lock.clone());
    let guard = guard(&locks, options()).await;
    let clones = [guard.clone(), guard.clone()];
    drop(guard);
    cx.sleep(ARRIVES).await;
    is_refused(&lock, "k").await;
    assert_eq!(clones[0].fencing_token(), clones[1].fencing_token());
    assert!(clones.iter().all(LockGuard::is_valid));
    drop(clones);
    soon_free(&cx, &lock).await;
    assert_eq!(locks.counts().releases, 1);
}

pub(super) async fn a_guard_tells_its_token_and_time(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let locks = Locks::new(lock.clone());
    let before = guard(&locks, options()).await;
    let token = before.fencing_token();
    before.release().await.expect("answered");
    let guard = guard(&locks, options().without_renewal()).await;
    assert!(guard.fencing_token() > token && guard.key() == "k");
    let first = guard.remaining();
    assert!(first <= SECOND - MILLI * 20, "{first:?} of a second, less the margin");
    cx.sleep(MILLI * 300).await;
    assert!(guard.remaining() <= first - MILLI * 300);
    cx.sleep(guard.remaining()).await;
    assert!(guard.remaining().is_zero() && !guard.is_valid());
}

pub(super) async fn lost_fires_at_the_deadline_and_not_after_a_release(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let locks = Locks::new(lock.clone());
    let lapses = guard(&locks, options().without_renewal()).await;
    let deadline = BootInstant::now().after(lapses.remaining());
    lapses.lost().await;
    let late = BootInstant::now().since(deadline);
    assert!(deadline.has_passed() && late <= cx.slack(), "{late:?} after the deadline");
    outlive(&cx, &lock, MILLI * 100).await;
    let released = guard(&locks, options()).await;
    let clone = released.clone();
    released.release().await.expect("answered");
    tokio::select! {
        () = clone.lost() => panic!("lost() fired after a release"),
        () = cx.sleep(SECOND * 2) => {}
    }
    assert_eq!(locks.counts().losses, 1);
}

pub(super) async fn work_is_dropped_at_the_deadline(cx: Context<dyn Lock>) {
    struct Tells(Arc<AtomicU32>);
    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let lock = cx.open().await;
    let locks = Locks::new(lock.clone());
    let guard = guard(&locks, options().without_renewal()).await;
    assert_eq!(guard.run(work(100)).await.expect("answered"), 100);
    let dropped = Arc::new(AtomicU32::new(0));
    let (tells, deadline) = (Tells(Arc::clone(&dropped)), BootInstant::now().after(guard.remaining()));
    let ended = guard.run(async move { work(60_000).await.map(|_| drop(tells)) }).await;
    is_lost(ended);
    let late = BootInstant::now().since(deadline);
    assert!(deadline.has_passed() && late <= cx.slack(), "{late:?} after the deadline");
    assert_eq!(dropped.load(Ordering::Relaxed), 1, "the work is gone when run answers");
    is_lost(guard.run(work(1)).await);
}

pub(super) async fn a_guard_releases(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let locks = Locks::new(lock.clone());
    guard(&locks, options()).await.release().await.expect("it was ours");
    is_free(&lock, "k").await;
    let late = guard(&locks, options().without_renewal()).await;
    outlive(&cx, &lock, SECOND).await;
    let successor = take(&lock, &claim("k", LONG)).await;
    is_lost(late.release().await);
    lock.renew(&successor).await.expect("the successor keeps it");
}

pub(super) async fn a_guard_can_be_left_to_expire(cx: Context<dyn Lock>) {
    let (client, lock) = (cx.new_client().await, cx.open().await);
    let locks = Locks::new(client.open(cx.namespace()).expect("answered"));
    let guard = guard(&locks, options()).await;
    let deadline = BootInstant::now().after(guard.remaining());
    guard.let_expire();
    if client.has_backend() {
        client.backend().close().await;
    }
    cx.sleep(MILLI * 900).await;
    is_refused_until(&lock, "k", deadline).await;
    cx.sleep(MILLI * 100 + lock.capabilities().ttl_granularity).await;
    is_free(&lock, "k").await;
}

pub(super) async fn a_dropped_guard_releases_in_the_background(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let locks = Locks::new(lock.clone());
    drop(guard(&locks, options()).await);
    soon_free(&cx, &lock).await;
    // In a thread without a runtime, which neither panics nor blocks.
    let elsewhere = guard(&locks, options()).await;
    std::thread::spawn(move || drop(elsewhere)).join().expect("dropping does not panic");
    soon_free(&cx, &lock).await;
    // Lost before it was dropped.
    let late = guard(&locks, options().without_renewal()).await;
    cx.sleep(SECOND).await;
    drop(late);
    soon_free(&cx, &lock).await;
}

pub(super) async fn a_lock_is_not_reentrant(cx: Context<dyn Lock>) {
    let locks = Locks::new(cx.open().await);
    let _held = guard(&locks, options()).await;
    assert!(locks.try_acquire("k", options()).await.expect("answered").is_none());
    let again = locks.acquire("k", options().with_timeout(MILLI * 50)).await;
    assert!(matches!(again, Err(Error::LockTimeout { .. })), "{again:?}");
}

pub(super) async fn thirty_seconds_by_default(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let locks = Locks::new(lock.clone());
    let guard = guard(&locks, LockOptions::new()).await;
    let remaining = guard.remaining();
    assert!(remaining <= MILLI * 29_690 && remaining >= MILLI * 29_690 - cx.slack(), "{remaining:?}");
    if cx.slack() < MILLI * 100 {
        let begun = BootInstant::now();
        let timeout = locks.acquire("k", LockOptions::new()).await;
        assert!(matches!(timeout, Err(Error::LockTimeout { .. })), "{timeout:?}");
        let took = BootInstant::now().since(begun);
        assert!(took >= SECOND * 30 && took <= SECOND * 30 + cx.slack(), "{took:?}");
    }
}

pub(super) async fn locks_count_what_they_do(cx: Context<dyn Lock>) {
    let locks = Locks::new(cx.open().await);
    let held = guard(&locks, options()).await;
    assert!(locks.try_acquire("k", options()).await.expect("answered").is_none());
    let waits = locks.counts().waits;
    assert!(locks.acquire("k", options().with_timeout(MILLI * 700)).await.is_err());
    let counts = locks.counts();
    assert_eq!((counts.waits - waits, counts.grants, counts.losses, counts.releases), (1, 1, 0, 0), "{counts:?}");
    assert!(counts.renewals >= 1, "{counts:?}");
    held.release().await.expect("answered");
    let lapses = guard(&locks, options().without_renewal()).await;
    lapses.lost().await;
    let counts = locks.counts();
    assert_eq!((counts.grants, counts.losses, counts.releases), (2, 1, 1), "{counts:?}");
}

pub(super) async fn run_acquires_works_and_releases(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let locks = Locks::new(lock.clone());
    let token: FencingToken =
        locks.run("k", options(), |token| async move { Ok::<_, Error>(token) }).await.expect("answered");
    assert!(is_free(&lock, "k").await > token, "released before run answers");
    let long = locks.run("k", options(), |_| work(1700)).await;
    assert_eq!(long.expect("answered"), 1700, "renewed while the work goes on");
    let failed = locks.run("k", options(), |_| async { Err::<(), _>(Error::LogRewound) }).await;
    assert!(matches!(failed, Err(Error::LogRewound)), "the work's own error");
    is_free(&lock, "k").await;
    let held = take(&lock, &claim("k", LONG)).await;
    let skipped = locks.run_or_skip("k", options(), |_| async { panic!("it must not run") as Result<()> }).await;
    assert_eq!(skipped.expect("answered"), None);
    lock.release(held.claim(), None).await.expect("answered");
    let done = locks.run_or_skip("k", options(), |_| work(1)).await;
    assert_eq!(done.expect("answered"), Some(1));
    let panics = async move { locks.run("k", options(), |_| async { panic!("on purpose") as Result<()> }).await };
    assert!(tokio::spawn(panics).await.expect_err("it is refused").is_panic());
    soon_free(&cx, &lock).await;
}

pub(super) async fn dropped_calls_of_locks_leave_nothing(cx: Context<dyn Lock>) {
    let lock = cx.open().await;
    let locks = Locks::new(lock.clone());
    for polls in 0..6 {
        let holder = guard(&locks, options()).await;
        drop(poll_and_drop(&cx, locks.acquire("k", options()), polls).await);
        drop(poll_and_drop(&cx, locks.run("k", options(), |_| work(1)), polls).await);
        drop(poll_and_drop(&cx, holder.run(work(1000)), polls).await);
        drop(poll_and_drop(&cx, holder.clone().release(), polls).await);
        drop(holder);
        soon_free(&cx, &lock).await;
        drop(poll_and_drop(&cx, locks.try_acquire("k", options()), polls).await);
        drop(poll_and_drop(&cx, locks.run("k", options(), |_| work(1000)), polls).await);
        soon_free(&cx, &lock).await;
    }
}
