//! How much the keeper does, and when.

use super::*;

// T-24
#[tokio::test(start_paused = true)]
async fn the_work_of_the_keeper_grows_with_the_renewals_and_not_with_the_guards() {
    const GUARDS: u64 = 3_000;
    let _simulation = simulate(1);
    let (remote, locks) = Remote::new();
    let mut guards = Vec::new();
    for i in 0..GUARDS {
        guards.push(locks.acquire(&format!("k{i}"), options()).await.unwrap());
        // Spread over one period, so that the keeper has something to do all the time.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(SECOND * 30).await;
    assert!(guards.iter().all(LockGuard::is_valid));
    let (renewals, looks) = (locks.counts().renewals, locks.shared.keeper.looked_at());
    assert!(renewals >= GUARDS * 9, "{renewals}");
    assert_eq!(looks, renewals, "each guard is looked at when it is renewed, and at no other time");
    let requests = remote.batches.lock().unwrap().len() as u64;
    assert!(requests <= renewals / 20, "{renewals} renewals in {requests} requests");
}

// T-25
#[tokio::test(start_paused = true)]
async fn a_renewal_that_is_refused_at_once_is_not_repeated_in_a_hurry() {
    let _simulation = simulate(1);
    let (remote, locks) = Remote::new();
    remote.renewals.lock().unwrap().extend([Fate::Refused; 1_000]);
    let (begun, guard) = (BootInstant::now(), locks.acquire("k", LockOptions::new()).await.unwrap());
    tokio::time::sleep(SECOND * 10 + SECOND / 2).await;
    assert_eq!(remote.batches.lock().unwrap().len(), 1);
    guard.lost().await;
    assert_eq!(BootInstant::now().since(begun), SECOND * 30 - Duration::from_millis(310));
    assert_eq!(remote.batches.lock().unwrap().len(), 20, "once a second, from the third of the TTL to the deadline");
}

#[tokio::test(start_paused = true)]
async fn a_loss_is_noticed_at_the_deadline_by_the_keeper_alone() {
    let _simulation = simulate(1);
    let (remote, locks) = Remote::new();
    let _guard = locks.acquire("k", LockOptions::new()).await.unwrap();
    remote.renewals.lock().unwrap().extend([Fate::Hangs; 1_000]);
    tokio::time::sleep(SECOND * 30 - Duration::from_millis(312)).await;
    assert_eq!(locks.counts().losses, 0);
    tokio::time::sleep(Duration::from_millis(4)).await;
    assert_eq!(locks.counts().losses, 1);
}
