//! The cache: tickets and generations, slow loaders and late requests.
//!
//! **Modelled.** One key of a cache with generations, the truth that it is a copy of, loaders that reserve the key, load the truth and
//! fill it in, as slowly as they like, and one writer that changes the truth and then removes, sets or clears, and waits for the
//! answer. A request on the server is one instant ([`store`], after `entry.lua`, `reserve.lua`, `fill.lua`, `set.lua`, `remove.lua`,
//! and the `SET` of `cache/clear.rs`). Reservations lapse, values and the generation are evicted.
//!
//! **The judge**: once the writer was answered, nobody can read what was true before its change.
//!
//! **Left out.** Other keys; the sweep that removes what was cleared; `set` by several writers at once, where the last to arrive wins
//! (C-14); who waits for a reservation (see [`wake`](crate::wake)).

mod store;
mod trial;

use stateright::{Model, Property};

use self::store::Store;
use crate::{
    Bag, Clause, Clauses, Protocol, Sights, Tale,
    family::{Family, Named, Trial},
    scope::settings,
};

/// How far it goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope {
    /// Who loads.
    pub(crate) loaders: u8,
    /// How often each reserves.
    pub(crate) loads: u8,
    /// The most copies of a request.
    pub(crate) copies: u8,
    /// Changes of the truth.
    pub(crate) changes: u8,
    /// 1 where changes are followed by a remove.
    pub(crate) removes: u8,
    /// 1 where they are followed by a set.
    pub(crate) sets: u8,
    /// 1 where they are followed by a clear.
    pub(crate) clears: u8,
    /// How often a reservation may lapse.
    pub(crate) lapses: u8,
    /// How often a value or the generation may be evicted.
    pub(crate) evictions: u8,
}

settings!(Scope: loaders, loads, copies, changes, removes, sets, clears, lapses, evictions);

const TICKETS: Scope =
    Scope { loaders: 2, loads: 1, copies: 2, changes: 1, removes: 1, sets: 1, clears: 0, lapses: 1, evictions: 0 };
const GENERATIONS: Scope =
    Scope { loaders: 1, loads: 2, changes: 2, removes: 0, sets: 0, clears: 1, lapses: 0, evictions: 1, ..TICKETS };

pub(crate) const FILLED: &str = "a reservation is filled";
pub(crate) const REFUSED: &str = "a fill is refused";
pub(crate) const OTHERS: &str = "a fill meets the reservation of another";
pub(crate) const CLEARED: &str = "a fill meets another generation";
pub(crate) const LATE_CLEAR: &str = "a clear comes after a later one";
pub(crate) const MADE: &str = "a missing generation is made";
pub(crate) const LATE_RESERVE: &str = "a reserve comes after its repeat was answered";

/// What a loader is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Does {
    Nothing,
    /// It has asked for a reservation, with these tickets.
    Reserves {
        tickets: [u8; 2],
        copies: u8,
    },
    /// It has a ticket, and has not read the truth yet.
    Loads {
        ticket: u8,
    },
    /// It has read it.
    Loaded {
        ticket: u8,
        truth: u8,
    },
}

/// A loader.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Loader {
    pub(crate) does: Does,
    pub(crate) loads: u8,
    /// The generation that it has seen last: only where it is remembered.
    pub(crate) remembers: Option<u8>,
}

/// On its way to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Request {
    Reserve { loader: u8, ticket: u8, earlier: u8, candidate: u8 },
    Fill { loader: u8, ticket: u8, truth: u8 },
    Set { truth: u8, candidate: u8 },
    Remove { change: u8 },
    Clear { change: u8, generation: u8 },
}

/// On its way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Answer {
    Reserved { loader: u8, ticket: u8 },
    NotReserved { loader: u8, ticket: u8 },
    Done { change: u8 },
}

/// What the writer does after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Tells {
    Remove,
    Set,
    Clear,
}

/// All there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) store: Store,
    /// What is true: how often it was changed.
    pub(crate) truth: u8,
    /// What may still be read: what was true at the last change that was answered, or later.
    pub(crate) floor: u8,
    /// What the writer waits for, and how many copies it has sent.
    pub(crate) tells: Option<(Tells, u8)>,
    pub(crate) loaders: Vec<Loader>,
    pub(crate) requests: Bag<Request>,
    pub(crate) answers: Bag<Answer>,
    pub(crate) lapses: u8,
    pub(crate) evictions: u8,
}

