//! A cache seen as values of one type.

use std::{fmt, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use super::{Cache, CacheCounts, Expiry, counts::Counters, find::Found, flight::Flights, near::Near};
use crate::{Codec, Error, Result, check_key, check_keys, random};

/// A cache seen as values of one type: decoded, loaded once for all that miss together, and kept near if wanted.
///
/// Clones share their loads, their near tier and their counters. Without options, values are JSON under the component's
/// default TTL, there is no near tier, and failures of the cache are errors.
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use concurrency_core::{Cache, Memory, Result, TypedCache};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let backend = Memory::new();
/// let names: TypedCache<String> = TypedCache::new(backend.cache("names")?).with_expiry(Duration::from_secs(60));
/// let slow = async { Ok::<_, std::io::Error>("Ada".to_owned()) };
/// assert_eq!(*names.get_or_load("user:7", slow).await?, "Ada");
/// assert_eq!(names.get("user:7").await?.as_deref().map(String::as_str), Some("Ada"));
/// # Ok(())
/// # }
/// ```
pub struct TypedCache<T> {
    pub(super) shared: Arc<dyn Cache>,
    pub(super) near: Option<Arc<Near<T>>>,
    pub(super) flights: Arc<Flights<T>>,
    pub(super) counters: Arc<Counters>,
    pub(super) codec: Codec,
    pub(super) expiry: Expiry,
    pub(super) stale_for: Duration,
    pub(super) jitter: f64,
    pub(super) on_error: OnError,
    pub(super) hold: Duration,
}

/// What a failed read of the cache is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// An error.
    #[default]
    Fail,
    /// A miss: the service goes on without its cache. Writes still fail, and so does a bad key, argument or option.
    Miss,
}

impl<T> Clone for TypedCache<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            near: self.near.clone(),
            flights: Arc::clone(&self.flights),
            counters: Arc::clone(&self.counters),
            ..*self
        }
    }
}

impl<T> fmt::Debug for TypedCache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedCache")
            .field("shared", &self.shared)
            .field("near", &self.near.is_some())
            .field("codec", &self.codec)
            .field("expiry", &self.expiry)
            .finish_non_exhaustive()
    }
}

impl<T> TypedCache<T> {
    /// The view without options.
    #[must_use]
    pub fn new(cache: Arc<dyn Cache>) -> Self {
        Self {
            flights: Arc::new(Flights::new(Arc::clone(&cache))),
            shared: cache,
            near: None,
            counters: Arc::default(),
            codec: Codec::default(),
            expiry: Expiry::Default,
            stale_for: Duration::ZERO,
            jitter: 0.0,
            on_error: OnError::default(),
            hold: Duration::from_secs(30),
        }
    }

    /// How long what is written through this view lives.
    #[must_use]
    pub fn with_expiry(mut self, expiry: impl Into<Expiry>) -> Self {
        self.expiry = expiry.into();
        self
    }

    /// How values become bytes.
    #[must_use]
    pub const fn with_codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// Keeps up to `entries` decoded values in this process, none of them served later than `max_staleness` after it was
    /// read. Writes through this view and its clones are seen at once; writes of others within `max_staleness`.
    ///
    /// A near hit asks nobody: it is there also while the backend is away, or closed.
    #[must_use]
    pub fn with_near(mut self, entries: usize, max_staleness: Duration) -> Self {
        let wanted = entries > 0 && !max_staleness.is_zero();
        self.near = wanted.then(|| Arc::new(Near::new(entries, max_staleness)));
        self
    }

    /// Keeps values for `stale_for` beyond their TTL. In that time they are misses, but what is there is served by
    /// [`get_or_load`](Self::get_or_load) if the loader fails.
    ///
    /// Needs a cache that declares `remaining`. What has no TTL never comes to that.
    #[must_use]
    pub const fn with_stale_if_error(mut self, stale_for: Duration) -> Self {
        self.stale_for = stale_for;
        self
    }

