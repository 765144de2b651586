//! Guards over a lock whose answers are late, lost or errors.

mod keeping;
mod polling;
mod waiting;

use std::{
    collections::VecDeque,
    sync::{Mutex, atomic::AtomicUsize, atomic::Ordering},
};

use super::*;
use crate::{
    Memory, Outcome,
    clock::{self, simulate},
};

const SECOND: Duration = Duration::from_secs(1);
const UNKNOWN: Outcome = Outcome::Unknown { settled: false };

/// What happens to one request.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// It never reaches the server.
    Refused,
    /// It takes effect, and its answer is lost.
    AnswerLost,
    /// It takes effect, and its answer comes this much later.
    Late(Duration),
    /// It takes no effect, and no answer comes.
    Hangs,
}

/// A lock in memory behind a bad network.
#[derive(Debug)]
struct Remote {
    lock: Arc<dyn Lock>,
    acquires: Mutex<VecDeque<Fate>>,
    renewals: Mutex<VecDeque<Fate>>,
    releases: Mutex<VecDeque<Fate>>,
    batches: Mutex<Vec<usize>>,
    released: AtomicUsize,
}

impl Remote {
    fn new() -> (Arc<Self>, Locks) {
        let remote = Self {
            lock: Memory::new().lock("l").unwrap(),
            acquires: Mutex::default(),
            renewals: Mutex::default(),
            releases: Mutex::default(),
            batches: Mutex::default(),
            released: AtomicUsize::new(0),
        };
        let remote = Arc::new(remote);
        (Arc::clone(&remote), Locks::new(remote))
    }

    async fn travel<T>(fates: &Mutex<VecDeque<Fate>>, request: impl Future<Output = Result<T>>) -> Result<T> {
        let fate = fates.lock().unwrap().pop_front();
        let unavailable = |outcome| Err(Error::Unavailable { outcome, source: None });
        match fate {
            None => request.await,
            Some(Fate::Refused) => unavailable(Outcome::NotApplied),
            Some(Fate::AnswerLost) => request.await.and(unavailable(UNKNOWN)),
            Some(Fate::Late(by)) => {
                let answer = request.await;
                tokio::time::sleep(by).await;
                answer
            }
            Some(Fate::Hangs) => std::future::pending().await,
        }
    }

    /// Somebody else can have it now.
    async fn is_free(&self, key: &str) -> bool {
        self.lock.holder(key).await.unwrap().is_none()
    }
}

#[async_trait]
impl Lock for Remote {
    fn capabilities(&self) -> LockCapabilities {
        self.lock.capabilities()
    }
    async fn try_acquire(&self, claim: &Claim) -> Result<Option<Lease>> {
        Self::travel(&self.acquires, self.lock.try_acquire(claim)).await
    }
    async fn acquire(&self, claim: &Claim, timeout: Duration) -> Result<Lease> {
        Self::travel(&self.acquires, self.lock.acquire(claim, timeout)).await
    }
    async fn renew(&self, lease: &Lease) -> Result<Lease> {
        // The answer is judged when it arrives.
        let renewal = lease.renewal();
        Self::travel(&self.renewals, self.lock.renew(lease)).await?;
        renewal.confirmed()
    }
    async fn renew_many(&self, leases: &[&Lease]) -> Vec<Result<Lease>> {
        self.batches.lock().unwrap().push(leases.len());
        let mut renewed = Vec::new();
        for lease in leases {
            renewed.push(self.renew(lease).await);
        }
        renewed
    }
    async fn release(&self, claim: &Claim, token: Option<FencingToken>) -> Result<Released> {
        self.released.fetch_add(1, Ordering::Relaxed);
        Self::travel(&self.releases, self.lock.release(claim, token)).await
    }
}

fn options() -> LockOptions {
    LockOptions::new().with_ttl(SECOND * 9)
}

async fn work(lasts: Duration) -> Result<BootInstant> {
    clock::sleep_until(BootInstant::now().after(lasts)).await;
    Ok(BootInstant::now())
}

/// Lets what was spawned run, without letting time pass.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

