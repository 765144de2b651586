//! State: conditional writes whose answers get lost, and fences.
//!
//! **Modelled.** Two keys on one server. A client calls: it saves or deletes under a precondition, commits, or raises the mark; the
//! request may stay under way for as long as it likes; without an answer the client sends it again, or reads again, or gives up, as
//! the contract allows for that kind of call, and tells its caller what it knows. A request on the server is one instant ([`store`],
//! after `value.lua`, `save.lua`, `delete.lua`, `commit.lua` and `fence.lua`); what an answer means is made of it as
//! `state/answer.rs` of `concurrency-redis` does ([`client`]). A value may expire at any time.
//!
//! **The judge** knows which write was carried out, and holds that against what callers were told: `NotApplied` was never and will
//! never be applied; `Ok` was; `Unknown { settled: true }` will not be any more; nothing is applied twice.
//!
//! **Left out.** Lists, bulk writes that are independent of one another, the retention of marks (they outlast the model), backends that
//! keep the replaced token (G-60, G-61), and the transaction of the caller.

mod client;
mod promise;
mod store;
mod trial;

use stateright::{Model, Property};

use self::store::Store;
use crate::{
    Bag, Clauses, Protocol, Sights, Tale,
    family::{Family, Named, Trial},
    scope::settings,
};

/// How far a model of the state store goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope {
    /// Who calls.
    pub(crate) clients: u8,
    /// Calls of each.
    pub(crate) calls: u8,
    /// The most copies of a request.
    pub(crate) copies: u8,
    /// 1 for calls under the version that was read.
    pub(crate) versions: u8,
    /// 1 for calls without a version.
    pub(crate) blind: u8,
    /// 1 for commits, and for calls of the second key, which commits check.
    pub(crate) commits: u8,
    /// 1 where every write carries a fencing token, higher for each client, and marks are raised.
    pub(crate) fences: u8,
    /// How often a value may expire.
    pub(crate) expiries: u8,
}

settings!(Scope: clients, calls, copies, versions, blind, commits, fences, expiries);

/// Writes under a version, some deleted and made again.
pub(crate) const VERSIONS: Scope =
    Scope { clients: 2, calls: 2, copies: 2, versions: 1, blind: 0, commits: 0, fences: 0, expiries: 1 };
/// Writes without one beside them.
pub(crate) const BLIND: Scope = Scope { blind: 1, expiries: 0, ..VERSIONS };
/// Commits that check another key.
pub(crate) const COMMITS: Scope = Scope { versions: 0, commits: 1, expiries: 0, ..VERSIONS };
/// Fenced writes.
pub(crate) const FENCES: Scope = Scope { fences: 1, ..VERSIONS };

pub(crate) const OK_AFTER_LOSS: &str = "a repeat finds that an earlier copy was carried out";
pub(crate) const MOVED_ON: &str = "a repeat finds another version, and nobody knows";
pub(crate) const IN_THE_WAY: &str = "a repeat is refused while its own version still stands";
pub(crate) const FENCED: &str = "a late write meets the mark";
pub(crate) const FENCED_REPEAT: &str = "a repeat meets the mark";
pub(crate) const CONFLICT: &str = "a write is refused";
pub(crate) const FOUND_AGAIN: &str = "a read finds the write whose answer was lost";
pub(crate) const LATE: &str = "a write is carried out after its caller was told that it is unknown";
pub(crate) const MADE_AGAIN: &str = "a deleted key is made again";

/// One call: what it asks of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Call {
    /// Its number, and the version that it would store.
    pub(crate) id: u8,
    /// Whose.
    pub(crate) client: u8,
    /// What is to be done.
    pub(crate) kind: Kind,
    /// The version that it must find under the key that it writes, and which write that was.
    pub(crate) reads: Option<(u8, u8)>,
    /// The version that a commit must find under the second key, which it only checks.
    pub(crate) checks: Option<u8>,
    /// Its fencing token.
    pub(crate) token: Option<u8>,
}

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A save of this key, under `Match` or `Any`.
    Save(u8),
    /// A delete of this key, under `Match` or `Any`.
    Delete(u8),
    /// A save of the first key under `Match`, if the second is absent.
    CommitIfAbsent,
    /// A save of the first key under `Any`, if the second has the version that was read.
    CommitIfSame,
    /// A raised mark.
    Fence,
}

/// What a caller was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Said {
    /// Done.
    Ok,
    /// Refused: `Conflict` or `Fenced`, with `NotApplied`.
    Refused,
    /// `Unknown`, and whether it is settled.
    Unknown(bool),
}

/// What the server said to one copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Answer {
    /// To whom.
    pub(crate) client: u8,
    /// To which copy of which call.
    pub(crate) copy: (u8, u8),
    /// Nothing where it was carried out.
    pub(crate) refusal: Option<Refusal>,
}

/// Why a copy was refused, and what it found of earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Refusal {
    /// By the mark, else by a precondition.
    pub(crate) fenced: bool,
    /// The version of the call is stored under a key of it.
    pub(crate) is_there: bool,
    /// A key that it writes under a version no longer has that one.
    pub(crate) has_moved: bool,
    /// What it wrote stands there: only the judge looks at it.
    pub(crate) stands: bool,
}

/// What a client is at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Client {
    /// Calls that it has begun.
    pub(crate) calls: u8,
    /// The one that it waits for, and how many copies it has sent.
    pub(crate) waits: Option<(Call, u8)>,
}

