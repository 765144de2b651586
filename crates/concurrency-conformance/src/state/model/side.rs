//! One of the two stores that a model test compares.

use std::{collections::HashMap, time::Duration};

use concurrency_core::{
    Bytes, Current, DeleteOptions, Error, FencingToken, Precondition, Result, Save, SaveOptions, State, StateStore,
    Version, Write,
};

use super::operation::{KEYS, Lifetime, Operation, Put, Removal, Step, When};
use crate::state::fixture::list_all;

/// What a call answered, with versions numbered in the order in which they were given out, so that two sides compare.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Missing,
    Holds {
        value: Bytes,
        version: usize,
        expires_in: Option<Duration>,
    },
    Saved(usize),
    Existed(bool),
    Counted(u64),
    Listed(Vec<(String, usize)>),
    Done,
    /// `None` is a conflict that does not tell what it found.
    Conflict {
        key: String,
        found: Option<Option<usize>>,
    },
    Fenced {
        key: String,
        seen: u64,
        given: u64,
    },
    InvalidArgument,
    Failed(String),
}

/// How closely the sides must agree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Agreement {
    /// By how much what is left of a lifetime may differ.
    pub(super) lifetimes: Duration,
}

impl Agreement {
    pub(super) fn holds(self, found: &[Answer], wanted: &[Answer]) -> bool {
        found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, wanted)| self.agrees(found, wanted))
    }

    fn agrees(self, found: &Answer, wanted: &Answer) -> bool {
        match (found, wanted) {
            (
                Answer::Holds { value, version, expires_in: Some(left) },
                Answer::Holds { value: v, version: n, expires_in: Some(l) },
            ) => value == v && version == n && left.abs_diff(*l) <= self.lifetimes,
            (Answer::Conflict { key, found: None }, Answer::Conflict { key: k, .. }) => key == k,
            _ => found == wanted,
        }
    }
}

/// A store, and the versions that it gave out.
#[derive(Debug)]
pub(super) struct Side<'s> {
    store: &'s dyn StateStore,
    numbers: HashMap<Version, usize>,
    of_key: [Vec<Version>; KEYS.len()],
}

impl<'s> Side<'s> {
    pub(super) fn new(store: &'s dyn StateStore) -> Self {
        Self { store, numbers: HashMap::new(), of_key: Default::default() }
    }

    /// The answers of one call: one, or one for each entry.
    pub(super) async fn apply(&mut self, operation: &Operation) -> Vec<Answer> {
        match operation {
            Operation::Load(key) => {
                let answer = self.store.load(KEYS[*key]).await;
                vec![self.loaded(answer)]
            }
            Operation::LoadMany(keys) => {
                let names: Vec<&str> = keys.iter().map(|key| KEYS[*key]).collect();
                match self.store.load_many(&names).await {
                    Ok(states) => states.into_iter().map(|state| self.loaded(Ok(state))).collect(),
                    Err(error) => vec![self.refused(error)],
                }
            }
            Operation::Save(put) => {
                let Save { key, value, options } = self.save(put);
                let answer = self.store.save(&key, value, options).await;
                vec![self.saved(&[put.key], answer)]
            }
            Operation::SaveMany(puts) => {
                let saves = puts.iter().map(|put| self.save(put)).collect();
                let answers = self.store.save_many(saves).await;
                if answers.len() != puts.len() {
                    return vec![Answer::Failed(format!("{} answers to {} saves", answers.len(), puts.len()))];
                }
                puts.iter().zip(answers).map(|(put, answer)| self.saved(&[put.key], answer)).collect()
            }
            Operation::Delete(removal) => {
                let answer = self.store.delete(KEYS[removal.key], self.delete(removal)).await;
                vec![answer.map_or_else(|error| self.refused(error), Answer::Existed)]
            }
            Operation::DeleteMany(keys) => {
                let names: Vec<&str> = keys.iter().map(|key| KEYS[*key]).collect();
                let answer = self.store.delete_many(&names).await;
                vec![answer.map_or_else(|error| self.refused(error), Answer::Counted)]
            }
            Operation::Commit(steps) => {
                let saved: Vec<usize> = steps
                    .iter()
                    .filter_map(|step| if let Step::Save(put) = step { Some(put.key) } else { None })
                    .collect();
                let answer = self.store.commit(steps.iter().map(|step| self.write(step)).collect()).await;
                vec![self.saved(&saved, answer)]
            }
            Operation::List { prefix, limit } => {
                let listed = list_all(self.store, prefix, *limit).await;
                let numbered = listed.into_iter().map(|(key, version)| (key, self.number(version))).collect();
                vec![Answer::Listed(numbered)]
            }
            Operation::Fence(keys, token) => {
                let names: Vec<&str> = keys.iter().map(|key| KEYS[*key]).collect();
                let answer = self.store.fence(&names, FencingToken(*token)).await;
                vec![answer.map_or_else(|error| self.refused(error), |()| Answer::Done)]
            }
            Operation::Wait(_) => Vec::new(),
        }
    }

