//! What is refused, and as what: bad addresses and logins, servers that cannot serve, bytes that are not ours.
#![allow(clippy::unwrap_used, reason = "all of it is a test")]

mod login;
mod rights;

use std::{
    io::{Read, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use concurrency_core::{
    Backend, Bytes, Error, FencingToken, ListQuery, Outcome, Result, SaveOptions, StateStore, Survives, Write as Step,
    clock::BootInstant,
};
use concurrency_redis::{Redis, RedisConfig};
use redis::{Connection, cmd};
use servers::{Kind, Server, Setup, free_port};

use self::{
    login::{PASSWORD as SECRET, admin},
    rights::{rights, set_user},
};

fn server(setup: &Setup) -> Option<Server> {
    servers::for_test(Kind::Redis, None, setup)
}

fn config(server: &Server) -> RedisConfig {
    RedisConfig::from_url(server.url()).unwrap()
}

fn run(admin: &mut Connection, words: &[&str]) {
    let mut command = cmd(words[0]);
    command.arg(&words[1..]);
    command.exec(admin).unwrap();
}

/// Connects, which has to fail within the time given, and says nothing secret.
async fn refusal(config: RedisConfig) -> Error {
    let limit = config.operation_timeout.unwrap_or(Duration::from_secs(5));
    let end = BootInstant::now().after(limit + Duration::from_secs(1));
    let refused = Redis::connect(config).await.map(drop).unwrap_err();
    assert!(!end.has_passed(), "late: {refused:?}");
    assert_eq!(refused.outcome(), Outcome::NotApplied, "{refused:?}");
    discreet(&refused);
    refused
}

fn discreet(error: &Error) {
    let text = format!("{error} {error:?} {:?}", std::error::Error::source(error));
    assert!(!text.contains(SECRET) && !text.contains("hunter2"), "{text}");
}

/// Answers everybody who connects with these bytes, and then nothing.
fn impostor(answer: &'static [u8]) -> RedisConfig {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().take(4) {
            let mut stream = stream.unwrap();
            let mut request = [0; 512];
            if stream.read(&mut request).is_ok_and(|read| read > 0) {
                drop(stream.write_all(answer));
            }
        }
    });
    here(port)
}

fn here(port: u16) -> RedisConfig {
    RedisConfig::new("127.0.0.1").port(port).password(SECRET).operation_timeout(Duration::from_secs(2))
}

// G-32
#[tokio::test]
async fn where_nobody_listens_nothing_is_applied() {
    let port = free_port().unwrap();
    assert!(matches!(refusal(here(port)).await, Error::Unavailable { .. }));
    let unknown = RedisConfig::new("no-such-host.invalid").password(SECRET);
    assert!(matches!(refusal(unknown).await, Error::Unavailable { .. }));
}

// G-36
#[tokio::test]
async fn who_accepts_and_stays_silent_is_a_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = here(listener.local_addr().unwrap().port()).operation_timeout(Duration::from_millis(200));
    assert!(matches!(refusal(silent.clone()).await, Error::Timeout { .. }));
    assert!(matches!(refusal(silent.tls(true)).await, Error::Timeout { .. }));
}