/// All there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) clients: Vec<Client>,
    pub(crate) requests: Bag<(Call, u8)>,
    pub(crate) answers: Bag<Answer>,
    pub(crate) expiries: u8,
    /// What callers were told.
    pub(crate) said: Bag<(u8, Said)>,
    /// What was carried out.
    pub(crate) applied: Bag<u8>,
    pub(crate) wrong: Option<&'static str>,
}

impl State {
    /// The first wrong is the one that counts.
    pub(crate) fn wrong(&mut self, promise: &'static str) {
        self.wrong = self.wrong.or(Some(promise));
    }
}

/// What may happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A client reads, and calls.
    Begin(u8, Kind, bool),
    /// It sends the same again.
    Repeat(u8),
    /// It reads, to see whether its write is there.
    Reread(u8),
    /// It has waited long enough.
    GiveUp(u8),
    /// A copy at the server.
    Arrives(Call, u8),
    /// An answer at its client.
    Hears(Answer),
    /// A value is over.
    Expire(u8),
}

/// The protocol, in a scope.
#[derive(Debug)]
pub(crate) struct StateStore {
    pub(crate) scope: Scope,
    pub(crate) clauses: Clauses,
    pub(crate) sights: Sights,
}

impl Family for StateStore {
    const NAME: &'static str = "state";
    type Scope = Scope;
    const SCOPES: &'static [Named<Scope>] = &[
        ("versions", VERSIONS, &[OK_AFTER_LOSS, MOVED_ON, CONFLICT, LATE, MADE_AGAIN]),
        ("blind", BLIND, &[FOUND_AGAIN, LATE, OK_AFTER_LOSS, MOVED_ON]),
        ("commits", COMMITS, &[IN_THE_WAY, OK_AFTER_LOSS, MOVED_ON, FOUND_AGAIN]),
        ("fences", FENCES, &[FENCED, FENCED_REPEAT, MADE_AGAIN]),
    ];
    const TRIALS: &'static [Trial] = trial::TRIALS;

    fn of(scope: Scope, clauses: Clauses, sights: &[&'static str]) -> Self {
        Self { scope, clauses, sights: Sights::of(sights) }
    }
}

impl StateStore {
    /// What a client may call, and whether under the version that it reads.
    fn begins(&self, number: u8, steps: &mut Vec<Step>) {
        let mut begin = |kind, under| steps.push(Step::Begin(number, kind, under));
        if self.scope.versions == 1 {
            begin(Kind::Save(0), true);
            begin(Kind::Delete(0), true);
        }
        if self.scope.blind == 1 {
            begin(Kind::Save(0), false);
        }
        if self.scope.commits == 1 {
            begin(Kind::CommitIfAbsent, true);
            begin(Kind::CommitIfSame, false);
            begin(Kind::Save(1), false);
            begin(Kind::Delete(1), false);
        }
        if self.scope.fences == 1 {
            begin(Kind::Fence, false);
        }
    }
}

impl Model for StateStore {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let client = Client { calls: 0, waits: None };
        vec![State {
            store: Store::default(),
            clients: vec![client; usize::from(self.scope.clients)],
            requests: Bag::default(),
            answers: Bag::default(),
            expiries: 0,
            said: Bag::default(),
            applied: Bag::default(),
            wrong: None,
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if state.wrong.is_some() {
            return;
        }
        for (number, client) in (0..).zip(&state.clients) {
            match client.waits {
                None if client.calls < self.scope.calls => self.begins(number, steps),
                None => {}
                Some((call, copies)) => {
                    if self.may_repeat(&call) && copies < self.scope.copies {
                        steps.push(Step::Repeat(number));
                    }
                    if call.is_found_by_reading() && !self.may_repeat(&call) {
                        steps.push(Step::Reread(number));
                    }
                    steps.push(Step::GiveUp(number));
                }
            }
        }
        steps.extend(state.requests.each().map(|(call, copy)| Step::Arrives(*call, *copy)));
        steps.extend(state.answers.each().map(|answer| Step::Hears(*answer)));
        if state.expiries < self.scope.expiries && state.store.values[0].is_some() {
            steps.push(Step::Expire(0));
        }
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        Some(self.after(state, &step))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        promise::all()
    }
}

impl Protocol for StateStore {
    fn take(&self, state: &mut State, step: &Step, tale: &mut Tale) {
        match step {
            Step::Begin(client, kind, under) => self.begin(state, *client, *kind, *under, tale),
            Step::Repeat(client) => self.repeat(state, *client, tale),
            Step::Reread(client) => self.reread(state, *client, tale),
            Step::GiveUp(client) => self.gives_up(state, *client, tale),
            Step::Arrives(call, copy) => {
                state.requests.take(&(*call, *copy));
                self.arrives(state, call, *copy, tale);
            }
            Step::Hears(answer) => {
                state.answers.take(answer);
                self.hears(state, answer, tale);
            }
            Step::Expire(key) => self.expire(state, *key, tale),
        }
        // An answer that nobody waits for any more matters to nobody.
        let State { answers, clients, .. } = state;
        answers.retain(|answer| {
            let waits = clients[usize::from(answer.client)].waits;
            waits.is_some_and(|(call, copies)| (call.id, copies) == answer.copy)
        });
    }

    fn sights(&self) -> &Sights {
        &self.sights
    }
}

#[cfg(test)]
mod tests;
