//! Names that hold something else, and data that were lost, as a whole or in part.

use concurrency_core::{Checkpoint, Delivery, Subscription};
use servers::Data;

use super::*;

/// Everything that the server holds.
async fn everything(store: &RedisEvents) -> Vec<(String, Value)> {
    let Value::Array(names) = raw(store, &["KEYS", "*"]).await else { panic!("an array") };
    let mut all = Vec::new();
    for name in names {
        let Value::BulkString(name) = name else { panic!("a name") };
        let name = String::from_utf8(name).unwrap();
        let dump = raw(store, &["DUMP", &name]).await;
        all.push((name, dump));
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

// G-42
#[tokio::test]
async fn names_that_hold_something_else_are_left_as_they_are() {
    let Some(server) = servers::for_test(Kind::Redis, None, &Setup::new()) else { return };
    let store = connect(&server).await.event_store("test").unwrap();
    let snapshot = Snapshot { version: 1, event: EventId::mint(), schema: 1, data: "state".into() };
    let keys = store.space.keys.clone();
    let (stream, appends, snapshots) = (keys.stream("s"), keys.appends("s"), keys.snapshot("s"));
    let names = [keys.log(), keys.counters(), keys.to_forget(), &stream, &appends, &snapshots];
    for fresh in [true, false] {
        for name in names {
            for foreign in [&["RPUSH", name, "x"][..], &["SET", name, "text"], &["ZADD", name, "7", "text"]] {
                raw(&store, &["FLUSHALL"]).await;
                if !fresh {
                    grow(&store, "s", 3).await;
                    raw(&store, &["DEL", name]).await;
                }
                raw(&store, foreign).await;
                let before = everything(&store).await;
                let answers = [
                    ("append", store.append("s", events(1), AppendOptions::new()).await.map(drop)),
                    ("read", store.read("s", ReadQuery::forwards(1)).await.map(drop)),
                    ("read_all", store.read_all(Position::START, 10).await.map(drop)),
                    ("truncate", store.truncate_before("s", 2).await),
                    ("load", store.load_snapshot("s").await.map(drop)),
                    ("save", store.save_snapshot("s", snapshot.clone()).await),
                ];
                let mut refused = 0;
                for (call, answer) in answers {
                    match answer {
                        Ok(()) => {}
                        Err(Error::Decode { .. }) => refused += 1,
                        Err(error) => panic!("{call}, {foreign:?}, fresh: {fresh}: {error:?}"),
                    }
                }
                let after = everything(&store).await;
                let kept = before.iter().filter(|(of, _)| of == name);
                // Only truncation has to do with the last, and it is a sorted set.
                let is_theirs = name == keys.to_forget() && foreign[0] == "ZADD";
                assert!(
                    is_theirs || kept.clone().all(|kept| after.contains(kept)),
                    "{foreign:?} is gone, fresh: {fresh}"
                );
                assert!(is_theirs || refused > 0 || (name == keys.to_forget() && fresh), "{foreign:?}, fresh: {fresh}");
            }
        }
    }
}

// G-42, G-84
#[tokio::test]
async fn newer_and_foreign_bytes_are_told_apart_and_stay() {
    let Some(server) = servers::for_test(Kind::Redis, None, &Setup::new()) else { return };
    let store = connect(&server).await.event_store("test").unwrap();
    let keys = store.space.keys.clone();
    for name in [keys.counters().to_owned(), keys.stream("s")] {
        for (byte, newer) in [("\u{2}", true), ("\0", false)] {
            raw(&store, &["FLUSHALL"]).await;
            grow(&store, "s", 3).await;
            raw(&store, &["SETRANGE", &name, "1", byte]).await;
            let before = everything(&store).await;
            for answer in [
                store.append("s", events(1), AppendOptions::new()).await.map(drop),
                store.read("s", ReadQuery::forwards(1)).await.map(drop),
                store.truncate_before("s", 2).await,
            ] {
                let error = answer.unwrap_err();
                assert_eq!(matches!(error, Error::Incompatible { .. }), newer, "{name} {error:?}");
                assert_eq!(matches!(error, Error::Decode { .. }), !newer, "{name} {error:?}");
                assert_eq!(error.outcome(), concurrency_core::Outcome::NotApplied);
            }
            assert_eq!(everything(&store).await, before);
        }
    }
    raw(&store, &["FLUSHALL"]).await;
    grow(&store, "s", 1).await;
    raw(&store, &["ZADD", keys.log(), "9007199254740000", "foreign"]).await;
    let read = store.read_all(Position::START, 10).await;
    assert!(matches!(read, Err(Error::Decode { .. })), "{read:?}");
    assert_eq!(versions(&store, "s").await, [1], "who does not meet it goes on");
}

/// An eviction under `allkeys-*` takes one name at a time, and so may an administrator.
#[tokio::test]
async fn a_log_that_is_lost_in_part_is_another_one_from_then_on() {
    let Some(server) = servers::for_test(Kind::Redis, None, &Setup::new()) else { return };
    let store = connect(&server).await.event_store("test").unwrap();
    let keys = store.space.keys.clone();
    let options = AppendOptions::new().with_append_id(AppendId::named("once"));
    for name in [keys.log(), keys.counters()] {
        let before = store.append("s", events(3), options).await.unwrap();
        grow(&store, "other", 2).await;
        store.truncate_before("other", 2).await.unwrap();
        raw(&store, &["DEL", name]).await;
        assert!(log(&store).await.is_empty(), "without {name}");
        let found = store.read("s", ReadQuery::forwards(1)).await.unwrap();
        assert_eq!((found.first, found.last, found.events.len()), (1, 0, 0), "without {name}");
        assert!(!store.is_more(Position::START).await.unwrap());
        store.truncate_before("other", 2).await.unwrap();
        let refused = store.append("s", events(1), AppendOptions::new().expecting(3)).await.unwrap_err();
        assert!(matches!(refused, Error::Conflict { .. }), "{refused:?}");
        let again = store.append("s", events(2), options.expecting(ExpectedVersion::NoStream)).await.unwrap();
        assert_eq!((again.first, again.last), (1, 2), "without {name}, of the id nothing is known");
        assert!(again.position > before.position, "who reads on steps over nothing");
        assert_eq!(versions(&store, "s").await, [1, 2]);
        assert_eq!(log(&store).await.len(), 2);
        assert_eq!(grow(&store, "other", 1).await.first, 1);
        raw(&store, &["FLUSHALL"]).await;
    }
    // A stream without its ids knows none of them; ids without their stream are nobody's.
    store.append("s", events(3), options).await.unwrap();
    raw(&store, &["DEL", &keys.appends("s")]).await;
    assert_eq!(store.append("s", events(3), options).await.unwrap().first, 4);
    raw(&store, &["DEL", &keys.stream("s")]).await;
    assert_eq!(store.append("s", events(1), options).await.unwrap().first, 1);
    // What a stream says that the log has, and it has not, is no hole but an error.
    let appended = grow(&store, "s", 2).await;
    let score = appended.position.to_string();
    raw(&store, &["ZREMRANGEBYSCORE", keys.log(), &score, &score]).await;
    let read = store.read("s", ReadQuery::forwards(1)).await;
    assert!(matches!(read, Err(Error::Decode { .. })), "{read:?}");
}

/// The next event, or what there is to say instead.
async fn next(subscription: &mut Subscription) -> Result<Delivery> {
    tokio::time::timeout(LIMIT, subscription.next()).await.expect("it goes on")
}

async fn caught_up(store: &Arc<RedisEvents>) -> (Subscription, Option<Checkpoint>) {
    let mut subscription = Subscription::new(Arc::clone(store) as Arc<dyn EventStore>, None);
    loop {
        if next(&mut subscription).await.unwrap() == Delivery::CaughtUp {
            let checkpoint = subscription.checkpoint();
            return (subscription, checkpoint);
        }
    }
}

// T-54, E-31, E-37
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_says_that_the_log_was_lost() {
    let Some(mut server) = servers::for_test(Kind::Redis, None, &Setup::new()) else { return };
    let redis = connect(&server).await;
    let store = redis.event_store("test").unwrap();
    for way in ["FLUSHALL", "a restart"] {
        let last = grow(&store, "s", 5).await;
        let (mut subscription, checkpoint) = caught_up(&store).await;
        let waiting = tokio::spawn(async move { (next(&mut subscription).await, subscription) });
        until("it waits", async || store.space.news.initialized()).await;
        match way {
            "FLUSHALL" => drop(raw(&store, &["FLUSHALL"]).await),
            _ => server.restart(Data::Lost).unwrap(),
        }
        let new = grow(&store, "s", 2).await;
        assert!(new.first == 1 && new.position > last.position, "{way}: {new:?}");
        let (told, mut subscription) = waiting.await.unwrap();
        assert!(matches!(told, Err(Error::LogRewound)), "{way}: {told:?}");
        assert!(matches!(next(&mut subscription).await, Err(Error::LogRewound)), "{way}: and it does not go on");
        let mut resumed = Subscription::new(Arc::clone(&store) as Arc<dyn EventStore>, checkpoint);
        assert!(matches!(next(&mut resumed).await, Err(Error::LogRewound)), "{way}: resumed");
        // Whatever is truncated of the new log: an old position is not below that mark, it is lost.
        let first = log(&store).await[0].checkpoint();
        grow(&store, "s", 2).await;
        store.truncate_before("s", 3).await.unwrap();
        let mut resumed = Subscription::new(Arc::clone(&store) as Arc<dyn EventStore>, checkpoint);
        assert!(matches!(next(&mut resumed).await, Err(Error::LogRewound)), "{way}: resumed after a truncation");
        // Those of the new log are, and so is the start.
        for after in [Some(first), None] {
            let mut resumed = Subscription::new(Arc::clone(&store) as Arc<dyn EventStore>, after);
            let told = next(&mut resumed).await;
            assert!(matches!(told, Ok(Delivery::Truncated { .. })), "{way}, {after:?}: {told:?}");
        }
        let new = grow(&store, "s", 1).await;
        assert_eq!(caught_up(&store).await.1.map(|at| at.position), Some(new.position), "{way}: from the start");
    }
}

/// An older dump: what was acknowledged since is gone, and what comes then is another history.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_says_that_an_older_dump_came_back() {
    let Some(mut server) = servers::for_test(Kind::Redis, None, &Setup::new()) else { return };
    let redis = connect(&server).await;
    let store = redis.event_store("test").unwrap();
    grow(&store, "s", 3).await;
    let (_, early) = caught_up(&store).await;
    raw(&store, &["SAVE"]).await;
    let lost = grow(&store, "s", 3).await;
    let (mut subscription, late) = caught_up(&store).await;
    server.kill().unwrap();
    server.restart(Data::Kept).unwrap();
    assert_eq!(versions(&store, "s").await, [1, 2, 3], "the dump is there, or this test shows nothing");
    let told = next(&mut subscription).await;
    assert!(matches!(told, Err(Error::LogRewound)), "before anything new: {told:?}");
    let new = grow(&store, "s", 3).await;
    assert_eq!((new.first, new.last), (4, 6), "the versions are given again");
    assert!(new.position > lost.position, "the positions are not");
    for checkpoint in [late, Some(Checkpoint { position: new.position, event: EventId::mint() })] {
        let mut resumed = Subscription::new(Arc::clone(&store) as Arc<dyn EventStore>, checkpoint);
        assert!(matches!(next(&mut resumed).await, Err(Error::LogRewound)), "{checkpoint:?}");
    }
    let mut resumed = Subscription::new(Arc::clone(&store) as Arc<dyn EventStore>, early);
    assert!(matches!(next(&mut resumed).await, Ok(Delivery::Event(event)) if event.version == 4));
    // The log is the same one: what was lost below its truncation mark is told as truncated, like all that lies there.
    store.truncate_before("s", 6).await.unwrap();
    for checkpoint in [early, late, None] {
        let mut resumed = Subscription::new(Arc::clone(&store) as Arc<dyn EventStore>, checkpoint);
        let told = next(&mut resumed).await;
        assert!(matches!(told, Ok(Delivery::Truncated { .. })), "{checkpoint:?}: {told:?}");
    }
}

/// Of a log that is lost in part the next one is another.
#[tokio::test]
async fn a_position_of_a_log_that_was_lost_in_part_is_lost() {
    let Some(server) = servers::for_test(Kind::Redis, None, &Setup::new()) else { return };
    let store = connect(&server).await.event_store("test").unwrap();
    let keys = store.space.keys.clone();
    for name in [keys.log(), keys.counters()] {
        grow(&store, "s", 3).await;
        let old = log(&store).await;
        raw(&store, &["DEL", name]).await;
        grow(&store, "s", 3).await;
        let new = log(&store).await;
        store.truncate_before("s", 3).await.unwrap();
        for (events, is_lost) in [(&old, true), (&new, false)] {
            for event in events {
                let mut resumed = Subscription::new(Arc::clone(&store) as Arc<dyn EventStore>, event.checkpoint());
                let told = next(&mut resumed).await;
                assert_eq!(matches!(told, Err(Error::LogRewound)), is_lost, "without {name}, {event:?}: {told:?}");
            }
        }
    }
}
