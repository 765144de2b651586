//! What caches promise beyond the suite: followers that are woken, both ways to clear, bytes that are not ours, and a server
//! that evicts or restarts.
#![allow(clippy::unwrap_used, reason = "all of it is a test")]

mod login;

use std::{sync::Arc, time::Duration};

use concurrency_core::{Cache, Error, Expiry, Lookup, Ticket, TypedCache, clock::BootInstant};
use concurrency_redis::{CacheClear, Redis, RedisCache, RedisConfig};
use redis::{Connection, cmd};
use servers::{Data, Kind, Server, Setup, Via};

use self::login::{PASSWORD as SECRET, admin};

const HOUR: Duration = Duration::from_secs(3600);
const PATIENCE: Duration = Duration::from_secs(20);
const BOTH: [CacheClear; 2] = [CacheClear::Scan, CacheClear::Generation];

fn server(setup: &Setup) -> Option<Server> {
    servers::for_test(Kind::Redis, Some(Via::Local), setup)
}

async fn cache(server: &Server, clear: CacheClear) -> Arc<RedisCache> {
    let config = RedisConfig::from_url(server.url()).unwrap().cache_clear(clear).operation_timeout(PATIENCE);
    Redis::connect(config).await.unwrap().cache("ns").unwrap()
}

async fn reserve(cache: &RedisCache, key: &str) -> Ticket {
    match cache.get_or_reserve(key, HOUR).await.unwrap() {
        Lookup::Reserved(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

/// How many names begin so.
fn count(admin: &mut Connection, pattern: &str) -> usize {
    let names: Vec<Vec<u8>> = cmd("KEYS").arg(pattern).query(admin).unwrap();
    names.len()
}

async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = BootInstant::now().after(PATIENCE);
    while !is_so() {
        assert!(!end.has_passed(), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

// C-25: by a push, long before a look of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_of_another_process_is_woken() {
    let Some(server) = server(&Setup::new()) else { return };
    for clear in BOTH {
        let (leads, follows) = (cache(&server, clear).await, cache(&server, clear).await);
        let mut woken = Vec::new();
        for round in 0..20 {
            let key = format!("k{round}");
            let ticket = reserve(&leads, &key).await;
            let waiting = tokio::spawn({
                let (follows, key) = (Arc::clone(&follows), key.clone());
                async move { follows.filled(&key).await.map(|()| BootInstant::now()) }
            });
            // It is noted in the reservation that somebody waits.
            let mut admin = admin(&server);
            let name = if clear == CacheClear::Scan { "concurrency:cv:ns:" } else { "concurrency:cg:{ns}:" };
            let alone: usize = if clear == CacheClear::Scan { 19 } else { 35 };
            let length =
                |admin: &mut Connection| cmd("STRLEN").arg(format!("{name}{key}")).query::<usize>(admin).unwrap();
            eventually("nobody waits", || length(&mut admin) > alone).await;
            let ended = BootInstant::now();
            match round % 3 {
                0 => assert!(leads.fill(ticket, "v".into(), Expiry::Never).await.unwrap()),
                1 => leads.set(&key, "v".into(), Expiry::Never).await.unwrap(),
                _ => assert!(!leads.remove(&key).await.unwrap()),
            }
            woken.push(waiting.await.unwrap().unwrap().since(ended));
        }
        woken.sort_unstable();
        assert!(woken[10] < Duration::from_millis(200), "woken after {woken:?}");
    }
}

// T-15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_clients_load_a_cold_key_once() {
    let Some(server) = server(&Setup::new()) else { return };
    let loads = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (cache, loads) = (TypedCache::<u32>::new(cache(&server, CacheClear::Scan).await), Arc::clone(&loads));
        callers.spawn(async move {
            let load = async {
                loads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok::<_, std::io::Error>(7)
            };
            *cache.get_or_load("cold", load).await.unwrap()
        });
    }
    while let Some(value) = callers.join_next().await {
        assert_eq!(value.unwrap(), 7);
    }
    assert_eq!(loads.load(std::sync::atomic::Ordering::Relaxed), 1);
}

// C-10, and what a clear leaves behind.
#[tokio::test]
async fn a_clear_removes_what_is_its_own_and_nothing_else() {
    let Some(server) = server(&Setup::new()) else { return };
    let mut admin = admin(&server);
    for (clear, entries) in BOTH.into_iter().zip(["concurrency:cv:ns:*", "concurrency:cg:{ns}:*"]) {
        let cleared = cache(&server, clear).await;
        let config = RedisConfig::from_url(server.url()).unwrap().cache_clear(clear);
        let other = Redis::connect(config.clone()).await.unwrap().cache("ns.").unwrap();
        let tenant = Redis::connect(config.key_prefix("concurrency:c")).await.unwrap().cache("ns").unwrap();
        for cache in [&other, &tenant] {
            cache.set("k", "v".into(), Expiry::Never).await.unwrap();
        }
        cmd("SET").arg("theirs").arg(1).exec(&mut admin).unwrap();
        let many: Vec<_> = (0..2500).map(|i| (format!("k{i}"), "v".into())).collect();
        assert!(cleared.set_many(many, Expiry::Never).await.iter().all(Result::is_ok));
        let ticket = reserve(&cleared, "reserved").await;
        cleared.clear().await.unwrap();
        assert!(!cleared.fill(ticket, "late".into(), Expiry::Never).await.unwrap());
        assert_eq!(cleared.get("k7").await.unwrap(), None);
        for cache in [&other, &tenant] {
            assert!(cache.contains("k").await.unwrap());
        }
        eventually("what was cleared is still stored", || count(&mut admin, entries) == 0).await;
        assert_eq!(count(&mut admin, "theirs"), 1);
    }
}

// C-26: an evicted generation revives nothing, and a new one is made.
#[tokio::test]
async fn a_generation_that_was_evicted_revives_nothing() {
    let Some(server) = server(&Setup::new()) else { return };
    let mut admin = admin(&server);
    let cache = cache(&server, CacheClear::Generation).await;
    cache.set("k", "old".into(), Expiry::Never).await.unwrap();
    let ticket = reserve(&cache, "reserved").await;
    assert_eq!(count(&mut admin, "concurrency:cn:{ns}"), 1);
    cmd("DEL").arg("concurrency:cn:{ns}").exec(&mut admin).unwrap();
    assert_eq!(cache.get("k").await.unwrap(), None);
    assert!(!cache.contains("k").await.unwrap() && cache.get_with_expiry("k").await.unwrap().is_none());
    assert!(!cache.remove("k").await.unwrap(), "it was no value any more");
    assert!(!cache.fill(ticket, "late".into(), Expiry::Never).await.unwrap());
    cache.set("other", "new".into(), Expiry::Never).await.unwrap();
    assert_eq!(cache.get_many(&["k", "other", "reserved"]).await.unwrap(), [None, Some("new".into()), None]);
}

// C-24
#[tokio::test]
async fn a_reservation_that_was_evicted_fills_nothing() {
    let Some(server) = server(&Setup::new()) else { return };
    let mut admin = admin(&server);
    for (clear, name) in BOTH.into_iter().zip(["concurrency:cv:ns:k", "concurrency:cg:{ns}:k"]) {
        let cache = cache(&server, clear).await;
        let ticket = reserve(&cache, "k").await;
        cmd("DEL").arg(name).exec(&mut admin).unwrap();
        assert!(!cache.fill(ticket, "late".into(), Expiry::Never).await.unwrap());
        assert_eq!(cache.get("k").await.unwrap(), None);
    }
}

// C-15 .. C-25 over a server that forgets everything
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_goes_on_after_a_restart_without_the_data() {
    let Some(mut server) = server(&Setup::new()) else { return };
    for clear in BOTH {
        let (leads, follows) = (cache(&server, clear).await, cache(&server, clear).await);
        let ticket = reserve(&leads, "k").await;
        let waiting = tokio::spawn(async move {
            loop {
                match follows.get_or_reserve("k", HOUR).await.unwrap() {
                    Lookup::Loading => follows.filled("k").await.unwrap(),
                    Lookup::Reserved(ticket) => {
                        return follows.fill(ticket, "new".into(), Expiry::Never).await.unwrap();
                    }
                    Lookup::Hit(_) => return false,
                }
            }
        });
        tokio::task::yield_now().await;
        server.restart(Data::Lost).unwrap();
        assert!(tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap());
        assert!(!leads.fill(ticket, "late".into(), Expiry::Never).await.unwrap(), "its reservation is lost");
        assert_eq!(leads.get("k").await.unwrap(), Some("new".into()));
    }
}

// G-42, G-84: nothing is set, and nothing cleared, where it is not known what is of this generation.
#[tokio::test]
async fn a_generation_that_is_not_ours_is_refused_and_stays() {
    let Some(server) = server(&Setup::new()) else { return };
    let mut admin = admin(&server);
    let cache = cache(&server, CacheClear::Generation).await;
    let name = "concurrency:cn:{ns}";
    for (put, bytes, is_newer) in
        [("SET", &b"text"[..], false), ("RPUSH", b"text", false), ("SET", b"\xC1\x02 newer", true)]
    {
        cmd("FLUSHALL").exec(&mut admin).unwrap();
        cache.set("k", "v".into(), Expiry::Never).await.unwrap();
        cmd("DEL").arg(name).exec(&mut admin).unwrap();
        cmd(put).arg(name).arg(bytes).exec(&mut admin).unwrap();
        let before: Vec<u8> = cmd("DUMP").arg(name).query(&mut admin).unwrap();
        let ticket = Ticket { key: "k".into(), token: [7; 16] };
        for (call, answer) in [
            cache.clear().await,
            cache.set("k", "v".into(), Expiry::Never).await,
            cache.remove("k").await.map(drop),
            cache.get_or_reserve("k", HOUR).await.map(drop),
            cache.fill(ticket, "v".into(), Expiry::Never).await.map(drop),
            cache.filled("k").await,
            cache.get_with_expiry("k").await.map(drop),
        ]
        .into_iter()
        .enumerate()
        {
            let is_right = match &answer {
                Err(Error::Incompatible { what: "stored format", .. }) => is_newer,
                Err(Error::Decode { .. }) => !is_newer,
                _ => false,
            };
            assert!(is_right, "{put} {bytes:?}, call {call}: {answer:?}");
        }
        let after: Vec<u8> = cmd("DUMP").arg(name).query(&mut admin).unwrap();
        assert_eq!(before, after, "{put} {bytes:?}");
        assert_eq!(count(&mut admin, "concurrency:cg:{ns}:k"), 1, "nothing was removed");
    }
}

// G-42, G-84
#[tokio::test]
async fn what_is_not_ours_is_refused_and_stays() {
    let Some(server) = server(&Setup::new()) else { return };
    let mut admin = admin(&server);
    for (clear, name) in BOTH.into_iter().zip(["concurrency:cv:ns:k", "concurrency:cg:{ns}:k"]) {
        let cache = cache(&server, clear).await;
        cache.set("other", "v".into(), Expiry::Never).await.unwrap();
        let newer = [&b"\xC1\x02v"[..], SECRET.as_bytes()].concat();
        let strange: [(&str, &[u8], bool); 3] =
            [("SET", SECRET.as_bytes(), false), ("RPUSH", SECRET.as_bytes(), false), ("SET", &newer, true)];
        for (put, bytes, is_newer) in strange {
            cmd("DEL").arg(name).exec(&mut admin).unwrap();
            cmd(put).arg(name).arg(bytes).exec(&mut admin).unwrap();
            let before: Vec<u8> = cmd("DUMP").arg(name).query(&mut admin).unwrap();
            let ticket = || Ticket { key: "k".into(), token: [7; 16] };
            let mut answers = vec![
                cache.get("k").await.map(drop),
                cache.get_with_expiry("k").await.map(drop),
                cache.contains("k").await.map(drop),
                cache.set("k", "v".into(), Expiry::Never).await,
                cache.set_many(vec![("k".to_owned(), "v".into())], Expiry::Never).await.remove(0),
                cache.remove("k").await.map(drop),
                cache.remove_many(&["k"]).await.map(drop),
                cache.get_or_reserve("k", HOUR).await.map(drop),
                cache.fill(ticket(), "v".into(), Expiry::Never).await.map(drop),
                cache.filled("k").await,
            ];
            let many = cache.get_many(&["k", "other"]).await.map(drop);
            if put == "RPUSH" {
                // MGET says of a key of another type what it says of none; so does the contract of a cache.
                many.unwrap();
                if clear == CacheClear::Generation {
                    // These are MGET there, too.
                    assert!(answers.remove(2).is_ok() && answers.remove(0).is_ok());
                }
            } else {
                answers.push(many);
            }
            for (call, refused) in answers.into_iter().enumerate() {
                let refused = refused.unwrap_err();
                assert!(!format!("{refused:?}").contains(SECRET));
                let is_right = if is_newer {
                    matches!(refused, Error::Incompatible { what: "stored format", .. })
                } else {
                    matches!(refused, Error::Decode { .. })
                };
                assert!(is_right, "{clear:?}, {put} {call}: {refused:?}");
            }
            let after: Vec<u8> = cmd("DUMP").arg(name).query(&mut admin).unwrap();
            assert_eq!(before, after, "{clear:?} {put}");
        }
        // A clear passes over it.
        cache.clear().await.unwrap();
        assert_eq!(cache.get("other").await.unwrap(), None);
        assert_eq!(count(&mut admin, name), 1);
        cmd("FLUSHALL").exec(&mut admin).unwrap();
    }
}
