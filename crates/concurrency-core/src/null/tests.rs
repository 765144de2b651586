//! `Null` is outside the suite; this is what it promises.

use super::*;
use crate::{ExpectedVersion, Precondition, connect};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn state_is_accepted_and_never_there() {
    let store = Null::new().state_store("s").unwrap();
    let options = SaveOptions::new().if_version(Version::mint()).with_ttl(MINUTE).fenced_by(FencingToken(1));
    let version = store.save("k", "v".into(), options).await.unwrap();
    assert_ne!(store.save("k", "v".into(), options.fenced_by(FencingToken(0))).await.unwrap(), version);
    assert!(store.load("k").await.unwrap().is_none());
    assert!(!store.delete("k", DeleteOptions::new().if_present()).await.unwrap());
    assert!(store.commit(vec![Write::check("k", Precondition::Present)]).await.is_ok());
    assert_eq!(store.load_many(&["a", "a"]).await.unwrap(), [None, None]);
    assert!(store.save_many(vec![Save::new("a", "v", options)]).await[0].is_ok());
    assert_eq!(store.delete_many(&["a", "b"]).await.unwrap(), 0);
    assert_eq!(store.list(ListQuery::all()).await.unwrap(), KeyPage::default());
    assert!(store.fence(&["a"], FencingToken(1)).await.is_ok());
}

#[tokio::test]
async fn arguments_are_checked_as_everywhere() {
    let null = Null::new();
    assert!(matches!(null.state_store("a b"), Err(Error::InvalidArgument { .. })));
    let store = null.state_store("s").unwrap();
    assert!(matches!(store.load("").await, Err(Error::InvalidKey { .. })));
    let zero = SaveOptions::new().with_ttl(Duration::ZERO);
    assert!(matches!(store.save("k", "v".into(), zero).await, Err(Error::InvalidArgument { .. })));
    assert!(matches!(store.delete_many(&["a", "a"]).await, Err(Error::InvalidArgument { .. })));
    assert!(matches!(store.list(ListQuery::all().limit(0)).await, Err(Error::InvalidArgument { .. })));
    let twice = vec![Save::new("a", "v", SaveOptions::new()), Save::new("a", "v", SaveOptions::new())];
    assert!(store.save_many(twice).await.iter().all(Result::is_err));
    let cache = null.cache("c").unwrap();
    assert!(matches!(
        cache.set("k", "v".into(), Expiry::After(Duration::ZERO)).await,
        Err(Error::InvalidArgument { .. })
    ));
    let events = null.event_store("e").unwrap();
    assert!(matches!(events.append("s", vec![], AppendOptions::new()).await, Err(Error::InvalidArgument { .. })));
    assert!(matches!(events.read_all(Position::START, 1001).await, Err(Error::InvalidArgument { .. })));
}

#[tokio::test]
async fn a_cache_never_hits() {
    let cache = Null::new().cache("c").unwrap();
    cache.set("k", "v".into(), Expiry::Never).await.unwrap();
    assert_eq!(cache.get("k").await.unwrap(), None);
    assert!(!cache.contains("k").await.unwrap() && !cache.remove("k").await.unwrap());
    for _ in 0..2 {
        let Lookup::Reserved(ticket) = cache.get_or_reserve("k", MINUTE).await.unwrap() else {
            panic!("whoever misses may load")
        };
        assert!(cache.fill(ticket, "v".into(), Expiry::Default).await.unwrap());
    }
    cache.clear().await.unwrap();
}

#[tokio::test]
async fn a_lock_is_granted_to_everybody() {
    let lock = Null::new().lock("l").unwrap();
    let first = lock.try_acquire(&Claim::new("k", MINUTE).unwrap()).await.unwrap().unwrap();
    let second = lock.acquire(&Claim::new("k", MINUTE).unwrap(), Duration::ZERO).await.unwrap();
    assert!(second.fencing_token() > first.fencing_token());
    assert!(lock.renew(&first).await.is_ok());
    assert_eq!(lock.release(first.claim(), Some(first.fencing_token())).await.unwrap(), Released::Ours);
    assert_eq!(lock.holder("k").await.unwrap(), None);
}

#[tokio::test]
async fn a_stream_is_always_empty() {
    let events = Null::new().event_store("e").unwrap();
    let options = AppendOptions::new().expecting(ExpectedVersion::Exact(7));
    let appended = events.append("s", vec![NewEvent::new("t", "x"), NewEvent::new("t", "y")], options).await.unwrap();
    assert_eq!((appended.first, appended.last), (1, 2));
    assert!(events.read("s", ReadQuery::newest()).await.unwrap().events.is_empty());
    assert!(events.read_all(Position::START, 1).await.unwrap().events.is_empty());
    assert!(events.load_snapshot("s").await.unwrap().is_none());
    events.truncate_before("s", 2).await.unwrap();
}

#[tokio::test]
async fn it_connects_and_closes() {
    let null = connect("null:", &[Null::CONNECTOR]).await.unwrap();
    assert!(matches!(connect("null:?a=1", &[Null::CONNECTOR]).await, Err(Error::InvalidArgument { .. })));
    assert_eq!((null.name(), null.capabilities().state), ("null", Some(StateCapabilities::NONE)));
    let store = null.state_store("s").unwrap();
    null.close().await;
    null.close().await;
    assert!(matches!(null.health().await, Err(Error::Closed)));
    assert!(matches!(null.state_store("s"), Err(Error::Closed)));
    assert!(matches!(store.load("").await, Err(Error::Closed)));
}
