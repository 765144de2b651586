//! Traits, values, errors and in-memory implementations for services that run in many instances and share state.
//!
//! Four traits move bytes, the same on every technology: [`StateStore`], [`Cache`], [`Lock`], [`EventStore`]. Companions above
//! them know your types: [`TypedState`], [`TypedCache`], [`Locks`], [`Repository`] and [`Subscription`]. A [`Backend`] is one
//! connected technology and hands the traits out by namespace; [`Memory`] is the one in this process. A tour:
//! ```
//! use std::time::Duration;
//! use concurrency_core::*;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! // A backend, by its URL; services take this from their configuration.
//! let backend = connect("memory:", &[Memory::CONNECTOR, Null::CONNECTOR]).await?;
//!
//! // State: records with versions. A write under a condition that does not hold is a `Conflict`, and nothing is written.
//! let stock = TypedState::<u32>::new(backend.state_store("stock")?);
//! let version = stock.save("apples", &7, SaveOptions::new().if_absent()).await?;
//! let sold = stock.update("apples", |apples| apples.unwrap_or(0) - 1).await?; // compare-and-swap, again after a conflict
//! let late = stock.save("apples", &0, SaveOptions::new().if_version(version)).await;
//! assert!(sold.value == 6 && late.is_err_and(|error| error.is_conflict()));
//!
//! // Cache: loaded once for all that miss together, and never older than the last removal.
//! let prices = TypedCache::<u32>::new(backend.cache("prices")?).with_expiry(Duration::from_secs(60));
//! let price = prices.get_or_load("apples", async { Ok::<_, std::io::Error>(250) }).await?;
//!
//! // Lock: a lease, renewed while the work goes on. Its token stops a holder that was paused for too long.
//! let locks = Locks::new(backend.lock("jobs")?);
//! let stocktaking = |token| stock.save("apples", &5, SaveOptions::new().fenced_by(token));
//! locks.run("stocktaking", LockOptions::new(), stocktaking).await?;
//!
//! // Events: a history under an expected version, and everything in one order for those who follow.
//! let events = backend.event_store("orders")?;
//! events.append("order-7", vec![NewEvent::new("placed", "{}")], AppendOptions::new().expecting(0)).await?;
//! let mut subscription = Subscription::new(events, None);
//! assert!(matches!(subscription.next().await?, Delivery::Event(event) if &*event.stream == "order-7"));
//! backend.close().await;
//! # assert_eq!(*price, 250);
//! # Ok(())
//! # }
//! ```
//! What is promised is written in `docs/contract.md`, a sentence an id. [`Error::outcome`] says whether a call that failed may
//! have had its effect; every future may be dropped at any await point.
//!
//! Features: `messagepack` and `postcard` add a [`Codec`] each; `simulation` holds time and randomness in tests, never in a
//! service.
#[macro_use]
mod forward;

mod backend;
mod cache;
mod capabilities;
pub mod clock;
mod codec;
pub mod config;
mod error;
mod event;
mod key;
mod lock;
pub mod memory;
mod namespace;
mod null;
pub mod observe;
pub mod random;
pub mod retry;
mod state;
mod stored_key;
mod token;
mod ttl;

pub use bytes::Bytes;

pub use crate::{
    backend::{Backend, Connecting, Connector, connect},
    cache::*,
    capabilities::{Capabilities, ClockSource, Survives},
    codec::Codec,
    error::{Current, Error, Outcome, Result, Source, check_size},
    event::*,
    forward::Boxed,
    key::{MAX_KEY_BYTES, check_distinct_keys, check_key, check_keys},
    lock::*,
    memory::{Memory, MemoryConfig},
    namespace::Namespace,
    null::{Null, NullCache, NullEvents, NullLock, NullState},
    state::*,
    stored_key::{KeyRef, StoredKey},
    token::{AppendId, EventId, Owner, Version},
    ttl::Ttl,
};

/// For backends: the limit of a page, 1 to 1,000.
///
/// # Errors
/// `InvalidArgument` for any other.
pub fn check_limit(limit: usize) -> Result<usize> {
    if (1..=1000).contains(&limit) { Ok(limit) } else { Err(Error::invalid("limit", "1 to 1,000")) }
}
