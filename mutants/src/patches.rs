//! The table of patches.

use crate::patch::Patch;

#[path = "patches/cache.rs"]
mod cache;
#[path = "patches/event.rs"]
mod event;
#[path = "patches/lock.rs"]
mod lock;
#[path = "patches/races.rs"]
mod races;
#[path = "patches/state.rs"]
mod state;

/// All patches of the in-memory components, by the component that they break.
pub const PATCHES: [(&str, &[Patch]); 7] = [
    ("state", state::PATCHES),
    ("cache", cache::PATCHES),
    ("lock", lock::PATCHES),
    ("event", event::PATCHES),
    ("state", races::STATE),
    ("cache", races::CACHE),
    ("lock", races::LOCK),
];
