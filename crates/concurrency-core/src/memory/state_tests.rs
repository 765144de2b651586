//! What the suite cannot see through the trait: garbage, clients and configuration.

use std::time::Duration;

use crate::{DeleteOptions, Error, FencingToken, Memory, MemoryConfig, SaveOptions, StateStore as _, clock::Clock};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn expired_values_and_marks_do_not_pile_up() {
    let memory = Memory::new();
    let store = memory.state_store("s").unwrap();
    for i in 0..10_000 {
        let options = SaveOptions::new().with_ttl(HOUR).fenced_by(FencingToken(i));
        store.save(&format!("k{i}"), "v".into(), options).await.unwrap();
        memory.clock().advance(HOUR / 10);
    }
    // A value lives for 10 writes and a mark for 240.
    assert!(store.entries() < 1000, "{}", store.entries());
}

#[tokio::test]
async fn a_mark_is_kept_as_long_as_configured() {
    let clock = Clock::new();
    let config = MemoryConfig::new().fence_retention(HOUR);
    let store = Memory::with_clock(config, clock.clone()).unwrap().state_store("s").unwrap();
    assert_eq!(store.capabilities().fence_retention, HOUR);
    let fenced = |token| DeleteOptions::new().fenced_by(FencingToken(token));
    store.delete("k", fenced(2)).await.unwrap();
    clock.advance(HOUR - Duration::from_secs(60));
    assert!(matches!(store.delete("k", fenced(1)).await, Err(Error::Fenced { .. })));
    clock.advance(Duration::from_secs(60));
    assert!(matches!(store.delete("k", fenced(1)).await, Ok(false)));
}

#[tokio::test]
async fn a_closed_client_leaves_the_data_to_others() {
    let memory = Memory::new();
    let other = memory.another_client().state_store("s").unwrap();
    let store = memory.state_store("s").unwrap();
    store.save("k", "v".into(), SaveOptions::new()).await.unwrap();
    crate::Backend::close(&memory).await;
    assert!(matches!(store.load("k").await, Err(Error::Closed)));
    assert!(matches!(store.load("").await, Err(Error::Closed)));
    assert_eq!(other.load("k").await.unwrap().unwrap().value, "v");
}

#[tokio::test]
async fn no_value_shows_in_debug() {
    let store = Memory::new().state_store("s").unwrap();
    store.save("k", "hunter2".into(), SaveOptions::new()).await.unwrap();
    assert!(!format!("{store:?} {:?}", store.load("k").await).contains("hunter2"));
}