    fn precondition(&self, key: usize, when: When) -> Precondition {
        let forged = Version::from_bytes([7; 16]);
        let latest = |key: usize| self.of_key[key].last().copied().unwrap_or(forged);
        match when {
            When::Any => Precondition::Any,
            When::Absent => Precondition::Absent,
            When::Present => Precondition::Present,
            When::Latest => Precondition::Match(latest(key)),
            When::Stale => Precondition::Match(self.of_key[key].iter().rev().nth(1).copied().unwrap_or(forged)),
            When::Foreign(other) => Precondition::Match(latest(other)),
            When::Forged => Precondition::Match(forged),
        }
    }

    fn save(&self, put: &Put) -> Save {
        let options = SaveOptions::new().when(self.precondition(put.key, put.when));
        let options = match put.lifetime {
            Lifetime::Permanent => options,
            Lifetime::Keep => options.keep_ttl(),
            Lifetime::Of(ttl) => options.with_ttl(ttl),
        };
        let options = match put.token {
            Some(token) => options.fenced_by(FencingToken(token)),
            None => options,
        };
        Save::new(KEYS[put.key], vec![put.value], options)
    }

    fn delete(&self, removal: &Removal) -> DeleteOptions {
        let options = DeleteOptions::new().when(self.precondition(removal.key, removal.when));
        match removal.token {
            Some(token) => options.fenced_by(FencingToken(token)),
            None => options,
        }
    }

    fn write(&self, step: &Step) -> Write {
        match step {
            Step::Save(put) => Write::Save(self.save(put)),
            Step::Delete(removal) => Write::delete(KEYS[removal.key], self.delete(removal)),
            Step::Check { key, when } => Write::check(KEYS[*key], self.precondition(*key, *when)),
        }
    }

    /// The number of a version; a number of its own for one that was never given out.
    fn number(&self, version: Version) -> usize {
        self.numbers.get(&version).copied().unwrap_or(usize::MAX)
    }

    fn loaded(&self, answer: Result<Option<State>>) -> Answer {
        match answer {
            Ok(None) => Answer::Missing,
            Ok(Some(state)) => {
                Answer::Holds { version: self.number(state.version), expires_in: state.expires_in, value: state.value }
            }
            Err(error) => self.refused(error),
        }
    }

    fn saved(&mut self, keys: &[usize], answer: Result<Version>) -> Answer {
        let version = match answer {
            Ok(version) => version,
            Err(error) => return self.refused(error),
        };
        let next = self.numbers.len();
        if self.numbers.insert(version, next).is_some() {
            return Answer::Failed("a version was given out twice".to_owned());
        }
        for key in keys {
            self.of_key[*key].push(version);
        }
        Answer::Saved(next)
    }

    fn refused(&self, error: Error) -> Answer {
        match error {
            Error::Conflict { key, current } => {
                let found = match current {
                    Current::Absent => Some(None),
                    Current::Version(version) => Some(Some(self.number(version))),
                    _ => None,
                };
                Answer::Conflict { key: key.into(), found }
            }
            Error::Fenced { key, seen, given } => Answer::Fenced { key: key.into(), seen: seen.0, given: given.0 },
            Error::InvalidArgument { .. } => Answer::InvalidArgument,
            other => Answer::Failed(other.to_string()),
        }
    }
}
