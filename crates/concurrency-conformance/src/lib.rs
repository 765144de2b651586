//! One conformance suite for every backend of `concurrency`, here and elsewhere.
//!
//! A backend that passes it keeps the sentences of `docs/contract.md`: every case names the ids of the sentences that it
//! proves. A backend author needs these lines in `tests/conformance.rs`:
//!
//! ```
//! # use std::sync::Arc;
//! # use concurrency_core::{Backend, Memory, Result};
//! # struct MyBackend;
//! # impl MyBackend {
//! #     async fn connect(_: &str) -> Result<Arc<dyn Backend>> {
//! #         Ok(Arc::new(Memory::new()))
//! #     }
//! # }
//! use concurrency_conformance::Harness;
//!
//! fn harness<C: concurrency_conformance::Component + ?Sized>() -> Harness<C> {
//!     Harness::backend(|| async { MyBackend::connect("mine://localhost").await })
//! }
//! concurrency_conformance::state_store!(harness());
//! concurrency_conformance::cache!(harness());
//! concurrency_conformance::lock!(harness());
//! concurrency_conformance::event_store!(harness());
//! # fn main() {}
//! ```
//! Each macro expands to one `#[test]` per case, so that a failure names its case and the test runner runs them apart.
//! Somebody who has a single component instead of a backend says `Harness::component(|namespace| ..)`.
//!
//! # Levels
//! 1. Sentences: each case proves sentences of the contract, bad input included.
//! 2. Races: many tasks on few keys.
//! 3. Model: random sequences of operations, replayed on the in-memory model of `concurrency-core`.
//! 4. Histories: concurrent operations recorded and judged by a linearizability checker.
//!
//! Level 5, histories under fire, has no cases, since it needs control over the server: see [`fault`].
//!
//! # What a backend declares
//! Cases of what a backend does not declare in its `capabilities()` are reported as *not declared*, never skipped silently;
//! for operations that it does not declare, other cases check that they answer `Unsupported` and change nothing.
#[macro_use]
mod registry;

mod component;
mod context;
mod crowd;
pub mod fault;
mod harness;
pub mod history;
pub mod linear;
pub mod peers;
pub mod property;

pub mod cache;
pub mod event;
pub mod lock;
pub mod state;

pub use self::{
    component::{Component, Declared},
    context::{Client, Context, Histories},
    harness::{Harness, Time, Verdict, test},
    registry::{Case, Level, Running},
};
