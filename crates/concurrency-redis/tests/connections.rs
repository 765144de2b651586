//! Two connections in a process, whatever it holds and whatever happens to them.
#![allow(clippy::unwrap_used, reason = "all of it is a test")]

use std::{sync::Arc, time::Duration};

use concurrency_core::{
    Backend, Cache, Claim, EventStore, Expiry, Lock, Lookup, Position, SaveOptions, StateStore, Subscription,
    clock::BootInstant,
};
use concurrency_redis::{Redis, RedisConfig};
use redis::{Connection, cmd};
use servers::{Kind, Setup};
use tokio::task::JoinSet;

const PATIENCE: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_secs(120);
const LEASES: usize = 1000;
const WAITERS: usize = 200;
const SUBSCRIPTIONS: usize = 100;
const FOLLOWERS: usize = 100;

/// How many connections there are beside this one: for commands, and for what is told unasked.
fn connections(admin: &mut Connection) -> (usize, usize) {
    let list: String = cmd("CLIENT").arg("LIST").query(admin).unwrap();
    let pushes = list.lines().filter(|line| !line.contains(" sub=0 ")).count();
    (list.lines().count() - pushes - 1, pushes)
}

async fn poll(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = BootInstant::now().after(PATIENCE);
    while !is_so() {
        assert!(!end.has_passed(), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Leases, those who wait for them, subscriptions and followers, all of one client, for as long as the tasks live.
async fn hold(redis: &Redis) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let lock = redis.lock("held").unwrap();
    for i in 0..LEASES {
        lock.try_acquire(&Claim::new(&format!("k{i}"), LONG).unwrap()).await.unwrap().unwrap();
    }
    for i in 0..WAITERS {
        let lock = Arc::clone(&lock);
        tasks.spawn(async move { drop(lock.acquire(&Claim::new(&format!("k{i}"), LONG).unwrap(), LONG).await) });
    }
    for i in 0..SUBSCRIPTIONS {
        // Some to one store, some to stores of their own.
        let store = redis.event_store(&format!("log{}", i % 10)).unwrap();
        tasks.spawn(async move {
            let mut subscription = Subscription::new(store as Arc<dyn EventStore>, None);
            while subscription.next().await.is_ok() {}
        });
    }
    let cache = redis.cache("loaded").unwrap();
    let Lookup::Reserved(_) = cache.get_or_reserve("k", LONG).await.unwrap() else { panic!("it is free") };
    for _ in 0..FOLLOWERS {
        let cache = Arc::clone(&cache);
        tasks.spawn(async move { while cache.filled("k").await.is_ok() {} });
    }
    tasks
}

/// Calls of all components, from many tasks at once.
async fn work(redis: &Redis) {
    let mut tasks = JoinSet::new();
    for i in 0..64 {
        let redis = redis.clone();
        tasks.spawn(async move {
            let (states, cache) = (redis.state_store("s").unwrap(), redis.cache("c").unwrap());
            let (lock, events) = (redis.lock("l").unwrap(), redis.event_store("e").unwrap());
            for _ in 0..10 {
                let key = format!("k{i}");
                // Whatever comes of it while connections are cut.
                drop(states.save(&key, "v".into(), SaveOptions::new()).await);
                drop(cache.set(&key, "v".into(), Expiry::Never).await);
                let claim = Claim::new(&key, LONG).unwrap();
                drop(lock.acquire(&claim, LONG).await);
                drop(lock.release(&claim, None).await);
                drop(events.read_all(Position::START, 10).await);
            }
        });
    }
    tasks.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_has_two_connections_whatever_it_holds() {
    let Some(server) = servers::for_test(Kind::Redis, None, &Setup::new()) else { return };
    let mut admin = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let config = RedisConfig::from_url(server.url()).unwrap().operation_timeout(PATIENCE);
    let redis = Redis::connect(config).await.unwrap();
    assert_eq!(connections(&mut admin), (1, 1));
    let held = hold(&redis).await;
    let subscribed = |admin: &mut Connection| {
        let channels: Vec<String> = cmd("PUBSUB").arg("CHANNELS").query(admin).unwrap();
        channels.len()
    };
    poll("not all stores listen", || subscribed(&mut admin) == 10 + 1).await;
    for cuts in [false, true] {
        let working = tokio::spawn({
            let redis = redis.clone();
            async move { work(&redis).await }
        });
        let mut seen = 0;
        while !working.is_finished() {
            let (commands, pushes) = connections(&mut admin);
            // What was cut may not be there again yet, or not be subscribed yet.
            assert!(
                if cuts { commands + pushes <= 2 } else { (commands, pushes) == (1, 1) },
                "{commands} and {pushes}"
            );
            seen += 1;
            if cuts && seen % 10 == 0 {
                let mut kill = cmd("CLIENT");
                kill.arg("KILL").arg("TYPE").arg(if seen % 20 == 0 { "normal" } else { "pubsub" });
                kill.arg("SKIPME").arg("yes").exec(&mut admin).unwrap();
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        working.await.unwrap();
        assert!(seen > 10, "it was looked at only {seen} times");
        poll("not connected again", || connections(&mut admin) == (1, 1)).await;
        poll("not all stores listen again", || subscribed(&mut admin) == 10 + 1).await;
    }
    assert_eq!(held.len(), WAITERS + SUBSCRIPTIONS + FOLLOWERS, "they still wait");
    drop(held);
    redis.close().await;
    poll("connections are left", || connections(&mut admin) == (0, 0)).await;
}
