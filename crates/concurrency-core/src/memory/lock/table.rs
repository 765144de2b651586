//! The rules of the lock as a state machine: who holds which name, and who stands in line for it.
//!
//! The file to break for a mutant of a rule. Nothing here waits or reads a clock: every step is given the server's time,
//! judges expiry by it, and leaves behind whom to wake in [`Table::take_woken`]. Steps on a name are atomic because the
//! caller holds the table's mutex.

use std::{
    collections::{BTreeMap, HashMap},
    mem,
    time::Duration,
};

use super::Session;
use crate::{Claim, FencingToken, Held, Owner, Released, clock::BootInstant};

/// The longest that a hand-over lasts unless its receiver extends it.
const HAND_OVER: Duration = Duration::from_secs(2);
/// The longest pause between two refreshes of a place in a queue.
const REFRESH: Duration = Duration::from_secs(1);

/// All names of one namespace. `B` is what wakes a waiter.
#[derive(Debug)]
pub(super) struct Table<B> {
    names: HashMap<Box<str>, Name<B>>,
    issued: Issued<B>,
    /// How many names may be there before the next sweep.
    room: usize,
}

/// What is given out over all names, so that a name whose record was dropped goes on above its earlier tokens.
#[derive(Debug)]
struct Issued<B> {
    last_token: u64,
    last_place: u64,
    woken: Vec<B>,
}

#[derive(Debug)]
struct Name<B> {
    holder: Option<Holder>,
    /// By place; places grow, so the first is the one that waits longest.
    queue: BTreeMap<u64, Waiter<B>>,
}

#[derive(Debug)]
struct Holder {
    owner: Owner,
    token: FencingToken,
    expires: BootInstant,
    session: Session,
    /// Closing the session leaves it to expire.
    left: bool,
    /// The place of a waiter that was handed the name and has not taken it up yet.
    handed_to: Option<u64>,
}

#[derive(Debug)]
struct Waiter<B> {
    claim: Claim,
    session: Session,
    counts_until: BootInstant,
    bell: B,
}

/// Where somebody who waits stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The name is ours, for the full TTL from now.
    Granted(FencingToken),
    /// In line; look again at `until` at the latest, or when the bell rings.
    Wait { place: u64, until: BootInstant },
    /// Nothing is left under this claim: a hand-over ran out before it was taken up, two refreshes were missed, or the claim
    /// was released.
    PlaceLost,
}

/// How often a waiter refreshes its place.
fn refresh_every(claim: &Claim) -> Duration {
    (claim.ttl().as_duration() / 3).min(REFRESH)
}

impl<B: Clone> Table<B> {
    pub(super) fn new() -> Self {
        Self { names: HashMap::new(), issued: Issued { last_token: 0, last_place: 0, woken: Vec::new() }, room: 64 }
    }

    /// Those to be woken for what happened since the last call.
    pub(super) fn take_woken(&mut self) -> Vec<B> {
        mem::take(&mut self.issued.woken)
    }

    /// One attempt: the token if the name is the claim's now.
    pub(super) fn try_acquire(&mut self, claim: &Claim, session: &Session, now: BootInstant) -> Option<FencingToken> {
        self.sweep(now);
        let Self { names, issued, .. } = self;
        if !names.contains_key(claim.key()) {
            names.insert(claim.key().into(), Name { holder: None, queue: BTreeMap::new() });
        }
        let name = names.get_mut(claim.key()).expect("it was just put there");
        // The live owner's own repeat comes before whoever waits.
        if let Some(token) = name.taken_up(claim, now) {
            return Some(token);
        }
        name.hand_over(now, issued);
        if name.holder_at(now).is_some() {
            return None;
        }
        let expires = now.after(claim.ttl().as_duration());
        Some(name.grant(claim, session, expires, None, issued))
    }

    /// Stands in line, or refreshes `place`; takes the name if it is free and no live waiter stands before.
    pub(super) fn wait(
        &mut self,
        claim: &Claim,
        session: &Session,
        place: Option<u64>,
        bell: &B,
        now: BootInstant,
    ) -> Turn {
        let refresh = refresh_every(claim);
        let Self { names, issued, .. } = self;
        let name = names.entry(claim.key().into()).or_insert(Name { holder: None, queue: BTreeMap::new() });
        if let Some(token) = name.taken_up(claim, now) {
            place.map(|place| name.queue.remove(&place));
            return Turn::Granted(token);
        }
        let place = match place {
            None => {
                issued.last_place += 1;
                issued.last_place
            }
            Some(place) if name.queue.get(&place).is_some_and(|waiter| now < waiter.counts_until) => place,
            Some(place) => {
                name.queue.remove(&place);
                return Turn::PlaceLost;
            }
        };
        // After two missed refreshes the entry counts for nothing.
        let counts_until = now.after(refresh * 2);
        let waiter = Waiter { claim: claim.clone(), session: session.clone(), counts_until, bell: bell.clone() };
        name.queue.insert(place, waiter);
        name.hand_over(now, issued);
        if let Some(token) = name.taken_up(claim, now) {
            return Turn::Granted(token);
        }
        let holder_expires = name.holder.as_ref().map_or(now, |holder| holder.expires);
        Turn::Wait { place, until: holder_expires.min(now.after(refresh)) }
    }

    /// The waiter at this place will not look again: its place, or the hand-over it got, goes to the next.
    pub(super) fn give_up(&mut self, key: &str, place: u64, now: BootInstant) {
        let Some(name) = self.names.get_mut(key) else { return };
        name.queue.remove(&place);
        if name.holder.as_ref().is_some_and(|holder| holder.handed_to == Some(place)) {
            name.holder = None;
        }
        name.hand_over(now, &mut self.issued);
        self.drop_idle(key);
    }

