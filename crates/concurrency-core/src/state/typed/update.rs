//! Load, compute, compare-and-swap, and again after a conflict.

use std::{fmt, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use tracing::Instrument as _;

use super::TypedState;
use crate::{
    DeleteOptions, Error, Expires, FencingToken, Outcome, Precondition, Result, SaveOptions, State, Ttl, Version,
    clock::BootInstant, observe, retry::Backoff,
};

/// What the closure of [`TypedState::update_with`] decides.
#[derive(Clone, PartialEq, Eq)]
pub enum Next<T> {
    /// The key is to hold this.
    Save(T),
    /// The key is to hold nothing.
    Delete,
    /// The key stays as it is, version and expiry included.
    Keep,
}

impl<T> fmt::Debug for Next<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Save(_) => "Save(..)",
            Self::Delete => "Delete",
            Self::Keep => "Keep",
        })
    }
}

/// What [`TypedState::update_with`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Updated<T> {
    /// The key holds this. `expires_in` is as it was when the old value was loaded, or the TTL that was asked for.
    Saved(State<T>),
    /// The key holds nothing.
    Deleted,
    /// Nothing was written.
    Kept,
}

impl<T> Updated<T> {
    /// What was saved, if anything was.
    #[must_use]
    pub fn saved(self) -> Option<State<T>> {
        match self {
            Self::Saved(state) => Some(state),
            Self::Deleted | Self::Kept => None,
        }
    }
}

/// How to update. The precondition is the update's own.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct UpdateOptions {
    expires: Expires<Duration>,
    fenced_by: Option<FencingToken>,
}

impl Default for UpdateOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl UpdateOptions {
    /// The expiry that the key has stays; unfenced.
    pub const fn new() -> Self {
        Self { expires: Expires::Keep, fenced_by: None }
    }

    /// What is saved expires after `ttl`: more than zero, at most ten years, rounded up to 1 ms.
    pub const fn with_ttl(mut self, ttl: Duration) -> Self {
        self.expires = Expires::After(ttl);
        self
    }

    /// What is saved never expires, whatever lifetime the key had.
    pub const fn permanent(mut self) -> Self {
        self.expires = Expires::Never;
        self
    }

    /// Refused once a higher token was accepted for the key.
    pub const fn fenced_by(mut self, token: FencingToken) -> Self {
        self.fenced_by = Some(token);
        self
    }

    fn save(self, seen: Option<Version>) -> SaveOptions {
        let options = SaveOptions::new().when(seen.map_or(Precondition::Absent, Precondition::Match));
        let options = match self.expires {
            Expires::Keep => options.keep_ttl(),
            Expires::After(ttl) => options.with_ttl(ttl),
            Expires::Never => options,
        };
        match self.fenced_by {
            Some(token) => options.fenced_by(token),
            None => options,
        }
    }

    fn delete(self, seen: Version) -> DeleteOptions {
        let options = DeleteOptions::new().if_version(seen);
        match self.fenced_by {
            Some(token) => options.fenced_by(token),
            None => options,
        }
    }

    /// What is left of a value saved now, over one that had `left`.
    fn expires_in(self, left: Option<Duration>) -> Option<Duration> {
        match self.expires {
            Expires::Keep => left,
            Expires::After(ttl) => Ttl::new(ttl).ok().map(Ttl::as_duration),
            Expires::Never => None,
        }
    }
}

impl<T: Serialize + DeserializeOwned + Send + Sync> TypedState<T> {
    /// After `Ok` the key holds what `next` made of the value that was there: no concurrent update is lost. The expiry that
    /// the key has stays.
    ///
    /// The closure may run several times, each time with the value as loaded then; `None` is a missing key. Updates of one key
    /// through this view and its clones wait for one another; after a conflict with somebody else's write the update loads
    /// again, after a pause with full jitter, until the [deadline](Self::with_deadline). A closure that panics leaves nothing
    /// locked and nothing written.
    ///
    /// # Errors
    /// `Conflict` where the deadline passed over conflicts, `Timeout` where it passed in the queue; `Decode` and `Encode`;
    /// those of [`load`](Self::load) and [`save`](Self::save). An error whose [`outcome`](Error::outcome) is unknown is passed
    /// on at once: the closure never runs again after it.
    ///
    /// # Cancel safety
    /// Dropping the future gives up its place in the queue. A save that was under way has happened or not.
    pub async fn update(&self, key: &str, mut next: impl FnMut(Option<T>) -> T + Send) -> Result<State<T>> {
        self.try_update(key, UpdateOptions::new(), |value| Ok::<_, Error>(next(value))).await
    }

