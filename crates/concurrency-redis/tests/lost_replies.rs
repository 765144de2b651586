//! What is answered where a connection is cut around a request: never a conflict with oneself, never "not applied" of what was,
//! and no second copy of what must not have one.
#![allow(clippy::unwrap_used, reason = "all of it is a test")]

mod proxy;

use std::{sync::Arc, time::Duration};

use concurrency_core::{
    Backend, Cache, DeleteOptions, Error, Expiry, FencingToken, Lookup, Outcome, Save, SaveOptions, StateStore,
    Version, Write,
};
use concurrency_redis::{CacheClear, Redis, RedisConfig};
use servers::{Kind, Server, Setup};

use self::proxy::{Cut, Proxy};

const SCRIPT: &str = "EVALSHA";
const UNKNOWN: Outcome = Outcome::Unknown { settled: false };
const SETTLED: Outcome = Outcome::Unknown { settled: true };

/// A server, a client past the proxy, and one through it.
struct Setting {
    _server: Server,
    proxy: Proxy,
    direct: Redis,
    through: Redis,
}

impl Setting {
    async fn new() -> Option<Self> {
        let server = servers::for_test(Kind::Redis, None, &Setup::new())?;
        let config = RedisConfig::from_url(server.url()).unwrap().operation_timeout(Duration::from_secs(20));
        let proxy = Proxy::start(config.port.unwrap()).await;
        let direct = Redis::connect(config.clone()).await.unwrap();
        let through = Redis::connect(config.port(proxy.port())).await.unwrap();
        let setting = Self { _server: server, proxy, direct, through };
        setting.make_known().await;
        Some(setting)
    }

    /// The server knows all scripts, so that the next request is not answered that it does not.
    async fn make_known(&self) {
        let (states, cache) = (self.states(), self.direct.cache("known").unwrap());
        states.save("known", "v".into(), SaveOptions::new()).await.unwrap();
        states.delete("known", DeleteOptions::new()).await.unwrap();
        states.commit(vec![Write::save("known", "v", SaveOptions::new())]).await.unwrap();
        states.fence(&["known"], FencingToken(1)).await.unwrap();
        cache.set("known", "v".into(), Expiry::Never).await.unwrap();
        cache.remove("known").await.unwrap();
        let Lookup::Reserved(ticket) = cache.get_or_reserve("known", Duration::from_secs(60)).await.unwrap() else {
            panic!("it is free");
        };
        cache.fill(ticket, "v".into(), Expiry::Never).await.unwrap();
        cache.clear().await.unwrap();
    }

    /// As everybody else sees them.
    fn states(&self) -> Arc<dyn StateStore> {
        Backend::state_store(&self.direct, "ns").unwrap()
    }

    fn cut_states(&self) -> Arc<dyn StateStore> {
        Backend::state_store(&self.through, "ns").unwrap()
    }

    async fn put(&self, key: &str) -> Version {
        self.states().save(key, "first".into(), SaveOptions::new()).await.unwrap()
    }

    async fn value(&self, key: &str) -> Option<String> {
        let state = self.states().load(key).await.unwrap()?;
        Some(String::from_utf8_lossy(&state.value).into_owned())
    }
}

fn lost<T: std::fmt::Debug>(answer: Result<T, Error>, outcome: Outcome) {
    let error = answer.unwrap_err();
    assert_eq!(error.outcome(), outcome, "{error:?}");
    assert!(matches!(error, Error::Unavailable { .. } | Error::Timeout { .. }), "{error:?}");
}

// G-55, G-57, G-58
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_save_under_its_version_is_repeated_and_knows_itself() {
    let Some(setting) = Setting::new().await else { return };
    for (cut, copies) in [(Cut::BeforeServer, 1), (Cut::BeforeClient, 2)] {
        let version = setting.put("k").await;
        setting.proxy.cut(SCRIPT, cut);
        let saved =
            setting.cut_states().save("k", "second".into(), SaveOptions::new().if_version(version)).await.unwrap();
        assert_eq!(setting.proxy.carried_out(), copies);
        let state = setting.states().load("k").await.unwrap().unwrap();
        assert_eq!((state.version, &state.value[..]), (saved, &b"second"[..]));
    }
}

