//! The event store of Memory, and the companions over it.
#![allow(clippy::unwrap_used, reason = "tests, helpers included")]

mod memory;
mod projection;
mod repository;
mod subscription;
mod tampered;

use std::{sync::Arc, time::Duration};

use concurrency_core::{EventStore, Memory, MemoryConfig, NewEvent, clock::Clock};

/// A store of a fresh server, and the clock that this server lives by.
fn store_and_clock() -> (Arc<dyn EventStore>, Clock) {
    let clock = Clock::new();
    let memory = Memory::with_clock(MemoryConfig::new(), clock.clone()).unwrap();
    (memory.event_store("test").unwrap(), clock)
}

fn store() -> Arc<dyn EventStore> {
    store_and_clock().0
}

/// Events of these types, whose data is their type.
fn events(types: &[&str]) -> Vec<NewEvent> {
    types.iter().map(|name| NewEvent::new(*name, name.as_bytes().to_vec())).collect()
}

const DAY: Duration = Duration::from_secs(86_400);
