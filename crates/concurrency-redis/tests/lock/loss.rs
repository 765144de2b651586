//! Data that is lost: tokens rise all the same.

use servers::Data;

use super::*;

// L-24, L-25
#[tokio::test(flavor = "multi_thread")]
async fn tokens_rise_over_restarts_with_and_without_the_data() {
    let Some(mut stage) = Stage::new(&Setup::new().durable()) else { return };
    let lock = stage.lock().await;
    let mut last = concurrency_core::FencingToken(0);
    for data in [Data::Kept, Data::Lost, Data::Lost, Data::Kept] {
        for _ in 0..3 {
            let lease = lock.acquire(&claim("k", SECOND), LONG).await.expect("free, or lapses");
            assert!(lease.fencing_token() > last, "{} came after {last}", lease.fencing_token());
            last = lease.fencing_token();
            release(&lock, &lease).await;
        }
        // One that is held when the server dies.
        let lease = take(&lock, "k", SECOND).await;
        last = lease.fencing_token();
        stage.server.restart(data).expect("it starts again");
        let answer = lock.renew(&lease).await;
        match data {
            Data::Kept => assert_eq!(answer.expect("held, if it was quick").fencing_token(), last),
            Data::Lost => assert!(matches!(answer, Err(Error::LeaseLost { .. })), "{answer:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_flush_whoever_waits_gets_in() {
    let Some(stage) = Stage::new(&Setup::new()) else { return };
    let (here, there) = (stage.lock().await, stage.lock().await);
    let held = take(&here, "k", LONG).await;
    let waiter = wait(&there, "k", LONG);
    stage.has_queue().await;
    stage.ask::<()>("FLUSHALL");
    // Nobody tells it: it finds out when it looks.
    let lease = granted(waiter, SECOND + SLACK).await;
    assert!(lease.fencing_token() > held.fencing_token());
    assert!(matches!(here.renew(&held).await, Err(Error::LeaseLost { .. })));
    let late = here.release(held.claim(), Some(held.fencing_token())).await.expect("answered");
    assert_eq!(late, concurrency_core::Released::HeldByOther);
    there.renew(&lease).await.expect("the late one has taken nothing");
}

// L-26: a record that is gone, and a clock that was behind when it was written.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_above_the_stored_one_and_not_below_the_clock() {
    let Some(stage) = Stage::new(&Setup::new()) else { return };
    let lock = stage.lock().await;
    let record = "concurrency:lr:{n:k}";
    let lease = take(&lock, "k", LONG).await;
    let (seconds, micros): (u64, u64) = stage.ask("TIME");
    let now = seconds * 1_000_000 + micros;
    assert!(lease.fencing_token().0 <= now && lease.fencing_token().0 > now - 10_000_000, "{lease:?} at {now}");
    release(&lock, &lease).await;
    // Written by a server whose clock was years ahead.
    let ahead: u64 = 1 << 52;
    let _: i64 =
        redis::cmd("SETRANGE").arg(record).arg(2).arg(&ahead.to_be_bytes()[..]).query(&mut stage.raw()).expect("set");
    let lease = take(&lock, "k", LONG).await;
    assert_eq!(lease.fencing_token().0, ahead + 1);
    release(&lock, &lease).await;
    // It is kept for a week after its last use, and not for ever.
    let left: u64 = stage.ask(&format!("PTTL {record}"));
    assert!((604_800_000..=700_000_000).contains(&left), "{left}");
    // The last one there is.
    let last = concurrency_core::FencingToken::MAX.0;
    let _: i64 =
        redis::cmd("SETRANGE").arg(record).arg(2).arg(&last.to_be_bytes()[..]).query(&mut stage.raw()).expect("set");
    let none = lock.try_acquire(&claim("k", LONG)).await;
    assert!(matches!(none, Err(Error::Exhausted { what: "fencing tokens", .. })), "{none:?}");
}