    /// Moves the expiry of a live lease to one TTL from now, never forward; false where there is no such lease.
    pub(super) fn renew(&mut self, claim: &Claim, token: FencingToken, now: BootInstant) -> bool {
        let Some(name) = self.names.get_mut(claim.key()) else { return false };
        let Some(holder) = name.holder_at(now) else { return false };
        if holder.owner != claim.owner() {
            return false;
        }
        if holder.token != token {
            return false;
        }
        holder.extend(claim, now);
        true
    }

    /// The claim holds nothing afterwards and waits for nothing. Without a token the owner alone is compared.
    pub(super) fn release(&mut self, claim: &Claim, token: Option<FencingToken>, now: BootInstant) -> Released {
        let Some(name) = self.names.get_mut(claim.key()) else { return Released::NotHeld };
        for (_, waiter) in name.queue.extract_if(.., |_, waiter| waiter.claim.owner() == claim.owner()) {
            self.issued.woken.push(waiter.bell);
        }
        let released = match name.holder_at(now) {
            None => Released::NotHeld,
            Some(holder) if holder.owner != claim.owner() => Released::HeldByOther,
            Some(holder) if token.is_some_and(|token| token != holder.token) => Released::HeldByOther,
            Some(_) => {
                name.holder = None;
                Released::Ours
            }
        };
        name.hand_over(now, &mut self.issued);
        self.drop_idle(claim.key());
        released
    }

    /// Who holds the name.
    pub(super) fn holder(&mut self, key: &str, now: BootInstant) -> Option<Held> {
        let holder = self.names.get_mut(key)?.holder_at(now)?;
        Some(Held { token: holder.token, remaining: holder.expires.since(now) })
    }

    /// Closing the session will not release this lease.
    pub(super) fn leave(&mut self, claim: &Claim, token: FencingToken) {
        let holder = self.names.get_mut(claim.key()).and_then(|name| name.holder.as_mut());
        if let Some(holder) = holder.filter(|holder| holder.owner == claim.owner() && holder.token == token) {
            holder.left = true;
        }
    }

    /// Releases what was granted through the session and not left, and wakes those who wait through it.
    pub(super) fn close(&mut self, session: &Session, now: BootInstant) {
        for name in self.names.values_mut() {
            for (_, waiter) in name.queue.extract_if(.., |_, waiter| waiter.session.is(session)) {
                self.issued.woken.push(waiter.bell);
            }
            if name.holder.as_ref().is_some_and(|holder| holder.session.is(session) && !holder.left) {
                name.holder = None;
            }
            name.hand_over(now, &mut self.issued);
        }
        self.names.retain(|_, name| !name.is_idle(now));
    }

    fn drop_idle(&mut self, key: &str) {
        if self.names.get(key).is_some_and(|name| name.holder.is_none() && name.queue.is_empty()) {
            self.names.remove(key);
        }
    }

    /// Drops the records of names that nobody holds and nobody waits for, once as many were added as were left last time.
    fn sweep(&mut self, now: BootInstant) {
        if self.names.len() >= self.room {
            self.names.retain(|_, name| !name.is_idle(now));
            self.room = 64.max(self.names.len() * 2);
        }
    }

    /// How many names are held, and how many places there are in queues.
    pub(super) fn held_and_waiting(&self, now: BootInstant) -> (usize, usize) {
        let held = |name: &&Name<B>| name.holder.as_ref().is_some_and(|holder| now < holder.expires);
        let waiting = self.names.values().map(|name| name.queue.len()).sum();
        (self.names.values().filter(held).count(), waiting)
    }

    /// How many names have a record.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }
}

impl<B: Clone> Name<B> {
    /// Whoever holds the name: its lease ends when now reaches the expiry.
    fn holder_at(&mut self, now: BootInstant) -> Option<&mut Holder> {
        self.holder.as_mut().filter(|holder| now < holder.expires)
    }

    fn is_idle(&self, now: BootInstant) -> bool {
        self.queue.is_empty() && self.holder.as_ref().is_none_or(|holder| holder.expires <= now)
    }

    /// The token, if the claim holds the name; the lease is extended, and a hand-over is taken up with that.
    fn taken_up(&mut self, claim: &Claim, now: BootInstant) -> Option<FencingToken> {
        let holder = self.holder_at(now).filter(|holder| holder.owner == claim.owner())?;
        holder.extend(claim, now);
        holder.handed_to = None;
        Some(holder.token)
    }

    /// If the name is free, the first live waiter gets it for a short time and is woken; it alone.
    fn hand_over(&mut self, now: BootInstant, issued: &mut Issued<B>) {
        if self.holder_at(now).is_some() {
            return;
        }
        while let Some((place, waiter)) = self.queue.pop_first() {
            if waiter.counts_until <= now {
                continue;
            }
            let valid = waiter.claim.ttl().as_duration().min(HAND_OVER);
            self.grant(&waiter.claim, &waiter.session, now.after(valid), Some(place), issued);
            issued.woken.push(waiter.bell);
            return;
        }
    }

    fn grant(
        &mut self,
        claim: &Claim,
        session: &Session,
        expires: BootInstant,
        handed_to: Option<u64>,
        issued: &mut Issued<B>,
    ) -> FencingToken {
        issued.last_token += 1;
        let token = FencingToken(issued.last_token);
        let session = session.clone();
        self.holder = Some(Holder { owner: claim.owner(), token, expires, session, left: false, handed_to });
        token
    }
}

impl Holder {
    fn extend(&mut self, claim: &Claim, now: BootInstant) {
        self.expires = self.expires.max(now.after(claim.ttl().as_duration()));
    }
}
