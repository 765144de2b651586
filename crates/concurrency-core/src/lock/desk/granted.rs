//! What was granted through a client: closing it releases that.

use std::collections::HashMap;

use crate::{Claim, FencingToken, Namespace, Owner, clock::BootInstant};

/// The leases granted through a client, as far as they can be live and were not released through it.
#[derive(Debug, Default)]
pub struct Granted {
    by_owner: HashMap<Owner, Grant>,
    /// How many there may be before those that must have lapsed are dropped.
    room: usize,
}

/// One of them.
#[derive(Debug)]
pub struct Grant {
    /// Of the lock.
    pub namespace: Namespace,
    /// The name.
    pub key: Box<str>,
    /// Of the grant.
    pub token: FencingToken,
    /// Nobody can have renewed it so late.
    lapsed_at: BootInstant,
}

impl Granted {
    /// The claim was granted its name just now.
    pub fn remember(&mut self, namespace: &Namespace, claim: &Claim, token: FencingToken) {
        let now = BootInstant::now();
        if self.by_owner.len() >= self.room.max(64) {
            self.by_owner.retain(|_, grant| now < grant.lapsed_at);
            self.room = self.by_owner.len() * 2;
        }
        let lapsed_at = now.after(claim.ttl().as_duration());
        let grant = Grant { namespace: namespace.clone(), key: claim.key().into(), token, lapsed_at };
        self.by_owner.insert(claim.owner(), grant);
    }

    /// The lease was extended just now; nothing where it was left to expire, or granted through another client.
    pub fn is_renewed(&mut self, claim: &Claim) {
        if let Some(grant) = self.by_owner.get_mut(&claim.owner()) {
            grant.lapsed_at = BootInstant::now().after(claim.ttl().as_duration());
        }
    }

    /// It was released, or is left to expire. Without a token whatever the owner was granted.
    pub fn forget(&mut self, owner: Owner, token: Option<FencingToken>) {
        if self.by_owner.get(&owner).is_some_and(|grant| token.is_none_or(|token| token == grant.token)) {
            self.by_owner.remove(&owner);
        }
    }

    /// Some of them, which are forgotten with that.
    pub fn take(&mut self, most: usize) -> Vec<(Owner, Grant)> {
        let owners: Vec<_> = self.by_owner.keys().copied().take(most).collect();
        owners.into_iter().filter_map(|owner| Some((owner, self.by_owner.remove(&owner)?))).collect()
    }
}
