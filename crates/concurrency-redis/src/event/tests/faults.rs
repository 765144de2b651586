//! Connections that are cut, scripts that are forgotten and servers that die, in the middle of appends and subscriptions.

use std::sync::atomic::{AtomicBool, Ordering};

use concurrency_core::{Delivery, Outcome, Subscription};
use servers::{Data, Server};
use tokio::task::JoinHandle;

use super::*;

/// Appends to streams of its own, two events at a time, until it is told to end. What was acknowledged: stream and last version.
struct Writers {
    ends: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<(String, u64)>>,
}

impl Writers {
    fn start(store: &Arc<RedisEvents>, count: usize) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let write = |n: usize| {
            let (store, ends) = (Arc::clone(store), Arc::clone(&ends));
            tokio::spawn(async move {
                let (stream, mut last) = (format!("s{n}"), 0);
                while !ends.load(Ordering::Relaxed) {
                    // Exact where it is even, so that a copy that was carried out and not known would be a conflict.
                    let expected = if n.is_multiple_of(2) { last.into() } else { ExpectedVersion::Any };
                    let options = AppendOptions::new().expecting(expected);
                    let appended = store.append(&stream, events(2), options).await;
                    let appended = appended.unwrap_or_else(|error| panic!("{stream} after {last}: {error:?}"));
                    assert_eq!((appended.first, appended.last), (last + 1, last + 2), "{stream}");
                    last = appended.last;
                }
                (stream, last)
            })
        };
        Self { tasks: (0..count).map(write).collect(), ends }
    }

    async fn end(self) -> Vec<(String, u64)> {
        self.ends.store(true, Ordering::Relaxed);
        let mut ended = Vec::new();
        for task in self.tasks {
            ended.push(tokio::time::timeout(LIMIT, task).await.expect("it ends").expect("every append is answered"));
        }
        ended
    }
}

