//! Locks on servers that die, forget, are full or are not ours: what the suite cannot bring about. And what a lock costs, in
//! requests.

mod cost;
mod fault;
mod loss;
mod refusal;
mod waiting;

use std::{sync::Arc, time::Duration};

use concurrency_core::{Claim, Error, Lease, Lock, Outcome, Result, clock::BootInstant, desk::Queue};
use concurrency_redis::{Redis, RedisConfig, RedisLock};
use redis::{Commands, Connection, FromRedisValue};
use servers::{Kind, Server, Setup};
use tokio::task::JoinHandle;

const SECOND: Duration = Duration::from_secs(1);
/// Long enough never to end within a test.
const LONG: Duration = Duration::from_secs(60);
/// How late a thing may be that happens at once, on a loaded machine.
const SLACK: Duration = Duration::from_millis(700);

/// A server for one test, with its connection for what the test does behind the back of the library.
struct Stage {
    server: Server,
}

impl Stage {
    /// `None` where no server can be had, and none has to be.
    fn new(setup: &Setup) -> Option<Self> {
        Some(Self { server: servers::for_test(Kind::Redis, None, setup)? })
    }

    async fn client(&self) -> Redis {
        self.client_with(|config| config).await
    }

    async fn client_with(&self, options: impl FnOnce(RedisConfig) -> RedisConfig) -> Redis {
        let config = RedisConfig::from_url(self.server.url()).expect("the URL of a server");
        Redis::connect(options(config)).await.expect("the server answers")
    }

    async fn lock(&self) -> Arc<RedisLock> {
        self.client().await.lock("n").expect("the server evicts nothing")
    }

    fn raw(&self) -> Connection {
        let client = redis::Client::open(self.server.url()).expect("the URL of a server");
        client.get_connection().expect("the server answers")
    }

    /// What the server answers to a command, words separated by blanks.
    fn ask<T: FromRedisValue>(&self, command: &str) -> T {
        let mut words = command.split(' ');
        let mut cmd = redis::cmd(words.next().expect("a command"));
        for word in words {
            cmd.arg(word);
        }
        cmd.query(&mut self.raw()).expect("the server answers")
    }

    /// How often a command was carried out since the counters were set back.
    fn calls(&self, command: &str) -> u64 {
        let info: String = self.ask("INFO commandstats");
        let line = info.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
        line.map_or(0, |line| line.split(',').next().and_then(|calls| calls.parse().ok()).expect("a number"))
    }

    /// The names of all that stands on the server and begins so.
    fn names(&self, prefix: &str) -> Vec<String> {
        self.raw().keys(format!("{prefix}*")).expect("the server answers")
    }

    /// Returns when somebody waits for a name at the server.
    async fn has_queue(&self) {
        poll("nobody stands in line", || !self.names("concurrency:lq:").is_empty()).await;
    }
}

/// Returns when `is_so`; for ten seconds at most.
async fn poll(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = BootInstant::now().after(SECOND * 10);
    while !is_so() {
        assert!(!until.has_passed(), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn claim(key: &str, ttl: Duration) -> Claim {
    Claim::new(key, ttl).expect("a good claim")
}

async fn take(lock: &RedisLock, key: &str, ttl: Duration) -> Lease {
    lock.try_acquire(&claim(key, ttl)).await.expect("answered").expect("the name is free")
}

/// Waits for a name in a task of its own.
fn wait(lock: &Arc<RedisLock>, key: &str, ttl: Duration) -> JoinHandle<Result<Lease>> {
    let (lock, claim) = (Arc::clone(lock), claim(key, ttl));
    tokio::spawn(async move { lock.acquire(&claim, LONG).await })
}

async fn granted(waiter: JoinHandle<Result<Lease>>, within: Duration) -> Lease {
    let lease = tokio::time::timeout(within, waiter).await.expect("granted in time");
    lease.expect("it ends").expect("granted")
}

async fn release(lock: &RedisLock, lease: &Lease) {
    let released = lock.release(lease.claim(), Some(lease.fencing_token())).await.expect("answered");
    assert_eq!(released, concurrency_core::Released::Ours);
}