// T-24, T-40
#[tokio::test(start_paused = true)]
async fn guards_are_renewed_at_a_third_of_their_ttl_in_batches() {
    let _simulation = simulate(1);
    let (remote, locks) = Remote::new();
    let mut guards = Vec::new();
    for i in 0..1200 {
        guards.push(locks.acquire(&format!("k{i}"), options()).await.unwrap());
    }
    tokio::time::sleep(SECOND * 3 - SECOND / 1000).await;
    assert!(remote.batches.lock().unwrap().is_empty());
    tokio::time::sleep(SECOND / 500).await;
    assert_eq!(*remote.batches.lock().unwrap(), [500, 500, 200]);
    tokio::time::sleep(SECOND * 60).await;
    assert!(guards.iter().all(LockGuard::is_valid));
    assert_eq!(locks.counts().renewals, 1200 * 21);
    drop(guards);
    settle().await;
    assert_eq!(locks.counts().releases, 1200);
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0, "the keeper has ended");
}

// T-25
#[tokio::test(start_paused = true)]
async fn a_failed_renewal_is_repeated_and_is_no_loss() {
    let _simulation = simulate(1);
    let (remote, locks) = Remote::new();
    let guard = locks.acquire("k", options()).await.unwrap();
    remote.renewals.lock().unwrap().extend([Fate::Refused, Fate::AnswerLost, Fate::Refused, Fate::Refused]);
    guard.run(work(SECOND * 60)).await.unwrap();
    assert_eq!((locks.counts().losses, guard.is_valid()), (0, true));
}

// T-27, T-28, T-29
#[tokio::test(start_paused = true)]
async fn work_is_dropped_at_the_local_deadline() {
    let _simulation = simulate(1);
    let (remote, locks) = Remote::new();
    let (begun, guard) = (BootInstant::now(), locks.acquire("k", options()).await.unwrap());
    remote.renewals.lock().unwrap().extend([Fate::Refused; 100]);
    let dropped = Arc::new(Mutex::new(None));
    struct Drops(Arc<Mutex<Option<BootInstant>>>);
    impl Drop for Drops {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = Some(BootInstant::now());
        }
    }
    let drops = Drops(Arc::clone(&dropped));
    let ended = guard.run(async move { work(SECOND * 60).await.map(|_| drop(drops)) }).await;
    assert!(matches!(ended, Err(Error::LeaseLost { .. })));
    assert_eq!(dropped.lock().unwrap().unwrap().since(begun), SECOND * 9 - Duration::from_millis(100));
    guard.lost().await;
    assert_eq!((guard.remaining(), guard.is_valid(), locks.counts().losses), (Duration::ZERO, false, 1));
}

#[tokio::test(start_paused = true)]
async fn an_answer_past_its_deadline_revives_nothing() {
    let _simulation = simulate(1);
    let (remote, locks) = Remote::new();
    let guard = locks.acquire("k", options()).await.unwrap();
    remote.renewals.lock().unwrap().extend([Fate::Late(SECOND * 7)]);
    remote.renewals.lock().unwrap().extend([Fate::Refused; 100]);
    guard.lost().await;
    tokio::time::sleep(SECOND * 3).await;
    assert!(!guard.is_valid(), "the server extended it, but too late for us to know");
    assert!(!remote.is_free("k").await);
    drop(guard);
    settle().await;
    assert!(remote.is_free("k").await, "a guard that is lost is released, too");
}

#[tokio::test(start_paused = true)]
async fn a_renewal_without_an_answer_does_not_keep_the_next_from_being_sent() {
    let _simulation = simulate(1);
    let (remote, locks) = Remote::new();
    let guard = locks.acquire("k", options()).await.unwrap();
    remote.renewals.lock().unwrap().extend([Fate::Hangs, Fate::Late(SECOND * 2), Fate::Hangs]);
    guard.run(work(SECOND * 16)).await.unwrap();
    assert_eq!(locks.counts().losses, 0);
}

#[tokio::test(start_paused = true)]
async fn a_loss_that_the_server_tells_is_noticed_at_once() {
    let _simulation = simulate(1);
    let (remote, locks) = Remote::new();
    let guard = locks.acquire("k", options()).await.unwrap();
    let begun = BootInstant::now();
    // As a server that lost its memory.
    let lease = remote.lock.try_acquire(guard.claim()).await.unwrap().unwrap();
    remote.lock.release(lease.claim(), None).await.unwrap();
    guard.lost().await;
    assert_eq!(BootInstant::now().since(begun), SECOND * 3);
    assert_eq!(locks.counts().losses, 1);
    assert!(matches!(guard.release().await, Err(Error::LeaseLost { .. })));
}

