//! Histories that are linearizable by construction, from a seed: what a checker is tested and timed with.
//!
//! Clients call at random times; each call takes effect on a plain sequential reference at one instant between its call and
//! its answer. Some answers are lost on the way: their effect comes before the answer (settled), at any later time, or never.

mod cache;
mod event;
mod lock;
mod state;

use std::{cmp::Reverse, collections::BinaryHeap};

use fastrand::Rng;

use super::{CacheModel, EventModel, LockModel, Model, StateModel};
use crate::history::{Answer, History, Operation};

/// How large a history is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Operations in all.
    pub operations: usize,
    /// Keys, drawn evenly.
    pub keys: usize,
    /// Clients, each with one call at a time.
    pub clients: u32,
    /// Of a thousand calls, how many get no answer.
    pub lost: u32,
}

/// A good history of a state store.
#[must_use]
pub fn state(seed: u64, size: Size) -> History<StateModel> {
    run::<state::World>(seed, size)
}

/// A good history of a cache.
#[must_use]
pub fn cache(seed: u64, size: Size) -> History<CacheModel> {
    run::<cache::World>(seed, size)
}

/// A good history of a lock.
#[must_use]
pub fn lock(seed: u64, size: Size) -> History<LockModel> {
    run::<lock::World>(seed, size)
}

/// A good history of an event store.
#[must_use]
pub fn events(seed: u64, size: Size) -> History<EventModel> {
    run::<event::World>(seed, size)
}

/// A sequential reference, and what its clients like to ask.
trait Reference: Default {
    type Model: Model;
    /// The mean time between call and answer, in nanoseconds.
    const PACE: u64;

    /// What this client asks next.
    fn choose(&mut self, rng: &mut Rng, client: u32, key: usize) -> <Self::Model as Model>::Call;

    /// Takes effect now. `None`: not yet, try a little later.
    fn apply(
        &mut self,
        key: usize,
        call: &<Self::Model as Model>::Call,
        asked: u64,
        now: u64,
    ) -> Option<<Self::Model as Model>::Answer>;

    /// The client got this answer.
    fn learn(
        &mut self,
        client: u32,
        key: usize,
        call: &<Self::Model as Model>::Call,
        answer: &<Self::Model as Model>::Answer,
    );
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Invoke,
    Effect,
    Return,
}

struct Flight<M: Model> {
    client: u32,
    key: usize,
    invoked: u64,
    call: M::Call,
    answer: Option<M::Answer>,
    fate: Fate,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    Refused,
    Lost { settled: bool },
}

fn run<R: Reference>(seed: u64, size: Size) -> History<R::Model> {
    let mut rng = Rng::with_seed(seed);
    let mut world = R::default();
    let mut flights = Vec::<Flight<R::Model>>::new();
    let mut history = History::default();
    let mut agenda = BinaryHeap::new();
    for client in 0..size.clients {
        agenda.push(Reverse((rng.u64(1..=R::PACE), Step::Invoke, client as usize)));
    }
    while let Some(Reverse((now, step, index))) = agenda.pop() {
        match step {
            // At `Invoke` the index is a client's, later a flight's.
            Step::Invoke if flights.len() < size.operations => {
                let (client, key) = (index as u32, rng.usize(..size.keys));
                let call = world.choose(&mut rng, client, key);
                let fate = fate(&mut rng, size.lost);
                let effect = now + rng.u64(1..=R::PACE);
                let late = fate == Fate::Lost { settled: false } && rng.bool();
                agenda.push(Reverse((effect + if late { 20 * R::PACE } else { 0 }, Step::Effect, flights.len())));
                if fate != Fate::Answered {
                    agenda.push(Reverse((effect + rng.u64(1..=R::PACE), Step::Return, flights.len())));
                }
                flights.push(Flight { client, key, invoked: now, call, answer: None, fate });
            }
            Step::Invoke => {}
            Step::Effect => {
                let flight = &mut flights[index];
                let happens = match flight.fate {
                    Fate::Answered => true,
                    Fate::Refused => false,
                    Fate::Lost { .. } => rng.u8(..3) > 0,
                };
                if !happens {
                    continue;
                }
                flight.answer = world.apply(flight.key, &flight.call, flight.invoked, now);
                if flight.fate == Fate::Answered {
                    let again = if flight.answer.is_some() { Step::Return } else { Step::Effect };
                    agenda.push(Reverse((now + rng.u64(1..=R::PACE), again, index)));
                }
            }
            Step::Return => {
                let flight = &flights[index];
                let answer = match (flight.fate, &flight.answer) {
                    (Fate::Answered, Some(answer)) => {
                        world.learn(flight.client, flight.key, &flight.call, answer);
                        Answer::Ok(answer.clone())
                    }
                    (Fate::Lost { settled }, _) => Answer::Unknown { error: "lost".into(), settled },
                    _ => Answer::NotApplied { error: "refused".into() },
                };
                history.operations.push(Operation {
                    client: flight.client,
                    key: format!("k{}", flight.key).into(),
                    invoked: flight.invoked,
                    returned: Some(now),
                    call: flight.call.clone(),
                    answer,
                });
                agenda.push(Reverse((now + rng.u64(1..=R::PACE), Step::Invoke, flight.client as usize)));
            }
        }
    }
    history
}

fn fate(rng: &mut Rng, lost: u32) -> Fate {
    match rng.u32(..1000) {
        roll if roll >= lost => Fate::Answered,
        roll if roll % 3 == 0 => Fate::Refused,
        roll => Fate::Lost { settled: roll % 3 == 1 },
    }
}
