//! What was granted through a client: closing it releases that.

use std::collections::HashMap;

use crate::{Claim, FencingToken, Namespace, Owner, random::Hashing};

/// The leases granted through a client, as far as they can be live and were not released through it.
#[derive(Debug, Default)]
pub struct Granted {
    by_owner: HashMap<Owner, Grant, Hashing>,
    /// How many there may be before those that must have lapsed are dropped.
    room: usize,
}

/// One of them.
#[derive(Debug)]
pub struct Grant {
    /// Of the lock.
    pub namespace: Namespace,
    /// Whose it is. A renewal says so itself: [`Claim::has_lapsed`].
    pub claim: Claim,
    /// Of the grant.
    pub token: FencingToken,
}

impl Granted {
    /// The claim was granted its name.
    pub fn remember(&mut self, namespace: &Namespace, claim: &Claim, token: FencingToken) {
        if self.by_owner.len() >= self.room.max(64) {
            self.by_owner.retain(|_, grant| !grant.claim.has_lapsed());
            self.room = self.by_owner.len() * 2;
        }
        let grant = Grant { namespace: namespace.clone(), claim: claim.clone(), token };
        self.by_owner.insert(claim.owner(), grant);
    }

    /// It was released, or is left to expire. Without a token whatever the owner was granted.
    pub fn forget(&mut self, owner: Owner, token: Option<FencingToken>) {
        if self.by_owner.get(&owner).is_some_and(|grant| token.is_none_or(|token| token == grant.token)) {
            self.by_owner.remove(&owner);
        }
    }

    /// Some of them, which are forgotten with that.
    pub fn take(&mut self, most: usize) -> Vec<Grant> {
        let owners: Vec<_> = self.by_owner.keys().copied().take(most).collect();
        owners.iter().filter_map(|owner| self.by_owner.remove(owner)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_released_or_left_is_not_there_any_more() {
        let (mut granted, namespace) = (Granted::default(), Namespace::from_static("n"));
        let claims: Vec<_> = (0..5).map(|_| Claim::new("k", Duration::from_secs(9)).unwrap()).collect();
        for (claim, token) in claims.iter().zip(1..) {
            granted.remember(&namespace, claim, FencingToken(token));
        }
        granted.forget(claims[0].owner(), None);
        granted.forget(claims[1].owner(), Some(FencingToken(2)));
        granted.forget(claims[2].owner(), Some(FencingToken(2)));
        let mut left: Vec<_> = granted.take(9).iter().map(|grant| grant.token.0).collect();
        left.sort_unstable();
        assert_eq!(left, [3, 4, 5]);
        assert!(granted.take(9).is_empty());
    }
}