    /// Shortens each TTL by a random part of up to `fraction` of it, 0 to 1, so that what was written together does not
    /// expire together.
    #[must_use]
    pub const fn with_jitter(mut self, fraction: f64) -> Self {
        self.jitter = fraction;
        self
    }

    /// What a failed read of the cache is.
    #[must_use]
    pub const fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = on_error;
        self
    }

    /// How long other processes wait for a load of this one before they load themselves: 30 s unless set. Longer than a
    /// load takes; it counts only if a process dies while it loads, or is slower than that.
    #[must_use]
    pub const fn with_load_hold(mut self, hold: Duration) -> Self {
        self.hold = hold;
        self
    }

    /// What happened so far, in this view and its clones.
    #[must_use]
    pub fn counts(&self) -> CacheCounts {
        self.counters.read()
    }

    /// How many keys are being loaded: for those who look for leaks.
    #[doc(hidden)]
    #[must_use]
    pub fn loading(&self) -> usize {
        self.flights.len()
    }

    /// The cache behind it.
    #[must_use]
    pub fn shared(&self) -> &Arc<dyn Cache> {
        &self.shared
    }

    /// The value in the near tier, at once and without a look at the shared cache.
    #[inline]
    #[must_use]
    pub fn get_near(&self, key: &str) -> Option<Arc<T>> {
        let value = self.near.as_ref()?.get(key)?;
        self.counters.near_hits.increment();
        Some(value)
    }

    /// Forgets what this process knows of a key, now and when it is dropped: however the write in between ends.
    pub(super) fn writing<'c>(&'c self, key: &'c str) -> Writing<'c, T> {
        self.flights.overtake(key);
        Writing { cache: self, key: Some(key) }
    }

    /// The TTL to send, and for how long of it the value is fresh.
    pub(super) fn expiry_to_send(&self) -> Result<(Expiry, Option<Duration>)> {
        self.check_options()?;
        let changed = self.jitter > 0.0 || !self.stale_for.is_zero();
        let default_ttl = || self.shared.capabilities().default_ttl;
        let expiry = match self.expiry {
            Expiry::Default if changed => default_ttl().map_or(Expiry::Never, Expiry::After),
            expiry => expiry,
        };
        match expiry {
            Expiry::After(ttl) => {
                // Not asked for nothing: randomness costs a system call.
                let jitter = if self.jitter > 0.0 { random::up_to(ttl.mul_f64(self.jitter)) } else { Duration::ZERO };
                let ttl = ttl.saturating_sub(jitter).max(ttl.min(Duration::from_millis(1)));
                Ok((Expiry::After(ttl.saturating_add(self.stale_for)), Some(ttl)))
            }
            other => Ok((other, None)),
        }
    }

    pub(super) fn check_options(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.jitter) {
            return Err(Error::invalid("jitter", "0 to 1"));
        }
        match self.expiry {
            // A zero stays zero, so that it is refused and not made longer by what stale-if-error adds.
            Expiry::After(ttl) => crate::Ttl::new(ttl).map(drop),
            Expiry::Default | Expiry::Never => Ok(()),
        }
    }
}

impl<T: Serialize + DeserializeOwned> TypedCache<T> {
    /// The live value. In an `Arc`, because the near tier and those who load together share it.
    ///
    /// # Errors
    /// Those of [`Cache::get`]; `Decode` where the stored bytes are not a `T`, and they stay where they are. With
    /// [`OnError::Miss`] only those that are the caller's: a bad key, argument or option.
    ///
    /// # Cancel safety
    /// As [`Cache`].
    #[inline]
    pub async fn get(&self, key: &str) -> Result<Option<Arc<T>>> {
        if let Some(value) = self.get_near(key) {
            return Ok(Some(value));
        }
        match self.find(key).await? {
            Found::Fresh(value) => Ok(Some(value)),
            _ => Ok(None),
        }
    }

