//! Servers that are loading, read-only, full, or take a right away while a client is connected: what each call of all four
//! components answers, and that nothing is written.
#![allow(clippy::unwrap_used, reason = "all of it is a test")]

mod login;
mod rights;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use concurrency_core::{
    AppendOptions, Cache, Claim, DeleteOptions, Error, EventId, EventStore, Expiry, FencingToken, Lock, NewEvent,
    Outcome, Result, Save, SaveOptions, Snapshot, StateStore, Ticket, Write, clock::BootInstant,
};
use concurrency_redis::{Redis, RedisConfig};
use redis::{Connection, cmd};
use servers::{Data, Kind, Server, Setup, Via, free_port};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use self::{
    login::{PASSWORD as SECRET, admin},
    rights::{rights, set_user},
};

const LIMIT: Duration = Duration::from_millis(500);
const LONG: Duration = Duration::from_secs(60);

fn run(admin: &mut Connection, words: &[&str]) {
    cmd(words[0]).arg(&words[1..]).exec(admin).unwrap();
}

/// Everything that the server holds, without what changes by itself.
fn everything(admin: &mut Connection) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut names: Vec<Vec<u8>> = cmd("KEYS").arg("*").query(admin).unwrap();
    names.sort_unstable();
    names.into_iter().map(|name| (cmd("DUMP").arg(&name).query(admin).unwrap(), name)).collect()
}

/// All that can be read in an error.
fn texts(error: &Error) -> String {
    let mut all = format!("{error} {error:?}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        all.extend([" ", &cause.to_string(), " ", &format!("{cause:?}")]);
        source = cause.source();
    }
    all
}

/// What there is before anything goes wrong.
async fn prepare(redis: &Redis) {
    redis.state_store("n").unwrap().save("k", "old".into(), SaveOptions::new()).await.unwrap();
    redis.cache("n").unwrap().set("k", "old".into(), Expiry::Never).await.unwrap();
    redis.event_store("n").unwrap().append("k", vec![NewEvent::new("e", "old")], AppendOptions::new()).await.unwrap();
    let claim = Claim::new("k", LONG).unwrap();
    redis.lock("n").unwrap().try_acquire(&claim).await.unwrap().unwrap();
}

/// What writes that need memory answer, of all components, with secrets for values.
async fn writes(redis: &Redis) -> Vec<(&'static str, Result<()>)> {
    let (states, cache) = (redis.state_store("n").unwrap(), redis.cache("n").unwrap());
    let (lock, events) = (redis.lock("n").unwrap(), redis.event_store("n").unwrap());
    let (plain, claim) = (SaveOptions::new(), Claim::new("other", LONG).unwrap());
    let ticket = Ticket { key: "k".into(), token: [7; 16] };
    let snapshot = Snapshot { version: 1, event: EventId::mint(), schema: 1, data: SECRET.into() };
    let event = NewEvent::new("e", SECRET);
    vec![
        ("save", states.save("k", SECRET.into(), plain).await.map(drop)),
        ("save_many", states.save_many(vec![Save::new("k", SECRET, plain)]).await.remove(0).map(drop)),
        ("commit", states.commit(vec![Write::save("l", SECRET, plain)]).await.map(drop)),
        ("fence", states.fence(&["k"], FencingToken(7)).await),
        ("set", cache.set("k", SECRET.into(), Expiry::Never).await),
        ("set_many", cache.set_many(vec![("k".to_owned(), SECRET.into())], Expiry::Never).await.remove(0)),
        ("get_or_reserve", cache.get_or_reserve("free", LONG).await.map(drop)),
        ("try_acquire", lock.try_acquire(&claim).await.map(drop)),
        ("acquire", lock.acquire(&claim, Duration::from_millis(300)).await.map(drop)),
        ("append", events.append("k", vec![event], AppendOptions::new()).await.map(drop)),
        ("save_snapshot", events.save_snapshot("k", snapshot).await),
        // These find nothing of theirs, and so write nothing anywhere.
        ("fill", cache.fill(ticket, SECRET.into(), Expiry::Never).await.map(drop)),
    ]
}