/// What may happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Reserve(u8),
    Load(u8),
    Fill(u8),
    Change(Tells),
    Repeat,
    Arrives(Request),
    Hears(Answer),
    Lapse,
    EvictValue,
    EvictGeneration,
}

/// The protocol, in a scope.
#[derive(Debug)]
pub(crate) struct Cache {
    pub(crate) scope: Scope,
    pub(crate) clauses: Clauses,
    pub(crate) sights: Sights,
}

impl Family for Cache {
    const NAME: &'static str = "cache";
    type Scope = Scope;
    const SCOPES: &'static [Named<Scope>] = &[
        ("tickets", TICKETS, &[FILLED, REFUSED, OTHERS, LATE_RESERVE]),
        ("generations", GENERATIONS, &[FILLED, CLEARED, LATE_CLEAR, MADE]),
    ];
    const TRIALS: &'static [Trial] = trial::TRIALS;

    fn of(scope: Scope, clauses: Clauses, sights: &[&'static str]) -> Self {
        Self { scope, clauses, sights: Sights::of(sights) }
    }
}

impl Cache {
    fn writes(&self, state: &State, steps: &mut Vec<Step>) {
        match state.tells {
            None if state.truth < self.scope.changes => {
                let kinds = [
                    (self.scope.removes, Tells::Remove),
                    (self.scope.sets, Tells::Set),
                    (self.scope.clears, Tells::Clear),
                ];
                steps.extend(kinds.iter().filter(|(is_there, _)| *is_there == 1).map(|(_, kind)| Step::Change(*kind)));
            }
            // A set is sent once.
            Some((Tells::Remove | Tells::Clear, copies)) if copies < self.scope.copies => steps.push(Step::Repeat),
            _ => {}
        }
    }

    /// What stands for a random number: another one for each copy of each request, unless the clause is off.
    fn random(&self, clause: Clause, request: u8, copy: u8) -> u8 {
        request + if self.clauses.keep(clause) { copy } else { 1 }
    }

    fn reserves(&self, state: &mut State, number: u8, tale: &mut Tale) {
        let loader = &mut state.loaders[usize::from(number)];
        let (earlier, copies) = match loader.does {
            Does::Reserves { tickets, copies } => (tickets[0], copies + 1),
            _ => (0, 1),
        };
        loader.loads += u8::from(copies == 1);
        let request = number * 40 + loader.loads * 10;
        let ticket = self.random(trial::C_18_COPIES, request, copies);
        let candidate = self.random(trial::C_27, request + 5, copies);
        let first = if earlier == 0 { ticket } else { earlier };
        loader.does = Does::Reserves { tickets: [first, ticket], copies };
        let again = if copies > 1 { " again" } else { "" };
        tale.say(format_args!("{} asks{again} for a reservation, with ticket {ticket}", name(number)));
        state.requests.put(Request::Reserve { loader: number, ticket, earlier, candidate });
    }

    fn tells(&self, state: &mut State, kind: Tells, copies: u8, tale: &mut Tale) {
        let change = state.truth;
        state.tells = Some((kind, copies));
        let again = if copies > 1 { " again" } else { "" };
        match kind {
            Tells::Remove => {
                tale.say(format_args!("the writer sends a remove{again}"));
                state.requests.put(Request::Remove { change });
            }
            Tells::Set => {
                tale.say(format_args!("the writer sends a set of value {change}"));
                state.requests.put(Request::Set { truth: change, candidate: 240 + change });
            }
            Tells::Clear => {
                let generation = self.random(trial::C_27, 180 + 10 * change, copies);
                tale.say(format_args!("the writer sends a clear{again}, with generation {generation}"));
                state.requests.put(Request::Clear { change, generation });
            }
        }
    }

    fn hears(&self, state: &mut State, answer: Answer, tale: &mut Tale) {
        match answer {
            Answer::Done { change } => {
                tale.say(format_args!(
                    "the writer is answered: nothing older than value {change} may be read from now on"
                ));
                state.floor = state.floor.max(change);
                state.tells = None;
            }
            Answer::Reserved { loader: number, ticket } => {
                tale.say(format_args!("{} hears that ticket {ticket} is its own", name(number)));
                let generation = state.store.generation;
                let loader = &mut state.loaders[usize::from(number)];
                loader.does = Does::Loads { ticket };
                loader.remembers = generation.filter(|_| !self.clauses.keep(trial::C_29));
            }
            Answer::NotReserved { loader: number, .. } => {
                tale.say(format_args!("{} hears that there is a value, or another loader", name(number)));
                state.loaders[usize::from(number)].does = Does::Nothing;
            }
        }
    }
}

