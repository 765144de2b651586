//! The event log in documents: a batch is one document, its place in the order is its key, and a server without transactions may elect
//! another primary that takes unreplicated documents back.
//!
//! **Modelled.** The rules of a backend for MongoDB on a replica set, of which there is no code yet: a writer reads the head of the
//! log in a view that a majority holds, and inserts a document of one event right behind it; three unique keys (the place, stream
//! and version, and the append id) refuse what is taken; without an answer the same document goes to the same place again; a
//! refusal is resolved once a majority holds what took the place, or nothing is there any more. A document that a majority holds
//! stays; an election takes back all others. A reader follows what a majority holds, and stops at a gap. Truncation leaves a stub.
//!
//! **Left out.** Batches of several events (a document is one event, so its next place is one further), shards, and the deadline of
//! the server's own statement (`maxTimeMS`): here a request may come as late as it likes.

mod primary;
mod promise;
mod trial;
mod writer;

use stateright::{Model, Property};

use crate::{
    Bag, Clauses, Protocol, Sights, Tale,
    family::{Family, Named, Trial},
    scope::settings,
};

/// How far it goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope {
    /// Who appends.
    pub(crate) writers: u8,
    /// Appends of each.
    pub(crate) appends: u8,
    /// The most copies of a request for one place.
    pub(crate) copies: u8,
    /// Streams.
    pub(crate) streams: u8,
    /// Elections.
    pub(crate) elections: u8,
    /// How many events may be truncated.
    pub(crate) truncations: u8,
    /// 1 where all writers append under the same id: the repeats of a caller that changed process.
    pub(crate) same_id: u8,
}

settings!(Scope: writers, appends, copies, streams, elections, truncations, same_id);

const ELECTIONS: Scope =
    Scope { writers: 2, appends: 1, copies: 2, streams: 1, elections: 2, truncations: 0, same_id: 0 };
const STREAMS: Scope = Scope { streams: 2, appends: 2, elections: 1, copies: 1, ..ELECTIONS };
const TRUNCATED: Scope = Scope { truncations: 1, elections: 1, ..ELECTIONS };
const SAME_ID: Scope = Scope { same_id: 1, elections: 1, ..ELECTIONS };

pub(crate) const ROLLED_BACK: &str = "an election takes a document back";
pub(crate) const AGAIN: &str = "the same document goes to the same place again";
pub(crate) const TAKEN: &str = "a place is taken";
pub(crate) const FOUND: &str = "a writer finds its own append";
pub(crate) const CONFLICT: &str = "an expected version is refused by what took the place";
pub(crate) const RECOMPUTED: &str = "an append goes behind what took its place";
pub(crate) const READ: &str = "the reader reads an event";
pub(crate) const LATE: &str = "a request meets the stub in its place";

/// A document, as it is sent and as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Document {
    /// Its key: the place in the order, from 0.
    pub(crate) place: u8,
    pub(crate) stream: u8,
    pub(crate) version: u8,
    /// The append id.
    pub(crate) id: u8,
}

/// What the primary has in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Stored {
    pub(crate) document: Document,
    /// A majority holds it.
    pub(crate) held: bool,
    /// Who waits for that.
    pub(crate) writer: u8,
}

/// What a writer is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Does {
    Nothing,
    /// It has sent the document.
    Sent {
        document: Document,
        exact: bool,
        copies: u8,
    },
    /// Its place, or something else of it, is taken.
    Refused {
        document: Document,
        exact: bool,
    },
}

/// A writer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Writer {
    pub(crate) does: Does,
    pub(crate) appends: u8,
}

/// What a caller was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Said {
    /// It stands in this place.
    Ok(u8),
    Conflict,
    Unknown,
}

/// On its way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Answer {
    Stored { writer: u8, document: Document },
    Taken { writer: u8, document: Document },
}

/// All there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// The primary's documents by place.
    pub(crate) log: Vec<Option<Stored>>,
    pub(crate) writers: Vec<Writer>,
    pub(crate) requests: Bag<(u8, Document)>,
    pub(crate) answers: Bag<Answer>,
    /// The ids of what the reader has read, in order.
    pub(crate) read: Vec<u8>,
    pub(crate) elections: u8,
    /// So many documents from the first on are truncated.
    pub(crate) truncated: u8,
    /// What callers were told: whose, which id, what.
    pub(crate) said: Bag<(u8, u8, Said)>,
    /// Ids of documents that a majority holds or held.
    pub(crate) kept: Vec<u8>,
    pub(crate) wrong: Option<&'static str>,
}

/// What may happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Begin { writer: u8, stream: u8, exact: bool },
    Repeat(u8),
    Resolve(u8),
    GiveUp(u8),
    Arrives(u8, Document),
    Hears(Answer),
    Replicate,
    Elect,
    Read,
    Truncate,
}

