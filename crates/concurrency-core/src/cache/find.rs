//! How a typed cache reads the shared one.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::{
    near::Look,
    typed::{OnError, TypedCache},
};
use crate::{Error, Result, observe};

/// What the shared cache had.
pub(super) enum Found<T> {
    Fresh(Arc<T>),
    /// Past its time, and there only in case that loading fails.
    Stale(Arc<T>),
    Nothing,
    /// It did not answer, and that counts as a miss.
    Away,
}

impl<T> TypedCache<T> {
    /// `Ok` where a failed read is a miss.
    pub(super) fn forgive(&self, key: &str, error: Error) -> Result<()> {
        let of_the_caller = matches!(
            error,
            Error::InvalidKey { .. } | Error::InvalidArgument { .. } | Error::Unsupported { .. } | Error::Encode { .. }
        );
        if of_the_caller || self.on_error == OnError::Fail {
            return Err(error);
        }
        tracing::warn!(name: observe::CACHE_FAILED, target: observe::CACHE, key, %error, "taken as a miss");
        Ok(())
    }

    pub(super) fn look(&self, key: &str) -> Option<Look> {
        self.near.as_ref().map(|near| near.look(key))
    }

    pub(super) fn keep_near(&self, key: &str, look: Option<Look>, value: &Arc<T>, at_most: Option<Duration>) {
        if let (Some(near), Some(look)) = (&self.near, look) {
            near.keep(key, look, value, at_most);
        }
    }
}

impl<T: DeserializeOwned> TypedCache<T> {
    /// What the shared cache has.
    pub(super) async fn find(&self, key: &str) -> Result<Found<T>> {
        let look = self.look(key);
        let answer = if self.stale_for.is_zero() {
            self.shared.get(key).await.map(|value| value.map(|value| (value, None)))
        } else {
            self.check_options()?;
            self.shared.get_with_expiry(key).await.map(|cached| cached.map(|cached| (cached.value, cached.expires_in)))
        };
        match answer {
            Ok(Some((bytes, remains))) => self.read(key, look, Some(bytes), remains),
            Ok(None) => self.read(key, look, None, None),
            Err(error) => {
                self.forgive(key, error)?;
                self.counters.misses.increment();
                Ok(Found::Away)
            }
        }
    }

    /// Decodes an answer of the shared cache, counts it, and keeps it near.
    pub(super) fn read(
        &self,
        key: &str,
        look: Option<Look>,
        bytes: Option<Bytes>,
        remains: Option<Duration>,
    ) -> Result<Found<T>> {
        let decoded = bytes.map(|bytes| self.codec.decode(&bytes).map(Arc::new)).transpose();
        match decoded {
            Ok(Some(value)) if self.is_stale(remains) => {
                self.counters.misses.increment();
                Ok(Found::Stale(value))
            }
            Ok(Some(value)) => {
                self.counters.hits.increment();
                self.keep_near(key, look, &value, remains.map(|remains| remains.saturating_sub(self.stale_for)));
                Ok(Found::Fresh(value))
            }
            other => {
                if let Err(error) = other {
                    self.forgive(key, error)?;
                }
                self.counters.misses.increment();
                Ok(Found::Nothing)
            }
        }
    }

    /// What remains counts by the server's clock.
    pub(super) fn is_stale(&self, remains: Option<Duration>) -> bool {
        !self.stale_for.is_zero() && remains.is_some_and(|remains| remains <= self.stale_for)
    }
}
