//! Connections that are cut, servers that are frozen, killed or full.

use super::*;

/// Whoever waits goes on waiting, and is granted the name although both its connections were cut before the release.
#[tokio::test(flavor = "multi_thread")]
async fn a_waiter_survives_its_connections() {
    let Some(stage) = Stage::new(&Setup::new()) else { return };
    let (here, there) = (stage.lock().await, stage.lock().await);
    for round in 0..5 {
        let key = format!("k{round}");
        let held = take(&here, &key, LONG).await;
        let waiter = wait(&there, &key, LONG);
        stage.has_queue().await;
        stage.ask::<u64>("CLIENT KILL TYPE normal SKIPME yes");
        stage.ask::<u64>("CLIENT KILL TYPE pubsub");
        release(&here, &held).await;
        let lease = granted(waiter, SECOND + SLACK).await;
        assert!(lease.fencing_token() > held.fencing_token());
        let lease = there.renew(&lease).await.expect("held");
        release(&there, &lease).await;
    }
}

// L-40
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_push_costs_a_second() {
    let Some(stage) = Stage::new(&Setup::new()) else { return };
    let (here, there) = (stage.lock().await, stage.lock().await);
    // No push arrives: the server may not publish.
    stage.ask::<()>("ACL SETUSER default resetchannels");
    let held = take(&here, "k", LONG).await;
    let waiter = wait(&there, "k", LONG);
    stage.has_queue().await;
    release(&here, &held).await;
    granted(waiter, SECOND + SLACK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flushed_scripts_are_sent_again() {
    let Some(stage) = Stage::new(&Setup::new()) else { return };
    let (here, there) = (stage.lock().await, stage.lock().await);
    let held = take(&here, "k", LONG).await;
    let waiter = wait(&there, "k", LONG);
    stage.has_queue().await;
    stage.ask::<()>("SCRIPT FLUSH");
    let held = here.renew(&held).await.expect("held");
    stage.ask::<()>("SCRIPT FLUSH");
    release(&here, &held).await;
    let lease = granted(waiter, SLACK).await;
    stage.ask::<()>("SCRIPT FLUSH");
    release(&there, &lease).await;
}

// L-46: killed in the middle of a wait, gone for a while, and back with its data.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_waited_out() {
    let Some(mut stage) = Stage::new(&Setup::new().durable()) else { return };
    let (here, there) = (stage.lock().await, stage.lock().await);
    let held = take(&here, "k", SECOND * 2).await;
    let waiter = wait(&there, "k", LONG);
    stage.has_queue().await;
    stage.server.kill().expect("ours");
    tokio::time::sleep(SECOND).await;
    assert!(!waiter.is_finished());
    stage.server.restart(servers::Data::Kept).expect("it starts again");
    let lease = granted(waiter, SECOND * 3).await;
    assert!(held.deadline().has_passed(), "granted before the holder's deadline");
    assert!(lease.fencing_token() > held.fencing_token());
}

// L-44: a server that is gone has not said that the name is held.
#[tokio::test(flavor = "multi_thread")]
async fn at_the_timeout_a_server_that_is_gone_says_nothing() {
    let Some(mut stage) = Stage::new(&Setup::new()) else { return };
    let lock = stage.lock().await;
    take(&lock, "k", LONG).await;
    stage.server.kill().expect("ours");
    let (first, second) = (claim("k", LONG), claim("k", LONG));
    // From here on the client knows that it has no connection, and sends nothing.
    lock.look(&first).await.expect_err("nobody answers");
    let asked = BootInstant::now();
    let (first, second) = tokio::join!(lock.acquire(&first, SLACK), lock.acquire(&second, SLACK));
    for answer in [first, second] {
        assert!(matches!(answer, Err(Error::Unavailable { outcome: Outcome::NotApplied, .. })), "{answer:?}");
    }
    assert!(BootInstant::now().since(asked) < SLACK * 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_gives_no_grant_that_is_too_late() {
    let Some(mut stage) = Stage::new(&Setup::new()) else { return };
    let lock = stage.lock().await;
    stage.server.freeze().expect("ours");
    let asked = BootInstant::now();
    let answer = lock.acquire(&claim("k", SECOND / 2), SECOND / 2).await;
    assert!(matches!(answer, Err(Error::Timeout { outcome: Outcome::Unknown { settled: false }, .. })), "{answer:?}");
    assert!(BootInstant::now().since(asked) < SECOND * 2 + SLACK, "{:?}", BootInstant::now().since(asked));
    stage.server.thaw().expect("ours");
    // What it took when it went on was given back, or lapses within one TTL.
    tokio::time::sleep(SECOND / 2).await;
    take(&lock, "k", LONG).await;
}

/// A holder keeps what it holds, and gives it back, on a server that takes no writes for want of memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_still_renews_and_releases() {
    let Some(stage) = Stage::new(&Setup::new()) else { return };
    let lock = stage.lock().await;
    let held = take(&lock, "k", SECOND).await;
    let waiter = wait(&lock, "k", LONG);
    stage.has_queue().await;
    stage.ask::<()>("CONFIG SET maxmemory 1");
    let refused = lock.try_acquire(&claim("other", LONG)).await;
    assert!(matches!(refused, Err(Error::Exhausted { what: "memory", .. })), "{refused:?}");
    let held = lock.renew(&held).await.expect("a renewal needs no memory");
    release(&lock, &held).await;
    assert!(matches!(waiter.await.expect("it ends"), Ok(_) | Err(Error::Exhausted { .. })));
    stage.ask::<()>("CONFIG SET maxmemory 0");
    take(&lock, "other", LONG).await;
}
