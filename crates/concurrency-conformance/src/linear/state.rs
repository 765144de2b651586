//! A register with versions, compare-and-swap and a fencing mark.

use std::{collections::HashSet, fmt};

use serde::{Deserialize, Serialize};

use super::{Model, Window};
use crate::history::{Answer, OperationOf};

/// One key of a state store. Times to live are not part of it, and clients learn the versions of a key only from its loads
/// and saves.
#[derive(Debug)]
pub struct StateModel;

/// What is asked of a state store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateCall {
    /// `load`, or one key of a `load_many`.
    Load,
    /// `save`, or one key of a `commit`.
    Save {
        /// Unique in the history.
        value: u64,
        /// The precondition.
        when: When,
        /// The fencing token.
        fence: Option<u64>,
    },
    /// `delete`, or one key of a `commit`.
    Delete {
        /// The precondition.
        when: When,
        /// The fencing token.
        fence: Option<u64>,
    },
    /// A key that a `commit` only checks.
    Check {
        /// The precondition.
        when: When,
    },
    /// `fence`.
    Fence {
        /// The fencing token.
        token: u64,
    },
}

/// A precondition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Always.
    Any,
    /// No value.
    Absent,
    /// A value.
    Present,
    /// This version.
    Match(u64),
}

/// What a state store answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateAnswer {
    /// Value and version; `None` for nothing.
    Found(Option<(u64, u64)>),
    /// Saved under this version.
    Saved {
        /// Given to no other save of the key.
        version: u64,
    },
    /// Deleted.
    Deleted {
        /// Whether there was a value.
        existed: bool,
    },
    /// The check held, the mark was raised, or a commit deleted the key.
    Done,
    /// The precondition was refused.
    Conflict,
    /// The fencing token was refused.
    Fenced {
        /// The mark.
        seen: u64,
    },
}

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StateState {
    /// Value and version; the version is not known where the save's answer was lost and nobody has read it since.
    value: Option<(u64, Option<u64>)>,
    mark: u64,
}

impl fmt::Display for StateState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            None => f.write_str("nothing")?,
            Some((value, Some(version))) => write!(f, "value {value} in version {version}")?,
            Some((value, None)) => write!(f, "value {value} in a version that nobody saw")?,
        }
        if self.mark > 0 { write!(f, " under mark {}", self.mark) } else { Ok(()) }
    }
}

impl StateState {
    /// A version that nobody saw is in nobody's hands: it matches nothing.
    fn holds(&self, when: When) -> bool {
        match when {
            When::Any => true,
            When::Absent => self.value.is_none(),
            When::Present => self.value.is_some(),
            When::Match(wanted) => matches!(self.value, Some((_, Some(version))) if version == wanted),
        }
    }

    fn passes(&self, fence: Option<u64>) -> bool {
        fence.is_none_or(|token| token >= self.mark)
    }

    /// After an accepted write.
    fn write(&self, value: Option<(u64, Option<u64>)>, when: When, fence: Option<u64>) -> Option<Self> {
        let accepted = self.passes(fence) && self.holds(when);
        accepted.then(|| Self { value, mark: fence.unwrap_or(self.mark) })
    }

    /// After a read that showed this.
    fn shows(&self, found: Option<(u64, u64)>) -> Option<Self> {
        match (self.value, found) {
            (None, None) => Some(self.clone()),
            (Some((value, version)), Some((seen, under))) if value == seen && version.is_none_or(|v| v == under) => {
                Some(Self { value: Some((seen, Some(under))), mark: self.mark })
            }
            _ => None,
        }
    }

    fn fenced(&self, token: Option<u64>, seen: u64) -> bool {
        token.is_some_and(|token| token < self.mark) && seen == self.mark
    }
}

impl Model for StateModel {
    const KIND: &'static str = "state";
    type Call = StateCall;
    type Answer = StateAnswer;
    type State = StateState;

    fn start() -> StateState {
        StateState { value: None, mark: 0 }
    }

    fn step(state: &StateState, call: &StateCall, answer: Option<&StateAnswer>, _: Window) -> Vec<StateState> {
        use StateAnswer::{Conflict, Deleted, Done, Fenced, Found, Saved};
        let same = |holds: bool| holds.then(|| state.clone());
        let next = match (call, answer) {
            (StateCall::Load, Some(Found(found))) => state.shows(*found),
            (StateCall::Save { value, when, fence }, Some(Saved { version })) => {
                state.write(Some((*value, Some(*version))), *when, *fence)
            }
            (StateCall::Save { value, when, fence }, None) => state.write(Some((*value, None)), *when, *fence),
            (StateCall::Delete { when, fence }, Some(Deleted { existed })) if *existed == state.value.is_some() => {
                state.write(None, *when, *fence)
            }
            // A commit does not say whether the key that it deleted existed.
            (StateCall::Delete { when, fence }, Some(Done) | None) => state.write(None, *when, *fence),
            (StateCall::Save { when, fence, .. } | StateCall::Delete { when, fence }, Some(Conflict)) => {
                same(state.passes(*fence) && !state.holds(*when))
            }
            (StateCall::Check { when }, Some(Conflict)) => same(!state.holds(*when)),
            (StateCall::Check { when }, Some(Done)) => same(state.holds(*when)),
            (StateCall::Save { fence, .. } | StateCall::Delete { fence, .. }, Some(Fenced { seen })) => {
                same(state.fenced(*fence, *seen))
            }
            (StateCall::Fence { token }, Some(Fenced { seen })) => same(state.fenced(Some(*token), *seen)),
            (StateCall::Fence { token }, Some(Done) | None) => {
                state.passes(Some(*token)).then(|| StateState { mark: *token, ..state.clone() })
            }
            _ => None,
        };
        next.into_iter().collect()
    }

    fn check_together(operations: &[&OperationOf<Self>]) -> Option<String> {
        let mut given = HashSet::new();
        operations.iter().find_map(|operation| match operation.answer {
            Answer::Ok(StateAnswer::Saved { version }) if !given.insert(version) => {
                Some(format!("version {version} was given to two saves"))
            }
            _ => None,
        })
    }
}