// G-59, G-63
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_that_comes_too_late_is_settled_and_unknown() {
    let Some(setting) = Setting::new().await else { return };
    let version = setting.put("k").await;
    let states = setting.states();
    setting.proxy.cut_after(SCRIPT, async move {
        states.save("k", "somebody else's".into(), SaveOptions::new()).await.unwrap();
    });
    let saved = setting.cut_states().save("k", "second".into(), SaveOptions::new().if_version(version)).await;
    lost(saved, SETTLED);
    assert_eq!(setting.value("k").await.as_deref(), Some("somebody else's"));

    let version = setting.put("fenced").await;
    let states = setting.states();
    setting.proxy.cut_after(SCRIPT, async move {
        states.fence(&["fenced"], FencingToken(9)).await.unwrap();
    });
    let options = SaveOptions::new().if_version(version).fenced_by(FencingToken(5));
    lost(setting.cut_states().save("fenced", "second".into(), options).await, SETTLED);
    assert_eq!(setting.value("fenced").await.as_deref(), Some("second"));

    let version = setting.put("gone").await;
    setting.proxy.cut(SCRIPT, Cut::BeforeClient);
    lost(setting.cut_states().delete("gone", DeleteOptions::new().if_version(version)).await, SETTLED);
    assert_eq!(setting.value("gone").await, None);
}

// G-64, G-65
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_writes_are_sent_once_and_looked_after() {
    let Some(setting) = Setting::new().await else { return };
    let options = [SaveOptions::new(), SaveOptions::new().if_absent(), SaveOptions::new().if_present()];
    for (place, options) in options.into_iter().enumerate() {
        let key = format!("k{place}");
        if place == 2 {
            setting.put(&key).await;
        }
        setting.proxy.cut(SCRIPT, Cut::BeforeServer);
        lost(setting.cut_states().save(&key, "second".into(), options).await, UNKNOWN);
        assert_eq!(setting.proxy.carried_out(), 0);
        assert_eq!(setting.value(&key).await.as_deref(), (place == 2).then_some("first"));

        setting.proxy.cut(SCRIPT, Cut::BeforeClient);
        let saved = setting.cut_states().save(&key, "second".into(), options).await.unwrap();
        assert_eq!(setting.proxy.carried_out(), 1);
        assert_eq!(setting.states().load(&key).await.unwrap().unwrap().version, saved);

        let states = setting.states();
        let other = key.clone();
        setting.proxy.cut_after(SCRIPT, async move {
            states.save(&other, "somebody else's".into(), SaveOptions::new()).await.unwrap();
        });
        let again = if place == 1 { SaveOptions::new() } else { options };
        lost(setting.cut_states().save(&key, "third".into(), again).await, UNKNOWN);
        assert_eq!(setting.value(&key).await.as_deref(), Some("somebody else's"), "nothing was sent twice");
    }
    for cut in [Cut::BeforeServer, Cut::BeforeClient] {
        setting.put("k").await;
        setting.proxy.cut(SCRIPT, cut);
        lost(setting.cut_states().delete("k", DeleteOptions::new()).await, UNKNOWN);
        setting.proxy.cut(SCRIPT, cut);
        lost(setting.cut_states().delete_many(&["k", "l"]).await, UNKNOWN);
        assert!(setting.proxy.carried_out() <= 1);
    }
}

