//! The server: what the scripts of a cache do.

use super::{
    Answer, CLEARED, Cache, Does, FILLED, LATE_CLEAR, LATE_RESERVE, MADE, OTHERS, REFUSED, Request, State, name, trial,
};
use crate::Tale;

/// What stands under the key, and the generation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Store {
    pub(crate) generation: Option<u8>,
    /// Its generation, and what it is.
    pub(crate) value: Option<(u8, u8)>,
    /// Its generation, and the ticket.
    pub(crate) reserved: Option<(u8, u8)>,
}

impl Store {
    /// What a read finds that compares with this generation.
    pub(crate) fn read(&self, generation: Option<u8>) -> Option<u8> {
        self.value.filter(|(of, _)| Some(*of) == generation).map(|(_, truth)| truth)
    }
}

impl Cache {
    pub(crate) fn arrives(&self, state: &mut State, request: Request, tale: &mut Tale) {
        match request {
            Request::Reserve { loader, ticket, earlier, candidate } => {
                self.reserve(state, loader, [ticket, earlier], candidate, tale);
            }
            Request::Fill { loader, ticket, truth } => self.fill(state, loader, ticket, truth, tale),
            Request::Set { truth, candidate } => {
                let generation = self.generation_of(state, candidate, tale);
                state.store.value = Some((generation, truth));
                if self.clauses.keep(trial::C_22) {
                    state.store.reserved = None;
                }
                tale.say(format_args!("the set arrives: value {truth} stands"));
                state.answers.put(Answer::Done { change: truth });
            }
            Request::Remove { change } => {
                state.store.value = None;
                if self.clauses.keep(trial::C_20) {
                    state.store.reserved = None;
                }
                tale.say(format_args!("the remove of change {change} arrives: nothing stands"));
                state.answers.put(Answer::Done { change });
            }
            Request::Clear { change, generation } => {
                if change < state.truth && state.tells.is_none() {
                    self.sights.see(LATE_CLEAR);
                }
                let counter = state.store.generation.unwrap_or(0) + 1;
                let generation = if self.clauses.keep(trial::C_26) { generation } else { counter };
                state.store.generation = Some(generation);
                tale.say(format_args!("the clear of change {change} arrives: the generation is {generation}"));
                state.answers.put(Answer::Done { change });
            }
        }
    }

    /// `generation_of` of `entry.lua`.
    fn generation_of(&self, state: &mut State, candidate: u8, tale: &mut Tale) -> u8 {
        if let Some(generation) = state.store.generation {
            return generation;
        }
        let generation = if self.clauses.keep(trial::C_26) { candidate } else { 1 };
        self.sights.see(MADE);
        state.store.generation = Some(generation);
        tale.say(format_args!("there is no generation: it is {generation} now"));
        generation
    }

    /// `reserve.lua`.
    fn reserve(&self, state: &mut State, loader: u8, tickets: [u8; 2], candidate: u8, tale: &mut Tale) {
        let [ticket, earlier] = tickets;
        tale.say(format_args!("{}'s request with ticket {ticket} arrives", name(loader)));
        if !matches!(state.loaders[usize::from(loader)].does, Does::Reserves { .. }) {
            self.sights.see(LATE_RESERVE);
        }
        let generation = self.generation_of(state, candidate, tale);
        let stands = state.store.reserved.filter(|(of, _)| *of == generation).map(|(_, ticket)| ticket);
        let answer = if state.store.read(Some(generation)).is_some() {
            Answer::NotReserved { loader, ticket }
        } else {
            match stands {
                Some(stands) if tickets.contains(&stands) => Answer::Reserved { loader, ticket: stands },
                Some(_) => Answer::NotReserved { loader, ticket },
                None => {
                    (state.store.value, state.store.reserved) = (None, Some((generation, ticket)));
                    tale.say(format_args!("the key is reserved for it"));
                    Answer::Reserved { loader, ticket }
                }
            }
        };
        // Of an earlier copy there is no answer any more: it came over a connection that was lost.
        let is_heard = earlier != 0 || !self.is_repeated(state, loader);
        if is_heard {
            state.answers.put(answer);
        }
    }

    fn is_repeated(&self, state: &State, loader: u8) -> bool {
        let does = state.loaders[usize::from(loader)].does;
        self.clauses.keep(trial::C_18_COPIES) && matches!(does, Does::Reserves { copies: 2.., .. })
    }

    /// `fill.lua`.
    fn fill(&self, state: &mut State, loader: u8, ticket: u8, truth: u8, tale: &mut Tale) {
        tale.say(format_args!("{}'s fill with ticket {ticket} arrives", name(loader)));
        let Some(generation) = state.store.generation else {
            return tale.say(format_args!("there is no generation: it is refused"));
        };
        let reserved = state.store.reserved;
        if reserved.is_some_and(|(of, _)| of != generation) {
            self.sights.see(CLEARED);
        }
        if reserved.is_some_and(|(_, stands)| stands != ticket) {
            self.sights.see(OTHERS);
        }
        let compares = |(of, stands): (u8, u8)| {
            (of == generation || !self.clauses.keep(trial::C_21))
                && (stands == ticket || !self.clauses.keep(trial::C_23))
        };
        if !reserved.is_some_and(compares) && self.clauses.keep(trial::C_18) {
            self.sights.see(REFUSED);
            return tale.say(format_args!("its reservation does not stand: it is refused"));
        }
        self.sights.see(FILLED);
        (state.store.value, state.store.reserved) = (Some((generation, truth)), None);
        tale.say(format_args!("value {truth} stands"));
    }
}
