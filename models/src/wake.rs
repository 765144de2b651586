//! Wake-ups: who waits for something new is told, or looks again; never both missed.
//!
//! **Modelled.** A version on the server that writers raise; a client with one connection on which it is told; some who wait in it for
//! a version above the one they know. Each registers, looks, and sleeps until something was heard since it registered. The
//! connection may be cut, which loses what is on its way; a new one subscribes anew and then says that there was a gap. As
//! `event/changed.rs` and `connection/pushes.rs` of `concurrency-redis` do it, and `filled` of its cache.
//!
//! **Left out.** The timer that makes everybody look again after a second (L-40, T-50): it is there for what no model of our side
//! can promise, a push that the server itself loses. Here nobody needs it.

mod trial;

use stateright::{Model, Property};

use crate::{
    Clauses, Protocol, Sights, Tale,
    family::{Family, Named, Trial},
    scope::settings,
};

/// How far it goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope {
    /// Who waits.
    pub(crate) waiters: u8,
    /// Writes.
    pub(crate) writes: u8,
    /// How often the connection is cut.
    pub(crate) cuts: u8,
}

settings!(Scope: waiters, writes, cuts);

pub(crate) const WOKEN: &str = "a push wakes a sleeper";
pub(crate) const FOUND: &str = "a look finds what was written before";
pub(crate) const BETWEEN: &str = "something is heard between registering and sleeping";
pub(crate) const BY_GAP: &str = "a gap wakes a sleeper that missed a push";
pub(crate) const AT_ONCE: &str = "one look finds several writes";

/// Where the connection of pushes stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Connection {
    /// Cut.
    Down,
    /// Back; whether it is subscribed, and whether the gap was said.
    Back { subscribed: bool, said: bool },
    /// What is published comes.
    Up,
}

/// Who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Waiter {
    /// What it knows.
    pub(crate) knows: u8,
    /// What had been heard when it registered.
    pub(crate) noted: Option<u8>,
    /// What it saw when it looked.
    pub(crate) saw: Option<u8>,
    /// It waits for something to be heard.
    pub(crate) sleeps: bool,
}

/// All there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) version: u8,
    /// Told of, but not there yet.
    pub(crate) told: bool,
    pub(crate) writes: u8,
    pub(crate) connection: Connection,
    pub(crate) cuts: u8,
    /// On their way.
    pub(crate) pushes: u8,
    /// What the client has heard, counted.
    pub(crate) heard: u8,
    pub(crate) waiters: Vec<Waiter>,
}

/// What may happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A write, and its push.
    Write,
    /// The second half of a write whose push went before.
    Land,
    /// A push comes.
    Hear,
    /// The connection is lost.
    Cut,
    /// A new one.
    Connect,
    /// It subscribes.
    Subscribe,
    /// Everybody looks again.
    SayGap,
    /// A waiter registers.
    Register(u8),
    /// It looks at the version.
    Look(u8),
    /// It makes up its mind.
    Conclude(u8),
    /// It wakes.
    Wake(u8),
}

/// The protocol, in a scope.
#[derive(Debug)]
pub(crate) struct WakeUps {
    scope: Scope,
    clauses: Clauses,
    sights: Sights,
}

impl Family for WakeUps {
    const NAME: &'static str = "wake";
    type Scope = Scope;
    const SCOPES: &'static [Named<Scope>] =
        &[("pushes", Scope { waiters: 2, writes: 3, cuts: 2 }, &[WOKEN, FOUND, BETWEEN, BY_GAP, AT_ONCE])];
    const TRIALS: &'static [Trial] = trial::TRIALS;

    fn of(scope: Scope, clauses: Clauses, sights: &[&'static str]) -> Self {
        Self { scope, clauses, sights: Sights::of(sights) }
    }
}

impl WakeUps {
    /// What a waiter may do: register, look, conclude, sleep; or look and register, where that clause is off.
    fn steps_of(&self, state: &State, number: u8, steps: &mut Vec<Step>) {
        let waiter = &state.waiters[usize::from(number)];
        let first = self.clauses.keep(trial::REGISTER);
        match (waiter.sleeps, waiter.noted, waiter.saw) {
            (true, Some(noted), _) => {
                if state.heard != noted {
                    steps.push(Step::Wake(number));
                }
            }
            (_, Some(_), Some(_)) => steps.push(Step::Conclude(number)),
            (_, None, saw) if saw.is_some() || first => steps.push(Step::Register(number)),
            _ => steps.push(Step::Look(number)),
        }
    }