// G-56, G-58, G-59, G-62, G-65
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_is_repeated_where_a_version_tells() {
    let Some(setting) = Setting::new().await else { return };
    for cut in [Cut::BeforeServer, Cut::BeforeClient] {
        let version = setting.put("a").await;
        let writes = vec![
            Write::save("a", "second", SaveOptions::new().if_version(version)),
            Write::save("b", "second", SaveOptions::new()),
        ];
        setting.proxy.cut(SCRIPT, cut);
        let saved = setting.cut_states().commit(writes).await.unwrap();
        for key in ["a", "b"] {
            assert_eq!(setting.states().load(key).await.unwrap().unwrap().version, saved, "{cut:?}");
        }
    }
    // Nothing of it is left by somebody else.
    let version = setting.put("a").await;
    let states = setting.states();
    setting.proxy.cut_after(SCRIPT, async move {
        states.save("a", "somebody else's".into(), SaveOptions::new()).await.unwrap();
    });
    let write = Write::save("a", "second", SaveOptions::new().if_version(version));
    lost(setting.cut_states().commit(vec![write]).await, SETTLED);
    // A mere check does not make it one that may be repeated.
    let version = setting.put("checked").await;
    let writes = || {
        vec![
            Write::check("checked", concurrency_core::Precondition::Match(version)),
            Write::save("c", "second", SaveOptions::new()),
        ]
    };
    setting.proxy.cut(SCRIPT, Cut::BeforeServer);
    lost(setting.cut_states().commit(writes()).await, UNKNOWN);
    assert_eq!(setting.proxy.carried_out(), 0);
    setting.proxy.cut(SCRIPT, Cut::BeforeClient);
    setting.cut_states().commit(writes()).await.unwrap();
    assert_eq!(setting.proxy.carried_out(), 1);
    // Of deletes alone nothing tells.
    setting.proxy.cut(SCRIPT, Cut::BeforeClient);
    let delete = Write::Delete { key: "c".to_owned(), options: DeleteOptions::new() };
    lost(setting.cut_states().commit(vec![delete]).await, UNKNOWN);
    assert_eq!(setting.value("c").await, None);
}

// G-55, G-64, G-65, each entry on its own
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_save_of_a_batch_follows_its_own_rule() {
    let Some(setting) = Setting::new().await else { return };
    for (cut, is_there) in [(Cut::BeforeServer, false), (Cut::BeforeClient, true)] {
        let version = setting.put("under its version").await;
        let saves = vec![
            Save::new("any", "second", SaveOptions::new()),
            Save::new("under its version", "second", SaveOptions::new().if_version(version)),
            Save::new("", "second", SaveOptions::new()),
        ];
        setting.proxy.cut(SCRIPT, cut);
        let answers = setting.cut_states().save_many(saves).await;
        let [any, matched, bad] = <[_; 3]>::try_from(answers).unwrap();
        assert!(matches!(bad, Err(Error::InvalidKey { .. })));
        assert_eq!(setting.states().load("under its version").await.unwrap().unwrap().version, matched.unwrap());
        if is_there {
            assert_eq!(setting.states().load("any").await.unwrap().unwrap().version, any.unwrap());
        } else {
            lost(any, UNKNOWN);
        }
    }
}

// G-66, S-57
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fence_is_repeated() {
    let Some(setting) = Setting::new().await else { return };
    for (cut, token) in [(Cut::BeforeServer, 5), (Cut::BeforeClient, 6)] {
        setting.proxy.cut(SCRIPT, cut);
        setting.cut_states().fence(&["a", "b"], FencingToken(token)).await.unwrap();
        for key in ["a", "b"] {
            let stale = SaveOptions::new().fenced_by(FencingToken(token - 1));
            let refused = setting.states().save(key, "late".into(), stale).await;
            assert!(matches!(refused, Err(Error::Fenced { seen, .. }) if seen == FencingToken(token)), "{refused:?}");
        }
    }
}

