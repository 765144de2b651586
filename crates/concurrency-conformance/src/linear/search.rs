//! The search for an order of the operations on one key.

use std::collections::{BTreeSet, HashSet};

use super::{Model, Window};
use crate::history::{Answer, Operation, OperationOf};

/// The end of the time in which an operation may have taken effect.
pub(super) fn end<C, A>(operation: &Operation<C, A>) -> u64 {
    match operation.answer {
        Answer::Unknown { settled: false, .. } => u64::MAX,
        _ => operation.returned.unwrap_or(u64::MAX),
    }
}

/// The search for an order of the operations on one key.
pub(super) struct Search<'h, M: Model> {
    /// In the order of their calls.
    operations: Vec<&'h OperationOf<M>>,
    contended: Vec<bool>,
    /// Of an operation that may happen at any time the last one before it that is the same in all but its time: one of them
    /// is as good as the other, so that the earlier comes first.
    twin: Vec<Option<u32>>,
    /// The operations that have to be placed, in the order of their answers.
    returns: Vec<u32>,
}

/// So many states of a dead end are told.
const TOLD_STATES: usize = 4;
/// So many of them are collected.
const MOST_STATES: usize = TOLD_STATES + 1;

/// Why the search found no order.
pub(super) enum Fault {
    /// There is none.
    NoOrder(String),
    /// There may be one, beyond the budget.
    Undecided(String),
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
    pub(super) fn new(operations: Vec<&'h OperationOf<M>>) -> Self {
        let queued: Vec<usize> = (0..operations.len()).filter(|&i| M::queues(&operations[i].call)).collect();
        let overlap = |a: usize, b: usize| {
            operations[a].invoked <= end(operations[b]) && operations[b].invoked <= end(operations[a])
        };
        let contended =
            (0..operations.len()).map(|i| queued.iter().any(|&other| other != i && overlap(i, other))).collect();
        let mut returns: Vec<u32> = Vec::with_capacity(operations.len());
        returns.extend((0..operations.len() as u32).filter(|&i| end(operations[i as usize]) != u64::MAX));
        returns.sort_by_key(|&i| end(operations[i as usize]));
        let twin = (0..operations.len()).map(|i| twin_before::<M>(&operations, i)).collect();
        Self { operations, contended, twin, returns }
    }

    /// Depth first; what was visited once is not visited again. Answers how many steps it took.
    pub(super) fn run(&self, budget: usize) -> Result<usize, Fault> {
        let pending = self.pending();
        let mut visited = HashSet::new();
        let mut stack = vec![Configuration { returns: 0, ahead: Vec::new(), state: M::start() }];
        // The furthest answer that no branch could explain so far, and the states in which branches met it.
        let (mut furthest, mut dead_ends) = (0, BTreeSet::new());
        let mut steps = 0;
        while let Some(mut at) = stack.pop() {
            // Answers of operations that were placed ahead need nothing more.
            while let Some(answered) = self.returns.get(at.returns as usize) {
                let Ok(place) = at.ahead.binary_search(answered) else { break };
                at.ahead.remove(place);
                at.returns += 1;
            }
            let Some(&answered) = self.returns.get(at.returns as usize) else {
                return Ok(steps);
            };
            if visited.contains(&at) {
                continue;
            }
            if at.returns > furthest {
                (furthest, dead_ends) = (at.returns, BTreeSet::new());
            }
            if at.returns == furthest && dead_ends.len() < MOST_STATES {
                dead_ends.insert(at.state.to_string());
            }
            self.expand(&at, answered, &pending[at.returns as usize], &mut stack);
            visited.insert(at);
            steps = steps.max(visited.len() + stack.len());
            if steps > budget {
                let answers = self.returns.len();
                return Err(Fault::Undecided(format!(
                    "more than {budget} steps, and no order for more than {furthest} of {answers} answers"
                )));
            }
        }
        Err(Fault::NoOrder(self.explain(furthest as usize, dead_ends)))
    }

    /// Pushes what may come next; the operation whose answer is due on top.
    fn expand(
        &self,
        at: &Configuration<M::State>,
        answered: u32,
        pending: &[u32],
        stack: &mut Vec<Configuration<M::State>>,
    ) {
        let is_placed = |i: u32| at.ahead.binary_search(&i).is_ok();
        let is_next = |&i: &u32| i != answered && !is_placed(i) && self.twin[i as usize].is_none_or(is_placed);
        let others = pending.iter().rev().copied().filter(is_next);
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

    fn explain(&self, furthest: usize, states: BTreeSet<String>) -> String {
        let answered = self.operations[self.returns[furthest] as usize];
        let start = self.operations[0].invoked;
        let more = states.len() > TOLD_STATES;
        let mut known = states.into_iter().take(TOLD_STATES).collect::<Vec<_>>().join(", or ");
        if more {
            known += ", or more";
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

/// The last operation before this one that may take its place, where both may happen at any time after their calls.
fn twin_before<M: Model>(operations: &[&OperationOf<M>], index: usize) -> Option<u32> {
    let this = operations[index];
    if end(this) != u64::MAX {
        return None;
    }
    let is_twin = |other: &&OperationOf<M>| {
        end(other) == u64::MAX && other.returned.is_some() == this.returned.is_some() && other.call == this.call
    };
    operations[..index].iter().rposition(is_twin).map(|place| place as u32)
}

/// An operation in words, with times in microseconds since `start`.
pub(super) fn words<M: Model>(operation: &OperationOf<M>, start: u64) -> String {
    let since = |time: u64| time.saturating_sub(start) as f64 / 1000.0;
    let returned = operation.returned.map_or_else(|| "never".to_owned(), |time| format!("{:.1} us", since(time)));
    let answer = match &operation.answer {
        Answer::Ok(answer) => format!("{answer:?}"),
        Answer::NotApplied { error } | Answer::Unknown { error, .. } => format!("error {error:?}"),
    };
    let (client, call) = (operation.client, &operation.call);
    format!("client {client}'s {call:?} at {:.1} us, answered {answer} at {returned},", since(operation.invoked))
}
