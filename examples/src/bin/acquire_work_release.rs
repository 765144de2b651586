//! "Acquire, work, release": workers of two instances read a plain value, think, and write it back. The lock keeps them apart.

use std::time::Duration;

use concurrency::{Backend, LockOptions, Locks, Result, SaveOptions, TypedState};
use examples::Place;

struct Instance {
    locks: Locks,
    counters: TypedState<u32>,
}

impl Instance {
    fn new(backend: &dyn Backend) -> Result<Self> {
        Ok(Self {
            locks: Locks::new(backend.lock("jobs")?),
            counters: TypedState::new(backend.state_store("counters")?),
        })
    }

    /// Not safe by itself: between load and save anybody may write.
    async fn count(&self) -> Result<()> {
        let before = self.counters.load("done").await?.map_or(0, |state| state.value);
        tokio::time::sleep(Duration::from_millis(2)).await;
        self.counters.save("done", &(before + 1), SaveOptions::new()).await?;
        Ok(())
    }

    async fn work(&self) -> Result<()> {
        for _ in 0..5 {
            // Renewed while the work goes on, released when it ends; the work is dropped if the lease is lost.
            self.locks.run("count", LockOptions::new(), |_token| self.count()).await?;
        }
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let place = Place::of_this_run(); // in memory, or on the server that the argument names
    let (one, two) = (Instance::new(&*place.connect().await?)?, Instance::new(&*place.connect().await?)?);
    tokio::try_join!(one.work(), one.work(), two.work(), two.work())?;
    let done = one.counters.load("done").await?.expect("counted above").value;
    println!("{done} of 20 counted");
    assert_eq!(done, 20);

    // By hand, where the work does not fit a closure.
    let guard = one.locks.acquire("count", LockOptions::new().with_timeout(Duration::from_secs(5))).await?;
    guard.run(one.count()).await?;
    guard.release().await?;
    println!("{} after one more by hand", two.counters.load("done").await?.expect("counted above").value);
    Ok(())
}
