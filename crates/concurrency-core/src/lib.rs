//! Traits, values, errors and in-memory implementations for services that run in many instances and share state.
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
