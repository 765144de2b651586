//! The client: what it sends again, and what it makes of an answer; as `state.rs` and `state/answer.rs` of `concurrency-redis`.

use std::fmt;

use super::{
    Answer, CONFLICT, Call, FENCED_REPEAT, FOUND_AGAIN, IN_THE_WAY, Kind, MOVED_ON, OK_AFTER_LOSS, Refusal, Said,
    State, StateStore, promise, trial,
};
use crate::Tale;

/// Calls are numbered so that their numbers tell whose they are.
const CALLS: u8 = 8;

impl Call {
    /// Whether a read can tell that it was carried out.
    pub(crate) const fn is_found_by_reading(&self) -> bool {
        matches!(self.kind, Kind::Save(_) | Kind::CommitIfSame)
    }
}

impl StateStore {
    /// Only under a version that it writes; a mark may be raised any number of times.
    pub(crate) fn may_repeat(&self, call: &Call) -> bool {
        match call.kind {
            Kind::Fence => true,
            Kind::CommitIfSame => !self.clauses.keep(trial::G_56),
            _ => call.reads.is_some() || !self.clauses.keep(trial::G_64),
        }
    }

    pub(crate) fn begin(&self, state: &mut State, number: u8, kind: Kind, under: bool, tale: &mut Tale) {
        let read = state.store.values[kind.key()];
        let client = &mut state.clients[usize::from(number)];
        client.calls += 1;
        let call = Call {
            id: number * CALLS + client.calls,
            client: number,
            kind,
            // What is not there is made without a version.
            reads: read.filter(|_| under).map(|value| (value.version, value.by)),
            checks: state.store.version(1).filter(|_| kind == Kind::CommitIfSame),
            token: (self.scope.fences == 1).then_some(number + 1),
        };
        client.waits = Some((call, 1));
        tale.say(format_args!("{call} is sent"));
        state.requests.put((call, 1));
    }

    pub(crate) fn repeat(&self, state: &mut State, number: u8, tale: &mut Tale) {
        let Some((call, copies)) = &mut state.clients[usize::from(number)].waits else { return };
        *copies += 1;
        let copy = (*call, *copies);
        tale.say(format_args!("{call} has no answer, and is sent again"));
        state.requests.put(copy);
    }

    pub(crate) fn reread(&self, state: &mut State, number: u8, tale: &mut Tale) {
        let Some((call, _)) = state.clients[usize::from(number)].waits else { return };
        let is_there = state.store.version(call.kind.key()) == Some(call.id);
        tale.say(format_args!(
            "{} has no answer, and reads: its version is {}",
            name(number),
            if is_there { "there" } else { "not there" }
        ));
        if is_there {
            self.sights.see(FOUND_AGAIN);
        }
        let not_there = if self.clauses.keep(trial::G_65) { Said::Unknown(false) } else { Said::Refused };
        self.says(state, &call, if is_there { Said::Ok } else { not_there }, tale);
    }

    pub(crate) fn gives_up(&self, state: &mut State, number: u8, tale: &mut Tale) {
        let Some((call, _)) = state.clients[usize::from(number)].waits else { return };
        tale.say(format_args!("{} waits no longer", name(number)));
        let unknown = self.clauses.keep(trial::G_50);
        self.says(state, &call, if unknown { Said::Unknown(false) } else { Said::Refused }, tale);
    }

    pub(crate) fn hears(&self, state: &mut State, answer: &Answer, tale: &mut Tale) {
        let Some((call, copies)) = state.clients[usize::from(answer.client)].waits else { return };
        let said = match answer.refusal {
            None => Said::Ok,
            Some(_) if copies == 1 => {
                self.sights.see(CONFLICT);
                Said::Refused
            }
            Some(refusal) => self.of_repeat(refusal),
        };
        tale.say(format_args!("{} hears of {call}", name(answer.client)));
        if matches!(said, Said::Unknown(_)) && answer.refusal.is_some_and(|refusal| refusal.stands && !refusal.fenced) {
            state.wrong(promise::RECOGNISED);
        }
        self.says(state, &call, said, tale);
    }

    /// A refusal of a repeat says what earlier copies may have done.
    fn of_repeat(&self, refusal: Refusal) -> Said {
        if refusal.fenced {
            self.sights.see(FENCED_REPEAT);
            return if self.clauses.keep(trial::G_63) { Said::Unknown(true) } else { Said::Refused };
        }
        if refusal.is_there && self.clauses.keep(trial::G_58) {
            self.sights.see(OK_AFTER_LOSS);
            return Said::Ok;
        }
        if !self.clauses.keep(trial::G_59) {
            return Said::Refused;
        }
        if refusal.has_moved {
            self.sights.see(MOVED_ON);
            return if self.clauses.keep(trial::G_59_OK) { Said::Unknown(true) } else { Said::Ok };
        }
        self.sights.see(IN_THE_WAY);
        Said::Unknown(!self.clauses.keep(trial::G_62))
    }

    fn says(&self, state: &mut State, call: &Call, said: Said, tale: &mut Tale) {
        tale.say(format_args!("it answers {said}"));
        state.clients[usize::from(call.client)].waits = None;
        if call.kind == Kind::Fence {
            return;
        }
        let is_applied = state.applied.any(|id| *id == call.id);
        if said == Said::Refused && is_applied {
            state.wrong(promise::REFUSED_IS_NOT_APPLIED);
        }
        if said == Said::Ok && !is_applied {
            state.wrong(promise::OK_IS_APPLIED);
        }
        state.said.put((call.id, said));
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("Ok"),
            Self::Refused => f.write_str("that it was refused"),
            Self::Unknown(settled) => write!(f, "Unknown {{ settled: {settled} }}"),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = name(self.client);
        match self.kind {
            Kind::Save(key) => write!(f, "{who}'s save {} of key {}", self.id, key + 1)?,
            Kind::Delete(key) => write!(f, "{who}'s delete {} of key {}", self.id, key + 1)?,
            Kind::CommitIfAbsent => write!(f, "{who}'s commit {} of key 1 with key 2 absent", self.id)?,
            Kind::CommitIfSame => write!(f, "{who}'s commit {} of key 1 with key 2 unchanged", self.id)?,
            Kind::Fence => write!(f, "{who}'s fence")?,
        }
        if let Some((version, _)) = self.reads {
            write!(f, " over version {version}")?;
        }
        match self.token {
            Some(token) => write!(f, " under token {token}"),
            None => Ok(()),
        }
    }
}

/// A client's name.
fn name(client: u8) -> char {
    char::from(b'A' + client)
}
