//! A plain mutex with leases. Its tokens leave gaps, so that a test can put a forged one between two.

use std::collections::HashMap;

use fastrand::Rng;

use super::Reference;
use crate::linear::{LockAnswer, LockCall, LockModel};

/// Of every claim: 100 ms.
pub(super) const TTL: u64 = 100_000_000;
/// How long an acquire waits.
const PATIENCE: u64 = 60_000_000;

#[derive(Default)]
pub(super) struct World {
    keys: HashMap<usize, Key>,
    /// Each client's latest lease of a name: owner, token and local deadline.
    leases: HashMap<(u32, usize), (u64, u64, u64)>,
    owners: u64,
}

#[derive(Default)]
struct Key {
    token: u64,
    /// Owner and expiry.
    holder: Option<(u64, u64)>,
}

impl Key {
    fn grant(&mut self, owner: u64, ttl: u64, asked: u64, now: u64) -> LockAnswer {
        self.token += 10;
        self.holder = Some((owner, now + ttl));
        // The reference's clients do not look at the clock again when they ask again: the earliest deadline is right, too.
        LockAnswer::Granted { owner, token: self.token, deadline: asked + ttl - 11_000_000 }
    }
}

impl Reference for World {
    type Model = LockModel;
    const PACE: u64 = 5_000_000;

    fn choose(&mut self, rng: &mut Rng, client: u32, key: usize) -> LockCall {
        self.owners += 1;
        let (owner, ttl, slack) = (self.owners, TTL, 0);
        let Some(&(held, token, deadline)) = self.leases.get(&(client, key)) else {
            return match rng.u8(..8) {
                0..5 => LockCall::TryAcquire { owner, ttl, slack },
                5..7 => LockCall::Acquire { owner, ttl, slack },
                _ => LockCall::Holder,
            };
        };
        match rng.u8(..10) {
            0..4 => LockCall::Renew { owner: held, token, ttl, slack, deadline },
            4..8 => LockCall::Release { owner: held, token: Some(token) },
            8 => {
                self.leases.remove(&(client, key));
                LockCall::TryAcquire { owner, ttl, slack }
            }
            _ => LockCall::Holder,
        }
    }

    fn apply(&mut self, key: usize, call: &LockCall, asked: u64, now: u64) -> Option<LockAnswer> {
        let key = self.keys.entry(key).or_default();
        key.holder = key.holder.filter(|holder| now < holder.1);
        Some(match *call {
            LockCall::TryAcquire { owner, ttl, .. } => match key.holder {
                None => key.grant(owner, ttl, asked, now),
                Some(_) => LockAnswer::Held,
            },
            LockCall::Acquire { owner, ttl, .. } => match key.holder {
                None => key.grant(owner, ttl, asked, now),
                Some(_) if now < asked + PATIENCE => return None,
                Some(_) => LockAnswer::Held,
            },
            LockCall::Renew { owner, token, ttl, deadline, .. } => match &mut key.holder {
                Some(holder) if holder.0 == owner && key.token == token => {
                    holder.1 = holder.1.max(now + ttl);
                    LockAnswer::Renewed { deadline: deadline.max(asked + ttl - 11_000_000) }
                }
                _ => LockAnswer::Lost,
            },
            LockCall::Release { owner, .. } => match key.holder {
                None => LockAnswer::NotHeld,
                Some(holder) if holder.0 == owner => {
                    key.holder = None;
                    LockAnswer::Ours
                }
                Some(_) => LockAnswer::HeldByOther,
            },
            LockCall::Holder => LockAnswer::Holder { token: key.holder.map(|_| key.token) },
        })
    }

    fn learn(&mut self, client: u32, key: usize, _: &LockCall, answer: &LockAnswer) {
        match *answer {
            LockAnswer::Granted { owner, token, deadline } => {
                self.leases.insert((client, key), (owner, token, deadline));
            }
            LockAnswer::Renewed { deadline } => {
                if let Some(lease) = self.leases.get_mut(&(client, key)) {
                    lease.2 = deadline;
                }
            }
            LockAnswer::Ours | LockAnswer::NotHeld | LockAnswer::HeldByOther => {
                self.leases.remove(&(client, key));
            }
            _ => {}
        }
    }
}
