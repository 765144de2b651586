//! The calls of the scripts, and what they keep on the server.
//!
//! | name | holds |
//! |---|---|
//! | `PREFIX:lr:{NAMESPACE:NAME}` | the record of a name: who holds it, and the last token |
//! | `PREFIX:lq:{NAMESPACE:NAME}` | its queue: a sorted set of inboxes in order of arrival; only while somebody waits |
//! | `PREFIX:lp:{NAMESPACE:NAME}` | the places in it: a hash by inbox; only while somebody waits |
//!
//! A record is 11 bytes, or 51 while the name is held: `C1`, the version of the format (1) and the last token (8, big-endian);
//! then the owner (16), the place of whoever it was granted to (16), and the microsecond of the server's clock at which the lease
//! ends (8); then a byte of flags (1: handed over and not taken up yet; 2: somebody may wait). It outlives the lease by at least
//! seven days. A place in a queue is 50 bytes: `C1`, 1, the microsecond until which it counts (8), the TTL in microseconds (8),
//! the owner (16) and the place (16).
//!
//! A place tells one wait from another of the same owner, so that giving up one takes nothing from the other.

use std::time::Duration;

use concurrency_core::{
    Claim, FencingToken, Lease, Owner,
    desk::{Waiter, refresh_every},
};
use redis::Cmd;

use super::answer::Handed;
use crate::{key::LockKeys, script};

/// What a record begins with: the mark of everything that is ours, and its format.
const HEAD: [u8; 2] = [0xC1, 1];

/// What tells one wait, or one attempt, from all others.
pub(super) type Place = [u8; 16];

/// Makes the calls of one namespace for one client.
pub(super) struct Calls<'a> {
    pub(super) keys: &'a LockKeys,
    pub(super) inbox: &'a str,
    /// The first half of the client's places.
    pub(super) origin: [u8; 8],
}

impl Calls<'_> {
    /// Takes the name, if it is free and nobody waits.
    pub(super) fn attempt(&self, claim: &Claim, place: Place) -> Cmd {
        let mut call = self.call(&script::ACQUIRE, claim.key());
        call.arg("t").arg(self.inbox);
        call.arg(&claim.owner().to_bytes()[..]).arg(&place[..]).arg(claim.ttl().as_millis());
        call
    }

    /// Takes the name or stands in line; whoever is `next` stands in line where it is granted.
    pub(super) fn wait(&self, waiter: &Waiter, next: Option<&Waiter>) -> Cmd {
        let mut call = self.call(&script::ACQUIRE, waiter.key());
        call.arg("w").arg(self.inbox);
        self.stands(&mut call, waiter);
        if let Some(next) = next {
            self.stands(&mut call, next);
        }
        call
    }

    /// Takes up what the waiter was handed, if it was.
    pub(super) fn take_up(&self, waiter: &Waiter) -> Cmd {
        let mut call = self.call(&script::ACQUIRE, waiter.key());
        call.arg("u").arg(self.inbox);
        self.stands(&mut call, waiter);
        call
    }

    /// `waited`: somebody waited here under the owner; with whoever is first in line here now.
    pub(super) fn release(
        &self,
        key: &str,
        owner: Owner,
        token: Option<FencingToken>,
        waited: Option<Option<&Waiter>>,
    ) -> Cmd {
        let mut call = self.call(&script::RELEASE, key);
        call.arg(&owner.to_bytes()[..]);
        match token {
            Some(token) => call.arg(token.0),
            None => call.arg(""),
        };
        call.arg(self.inbox);
        if let Some(next) = waited {
            call.arg("w");
            if let Some(next) = next {
                self.stands(&mut call, next);
            }
        }
        call
    }

    /// Gives back what the waiter was handed or granted; `next` has its place.
    pub(super) fn leave(&self, waiter: &Waiter, next: Option<&Waiter>) -> Cmd {
        let mut call = self.call(&script::LEAVE, waiter.key());
        call.arg(self.inbox).arg(&waiter.claim().owner().to_bytes()[..]).arg(&self.place(waiter)[..]).arg("w");
        if let Some(next) = next {
            self.stands(&mut call, next);
        }
        call
    }

    /// Gives back what was handed to somebody who is not here.
    pub(super) fn pass_on(&self, key: &str, Handed { owner, place }: Handed) -> Cmd {
        let mut call = self.call(&script::LEAVE, key);
        call.arg(self.inbox).arg(&owner.to_bytes()[..]).arg(&place[..]).arg("h");
        call
    }

    /// Who holds the name.
    pub(super) fn holder(&self, key: &str) -> Cmd {
        self.call(&script::FIND, key)
    }

    /// What the claim would find.
    pub(super) fn look(&self, claim: &Claim) -> Cmd {
        let mut call = self.call(&script::FIND, claim.key());
        call.arg(&claim.owner().to_bytes()[..]).arg(self.inbox);
        call
    }

    /// Of some leases in one call.
    pub(super) fn renew(&self, leases: &[&Lease]) -> Cmd {
        let bytes = leases.iter().map(|lease| self.keys.record_len(lease.key()) + 34).sum();
        let mut call = script::RENEW.large_call(leases.len(), bytes);
        let mut record = String::new();
        for lease in leases {
            self.keys.record_into(lease.key(), &mut record);
            call.arg(&record);
        }
        for lease in leases {
            let mut bytes = [0; 34];
            bytes[..2].copy_from_slice(&HEAD);
            bytes[2..10].copy_from_slice(&lease.fencing_token().0.to_be_bytes());
            bytes[10..26].copy_from_slice(&lease.claim().owner().to_bytes());
            bytes[26..].copy_from_slice(&(lease.claim().ttl().as_millis() * 1000).to_be_bytes());
            call.arg(&bytes[..]);
        }
        call
    }

    fn call(&self, script: &script::Script, key: &str) -> Cmd {
        let mut call = script.call(3);
        call.arg(self.keys.record(key)).arg(self.keys.queue(key)).arg(self.keys.places(key));
        call
    }

    fn place(&self, waiter: &Waiter) -> Place {
        place(self.origin, waiter.place())
    }

    fn stands(&self, call: &mut Cmd, waiter: &Waiter) {
        let claim = waiter.claim();
        call.arg(&claim.owner().to_bytes()[..]).arg(&self.place(waiter)[..]);
        call.arg(claim.ttl().as_millis()).arg(millis(refresh_every(claim) * 2));
    }
}

/// Of a client, by number.
pub(super) fn place(origin: [u8; 8], number: u64) -> Place {
    let mut place = [0; 16];
    place[..8].copy_from_slice(&origin);
    place[8..].copy_from_slice(&number.to_be_bytes());
    place
}

/// Rounded up: nothing ends early.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use concurrency_core::desk::HAND_OVER;

    use super::*;

    #[test]
    fn the_scripts_know_how_long_things_last() {
        let queue = include_str!("../script/queue.lua");
        let patient = Claim::new("k", Duration::from_secs(60)).unwrap();
        let place = refresh_every(&patient) * 2 + Duration::from_secs(1);
        let (hand_over, place) = (HAND_OVER.as_micros(), place.as_micros());
        assert!(queue.contains(&format!("local HAND_OVER, PLACE, QUEUED = {hand_over}, {place}, 60000\n")));
        assert_eq!(millis(refresh_every(&Claim::new("k", Duration::from_millis(100)).unwrap()) * 2), 67);
    }
}
