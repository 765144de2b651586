//! A cache whose calls are noted.

use std::{sync::Arc, time::Duration};

use concurrency_core::{Cache, Expiry, Lookup, Result, Ticket};

use super::{Answer, History, Numbers, Recorder, bytes_of, nanos, value_of};
use crate::linear::{CacheAnswer, CacheCall, CacheModel};

/// One client of a cache, whose calls are noted.
#[derive(Debug, Clone)]
pub struct RecordedCache {
    cache: Arc<dyn Cache>,
    client: u32,
    /// How much longer the server may keep something.
    slack: Duration,
    tickets: Numbers<[u8; 16]>,
    recorder: Recorder<CacheModel>,
}

impl RecordedCache {
    /// The first client.
    #[must_use]
    pub fn new(cache: Arc<dyn Cache>) -> Self {
        let slack = cache.capabilities().ttl_granularity;
        Self { cache, client: 0, slack, tickets: Numbers::default(), recorder: Recorder::new() }
    }

    /// Another client, noted in the same history.
    #[must_use]
    pub fn client(&self, client: u32, cache: Arc<dyn Cache>) -> Self {
        Self { cache, client, ..self.clone() }
    }

    /// How many calls began while another was under way.
    #[must_use]
    pub fn met(&self) -> u64 {
        self.recorder.met()
    }

    /// What was noted so far.
    #[must_use]
    pub fn history(&self) -> History<CacheModel> {
        self.recorder.history()
    }

    /// `get`.
    pub async fn get(&self, key: &str) -> Answer<CacheAnswer> {
        let open = self.recorder.begin(self.client, key, CacheCall::Get);
        let answer = self.cache.get(key).await;
        open.close(answer.map(|value| value.map_or(CacheAnswer::Miss, |value| CacheAnswer::Hit(value_of(&value)))))
    }

    /// `set`; without a TTL for ever.
    pub async fn set(&self, key: &str, value: u64, ttl: Option<Duration>) -> Answer<CacheAnswer> {
        let open = self.recorder.begin(self.client, key, CacheCall::Set { value, lives: self.lives(ttl) });
        let answer = self.cache.set(key, bytes_of(value), expiry(ttl)).await;
        open.close(answer.map(|()| CacheAnswer::Done))
    }

    /// `remove`.
    pub async fn remove(&self, key: &str) -> Answer<CacheAnswer> {
        let open = self.recorder.begin(self.client, key, CacheCall::Remove);
        let answer = self.cache.remove(key).await;
        open.close(answer.map(|existed| CacheAnswer::Removed { existed }))
    }

    /// `clear`, noted for each of these keys: all that the history is about.
    ///
    /// # Errors
    /// Those of the cache.
    pub async fn clear(&self, keys: &[&str]) -> Result<()> {
        let open: Vec<_> = keys.iter().map(|key| self.recorder.begin(self.client, key, CacheCall::Clear)).collect();
        let answer = self.cache.clear().await;
        for open in open {
            open.close(answer.clone().map(|()| CacheAnswer::Done));
        }
        answer
    }

    /// `get_or_reserve`; the ticket, where it gives one.
    pub async fn reserve(&self, key: &str, hold: Duration) -> (Answer<CacheAnswer>, Option<Ticket>) {
        let call = CacheCall::Reserve { hold: nanos(hold), slack: nanos(self.slack) };
        let open = self.recorder.begin(self.client, key, call);
        let (answer, ticket) = match self.cache.get_or_reserve(key, hold).await {
            Ok(Lookup::Hit(value)) => (Ok(CacheAnswer::Hit(value_of(&value))), None),
            Ok(Lookup::Reserved(ticket)) => (Ok(CacheAnswer::Reserved(self.tickets.of(ticket.token))), Some(ticket)),
            Ok(Lookup::Loading) => (Ok(CacheAnswer::Loading), None),
            Err(error) => (Err(error), None),
        };
        (open.close(answer), ticket)
    }

    /// `fill`; without a TTL for ever.
    pub async fn fill(&self, ticket: Ticket, value: u64, ttl: Option<Duration>) -> Answer<CacheAnswer> {
        let call = CacheCall::Fill { ticket: self.tickets.of(ticket.token), value, lives: self.lives(ttl) };
        let open = self.recorder.begin(self.client, &ticket.key, call);
        let answer = self.cache.fill(ticket, bytes_of(value), expiry(ttl)).await;
        open.close(answer.map(CacheAnswer::Filled))
    }

    fn lives(&self, ttl: Option<Duration>) -> Option<u64> {
        ttl.map(|ttl| nanos(ttl + self.slack))
    }
}

fn expiry(ttl: Option<Duration>) -> Expiry {
    ttl.map_or(Expiry::Never, Expiry::After)
}
