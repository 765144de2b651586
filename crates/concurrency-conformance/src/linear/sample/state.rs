//! A plain register with versions.

use std::collections::HashMap;

use fastrand::Rng;

use super::Reference;
use crate::linear::{StateAnswer, StateCall, StateModel, When};

#[derive(Default)]
pub(super) struct World {
    keys: HashMap<usize, Key>,
    known: HashMap<(u32, usize), u64>,
    values: u64,
    versions: u64,
}

#[derive(Default)]
struct Key {
    value: Option<(u64, u64)>,
    mark: u64,
}

impl Key {
    fn holds(&self, when: When) -> bool {
        match when {
            When::Any => true,
            When::Absent => self.value.is_none(),
            When::Present => self.value.is_some(),
            When::Match(version) => self.value.is_some_and(|(_, current)| current == version),
        }
    }

    /// The refusal, if there is one.
    fn refuses(&self, when: When, fence: Option<u64>) -> Option<StateAnswer> {
        if fence.is_some_and(|token| token < self.mark) {
            return Some(StateAnswer::Fenced { seen: self.mark });
        }
        (!self.holds(when)).then_some(StateAnswer::Conflict)
    }
}

impl Reference for World {
    type Model = StateModel;
    const PACE: u64 = 2_000;

    fn choose(&mut self, rng: &mut Rng, client: u32, key: usize) -> StateCall {
        let matching = self.known.get(&(client, key)).map_or(When::Absent, |&version| When::Match(version));
        let mark = self.keys.get(&key).map_or(0, |key| key.mark);
        let fence = (rng.u8(..10) == 0).then(|| (mark + rng.u64(..4)).saturating_sub(1));
        self.values += 1;
        let value = self.values;
        match rng.u8(..20) {
            0..8 => StateCall::Load,
            8..13 => StateCall::Save { value, when: matching, fence },
            13..15 => StateCall::Save { value, when: When::Any, fence },
            15 => StateCall::Save { value, when: When::Absent, fence },
            16 => StateCall::Save { value, when: When::Present, fence },
            17 => StateCall::Delete { when: When::Any, fence },
            18 => StateCall::Delete { when: When::Present, fence },
            _ => StateCall::Check { when: matching },
        }
    }

    fn apply(&mut self, key: usize, call: &StateCall, _: u64, _: u64) -> Option<StateAnswer> {
        let key = self.keys.entry(key).or_default();
        Some(match *call {
            StateCall::Load => StateAnswer::Found(key.value),
            StateCall::Check { when } => key.refuses(when, None).unwrap_or(StateAnswer::Done),
            StateCall::Fence { token } => {
                let refused = key.refuses(When::Any, Some(token));
                key.mark = key.mark.max(token);
                refused.unwrap_or(StateAnswer::Done)
            }
            StateCall::Save { value, when, fence } => key.refuses(when, fence).unwrap_or_else(|| {
                self.versions += 1;
                key.value = Some((value, self.versions));
                key.mark = fence.unwrap_or(key.mark);
                StateAnswer::Saved { version: self.versions }
            }),
            StateCall::Delete { when, fence } => key.refuses(when, fence).unwrap_or_else(|| {
                key.mark = fence.unwrap_or(key.mark);
                StateAnswer::Deleted { existed: key.value.take().is_some() }
            }),
        })
    }

    fn learn(&mut self, client: u32, key: usize, _: &StateCall, answer: &StateAnswer) {
        match answer {
            StateAnswer::Found(Some((_, version))) | StateAnswer::Saved { version } => {
                self.known.insert((client, key), *version);
            }
            StateAnswer::Found(None) | StateAnswer::Deleted { .. } => {
                self.known.remove(&(client, key));
            }
            _ => {}
        }
    }
}