    /// One answer per key, in request order: one request for all that are not near. With stale-if-error one request each.
    ///
    /// # Errors
    /// As [`get`](Self::get), for any key.
    ///
    /// # Cancel safety
    /// As [`Cache`].
    pub async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Arc<T>>>> {
        check_keys(keys.iter().copied())?;
        let mut values: Vec<_> = keys.iter().map(|key| self.get_near(key)).collect();
        let missing: Vec<_> = (0..keys.len()).filter(|&i| values[i].is_none()).collect();
        if !self.stale_for.is_zero() {
            for i in missing {
                values[i] = self.get(keys[i]).await?;
            }
            return Ok(values);
        }
        let looks: Vec<_> = missing.iter().map(|&i| self.look(keys[i])).collect();
        let asked: Vec<_> = missing.iter().map(|&i| keys[i]).collect();
        let found = match self.shared.get_many(&asked).await {
            Ok(found) => found,
            Err(error) => {
                self.forgive("", error)?;
                vec![None; asked.len()]
            }
        };
        for ((i, look), bytes) in missing.into_iter().zip(looks).zip(found) {
            values[i] = match self.read(keys[i], look, bytes, None)? {
                Found::Fresh(value) => Some(value),
                _ => None,
            };
        }
        Ok(values)
    }

    /// Sets a value.
    ///
    /// # Errors
    /// Those of [`Cache::set`], also with [`OnError::Miss`]; `Encode` where the value cannot be written, and nothing is sent.
    ///
    /// # Cancel safety
    /// As [`Cache`].
    pub async fn set(&self, key: &str, value: &T) -> Result<()> {
        check_key(key)?;
        let (expiry, _) = self.expiry_to_send()?;
        let bytes = self.codec.encode(value)?;
        let _writing = self.writing(key);
        self.shared.set(key, bytes, expiry).await
    }

    /// Removes a value; true if there was a live one, be it past its TTL and kept for stale-if-error.
    ///
    /// # Errors
    /// Those of [`Cache::remove`], also with [`OnError::Miss`].
    ///
    /// # Cancel safety
    /// As [`Cache`].
    pub async fn remove(&self, key: &str) -> Result<bool> {
        let _writing = self.writing(key);
        self.shared.remove(key).await
    }

    /// Empties the namespace.
    ///
    /// # Errors
    /// Those of [`Cache::clear`], also with [`OnError::Miss`].
    ///
    /// # Cancel safety
    /// As [`Cache`].
    pub async fn clear(&self) -> Result<()> {
        self.flights.overtake_all();
        let _writing = Writing { cache: self, key: None };
        self.shared.clear().await
    }

    /// Whether there is a live value, near or shared.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    ///
    /// # Cancel safety
    /// As [`Cache`].
    pub async fn contains(&self, key: &str) -> Result<bool> {
        if self.near.as_ref().is_some_and(|near| near.get(key).is_some()) {
            return Ok(true);
        }
        let there = if self.stale_for.is_zero() {
            self.shared.contains(key).await
        } else {
            let cached = self.shared.get_with_expiry(key).await;
            cached.map(|cached| cached.is_some_and(|cached| !self.is_stale(cached.expires_in)))
        };
        there.or_else(|error| self.forgive(key, error).map(|()| false))
    }
}

/// While a write of this process is under way.
pub(super) struct Writing<'c, T> {
    cache: &'c TypedCache<T>,
    /// `None` is all keys.
    key: Option<&'c str>,
}

impl<T> Drop for Writing<'_, T> {
    fn drop(&mut self) {
        let (flights, near) = (&self.cache.flights, self.cache.near.as_deref());
        match self.key {
            Some(key) => {
                flights.overtake(key);
                near.inspect(|near| near.forget(key));
            }
            None => {
                flights.overtake_all();
                near.inspect(|near| near.forget_all());
            }
        }
    }
}

#[cfg(test)]
mod tests;
