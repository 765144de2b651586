//! What an event store answers where a connection is cut around a request: an append that was stored is stored once and says where,
//! and what was not stored is never called impossible while a copy may still arrive.
#![allow(clippy::unwrap_used, reason = "all of it is a test")]

mod proxy;

use std::{sync::Arc, time::Duration};

use concurrency_core::{
    AppendOptions, Error, EventId, EventStore, ExpectedVersion, FencingToken, NewEvent, Outcome, Position, ReadQuery,
    Snapshot,
};
use concurrency_redis::{Redis, RedisConfig, RedisEvents};
use servers::{Kind, Server, Setup};

use self::proxy::{Cut, Proxy};

const SCRIPT: &str = "EVALSHA";

/// A server, a store past the proxy, and one through it.
struct Setting {
    _server: Server,
    proxy: Proxy,
    direct: Arc<RedisEvents>,
    through: Arc<RedisEvents>,
}

impl Setting {
    async fn new() -> Option<Self> {
        let server = servers::for_test(Kind::Redis, None, &Setup::new())?;
        let config = RedisConfig::from_url(server.url()).unwrap().operation_timeout(Duration::from_secs(20));
        let proxy = Proxy::start(config.port.unwrap()).await;
        let direct = Redis::connect(config.clone()).await.unwrap().event_store("ns").unwrap();
        let through = Redis::connect(config.port(proxy.port())).await.unwrap().event_store("ns").unwrap();
        // The server knows all scripts, so that the next request is not answered that it does not.
        direct.append("known", events(2), AppendOptions::new()).await.unwrap();
        direct.read("known", ReadQuery::newest()).await.unwrap();
        direct.read_all(Position::START, 1).await.unwrap();
        direct.save_snapshot("known", snapshot(1)).await.unwrap();
        direct.truncate_before("known", 2).await.unwrap();
        Some(Self { _server: server, proxy, direct, through })
    }

    async fn versions(&self, stream: &str) -> Vec<u64> {
        let slice = self.direct.read(stream, ReadQuery::forwards(1)).await.unwrap();
        slice.events.iter().map(|event| event.version).collect()
    }
}

fn events(count: usize) -> Vec<NewEvent> {
    (1..=count).map(|n| NewEvent::new("e", n.to_string())).collect()
}

fn snapshot(version: u64) -> Snapshot {
    Snapshot { version, event: EventId::mint(), schema: 1, data: "state".into() }
}

// E-14, E-18
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_is_repeated_and_knows_itself() {
    let Some(setting) = Setting::new().await else { return };
    let mut last = 0;
    for expected in [ExpectedVersion::NoStream, ExpectedVersion::Any, ExpectedVersion::Exists, 6.into()] {
        for (cut, copies) in [(Cut::BeforeServer, 1), (Cut::BeforeClient, 2)] {
            if cut == Cut::BeforeClient && expected == ExpectedVersion::NoStream {
                continue;
            }
            let expected = if expected == 6.into() { last.into() } else { expected };
            setting.proxy.cut(SCRIPT, cut);
            let options = AppendOptions::new().expecting(expected).fenced_by(FencingToken(last + 1));
            let appended = setting.through.append("s", events(2), options).await.unwrap();
            assert_eq!(setting.proxy.carried_out(), copies, "{expected:?} {cut:?}");
            assert_eq!((appended.first, appended.last), (last + 1, last + 2), "{expected:?} {cut:?}");
            last = appended.last;
            assert_eq!(setting.versions("s").await, (1..=last).collect::<Vec<_>>(), "{expected:?} {cut:?}");
        }
    }
}

// E-15, E-18: wherever the stream stands when the repeat arrives, and whoever came meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_that_was_overtaken_still_knows_itself() {
    let Some(setting) = Setting::new().await else { return };
    let direct = Arc::clone(&setting.direct);
    setting.proxy.cut_after(SCRIPT, async move {
        direct.append("s", events(3), AppendOptions::new().fenced_by(FencingToken(9))).await.unwrap();
        direct.truncate_before("s", 4).await.unwrap();
    });
    let options = AppendOptions::new().expecting(ExpectedVersion::NoStream).fenced_by(FencingToken(5));
    let appended = setting.through.append("s", events(2), options).await.unwrap();
    assert_eq!((appended.first, appended.last), (1, 2));
    assert_eq!(setting.versions("s").await, [4, 5]);
}

// G-50: the copy that was lost may come late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_that_is_refused_says_what_it_knows() {
    let Some(setting) = Setting::new().await else { return };
    setting.direct.append("s", events(3), AppendOptions::new().fenced_by(FencingToken(9))).await.unwrap();
    let refusals = [
        ("s", ExpectedVersion::NoStream, false),
        ("s", ExpectedVersion::Exact(2), false),
        ("s", ExpectedVersion::Exact(7), true),
        ("missing", ExpectedVersion::Exists, true),
        ("missing", ExpectedVersion::Exact(1), true),
    ];
    for (stream, expected, may_yet) in refusals {
        setting.proxy.cut(SCRIPT, Cut::BeforeServer);
        let refused = setting.through.append(stream, events(1), AppendOptions::new().expecting(expected)).await;
        let error = refused.unwrap_err();
        let outcome = if may_yet { Outcome::Unknown { settled: false } } else { Outcome::NotApplied };
        assert_eq!((error.outcome(), error.is_conflict()), (outcome, !may_yet), "{stream} {expected:?}: {error:?}");
    }
    setting.proxy.cut(SCRIPT, Cut::BeforeServer);
    let fenced = setting.through.append("s", events(1), AppendOptions::new().fenced_by(FencingToken(8))).await;
    assert!(matches!(fenced, Err(Error::Fenced { .. })), "{fenced:?}");
    assert_eq!(setting.versions("s").await, [1, 2, 3]);
    assert!(setting.versions("missing").await.is_empty());
}

// G-54
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_snapshots_and_truncations_are_repeated() {
    let Some(setting) = Setting::new().await else { return };
    let appended = setting.direct.append("s", events(5), AppendOptions::new()).await.unwrap();
    let kept = snapshot(4);
    for cut in [Cut::BeforeServer, Cut::BeforeClient] {
        setting.proxy.cut(SCRIPT, cut);
        assert_eq!(setting.through.read("s", ReadQuery::newest()).await.unwrap().last, 5);
        setting.proxy.cut(SCRIPT, cut);
        let batch = setting.through.read_all(appended.position.before(), 10).await.unwrap();
        assert_eq!(batch.events.len(), 1);
        setting.proxy.cut(SCRIPT, cut);
        setting.through.save_snapshot("s", kept.clone()).await.unwrap();
        setting.proxy.cut("GET", cut);
        assert!(setting.proxy.is_waiting(), "nothing was sent meanwhile");
        assert_eq!(setting.through.load_snapshot("s").await.unwrap(), Some(kept.clone()));
        setting.proxy.cut(SCRIPT, cut);
        setting.through.truncate_before("s", 4).await.unwrap();
        assert!(setting.proxy.carried_out() > 0);
        assert_eq!(setting.versions("s").await, [4, 5]);
    }
    let direct = Arc::clone(&setting.direct);
    let newer = snapshot(5);
    let saved = newer.clone();
    setting.proxy.cut_after(SCRIPT, async move { direct.save_snapshot("s", saved).await.unwrap() });
    setting.through.save_snapshot("s", kept).await.unwrap();
    assert_eq!(setting.direct.load_snapshot("s").await.unwrap(), Some(newer), "a repeat replaces no newer one");
}
