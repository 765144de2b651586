//! What the suite cannot see: what is stored, forgotten and given back, and servers that lose it.

mod faults;
mod loss;

use std::collections::HashSet;

use concurrency_core::{
    AppendId, Backend, Bytes, EventId, ExpectedVersion, FencingToken, Recorded, clock::BootInstant,
};
use servers::{Kind, Setup};

use super::*;
use crate::{Redis, RedisConfig};

const LIMIT: Duration = Duration::from_secs(20);

async fn connect(server: &servers::Server) -> Redis {
    Redis::connect(RedisConfig::from_url(server.url()).unwrap().operation_timeout(LIMIT)).await.unwrap()
}

/// A store that knows append ids, where their events are gone, for so long.
fn forgetful(redis: &Redis, id_kept: Duration) -> RedisEvents {
    let namespace = Namespace::new("test").unwrap();
    let mut store = RedisEvents::new(redis.client.clone(), "concurrency", &namespace, redis.config.of("test"));
    Arc::get_mut(&mut store.space).expect("nobody else has it").id_kept = id_kept;
    store
}

fn events(count: usize) -> Vec<NewEvent> {
    (1..=count).map(|n| NewEvent::new("e", n.to_string())).collect()
}

async fn grow(store: &RedisEvents, stream: &str, count: usize) -> Appended {
    store.append(stream, events(count), AppendOptions::new()).await.unwrap()
}

async fn log(store: &RedisEvents) -> Vec<Recorded> {
    let (mut all, mut next) = (Vec::new(), Position::START);
    loop {
        let batch = store.read_all(next, 1000).await.unwrap();
        if batch.events.is_empty() {
            return all;
        }
        next = batch.next;
        all.extend(batch.events);
    }
}

async fn versions(store: &RedisEvents, stream: &str) -> Vec<u64> {
    let slice = store.read(stream, ReadQuery::forwards(1).limit(1000)).await.unwrap();
    slice.events.iter().map(|event| event.version).collect()
}

/// A command past the library, in words.
async fn raw(store: &RedisEvents, words: &[&str]) -> Value {
    let mut command = cmd(words[0]);
    command.arg(&words[1..]);
    store.client.read(&command, Deadline::after(LIMIT)).await.unwrap()
}

async fn number(store: &RedisEvents, words: &[&str]) -> i64 {
    match raw(store, words).await {
        Value::Int(number) => number,
        other => panic!("{words:?}: {other:?}"),
    }
}

