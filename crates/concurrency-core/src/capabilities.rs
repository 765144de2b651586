//! What a backend declares that differs between technologies. What is not declared is refused, never dropped silently.

use std::time::Duration;

use serde::Serialize;

use crate::{CacheCapabilities, EventCapabilities, LockCapabilities, StateCapabilities};

/// What a backend promises. Exhaustive, as the four structs in it: whoever writes a backend declares every point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Capabilities {
    /// Of its state stores; `None` where it has none.
    pub state: Option<StateCapabilities>,
    /// Of its caches; `None` where it has none.
    pub cache: Option<CacheCapabilities>,
    /// Of its locks; `None` where it has none.
    pub lock: Option<LockCapabilities>,
    /// Of its event stores; `None` where it has none.
    pub events: Option<EventCapabilities>,
}

/// What acknowledged data survives. Each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Survives {
    /// Nothing: it lives and dies with this process, or the server may drop it at any time.
    Nothing,
    /// A restart of this process.
    Process,
    /// A crash of the server.
    Crash,
    /// A failover to a replica.
    Failover,
}

/// Whose clock decides what is expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockSource {
    /// The server's.
    Server,
    /// The server's, in whole seconds.
    ServerSeconds,
    /// The wall clock of the host, where there is no server.
    Host,
    /// The boot clock of the host, which counts suspended time.
    Boot,
    /// A monotonic clock of the host, which may not count suspended time.
    Monotonic,
}

/// The finest time to live of most backends.
pub(crate) const MILLISECOND: Duration = Duration::from_millis(1);