    fn hears(&self, state: &mut State) {
        if self.clauses.keep(trial::LEVEL) {
            state.heard += 1;
            return;
        }
        // Only those hear it who sleep; for others it is as if nothing had been.
        state.heard += 1;
        for waiter in state.waiters.iter_mut().filter(|waiter| !waiter.sleeps) {
            waiter.noted = waiter.noted.map(|_| state.heard);
        }
    }
}

impl Model for WakeUps {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let waiter = Waiter { knows: 0, noted: None, saw: None, sleeps: false };
        vec![State {
            version: 0,
            told: false,
            writes: 0,
            connection: Connection::Up,
            cuts: 0,
            pushes: 0,
            heard: 0,
            waiters: vec![waiter; usize::from(self.scope.waiters)],
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if state.told {
            steps.push(Step::Land);
        } else if state.writes < self.scope.writes {
            steps.push(Step::Write);
        }
        if state.pushes > 0 {
            steps.push(Step::Hear);
        }
        match state.connection {
            Connection::Down => steps.push(Step::Connect),
            Connection::Back { subscribed, said } => {
                if !subscribed {
                    steps.push(Step::Subscribe);
                }
                if !said && (subscribed || !self.clauses.keep(trial::SUBSCRIBED)) {
                    steps.push(Step::SayGap);
                }
            }
            Connection::Up => {}
        }
        if state.connection != Connection::Down && state.cuts < self.scope.cuts {
            steps.push(Step::Cut);
        }
        (0..self.scope.waiters).for_each(|number| self.steps_of(state, number, steps));
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        Some(self.after(state, &step))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let always: fn(&Self, &State) -> bool =
            |_, state| !state.waiters.iter().any(|waiter| state.is_forgotten(waiter));
        vec![Property::always(trial::WOKEN, always)]
    }
}

impl State {
    /// It sleeps over what is new, and nothing is under way that would wake it.
    fn is_forgotten(&self, waiter: &Waiter) -> bool {
        let is_calm = self.connection == Connection::Up && self.pushes == 0 && !self.told;
        is_calm && waiter.sleeps && waiter.noted == Some(self.heard) && self.version > waiter.knows
    }

    fn is_subscribed(&self) -> bool {
        matches!(self.connection, Connection::Up | Connection::Back { subscribed: true, .. })
    }
}

impl Protocol for WakeUps {
    fn take(&self, state: &mut State, step: &Step, tale: &mut Tale) {
        match *step {
            Step::Write => {
                state.writes += 1;
                state.pushes += u8::from(state.is_subscribed());
                if self.clauses.keep(trial::ORDER) {
                    state.version += 1;
                    tale.say(format_args!("version {} is written, and told", state.version));
                } else {
                    state.told = true;
                    tale.say(format_args!("version {} is told, and not yet written", state.version + 1));
                }
            }
            Step::Land => {
                state.version += 1;
                state.told = false;
                tale.say(format_args!("version {} is written", state.version));
            }
            Step::Hear => {
                state.pushes -= 1;
                if state.waiters.iter().any(|waiter| waiter.noted.is_some() && !waiter.sleeps) {
                    self.sights.see(BETWEEN);
                }
                if state.waiters.iter().any(|waiter| waiter.sleeps) {
                    self.sights.see(WOKEN);
                }
                tale.say(format_args!("the client hears of a write"));
                self.hears(state);
            }
            Step::Cut => {
                (state.connection, state.pushes) = (Connection::Down, 0);
                state.cuts += 1;
                tale.say(format_args!("the connection is cut, with all that is on its way"));
            }
            Step::Connect => {
                state.connection = Connection::Back { subscribed: false, said: !self.clauses.keep(trial::GAP) };
                tale.say(format_args!("there is a new connection"));
            }
            Step::Subscribe | Step::SayGap => self.comes_back(state, step, tale),
            Step::Register(number) => {
                state.waiters[usize::from(number)].noted = Some(state.heard);
                tale.say(format_args!("{} registers", name(number)));
            }
            Step::Look(number) => {
                state.waiters[usize::from(number)].saw = Some(state.version);
                tale.say(format_args!("{} looks, and sees version {}", name(number), state.version));
            }
            Step::Conclude(number) => self.concludes(state, number, tale),
            Step::Wake(number) => {
                let waiter = &mut state.waiters[usize::from(number)];
                (waiter.sleeps, waiter.noted, waiter.saw) = (false, None, None);
                tale.say(format_args!("{} wakes", name(number)));
            }
        }
    }

    fn sights(&self) -> &Sights {
        &self.sights
    }
}

impl WakeUps {
    fn comes_back(&self, state: &mut State, step: &Step, tale: &mut Tale) {
        let Connection::Back { mut subscribed, mut said } = state.connection else { return };
        if *step == Step::Subscribe {
            subscribed = true;
            tale.say(format_args!("it is subscribed"));
        } else {
            said = true;
            if state.waiters.iter().any(|waiter| waiter.sleeps && state.version > waiter.knows) {
                self.sights.see(BY_GAP);
            }
            tale.say(format_args!("all who wait hear of a gap"));
            self.hears(state);
        }
        state.connection = if subscribed && said { Connection::Up } else { Connection::Back { subscribed, said } };
    }

    fn concludes(&self, state: &mut State, number: u8, tale: &mut Tale) {
        let waiter = &mut state.waiters[usize::from(number)];
        let saw = waiter.saw.take().unwrap_or_default();
        if saw > waiter.knows {
            self.sights.see(FOUND);
            if saw > waiter.knows + 1 {
                self.sights.see(AT_ONCE);
            }
            (waiter.knows, waiter.noted) = (saw, None);
            tale.say(format_args!("{} has version {saw}, and waits for the next", name(number)));
        } else {
            waiter.sleeps = true;
            tale.say(format_args!("{} sleeps", name(number)));
        }
    }
}

fn name(waiter: u8) -> char {
    char::from(b'A' + waiter)
}

#[cfg(test)]
mod tests {
    use super::{WakeUps, trial::*};
    use crate::family::{holds, needs};

    crate::tests! { WakeUps:
        holds pushes;
        needs REGISTER, LEVEL, GAP, SUBSCRIBED, ORDER;
    }
}
