//! A fenced write: a holder that was paused for longer than its lease wakes up, believes nothing has happened, and is refused.

use std::time::Duration;

use concurrency::{Error, FencingToken, LockOptions, Locks, Result, SaveOptions, TypedState};
use examples::Place;

async fn ship(orders: &TypedState<String>, by: &str, token: FencingToken) -> Result<()> {
    // Judged in the same atomic step as the write: below the highest token that was accepted for this key, it is refused.
    orders.save("7", &format!("shipped by {by}"), SaveOptions::new().fenced_by(token)).await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let place = Place::of_this_run(); // in memory, or on the server that the argument names
    let backend = place.connect().await?;
    let locks = Locks::new(backend.lock("orders")?);
    let orders = TypedState::<String>::new(backend.state_store("orders")?);

    // The first holder stops (a page fault, a virtual machine that moves) right after it was granted the lock.
    let brief = LockOptions::new().with_ttl(Duration::from_millis(200)).without_renewal();
    let paused = locks.acquire("order-7", brief).await?;

    // Its lease runs out, as it would if it had crashed; the second holder gets the lock and does the work.
    let second = locks.acquire("order-7", LockOptions::new()).await?;
    assert!(second.fencing_token() > paused.fencing_token());
    ship(&orders, "the second", second.fencing_token()).await?;
    second.release().await?;

    // The first one wakes up in the middle of its work. The lock cannot stop it any more, its old token does.
    assert!(!paused.is_valid());
    match ship(&orders, "the first", paused.fencing_token()).await {
        Err(Error::Fenced { seen, given, .. }) => {
            println!("refused: the token is too old ({})", given < seen);
        }
        other => panic!("{other:?}"),
    }
    let order = orders.load("7").await?.expect("it was shipped").value;
    println!("order 7: {order}");
    assert_eq!(order, "shipped by the second");
    Ok(())
}
