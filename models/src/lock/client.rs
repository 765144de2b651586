//! A client: what it sends, and what it believes; as `lock/lease.rs`, `lock/give_back.rs` and `lock/desk` of core.

use super::{
    COUNTED, FREED_BY_EARLIER_COPY, IGNORED, LEASE_LOST, Lock, OFFER_OVER, PASSED_ON, RENEWAL_TOO_LATE, RENEWED,
    TOO_LATE, clause,
    state::{Answer, Client, Does, Owner, Request, State, Wrong, name},
};
use crate::Tale;

impl Client {
    /// Whether the claim that it has may be sent.
    pub(crate) fn may_use_claim(&self, lock: &Lock) -> bool {
        !self.dead || !lock.clauses.keep(clause::L_8)
    }
}

impl Lock {
    fn owner(state: &State, client: u8) -> Owner {
        Owner { client, nth: state.clients[usize::from(client)].nth }
    }

    pub(crate) fn asks(&self, state: &mut State, number: u8, tale: &mut Tale) {
        let sent = state.now;
        let client = &mut state.clients[usize::from(number)];
        client.asks += 1;
        if matches!(client.does, Does::Asks { .. }) {
            tale.say(format_args!("{} asks again", name(number)));
        } else {
            let anew = client.dead && client.may_use_claim(self);
            if !client.may_use_claim(self) {
                client.nth += 1;
            }
            (client.dead, client.freed, client.does) = (false, false, Does::Asks { offered: None });
            client.place += u8::from(client.asks > 1);
            tale.say(format_args!(
                "{} asks for the name{}",
                name(number),
                if anew { ", with the claim that it has released" } else { "" }
            ));
        }
        let place = client.place;
        state.requests.put(Request::Ask { owner: Self::owner(state, number), place, sent });
    }

    pub(crate) fn renews(&self, state: &mut State, number: u8, tale: &mut Tale) {
        let (sent, owner) = (state.now, Self::owner(state, number));
        let client = state.of(owner);
        client.renewals += 1;
        let Does::Holds { token, until } = &mut client.does else { return };
        let token = *token;
        tale.say(format_args!("{} sends a renewal", name(number)));
        if !self.clauses.keep(clause::L_31) {
            *until = sent + self.scope.ttl;
            tale.say(format_args!("it counts on it until {until}"));
        }
        state.requests.put(Request::Renew { owner, token, sent });
    }

    pub(crate) fn releases(&self, state: &mut State, number: u8, tale: &mut Tale) {
        let owner = Self::owner(state, number);
        let client = state.of(owner);
        client.releases += 1;
        let (token, until, copies) = match client.does {
            Does::Holds { token, until } => (Some(token), until, 0),
            Does::GivesBack { token, until, copies } => (token, until, copies),
            Does::Nothing | Does::Asks { .. } => (None, 0, 0),
        };
        let again = if copies > 0 { " again" } else { "" };
        tale.say(format_args!("{} sends a release{again}", name(number)));
        (client.dead, client.does) = (true, Does::GivesBack { token, until, copies: copies + 1 });
        state.requests.put(Request::Release { owner, token });
    }

    /// The future that waits is dropped: what it was handed or granted is given back.
    pub(crate) fn drops(&self, state: &mut State, number: u8, tale: &mut Tale) {
        let owner = Self::owner(state, number);
        let dies = self.clauses.keep(clause::L_8_DROPPED);
        let client = state.of(owner);
        client.drops += 1;
        (client.does, client.dead) = (Does::Nothing, dies);
        let place = client.place;
        tale.say(format_args!("{} waits no more; the server will be told", name(number)));
        state.requests.put(Request::Leave { owner, place, handed: None });
    }

    pub(crate) fn dies(&self, state: &mut State, number: u8, tale: &mut Tale) {
        tale.say(format_args!("{} dies", name(number)));
        state.deaths += 1;
        state.answers.retain(|answer| answer.to() != number);
        let client = &mut state.clients[usize::from(number)];
        (client.alive, client.does) = (false, Does::Nothing);
    }

    pub(crate) fn hears(&self, state: &mut State, answer: &Answer, tale: &mut Tale) {
        match *answer {
            Answer::Granted { owner, place, token, sent } => self.hears_grant(state, (owner, place), token, sent, tale),
            Answer::Renewed { owner, token, sent } => self.hears_renewal(state, owner, token, sent, tale),
            Answer::Released { owner, ours } => self.hears_release(state, owner, ours, tale),
            Answer::Offer { owner, place, token, expires } => {
                self.hears_offer(state, owner, place, token, expires, tale);
            }
            Answer::Wait { owner, sent, at } => {
                tale.say(format_args!("{} learns that it was {at} at the server after {sent}", name(owner.client)));
                let seen = &mut state.of(owner).seen;
                *seen = (*seen).max(Some((sent, at)));
            }
        }
    }

    fn hears_grant(&self, state: &mut State, (owner, place): (Owner, u8), token: u8, sent: u8, tale: &mut Tale) {
        let (now, who) = (state.now, name(owner.client));
        tale.say(format_args!("{who} hears that {owner}'s request of {sent} was granted with token {token}"));
        let client = state.of(owner);
        let is_for_another = client.dead || client.nth != owner.nth || client.place != place;
        if is_for_another && self.clauses.keep(clause::L_9) {
            self.sights.see(IGNORED);
            return tale.say(format_args!("nobody waits for that answer any more"));
        }
        let deadline = if self.clauses.keep(clause::L_28) { sent } else { now } + self.scope.ttl;
        let token = match client.does {
            // Somebody was told already: it can only get later.
            Does::Holds { token: mine, until } => {
                if mine == token && until > now {
                    client.does = Does::Holds { token, until: until.max(deadline) };
                }
                return;
            }
            Does::Asks { offered } => offered.unwrap_or(token),
            Does::Nothing | Does::GivesBack { .. } => {
                if self.clauses.keep(clause::L_9) {
                    return;
                }
                token
            }
        };
        if deadline <= now && self.clauses.keep(clause::L_32) {
            self.sights.see(TOO_LATE);
            tale.say(format_args!("its deadline was {deadline}: it is released"));
            (client.dead, client.does) = (true, Does::GivesBack { token: None, until: 0, copies: 1 });
            return state.requests.put(Request::Release { owner, token: None });
        }
        client.does = Does::Holds { token, until: deadline };
        tale.say(format_args!("{who} works until {deadline}"));
        if deadline <= now && state.working().next().is_some() {
            state.wrong(Wrong::LateGrant);
        }
    }

