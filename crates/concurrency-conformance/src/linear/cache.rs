//! A register whose reads may miss, and whose gaps are reserved by tickets.

use std::{collections::HashSet, fmt};

use serde::{Deserialize, Serialize};

use super::{Model, Window};
use crate::history::{Answer, OperationOf};

/// One key of a cache. All times are nanoseconds of the boot clock that the history was recorded by.
///
/// A value may disappear at any time, so a miss proves nothing. A reservation may not: a history is recorded on a server
/// that has room.
#[derive(Debug)]
pub struct CacheModel;

/// What is asked of a cache.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheCall {
    /// `get`, or one key of a `get_many`.
    Get,
    /// `set`.
    Set {
        /// Unique in the history.
        value: u64,
        /// The longest that it may live, granularity included; `None` for ever.
        lives: Option<u64>,
    },
    /// `remove`.
    Remove,
    /// `clear`, noted once for each key.
    Clear,
    /// `get_or_reserve`.
    Reserve {
        /// How long the reservation stands.
        hold: u64,
        /// How much longer the server may keep it: its granularity.
        slack: u64,
    },
    /// `fill`.
    Fill {
        /// The ticket.
        ticket: u64,
        /// Unique in the history.
        value: u64,
        /// The longest that it may live, granularity included; `None` for ever.
        lives: Option<u64>,
    },
}

/// What a cache answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheAnswer {
    /// This value.
    Hit(u64),
    /// No value.
    Miss,
    /// Set, or cleared.
    Done,
    /// Removed.
    Removed {
        /// Whether there was a value.
        existed: bool,
    },
    /// No value, and this ticket.
    Reserved(u64),
    /// No value, and somebody else has a ticket.
    Loading,
    /// Filled, or not.
    Filled(bool),
}

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CacheState {
    value: Option<Value>,
    reserved: Option<Reservation>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Value {
    number: u64,
    /// Dead at this time, at the latest.
    dies: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Reservation {
    /// Not known where the answer was lost.
    ticket: Option<u64>,
    /// It ends between these two.
    ends: (u64, u64),
}

impl fmt::Display for CacheState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            None => f.write_str("nothing")?,
            Some(value) => write!(f, "value {}", value.number)?,
        }
        match self.reserved {
            None => Ok(()),
            Some(Reservation { ticket: Some(ticket), .. }) => write!(f, ", reserved by ticket {ticket}"),
            Some(_) => f.write_str(", reserved by a ticket that nobody saw"),
        }
    }
}

impl CacheState {
    const EMPTY: Self = Self { value: None, reserved: None };

    fn holding(number: u64, lives: Option<u64>, window: Window) -> Self {
        let dies = lives.map_or(u64::MAX, |lives| window.until.saturating_add(lives));
        Self { value: Some(Value { number, dies }), reserved: None }
    }

    fn hit(&self, number: u64, window: Window) -> Option<Self> {
        let live = self.value.is_some_and(|value| value.number == number && window.from < value.dies);
        live.then(|| self.clone())
    }

    /// Reserved by this ticket, where no other reservation stands for certain.
    fn reserve(&self, ticket: Option<u64>, hold: u64, slack: u64, window: Window) -> Option<Self> {
        let free = self.reserved.is_none_or(|reserved| window.until >= reserved.ends.0);
        let earliest = window.from.saturating_add(hold);
        let latest = window.until.saturating_add(hold).saturating_add(slack).max(earliest);
        free.then_some(Self { value: None, reserved: Some(Reservation { ticket, ends: (earliest, latest) }) })
    }

    fn reserved_by(&self, ticket: Option<u64>, window: Window) -> bool {
        self.reserved.is_some_and(|reserved| {
            let same = reserved.ticket.is_none() || ticket.is_none() || reserved.ticket == ticket;
            same && window.from < reserved.ends.1
        })
    }

    /// Whether `ticket` may be void.
    fn void(&self, ticket: u64, window: Window) -> bool {
        self.reserved.is_none_or(|reserved| reserved.ticket != Some(ticket) || window.until >= reserved.ends.0)
    }
}

impl Model for CacheModel {
    const KIND: &'static str = "cache";
    type Call = CacheCall;
    type Answer = CacheAnswer;
    type State = CacheState;

    fn start() -> CacheState {
        CacheState::EMPTY
    }

    fn step(state: &CacheState, call: &CacheCall, answer: Option<&CacheAnswer>, window: Window) -> Vec<CacheState> {
        use CacheAnswer::{Done, Filled, Hit, Loading, Miss, Removed, Reserved};
        let next = match (call, answer) {
            (CacheCall::Get | CacheCall::Reserve { .. }, Some(Hit(number))) => state.hit(*number, window),
            (CacheCall::Get, Some(Miss)) => Some(state.clone()),
            (CacheCall::Set { value, lives }, Some(Done) | None) => Some(CacheState::holding(*value, *lives, window)),
            (CacheCall::Remove, Some(Removed { existed: true })) => {
                let live = state.value.is_some_and(|value| window.from < value.dies);
                live.then_some(CacheState::EMPTY)
            }
            (CacheCall::Remove, Some(Removed { existed: false }) | None) => Some(CacheState::EMPTY),
            (CacheCall::Clear, Some(Done) | None) => Some(CacheState::EMPTY),
            (CacheCall::Reserve { hold, slack }, Some(Reserved(ticket))) => {
                state.reserve(Some(*ticket), *hold, *slack, window)
            }
            (CacheCall::Reserve { hold, slack }, None) => state.reserve(None, *hold, *slack, window),
            (CacheCall::Reserve { .. }, Some(Loading)) => {
                state.reserved_by(None, window).then(|| CacheState { value: None, ..state.clone() })
            }
            (CacheCall::Fill { ticket, value, lives }, Some(Filled(true)) | None) => {
                let stands = state.reserved_by(Some(*ticket), window);
                stands.then(|| CacheState::holding(*value, *lives, window))
            }
            (CacheCall::Fill { ticket, .. }, Some(Filled(false))) => state.void(*ticket, window).then(|| state.clone()),
            _ => None,
        };
        next.into_iter().collect()
    }

    fn check_together(operations: &[&OperationOf<Self>]) -> Option<String> {
        let mut given = HashSet::new();
        operations.iter().find_map(|operation| match operation.answer {
            Answer::Ok(CacheAnswer::Reserved(ticket)) if !given.insert(ticket) => {
                Some(format!("ticket {ticket} was given twice"))
            }
            _ => None,
        })
    }
}