/// Follows the log, and hands what it was delivered to whoever ends it.
fn follow(store: &Arc<RedisEvents>, count: Arc<std::sync::atomic::AtomicUsize>) -> JoinHandle<Vec<Recorded>> {
    let mut subscription = Subscription::new(Arc::clone(store) as Arc<dyn EventStore>, None);
    tokio::spawn(async move {
        let mut seen = Vec::new();
        loop {
            match subscription.next().await {
                Ok(Delivery::Event(event)) => {
                    seen.push(event);
                    count.store(seen.len(), Ordering::Release);
                }
                Ok(_) => {}
                Err(Error::Closed) => return seen,
                // It goes on where it was.
                Err(Error::Unavailable { .. } | Error::Timeout { .. }) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    })
}

/// Whatever strikes while writers write and a subscription follows: every append was stored once, in order, and delivered.
async fn through(strikes: usize, setup: Setup, mut strike: impl AsyncFnMut(&mut Server, &RedisEvents)) {
    let Some(mut server) = servers::for_test(Kind::Redis, None, &setup) else { return };
    let (redis, reader, other) = (connect(&server).await, connect(&server).await, connect(&server).await);
    let store = redis.event_store("test").unwrap();
    let delivered = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let following = follow(&reader.event_store("test").unwrap(), Arc::clone(&delivered));
    let by = other.event_store("test").unwrap();
    let writers = Writers::start(&store, 8);
    for _ in 0..strikes {
        let before = delivered.load(Ordering::Acquire);
        until("writing goes on", async || delivered.load(Ordering::Acquire) >= before + 40).await;
        strike(&mut server, &by).await;
    }
    let written = writers.end().await;
    let total: u64 = written.iter().map(|(_, last)| last).sum();
    until("all is delivered", async || delivered.load(Ordering::Acquire) as u64 >= total).await;
    reader.close().await;
    let seen = tokio::time::timeout(LIMIT, following).await.expect("it ends").unwrap();
    assert_eq!(seen, log(&by).await, "what was delivered is the log");
    assert_eq!(seen.len() as u64, total, "every event once");
    for (stream, last) in written {
        let versions: Vec<u64> =
            seen.iter().filter(|event| *event.stream == *stream).map(|event| event.version).collect();
        assert_eq!(versions, (1..=last).collect::<Vec<_>>(), "{stream}");
    }
}

// E-14, T-50
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_connections_double_nothing_and_lose_nothing() {
    through(40, Setup::new(), async |_, by| {
        raw(by, &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
        raw(by, &["CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes"]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forgotten_scripts_are_sent_again() {
    through(40, Setup::new(), async |_, by| drop(raw(by, &["SCRIPT", "FLUSH"]).await)).await;
}

// E-36, E-45
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_durable_server_that_is_killed_takes_nothing_back() {
    through(5, Setup::new().durable(), async |server, _| {
        server.kill().unwrap();
        server.restart(Data::Kept).unwrap();
    })
    .await;
}

// E-14
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_loses_its_data_in_the_middle_begins_another_log() {
    let Some(mut server) = servers::for_test(Kind::Redis, None, &Setup::new()) else { return };
    let store = connect(&server).await.event_store("test").unwrap();
    for round in 0..4 {
        let before = grow(&store, "seen", 3).await.position;
        let appending: Vec<_> = (0..8)
            .map(|n| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    let mut answers = Vec::new();
                    for _ in 0..200 {
                        answers.push(store.append(&format!("s{n}"), events(2), AppendOptions::new()).await);
                    }
                    answers
                })
            })
            .collect();
        until("some are stored", async || log(&store).await.len() > 50).await;
        if round % 2 == 0 {
            raw(&store, &["FLUSHALL"]).await;
        } else {
            server.restart(Data::Lost).unwrap();
        }
        for appending in appending {
            for answer in tokio::time::timeout(LIMIT, appending).await.expect("it ends").unwrap() {
                let appended = answer.unwrap();
                assert!(appended.position > before, "positions rise across the loss");
            }
        }
        let all = log(&store).await;
        assert!(all.is_sorted_by(|a, b| a.position < b.position));
        for n in 0..8 {
            let versions: Vec<u64> =
                all.iter().filter(|event| *event.stream == *format!("s{n}")).map(|event| event.version).collect();
            assert_eq!(versions, (1..=versions.len() as u64).collect::<Vec<_>>(), "s{n} begins at 1, without a gap");
        }
        raw(&store, &["FLUSHALL"]).await;
    }
}

// E-14, G-50
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_was_answered_too_late_is_known_by_its_id() {
    let Some(mut server) = servers::for_test(Kind::Redis, None, &Setup::new()) else { return };
    let config = RedisConfig::from_url(server.url()).unwrap().operation_timeout(Duration::from_millis(300));
    let redis = Redis::connect(config).await.unwrap();
    let store = redis.event_store("test").unwrap();
    grow(&store, "s", 1).await;
    server.freeze().unwrap();
    let options = AppendOptions::new().with_append_id(AppendId::named("late")).expecting(1);
    let lost = store.append("s", events(2), options).await.unwrap_err();
    assert_eq!(lost.outcome(), Outcome::Unknown { settled: false }, "{lost:?}");
    let read = store.read("s", ReadQuery::forwards(1)).await.unwrap_err();
    assert_eq!(read.outcome(), Outcome::NotApplied, "{read:?}");
    server.thaw().unwrap();
    let patient = connect(&server).await.event_store("test").unwrap();
    let appended = patient.append("s", events(2), options).await.unwrap();
    assert_eq!((appended.first, appended.last), (2, 3));
    assert_eq!(versions(&patient, "s").await, [1, 2, 3], "once, whichever copy it was");
}

/// T-50: a push that is lost with its connection is made up for by the gap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_hears_of_an_append_whatever_happens_to_pushes() {
    let Some(server) = servers::for_test(Kind::Redis, None, &Setup::new()) else { return };
    let (redis, other) = (connect(&server).await, connect(&server).await);
    let (store, by) = (redis.event_store("test").unwrap(), other.event_store("test").unwrap());
    let mut after = Position::START;
    for _ in 0..30 {
        let waiting = tokio::spawn({
            let store = Arc::clone(&store);
            async move {
                while store.read_all(after, 1).await?.events.is_empty() {
                    store.changed(after).await?;
                }
                Ok::<_, Error>(())
            }
        });
        until("subscribed", async || store.space.news.initialized()).await;
        raw(&by, &["CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes"]).await;
        after = grow(&by, "s", 1).await.position;
        tokio::time::timeout(LIMIT, waiting).await.expect("it hears").unwrap().unwrap();
    }
}
