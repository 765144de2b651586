//! The lock: leases, repeats, late answers, hand-over, those who wait.
//!
//! **Modelled.** One name on one server, and clients that ask for it, repeat themselves, renew, release, are dropped, or die. A step
//! on the server is one instant, as a script is ([`server`], after `lock.lua`, `acquire.lua`, `wait.lua`, `queue.lua`,
//! `release.lua`, `pass.lua`, `leave.lua` and `renew.lua`); in the scope `statements` a renewal reads the clock, and may wait before
//! it writes, as a statement on a row does. What a client believes is counted as `lock/lease.rs` of core does it ([`client`]).
//! Requests and answers come in any order or never; a repeat is another copy of the same request.
//!
//! **Stricter than the code** in one thing: the claim of a wait that was dropped is dead, as if it had been released. `wait.lua` keeps it alive,
//! and notes a name of which two places of one owner were told as that of neither: what a dropped wait gives back then frees nothing
//! (clause `L-8:dropped` is what was wrong before, and how the shortest story goes).
//!
//! **Time** is one clock of whole ticks for the server and the clients, whose clocks run alike: so the margin of L-28 is left out, and
//! a lease ends for its holder at the very tick at which it may end for the server, never later. Tokens are seeded from it.
//!
//! **Left out.** The line of those who wait inside one client (each client has one waiter at a time); that a client which does not
//! listen is passed over by a hand-over (here it is handed the name, which is worse); errors of formats; the seven days after which
//! a record goes (losing all data stands for it); `renew_many`, which is renewals one by one.

mod clause;
mod client;
mod idle;
mod promise;
mod server;
mod state;
mod trial;

use stateright::{Model, Property};

use self::state::{Does, State, Step};
use crate::{
    Clauses, Protocol, Sights, Tale,
    family::{Family, Named, Trial},
    scope::settings,
};

/// How far a model of the lock goes. Times are ticks; all others are numbers of requests of each client, or of events.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope {
    /// Who wants the name.
    pub(crate) clients: u8,
    /// The most requests of each kind of every client but the first, A.
    pub(crate) others: u8,
    /// Of a lease.
    pub(crate) ttl: u8,
    /// The last tick.
    pub(crate) horizon: u8,
    /// Attempts and refreshes of each client, copies included.
    pub(crate) asks: u8,
    /// Renewals of each client.
    pub(crate) renewals: u8,
    /// Releases of each client, copies included.
    pub(crate) releases: u8,
    /// Owners of each client: one more than it may begin anew after a release.
    pub(crate) owners: u8,
    /// So many of the clients stand in line; the others only try.
    pub(crate) waits: u8,
    /// How often a client that waits may be dropped.
    pub(crate) drops: u8,
    /// Clients that may die.
    pub(crate) deaths: u8,
    /// How often the server may lose its data.
    pub(crate) losses: u8,
    /// 1 where a renewal on the server may wait between the clock and the row.
    pub(crate) statements: u8,
    /// 1 where the receiver of a hand-over counts from the server's time instead of asking again.
    pub(crate) counts: u8,
}

settings!(Scope: clients, others, ttl, horizon, asks, renewals, releases, owners, waits, drops, deaths, losses, statements, counts);

impl Scope {
    /// What this client may do.
    fn of(mut self, client: u8) -> Self {
        if client > 0 {
            for budget in [&mut self.asks, &mut self.renewals, &mut self.releases, &mut self.drops] {
                *budget = self.others.min(*budget);
            }
            self.owners = self.owners.min(self.others + 1);
        }
        self
    }
}

/// Two clients that try, repeat and give up.
pub(crate) const REPEATS: Scope = Scope {
    clients: 2,
    others: 1,
    ttl: 2,
    horizon: 4,
    asks: 2,
    renewals: 0,
    releases: 2,
    owners: 2,
    waits: 0,
    drops: 0,
    deaths: 0,
    losses: 0,
    statements: 0,
    counts: 0,
};

