//! Waiters of several clients, and those who are gone.

use super::*;

/// Nobody looks before a refresh of a second, so whoever is granted sooner was woken.
#[tokio::test(flavor = "multi_thread")]
async fn another_client_is_woken_by_a_hand_over() {
    let Some(stage) = Stage::new(&Setup::new()) else { return };
    let (here, there) = (stage.lock().await, stage.lock().await);
    let mut lease = take(&here, "k", LONG).await;
    for turn in 0..20 {
        let (from, to) = if turn % 2 == 0 { (&here, &there) } else { (&there, &here) };
        let waiter = wait(to, "k", LONG);
        stage.has_queue().await;
        let asked = BootInstant::now();
        release(from, &lease).await;
        lease = granted(waiter, SLACK).await;
        assert!(BootInstant::now().since(asked) < SLACK, "it was not woken");
    }
}

/// Whatever is dropped, and whenever, nothing is left of it on the server or here.
#[tokio::test(flavor = "multi_thread")]
async fn dropped_waiters_leave_nothing() {
    let Some(stage) = Stage::new(&Setup::new()) else { return };
    let locks = [stage.lock().await, stage.lock().await];
    for round in 0..30_u32 {
        let key = format!("k{round}");
        let held = take(&locks[0], &key, LONG).await;
        let waiters: Vec<_> = (0..10).map(|i| wait(&locks[i % 2], &key, LONG)).collect();
        // From none of them in line to all.
        tokio::time::sleep(Duration::from_micros(u64::from(round) * 100)).await;
        let (some, rest) = waiters.split_at(5);
        some.iter().for_each(JoinHandle::abort);
        release(&locks[0], &held).await;
        rest.iter().for_each(JoinHandle::abort);
        for waiter in waiters {
            // Whoever had the name in its hands before it was dropped has it to give back.
            if let Ok(Ok(lease)) = waiter.await {
                release(&locks[0], &lease).await;
            }
        }
        let until = BootInstant::now().after(SLACK);
        while locks[0].holder(&key).await.expect("answered").is_some() {
            assert!(!until.has_passed(), "{key} is still taken: {:?}", locks[0].holder(&key).await);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    for lock in &locks {
        let until = BootInstant::now().after(SLACK);
        while lock.held_and_waiting().await.expect("answered") != (0, 0, 0) {
            assert!(!until.has_passed(), "{:?}", lock.held_and_waiting().await);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    poll("places are left", || stage.names("concurrency:lp:").is_empty()).await;
}

/// What a dropped wait gives back, however late, it does not take from a later one of the same claim.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_of_which_a_wait_was_dropped_keeps_what_it_is_granted_later() {
    let Some(stage) = Stage::new(&Setup::new()) else { return };
    let (here, there) = (stage.lock().await, stage.lock().await);
    for round in 0..50 {
        let claim = Claim::new(&format!("k{round}"), LONG).expect("a good claim");
        // Its request has left, and is answered some time.
        tokio::select! {
            biased;
            _ = here.acquire(&claim, SLACK) => {}
            () = tokio::task::yield_now() => {}
        }
        let lease = here.acquire(&claim, SLACK).await.expect("nobody else wants it");
        for _ in 0..20 {
            let holder = there.holder(claim.key()).await.expect("answered").expect("it is held");
            assert_eq!(holder.token, lease.fencing_token(), "round {round}");
        }
        release(&here, &lease).await;
    }
}

// L-37: a process that is gone, without a word, while it stands first.
#[test]
fn a_dead_process_holds_nobody_up() {
    let Some(stage) = Stage::new(&Setup::new()) else { return };
    let threads = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let living = threads().expect("a runtime");
    let here = living.block_on(stage.lock());
    for is_at_once in [true, false] {
        let dying = threads().expect("a runtime");
        let there = dying.block_on(stage.lock());
        let key = format!("k{is_at_once}");
        let queue = format!("concurrency:lq:{{n:{key}}}");
        let in_line = || stage.raw().zcard::<_, usize>(&queue).expect("answered");
        let (held, waiter) = living.block_on(async {
            let held = take(&here, &key, LONG).await;
            let (dead, claim) = (there, claim(&key, LONG));
            dying.spawn(async move { dead.acquire(&claim, LONG).await });
            poll("nobody stands in line", || in_line() == 1).await;
            let waiter = wait(&here, &key, LONG);
            poll("one client stands in line", || in_line() == 2).await;
            (held, waiter)
        });
        dying.shutdown_background();
        living.block_on(async {
            // It does not listen any more, so that it is passed by at once; and after two seconds its place counts for nothing.
            if !is_at_once {
                tokio::time::sleep(SECOND * 2).await;
            }
            release(&here, &held).await;
            let lease = granted(waiter, SLACK).await;
            assert!(lease.fencing_token() > held.fencing_token());
        });
    }
}
