//! State, cache, locks and events on Redis or Valkey.
//!
//! ```no_run
//! use concurrency_core::{Backend, SaveOptions, TypedState};
//! use concurrency_redis::{Redis, RedisConfig};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> concurrency_core::Result<()> {
//! let redis = Redis::connect(RedisConfig::new("localhost").password("secret")).await?;
//! let stock = TypedState::<u32>::new(redis.state_store("stock")?);
//! stock.save("apples", &7, SaveOptions::new().if_absent()).await?;
//! redis.close().await;
//! # Ok(())
//! # }
//! ```
//! Redis 6.2 or newer, or Valkey, as one standalone server, or as the primary that sentinels name. Options are described at [`RedisConfig`]; guarantees, rights that a
//! login needs and the names on the server in `docs/backends/redis.md`.

mod cache;
mod config;
mod connection;
mod error;
mod event;
mod key;
mod lock;
mod scan;
mod script;
mod state;
mod stored;

use std::sync::Arc;

use async_trait::async_trait;
use concurrency_core::{
    Backend, Bells, Cache, Capabilities, Connector, EventStore, Lock, Namespace, Outcome, Result, StateStore,
};

pub use self::{
    cache::RedisCache,
    config::{CacheClear, RedisConfig},
    event::RedisEvents,
    lock::RedisLock,
    state::RedisState,
};
use self::{
    config::NamespaceConfig,
    connection::{Client, Deadline},
    lock::Desk,
};

/// One client of one server, or of a primary and those that may take its place: two connections, whatever the number of
/// components. Clones are the same client; a process needs one per server.
#[derive(Debug, Clone)]
pub struct Redis {
    config: Arc<RedisConfig>,
    client: Client,
    locks: Arc<Desk>,
    /// Ring where a reservation ends that somebody of this client waits for.
    bells: Arc<Bells>,
}

impl Redis {
    /// `redis://user:password@host:port/db` and `rediss:` for TLS, with the options of [`RedisConfig`] as its parameters; or
    /// `redis+sentinel://user:password@host:port,host:port/primary/db`.
    pub const CONNECTOR: Connector = Connector {
        schemes: &[
            "redis",
            "rediss",
            "redis+sentinel",
            "rediss+sentinel",
            "valkey",
            "valkeys",
            "valkey+sentinel",
            "valkeys+sentinel",
        ],
        connect: |url| {
            Box::pin(async move { Ok(Arc::new(Self::connect(RedisConfig::from_url(url)?).await?) as Arc<dyn Backend>) })
        },
    };

    /// Connects, asks the server what it is and how it is set up, and proves that it runs scripts.
    ///
    /// # Errors
    /// `InvalidArgument` for an option out of bounds, and for a primary that no sentinel knows; `Unavailable` where nobody listens, and for a server that is loading or
    /// read-only; `Timeout` for one that does not answer within `operation_timeout`; `Unauthorized` for a login that is refused
    /// or may not run scripts or subscribe; `Incompatible` for what is not Redis or too old, a node of a cluster, and TLS on one
    /// side only; `Exhausted` where it takes no more connections.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn connect(config: RedisConfig) -> Result<Self> {
        config.check()?;
        let limit = config.of("").operation_timeout;
        let opened = tokio::time::timeout(limit, Client::open(&config, limit)).await;
        let client = opened.unwrap_or_else(|_| Err(error::timeout(limit, Outcome::NotApplied)))?;
        let locks = Desk::new(client.clone(), config.prefix(), limit);
        let bells = cache::bells(&client);
        Ok(Self { config: Arc::new(config), client, locks, bells })
    }

    /// As [`Backend::state_store`], the type itself.
    ///
    /// # Errors
    /// As there.
    pub fn state_store(&self, namespace: &str) -> Result<Arc<RedisState>> {
        let (namespace, config) = self.component(namespace)?;
        Ok(Arc::new(RedisState::new(self.client.clone(), self.config.prefix(), &namespace, config)))
    }

    /// As [`Backend::lock`], the type itself.
    ///
    /// # Errors
    /// As there; `Incompatible` where the server's `maxmemory-policy` lets it drop live locks, or cannot be read, unless
    /// `allow_eviction` is set.
    pub fn lock(&self, namespace: &str) -> Result<Arc<RedisLock>> {
        let (namespace, config) = self.component(namespace)?;
        Ok(Arc::new(RedisLock::new(Arc::clone(&self.locks), namespace, &config)?))
    }

    /// As [`Backend::cache`], the type itself.
    ///
    /// # Errors
    /// As there.
    pub fn cache(&self, namespace: &str) -> Result<Arc<RedisCache>> {
        let (namespace, config) = self.component(namespace)?;
        let (client, bells) = (self.client.clone(), Arc::clone(&self.bells));
        Ok(Arc::new(RedisCache::new(client, bells, self.config.prefix(), &namespace, config)))
    }

    /// As [`Backend::event_store`], the type itself.
    ///
    /// # Errors
    /// As there.
    pub fn event_store(&self, namespace: &str) -> Result<Arc<RedisEvents>> {
        let (namespace, config) = self.component(namespace)?;
        Ok(Arc::new(RedisEvents::new(self.client.clone(), self.config.prefix(), &namespace, config)))
    }

    /// What every component is made of.
    fn component(&self, namespace: &str) -> Result<(Namespace, NamespaceConfig)> {
        self.client.check_open()?;
        let namespace = Namespace::new(namespace)?;
        let config = self.config.of(namespace.as_str());
        Ok((namespace, config))
    }
}

#[async_trait]
impl Backend for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn capabilities(&self) -> Capabilities {
        let config = self.config.of("");
        let server = self.client.server();
        Capabilities {
            state: Some(RedisState::capabilities_under(&config, server)),
            cache: Some(RedisCache::capabilities_under(&config, server)),
            lock: Some(RedisLock::capabilities_on(server)),
            events: Some(RedisEvents::capabilities_under(&config, server)),
        }
    }

    async fn health(&self) -> Result<()> {
        self.client.health(Deadline::after(self.config.of("").operation_timeout)).await
    }

    async fn close(&self) {
        self.locks.close(self.config.of("").operation_timeout).await;
        self.client.close();
    }

    fn state_store(&self, namespace: &str) -> Result<Arc<dyn StateStore>> {
        Ok(self.state_store(namespace)?)
    }

    fn cache(&self, namespace: &str) -> Result<Arc<dyn Cache>> {
        Ok(self.cache(namespace)?)
    }

    fn lock(&self, namespace: &str) -> Result<Arc<dyn Lock>> {
        Ok(self.lock(namespace)?)
    }

    fn event_store(&self, namespace: &str) -> Result<Arc<dyn EventStore>> {
        Ok(self.event_store(namespace)?)
    }
}