// T-32
#[tokio::test(start_paused = true)]
async fn a_release_whose_answer_was_lost_is_repeated_and_ok() {
    let _simulation = simulate(1);
    let (remote, locks) = Remote::new();
    let guard = locks.acquire("k", options()).await.unwrap();
    remote.releases.lock().unwrap().extend([Fate::Refused, Fate::AnswerLost, Fate::Refused]);
    guard.release().await.unwrap();
    assert_eq!((remote.released.load(Ordering::Relaxed), locks.counts().releases), (4, 1));
}

// T-33
#[tokio::test(start_paused = true)]
async fn a_release_sent_once_that_finds_nothing_is_a_loss() {
    let _simulation = simulate(1);
    let (remote, locks) = Remote::new();
    let guard = locks.acquire("k", options()).await.unwrap();
    remote.lock.release(guard.claim(), None).await.unwrap();
    // Refused before it was sent: that does not count as a copy that may have been ours.
    remote.releases.lock().unwrap().extend([Fate::Refused]);
    assert!(matches!(guard.release().await, Err(Error::LeaseLost { .. })));
    assert_eq!((locks.counts().losses, locks.counts().releases), (1, 0));
}

// T-33
#[tokio::test(start_paused = true)]
async fn after_the_deadline_an_earlier_copy_proves_nothing() {
    let _simulation = simulate(1);
    let (remote, locks) = Remote::new();
    let options = LockOptions::new().with_ttl(SECOND * 4).without_renewal();
    let guard = locks.acquire("k", options).await.unwrap();
    tokio::time::sleep(SECOND * 3).await;
    remote.releases.lock().unwrap().extend([Fate::AnswerLost, Fate::Late(SECOND)]);
    assert!(matches!(guard.release().await, Err(Error::LeaseLost { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_release_without_an_answer_is_an_error_and_goes_on_in_the_background() {
    let _simulation = simulate(1);
    let (remote, locks) = Remote::new();
    let guard = locks.acquire("k", LockOptions::new()).await.unwrap();
    remote.releases.lock().unwrap().extend([Fate::Refused; 15]);
    let begun = BootInstant::now();
    assert!(matches!(guard.release().await, Err(Error::Unavailable { .. })));
    assert!(BootInstant::now().since(begun) <= SECOND * 5);
    assert!(!remote.is_free("k").await);
    tokio::time::sleep(SECOND * 15).await;
    assert!(remote.is_free("k").await, "long before the lease lapses");
}

// T-26, T-28, T-31
#[tokio::test(start_paused = true)]
async fn the_last_clone_releases_and_lost_does_not_fire_after_a_release() {
    let _simulation = simulate(1);
    let (remote, locks) = Remote::new();
    let guard = locks.acquire("k", options()).await.unwrap();
    let clone = guard.clone();
    drop(guard);
    settle().await;
    assert!(clone.is_valid() && !remote.is_free("k").await);
    let other = clone.clone();
    let waiting = tokio::spawn({
        let other = other.clone();
        async move { other.lost().await }
    });
    settle().await;
    clone.release().await.unwrap();
    assert!(remote.is_free("k").await);
    tokio::time::sleep(SECOND * 60).await;
    assert!(!waiting.is_finished());
    waiting.abort();
    assert!(matches!(other.run(work(SECOND)).await, Err(Error::LeaseLost { .. })));
    assert!(matches!(other.release().await, Err(Error::LeaseLost { .. })), "it was released before");
    assert_eq!((remote.released.load(Ordering::Relaxed), locks.counts().losses), (1, 0));
}

// T-35
#[tokio::test(start_paused = true)]
async fn a_lease_left_to_expire_is_neither_renewed_nor_released() {
    let _simulation = simulate(1);
    let (remote, locks) = Remote::new();
    let guard = locks.acquire("k", options()).await.unwrap();
    let clone = guard.clone();
    guard.let_expire();
    assert!(clone.is_valid());
    tokio::time::sleep(SECOND * 8).await;
    assert!(!remote.is_free("k").await);
    drop(clone);
    tokio::time::sleep(SECOND).await;
    assert!(remote.is_free("k").await);
    assert_eq!((remote.released.load(Ordering::Relaxed), locks.counts().losses), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_acquire_gives_back_what_it_may_have_taken() {
    let _simulation = simulate(1);
    let (remote, locks) = Remote::new();
    remote.acquires.lock().unwrap().extend([Fate::Late(SECOND), Fate::Late(SECOND), Fate::AnswerLost]);
    assert!(tokio::time::timeout(SECOND / 2, locks.acquire("k", options())).await.is_err());
    settle().await;
    assert!(remote.is_free("k").await);
    assert!(tokio::time::timeout(SECOND / 2, locks.try_acquire("k", options())).await.is_err());
    settle().await;
    assert!(remote.is_free("k").await);
    assert!(matches!(locks.try_acquire("k", options()).await, Err(Error::Unavailable { .. })));
    settle().await;
    assert!(remote.is_free("k").await);
    assert_eq!((locks.counts().waits, locks.counts().grants), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn run_releases_whatever_becomes_of_the_work() {
    let _simulation = simulate(1);
    let (remote, locks) = Remote::new();
    let ok = locks.run("k", options(), |token| async move { Ok::<_, Error>(token) }).await;
    assert_eq!(ok.unwrap(), FencingToken(1));
    assert!(remote.is_free("k").await, "released before run returned");
    let failed = locks.run("k", options(), |_| async { Err::<(), _>(Error::Closed) }).await;
    assert!(matches!(failed, Err(Error::Closed)) && remote.is_free("k").await);
    let panics = tokio::spawn({
        let locks = locks.clone();
        async move { locks.run("k", options(), |_| async { panic!("on purpose") as Result<()> }).await }
    });
    assert!(panics.await.unwrap_err().is_panic());
    settle().await;
    assert!(remote.is_free("k").await);
    let holder = locks.acquire("k", options()).await.unwrap();
    let skipped = locks.run_or_skip("k", options(), |_| async { Ok::<_, Error>(1) }).await;
    assert_eq!(skipped.unwrap(), None);
    holder.release().await.unwrap();
    let done = locks.run_or_skip("k", options(), |_| async { Ok::<_, Error>(1) }).await;
    assert_eq!(done.unwrap(), Some(1));
}

// T-27, T-38, T-39
#[tokio::test(start_paused = true)]
async fn defaults_and_bounds() {
    let _simulation = simulate(1);
    let (_, locks) = Remote::new();
    let guard = locks.acquire("k", LockOptions::new()).await.unwrap();
    assert_eq!(guard.remaining(), SECOND * 30 - Duration::from_millis(310));
    assert_eq!((guard.key(), guard.fencing_token()), ("k", FencingToken(1)));
    let begun = BootInstant::now();
    assert!(matches!(locks.acquire("k", LockOptions::new()).await, Err(Error::LockTimeout { .. })), "not re-entrant");
    assert_eq!(BootInstant::now().since(begun), SECOND * 30);
    let short = LockOptions::new().with_ttl(SECOND / 20);
    assert!(matches!(locks.try_acquire("k", short).await, Err(Error::InvalidArgument { .. })));
    assert!(matches!(locks.acquire("", LockOptions::new()).await, Err(Error::InvalidKey { .. })));
    assert_eq!(
        LockCounts { renewals: 0, ..locks.counts() },
        LockCounts { waits: 1, grants: 1, ..LockCounts::default() }
    );
}

// T-36, T-37
#[test]
fn a_guard_outlives_the_runtime_it_was_made_in() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (remote, locks) = Remote::new();
    let first = runtime();
    // Real time: a busy machine may keep the keeper from its renewal for a good while.
    let options = LockOptions::new().with_ttl(SECOND * 3);
    let guard = first.block_on(locks.acquire("k", options)).unwrap();
    drop(first);
    assert!(guard.is_valid());
    let second = runtime();
    second.block_on(guard.run(work(SECOND * 4))).expect("the keeper went on in the second runtime");
    drop(guard);
    second.block_on(async { assert!(!remote.is_free("k").await, "no runtime was there to send the release") });
    let guard = second.block_on(locks.acquire("k", options)).expect("the lease lapsed");
    second.block_on(async move {
        drop(guard);
        tokio::task::yield_now().await;
        assert!(remote.is_free("k").await);
    });
}
