//! "Skip if taken": three instances start the same job. One does it, the others go on at once.

use std::{future::ready, time::Duration};

use concurrency::{Error, LockOptions, Locks, Result};
use examples::Place;

/// True if this instance did it.
async fn report(locks: &Locks, instance: &str, work: impl Future<Output = Result<()>>) -> Result<bool> {
    let done = locks.run_or_skip("report", LockOptions::new(), |_token| async {
        println!("instance {instance} writes the report");
        work.await?;
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
    let place = Place::of_this_run(); // in memory, or on the server that the argument names
    let [a, b, c] = [place.connect().await?, place.connect().await?, place.connect().await?];
    let [a, b, c] = [Locks::new(a.lock("jobs")?), Locks::new(b.lock("jobs")?), Locks::new(c.lock("jobs")?)];

    // While one of them is at it, the others start, too.
    let others = async {
        assert!(!report(&b, "b", ready(Ok(()))).await? && !report(&c, "c", ready(Ok(()))).await?);
        Ok(())
    };
    println!("done by a: {}", report(&a, "a", others).await?);

    let period = Duration::from_secs(1);
    assert!(nightly(&b, period).await?);
    assert!(!nightly(&c, period).await? && !nightly(&a, period).await?, "not twice a night");
    tokio::time::sleep(period).await;
    assert!(nightly(&a, period).await?, "but the next night");
    Ok(())
}
