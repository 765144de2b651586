//! The server: what the scripts of `concurrency-redis` do, one function for each.

use super::{
    ANEW, DATA_LOST, DEAD_PLACE_PASSED, EXTENDED, HANDED_OVER, LAPSED, LATE_REQUEST_HOLDS, LEFT, Lock, NOT_REVIVED,
    OVERTAKEN, TAKEN_BY_REFRESH, TAKEN_UP, clause,
    state::{Answer, Held, Owner, Place, Record, Request, State, Wrong, name},
};
use crate::Tale;

/// Tokens of one tick: more than there are grants in one.
const TOKENS: u8 = 10;

impl Lock {
    pub(crate) fn arrives(&self, state: &mut State, request: &Request, tale: &mut Tale) {
        match *request {
            Request::Ask { owner, place, sent } => {
                tale.say(format_args!("{owner}'s request of {sent} arrives"));
                self.acquire(state, owner, place, sent, tale);
            }
            Request::Renew { owner, token, sent } if self.scope.statements == 1 => {
                tale.say(format_args!("{owner}'s renewal of {sent} arrives, reads the clock and waits for the row"));
                state.requests.put(Request::Renewing { owner, token, sent, read: state.now });
            }
            Request::Renew { owner, token, sent } => self.renew(state, owner, token, sent, state.now, tale),
            Request::Renewing { owner, token, sent, read } => self.renew(state, owner, token, sent, read, tale),
            Request::Release { owner, token } => self.release(state, owner, token, tale),
            Request::Leave { owner, place, handed } => self.leave(state, (owner, place), handed, tale),
        }
    }

    pub(crate) fn loses(&self, state: &mut State, tale: &mut Tale) {
        state.now += 1;
        tale.say(format_args!("the server goes down, and is back at {} without its data", state.now));
        (state.record, state.queue) = (Record::default(), Vec::new());
        state.losses += 1;
    }

    /// `acquire.lua` and `wait.lua`.
    fn acquire(&self, state: &mut State, owner: Owner, place: u8, sent: u8, tale: &mut Tale) {
        let waits = self.waits(owner.client);
        if let Some(held) = state.live().filter(|held| held.owner == owner) {
            return self.extend(state, held, place, sent, tale);
        }
        let expired = state.record.held.filter(|held| held.owner == owner && held.expires <= state.now);
        if let Some(mut held) = expired.filter(|_| !self.clauses.keep(clause::L_7)) {
            held.expires = state.now + self.scope.ttl;
            state.record.held = Some(held);
            tale.say(format_args!("the server gives it token {} again", state.record.last));
            state.wrong(Wrong::Token);
            return self.tell(state, Answer::Granted { owner, place, token: state.record.last, sent });
        }
        let free = state.live().is_none();
        let before = self.standing(state, 0);
        let is_first = before.is_none_or(|at| waits && state.queue[at].owner.client == owner.client);
        let passes = !waits && !self.clauses.keep(clause::L_5);
        let may_take = !waits || self.clauses.keep(clause::L_56);
        if free && (is_first || passes) && may_take {
            if let Some(at) = before.filter(|_| !passes) {
                state.queue.remove(at);
                self.sights.see(TAKEN_BY_REFRESH);
            }
            if expired.is_some() {
                self.sights.see(ANEW);
            }
            if !is_first {
                state.wrong(Wrong::PastAWaiter);
            }
            self.grant(state, owner, place, self.scope.ttl, false, tale);
            return self.tell(state, Answer::Granted { owner, place, token: state.record.last, sent });
        }
        if !waits {
            return tale.say(format_args!("the name is taken"));
        }
        self.stand(state, owner, place, tale);
        let is_held_up = before.is_some_and(|at| state.queue[at].till > state.now) && !is_first;
        if free && !is_held_up {
            state.wrong(Wrong::Refused);
        }
        if self.scope.counts == 1 {
            self.tell(state, Answer::Wait { owner, sent, at: state.now });
        }
    }