// G-38
#[tokio::test]
async fn what_is_not_redis_is_incompatible() {
    for answer in
        [&b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"[..], b"220 mail ready\r\n", b"\x00\x01\x02\x03"]
    {
        let refused = refusal(impostor(answer)).await;
        assert!(matches!(refused, Error::Incompatible { what: "server", .. }), "{refused:?}");
    }
    let old = refusal(impostor(b"-ERR unknown command `HELLO`, with args beginning with: \r\n")).await;
    assert!(matches!(old, Error::Incompatible { what: "server", .. }), "{old:?}");
}

// G-33, G-40
#[tokio::test]
async fn a_server_that_cannot_serve_yet_says_so() {
    let loading = refusal(impostor(b"-LOADING Redis is loading the dataset in memory\r\n")).await;
    assert!(matches!(loading, Error::Unavailable { .. }), "{loading:?}");
    let full = refusal(impostor(b"-ERR max number of clients reached\r\n")).await;
    assert!(matches!(full, Error::Exhausted { what: "connections", .. }), "{full:?}");
}

// G-37
#[tokio::test]
async fn a_wrong_login_is_unauthorized() {
    let rights = ["someone", "on", &format!(">{SECRET}"), "~*", "&*", "+@all"].map(str::to_owned);
    let setup = Setup::new().option("requirepass", ["right"]).option("user", rights);
    let Some(server) = server(&setup) else { return };
    let wrong = [
        config(&server),
        config(&server).password(SECRET),
        config(&server).user("nobody").password(SECRET),
        config(&server).user("someone").password("hunter2"),
    ];
    for wrong in wrong {
        let refused = refusal(wrong).await;
        assert!(matches!(refused, Error::Unauthorized { what: "login" }), "{refused:?}");
    }
    for right in [config(&server).password("right"), config(&server).user("someone").password(SECRET)] {
        Redis::connect(right).await.unwrap().health().await.unwrap();
    }
}

// G-37
#[tokio::test]
async fn a_login_needs_the_rights_that_are_documented_and_each_of_them() {
    let Some(server) = server(&Setup::new()) else { return };
    let mut admin = admin(&server);
    set_user(&mut admin, "full", &rights());
    let redis = Redis::connect(config(&server).user("full").password(SECRET)).await.unwrap();
    let states = redis.state_store("ns").unwrap();
    let version = states.save("k", "v".into(), SaveOptions::new().fenced_by(FencingToken(1))).await.unwrap();
    states.commit(vec![Step::save("k", "w", SaveOptions::new().if_version(version))]).await.unwrap();
    states.fence(&["k"], FencingToken(2)).await.unwrap();
    assert_eq!(states.list(ListQuery::all()).await.unwrap().keys.len(), 1);
    assert_eq!(states.load_many(&["k"]).await.unwrap().len(), 1);
    assert_eq!(states.delete_many(&["k"]).await.unwrap(), 1);
    redis.close().await;
    for missing in ["-evalsha", "-eval", "-subscribe", "-publish", "-time", "-zadd", "resetchannels"] {
        set_user(&mut admin, "less", &[&rights()[..], &[missing]].concat());
        let less = Redis::connect(config(&server).user("less").password(SECRET)).await;
        let refused = match less {
            Err(refused) => refused,
            Ok(redis) => {
                redis.state_store("ns").unwrap().save("k", SECRET.into(), SaveOptions::new()).await.unwrap_err()
            }
        };
        discreet(&refused);
        assert!(matches!(refused, Error::Unauthorized { .. }), "{missing}: {refused:?}");
    }
    // What it may not ask is the weakest that it could be.
    set_user(&mut admin, "blind", &[&rights()[..], &["-info", "-config|get"]].concat());
    let blind = Redis::connect(config(&server).user("blind").password(SECRET)).await.unwrap();
    let declared = blind.capabilities().state.unwrap();
    assert_eq!((declared.survives, declared.evictable, declared.fencing), (Survives::Nothing, true, false));
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

// G-38
#[tokio::test]
async fn tls_on_one_side_only_is_incompatible() {
    let port = free_port().unwrap();
    let path = |name: &str| [file(name).to_str().unwrap().to_owned()];
    let setup = Setup::new()
        .option("tls-port", [port.to_string()])
        .option("tls-cert-file", path("server.pem"))
        .option("tls-key-file", path("server.key"))
        .option("tls-ca-cert-file", path("ca.pem"))
        .option("tls-auth-clients", ["no"]);
    let Some(server) = servers::for_test(Kind::Redis, Some(servers::Via::Local), &setup) else { return };
    let plain = config(&server).operation_timeout(Duration::from_secs(5));
    let encrypted = RedisConfig::new("localhost").port(port).tls(true).tls_ca_file(file("ca.pem"));
    let redis = Redis::connect(encrypted.clone()).await.unwrap();
    redis.health().await.unwrap();
    let by_address = RedisConfig { host: Some("127.0.0.1".to_owned()), ..encrypted.clone() };
    Redis::connect(by_address).await.unwrap();

    let refused = refusal(plain.tls(true).tls_ca_file(file("ca.pem"))).await;
    assert!(matches!(refused, Error::Incompatible { what: "transport", .. }), "{refused:?}");
    let refused = refusal(RedisConfig::new("localhost").port(port).password(SECRET)).await;
    assert!(matches!(refused, Error::Incompatible { what: "transport", .. }), "{refused:?}");
    // Of a certificate that the system does not trust.
    let refused = refusal(RedisConfig::new("localhost").port(port).tls(true)).await;
    let no_system = matches!(refused, Error::InvalidArgument { .. });
    assert!(no_system || matches!(refused, Error::Unauthorized { what: "the server's certificate" }), "{refused:?}");
    // Files that hold no certificate, or are not there.
    for bad in ["server.key", "none.pem"] {
        let refused = refusal(encrypted.clone().tls_ca_file(file(bad))).await;
        assert!(matches!(refused, Error::InvalidArgument { .. }), "{refused:?}");
    }
}

// G-41
#[tokio::test]
async fn a_database_that_is_not_there_is_an_invalid_argument() {
    let Some(server) = server(&Setup::new()) else { return };
    let refused = refusal(config(&server).db(16)).await;
    assert!(matches!(refused, Error::InvalidArgument { what: "db", .. }), "{refused:?}");
    let (one, other) = (config(&server).db(1), config(&server).db(2));
    let (one, other) = (Redis::connect(one).await.unwrap(), Redis::connect(other).await.unwrap());
    one.state_store("ns").unwrap().save("k", "v".into(), SaveOptions::new()).await.unwrap();
    assert!(other.state_store("ns").unwrap().load("k").await.unwrap().is_none());
}

async fn refused_save(redis: &Redis) -> Error {
    let states = redis.state_store("ns").unwrap();
    let refused = states.save("k", SECRET.into(), SaveOptions::new()).await.unwrap_err();
    assert_eq!(refused.outcome(), Outcome::NotApplied, "{refused:?}");
    discreet(&refused);
    refused
}

// G-33, G-40
#[tokio::test]
async fn a_server_that_cannot_write_leaves_what_is_there() {
    let Some(server) = server(&Setup::new()) else { return };
    let mut admin = admin(&server);
    let redis = Redis::connect(config(&server)).await.unwrap();
    let states = redis.state_store("ns").unwrap();
    states.save("k", "old".into(), SaveOptions::new()).await.unwrap();

    run(&mut admin, &["CONFIG", "SET", "maxmemory", "1"]);
    let refused = refused_save(&redis).await;
    assert!(matches!(refused, Error::Exhausted { what: "memory", .. }), "{refused:?}");
    let commit = states.commit(vec![Step::save("k", "new", SaveOptions::new())]).await.unwrap_err();
    assert!(matches!(commit, Error::Exhausted { what: "memory", .. }), "{commit:?}");
    assert_eq!(&states.load("k").await.unwrap().unwrap().value[..], b"old");
    run(&mut admin, &["CONFIG", "SET", "maxmemory", "0"]);

    run(&mut admin, &["REPLICAOF", "127.0.0.1", &free_port().unwrap().to_string()]);
    let refused = refused_save(&redis).await;
    assert!(matches!(refused, Error::Unavailable { .. }), "{refused:?}");
    assert!(matches!(refusal(config(&server)).await, Error::Unavailable { .. }));
    run(&mut admin, &["REPLICAOF", "NO", "ONE"]);
    assert_eq!(&states.load("k").await.unwrap().unwrap().value[..], b"old");
}

/// What each call of a state store says, of a key `k` of this state.
async fn all_calls(states: &dyn StateStore) -> Vec<Result<()>> {
    let save = || SaveOptions::new();
    vec![
        states.load("k").await.map(drop),
        states.load_many(&["other", "k"]).await.map(drop),
        states.save("k", "new".into(), save()).await.map(drop),
        states.save("k", "new".into(), save().keep_ttl()).await.map(drop),
        states.save_many(vec![concurrency_core::Save::new("k", "new", save())]).await.remove(0).map(drop),
        states.delete("k", concurrency_core::DeleteOptions::new()).await.map(drop),
        states.delete_many(&["k"]).await.map(drop),
        states.commit(vec![Step::save("other", "new", save()), Step::save("k", "new", save())]).await.map(drop),
        states.list(ListQuery::all()).await.map(drop),
    ]
}

const NAME: &str = "concurrency:sv:{ns}:k";

// G-42
#[tokio::test]
async fn what_is_not_ours_is_not_decoded_and_stays() {
    let Some(server) = server(&Setup::new()) else { return };
    let mut admin = admin(&server);
    let redis = Redis::connect(config(&server)).await.unwrap();
    let states = redis.state_store("ns").unwrap();
    run(&mut admin, &["ZADD", "concurrency:si:{ns}", "0", "k"]);
    for put in [&["SET", NAME, SECRET][..], &["RPUSH", NAME, SECRET], &["HSET", NAME, SECRET, "1"]] {
        run(&mut admin, &["DEL", NAME]);
        run(&mut admin, put);
        let before: Vec<u8> = cmd("DUMP").arg(NAME).query(&mut admin).unwrap();
        for (call, refused) in all_calls(&*states).await.into_iter().enumerate() {
            let refused = refused.unwrap_err();
            discreet(&refused);
            assert!(matches!(refused, Error::Decode { .. }), "{put:?}, call {call}: {refused:?}");
        }
        let after: Vec<u8> = cmd("DUMP").arg(NAME).query(&mut admin).unwrap();
        assert_eq!(before, after, "{put:?}");
    }
    assert!(states.load("other").await.unwrap().is_none(), "nothing of the refused commits");
    // Under the names of a mark and of the index, too.
    run(&mut admin, &["SET", "concurrency:sf:{ns}:m", SECRET]);
    let fenced = SaveOptions::new().fenced_by(FencingToken(9));
    for refused in [
        states.save("m", Bytes::new(), fenced).await.map(drop),
        states.fence(&["m"], FencingToken(9)).await,
        states.commit(vec![Step::save("m", "", fenced)]).await.map(drop),
    ] {
        assert!(matches!(refused, Err(Error::Decode { .. })), "{refused:?}");
    }
    assert!(states.load("m").await.unwrap().is_none());
    let other = redis.state_store("other").unwrap();
    run(&mut admin, &["SET", "concurrency:si:{other}", SECRET]);
    for refused in [
        other.save("k", "new".into(), SaveOptions::new()).await.map(drop),
        other.commit(vec![Step::save("k", "new", SaveOptions::new())]).await.map(drop),
        other.list(ListQuery::all()).await.map(drop),
    ] {
        assert!(matches!(refused, Err(Error::Decode { .. })), "{refused:?}");
    }
    assert!(other.load("k").await.unwrap().is_none(), "nothing was written beside a bad index");
}

// G-84
#[tokio::test]
async fn a_newer_format_is_incompatible_and_stays() {
    let Some(server) = server(&Setup::new()) else { return };
    let mut admin = admin(&server);
    let redis = Redis::connect(config(&server)).await.unwrap();
    let states = redis.state_store("ns").unwrap();
    run(&mut admin, &["ZADD", "concurrency:si:{ns}", "0", "k"]);
    let newer = [&b"\xC1\x02"[..], &[7; 24], SECRET.as_bytes()].concat();
    cmd("SET").arg(NAME).arg(&newer).exec(&mut admin).unwrap();
    for (call, refused) in all_calls(&*states).await.into_iter().enumerate() {
        let refused = refused.unwrap_err();
        discreet(&refused);
        assert!(matches!(refused, Error::Incompatible { what: "stored format", .. }), "call {call}: {refused:?}");
    }
    let after: Vec<u8> = cmd("GET").arg(NAME).query(&mut admin).unwrap();
    assert_eq!(after, newer);
    cmd("SET").arg("concurrency:sf:{ns}:m").arg(b"\xC1\x029").exec(&mut admin).unwrap();
    let refused = states.fence(&["m"], FencingToken(9)).await.unwrap_err();
    assert!(matches!(refused, Error::Incompatible { .. }), "{refused:?}");
}

// G-79, S-59, S-68
#[tokio::test]
async fn what_the_server_may_drop_or_forget_is_declared() {
    let declared = async |setup: Setup| {
        let server = server(&setup)?;
        let redis = Redis::connect(config(&server)).await.unwrap();
        let states = redis.state_store("ns").unwrap();
        let fence = states.fence(&["k"], FencingToken(1)).await;
        let list = states.list(ListQuery::all()).await.map(drop);
        for (declared, answer) in [(states.capabilities().fencing, fence), (states.capabilities().list, list)] {
            assert!(if declared { answer.is_ok() } else { matches!(answer, Err(Error::Unsupported { .. })) });
        }
        let state = redis.capabilities().state.unwrap();
        assert_eq!(state, states.capabilities());
        Some((state.survives, state.evictable, state.fencing, state.list))
    };
    let Some(plain) = declared(Setup::new()).await else { return };
    assert_eq!(plain, (Survives::Process, false, true, true));
    let durable = declared(Setup::new().durable()).await.unwrap();
    assert_eq!(durable, (Survives::Crash, false, true, true));
    let careless = Setup::new().durable().option("no-appendfsync-on-rewrite", ["yes"]);
    assert_eq!(declared(careless).await.unwrap().0, Survives::Process);
    let seconds = Setup::new().durable().option("appendfsync", ["everysec"]);
    assert_eq!(declared(seconds).await.unwrap().0, Survives::Process);
    let passing = declared(Setup::new().durable().option("maxmemory-policy", ["volatile-ttl"])).await.unwrap();
    assert_eq!(passing, (Survives::Crash, true, false, true));
    let anything = declared(Setup::new().option("maxmemory-policy", ["allkeys-lru"])).await.unwrap();
    assert_eq!(anything, (Survives::Nothing, true, false, false));
}
