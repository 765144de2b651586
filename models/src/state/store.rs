//! The server: what the scripts of a state store do.

use super::{Answer, Call, FENCED, Kind, LATE, MADE_AGAIN, Refusal, Said, State, StateStore, promise, trial};
use crate::Tale;

/// Values and marks by key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Store {
    pub(crate) values: [Option<Value>; 2],
    /// The mark of the first key; 0 for none.
    pub(crate) mark: u8,
    /// The highest token that was ever accepted: only the judge looks at it.
    pub(crate) accepted: u8,
    /// Whether the first key was ever there.
    pub(crate) was_there: bool,
}

/// What stands under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Value {
    pub(crate) version: u8,
    /// Which call wrote it: only the judge looks at it.
    pub(crate) by: u8,
}

impl Kind {
    /// The key that it writes.
    pub(crate) const fn key(self) -> usize {
        match self {
            Self::Save(key) | Self::Delete(key) => key as usize,
            Self::CommitIfAbsent | Self::CommitIfSame | Self::Fence => 0,
        }
    }
}

impl Store {
    pub(crate) fn version(&self, key: usize) -> Option<u8> {
        self.values[key].map(|value| value.version)
    }
}

impl StateStore {
    pub(crate) fn arrives(&self, state: &mut State, call: &Call, copy: u8, tale: &mut Tale) {
        tale.say(format_args!("{call} arrives{}", if copy > 1 { ", as a repeat" } else { "" }));
        let refusal = self.refusal(&state.store, call, copy);
        match refusal {
            Some(refusal) => {
                tale.say(format_args!(
                    "it is refused by {}",
                    if refusal.fenced { "the mark" } else { "its condition" }
                ));
                if refusal.fenced {
                    self.sights.see(FENCED);
                }
            }
            None => self.apply(state, call, copy, tale),
        }
        state.answers.put(Answer { client: call.client, copy: (call.id, copy), refusal });
    }

    fn refusal(&self, store: &Store, call: &Call, copy: u8) -> Option<Refusal> {
        let key = call.kind.key();
        let version = store.version(key);
        let is_under = call.reads.map(|(version, _)| version);
        let refused = |fenced| {
            let is_there = !matches!(call.kind, Kind::Delete(_)) && version == Some(self.minted(call, copy));
            let stands = store.values[key].is_some_and(|value| value.by == call.id);
            Some(Refusal { fenced, is_there, has_moved: is_under.is_some_and(|reads| version != Some(reads)), stands })
        };
        if key == 0 && call.token.is_some_and(|token| token < store.mark) {
            let lowers = call.kind == Kind::Fence && !self.clauses.keep(trial::S_56);
            return if lowers { None } else { refused(true) };
        }
        let holds = is_under.is_none_or(|reads| version == Some(reads));
        let checked = match call.kind {
            Kind::CommitIfAbsent => store.version(1).is_none(),
            Kind::CommitIfSame => store.version(1) == call.checks,
            Kind::Save(_) | Kind::Delete(_) | Kind::Fence => true,
        };
        if holds && checked { None } else { refused(false) }
    }

    fn apply(&self, state: &mut State, call: &Call, copy: u8, tale: &mut Tale) {
        let key = call.kind.key();
        self.judges(state, call);
        let store = &mut state.store;
        if let Some(token) = call.token.filter(|_| key == 0) {
            store.mark = token;
            store.accepted = store.accepted.max(token);
        }
        match call.kind {
            Kind::Fence => tale.say(format_args!("the mark is now {}", store.mark)),
            Kind::Delete(_) => {
                store.values[key] = None;
                tale.say(format_args!("the key is gone"));
                self.forgets_mark(store, key);
            }
            Kind::Save(_) | Kind::CommitIfAbsent | Kind::CommitIfSame => {
                let version = self.version(store, call, copy);
                if key == 0 && store.values[0].is_none() && store.was_there {
                    self.sights.see(MADE_AGAIN);
                }
                store.was_there |= key == 0;
                store.values[key] = Some(Value { version, by: call.id });
                tale.say(format_args!("key {} now has version {version}", key + 1));
            }
        }
    }

    /// The token that the client minted; a counter where that clause is off, and another one for each copy where that one is.
    fn version(&self, store: &Store, call: &Call, copy: u8) -> u8 {
        if !self.clauses.keep(trial::S_6) {
            return store.version(call.kind.key()).map_or(1, |version| version + 1);
        }
        self.minted(call, copy)
    }

    fn minted(&self, call: &Call, copy: u8) -> u8 {
        if self.clauses.keep(trial::G_57) { call.id } else { call.id + 100 * (copy - 1) }
    }

    pub(crate) fn expire(&self, state: &mut State, key: u8, tale: &mut Tale) {
        tale.say(format_args!("key {} expires", key + 1));
        state.expiries += 1;
        state.store.values[usize::from(key)] = None;
        self.forgets_mark(&mut state.store, usize::from(key));
    }

    fn forgets_mark(&self, store: &mut Store, key: usize) {
        if key == 0 && !self.clauses.keep(trial::S_52) {
            store.mark = 0;
        }
    }

    /// Whether this write may be carried out now, by what callers were told and by what was carried out before.
    fn judges(&self, state: &mut State, call: &Call) {
        let says = |said| state.said.any(|(id, what)| *id == call.id && *what == said);
        let (refused, settled, unknown) = (says(Said::Refused), says(Said::Unknown(true)), says(Said::Unknown(false)));
        if unknown {
            self.sights.see(LATE);
        }
        if call.kind == Kind::Fence {
            return;
        }
        let by = state.store.values[call.kind.key()].map(|value| value.by);
        let is_another = call.reads.is_some_and(|(_, read)| by != Some(read));
        let is_late = call.kind.key() == 0 && call.token.is_some_and(|token| token < state.store.accepted);
        let wrongs = [
            (state.applied.any(|id| *id == call.id) && by.is_some_and(|by| by != call.id), promise::ONCE),
            (refused, promise::REFUSED_IS_NOT_APPLIED),
            (settled, promise::SETTLED),
            (is_another, promise::SAME_VALUE),
            (is_late, promise::FENCED_OUT),
        ];
        for (_, promise) in wrongs.iter().filter(|(is_wrong, _)| *is_wrong) {
            state.wrong(promise);
        }
        state.applied.put(call.id);
    }
}
