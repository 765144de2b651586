//! Connections that are cut, and servers that forget and restart, on a real one.

use std::{sync::mpsc, time::Duration};

use concurrency_core::clock::BootInstant;
use redis::cmd;
use servers::{Data, Kind, Server, Setup};

use super::*;
use crate::config::RedisConfig;

const LIMIT: Duration = Duration::from_secs(20);

fn deadline() -> Deadline {
    Deadline::after(LIMIT)
}

async fn client(server: &Server) -> Client {
    Client::open(&RedisConfig::from_url(server.url()).unwrap(), LIMIT).await.unwrap()
}

/// Cuts all other connections of this kind: `normal`, or `pubsub`.
async fn cut(by: &Client, kind: &str) {
    by.read(cmd("CLIENT").arg("KILL").arg("TYPE").arg(kind).arg("SKIPME").arg("yes"), deadline()).await.unwrap();
}

async fn publish(by: &Client, channel: &str, message: &str) {
    by.read(cmd("PUBLISH").arg(channel).arg(message), deadline()).await.unwrap();
}

fn said(push: Push<'_>) -> String {
    match push {
        Push::Message(message) => String::from_utf8_lossy(message).into_owned(),
        Push::Gap => "gap".to_owned(),
    }
}

/// The next thing that came to the inbox.
async fn next(inbox: &mpsc::Receiver<String>) -> String {
    let end = BootInstant::now().after(LIMIT);
    loop {
        match inbox.try_recv() {
            Ok(said) => return said,
            Err(_) => assert!(!end.has_passed(), "nothing came"),
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn what_comes_to_an_inbox_reaches_those_whose_mark_it_has() {
    let Some(server) = servers::for_test(Kind::Redis, None, &Setup::new()) else { return };
    let (one, other) = (client(&server).await, client(&server).await);
    let (tell, inbox) = mpsc::channel();
    one.pushes().on(b'x', Arc::new(move |push| drop(tell.send(said(push)))));
    let first = one.pushes().ready(deadline()).await.unwrap();
    publish(&other, one.pushes().inbox(), "yfor somebody else").await;
    publish(&other, one.pushes().inbox(), "xhello").await;
    assert_eq!(next(&inbox).await, "hello");
    cut(&other, "pubsub").await;
    assert_eq!(next(&inbox).await, "gap");
    assert!(one.pushes().ready(deadline()).await.unwrap() > first);
    publish(&other, one.pushes().inbox(), "xagain").await;
    assert_eq!(next(&inbox).await, "again");
}

#[tokio::test]
async fn a_listener_hears_what_is_published_and_every_gap() {
    let Some(server) = servers::for_test(Kind::Redis, None, &Setup::new()) else { return };
    let (one, other) = (client(&server).await, client(&server).await);
    let mut listener = one.pushes().listen("news", deadline()).await.unwrap();
    let second = one.pushes().listen("news", deadline()).await.unwrap();
    publish(&other, "news", "1").await;
    tokio::time::timeout(LIMIT, listener.heard()).await.unwrap();
    cut(&other, "pubsub").await;
    tokio::time::timeout(LIMIT, listener.heard()).await.unwrap();
    one.pushes().ready(deadline()).await.unwrap();
    publish(&other, "news", "2").await;
    tokio::time::timeout(LIMIT, listener.heard()).await.unwrap();
    drop((listener, second));
    let end = BootInstant::now().after(LIMIT);
    let mut count = cmd("PUBSUB");
    count.arg("NUMSUB").arg("news");
    while other.read(&count, deadline()).await.unwrap() != Value::Array(vec![bulk("news"), Value::Int(0)]) {
        let left = other.read(&count, deadline()).await.unwrap();
        assert!(!end.has_passed(), "still subscribed: {left:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn bulk(text: &str) -> Value {
    Value::BulkString(text.as_bytes().to_vec())
}

// G-54, G-70, G-71
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_survive_cut_connections_and_a_restart() {
    let Some(mut server) = servers::for_test(Kind::Redis, None, &Setup::new()) else { return };
    let (one, other) = (client(&server).await, client(&server).await);
    for _ in 0..50 {
        let reading = tokio::spawn({
            let one = one.clone();
            async move { one.read(cmd("ECHO").arg("x"), deadline()).await }
        });
        cut(&other, "normal").await;
        assert_eq!(reading.await.unwrap().unwrap(), bulk("x"));
    }
    server.kill().unwrap();
    let refused = one.read(&cmd("PING"), Deadline::after(Duration::from_millis(300))).await.unwrap_err();
    assert!(
        matches!(refused, Error::Unavailable { outcome: concurrency_core::Outcome::NotApplied, .. }),
        "{refused:?}"
    );
    let reading = tokio::spawn({
        let one = one.clone();
        async move { one.read(cmd("ECHO").arg("y"), deadline()).await }
    });
    server.restart(Data::Lost).unwrap();
    assert_eq!(reading.await.unwrap().unwrap(), bulk("y"));
    one.health(deadline()).await.unwrap();
}

#[tokio::test]
async fn a_script_that_was_forgotten_is_sent_again() {
    let Some(server) = servers::for_test(Kind::Redis, None, &Setup::new()) else { return };
    let client = client(&server).await;
    let mut call = crate::script::FENCE.call(1);
    call.arg("mark").arg(7).arg(60_000);
    for _ in 0..3 {
        client.read(cmd("SCRIPT").arg("FLUSH"), deadline()).await.unwrap();
        let one = client.call(&crate::script::FENCE, &call, Repeat::Never, deadline()).await.unwrap();
        assert_eq!(one.value, Value::Int(0));
        client.read(cmd("SCRIPT").arg("FLUSH"), deadline()).await.unwrap();
        let mut calls = Pipeline::new();
        for _ in 0..3 {
            calls.add_command(call.clone());
        }
        let many = client.call_many(&crate::script::FENCE, &calls, Repeat::Never, deadline()).await.unwrap();
        let values: Vec<Value> = many.into_iter().map(|answer| answer.unwrap().value).collect();
        assert_eq!(values, [Value::Int(0), Value::Int(0), Value::Int(0)]);
    }
}

// G-36
#[tokio::test]
async fn a_server_that_falls_silent_is_a_timeout_and_goes_on_later() {
    let Some(mut server) = servers::for_test(Kind::Redis, None, &Setup::new()) else { return };
    let client = client(&server).await;
    let mut call = crate::script::FENCE.call(1);
    call.arg("mark").arg(7).arg(60_000);
    server.freeze().unwrap();
    let short = || Deadline::after(Duration::from_millis(300));
    let lost = client.call(&crate::script::FENCE, &call, Repeat::Never, short()).await.unwrap_err();
    assert!(matches!(lost, Error::Timeout { outcome: error::UNKNOWN, .. }), "{lost:?}");
    let read = client.read(&cmd("PING"), short()).await.unwrap_err();
    assert!(matches!(read, Error::Timeout { outcome: concurrency_core::Outcome::NotApplied, .. }), "{read:?}");
    server.thaw().unwrap();
    client.read(&cmd("PING"), deadline()).await.unwrap();
}

/// A way to a server on which connections that were opened so far can fall silent, as one behind a gate that forgets them: neither
/// end is told.
struct Way {
    port: u16,
    /// Whether those that are there are silent; new ones look at another one.
    silent: Arc<std::sync::Mutex<Arc<std::sync::atomic::AtomicBool>>>,
}

impl Way {
    async fn to(port: u16) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let silent = Arc::<std::sync::Mutex<Arc<std::sync::atomic::AtomicBool>>>::default();
        let way = Self { port: listener.local_addr().unwrap().port(), silent: Arc::clone(&silent) };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let is_silent = Arc::clone(&silent.lock().unwrap());
                let server = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                tokio::spawn(pass(from_client, to_server, Arc::clone(&is_silent)));
                tokio::spawn(pass(from_server, to_client, is_silent));
            }
        });
        way
    }

    fn falls_silent(&self) {
        std::mem::take(&mut *self.silent.lock().unwrap()).store(true, std::sync::atomic::Ordering::Release);
    }
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    is_silent: Arc<std::sync::atomic::AtomicBool>,
) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if !is_silent.load(std::sync::atomic::Ordering::Acquire) && to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

// G-72
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_finds_another_connection_where_the_one_it_has_is_dead() {
    let Some(server) = servers::for_test(Kind::Redis, None, &Setup::new()) else { return };
    let config = RedisConfig::from_url(server.url()).unwrap();
    let way = Way::to(config.port.unwrap()).await;
    let client = Client::open(&config.port(way.port), LIMIT).await.unwrap();
    let mut call = crate::script::FENCE.call(1);
    call.arg("mark").arg(7).arg(60_000);
    let limit = Duration::from_secs(6);
    client.call(&crate::script::FENCE, &call, Repeat::Never, Deadline::after(limit)).await.unwrap();
    way.falls_silent();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let said = client.call(&crate::script::FENCE, &call, Repeat::Never, Deadline::after(limit)).await.unwrap();
    assert!(!said.repeated, "{said:?}");
}

// G-70: who refuses is not tried as often as it is asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_calls_does_not_make_a_crowd_of_connections() {
    let Some(mut server) = servers::for_test(Kind::Redis, Some(servers::Via::Local), &Setup::new()) else { return };
    let config = RedisConfig::from_url(server.url()).unwrap();
    let client = Client::open(&config, LIMIT).await.unwrap();
    server.kill().unwrap();
    // Hangs up on everybody.
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", config.port.unwrap())).await.unwrap();
    let tried = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = Arc::clone(&tried);
    let counting = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            drop(socket);
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    });
    let begun = BootInstant::now();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let client = client.clone();
        calls.spawn(async move {
            for _ in 0..100 {
                drop(client.read(&cmd("PING"), Deadline::after(Duration::from_millis(5))).await.unwrap_err());
            }
        });
    }
    calls.join_all().await;
    let (took, tried) = (BootInstant::now().since(begun), tried.load(std::sync::atomic::Ordering::Relaxed));
    counting.abort();
    // Two connections; at each attempt it may be asked as well whether it speaks TLS.
    // Each attempt may ask as well whether TLS is spoken. Nobody wants the connection of pushes, whose pauses grow.
    let most = took.as_millis() / 5 * 2 + 40;
    assert!(u128::from(tried) <= most, "tried {tried} times in {took:?}");
    assert!(tried > 0, "nobody tried");
}