/// The protocol, in a scope.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) scope: Scope,
    pub(crate) clauses: Clauses,
    pub(crate) sights: Sights,
}

impl Family for Log {
    const NAME: &'static str = "log";
    type Scope = Scope;
    const SCOPES: &'static [Named<Scope>] = &[
        ("elections", ELECTIONS, &[ROLLED_BACK, AGAIN, TAKEN, FOUND, CONFLICT, RECOMPUTED, READ]),
        ("streams", STREAMS, &[ROLLED_BACK, TAKEN, RECOMPUTED, READ]),
        ("truncated", TRUNCATED, &[LATE, READ, ROLLED_BACK]),
        ("same_id", SAME_ID, &[FOUND, TAKEN, ROLLED_BACK]),
    ];
    const TRIALS: &'static [Trial] = trial::TRIALS;

    fn of(scope: Scope, clauses: Clauses, sights: &[&'static str]) -> Self {
        Self { scope, clauses, sights: Sights::of(sights) }
    }
}

impl Log {
    fn steps_of(&self, state: &State, number: u8, steps: &mut Vec<Step>) {
        let writer = &state.writers[usize::from(number)];
        match writer.does {
            Does::Nothing if writer.appends < self.scope.appends => {
                for stream in 0..self.scope.streams {
                    steps.extend([false, true].map(|exact| Step::Begin { writer: number, stream, exact }));
                }
            }
            Does::Nothing => {}
            Does::Sent { copies, .. } => {
                if copies < self.scope.copies {
                    steps.push(Step::Repeat(number));
                }
                steps.push(Step::GiveUp(number));
            }
            Does::Refused { document, .. } => {
                if self.is_resolved(state, &document) {
                    steps.push(Step::Resolve(number));
                }
                steps.push(Step::GiveUp(number));
            }
        }
    }
}

impl Model for Log {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let writer = Writer { does: Does::Nothing, appends: 0 };
        vec![State {
            log: Vec::new(),
            writers: vec![writer; usize::from(self.scope.writers)],
            requests: Bag::default(),
            answers: Bag::default(),
            read: Vec::new(),
            elections: 0,
            truncated: 0,
            said: Bag::default(),
            kept: Vec::new(),
            wrong: None,
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if state.wrong.is_some() {
            return;
        }
        (0..self.scope.writers).for_each(|number| self.steps_of(state, number, steps));
        steps.extend(state.requests.each().map(|(writer, document)| Step::Arrives(*writer, *document)));
        steps.extend(state.answers.each().map(|answer| Step::Hears(*answer)));
        let not_held = state.log.iter().flatten().any(|stored| !stored.held);
        if not_held {
            steps.push(Step::Replicate);
        }
        if not_held && state.elections < self.scope.elections {
            steps.push(Step::Elect);
        }
        if self.next_to_read(state).is_some() {
            steps.push(Step::Read);
        }
        let first = state.log.get(usize::from(state.truncated)).copied().flatten();
        if state.truncated < self.scope.truncations && first.is_some_and(|stored| stored.held) {
            steps.push(Step::Truncate);
        }
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        Some(self.after(state, &step))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        promise::all()
    }
}

impl Protocol for Log {
    fn take(&self, state: &mut State, step: &Step, tale: &mut Tale) {
        match *step {
            Step::Begin { writer, stream, exact } => self.begin(state, writer, stream, exact, tale),
            Step::Repeat(writer) => self.repeat(state, writer, tale),
            Step::Resolve(writer) => self.resolve(state, writer, tale),
            Step::GiveUp(writer) => self.gives_up(state, writer, tale),
            Step::Arrives(writer, document) => {
                state.requests.take(&(writer, document));
                self.insert(state, writer, document, tale);
            }
            Step::Hears(answer) => {
                state.answers.take(&answer);
                self.hears(state, answer, tale);
            }
            Step::Replicate => self.replicate(state, tale),
            Step::Elect => self.elect(state, tale),
            Step::Read => self.read(state, tale),
            Step::Truncate => self.truncate(state, tale),
        }
        // Nobody waits for an answer to another document any more.
        let State { answers, writers, .. } = state;
        answers.retain(|answer| {
            let (Answer::Stored { writer, document } | Answer::Taken { writer, document }) = answer;
            matches!(writers[usize::from(*writer)].does, Does::Sent { document: sent, .. } if sent == *document)
        });
    }

    fn sights(&self) -> &Sights {
        &self.sights
    }
}

#[cfg(test)]
mod tests {
    use super::{Log, trial::*};
    use crate::family::{holds, needs};

    crate::tests! { Log:
        holds elections, streams, truncated, same_id;
        needs E_9, E_14, E_19, E_31_HEAD, E_31_READER, E_36, E_38;
    }
}