// G-63: found at level 5, redis, state, seed 37.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fence_that_was_overtaken_by_a_higher_one_is_not_called_without_effect() {
    let Some(setting) = Setting::new().await else { return };
    let states = setting.states();
    setting.proxy.cut_after(SCRIPT, async move {
        let below = SaveOptions::new().fenced_by(FencingToken(4));
        let refused = states.save("k", "v".into(), below).await.unwrap_err();
        assert!(matches!(refused, Error::Fenced { seen: FencingToken(5), .. }), "the first copy has raised the mark");
        states.fence(&["k"], FencingToken(6)).await.unwrap();
    });
    lost(setting.cut_states().fence(&["k"], FencingToken(5)).await, SETTLED);
}
// C-30, C-31, G-66, G-67
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cache_repeats_removals_and_never_a_set() {
    let Some(setting) = Setting::new().await else { return };
    let (direct, cut_off) = (setting.direct.cache("ns").unwrap(), setting.through.cache("ns").unwrap());
    for (cut, copies) in [(Cut::BeforeServer, 0), (Cut::BeforeClient, 1)] {
        setting.proxy.cut(SCRIPT, cut);
        lost(cut_off.set("k", "v".into(), Expiry::Never).await, UNKNOWN);
        assert_eq!(setting.proxy.carried_out(), copies);
        assert_eq!(direct.get("k").await.unwrap().is_some(), copies == 1);
        direct.remove("k").await.unwrap();

        let Lookup::Reserved(ticket) = direct.get_or_reserve("k", Duration::from_secs(60)).await.unwrap() else {
            panic!("it is free");
        };
        setting.proxy.cut(SCRIPT, cut);
        lost(cut_off.fill(ticket, "v".into(), Expiry::Never).await, UNKNOWN);
        assert_eq!(setting.proxy.carried_out(), copies);

        direct.set("k", "v".into(), Expiry::Never).await.unwrap();
        setting.proxy.cut(SCRIPT, cut);
        cut_off.remove("k").await.unwrap();
        assert_eq!(direct.get("k").await.unwrap(), None);

        setting.proxy.cut(SCRIPT, cut);
        let Lookup::Reserved(ticket) = cut_off.get_or_reserve("k", Duration::from_secs(60)).await.unwrap() else {
            panic!("its own reservation is told from another's");
        };
        assert!(direct.fill(ticket, "v".into(), Expiry::Never).await.unwrap());
        setting.proxy.cut("SCAN", cut);
        cut_off.clear().await.unwrap();
        assert_eq!(direct.get("k").await.unwrap(), None);
    }
}

// C-27
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_clear_takes_another_generation() {
    let Some(setting) = Setting::new().await else { return };
    let config = RedisConfig::for_namespace().cache_clear(CacheClear::Generation);
    let server = RedisConfig::from_url(setting._server.url()).unwrap();
    let direct = Redis::connect(server.clone().namespace("ns", config.clone())).await.unwrap();
    let cut_off = Redis::connect(server.port(setting.proxy.port()).namespace("ns", config)).await.unwrap();
    let (direct, cut_off) = (direct.cache("ns").unwrap(), cut_off.cache("ns").unwrap());
    // The server knows the script.
    direct.clear().await.unwrap();
    direct.set("k", "v".into(), Expiry::Never).await.unwrap();
    // Between the two copies somebody writes under the generation of the first one.
    let between = Arc::clone(&direct);
    setting.proxy.cut_after("concurrency:cn:{ns}", async move {
        between.set("between", "v".into(), Expiry::Never).await.unwrap();
    });
    cut_off.clear().await.unwrap();
    assert_eq!(setting.proxy.carried_out(), 2);
    assert_eq!(direct.get_many(&["k", "between"]).await.unwrap(), [None, None]);
}

// G-72
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_was_idle_is_asked_before_a_write_that_is_sent_once() {
    let Some(setting) = Setting::new().await else { return };
    let states = setting.cut_states();
    states.load("k").await.unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    // Were it not asked, the write would be what is lost.
    setting.proxy.cut("PING", Cut::BeforeServer);
    states.save("k", "v".into(), SaveOptions::new()).await.unwrap();
    assert_eq!(setting.value("k").await.as_deref(), Some("v"));
    setting.proxy.cut("PING", Cut::BeforeServer);
    for _ in 0..100 {
        states.save("k", "w".into(), SaveOptions::new()).await.unwrap();
    }
    assert!(setting.proxy.is_waiting(), "a busy connection was asked");
}

// G-29, G-54: whoever else is on the connection gets its own answer or reads again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_on_while_connections_are_cut() {
    let Some(setting) = Setting::new().await else { return };
    for place in 0..16 {
        setting.states().save(&format!("k{place}"), format!("v{place}").into(), SaveOptions::new()).await.unwrap();
    }
    for cut in [Cut::BeforeServer, Cut::BeforeClient].into_iter().cycle().take(20) {
        let mut reads = tokio::task::JoinSet::new();
        setting.proxy.cut("GET", cut);
        for place in 0..16 {
            let states = setting.cut_states();
            reads.spawn(async move { (place, states.load(&format!("k{place}")).await) });
        }
        while let Some(read) = reads.join_next().await {
            let (place, state) = read.unwrap();
            assert_eq!(state.unwrap().unwrap().value, format!("v{place}"));
        }
    }
}
