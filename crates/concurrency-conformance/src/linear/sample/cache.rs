//! A plain cache with tickets, which evicts now and then.

use std::collections::HashMap;

use fastrand::Rng;

use super::Reference;
use crate::linear::{CacheAnswer, CacheCall, CacheModel};

/// A reservation's, and that of values which do not live for ever.
pub(super) const LIFE: u64 = 30_000;

#[derive(Default)]
pub(super) struct World {
    keys: HashMap<usize, Key>,
    tickets: HashMap<(u32, usize), u64>,
    values: u64,
    issued: u64,
    reads: u64,
}

#[derive(Default)]
struct Key {
    /// Number and death.
    value: Option<(u64, u64)>,
    /// Ticket and end.
    reserved: Option<(u64, u64)>,
}

impl Reference for World {
    type Model = CacheModel;
    const PACE: u64 = 2_000;

    fn choose(&mut self, rng: &mut Rng, client: u32, key: usize) -> CacheCall {
        self.values += 1;
        let value = self.values;
        let lives = rng.bool().then_some(LIFE);
        match (rng.u8(..20), self.tickets.remove(&(client, key))) {
            (0..14, Some(ticket)) => CacheCall::Fill { ticket, value, lives },
            (0..9, _) => CacheCall::Get,
            (9..12, _) => CacheCall::Set { value, lives },
            (12..14, _) => CacheCall::Remove,
            (14, _) => CacheCall::Clear,
            _ => CacheCall::Reserve { hold: LIFE, slack: 0 },
        }
    }

    fn apply(&mut self, key: usize, call: &CacheCall, _: u64, now: u64) -> Option<CacheAnswer> {
        let key = self.keys.entry(key).or_default();
        key.value = key.value.filter(|value| now < value.1);
        key.reserved = key.reserved.filter(|reserved| now < reserved.1);
        let entry = |value: u64, lives: Option<u64>| Some((value, lives.map_or(u64::MAX, |lives| now + lives)));
        Some(match *call {
            CacheCall::Get => {
                self.reads += 1;
                let evicted = self.reads.is_multiple_of(50);
                key.value = key.value.filter(|_| !evicted);
                key.value.map_or(CacheAnswer::Miss, |value| CacheAnswer::Hit(value.0))
            }
            CacheCall::Set { value, lives } => {
                *key = Key { value: entry(value, lives), reserved: None };
                CacheAnswer::Done
            }
            CacheCall::Remove => CacheAnswer::Removed { existed: std::mem::take(key).value.is_some() },
            CacheCall::Clear => {
                *key = Key::default();
                CacheAnswer::Done
            }
            CacheCall::Reserve { hold, .. } => match (key.value, key.reserved) {
                (Some(value), _) => CacheAnswer::Hit(value.0),
                (None, Some(_)) => CacheAnswer::Loading,
                (None, None) => {
                    self.issued += 1;
                    key.reserved = Some((self.issued, now + hold));
                    CacheAnswer::Reserved(self.issued)
                }
            },
            CacheCall::Fill { ticket, value, lives } => {
                let stands = key.reserved.is_some_and(|reserved| reserved.0 == ticket);
                if stands {
                    *key = Key { value: entry(value, lives), reserved: None };
                }
                CacheAnswer::Filled(stands)
            }
        })
    }

    fn learn(&mut self, client: u32, key: usize, _: &CacheCall, answer: &CacheAnswer) {
        if let CacheAnswer::Reserved(ticket) = answer {
            self.tickets.insert((client, key), *ticket);
        }
    }
}