/// What removals and the like answer, which need no memory.
async fn removals(redis: &Redis) -> Vec<(&'static str, Result<()>)> {
    let (states, cache) = (redis.state_store("n").unwrap(), redis.cache("n").unwrap());
    let (lock, events) = (redis.lock("n").unwrap(), redis.event_store("n").unwrap());
    vec![
        ("delete", states.delete("k", DeleteOptions::new()).await.map(drop)),
        ("delete_many", states.delete_many(&["k"]).await.map(drop)),
        ("remove", cache.remove("k").await.map(drop)),
        ("clear", cache.clear().await),
        ("truncate_before", events.truncate_before("k", 2).await),
        ("holder", lock.holder("k").await.map(drop)),
    ]
}

/// Each has to be an error of this kind, in time, with no secret in it.
fn are_refused(answers: &[(&'static str, Result<()>)], but: &[&str], is_right: impl Fn(&Error) -> bool) {
    for (call, answer) in answers.iter().filter(|(call, _)| !but.contains(call)) {
        let error = answer.as_ref().expect_err(call);
        assert!(is_right(error), "{call}: {error:?}");
        assert_eq!(error.outcome(), Outcome::NotApplied, "{call}: {error:?}");
        assert!(!texts(error).contains("hunter2"), "{call}: {}", texts(error));
    }
}

async fn connect(server: &Server) -> Redis {
    Redis::connect(RedisConfig::from_url(server.url()).unwrap().operation_timeout(LIMIT)).await.unwrap()
}

fn server(setup: &Setup) -> Option<Server> {
    servers::for_test(Kind::Redis, None, setup)
}

// G-40
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_takes_nothing_new_and_gives_up_what_it_has() {
    let Some(server) = server(&Setup::new()) else { return };
    let (redis, mut admin) = (connect(&server).await, admin(&server));
    prepare(&redis).await;
    let before = everything(&mut admin);
    run(&mut admin, &["CONFIG", "SET", "maxmemory", "1"]);
    are_refused(&writes(&redis).await, &["fill"], |error| matches!(error, Error::Exhausted { what: "memory", .. }));
    assert_eq!(everything(&mut admin), before);
    for (call, answer) in removals(&redis).await {
        answer.unwrap_or_else(|error| panic!("{call} needs no memory: {error:?}"));
    }
}

// G-33
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_became_a_replica_takes_nothing() {
    let Some(server) = server(&Setup::new()) else { return };
    let (redis, mut admin) = (connect(&server).await, admin(&server));
    prepare(&redis).await;
    let before = everything(&mut admin);
    run(&mut admin, &["REPLICAOF", "127.0.0.1", &free_port().unwrap().to_string()]);
    let begun = BootInstant::now();
    are_refused(&writes(&redis).await, &[], |error| matches!(error, Error::Unavailable { .. }));
    are_refused(&removals(&redis).await, &[], |error| matches!(error, Error::Unavailable { .. }));
    assert!(BootInstant::now().since(begun) < LIMIT * 20, "late");
    run(&mut admin, &["REPLICAOF", "NO", "ONE"]);
    assert_eq!(everything(&mut admin), before);
    assert!(writes(&redis).await.iter().all(|(_, answer)| answer.is_ok()), "it serves again");
}

// G-37
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_taken_away_is_missed_by_whoever_is_connected() {
    let Some(server) = server(&Setup::new()) else { return };
    let mut admin = admin(&server);
    set_user(&mut admin, "shop", &rights());
    let config = RedisConfig::from_url(server.url()).unwrap().user("shop").password(SECRET).operation_timeout(LIMIT);
    let redis = Redis::connect(config).await.unwrap();
    prepare(&redis).await;
    let before = everything(&mut admin);
    let mut change = cmd("ACL");
    change.arg("SETUSER").arg("shop").arg("-evalsha").arg("-eval").exec(&mut admin).unwrap();
    let is_right = |error: &Error| matches!(error, Error::Unauthorized { .. });
    are_refused(&writes(&redis).await, &[], is_right);
    // A clear by a scan finds out where there is something to remove.
    are_refused(&removals(&redis).await, &[], is_right);
    assert_eq!(everything(&mut admin), before);
    set_user(&mut admin, "shop", &rights());
    assert!(writes(&redis).await.iter().all(|(_, answer)| answer.is_ok()), "it is its right again");
}

// G-33: it answers everything with `LOADING` until it has read its data.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_loading_is_unavailable_and_serves_later() {
    // It takes its time, and answers after every 1024 commands of its log.
    let setup = Setup::new().durable().option("aof-use-rdb-preamble", ["no"]).option("key-load-delay", ["100"]);
    let Some(mut server) = servers::for_test(Kind::Redis, Some(Via::Local), &setup) else { return };
    let url = server.url().to_owned();
    let redis = Redis::connect(RedisConfig::from_url(&url).unwrap().operation_timeout(LIMIT * 40)).await.unwrap();
    let states = redis.state_store("n").unwrap();
    for batch in 0..5 {
        let keys = (0..1000).map(|i| format!("k{}", batch * 1000 + i));
        let saves = keys.map(|key| Save::new(key, "v", SaveOptions::new())).collect();
        assert!(states.save_many(saves).await.iter().all(Result::is_ok));
    }
    server.kill().unwrap();
    let is_back = Arc::new(AtomicBool::new(false));
    let restarting = thread::spawn({
        let is_back = Arc::clone(&is_back);
        move || {
            server.restart(Data::Kept).unwrap();
            is_back.store(true, Ordering::Release);
            server
        }
    });
    let short = LIMIT * 2;
    let config = RedisConfig::from_url(&url).unwrap().operation_timeout(short);
    let mut seen = 0;
    while !is_back.load(Ordering::Acquire) {
        if let Err(refused) = Redis::connect(config.clone()).await {
            assert!(matches!(refused, Error::Unavailable { .. } | Error::Timeout { .. }), "{refused:?}");
            assert_eq!(refused.outcome(), Outcome::NotApplied);
            seen += usize::from(texts(&refused).contains("LOADING"));
        }
    }
    assert!(seen > 0, "it was never met while it was loading");
    // Whoever was connected before waits for it.
    assert_eq!(&states.load("k7").await.unwrap().unwrap().value[..], b"v");
    drop(restarting.join().unwrap());
}

// G-36: all of connecting together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_slow_does_not_make_connecting_take_longer_than_it_may() {
    let Some(server) = server(&Setup::new()) else { return };
    let config = RedisConfig::from_url(server.url()).unwrap();
    let (to, slow) = (config.port.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let config = config.port(slow.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((client, _)) = slow.accept().await {
            let server = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
            let ((mut asks, mut answered), (mut answers, mut asked)) = (client.into_split(), server.into_split());
            tokio::spawn(async move { tokio::io::copy(&mut asks, &mut asked).await });
            tokio::spawn(async move {
                let mut bytes = vec![0; 1 << 16];
                while let Ok(read @ 1..) = answers.read(&mut bytes).await {
                    tokio::time::sleep(LIMIT * 2 / 5).await;
                    drop(answered.write_all(&bytes[..read]).await);
                }
            });
        }
    });
    let begun = BootInstant::now();
    // Each of the two connections takes two round trips: none is late, and both are.
    let refused = Redis::connect(config.clone().operation_timeout(LIMIT)).await.map(drop).unwrap_err();
    assert!(matches!(refused, Error::Timeout { outcome: Outcome::NotApplied, .. }), "{refused:?}");
    assert!(BootInstant::now().since(begun) < LIMIT * 3 / 2, "{:?}", BootInstant::now().since(begun));
    Redis::connect(config.operation_timeout(LIMIT * 10)).await.unwrap();
}
