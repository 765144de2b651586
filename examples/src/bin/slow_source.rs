//! A cache over a slow source: one load for all who ask at once, in two instances, and nobody reads what was removed.

use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use concurrency::{Backend, Result, TypedCache};
use examples::Place;
use tokio::task::JoinSet;

/// The catalogue of somebody else: slow, and it charges by the question.
static QUESTIONS: AtomicU32 = AtomicU32::new(0);
static PRICE: AtomicU32 = AtomicU32::new(250);

async fn ask_the_catalogue() -> Result<u32, std::io::Error> {
    QUESTIONS.fetch_add(1, Relaxed);
    tokio::time::sleep(Duration::from_millis(50)).await;
    Ok(PRICE.load(Relaxed))
}

fn prices(backend: &dyn Backend) -> Result<TypedCache<u32>> {
    Ok(TypedCache::new(backend.cache("prices")?).with_expiry(Duration::from_secs(60)))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let place = Place::of_this_run(); // in memory, or on the server that the argument names
    let instances = [prices(&*place.connect().await?)?, prices(&*place.connect().await?)?];

    // A hundred requests at once, at two instances: the future is polled on a miss only, and once for all.
    let mut requests = JoinSet::new();
    for request in 0..100 {
        let prices = instances[request % 2].clone();
        requests.spawn(async move { prices.get_or_load("apple", ask_the_catalogue()).await });
    }
    while let Some(price) = requests.join_next().await {
        assert_eq!(*price.expect("it did not panic")?, 250);
    }
    println!("100 requests, {} question to the catalogue", QUESTIONS.load(Relaxed));
    assert_eq!(QUESTIONS.load(Relaxed), 1);

    // The price changes. Whoever changes it removes the old one; after that, no instance gets it.
    PRICE.store(300, Relaxed);
    assert_eq!(instances[0].get("apple").await?.as_deref(), Some(&250), "still cached");
    instances[1].remove("apple").await?;
    let price = instances[0].get_or_load("apple", ask_the_catalogue()).await?;
    println!("the new price is {price}");
    assert_eq!((*price, QUESTIONS.load(Relaxed)), (300, 2));
    Ok(())
}
