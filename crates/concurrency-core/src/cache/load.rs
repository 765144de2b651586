//! `get_or_load`: the cached value, or a load that is run once for all who miss together.

use std::{error::Error as StdError, pin::pin, sync::Arc};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Expiry, Lookup, TypedCache,
    find::Found,
    flight::{Held, Member, Outcome, Turn},
};
use crate::{Error, Result, Source, check_key, clock::BootInstant, observe};

impl<T: Serialize + DeserializeOwned> TypedCache<T> {
    /// The cached value, or what `load` answers, which is then cached.
    ///
    /// `load` is polled only on a miss, and of all who miss together only one loads: in this process, and where the cache
    /// declares `tickets` also over all processes (which wait for one another up to [`with_load_hold`](Self::with_load_hold)).
    /// The others get its result or its error. If it panics or its caller is dropped, the next of them loads. A load that a
    /// write of its key overtook is answered to those who waited for it, but holds nobody back and is not put in the cache;
    /// where there are no tickets, one that races with a write of another process may put an older value back, which then lives as long as any.
    ///
    /// With [`with_stale_if_error`](Self::with_stale_if_error) a failed load answers the old value, if there is one. A
    /// process then reloads what is past its time without regard to other processes.
    ///
    /// # Errors
    /// `Load` with the caller's error in it, which [`Error::load_error`] gives back; `Encode`; those of
    /// [`get`](Self::get) and [`set`](Self::set). With [`OnError::Miss`](super::OnError::Miss) the cache's own failures are
    /// none: what was loaded is answered.
    ///
    /// # Cancel safety
    /// The future may be dropped at any point; `load` is dropped with it. A value that was loaded may be cached or not.
    pub async fn get_or_load<E>(&self, key: &str, load: impl Future<Output = Result<T, E>>) -> Result<Arc<T>>
    where
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        if let Some(value) = self.get_near(key) {
            return Ok(value);
        }
        check_key(key)?;
        self.check_options()?;
        loop {
            let landed = self.flights.landed(key);
            let found = self.find(key).await?;
            if let Found::Fresh(value) = found {
                return Ok(value);
            }
            let member = self.flights.join(key);
            let turn = member.turn().await;
            match turn {
                Turn::Follow(Outcome::Loaded(result)) => return result,
                Turn::Follow(Outcome::AskAgain) => {}
                // Somebody loaded it between our look and our turn.
                Turn::Lead { .. } if self.flights.landed(key) != landed => {}
                Turn::Lead { permit } => {
                    let led = self.lead(key, &member, found, load).await;
                    drop(permit);
                    return led;
                }
            }
        }
    }

    async fn lead<E>(
        &self,
        key: &str,
        member: &Member<'_, T>,
        found: Found<T>,
        load: impl Future<Output = Result<T, E>>,
    ) -> Result<Arc<T>>
    where
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let away = matches!(found, Found::Away);
        let (leave, old) = match found {
            Found::Nothing => (self.leave_to_load(key, member).await, None),
            // A value past its time still stands in the cache, so nobody can reserve its key.
            Found::Stale(old) | Found::Fresh(old) => (Ok(Leave::Unreserved), Some(old)),
            Found::Away => (Ok(Leave::Unreserved), None),
        };
        let held = match leave {
            Ok(Leave::Found(value)) => {
                member.publish(Outcome::AskAgain);
                return Ok(value);
            }
            Ok(Leave::Reserved(held)) => Some(held),
            Ok(Leave::Unreserved) => None,
            Err(error) => {
                member.publish(Outcome::Loaded(Err(error.clone())));
                return Err(error);
            }
        };
        let mut reservation = Reservation { member, held };
        let loaded = pin!(load).await;
        self.counters.loads.increment();
        let result = match loaded {
            // A cache that did not answer a moment ago would only delay the answer.
            Ok(value) if away => Ok(Arc::new(value)),
            Ok(value) => self.store(key, &mut reservation, Arc::new(value)).await,
            Err(error) => self.failed(key, &mut reservation, old, Source::new(error)).await,
        };
        member.publish(Outcome::Loaded(result.clone()));
        result
    }

    /// Waits for the leave to load, from all processes; or finds that one of them has loaded it.
    async fn leave_to_load(&self, key: &str, member: &Member<'_, T>) -> Result<Leave<T>> {
        if !self.shared.capabilities().tickets {
            return Ok(Leave::Unreserved);
        }
        if let Some(held) = member.inherit() {
            return Ok(Leave::Reserved(held));
        }
        loop {
            let look = self.look(key);
            let asked = BootInstant::now();
            let answer = match self.shared.get_or_reserve(key, self.hold).await {
                Ok(Lookup::Hit(bytes)) => self.codec.decode(&bytes).map(|value| Some(Arc::new(value))),
                Ok(Lookup::Reserved(ticket)) => {
                    return Ok(Leave::Reserved(Held { ticket, until: asked.after(self.hold) }));
                }
                Ok(Lookup::Loading) => self.shared.filled(key).await.map(|()| None),
                Err(error) => Err(error),
            };
            match answer {
                Ok(Some(value)) => {
                    self.keep_near(key, look, &value, None);
                    return Ok(Leave::Found(value));
                }
                Ok(None) => {}
                Err(error) => return self.forgive(key, error).map(|()| Leave::Unreserved),
            }
        }
    }

    async fn store(&self, key: &str, reservation: &mut Reservation<'_, '_, T>, value: Arc<T>) -> Result<Arc<T>> {
        let ready = self.codec.encode(&*value).and_then(|bytes| Ok((bytes, self.expiry_to_send()?)));
        let (bytes, (expiry, fresh_for)) = match ready {
            Ok(ready) => ready,
            Err(error) => {
                self.give_back(reservation).await;
                return Err(error);
            }
        };
        let look = self.look(key);
        match self.put(key, reservation, bytes, expiry).await {
            Ok(true) => {
                if let (Some(near), Some(look)) = (&self.near, look) {
                    near.written(key, look, &value, fresh_for);
                }
            }
            Ok(false) => {}
            Err(error) => {
                if !error.is_retryable() {
                    self.give_back(reservation).await;
                }
                self.forgive(key, error)?;
            }
        }
        Ok(value)
    }

    /// Whether it was put in the cache: not, where somebody wrote or removed the key meanwhile.
    async fn put(
        &self,
        key: &str,
        reservation: &mut Reservation<'_, '_, T>,
        bytes: Bytes,
        expiry: Expiry,
    ) -> Result<bool> {
        match &reservation.held {
            Some(held) => {
                let filled = self.shared.fill(held.ticket.clone(), bytes, expiry).await?;
                reservation.held = None;
                Ok(filled)
            }
            None if reservation.member.is_overtaken() => Ok(false),
            None => {
                self.shared.set(key, bytes, expiry).await?;
                let overtaken = reservation.member.is_overtaken();
                if overtaken {
                    // By a write of this process while ours was under way: which came first is not known.
                    self.shared.remove(key).await?;
                }
                Ok(!overtaken)
            }
        }
    }

    async fn failed(
        &self,
        key: &str,
        reservation: &mut Reservation<'_, '_, T>,
        old: Option<Arc<T>>,
        source: Source,
    ) -> Result<Arc<T>> {
        self.counters.load_errors.increment();
        self.give_back(reservation).await;
        let Some(old) = old else { return Err(Error::Load { source }) };
        self.counters.stale_served.increment();
        tracing::warn!(name: observe::CACHE_STALE_SERVED, target: observe::CACHE, key, "loading failed, old value served");
        Ok(old)
    }

    /// Ends an unused reservation, or other processes wait until it lapses. There is nothing of value under its key.
    async fn give_back(&self, reservation: &mut Reservation<'_, '_, T>) {
        let Some(Held { ticket, until }) = reservation.held.take() else { return };
        if until.has_passed() {
            return;
        }
        if let Err(error) = self.shared.remove(&ticket.key).await {
            let key = &*ticket.key;
            tracing::debug!(name: observe::CACHE_FAILED, target: observe::CACHE, key, %error, "a reservation stays");
        }
    }
}

/// Whether, and how, a leader is to load.
enum Leave<T> {
    Found(Arc<T>),
    Reserved(Held),
    Unreserved,
}

/// What a leader holds: left to the next one, if this one goes without having used it.
struct Reservation<'m, 'f, T> {
    member: &'m Member<'f, T>,
    held: Option<Held>,
}

impl<T> Drop for Reservation<'_, '_, T> {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            self.member.leave(held);
        }
    }
}
