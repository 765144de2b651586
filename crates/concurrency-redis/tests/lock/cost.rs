//! What a lock costs the server, in requests.

use std::sync::Arc;

use concurrency_core::Lock;
use tokio::task::JoinSet;

use super::*;

/// Requests of the library since the counters were set back.
fn requests(stage: &Stage) -> u64 {
    stage.calls("evalsha") + stage.calls("eval") + stage.calls("ping")
}

/// From now on no script is sent in full.
async fn knows_the_scripts(lock: &RedisLock) {
    let lease = lock.acquire(&claim("scripts", LONG), SECOND).await.expect("free");
    let lease = lock.renew(&lease).await.expect("held");
    release(lock, &lease).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_nobody_else_wants_is_one_request_and_one_to_release() {
    let Some(stage) = Stage::new(&Setup::new()) else { return };
    let lock = stage.lock().await;
    knows_the_scripts(&lock).await;
    stage.ask::<()>("CONFIG RESETSTAT");
    for i in 0..100 {
        let lease = lock.acquire(&claim("k", LONG), SECOND).await.expect("free");
        assert_eq!(requests(&stage), 2 * i + 1);
        release(&lock, &lease).await;
        assert_eq!(requests(&stage), 2 * i + 2);
    }
    let lease = take(&lock, "k", LONG).await;
    lock.renew(&lease).await.expect("held");
    release(&lock, &lease).await;
    assert_eq!(requests(&stage), 203);
}

/// As many clients as there are numbers, each with so many tasks.
async fn contended(stage: &Stage, clients: usize, tasks: usize) -> f64 {
    const TURNS: u64 = 20;
    let mut contenders = JoinSet::new();
    let mut locks = Vec::new();
    for _ in 0..clients {
        locks.push(stage.lock().await);
    }
    knows_the_scripts(&locks[0]).await;
    let held = take(&locks[0], "k", LONG).await;
    for lock in &locks {
        for _ in 0..tasks {
            let lock = Arc::clone(lock);
            contenders.spawn(async move {
                for _ in 0..TURNS {
                    let lease = lock.acquire(&claim("k", LONG), LONG).await.expect("its turn comes");
                    tokio::time::sleep(Duration::from_micros(500)).await;
                    release(&lock, &lease).await;
                }
            });
        }
    }
    let queued = || stage.raw().zcard::<_, usize>("concurrency:lq:{n:k}").expect("answered");
    poll("not all clients stand in line", || queued() == clients).await;
    stage.ask::<()>("CONFIG RESETSTAT");
    release(&locks[0], &held).await;
    while let Some(contender) = contenders.join_next().await {
        contender.expect("it ends");
    }
    let acquisitions = (clients * tasks) as f64 * TURNS as f64;
    assert_eq!(stage.calls("eval"), 0, "the scripts were known");
    // One release each, and the one that began it.
    (stage.calls("evalsha") as f64 - acquisitions - 1.0) / acquisitions
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_who_want_a_lock_need_one_attempt_each() {
    let Some(stage) = Stage::new(&Setup::new()) else { return };
    for (clients, tasks) in [(1, 50), (10, 5)] {
        let attempts = contended(&stage, clients, tasks).await;
        println!("{clients} clients of {tasks} tasks: {attempts:.3} attempts an acquisition");
        assert!(attempts <= 1.05, "{attempts} attempts an acquisition with {clients} clients of {tasks} tasks");
    }
    assert_eq!(stage.names("concurrency:lq:"), Vec::<String>::new(), "nobody waits any more");
    assert_eq!(stage.names("concurrency:lp:"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_leases_are_renewed_in_ten_scripts() {
    let Some(stage) = Stage::new(&Setup::new()) else { return };
    let lock = stage.lock().await;
    let mut taken = JoinSet::new();
    for i in 0..1000 {
        let lock = Arc::clone(&lock);
        taken.spawn(async move { take(&lock, &format!("k{i}"), LONG).await });
    }
    let leases = taken.join_all().await;
    let leases: Vec<_> = leases.iter().collect();
    knows_the_scripts(&lock).await;
    stage.ask::<()>("CONFIG RESETSTAT");
    // One of them is no lease any more, and another name holds something else; that keeps no other from being renewed.
    stage.ask::<()>(&format!("DEL concurrency:lr:{{n:{}}}", leases[7].key()));
    stage.ask::<()>(&format!("DEL concurrency:lr:{{n:{}}}", leases[501].key()));
    stage.ask::<()>(&format!("LPUSH concurrency:lr:{{n:{}}} x", leases[501].key()));
    let renewed = lock.renew_many(&leases).await;
    assert_eq!(stage.calls("evalsha"), 10);
    for (i, (lease, renewed)) in leases.iter().zip(renewed).enumerate() {
        match i {
            7 => assert!(matches!(renewed, Err(Error::LeaseLost { .. })), "{renewed:?}"),
            501 => assert!(matches!(renewed, Err(Error::Decode { .. })), "{renewed:?}"),
            _ => assert_eq!(renewed.expect("held").fencing_token(), lease.fencing_token()),
        }
    }
}

/// Many clients wait; whoever is granted the name is the only one that is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_wakes_one_client() {
    const CLIENTS: usize = 10;
    let Some(stage) = Stage::new(&Setup::new()) else { return };
    let first = stage.lock().await;
    let mut held = take(&first, "k", LONG).await;
    let mut waiters = Vec::new();
    for place in 1..=CLIENTS {
        let lock = stage.lock().await;
        waiters.push((wait(&lock, "k", LONG), lock));
        let queued = || stage.raw().zcard::<_, usize>("concurrency:lq:{n:k}").expect("answered");
        poll("it does not stand in line", || queued() == place).await;
    }
    // What is told before it is asked for is told to nobody, and counted all the same.
    stage.ask::<()>("CONFIG RESETSTAT");
    let mut holder = first;
    for (told, (waiter, lock)) in waiters.into_iter().enumerate() {
        assert_eq!(stage.calls("publish"), told as u64);
        release(&holder, &held).await;
        held = granted(waiter, SLACK).await;
        assert_eq!(stage.calls("publish"), told as u64 + 1);
        holder = lock;
    }
}
