//! What the conformance suite cannot reach through the trait: the server's clock pushed alone, and memory.

use super::*;
use crate::clock::simulate;

const SECOND: Duration = Duration::from_secs(1);

fn open() -> (Arc<LockSpace>, MemoryLock) {
    let config = crate::MemoryConfig::new().of("");
    let space = Arc::new(LockSpace::new(config, Clock::new()));
    (Arc::clone(&space), MemoryLock::open(space, Session::default()))
}

fn claim(key: &str, ttl: Duration) -> Claim {
    Claim::new(key, ttl).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_server_judges_expiry_by_its_own_clock() {
    let _simulation = simulate(1);
    let (space, lock) = open();
    let first = lock.try_acquire(&claim("k", SECOND)).await.unwrap().unwrap();
    space.clock.advance(SECOND);
    assert!(first.is_valid(), "the holder's own clock has not moved");
    assert!(matches!(lock.renew(&first).await, Err(Error::LeaseLost { .. })));
    let second = lock.try_acquire(&claim("k", SECOND)).await.unwrap().unwrap();
    assert!(second.fencing_token() > first.fencing_token());
}

#[tokio::test(start_paused = true)]
async fn pushing_the_clock_wakes_a_waiter_but_not_its_timeout() {
    let _simulation = simulate(1);
    let (space, lock) = open();
    let lock = Arc::new(lock);
    lock.try_acquire(&claim("k", SECOND * 3600)).await.unwrap().unwrap();
    let waiter = tokio::spawn({
        let lock = Arc::clone(&lock);
        async move { lock.acquire(&claim("k", SECOND), SECOND * 5).await }
    });
    tokio::task::yield_now().await;
    let start = BootInstant::now();
    space.clock.advance(SECOND * 10);
    tokio::task::yield_now().await;
    assert!(!waiter.is_finished(), "five seconds by the waiter's clock have not passed");
    space.clock.advance(SECOND * 3600);
    waiter.await.unwrap().expect("the lease of the holder has expired");
    assert_eq!(BootInstant::now().since(start), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn names_that_nobody_holds_cost_no_memory() {
    let _simulation = simulate(1);
    let (space, lock) = open();
    for i in 0..10_000 {
        let claim = claim(&format!("released-{i}"), SECOND);
        let lease = lock.try_acquire(&claim).await.unwrap().unwrap();
        lock.release(&claim, Some(lease.fencing_token())).await.unwrap();
    }
    assert_eq!(space.table.lock().unwrap().len(), 0);
    for i in 0..10_000 {
        lock.try_acquire(&claim(&format!("left-{i}"), SECOND)).await.unwrap().unwrap();
        if i % 100 == 0 {
            tokio::time::advance(SECOND).await;
        }
    }
    let names = space.table.lock().unwrap().len();
    assert!(names <= 200, "{names} names have a record");
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_name_goes_on_above_its_tokens() {
    let _simulation = simulate(1);
    let (space, lock) = open();
    let mut last = FencingToken(0);
    for _ in 0..3 {
        let claim = claim("k", SECOND);
        let token = lock.try_acquire(&claim).await.unwrap().unwrap().fencing_token();
        assert!(token > last);
        last = token;
        lock.release(&claim, None).await.unwrap();
        assert_eq!(space.table.lock().unwrap().len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_gives_up_leaves_nothing_behind() {
    let _simulation = simulate(1);
    let (space, lock) = open();
    let holder = claim("k", SECOND);
    lock.try_acquire(&holder).await.unwrap().unwrap();
    for _ in 0..100 {
        let waiter = claim("k", SECOND);
        assert!(tokio::time::timeout(SECOND / 1000, lock.acquire(&waiter, SECOND * 9)).await.is_err());
    }
    assert_eq!(lock.release(&holder, None).await.unwrap(), Released::Ours);
    assert_eq!(space.table.lock().unwrap().len(), 0);
}