    /// As [`update`](Self::update), for a step that can refuse, with a fence or another expiry. A refusal writes nothing.
    ///
    /// # Errors
    /// The closure's own, and those of [`update`](Self::update); `Fenced`; `InvalidArgument` for a TTL or token out of bounds.
    ///
    /// # Cancel safety
    /// That of [`update`](Self::update).
    pub async fn try_update<E: From<Error>>(
        &self,
        key: &str,
        options: UpdateOptions,
        mut next: impl FnMut(Option<T>) -> Result<T, E> + Send,
    ) -> Result<State<T>, E> {
        let updated = self.update_with(key, options, |value| next(value).map(Next::Save)).await?;
        Ok(updated.saved().expect("the closure says nothing but save"))
    }

    /// As [`try_update`](Self::try_update), for a step that may also delete the key or leave it alone.
    ///
    /// To delete a key that is missing, or to keep one, writes nothing and so meets no fence.
    ///
    /// # Errors
    /// Those of [`try_update`](Self::try_update).
    ///
    /// # Cancel safety
    /// That of [`update`](Self::update).
    pub async fn update_with<E: From<Error>>(
        &self,
        key: &str,
        options: UpdateOptions,
        next: impl FnMut(Option<T>) -> Result<Next<T>, E> + Send,
    ) -> Result<Updated<T>, E> {
        let span = tracing::debug_span!(target: observe::STATE, observe::STATE_UPDATE, key);
        self.update_until_settled(key, options, next).instrument(span).await
    }

    async fn update_until_settled<E: From<Error>>(
        &self,
        key: &str,
        options: UpdateOptions,
        mut next: impl FnMut(Option<T>) -> Result<Next<T>, E> + Send,
    ) -> Result<Updated<T>, E> {
        let deadline = BootInstant::now().after(self.deadline);
        let Some(_turn) = self.shared.queue.wait(key, deadline).await else {
            return Err(Error::Timeout { after: self.deadline, outcome: Outcome::NotApplied }.into());
        };
        let (mut backoff, mut attempt) = (Backoff::new(), 0_u64);
        loop {
            attempt += 1;
            let (value, version, expires_in) = match self.load(key).await? {
                Some(state) => (Some(state.value), Some(state.version), state.expires_in),
                None => (None, None, None),
            };
            let conflict = match self.apply(key, next(value)?, version, expires_in, options).await {
                Err(error) if error.is_conflict() => error,
                settled => return Ok(settled?),
            };
            tracing::debug!(name: observe::STATE_UPDATE_CONFLICT, target: observe::STATE, key, attempt);
            if !backoff.sleep_before(deadline).await {
                return Err(conflict.into());
            }
        }
    }

    /// Writes what was decided about a value of this version.
    async fn apply(
        &self,
        key: &str,
        next: Next<T>,
        version: Option<Version>,
        left: Option<Duration>,
        options: UpdateOptions,
    ) -> Result<Updated<T>> {
        match (next, version) {
            (Next::Save(value), seen) => {
                let version = self.save(key, &value, options.save(seen)).await?;
                Ok(Updated::Saved(State::new(value, version, options.expires_in(left))))
            }
            (Next::Delete, Some(seen)) => {
                self.delete(key, options.delete(seen)).await?;
                Ok(Updated::Deleted)
            }
            (Next::Delete, None) => Ok(Updated::Deleted),
            (Next::Keep, _) => Ok(Updated::Kept),
        }
    }
}
