//! Finding the primary, and not finding it.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Mutex, atomic::AtomicUsize, atomic::Ordering},
    thread,
};

use concurrency_core::{Backend, EventStore, SaveOptions, StateStore, Survives};
use redis::cmd;
use servers::{Data, free_port};

use super::*;

/// Says to everybody who asks that the primary is at the next of these ports, and at the last one from then on.
struct Liar {
    port: u16,
    asked: Arc<AtomicUsize>,
}

impl Liar {
    fn saying(ports: Vec<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let at = count.fetch_add(1, Ordering::AcqRel).min(ports.len() - 1);
                drop(answer(stream, ports[at]));
            }
        });
        Self { port, asked }
    }
}

/// One question: how many words, then two lines a word.
fn answer(stream: TcpStream, port: u16) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let words: usize = line.trim().trim_start_matches('*').parse().unwrap_or_default();
    for _ in 0..2 * words {
        stream.read_line(&mut line)?;
    }
    let port = port.to_string();
    write!(stream.get_mut(), "*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len())
}

fn port_of(url: &str) -> u16 {
    url.rsplit_once(':').unwrap().1.parse().unwrap()
}

fn asking(ports: &[u16]) -> RedisConfig {
    let places = ports.iter().map(|port| format!("127.0.0.1:{port}"));
    RedisConfig::with_sentinels(places, Sentinels::NAME).operation_timeout(LIMIT)
}