    /// The live owner asks again.
    fn extend(&self, state: &mut State, mut held: Held, place: u8, sent: u8, tale: &mut Tale) {
        let owner = held.owner;
        if held.handed {
            held.place = place;
            self.sights.see(TAKEN_UP);
            tale.say(format_args!("it takes up what was handed to it"));
        } else {
            self.sights.see(EXTENDED);
            tale.say(format_args!("the name is its own already"));
        }
        held.handed = false;
        state.queue.retain(|place| place.owner.client != owner.client);
        if self.clauses.keep(clause::L_6_EXTENDS) {
            held.expires = held.expires.max(state.now + self.scope.ttl);
            tale.say(format_args!("the lease now ends at {}", held.expires));
        }
        state.record.held = Some(held);
        if !self.clauses.keep(clause::L_6_TOKEN) {
            state.record.last = self.next_token(state);
            tale.say(format_args!("the token is now {}", state.record.last));
        }
        self.tell(state, Answer::Granted { owner, place, token: state.record.last, sent });
    }

    fn grant(&self, state: &mut State, owner: Owner, place: u8, ttl: u8, handed: bool, tale: &mut Tale) {
        let token = self.next_token(state);
        if token <= state.highest {
            state.wrong(Wrong::Token);
        }
        if state.losses > 0 {
            self.sights.see(DATA_LOST);
        }
        let client = &state.clients[usize::from(owner.client)];
        if client.dead || client.nth != owner.nth {
            self.sights.see(LATE_REQUEST_HOLDS);
        }
        if state.record.held.is_some_and(|held| held.handed && !state.clients[usize::from(held.owner.client)].alive) {
            self.sights.see(LAPSED);
        }
        let expires = state.now + ttl;
        state.highest = state.highest.max(token);
        state.record = Record { last: token, held: Some(Held { owner, place, expires, handed }) };
        tale.say(format_args!("the server gives {owner} the name with token {token} until {expires}"));
    }

    fn next_token(&self, state: &State) -> u8 {
        let seed = if self.clauses.keep(clause::L_26) { state.now * TOKENS } else { 0 };
        (state.record.last + 1).max(seed)
    }

    /// `queue.lua`: the first place that counts, but for so many; what does not count is removed on the way.
    fn standing(&self, state: &mut State, behind: usize) -> Option<usize> {
        while let Some(place) = state.queue.get(behind) {
            if place.till > state.now || !self.clauses.keep(clause::L_57) {
                return Some(behind);
            }
            self.sights.see(DEAD_PLACE_PASSED);
            state.queue.remove(behind);
        }
        None
    }

    /// `queue.lua`: the client's place, if that counts, else the last one.
    fn stand(&self, state: &mut State, owner: Owner, place: u8, tale: &mut Tale) {
        let new = Place { owner, place, till: state.now + Self::PLACE };
        let own = |other: &Place| other.owner.client == owner.client;
        match state.queue.iter().position(own) {
            Some(at) if state.queue[at].till > state.now => {
                state.queue[at] = new;
                tale.say(format_args!("it keeps its place in line until {}", new.till));
            }
            _ => {
                state.queue.retain(|other| !own(other));
                state.queue.push(new);
                tale.say(format_args!("it stands in line until {}", new.till));
            }
        }
    }

    /// `queue.lua`: to the first in line, for a short time.
    fn hand_over(&self, state: &mut State, tale: &mut Tale) {
        let Some(at) = self.standing(state, 0) else { return };
        let Place { owner, place, .. } = state.queue.remove(at);
        self.sights.see(HANDED_OVER);
        self.grant(state, owner, place, Self::SHORT, true, tale);
        let expires = state.now + Self::SHORT;
        tale.say(format_args!("that is a hand-over; {} is told", name(owner.client)));
        self.tell(state, Answer::Offer { owner, place, token: state.record.last, expires });
    }

