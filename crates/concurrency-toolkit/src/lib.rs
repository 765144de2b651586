//! One URL, or one configuration, gives a state store, a cache, locks and an event store, whatever the technology behind it.
//!
//! ```
//! use std::sync::Arc;
//! use concurrency::{Backend, Result, connect};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let backend: Arc<dyn Backend> = connect("memory:?cache_max_entries=1000").await?;
//! assert_eq!(backend.name(), "memory");
//! let orders = backend.state_store("orders")?; // an Arc<dyn StateStore>
//! let users = backend.cache("users")?; // an Arc<dyn Cache>
//! backend.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! The technologies of this version:
//!
//! | URL | `backend` of a [`Config`] | feature | type |
//! |---|---|---|---|
//! | `memory:` | `memory` | always there | [`Memory`]: everything in this process |
//! | `null:` | `null` | always there | [`Null`]: accepts everything, remembers nothing |
//! | `redis://HOST`, `rediss://HOST` for TLS; `redis+sentinel://HOST,HOST/NAME` | `redis` | `redis` | `Redis`: Redis or Valkey |
//! | `sqlite:PATH` | `sqlite` | `sqlite` | `Sqlite`: one file, for the processes of one machine |
//!
//! Everything of [`concurrency_core`] is re-exported here: the traits, the values and the companions that know your types.
//! Whoever uses one technology only can depend on its crate instead, and calls `connect` of the core with its connector.

mod configuration;
mod later;

use std::sync::Arc;

#[doc(no_inline)]
pub use concurrency_core::*;
#[cfg(feature = "redis")]
#[doc(no_inline)]
pub use concurrency_redis::{self as redis, Redis, RedisConfig};
#[cfg(feature = "sqlite")]
#[doc(no_inline)]
pub use concurrency_sqlite::{self as sqlite, Sqlite, SqliteConfig};

pub use crate::configuration::Config;

/// The connectors of all backends that this build contains; [`connect`] goes by their schemes.
pub const CONNECTORS: &[Connector] = &[
    Memory::CONNECTOR,
    Null::CONNECTOR,
    #[cfg(feature = "redis")]
    Redis::CONNECTOR,
    #[cfg(feature = "sqlite")]
    Sqlite::CONNECTOR,
];

/// Connects to what the URL names, and proves that it can talk.
///
/// The scheme chooses the backend, and the parameters are its options under the same names as in a [`Config`].
///
/// # Errors
/// `InvalidArgument` for a scheme that this build has no backend for (the text names the feature to switch on, if one
/// exists), for an unknown option and for one out of bounds; and those of the backend's own connecting.
///
/// # Cancel safety
/// Dropping the future leaves nothing behind.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let refused = concurrency::connect("postgres://localhost").await.unwrap_err();
/// assert!(refused.to_string().contains("feature `postgres`"));
/// # }
/// ```
pub async fn connect(url: &str) -> Result<Arc<dyn Backend>> {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    if CONNECTORS.iter().any(|connector| connector.schemes.contains(&scheme)) {
        return concurrency_core::connect(url, CONNECTORS).await;
    }
    Err(later::refusal(url))
}

/// The code of the read-me compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct ReadMe;