/// A holder that renews, and another who wants the name.
pub(crate) const RENEWALS: Scope = Scope { horizon: 5, renewals: 2, releases: 1, owners: 1, ..REPEATS };

/// As `RENEWALS`, where a renewal is not one instant.
pub(crate) const STATEMENTS: Scope = Scope { statements: 1, releases: 0, ..RENEWALS };

/// Clients that stand in line, and may die there.
pub(crate) const WAITING: Scope = Scope { waits: 2, releases: 1, deaths: 1, ..REPEATS };

/// One that waits, and one that does not.
pub(crate) const MIXED: Scope = Scope { waits: 1, others: 2, releases: 1, owners: 1, ..REPEATS };

/// A waiter that is dropped and comes again.
pub(crate) const DROPPED: Scope = Scope { drops: 1, deaths: 0, horizon: 3, ..WAITING };

/// Hand-overs whose receiver counts from the server's time.
pub(crate) const COUNTING: Scope =
    Scope { clients: 3, waits: 1, counts: 1, deaths: 0, owners: 1, horizon: 2, ..WAITING };

/// A server that loses its data.
pub(crate) const LOSSES: Scope = Scope { losses: 1, releases: 1, horizon: 3, ..REPEATS };

pub(crate) const EXTENDED: &str = "a repeat by the live owner extends the lease";
pub(crate) const TOO_LATE: &str = "a grant's answer comes too late and is released";
pub(crate) const IGNORED: &str = "an answer to a dead claim is ignored";
pub(crate) const ANEW: &str = "an owner whose lease has expired is granted the name anew";
pub(crate) const FREED_BY_EARLIER_COPY: &str = "a repeated release finds that an earlier copy has freed the name";
pub(crate) const LEASE_LOST: &str = "a release finds the lease lost";
pub(crate) const LATE_REQUEST_HOLDS: &str = "a request that comes late takes the name for nobody";
pub(crate) const RENEWED: &str = "a renewal moves the local deadline";
pub(crate) const RENEWAL_TOO_LATE: &str = "a renewal's answer comes past its own deadline";
pub(crate) const NOT_REVIVED: &str = "a renewal comes after the expiry";
pub(crate) const OVERTAKEN: &str = "a renewal writes after a later one has";
pub(crate) const HANDED_OVER: &str = "a release hands the name over";
pub(crate) const TAKEN_UP: &str = "a hand-over is taken up";
pub(crate) const TAKEN_BY_REFRESH: &str = "a waiter's refresh takes the free name";
pub(crate) const DEAD_PLACE_PASSED: &str = "the place of a dead waiter is passed over";
pub(crate) const LAPSED: &str = "a hand-over to a dead client lapses, and the next one has the name";
pub(crate) const PASSED_ON: &str = "a hand-over to a waiter that has left is passed on";
pub(crate) const LEFT: &str = "a waiter that has left gives back what it was granted";
pub(crate) const COUNTED: &str = "a hand-over counts from the server's time";
pub(crate) const OFFER_OVER: &str = "a hand-over is over when it is heard of";
pub(crate) const DATA_LOST: &str = "a grant follows a loss of data";
pub(crate) const TWO_AFTER_LOSS: &str = "two hold the name after a loss of data, and their tokens tell them apart";

/// The protocol, in a scope.
#[derive(Debug)]
pub(crate) struct Lock {
    scope: Scope,
    clauses: Clauses,
    sights: Sights,
}

