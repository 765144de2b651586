//! Is a history linearizable: could each operation have taken effect at one instant between its call and its answer?
//!
//! Sources: J. M. Wing and C. Gong, "Testing and Verifying Concurrent Objects", Journal of Parallel and Distributed
//! Computing 17 (1993): search for an order of the operations that respects their times and that a sequential model accepts.
//! G. Lowe, "Testing for Linearizability", Concurrency and Computation: Practice and Experience 29 (2017): remember the
//! configurations that led nowhere, and place operations *just in time*, that is only before an answer that needs them.
//!
//! - Each key is judged apart: linearizability is local (M. P. Herlihy and J. M. Wing, 1990), and the search is exponential
//!   in the number of operations under way at once, not in the length of the history.
//! - An operation whose effect is not known may have happened or not: a *settled* one before its answer, an unsettled one
//!   at any time after its call, also long after its answer.
//! - A model that knows of time (leases, times to live) is told in which stretch of time the operation took effect, and
//!   widens what it concludes accordingly: a legal history is never rejected.
//!
//! The models: [`StateModel`], [`CacheModel`], [`LockModel`], [`EventModel`]. What the global order of events promises is
//! not linearizability, and is judged by [`check_global`].

mod cache;
mod event;
mod global;
mod lock;
pub mod sample;
mod search;
mod state;

use std::{
    collections::BTreeMap,
    fmt::{Debug, Display},
    hash::Hash,
};

use self::search::{Fault, Search, end, words};
pub use self::{
    cache::{CacheAnswer, CacheCall, CacheModel},
    event::{EventAnswer, EventCall, EventModel, Expect},
    global::{GlobalRead, check_global},
    lock::{LockAnswer, LockCall, LockModel},
    state::{StateAnswer, StateCall, StateModel, When},
};
use crate::history::{Answer, History, OperationOf, Word};

/// What one key does, one operation at a time.
pub trait Model: Debug + Sized + 'static {
    /// What its histories are called in files.
    const KIND: &'static str;
    /// What clients ask.
    type Call: Word;
    /// What they are told.
    type Answer: Word;
    /// What is stored, as far as it matters; its `Display` tells a reader.
    type State: Clone + Eq + Hash + Display;

    /// Before the first operation.
    fn start() -> Self::State;

    /// The states in which the key may be after the call took effect and was answered so; none where the state does not
    /// allow this answer. Without an answer: where it took effect, whatever it would have answered.
    fn step(state: &Self::State, call: &Self::Call, answer: Option<&Self::Answer>, window: Window) -> Vec<Self::State>;

    /// Whether this call may stand in a queue, so that others are refused on its behalf.
    fn queues(call: &Self::Call) -> bool {
        let _ = call;
        false
    }

    /// What is wrong with the operations of one key in whatever order they happened.
    fn check_together(operations: &[&OperationOf<Self>]) -> Option<String> {
        let _ = operations;
        None
    }
}

/// When an operation took effect, as far as is known.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Not before this: it was called then.
    pub from: u64,
    /// Not after this: it, or one that came later, was answered then.
    pub until: u64,
    /// When it was answered itself; `u64::MAX` for never.
    pub returned: u64,
    /// Another call that may have stood in a queue was under way at the same time.
    pub contended: bool,
}

/// What was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Judged {
    /// Operations that had to find a place.
    pub operations: usize,
    /// Keys.
    pub keys: usize,
    /// Operations whose effect is not known.
    pub unknown: usize,
    /// Pairs of operations on one key that were under way at the same time, as neighbours in the order of their calls.
    pub overlapping: usize,
    /// How many steps the search took for the key that took the most.
    pub steps: usize,
}

/// Why a history was rejected. `Display` tells it in words.
#[derive(Debug, Clone)]
pub struct Rejected {
    /// The kind of history.
    pub kind: &'static str,
    /// The key whose operations are at fault.
    pub key: Box<str>,
    /// What is wrong, in words.
    pub why: String,
    /// It was given up: there were more orders to try than the budget of steps allows. That is a failure, too, since nothing
    /// was shown; no case of the suite comes near it on a backend that keeps the contract.
    pub undecided: bool,
}

impl Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verdict = if self.undecided { "undecided" } else { "rejected" };
        write!(f, "{} history of {:?} {verdict}: {}", self.kind, self.key, self.why)
    }
}

impl std::error::Error for Rejected {}

/// How many steps the search for an order of one key may take, unless told otherwise: one each for what it remembers and for
/// what it means to look at, so that it bounds memory, too (measured: 250 MB). Where a backend is right, what the suite
/// records took 40,000 at most.
pub const STEPS: usize = 500_000;

/// Judges every key of a history, with the usual budget of [`STEPS`] a key.
///
/// # Errors
/// [`Rejected`] names the shortest prefix of a key's history for which there is no order, and the operation that cannot be
/// placed. A key whose search takes more steps than that is rejected as undecided: fewer clients a key help.
pub fn check<M: Model>(history: &History<M>) -> Result<Judged, Rejected> {
    check_within(history, STEPS)
}

/// As [`check`], with a budget of steps for each key.
///
/// # Errors
/// As [`check`].
pub fn check_within<M: Model>(history: &History<M>, steps: usize) -> Result<Judged, Rejected> {
    let mut keys = BTreeMap::<&str, Vec<&OperationOf<M>>>::new();
    for operation in &history.operations {
        keys.entry(&operation.key).or_default().push(operation);
    }
    let mut judged = Judged { keys: keys.len(), ..Judged::default() };
    for (key, mut operations) in keys {
        let rejected = |why| Rejected { kind: M::KIND, key: key.into(), why, undecided: false };
        if let Some(backwards) = operations
            .iter()
            .find(|operation| operation.returned < Some(operation.invoked) && operation.returned.is_some())
        {
            return Err(rejected(format!("{} was answered before it was called", words::<M>(backwards, 0))));
        }
        operations.sort_by_key(|operation| operation.invoked);
        if let Some(why) = M::check_together(&operations) {
            return Err(rejected(why));
        }
        operations.retain(|operation| !matches!(operation.answer, Answer::NotApplied { .. }));
        judged.operations += operations.len();
        judged.unknown += operations.iter().filter(|operation| !matches!(operation.answer, Answer::Ok(_))).count();
        judged.overlapping += operations.windows(2).filter(|pair| pair[1].invoked <= end(pair[0])).count();
        let took = Search::<M>::new(operations).run(steps).map_err(|fault| match fault {
            Fault::NoOrder(why) => rejected(why),
            Fault::Undecided(why) => Rejected { undecided: true, ..rejected(why) },
        })?;
        judged.steps = judged.steps.max(took);
    }
    Ok(judged)
}