impl Answer {
    /// Whether somebody waits for it.
    fn matters(&self, state: &State) -> bool {
        match *self {
            Self::Done { change } => state.tells.is_some() && state.truth == change,
            Self::Reserved { loader, ticket } | Self::NotReserved { loader, ticket } => {
                // Of the last copy: the connection of an earlier one is gone.
                match state.loaders[usize::from(loader)].does {
                    Does::Reserves { tickets, .. } => tickets.contains(&ticket),
                    _ => false,
                }
            }
        }
    }
}

impl Model for Cache {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let loader = Loader { does: Does::Nothing, loads: 0, remembers: None };
        vec![State {
            store: Store::default(),
            truth: 0,
            floor: 0,
            tells: None,
            loaders: vec![loader; usize::from(self.scope.loaders)],
            requests: Bag::default(),
            answers: Bag::default(),
            lapses: 0,
            evictions: 0,
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if !trial::is_fresh(self, state) {
            return;
        }
        for (number, loader) in (0..).zip(&state.loaders) {
            match loader.does {
                Does::Nothing if loader.loads < self.scope.loads => steps.push(Step::Reserve(number)),
                Does::Nothing => {}
                Does::Reserves { copies, .. } if copies < self.scope.copies => steps.push(Step::Reserve(number)),
                Does::Reserves { .. } => {}
                Does::Loads { .. } => steps.push(Step::Load(number)),
                Does::Loaded { .. } => steps.push(Step::Fill(number)),
            }
        }
        self.writes(state, steps);
        steps.extend(state.requests.each().map(|request| Step::Arrives(*request)));
        steps.extend(state.answers.each().map(|answer| Step::Hears(*answer)));
        if state.lapses < self.scope.lapses && state.store.reserved.is_some() {
            steps.push(Step::Lapse);
        }
        if state.evictions < self.scope.evictions {
            if state.store.value.is_some() {
                steps.push(Step::EvictValue);
            }
            if state.store.generation.is_some() {
                steps.push(Step::EvictGeneration);
            }
        }
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        Some(self.after(state, &step))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(trial::FRESH, trial::is_fresh)]
    }
}

impl Protocol for Cache {
    fn take(&self, state: &mut State, step: &Step, tale: &mut Tale) {
        match *step {
            Step::Reserve(loader) => self.reserves(state, loader, tale),
            Step::Load(number) => {
                let truth = state.truth;
                let loader = &mut state.loaders[usize::from(number)];
                let Does::Loads { ticket } = loader.does else { return };
                loader.does = Does::Loaded { ticket, truth };
                tale.say(format_args!("{} loads value {truth}", name(number)));
            }
            Step::Fill(number) => {
                let loader = &mut state.loaders[usize::from(number)];
                let Does::Loaded { ticket, truth } = loader.does else { return };
                loader.does = Does::Nothing;
                tale.say(format_args!("{} sends its fill with value {truth} and ticket {ticket}", name(number)));
                state.requests.put(Request::Fill { loader: number, ticket, truth });
            }
            Step::Change(kind) => {
                state.truth += 1;
                tale.say(format_args!("the truth is now value {}", state.truth));
                self.tells(state, kind, 1, tale);
            }
            Step::Repeat => {
                let Some((kind, copies)) = state.tells else { return };
                self.tells(state, kind, copies + 1, tale);
            }
            Step::Arrives(request) => {
                state.requests.take(&request);
                self.arrives(state, request, tale);
            }
            Step::Hears(answer) => {
                state.answers.take(&answer);
                self.hears(state, answer, tale);
            }
            Step::Lapse => {
                (state.store.reserved, state.lapses) = (None, state.lapses + 1);
                tale.say(format_args!("the reservation lapses"));
            }
            Step::EvictValue => {
                (state.store.value, state.evictions) = (None, state.evictions + 1);
                tale.say(format_args!("the value is evicted"));
            }
            Step::EvictGeneration => {
                (state.store.generation, state.evictions) = (None, state.evictions + 1);
                tale.say(format_args!("the generation is evicted"));
            }
        }
        let mut answers = std::mem::take(&mut state.answers);
        answers.retain(|answer| answer.matters(state));
        state.answers = answers;
    }

    fn sights(&self) -> &Sights {
        &self.sights
    }
}

fn name(loader: u8) -> char {
    char::from(b'A' + loader)
}

#[cfg(test)]
mod tests;
