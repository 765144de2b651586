//! Level 5: histories under fire.
//!
//! A backend works until a reply is lost. Here several clients work on the same keys while a [`Plan`] strikes their
//! connections and their server; what they were answered is judged by the checker of level 4, to which `Unknown` means what
//! the contract says: a settled one happened before its answer or never will, an unsettled one may still happen at any time.
//!
//! # The parts
//! - A [`Plan`] says who does how much, and what goes wrong: a list of [`Fault`]s, each of which strikes one request of one
//!   client, counted from its first, at a [`Place`] before that request, between it and its reply, or within the reply. A seed
//!   draws it; its text repeats it; taking faults, turns and clients away from it is how a failure is [`shrink`]ed.
//! - [`Strikes`] is the plan while it is carried out. Whoever carries requests asks it for each of them what is to happen;
//!   whoever works tells it when an operation begins and how it ended. So it knows of each strike what it hit: an
//!   operation that was under way.
//! - A [`Ground`] is what histories are run on: it opens clients whose connections a plan can reach. There are two here:
//!   - [`channel::Channel`]: a backend of this process (as a rule [`Memory`](concurrency_core::Memory)) behind messages that
//!     can be lost, late, held back beyond the caller's deadline, and doubled, all in virtual time: a plan takes
//!     milliseconds, and is the same at each repetition. Its thin client keeps the contract's rules of lost replies; it is
//!     also what the mutants of this level break.
//!   - [`Proxied`]: any backend that talks to a server by TCP, each client through a [`Proxy`] of its own, in real time.
//! - [`run`] lets the clients work under a plan and judges the history; [`Tally`] adds up what was hit.
//!
//! # What counts as proof
//! A hit is a strike while an operation was in flight. [`Tally::proves`] asks of the whole run that of the hits at least 25 %
//! lay between request and reply, 5 % ended `Unknown`, and 1 % were shown applied though unanswered; and of every history at
//! least 4 clients, 200 operations, 8 keys and 3 kinds of fault. A run that hit less has shown nothing, and says so.
//!
//! # Copies that come late
//! A library repeats some requests, and a copy of which nobody heard may arrive after the answer to another. For state and
//! events the contract makes that harmless, and the checker knows nothing of copies. For locks it allows one thing: a late
//! request may hold the name for one TTL, with no holder. So a struck call on a lock is noted a second time, as one whose
//! effect is unknown and not settled. That excuses a name that is taken, never a second holder.

pub mod channel;
pub mod outage;
mod plan;
mod proxy;
mod run;
mod shrink;
mod strikes;
mod tally;
mod work;

pub use self::{
    plan::{Fault, Kind, Place, Plan, Subject},
    proxy::{Proxied, Proxy},
    run::{Connect, Ground, Outcome, run},
    shrink::shrink,
    strikes::{Ended, Strikes},
    tally::Tally,
};
