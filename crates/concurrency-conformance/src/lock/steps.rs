//! What many cases do: claim, take, try in vain, stand in line.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use concurrency_core::{Boxed, Claim, Error, FencingToken, Lease, Lock, Result, clock::BootInstant};
use tokio::task::JoinHandle;

use crate::Context;

pub(super) type Cx = Context<dyn Lock>;
pub(super) type SomeLock = Arc<dyn Lock>;

pub(super) const MILLI: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);
/// Long enough never to end within a case.
pub(super) const LONG: Duration = Duration::from_secs(60);
/// How long a request to any server may take to arrive, where a case goes on without its answer.
pub(super) const ARRIVES: Duration = Duration::from_millis(50);

/// A claim of a fresh owner.
pub(super) fn claim(key: &str, ttl: Duration) -> Claim {
    Claim::new(key, ttl).expect("the claim is valid")
}

/// As short as a lease may be, and yet long enough for a request on a machine that is busy.
pub(super) fn brief(cx: &Cx) -> Duration {
    MILLI * 100 + cx.slack()
}

/// Takes a name that is free.
pub(super) async fn take(lock: &SomeLock, claim: &Claim) -> Lease {
    let lease = lock.try_acquire(claim).await.expect("the attempt is answered");
    lease.unwrap_or_else(|| panic!("{:?} is free and nobody waits for it, but the answer was None", claim.key()))
}

/// A fresh owner tries, and does not get it.
pub(super) async fn is_refused(lock: &SomeLock, key: &str) {
    let lease = lock.try_acquire(&claim(key, SECOND)).await.expect("the attempt is answered");
    assert!(lease.is_none(), "{key:?} was granted to another owner as well: {lease:?}");
}

/// A fresh owner tries, and must not get it before `until`; what is answered after that instant proves nothing.
pub(super) async fn is_refused_until(lock: &SomeLock, key: &str, until: BootInstant) {
    let intruder = claim(key, SECOND);
    let lease = lock.try_acquire(&intruder).await.expect("the attempt is answered");
    let too_early = lease.is_some() && !until.has_passed();
    assert!(!too_early, "{key:?} was granted to another owner {:?} too early", until.remaining());
    if lease.is_some() {
        lock.release(&intruder, None).await.expect("the release is answered");
    }
}

/// A fresh owner can have it now, and gives it back.
pub(super) async fn is_free(lock: &SomeLock, key: &str) -> FencingToken {
    // Long enough that a grant is not late on a loaded machine.
    let claim = claim(key, LONG);
    let token = take(lock, &claim).await.fencing_token();
    lock.release(&claim, Some(token)).await.expect("the release is answered");
    token
}

/// The claim as if it had been granted just now: what a holder with a wrong idea of its deadline has in its hands.
pub(super) fn forged(claim: &Claim, token: FencingToken) -> Lease {
    claim.attempt().granted(token).expect("it was asked for just now")
}

/// As [`forged`], of another owner of the same name.
pub(super) fn stolen(lease: &Lease) -> Lease {
    forged(&lease.claim().renamed(), lease.fencing_token())
}

pub(super) fn is_lost<T: std::fmt::Debug>(answer: Result<T>) {
    assert!(matches!(answer, Err(Error::LeaseLost { .. })), "wanted LeaseLost, got {answer:?}");
}

/// Lets a TTL that began before now end, as coarse as the backend declares it.
pub(super) async fn outlive(cx: &Cx, lock: &SomeLock, ttl: Duration) {
    cx.sleep(ttl + lock.capabilities().ttl_granularity).await;
}

/// An `acquire` that is polled only when the case says so, and counts its polls.
pub(super) struct Waiter {
    future: Boxed<'static, Result<Lease>>,
    polls: Arc<AtomicU32>,
    /// How long news takes where waiters are not woken.
    polling: Duration,
}

impl Waiter {
    /// Not polled yet.
    pub(super) fn new(lock: &SomeLock, claim: &Claim, timeout: Duration) -> Self {
        let polling = if lock.capabilities().notifies { Duration::ZERO } else { SECOND };
        let (lock, claim) = (Arc::clone(lock), claim.clone());
        Self { future: Box::pin(async move { lock.acquire(&claim, timeout).await }), polls: Arc::default(), polling }
    }

    /// Stands in line for `key` with a TTL of a minute, and is not polled any more.
    pub(super) async fn in_line(cx: &Cx, lock: &SomeLock, key: &str) -> Self {
        Self::in_line_with(cx, lock, &claim(key, LONG)).await
    }

    /// As [`in_line`](Self::in_line), with a claim of one's own.
    pub(super) async fn in_line_with(cx: &Cx, lock: &SomeLock, claim: &Claim) -> Self {
        let mut waiter = Self::new(lock, claim, LONG * 10);
        waiter.keeps_waiting(cx, ARRIVES).await;
        waiter
    }

    /// Polls for so long, and is not granted.
    pub(super) async fn keeps_waiting(&mut self, cx: &Cx, time: Duration) {
        tokio::select! {
            answer = &mut *self => panic!("the name is held, but a waiter was answered {answer:?}"),
            () = cx.sleep(time) => {}
        }
    }

    /// Is granted within this time.
    pub(super) async fn granted_within(&mut self, cx: &Cx, time: Duration) -> Lease {
        tokio::select! {
            biased;
            answer = &mut *self => answer.expect("the waiter is granted"),
            () = cx.sleep(time) => panic!("the waiter was not granted within {time:?}"),
        }
    }

    /// Is granted as soon as news of it can arrive.
    pub(super) async fn granted_at_once(&mut self, cx: &Cx) -> Lease {
        let soon = self.polling + cx.slack();
        self.granted_within(cx, soon).await
    }

    /// Polled by a task of its own from now on.
    pub(super) fn spawn(self) -> JoinHandle<Result<Lease>> {
        tokio::spawn(self)
    }

    /// How often it was polled, also after it was spawned.
    pub(super) fn polls(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.polls)
    }
}

impl Future for Waiter {
    type Output = Result<Lease>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        self.future.as_mut().poll(cx)
    }
}

/// Polls a future so often, or until it is ready, with a little time between the polls, and drops it.
pub(super) async fn poll_and_drop<T>(cx: &Cx, future: impl Future<Output = T>, times: usize) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..times {
        let poll = poll_fn(|task| Poll::Ready(future.as_mut().poll(task))).await;
        if let Poll::Ready(output) = poll {
            return Some(output);
        }
        cx.sleep(MILLI).await;
    }
    None
}
