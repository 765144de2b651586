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
        let mut asked = Asked { cache: self, key, token: random::bytes(), is_answered: false };
        let token = asked.token;
        // The same ticket in every copy, so that a repeat finds what the first one may have reserved.
        let call = || self.calls().reserve(key, token, hold);
        let said = self.client.call_anew(&script::RESERVE, call, self.deadline()).await?;
        let found = answer(said.value)?;
        asked.is_answered = true;
        match found {
            Value::BulkString(found) => {
                let begins = entry::head(self.space.keys.generation().is_some());
                Ok(Lookup::Hit(concurrency_core::Bytes::from(found).slice(begins..)))
            }
            Value::Int(1) => Ok(Lookup::Reserved(Ticket { key: key.into(), token })),
            Value::Int(_) => Ok(Lookup::Loading),
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
    token: [u8; 16],
    is_answered: bool,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if self.is_answered || self.cache.client.check_open().is_err() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (cache, call) = (self.cache.clone(), self.cache.calls().remove(self.key, Some(self.token)));
        runtime.spawn(async move {
            // Where this fails, too, the reservation lapses.
            drop(cache.write(&script::REMOVE, &call, Repeat::UntilAnswered).await);
        });
    }
}
