//! The table of patches: shared by the build script, which applies them, and the library, which names them.

/// One sentence broken: a replacement in the source of the in-memory backend.
#[derive(Debug, Clone, Copy)]
pub struct Patch {
    /// What the mutant does wrong, as a Rust identifier.
    pub name: &'static str,
    /// The sentences of `docs/contract.md` that it breaks; a case that names one of them must catch it.
    pub sentences: &'static [&'static str],
    /// The file below `crates/concurrency-core/src/memory/`, such as `state.rs` or `lock/table.rs`.
    pub file: &'static str,
    /// What stands there, exactly once.
    pub find: &'static str,
    /// What stands there instead.
    pub replace: &'static str,
}

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

/// All patches, by the component that they break.
pub const PATCHES: [(&str, &[Patch]); 7] = [
    ("state", state::PATCHES),
    ("cache", cache::PATCHES),
    ("lock", lock::PATCHES),
    ("event", event::PATCHES),
    ("state", races::STATE),
    ("cache", races::CACHE),
    ("lock", races::LOCK),
];