async fn save(redis: &Redis, value: &'static str) -> Result<(), Error> {
    redis.state_store("n").unwrap().save("k", value.into(), SaveOptions::new()).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_are_asked_in_turn_and_no_more_is_declared_than_a_failover_keeps() {
    let Some(set) = set() else { return };
    // Nobody there; somebody who says nothing; and one who knows.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let third = set.url().split(['/', ',']).find_map(|part| part.strip_prefix("127.0.0.1:")).unwrap().parse().unwrap();
    let ports = [free_port().unwrap(), silent.local_addr().unwrap().port(), third];
    // Of a quarter of its time each sentinel has a third, on a busy machine as well.
    let (limit, began) = (LIMIT * 5, BootInstant::now());
    let redis = Redis::connect(asking(&ports).operation_timeout(limit)).await.unwrap();
    assert!(BootInstant::now().since(began) < limit);
    save(&redis, "v").await.unwrap();
    let declared = redis.capabilities();
    let survives =
        [declared.state.unwrap().survives, declared.cache.unwrap().survives, declared.lock.unwrap().survives];
    assert_eq!(survives, [Survives::Process; 3], "although each write is on the disk when it is answered");
    assert_eq!(declared.events.unwrap().survives, Survives::Process);
    assert!(redis.event_store("n").unwrap().capabilities().log_may_rewind);
    let alone = RedisConfig::from_url(&set.server_url(0)).unwrap();
    let alone = Redis::connect(alone).await.unwrap().capabilities();
    assert_eq!(alone.state.unwrap().survives, Survives::Crash);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_no_primary_is_left_and_sentinels_are_asked_again() {
    let Some(set) = set() else { return };
    let [primary, replica] = [set.server_url(0), set.server_url(1)].map(|url| port_of(&url));
    let nobody = free_port().unwrap();
    let liar = Liar::saying(vec![replica, nobody, primary]);
    let redis = at_last("connect", async || Redis::connect(asking(&[liar.port])).await).await;
    save(&redis, "v").await.unwrap();
    assert!(liar.asked.load(Ordering::Acquire) >= 4, "three times for the commands, and once for what is pushed");
    for port in [replica, nobody] {
        let began = BootInstant::now();
        let refused = Redis::connect(asking(&[Liar::saying(vec![port]).port])).await.unwrap_err();
        is_without_effect(&refused);
        assert!(BootInstant::now().since(began) <= LIMIT);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_found_has_an_error_of_its_own() {
    let Some(set) = set() else { return };
    let unknown = Redis::connect(config(&set).primary("another")).await.unwrap_err();
    assert!(matches!(unknown, Error::InvalidArgument { what: "primary", .. }), "{unknown:?}");
    let server = set.server_url(0);
    let no_sentinel = Redis::connect(asking(&[port_of(&server)])).await.unwrap_err();
    assert!(matches!(no_sentinel, Error::Incompatible { what: "sentinel", .. }), "{no_sentinel:?}");
    let sentinel = RedisConfig::from_url(set.url()).unwrap().sentinels.unwrap().remove(0);
    let no_server = RedisConfig::from_url(&format!("redis://{sentinel}")).unwrap();
    let no_server = Redis::connect(no_server).await.unwrap_err();
    assert!(no_server.to_string().contains("redis+sentinel"), "{no_server:?}");
    // Whom the sentinels do not let in.
    for place in config(&set).sentinels.unwrap() {
        let mut admin = redis::Client::open(format!("redis://{place}")).unwrap().get_connection().unwrap();
        let mut words = cmd("ACL");
        words.arg("SETUSER").arg("it").arg("on").arg(">hunter2").arg("+auth").arg("+sentinel|get-master-addr-by-name");
        words.exec(&mut admin).unwrap();
        cmd("ACL").arg("SETUSER").arg("default").arg("off").exec(&mut admin).unwrap();
    }
    let theirs = config(&set).sentinel_user("it");
    Redis::connect(theirs.clone().sentinel_password("hunter2")).await.unwrap();
    for wrong in [config(&set), theirs.sentinel_password("hunter3")] {
        let refused = Redis::connect(wrong).await.unwrap_err();
        assert!(matches!(refused, Error::Unauthorized { what: "login at a sentinel" }), "{refused:?}");
        assert!(!format!("{refused} {refused:?}").contains("hunter"), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_sentinels_a_connection_goes_on_and_none_is_opened() {
    let Some(mut set) = set() else { return };
    let redis = client(&set).await;
    set.kill_sentinels().unwrap();
    for _ in 0..100 {
        save(&redis, "v").await.unwrap();
    }
    redis.health().await.unwrap();
    let began = BootInstant::now();
    is_without_effect(&Redis::connect(config(&set)).await.unwrap_err());
    set.kill(0).unwrap();
    // What was under way may be lost; what comes then is not sent.
    drop(save(&redis, "w").await);
    is_without_effect(&save(&redis, "w").await.unwrap_err());
    assert!(BootInstant::now().since(began) < LIMIT * 4, "each in its time");
    set.restart(0, Data::Kept).unwrap();
    is_without_effect(&save(&redis, "w").await.unwrap_err());
    set.restart_sentinels().unwrap();
    at_last("save", async || save(&redis, "w").await).await;
}

/// As an administrator does who asks no sentinel: connections stay, and what is written on them is refused as a whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_becomes_a_replica_writes_nothing_and_is_left() {
    let Some(set) = set() else { return };
    let redis = client(&set).await;
    let [states, other] = [redis.state_store("n").unwrap(), redis.state_store("other").unwrap()];
    let before = states.save("k", "old".into(), SaveOptions::new()).await.unwrap();
    set.until_whole().unwrap();
    set.be_impatient().unwrap();
    let admin = Mutex::new(redis::Client::open(set.server_url(0)).unwrap().get_connection().unwrap());
    // Not one of the set: servers that follow each other in a circle empty each other.
    let follow = free_port().unwrap();
    cmd("REPLICAOF").arg("127.0.0.1").arg(follow).exec(&mut *admin.lock().unwrap()).unwrap();
    is_without_effect(&states.save("k", "new".into(), SaveOptions::new().if_version(before)).await.unwrap_err());
    // The sentinels make a primary of a server again, this one or another.
    let kept = at_last("load", async || states.load("k").await).await.unwrap();
    assert_eq!((kept.version, &kept.value[..]), (before, &b"old"[..]));
    at_last("save", async || other.save("k", "new".into(), SaveOptions::new()).await).await;
}
