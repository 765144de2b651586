//! The writers.

use std::fmt;

use super::{AGAIN, Answer, CONFLICT, Document, Does, FOUND, Log, RECOMPUTED, Said, State, trial};
use crate::Tale;

impl Log {
    /// Whose append this is: the number of the call, unless all use one.
    fn id(&self, state: &State, number: u8) -> u8 {
        if self.scope.same_id == 1 { 1 } else { number * 8 + state.writers[usize::from(number)].appends }
    }

    pub(crate) fn begin(&self, state: &mut State, number: u8, stream: u8, exact: bool, tale: &mut Tale) {
        state.writers[usize::from(number)].appends += 1;
        let id = self.id(state, number);
        tale.say(format_args!("{} reads the head of the log", name(number)));
        let found = state.view(true).find(|document| document.id == id);
        if let Some(found) = found.filter(|_| self.clauses.keep(trial::E_19)) {
            return self.finds(state, number, found, tale);
        }
        let document = self.behind_the_head(state, stream, id);
        self.sends(state, number, document, exact, 1, tale);
    }

    /// The next document, after the head that counts.
    fn behind_the_head(&self, state: &State, stream: u8, id: u8) -> Document {
        let majority = self.clauses.keep(trial::E_31_HEAD);
        let place = state.view(majority).map(|document| document.place + 1).max().unwrap_or(state.truncated);
        let of_stream = state.view(majority).filter(|document| document.stream == stream);
        let version = of_stream.map(|document| document.version + 1).max().unwrap_or(1);
        Document { place, stream, version, id }
    }

    fn sends(&self, state: &mut State, number: u8, document: Document, exact: bool, copies: u8, tale: &mut Tale) {
        let expects = if exact { ", if that is its next version" } else { "" };
        let again = if copies > 1 { " again" } else { "" };
        tale.say(format_args!("{} sends{again} {document}{expects}", name(number)));
        state.writers[usize::from(number)].does = Does::Sent { document, exact, copies };
        state.requests.put((number, document));
    }

    pub(crate) fn repeat(&self, state: &mut State, number: u8, tale: &mut Tale) {
        let Does::Sent { document, exact, copies } = state.writers[usize::from(number)].does else { return };
        self.sights.see(AGAIN);
        self.sends(state, number, document, exact, copies + 1, tale);
    }

    pub(crate) fn gives_up(&self, state: &mut State, number: u8, tale: &mut Tale) {
        tale.say(format_args!("{} is at its deadline: Unknown", name(number)));
        let id = self.id(state, number);
        self.says(state, number, id, Said::Unknown);
    }

    pub(crate) fn hears(&self, state: &mut State, answer: Answer, tale: &mut Tale) {
        match answer {
            Answer::Stored { writer, document } => {
                tale.say(format_args!("{} hears that {document} is stored: Ok", name(writer)));
                self.says(state, writer, document.id, Said::Ok(document.place));
            }
            Answer::Taken { writer, document } => {
                let Does::Sent { exact, .. } = state.writers[usize::from(writer)].does else { return };
                tale.say(format_args!("{} hears that {document} is refused by a unique key", name(writer)));
                state.writers[usize::from(writer)].does = Does::Refused { document, exact };
            }
        }
    }

    /// A majority holds what took the place, or nothing is there.
    pub(crate) fn is_resolved(&self, state: &State, document: &Document) -> bool {
        let majority = self.clauses.keep(trial::E_9);
        state.at(document.place).is_none_or(|stored| stored.held || !majority)
    }

    pub(crate) fn resolve(&self, state: &mut State, number: u8, tale: &mut Tale) {
        let Does::Refused { document, exact } = state.writers[usize::from(number)].does else { return };
        if state.at(document.place).is_none() && document.place >= state.truncated {
            tale.say(format_args!("{} finds nothing in the place any more", name(number)));
            self.sights.see(AGAIN);
            return self.sends(state, number, document, exact, 1, tale);
        }
        let majority = self.clauses.keep(trial::E_9);
        let found = state.view(majority).find(|other| other.id == document.id);
        if let Some(found) = found.filter(|_| self.clauses.keep(trial::E_14)) {
            return self.finds(state, number, found, tale);
        }
        let has_moved =
            state.view(majority).any(|other| (other.stream, other.version) == (document.stream, document.version));
        if exact && has_moved {
            tale.say(format_args!("{} finds its version taken: Conflict", name(number)));
            self.sights.see(CONFLICT);
            return self.says(state, number, document.id, Said::Conflict);
        }
        let mut next = self.behind_the_head(state, document.stream, document.id);
        if !self.clauses.keep(trial::E_14) {
            // Who does not look for its id mints another one for the new document.
            next.id = document.id + 100;
        }
        tale.say(format_args!("{} finds another in the place", name(number)));
        self.sights.see(RECOMPUTED);
        self.sends(state, number, next, exact, 1, tale);
    }

    fn finds(&self, state: &mut State, number: u8, found: Document, tale: &mut Tale) {
        tale.say(format_args!("{} finds its append stored as {found}: Ok", name(number)));
        self.sights.see(FOUND);
        self.says(state, number, found.id, Said::Ok(found.place));
    }

    fn says(&self, state: &mut State, number: u8, id: u8, said: Said) {
        state.writers[usize::from(number)].does = Does::Nothing;
        state.said.put((number, id, said));
    }
}

impl State {
    /// The first wrong is the one that counts.
    pub(crate) fn wrong(&mut self, promise: &'static str) {
        self.wrong = self.wrong.or(Some(promise));
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, stream, version, id } = self;
        write!(f, "append {id} in place {place} (stream {stream}, version {version})")
    }
}

/// A writer's name.
pub(crate) fn name(writer: u8) -> char {
    char::from(b'A' + writer)
}
