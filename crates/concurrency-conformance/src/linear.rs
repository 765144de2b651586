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
mod state;

use std::{
    collections::{BTreeMap, HashSet},
    fmt::{Debug, Display},
    hash::Hash,
};

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
}

impl Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} history of {:?} rejected: {}", self.kind, self.key, self.why)
    }
}

impl std::error::Error for Rejected {}

/// How many configurations are looked at before a key is given up as undecided.
const MOST_CONFIGURATIONS: usize = 20_000_000;

/// Judges every key of a history.
///
/// # Errors
/// [`Rejected`] names the shortest prefix of a key's history for which there is no order, and the operation that cannot be
/// placed. A key whose search takes more than twenty million configurations is rejected as undecided: fewer clients a key
/// help.
pub fn check<M: Model>(history: &History<M>) -> Result<Judged, Rejected> {
    let mut keys = BTreeMap::<&str, Vec<&OperationOf<M>>>::new();
    for operation in &history.operations {
        keys.entry(&operation.key).or_default().push(operation);
    }
    let mut judged = Judged { keys: keys.len(), ..Judged::default() };
    for (key, mut operations) in keys {
        let rejected = |why| Rejected { kind: M::KIND, key: key.into(), why };
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
        Search::<M>::new(operations).run().map_err(rejected)?;
    }
    Ok(judged)
}

/// The end of the time in which an operation may have taken effect.
fn end<C, A>(operation: &crate::history::Operation<C, A>) -> u64 {
    match operation.answer {
        Answer::Unknown { settled: false, .. } => u64::MAX,
        _ => operation.returned.unwrap_or(u64::MAX),
    }
}

/// The search for an order of the operations on one key.
struct Search<'h, M: Model> {
    /// In the order of their calls.
    operations: Vec<&'h OperationOf<M>>,
    contended: Vec<bool>,
    /// The operations that have to be placed, in the order of their answers.
    returns: Vec<u32>,
}

/// How far a branch of the search has come.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Configuration<S> {
    /// So many answers are explained.
    returns: u32,
    /// Placed, though not yet answered; in rising order.
    ahead: Vec<u32>,
    state: S,
}

impl<'h, M: Model> Search<'h, M> {
    fn new(operations: Vec<&'h OperationOf<M>>) -> Self {
        let queued: Vec<usize> = (0..operations.len()).filter(|&i| M::queues(&operations[i].call)).collect();
        let overlap = |a: usize, b: usize| {
            operations[a].invoked <= end(operations[b]) && operations[b].invoked <= end(operations[a])
        };
        let contended =
            (0..operations.len()).map(|i| queued.iter().any(|&other| other != i && overlap(i, other))).collect();
        let mut returns: Vec<u32> = Vec::with_capacity(operations.len());
        returns.extend((0..operations.len() as u32).filter(|&i| end(operations[i as usize]) != u64::MAX));
        returns.sort_by_key(|&i| end(operations[i as usize]));
        Self { operations, contended, returns }
    }

    /// Depth first; what was visited once is not visited again.
    fn run(&self) -> Result<(), String> {
        let pending = self.pending();
        let mut visited = HashSet::new();
        let mut stack = vec![Configuration { returns: 0, ahead: Vec::new(), state: M::start() }];
        // The furthest answer that no branch could explain so far, and the states in which branches met it.
        let (mut furthest, mut dead_ends) = (0, Vec::new());
        while let Some(mut at) = stack.pop() {
            // Answers of operations that were placed ahead need nothing more.
            while let Some(answered) = self.returns.get(at.returns as usize) {
                let Ok(place) = at.ahead.binary_search(answered) else { break };
                at.ahead.remove(place);
                at.returns += 1;
            }
            let Some(&answered) = self.returns.get(at.returns as usize) else { return Ok(()) };
            if !visited.insert(at.clone()) {
                continue;
            }
            if visited.len() > MOST_CONFIGURATIONS {
                return Err(format!("undecided after {MOST_CONFIGURATIONS} configurations"));
            }
            if at.returns > furthest {
                (furthest, dead_ends) = (at.returns, Vec::new());
            }
            if at.returns == furthest {
                dead_ends.push(at.state.to_string());
            }
            self.expand(&at, answered, &pending[at.returns as usize], &mut stack);
        }
        Err(self.explain(furthest as usize, dead_ends))
    }

    /// Pushes what may come next; the operation whose answer is due on top.
    fn expand(
        &self,
        at: &Configuration<M::State>,
        answered: u32,
        pending: &[u32],
        stack: &mut Vec<Configuration<M::State>>,
    ) {
        let others = pending.iter().rev().copied().filter(|&i| i != answered && at.ahead.binary_search(&i).is_err());
        for next in others.chain([answered]) {
            let until = end(self.operations[next as usize]).min(end(self.operations[answered as usize]));
            for state in self.place(&at.state, next as usize, until) {
                let mut ahead = at.ahead.clone();
                let place = ahead.binary_search(&next).expect_err("an operation is placed once");
                ahead.insert(place, next);
                stack.push(Configuration { returns: at.returns, ahead, state });
            }
        }
    }

    fn place(&self, state: &M::State, index: usize, until: u64) -> Vec<M::State> {
        let operation = self.operations[index];
        let window = Window {
            from: operation.invoked,
            until,
            returned: operation.returned.unwrap_or(u64::MAX),
            contended: self.contended[index],
        };
        match &operation.answer {
            Answer::Ok(answer) => M::step(state, &operation.call, Some(answer), window),
            Answer::Unknown { settled, .. } => {
                let mut states = M::step(state, &operation.call, None, window);
                if *settled {
                    states.push(state.clone());
                }
                states
            }
            Answer::NotApplied { .. } => vec![state.clone()],
        }
    }

    /// For each answer the operations under way at that time: those that were called before it and, where they have to be
    /// placed, not answered before it.
    fn pending(&self) -> Vec<Vec<u32>> {
        let mut under_way = Vec::<u32>::new();
        let mut called = 0;
        self.returns
            .iter()
            .map(|&answered| {
                while called < self.operations.len()
                    && self.operations[called].invoked <= end(self.operations[answered as usize])
                {
                    under_way.push(called as u32);
                    called += 1;
                }
                let pending = under_way.clone();
                under_way.retain(|&i| i != answered);
                pending
            })
            .collect()
    }

    fn explain(&self, furthest: usize, mut states: Vec<String>) -> String {
        let answered = self.operations[self.returns[furthest] as usize];
        let start = self.operations[0].invoked;
        states.sort_unstable();
        states.dedup();
        let more = states.len().saturating_sub(4);
        states.truncate(4);
        let mut known = states.join(", or ");
        if more > 0 {
            known += &format!(", or {more} more");
        }
        let prefix = furthest + 1;
        format!(
            "the operations up to the {prefix}. answer of {} have no order; {} fits nowhere: the key could then only \
             hold {known}",
            self.returns.len(),
            words::<M>(answered, start)
        )
    }
}

/// An operation in words, with times in microseconds since `start`.
fn words<M: Model>(operation: &OperationOf<M>, start: u64) -> String {
    let since = |time: u64| time.saturating_sub(start) as f64 / 1000.0;
    let returned = operation.returned.map_or_else(|| "never".to_owned(), |time| format!("{:.1} us", since(time)));
    let answer = match &operation.answer {
        Answer::Ok(answer) => format!("{answer:?}"),
        Answer::NotApplied { error } | Answer::Unknown { error, .. } => format!("error {error:?}"),
    };
    let (client, call) = (operation.client, &operation.call);
    format!("client {client}'s {call:?} at {:.1} us, answered {answer} at {returned},", since(operation.invoked))
}