/// Polls until it is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let end = BootInstant::now().after(LIMIT);
    while !is_so().await {
        assert!(!end.has_passed(), "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn positions_rise_and_refusals_burn_none() {
    let Some(server) = servers::for_test(Kind::Redis, None, &Setup::new()) else { return };
    let redis = connect(&server).await;
    let store = redis.event_store("test").unwrap();
    let first = grow(&store, "s", 3).await;
    let positions: Vec<_> = log(&store).await.iter().map(|event| event.position.to_u128()).collect();
    assert_eq!(positions, (0..3).map(|n| positions[0] + n).collect::<Vec<_>>(), "side by side");
    let before = raw(&store, &["GET", store.space.keys.counters()]).await;
    for expected in [ExpectedVersion::NoStream, 7.into(), u64::MAX.into(), (1 << 53).into()] {
        let refused = store.append("s", events(5), AppendOptions::new().expecting(expected)).await;
        assert!(refused.unwrap_err().is_conflict(), "{expected:?}");
    }
    assert_eq!(raw(&store, &["GET", store.space.keys.counters()]).await, before);
    // As if the clock of the server had been a year ahead until now.
    let ahead = first.position.to_u128() as u64 + 31_536_000_000_000;
    let mut counters = match before {
        Value::BulkString(counters) => counters,
        other => panic!("{other:?}"),
    };
    counters[10..18].copy_from_slice(&ahead.to_be_bytes());
    let mut set = cmd("SET");
    set.arg(store.space.keys.counters()).arg(&counters[..]);
    store.client.read(&set, Deadline::after(LIMIT)).await.unwrap();
    let next = grow(&store, "s", 2).await;
    assert_eq!(next.position.to_u128(), u128::from(ahead) + 2, "it goes on where it was");
    assert_eq!(versions(&store, "s").await, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn what_is_truncated_gives_its_memory_back() {
    let Some(server) = servers::for_test(Kind::Redis, None, &Setup::new()) else { return };
    let store = forgetful(&connect(&server).await, Duration::ZERO);
    let keys = &store.space.keys;
    for _ in 0..5 {
        grow(&store, "long", 500).await;
        grow(&store, "short", 1).await;
    }
    store.truncate_before("long", 2499).await.unwrap();
    assert_eq!(versions(&store, "long").await, [2499, 2500]);
    assert_eq!(versions(&store, "short").await, [1, 2, 3, 4, 5]);
    assert_eq!(number(&store, &["ZCARD", keys.log()]).await, 8, "seven events and the tag");
    assert_eq!(number(&store, &["STRLEN", &keys.stream("long")]).await, 50 + 2 * 24);
    assert_eq!(number(&store, &["HLEN", &keys.appends("long")]).await, 0, "the last append lost its first event");
    assert_eq!(number(&store, &["EXISTS", keys.to_forget()]).await, 0);
    store.truncate_before("long", u64::MAX).await.unwrap();
    store.truncate_before("short", u64::MAX).await.unwrap();
    assert!(log(&store).await.is_empty());
    let next = store.append("long", events(2), AppendOptions::new().expecting(2500)).await.unwrap();
    assert_eq!((next.first, next.last), (2501, 2502));
    assert_eq!(versions(&store, "long").await, [2501, 2502]);
    // A few at a time, so that records are moved again and again.
    for n in 0..100 {
        grow(&store, "slow", 3).await;
        store.truncate_before("slow", n * 3 + 2).await.unwrap();
        let left: Vec<u64> = (n * 3 + 2..=n * 3 + 3).collect();
        assert_eq!(versions(&store, "slow").await, left);
        assert!(number(&store, &["STRLEN", &keys.stream("slow")]).await <= 50 + 8 * 24);
    }
}

#[tokio::test]
async fn an_append_id_outlives_its_events_for_its_time() {
    let Some(server) = servers::for_test(Kind::Redis, None, &Setup::new()) else { return };
    let redis = connect(&server).await;
    let patient = redis.event_store("test").unwrap();
    let options = AppendOptions::new().with_append_id(AppendId::named("once"));
    let appended = patient.append("s", events(3), options).await.unwrap();
    grow(&patient, "s", 1).await;
    patient.truncate_before("s", 2).await.unwrap();
    assert_eq!(patient.append("s", events(3), options).await.unwrap(), appended);
    let other = patient.append("s", events(2), options).await;
    assert!(matches!(other, Err(Error::AppendIdReused { .. })), "{other:?}");
    let keys = &patient.space.keys;
    assert_eq!(number(&patient, &["HLEN", &keys.appends("s")]).await, 2);
    assert_eq!(number(&patient, &["ZCARD", keys.to_forget()]).await, 1);

    // Its time is over, for one that gives it none. It is another append then, though the old one is still noted.
    let forgetful = forgetful(&redis, Duration::ZERO);
    assert_eq!(forgetful.append("s", events(2), options).await.unwrap().first, 5);
    assert_eq!(patient.append("s", events(2), options).await.unwrap().first, 5, "which is remembered in its turn");
    forgetful.truncate_before("s", 2).await.unwrap();
    assert_eq!(forgetful.append("s", events(2), options).await.unwrap().first, 5, "its first event is there");
    assert_eq!(number(&patient, &["HLEN", &keys.appends("s")]).await, 2, "of version 4, and this one");
}

#[tokio::test]
async fn what_nobody_touches_again_is_forgotten_by_whoever_truncates() {
    let Some(server) = servers::for_test(Kind::Redis, None, &Setup::new()) else { return };
    let redis = connect(&server).await;
    let patient = redis.event_store("test").unwrap();
    let keys = &patient.space.keys;
    let names: Vec<String> = (0..40).map(|n| format!("old {n}")).collect();
    for name in &names {
        grow(&patient, name, 2).await;
        patient.truncate_before(name, 3).await.unwrap();
    }
    let left = async || {
        let mut left = 0;
        for name in &names {
            left += number(&patient, &["HLEN", &keys.appends(name)]).await;
        }
        left
    };
    assert_eq!((left().await, number(&patient, &["ZCARD", keys.to_forget()]).await), (40, 40));
    // As if seven days had passed.
    for name in &names {
        raw(&patient, &["ZADD", keys.to_forget(), "1", name]).await;
    }
    let forgetful = forgetful(&redis, Duration::ZERO);
    grow(&forgetful, "new", 1).await;
    forgetful.truncate_before("new", 1).await.unwrap();
    until("forgotten", async || left().await == 0).await;
    until("no note is left", async || number(&patient, &["EXISTS", keys.to_forget()]).await == 0).await;
    assert_eq!(patient.read(&names[0], ReadQuery::newest()).await.unwrap().last, 2, "the stream is there");
}

#[tokio::test]
async fn a_fencing_mark_is_forgotten_after_its_retention() {
    let Some(server) = servers::for_test(Kind::Redis, None, &Setup::new()) else { return };
    let redis = connect(&server).await;
    let config = RedisConfig::from_url(server.url()).unwrap().fence_retention(Duration::from_millis(1));
    let short = Redis::connect(config).await.unwrap().event_store("test").unwrap();
    let long = redis.event_store("test").unwrap();
    let fenced = |token| AppendOptions::new().fenced_by(FencingToken(token));
    let highest = (1 << 53) - 1;
    long.append("s", events(1), fenced(highest)).await.unwrap();
    let refused = short.append("s", events(1), fenced(highest - 1)).await;
    assert!(matches!(refused, Err(Error::Fenced { seen, .. }) if seen.0 == highest), "{refused:?}");
    short.append("s", events(1), fenced(highest)).await.unwrap();
    until("forgotten", async || short.append("s", events(1), fenced(5)).await.is_ok()).await;
    long.truncate_before("s", u64::MAX).await.unwrap();
    long.append("s", events(1), fenced(6)).await.unwrap();
    assert!(matches!(long.append("s", events(1), fenced(5)).await, Err(Error::Fenced { .. })));
}

#[tokio::test]
async fn pages_of_large_events_are_short_and_lead_on() {
    let Some(server) = servers::for_test(Kind::Redis, None, &Setup::new()) else { return };
    let store = connect(&server).await.event_store("test").unwrap();
    let large = Bytes::from(vec![7; 5 << 20]);
    grow(&store, "s", 3).await;
    for _ in 0..7 {
        store.append("s", vec![NewEvent::new("large", large.clone())], AppendOptions::new()).await.unwrap();
    }
    store.append("s", vec![NewEvent::new("large", large.clone()); 4], AppendOptions::new()).await.unwrap();
    let page = store.read_all(Position::START, 1000).await.unwrap();
    assert_eq!(page.events.len(), 3 + 4, "the fourth reaches 16 MiB");
    assert_eq!(page.next, page.events[6].position);
    assert_eq!(log(&store).await.len(), 14);
    for (query, expected) in [
        (ReadQuery::forwards(1), vec![1, 2, 3, 4, 5, 6, 7]),
        (ReadQuery::newest(), vec![14, 13, 12, 11]),
        (ReadQuery::backwards(6), vec![6, 5, 4, 3, 2, 1]),
    ] {
        let found = store.read("s", query.limit(1000)).await.unwrap();
        assert_eq!(found.events.iter().map(|event| event.version).collect::<Vec<_>>(), expected, "{query:?}");
        assert_eq!((found.first, found.last), (1, 14));
    }
}

// G-40
#[tokio::test]
async fn a_full_server_appends_nothing_and_truncates() {
    let setup = Setup::new().option("maxmemory", ["8mb"]).option("maxmemory-policy", ["noeviction"]);
    let Some(server) = servers::for_test(Kind::Redis, None, &setup) else { return };
    let redis = connect(&server).await;
    let (store, other) = (redis.event_store("test").unwrap(), redis.event_store("other").unwrap());
    let large = NewEvent::new("large", vec![7; 100_000]);
    let fill = async |store: &RedisEvents, stream: &str| {
        store.append(stream, vec![large.clone(); 3], AppendOptions::new()).await
    };
    let mut last = 0;
    for _ in 0..100 {
        match fill(&store, "s").await {
            Ok(appended) => last = appended.last,
            Err(_) => break,
        }
    }
    for (store, stream) in [(&store, "s"), (&store, "new"), (&other, "s")] {
        let full = fill(store, stream).await.unwrap_err();
        assert!(matches!(full, Error::Exhausted { what: "memory", .. }), "{full:?}");
        assert_eq!(full.outcome(), concurrency_core::Outcome::NotApplied);
    }
    let versions: Vec<u64> = log(&store).await.iter().map(|event| event.version).collect();
    assert_eq!(versions, (1..=last).collect::<Vec<_>>(), "nothing of what was refused");
    assert_eq!(store.read("s", ReadQuery::newest().limit(1)).await.unwrap().last, last);
    assert_eq!(number(&store, &["DBSIZE"]).await, 4, "the log, its counters, a stream and its ids");
    store.truncate_before("s", last).await.unwrap();
    assert_eq!(fill(&store, "s").await.unwrap().first, last + 1);
    assert_eq!(fill(&other, "s").await.unwrap().first, 1);
}

/// E-5, E-25: whatever lies between them in the log.
#[tokio::test]
async fn streams_that_were_appended_to_in_turn_are_read_both_ways() {
    let Some(server) = servers::for_test(Kind::Redis, None, &Setup::new()) else { return };
    let store = connect(&server).await.event_store("test").unwrap();
    let mut expected = Vec::new();
    for n in 0..60 {
        let stream = ["a", "b"][n % 7 % 2];
        let appended = grow(&store, stream, n % 5 + 1).await;
        if stream == "a" {
            expected.extend(appended.first..=appended.last);
        }
    }
    let all: Vec<_> = log(&store).await.into_iter().filter(|event| &*event.stream == "a").collect();
    for page in [1, 3, 7, 1000] {
        for from in 1..=expected.len() {
            let found = store.read("a", ReadQuery::forwards(from as u64).limit(page)).await.unwrap().events;
            assert_eq!(found, all[from - 1..all.len().min(from - 1 + page)], "{page} from {from}");
            let found = store.read("a", ReadQuery::backwards(from as u64).limit(page)).await.unwrap().events;
            let back: Vec<_> = all[from.saturating_sub(page)..from].iter().rev().cloned().collect();
            assert_eq!(found, back, "{page} back from {from}");
        }
    }
    let ids: HashSet<EventId> = all.iter().map(|event| event.id).collect();
    assert_eq!(ids.len(), expected.len());
}

/// G-77: however many wait.
#[tokio::test]
async fn all_who_wait_share_one_subscription() {
    let Some(server) = servers::for_test(Kind::Redis, None, &Setup::new()) else { return };
    let (redis, other) = (connect(&server).await, connect(&server).await);
    let store = redis.event_store("test").unwrap();
    let channel = store.space.keys.news().to_owned();
    let watch = other.event_store("test").unwrap();
    let subscribers = async || match raw(&watch, &["PUBSUB", "NUMSUB", &channel]).await {
        Value::Array(values) => values[1].clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(subscribers().await, Value::Int(0), "nobody waits");
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.changed(Position::START).await })
        })
        .collect();
    until("subscribed", async || subscribers().await == Value::Int(1)).await;
    grow(&watch, "s", 1).await;
    for waiting in waiting {
        tokio::time::timeout(LIMIT, waiting).await.expect("woken").unwrap().unwrap();
    }
    drop(store);
    until("the subscription ends with the store", async || subscribers().await == Value::Int(0)).await;
    redis.close().await;
    assert!(matches!(redis.event_store("test"), Err(Error::Closed)));
}

