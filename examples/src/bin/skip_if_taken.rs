//! "Skip if taken": three instances start the same job. One does it, the others go on at once.

use std::time::Duration;

use concurrency::{Backend, Error, LockOptions, Locks, Memory, Result};

/// True if this instance did it.
async fn report(locks: &Locks, instance: &str) -> Result<bool> {
    let done = locks.run_or_skip("report", LockOptions::new(), |_token| async {
        println!("instance {instance} writes the report");
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok::<_, Error>(())
    });
    Ok(done.await?.is_some())
}

/// Once in each period, also where the work is shorter than the clocks of the instances differ: the name stays taken.
async fn nightly(locks: &Locks, period: Duration) -> Result<bool> {
    let once = LockOptions::new().with_ttl(period).without_renewal();
    let Some(guard) = locks.try_acquire("nightly", once).await? else { return Ok(false) };
    println!("the nightly job runs");
    guard.let_expire();
    Ok(true)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let server = Memory::new();
    let clients = [server.another_client(), server.another_client(), server.another_client()];
    let [a, b, c] = clients.map(|client| Locks::new(Backend::lock(&client, "jobs").expect("a good namespace")));

    let done = tokio::try_join!(report(&a, "a"), report(&b, "b"), report(&c, "c"))?;
    println!("done: {done:?}");
    assert_eq!(done, (true, false, false));

    let period = Duration::from_secs(1);
    assert!(nightly(&b, period).await?);
    assert!(!nightly(&c, period).await? && !nightly(&a, period).await?, "not twice a night");
    tokio::time::sleep(period).await;
    assert!(nightly(&a, period).await?, "but the next night");
    Ok(())
}