    fn hears_renewal(&self, state: &mut State, owner: Owner, token: u8, sent: u8, tale: &mut Tale) {
        let now = state.now;
        let client = state.of(owner);
        tale.say(format_args!("{} hears that its renewal of {sent} was carried out", name(owner.client)));
        let is_alive = !client.dead && client.nth == owner.nth;
        let Does::Holds { token: mine, until } = client.does else { return };
        if mine != token || !is_alive {
            return;
        }
        let deadline = sent + self.scope.ttl;
        if until <= now && (self.clauses.keep(clause::L_34) || deadline <= now) {
            return tale.say(format_args!("but the lease is lost for good"));
        }
        if deadline <= now {
            self.sights.see(RENEWAL_TOO_LATE);
            tale.say(format_args!("past that renewal's own deadline"));
            if !self.clauses.keep(clause::L_33) {
                tale.say(format_args!("it is released, as a late grant is"));
                state.requests.put(Request::Release { owner, token: Some(token) });
            }
            return;
        }
        if deadline > until {
            self.sights.see(RENEWED);
            client.does = Does::Holds { token, until: deadline };
            tale.say(format_args!("it works until {deadline}"));
        }
        if until <= now {
            state.wrong(Wrong::Revived);
        }
    }

    /// The verdict, as `GiveBack::judge` makes it.
    fn hears_release(&self, state: &mut State, owner: Owner, ours: bool, tale: &mut Tale) {
        let (now, lost_data) = (state.now, state.losses > 0);
        let client = state.of(owner);
        let Does::GivesBack { token: Some(_), until, copies } = client.does else { return };
        if client.nth != owner.nth {
            return;
        }
        let in_time = until > now || !self.clauses.keep(clause::T_32_DEADLINE);
        let earlier_copy = copies > 1 && in_time && self.clauses.keep(clause::T_32);
        let is_ok = ours || earlier_copy || !self.clauses.keep(clause::T_33);
        let verdict = if is_ok { "Ok" } else { "lost" };
        tale.say(format_args!(
            "{} hears that its release found {}: {verdict}",
            name(owner.client),
            if ours { "its lease" } else { "nothing of its own" }
        ));
        (client.does, client.dead) = (Does::Nothing, true);
        let freed = client.freed;
        if is_ok && !ours {
            self.sights.see(FREED_BY_EARLIER_COPY);
        }
        if !is_ok {
            self.sights.see(LEASE_LOST);
        }
        if is_ok && !freed && !lost_data {
            state.wrong(Wrong::FalseOk);
        }
        if !is_ok && freed && until > now {
            state.wrong(Wrong::FalseLoss);
        }
    }

    fn hears_offer(&self, state: &mut State, owner: Owner, place: u8, token: u8, expires: u8, tale: &mut Tale) {
        let now = state.now;
        let client = state.of(owner);
        tale.say(format_args!("{} hears that the name was handed to it with token {token}", name(owner.client)));
        let waits = matches!(client.does, Does::Asks { .. }) && !client.dead && client.nth == owner.nth;
        if !waits {
            if !self.clauses.keep(clause::L_53) {
                let is_kept = state.live().is_some_and(|held| held.handed && held.owner == owner);
                if is_kept && !state.queue.is_empty() {
                    state.wrong(Wrong::Kept);
                }
                return tale.say(format_args!("it does not wait any more"));
            }
            self.sights.see(PASSED_ON);
            tale.say(format_args!("it does not wait any more, and passes it on"));
            return state.requests.put(Request::Leave { owner, place, handed: Some(token) });
        }
        if !self.clauses.keep(clause::L_51) {
            client.does = Does::Holds { token, until: now + Self::SHORT };
            return tale.say(format_args!("it works until {}", now + Self::SHORT));
        }
        if self.scope.counts == 1 {
            return self.counts(client, now, token, expires, tale);
        }
        if !self.clauses.keep(clause::L_50) {
            client.does = Does::Asks { offered: Some(token) };
        }
        tale.say(format_args!("it asks for the rest of its time"));
        let place = client.place;
        state.requests.put(Request::Ask { owner, place, sent: now });
    }

    /// The deadline of a hand-over, from the server's time of the last answer.
    fn counts(&self, client: &mut Client, now: u8, token: u8, expires: u8, tale: &mut Tale) {
        let Some((sent, at)) = client.seen else { return };
        let is_over = expires <= at;
        if is_over && self.clauses.keep(clause::L_52) {
            self.sights.see(OFFER_OVER);
            return tale.say(format_args!("it ended at {expires}, and it was {at} at the server: that is over"));
        }
        self.sights.see(COUNTED);
        let ahead = if is_over { u8::MAX / 2 } else { expires - at };
        let until = (sent + ahead).min(now + Self::SHORT);
        client.does = Does::Holds { token, until };
        tale.say(format_args!("it works until {until}"));
    }
}