impl Family for Lock {
    const NAME: &'static str = "lock";
    type Scope = Scope;
    const SCOPES: &'static [Named<Scope>] = &[
        (
            "repeats",
            REPEATS,
            &[EXTENDED, TOO_LATE, IGNORED, ANEW, FREED_BY_EARLIER_COPY, LEASE_LOST, LATE_REQUEST_HOLDS],
        ),
        ("renewals", RENEWALS, &[RENEWED, RENEWAL_TOO_LATE, NOT_REVIVED]),
        ("statements", STATEMENTS, &[OVERTAKEN, RENEWED]),
        ("waiting", WAITING, &[HANDED_OVER, TAKEN_UP, TAKEN_BY_REFRESH, DEAD_PLACE_PASSED, LAPSED]),
        ("mixed", MIXED, &[HANDED_OVER, TAKEN_BY_REFRESH, EXTENDED]),
        ("dropped", DROPPED, &[PASSED_ON, HANDED_OVER, LEFT]),
        ("counting", COUNTING, &[COUNTED, OFFER_OVER]),
        ("losses", LOSSES, &[DATA_LOST, TWO_AFTER_LOSS]),
    ];
    const TRIALS: &'static [Trial] = trial::TRIALS;

    fn of(scope: Scope, clauses: Clauses, sights: &[&'static str]) -> Self {
        Self { scope, clauses, sights: Sights::of(sights) }
    }
}

impl Lock {
    /// How long a hand-over lasts; also how long a refresh may be away. A place counts for two of these.
    const SHORT: u8 = 1;
    const PLACE: u8 = 2;

    const fn waits(&self, client: u8) -> bool {
        client < self.scope.waits
    }

    fn steps_of(&self, state: &State, number: u8, steps: &mut Vec<Step>) {
        let (scope, client) = (self.scope.of(number), &state.clients[usize::from(number)]);
        if !client.alive {
            return;
        }
        let may_ask = client.asks < scope.asks;
        match client.does {
            Does::Nothing | Does::GivesBack { .. } => {
                if may_ask && (client.may_use_claim(self) || client.nth + 1 < scope.owners) {
                    steps.push(Step::Ask(number));
                }
            }
            Does::Asks { .. } => {
                if may_ask {
                    steps.push(Step::Ask(number));
                }
                if self.waits(number) && client.drops < scope.drops {
                    steps.push(Step::Drop(number));
                }
            }
            Does::Holds { until, .. } => {
                if until <= state.now && may_ask {
                    steps.push(Step::Ask(number));
                }
                if until > state.now && client.renewals < scope.renewals {
                    steps.push(Step::Renew(number));
                }
            }
        }
        let has_something = !matches!(client.does, Does::Nothing);
        if has_something && client.releases < scope.releases {
            steps.push(Step::Release(number));
        }
        if state.deaths < scope.deaths {
            steps.push(Step::Die(number));
        }
    }
}

impl Model for Lock {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self.scope.clients)]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        // What is broken stays broken.
        if state.wrong.is_some() {
            return;
        }
        if state.now < self.scope.horizon {
            steps.push(Step::Tick);
        }
        for number in 0..self.scope.clients {
            self.steps_of(state, number, steps);
        }
        steps.extend(state.requests.each().map(|request| Step::Arrives(*request)));
        steps.extend(state.answers.each().map(|answer| Step::Hears(*answer)));
        if state.losses < self.scope.losses && state.now < self.scope.horizon {
            steps.push(Step::Lose);
        }
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        Some(self.after(state, &step))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        promise::all()
    }
}

impl Protocol for Lock {
    fn take(&self, state: &mut State, step: &Step, tale: &mut Tale) {
        match step {
            Step::Tick => {
                state.now += 1;
                tale.say(format_args!("it is now {}", state.now));
            }
            Step::Ask(client) => self.asks(state, *client, tale),
            Step::Renew(client) => self.renews(state, *client, tale),
            Step::Release(client) => self.releases(state, *client, tale),
            Step::Drop(client) => self.drops(state, *client, tale),
            Step::Die(client) => self.dies(state, *client, tale),
            Step::Lose => self.loses(state, tale),
            Step::Arrives(request) => {
                state.requests.take(request);
                self.arrives(state, request, tale);
            }
            Step::Hears(answer) => {
                state.answers.take(answer);
                self.hears(state, answer, tale);
            }
        }
        self.judge(state);
        self.drops_idle(state);
    }

    fn sights(&self) -> &Sights {
        &self.sights
    }
}

#[cfg(test)]
mod tests;
