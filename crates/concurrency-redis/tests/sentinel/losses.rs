//! What a failover takes back of all that was acknowledged, and how each component says so.

use concurrency_core::{
    AppendOptions, Cache, Claim, Delivery, Error, EventStore, Expiry, Lock, Memory, NewEvent, SaveOptions, StateStore,
    Subscription,
};
use servers::Data;

use super::*;

/// The next event, past what else a subscription says.
async fn next(subscription: &mut Subscription) -> Result<String, Error> {
    loop {
        match subscription.next().await {
            Ok(Delivery::Event(event)) => return Ok(String::from_utf8(event.data.to_vec()).unwrap()),
            Err(error) if is_outage(&error) => {}
            Err(error) => return Err(error),
            Ok(_) => {}
        }
    }
}

// E-36, L-62, G-78
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_lost_is_told_and_what_relied_on_it_is_caught() {
    let Some(mut set) = set() else { return };
    let (redis, other) = (client(&set).await, client(&set).await);
    let (states, cache, lock) = (redis.state_store("n").unwrap(), redis.cache("n").unwrap(), redis.lock("n").unwrap());
    let events = redis.event_store("n").unwrap();
    let append =
        async |data: &'static str| events.append("s", vec![NewEvent::new("e", data)], AppendOptions::new()).await;
    let mut subscription = Subscription::new(Arc::clone(&events) as Arc<dyn EventStore>, None);

    let first = states.save("k", "1".into(), SaveOptions::new()).await.unwrap();
    cache.set("k", "old".into(), Expiry::Never).await.unwrap();
    append("kept").await.unwrap();
    assert_eq!(next(&mut subscription).await.unwrap(), "kept");
    set.until_whole().unwrap();

    set.cut_off_replicas(0).unwrap();
    let second = states.save("k", "2".into(), SaveOptions::new().if_version(first)).await.unwrap();
    assert!(cache.remove("k").await.unwrap());
    let lost = append("lost").await.unwrap();
    assert_eq!(next(&mut subscription).await.unwrap(), "lost");
    let (claim, theirs) = (Claim::new("l", PATIENCE).unwrap(), Claim::new("l", PATIENCE).unwrap());
    let lease = lock.try_acquire(&claim).await.unwrap().unwrap();
    assert!(other.lock("n").unwrap().try_acquire(&theirs).await.unwrap().is_none());
    set.kill(0).unwrap();
    set.until_replaced(0).unwrap();

    let found = at_last("load", async || states.load("k").await).await.unwrap();
    assert_eq!((found.version, &found.value[..]), (first, &b"1"[..]), "the state is the one before");
    let refused = states.save("k", "3".into(), SaveOptions::new().if_version(second)).await.unwrap_err();
    assert!(refused.is_conflict(), "{refused:?}");
    let back = at_last("get", async || cache.get("k").await).await;
    assert_eq!(back.as_deref(), Some(&b"old"[..]), "what was removed is back");
    let told = next(&mut subscription).await.unwrap_err();
    assert!(matches!(told, Error::LogRewound), "{told:?}");
    let after = at_last("append", async || append("after").await).await;
    assert!(after.position > lost.position && after.last == lost.last, "{lost:?}, {after:?}");

    // Two hold the name now, and what both write to knows whose turn it is.
    let over = other.lock("n").unwrap();
    let second_holder = at_last("try_acquire", async || over.try_acquire(&theirs).await).await.unwrap();
    assert!(lease.is_valid() && second_holder.fencing_token() > lease.fencing_token(), "{second_holder:?}");
    let elsewhere = Memory::new().state_store("n").unwrap();
    let write = async |token| elsewhere.save("k", "v".into(), SaveOptions::new().fenced_by(token)).await;
    write(second_holder.fencing_token()).await.unwrap();
    let late = write(lease.fencing_token()).await.unwrap_err();
    assert!(matches!(late, Error::Fenced { .. }), "{late:?}");
    let renewed = lock.renew(&lease).await.unwrap_err();
    assert!(matches!(renewed, Error::LeaseLost { .. }), "{renewed:?}");

    // Nobody goes to the old one, although it takes itself for a primary at first, with all that was lost.
    set.restart(0, Data::Kept).unwrap();
    let newcomer = client(&set).await;
    let found = newcomer.state_store("n").unwrap().load("k").await.unwrap().unwrap();
    assert_eq!(found.version, first);
}
