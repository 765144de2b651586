//! The primary, its elections, and the reader.

use super::{Answer, Document, LATE, Log, READ, ROLLED_BACK, State, Stored, TAKEN, promise, trial, writer::name};
use crate::Tale;

impl State {
    /// What is seen of the log: what a majority holds, or all that the primary has.
    pub(crate) fn view(&self, majority: bool) -> impl Iterator<Item = Document> {
        let stored = self.log.iter().flatten().filter(move |stored| stored.held || !majority);
        stored.map(|stored| stored.document)
    }

    pub(crate) fn at(&self, place: u8) -> Option<Stored> {
        self.log.get(usize::from(place)).copied().flatten()
    }
}

impl Log {
    /// The unique keys, and then the place.
    pub(crate) fn insert(&self, state: &mut State, writer: u8, document: Document, tale: &mut Tale) {
        tale.say(format_args!("{}'s {document} arrives", name(writer)));
        let indexes_ids = self.clauses.keep(trial::E_19);
        let clashes = |other: Document| {
            other.place == document.place
                || (other.stream == document.stream && other.version == document.version)
                || (other.id == document.id && indexes_ids)
        };
        if state.view(false).any(clashes) {
            self.sights.see(TAKEN);
            if document.place < state.truncated {
                self.sights.see(LATE);
            }
            tale.say(format_args!("it is taken"));
            return state.answers.put(Answer::Taken { writer, document });
        }
        if state.kept.contains(&document.id) || state.view(false).any(|other| other.id == document.id) {
            state.wrong(promise::ONCE);
        }
        let place = usize::from(document.place);
        if state.log.len() <= place {
            state.log.resize(place + 1, None);
        }
        state.log[place] = Some(Stored { document, held: false, writer });
        tale.say(format_args!("the primary has it"));
        if !self.clauses.keep(trial::E_36) {
            state.answers.put(Answer::Stored { writer, document });
        }
    }

    /// What was inserted first is held first.
    pub(crate) fn replicate(&self, state: &mut State, tale: &mut Tale) {
        let Some(stored) = state.log.iter_mut().flatten().find(|stored| !stored.held) else { return };
        stored.held = true;
        let Stored { document, writer, .. } = *stored;
        state.kept.push(document.id);
        tale.say(format_args!("a majority holds {document}"));
        state.answers.put(Answer::Stored { writer, document });
    }

    pub(crate) fn elect(&self, state: &mut State, tale: &mut Tale) {
        state.elections += 1;
        for place in &mut state.log {
            if let Some(stored) = place.filter(|stored| !stored.held) {
                tale.say(format_args!("another primary is elected, and {} is gone", stored.document));
                self.sights.see(ROLLED_BACK);
                *place = None;
            }
        }
        while state.log.last().is_some_and(Option::is_none) {
            state.log.pop();
        }
    }

    /// What follows what was read, up to a gap.
    pub(crate) fn next_to_read(&self, state: &State) -> Option<Document> {
        let majority = self.clauses.keep(trial::E_31_READER);
        let place = u8::try_from(state.read.len()).expect("a scope is small");
        state.at(place).filter(|stored| stored.held || !majority).map(|stored| stored.document)
    }

    pub(crate) fn read(&self, state: &mut State, tale: &mut Tale) {
        let Some(document) = self.next_to_read(state) else { return };
        self.sights.see(READ);
        state.read.push(document.id);
        tale.say(format_args!("the reader reads {document}"));
    }

    /// The payload goes, the stub stays; unless that clause is off.
    pub(crate) fn truncate(&self, state: &mut State, tale: &mut Tale) {
        tale.say(format_args!("the event in place {} is truncated", state.truncated));
        if !self.clauses.keep(trial::E_38) {
            state.log[usize::from(state.truncated)] = None;
        }
        state.truncated += 1;
    }
}
