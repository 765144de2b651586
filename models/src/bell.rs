//! The bell of a line: a release wakes one waiter, not all, and no bell is lost on a waiter that has gone.
//!
//! **Modelled.** A name that comes free, those who stand in a client's line for it, and the bell that the first of them hears; as
//! `lock/desk` of core. A waiter may be dropped at any moment, also after its bell has rung and before it took the name.
//!
//! **Left out.** The server: see [`lock`](crate::lock).

use stateright::{Model, Property};

use crate::{
    Clause, Clauses, Protocol, Sights, Tale,
    family::{Family, Named, Trial},
    scope::settings,
};

/// How far it goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope {
    /// Who comes.
    pub(crate) waiters: u8,
    /// How many may have it at once.
    pub(crate) places: u8,
}

settings!(Scope: waiters, places);

const RUNG: &str = "a release wakes the first who waits";
const PASSED: &str = "a waiter that was woken is dropped, and wakes the next";
const TWICE: &str = "two releases wake two";

const PASSES: Clause = Clause::new("L-53:bell", "a waiter that was woken and is dropped tells nobody");
const EACH: Clause = Clause::new("L-42:each", "a second release rings for the one who was woken already");

const NOBODY_FORGOTTEN: &str = "nobody sleeps while there is a free place and nobody is awake to take it (L-42, L-53)";

/// Where somebody stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stands {
    Outside,
    Sleeps,
    Woken,
    Has,
    Gone,
}

/// All there is: who came earlier stands first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) free: u8,
    pub(crate) waiters: Vec<Stands>,
}

/// What may happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Come(usize),
    Take(usize),
    Release(usize),
    Drop(usize),
}

/// The protocol, in a scope.
#[derive(Debug)]
pub(crate) struct Bell {
    scope: Scope,
    clauses: Clauses,
    sights: Sights,
}

impl Family for Bell {
    const NAME: &'static str = "bell";
    type Scope = Scope;
    const SCOPES: &'static [Named<Scope>] = &[("line", Scope { waiters: 5, places: 2 }, &[RUNG, PASSED, TWICE])];
    const TRIALS: &'static [Trial] = &[
        Trial::new(PASSES, "line", NOBODY_FORGOTTEN, "is dropped, and had been woken"),
        Trial::new(EACH, "line", NOBODY_FORGOTTEN, "which was awake already"),
    ];

    fn of(scope: Scope, clauses: Clauses, sights: &[&'static str]) -> Self {
        Self { scope, clauses, sights: Sights::of(sights) }
    }
}

impl Bell {
    fn rings(&self, state: &mut State, tale: &mut Tale) {
        let awake = state.waiters.contains(&Stands::Woken);
        if awake && !self.clauses.keep(EACH) {
            return tale.say(format_args!("the bell rings for the first, which was awake already"));
        }
        let Some(first) = state.waiters.iter().position(|stands| *stands == Stands::Sleeps) else { return };
        state.waiters[first] = Stands::Woken;
        self.sights.see(if awake { TWICE } else { RUNG });
        tale.say(format_args!("it wakes {}", name(first)));
    }
}

impl Model for Bell {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State { free: self.scope.places, waiters: vec![Stands::Outside; usize::from(self.scope.waiters)] }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        for (number, stands) in state.waiters.iter().enumerate() {
            match stands {
                // In the order of their numbers: another order has other names, and is the same.
                Stands::Outside => {
                    if number == 0 || state.waiters[number - 1] != Stands::Outside {
                        steps.push(Step::Come(number));
                    }
                }
                Stands::Sleeps => steps.push(Step::Drop(number)),
                Stands::Woken => steps.extend([Step::Take(number), Step::Drop(number)]),
                Stands::Has => steps.push(Step::Release(number)),
                Stands::Gone => {}
            }
        }
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        Some(self.after(state, &step))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let holds: fn(&Self, &State) -> bool = |_, state| {
            state.free == 0 || !state.waiters.contains(&Stands::Sleeps) || state.waiters.contains(&Stands::Woken)
        };
        vec![Property::always(NOBODY_FORGOTTEN, holds)]
    }
}

impl Protocol for Bell {
    fn take(&self, state: &mut State, step: &Step, tale: &mut Tale) {
        match *step {
            Step::Come(number) => {
                let awake = state.waiters.iter().filter(|stands| **stands == Stands::Woken).count();
                if usize::from(state.free) > awake {
                    state.free -= 1;
                    state.waiters[number] = Stands::Has;
                    tale.say(format_args!("{} comes, and has it", name(number)));
                } else {
                    state.waiters[number] = Stands::Sleeps;
                    tale.say(format_args!("{} comes, and waits", name(number)));
                }
            }
            Step::Take(number) => {
                state.free -= 1;
                state.waiters[number] = Stands::Has;
                tale.say(format_args!("{} takes it", name(number)));
            }
            Step::Release(number) => {
                state.free += 1;
                state.waiters[number] = Stands::Gone;
                tale.say(format_args!("{} gives it back", name(number)));
                self.rings(state, tale);
            }
            Step::Drop(number) => {
                let woken = state.waiters[number] == Stands::Woken;
                state.waiters[number] = Stands::Gone;
                tale.say(format_args!(
                    "{} is dropped{}",
                    name(number),
                    if woken { ", and had been woken" } else { "" }
                ));
                if woken && self.clauses.keep(PASSES) {
                    self.sights.see(PASSED);
                    self.rings(state, tale);
                }
            }
        }
    }

    fn sights(&self) -> &Sights {
        &self.sights
    }
}

fn name(waiter: usize) -> char {
    ('A'..='Z').nth(waiter).unwrap_or('?')
}

#[cfg(test)]
mod tests {
    use super::{Bell, EACH, PASSES};
    use crate::family::{holds, needs};

    crate::tests! { Bell:
        holds line;
        needs PASSES, EACH;
    }
}
