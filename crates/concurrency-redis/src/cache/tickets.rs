//! Reservations: one loader at a time over all processes, and those who wait for it.

use std::time::Duration;

use concurrency_core::{
    Error, Lookup, Result, Ticket, Ttl,
    clock::{self, BootInstant},
    random,
};
use redis::Value;

use super::{RedisCache, answer, entry};
use crate::{connection::Repeat, error, script};

/// The longest that `filled` waits for a hint: a push may be lost.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

impl RedisCache {
    pub(super) async fn find_or_reserve(&self, key: &str, hold: Duration) -> Result<Lookup> {
        let hold = Ttl::new(hold).map_err(|_| Error::invalid("hold", "more than zero, at most ten years"))?;
        let mut asked = Asked { cache: self, key, tokens: Vec::new(), is_answered: false };
        // A ticket for each copy: one that comes late reserves under a ticket that nobody has. Those before are named, so that a
        // repeat finds what a copy before it may have reserved.
        let call = || {
            asked.tokens.insert(0, random::bytes());
            self.calls().reserve(key, &asked.tokens, hold)
        };
        let said = self.client.call_anew(&script::RESERVE, call, self.deadline()).await?;
        let found = answer(said.value)?;
        asked.is_answered = true;
        match found {
            Value::BulkString(found) => {
                let begins = entry::head(self.space.keys.generation().is_some());
                Ok(Lookup::Hit(concurrency_core::Bytes::from(found).slice(begins..)))
            }
            Value::Int(0) => Ok(Lookup::Loading),
            Value::Int(place) => {
                let token = usize::try_from(place - 1).ok().and_then(|place| asked.tokens.get(place).copied());
                token.map(|token| Lookup::Reserved(Ticket { key: key.into(), token })).ok_or_else(error::not_understood)
            }
            _ => Err(error::not_understood()),
        }
    }

    /// Returns when the reservation that stands now may have ended.
    pub(super) async fn wait_for_end(&self, key: &str) -> Result<()> {
        let deadline = self.deadline();
        let name = self.space.keys.entry(key);
        let bell = self.bells.of(name.as_bytes());
        let rung = bell.notified();
        tokio::pin!(rung);
        // Registered before anybody is asked to ring it.
        rung.as_mut().enable();
        self.client.pushes().ready(deadline).await?;
        let call = self.calls().watch(key);
        let said = self.client.call(&script::WATCH, &call, Repeat::UntilAnswered, deadline).await;
        let left = match answer(said.map_err(error::without_effect)?.value)? {
            Value::Int(_) => return Ok(()),
            Value::Array(standing) => match standing[..] {
                [Value::BulkString(_), Value::Int(left)] => left,
                _ => return Err(error::not_understood()),
            },
            _ => return Err(error::not_understood()),
        };
        let left = u64::try_from(left).map_or(LONGEST_WAIT, Duration::from_millis).min(LONGEST_WAIT);
        tokio::select! {
            () = rung => {}
            () = self.client.closed() => return Err(Error::Closed),
            () = clock::sleep_until(BootInstant::now().after(left)) => {}
        }
        Ok(())
    }
}

/// A reservation that was asked for. Where nobody learns of the ticket, it is given back.
struct Asked<'c> {
    cache: &'c RedisCache,
    key: &'c str,
    /// Of its copies, the last one first.
    tokens: Vec<[u8; 16]>,
    is_answered: bool,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if self.is_answered || self.tokens.is_empty() || self.cache.client.check_open().is_err() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (cache, call) = (self.cache.clone(), self.cache.calls().give_back(self.key, &self.tokens));
        runtime.spawn(async move {
            // Where this fails, too, the reservation lapses.
            drop(cache.write(&script::REMOVE, &call, Repeat::UntilAnswered).await);
        });
    }
}