// E-47, E-55
#[tokio::test]
async fn what_is_declared_follows_from_how_the_server_is_set_up() {
    use concurrency_core::Survives;
    let policy = |policy: &str| Setup::new().option("maxmemory-policy", [policy]);
    for (setup, survives, fencing) in [
        (policy("noeviction"), Survives::Process, true),
        (policy("noeviction").durable(), Survives::Crash, true),
        (policy("volatile-lru"), Survives::Process, true),
        (policy("allkeys-lru"), Survives::Nothing, false),
    ] {
        let Some(server) = servers::for_test(Kind::Redis, None, &setup) else { return };
        let store = connect(&server).await.event_store("test").unwrap();
        let declared = store.capabilities();
        assert_eq!(
            (declared.survives, declared.fencing, declared.log_may_rewind),
            (survives, fencing, true),
            "{setup:?}"
        );
        let fenced = store.append("s", events(1), AppendOptions::new().fenced_by(FencingToken(5))).await;
        match fenced {
            Ok(_) => assert!(fencing, "{setup:?}"),
            Err(error) => assert!(!fencing && matches!(error, Error::Unsupported { .. }), "{setup:?}: {error:?}"),
        }
        assert_eq!(log(&store).await.len(), usize::from(fencing), "{setup:?}");
    }
}
