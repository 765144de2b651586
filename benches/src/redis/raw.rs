//! The same commands and scripts by hand: `redis-rs`, one multiplexed connection, with the same response timeout.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use concurrency_core::random;
use redis::{AsyncConnectionConfig, FromRedisValue, RedisResult, aio::MultiplexedConnection, cmd};

use super::{
    operation::{AT_ONCE, Contender, EVENT_TYPE, VALUE, index},
    scripts,
    side::{NAMES, SWAPPED},
};

/// How long an answer is waited for, by everybody: the default of the backend.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
/// Requests that may wait for the driver's task, as in the backend: with the driver's own 50, many tasks would wait for each other.
const QUEUE: usize = 1024;

/// What names begin with, in a namespace of its own.
const ENTRIES: &str = "concurrency:cv:plain:";
const VALUES: &str = "concurrency:sv:{plain}:";
const INDEX: &str = "concurrency:si:{plain}";
const COUNTERS: &str = "concurrency:ec:{plain}";
const LOG: &str = "concurrency:el:{plain}";
const STREAMS: &str = "concurrency:es:{plain}:";
const APPENDS: &str = "concurrency:ea:{plain}:";
const NEWS: &str = "concurrency:en:{plain}";

/// One connection.
#[derive(Clone)]
pub(super) struct Raw {
    connection: MultiplexedConnection,
    entries: Arc<[String]>,
    /// Of each value that is swapped: what whoever swaps it has read.
    versions: Arc<[Mutex<[u8; 16]>]>,
}

impl Raw {
    pub(super) async fn open(url: &str) -> RedisResult<Self> {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(TIMEOUT)).set_pipeline_buffer_size(QUEUE);
        let client = redis::Client::open(format!("{url}?protocol=resp3"))?;
        let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        let entries = NAMES.all().map(|key| [ENTRIES, &key].concat()).collect();
        Ok(Self { connection, entries, versions: (0..SWAPPED.count).map(|_| Mutex::default()).collect() })
    }

    /// Something under every name. The server knows the scripts already.
    pub(super) async fn fill(&self) {
        for key in NAMES.all() {
            self.set(&key).await;
            self.save(&key).await;
            self.append(&key).await;
        }
        for key in SWAPPED.all() {
            let version = self.save_if(&key, b"a").await;
            *self.version(&key).lock().unwrap_or_else(PoisonError::into_inner) = version;
        }
    }

    pub(super) async fn ping(&self) {
        self.send::<()>(&cmd("PING")).await;
    }

    pub(super) async fn info(&self, section: &str) -> String {
        self.send(cmd("INFO").arg(section)).await
    }

    async fn send<T: FromRedisValue>(&self, command: &redis::Cmd) -> T {
        command.query_async(&mut self.connection.clone()).await.expect("answered")
    }

    fn version(&self, key: &str) -> &Mutex<[u8; 16]> {
        &self.versions[index(key)]
    }

    /// Under a condition: `a` for none, or a version. Answers the new one.
    async fn save_if(&self, key: &str, condition: &[u8]) -> [u8; 16] {
        let version = random::bytes();
        let mut prefix = [0xC1; 18];
        prefix[1] = 1;
        prefix[2..].copy_from_slice(&version);
        let mut call = scripts::SAVE.call(2);
        call.arg(INDEX).arg([VALUES, key].concat()).arg(key).arg(&prefix[..]).arg(VALUE);
        call.arg("").arg(condition).arg("").arg(86_400_000);
        assert_eq!(self.send::<i64>(&call).await, 0, "saved");
        version
    }
}

impl Contender for Raw {
    async fn get(&self, key: &str) {
        let found: Option<Vec<u8>> = self.send(cmd("GET").arg([ENTRIES, key].concat())).await;
        found.expect("it is there");
    }

    async fn set(&self, key: &str) {
        let mut call = scripts::SET.call(1);
        call.arg([ENTRIES, key].concat()).arg("").arg("concurrency:inbox:").arg(VALUE).arg("");
        assert_eq!(self.send::<i64>(&call).await, 1, "set");
    }

    async fn get_many(&self, key: &str) {
        let first = index(key);
        let mut get = cmd("MGET");
        for i in 0..AT_ONCE {
            get.arg(&self.entries[(first + i) % self.entries.len()]);
        }
        let found: Vec<Option<Vec<u8>>> = self.send(&get).await;
        assert!(found.iter().all(Option::is_some), "they are there");
    }

    async fn save(&self, key: &str) {
        self.save_if(key, b"a").await;
    }

    async fn swap(&self, key: &str) {
        let version = self.version(key);
        let read = *version.lock().unwrap_or_else(PoisonError::into_inner);
        let written = self.save_if(key, &read).await;
        *version.lock().unwrap_or_else(PoisonError::into_inner) = written;
    }

    async fn append(&self, stream: &str) {
        let length = |bytes: usize| u16::try_from(bytes).expect("they are short").to_be_bytes();
        let names = [length(EVENT_TYPE.len()), length(stream.len())];
        let event =
            [&random::bytes()[..], &names[0], &names[1], &[0; 4], EVENT_TYPE.as_bytes(), stream.as_bytes(), VALUE];
        let event = event.concat();
        let mut call = scripts::APPEND.call(4);
        call.arg(COUNTERS).arg(LOG).arg([STREAMS, stream].concat()).arg([APPENDS, stream].concat());
        // The same content each time, instead of a hash of it.
        call.arg(&random::bytes()[..]).arg(&[7_u8; 16][..]).arg("a").arg("");
        call.arg(86_400_000).arg(604_800_000_000_u64).arg(NEWS).arg(26 + event.len()).arg(event);
        let done: Vec<u64> = self.send(&call).await;
        assert_eq!(done[0], 0, "appended");
    }
}