    /// `release.lua` and `pass.lua`.
    fn release(&self, state: &mut State, owner: Owner, token: Option<u8>, tale: &mut Tale) {
        let is_ours = |held: &Held| held.owner == owner && token.is_none_or(|token| token == state.record.last);
        let ours = state.live().is_some_and(|held| is_ours(&held) || !self.clauses.keep(clause::L_13));
        let other = !ours && state.live().is_some();
        tale.say(format_args!(
            "a release of {owner} arrives and finds {}",
            match (ours, other) {
                (true, _) => "its lease",
                (false, true) => "somebody else",
                (false, false) => "nobody",
            }
        ));
        state.queue.retain(|place| place.owner != owner);
        if ours {
            self.free(state);
            let client = state.of(owner);
            client.freed |= client.nth == owner.nth;
        }
        if !other {
            self.hand_over(state, tale);
        }
        self.tell(state, Answer::Released { owner, ours });
    }

    fn free(&self, state: &mut State) {
        state.record.held = None;
        if !self.clauses.keep(clause::L_24) {
            state.record.last = 0;
        }
    }

    /// `leave.lua`.
    fn leave(&self, state: &mut State, (owner, place): (Owner, u8), only: Option<u8>, tale: &mut Tale) {
        tale.say(format_args!("the server hears that wait {} of {owner} is over", place + 1));
        state.queue.retain(|other| other.owner != owner || other.place != place);
        let last = state.record.last;
        let is_whose = |held: &Held| {
            let same_token = |token| held.handed && (token == last || !self.clauses.keep(clause::L_53_TOKEN));
            held.owner == owner && held.place == place && only.is_none_or(same_token)
        };
        if state.live().is_some_and(|held| is_whose(&held)) {
            tale.say(format_args!("it frees the name, which was granted to that wait"));
            self.sights.see(LEFT);
            self.free(state);
        }
        if state.live().is_none() {
            self.hand_over(state, tale);
        }
    }

    /// `renew.lua`, with the clock as it was when that was read.
    fn renew(&self, state: &mut State, owner: Owner, token: u8, sent: u8, read: u8, tale: &mut Tale) {
        let compared = |held: &Held| {
            let token = token == state.record.last || !self.clauses.keep(clause::L_17);
            (held.owner == owner && token) || !self.clauses.keep(clause::L_16)
        };
        let Some(mut held) = state.record.held.filter(compared) else {
            return tale.say(format_args!("{owner}'s renewal of {sent} finds that the lease is gone"));
        };
        if held.expires <= read {
            self.sights.see(NOT_REVIVED);
            if self.clauses.keep(clause::L_20) {
                return tale.say(format_args!("{owner}'s renewal of {sent} finds the lease expired"));
            }
            state.wrong(Wrong::RenewedNothing);
        }
        if held.owner != owner {
            state.wrong(Wrong::RenewedAnothers);
        } else if state.record.last != token {
            state.wrong(Wrong::RenewedNothing);
        }
        let expires = read + self.scope.ttl;
        if expires < held.expires {
            self.sights.see(OVERTAKEN);
        }
        held.expires = if self.clauses.keep(clause::L_18) { held.expires.max(expires) } else { expires };
        state.record.held = Some(held);
        tale.say(format_args!("{owner}'s renewal of {sent} is carried out: the lease now ends at {}", held.expires));
        self.tell(state, Answer::Renewed { owner, token, sent });
    }

    /// The dead hear nothing.
    fn tell(&self, state: &mut State, answer: Answer) {
        if state.clients[usize::from(answer.to())].alive {
            state.answers.put(answer);
        }
    }
}

impl Answer {
    /// Whom it is for.
    pub(crate) const fn to(&self) -> u8 {
        match self {
            Self::Granted { owner, .. }
            | Self::Wait { owner, .. }
            | Self::Renewed { owner, .. }
            | Self::Released { owner, .. }
            | Self::Offer { owner, .. } => owner.client,
        }
    }
}
