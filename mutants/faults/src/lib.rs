//! Wrong clients and servers, to prove that level 5 of the conformance suite would notice a lie that only faults reveal.
//!
//! A mutant is the lossy channel of the suite with one sentence broken: its source is copied, one text in it replaced
//! ([`Patch`]), and the result compiled; behind it is the true `Memory`. Without faults each of them is right.

#[path = "../../src/patch.rs"]
mod patch;
mod patches;

use concurrency_conformance::fault::Ground;

pub use self::{patch::Patch, patches::PATCHES};

/// A wrong client or server on a lossy channel.
#[derive(Debug, Clone, Copy)]
pub struct Mutant {
    /// What it does wrong.
    pub name: &'static str,
    /// What its clients work on: `state`, `lock` or `event`.
    pub kind: &'static str,
    /// The sentences that it breaks.
    pub sentences: &'static [&'static str],
    ground: fn() -> Box<dyn Ground>,
}

impl Mutant {
    /// What histories of it are run on, each with a fresh server.
    #[must_use]
    pub fn ground(&self) -> Box<dyn Ground> {
        (self.ground)()
    }
}

macro_rules! mutant {
    ($module:ident, $entry:expr) => {
        Mutant {
            name: $entry.1.name,
            kind: $entry.0,
            sentences: $entry.1.sentences,
            ground: || Box::new(modules::$module::Channel::memory()),
        }
    };
}

/// All mutants.
#[must_use]
pub fn all() -> Vec<Mutant> {
    include!(concat!(env!("OUT_DIR"), "/entries.rs")).into()
}

mod modules {
    include!(concat!(env!("OUT_DIR"), "/modules.rs"));
}
