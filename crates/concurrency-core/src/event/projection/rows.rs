//! The rows of a projection, as it sees them while events are applied.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Bytes, Codec, DeleteOptions, Recorded, Result, SaveOptions, StateCapabilities, StateStore, Write, check_key,
    check_size,
};

/// The rows of a projection: those in the store, under what the events of this batch have changed.
///
/// A row is a value under a key; in the store its key is that of the projection, a `/`, and its own.
pub struct Rows {
    store: Arc<dyn StateStore>,
    limits: StateCapabilities,
    prefix: String,
    codec: Codec,
    /// What the events before have changed. `None` is a row that was deleted.
    accepted: Changes,
    /// What this event has changed.
    pending: Changes,
}

type Changes = BTreeMap<String, Option<Bytes>>;

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Rows {
    pub(super) fn new(store: Arc<dyn StateStore>, name: &str, codec: Codec) -> Self {
        let limits = store.capabilities();
        let prefix = format!("{name}/");
        Self { store, limits, prefix, codec, accepted: Changes::new(), pending: Changes::new() }
    }

    /// The data of an event, by the projection's codec.
    ///
    /// # Errors
    /// `Decode` where it is not a `T`.
    pub fn decode<T: DeserializeOwned>(&self, event: &Recorded) -> Result<T> {
        self.codec.decode(&event.data)
    }

    /// The row, as the events so far have left it.
    ///
    /// # Errors
    /// `InvalidKey`; `Decode` where it is not a `T`; those of [`StateStore::load`].
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn load<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        self.load_bytes(key).await?.map(|bytes| self.codec.decode(&bytes)).transpose()
    }

    /// The row now holds this.
    ///
    /// # Errors
    /// `InvalidKey`, `Encode`, `ValueTooLarge`.
    pub fn save<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<()> {
        self.save_bytes(key, self.codec.encode(value)?)
    }

    /// The row now holds what `next` makes of what it held.
    ///
    /// # Errors
    /// Those of [`load`](Self::load) and [`save`](Self::save).
    ///
    /// # Cancel safety
    /// When the future is dropped, the row is as it was.
    pub async fn update<T: Serialize + DeserializeOwned>(
        &mut self,
        key: &str,
        next: impl FnOnce(Option<T>) -> T + Send,
    ) -> Result<()> {
        let loaded = self.load(key).await?;
        self.save(key, &next(loaded))
    }

    /// The row is no more.
    ///
    /// # Errors
    /// `InvalidKey`.
    pub fn delete(&mut self, key: &str) -> Result<()> {
        let key = self.key(key)?;
        self.pending.insert(key, None);
        Ok(())
    }

    /// As [`load`](Self::load), without a codec.
    ///
    /// # Errors
    /// `InvalidKey`; those of [`StateStore::load`].
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn load_bytes(&self, key: &str) -> Result<Option<Bytes>> {
        let key = self.key(key)?;
        if let Some(changed) = self.pending.get(&key).or_else(|| self.accepted.get(&key)) {
            return Ok(changed.clone());
        }
        Ok(self.store.load(&key).await?.map(|state| state.value))
    }

    /// As [`save`](Self::save), without a codec.
    ///
    /// # Errors
    /// `InvalidKey`, `ValueTooLarge`.
    pub fn save_bytes(&mut self, key: &str, value: Bytes) -> Result<()> {
        let key = self.key(key)?;
        check_size(value.len(), self.limits.max_value)?;
        self.pending.insert(key, Some(value));
        Ok(())
    }

    fn key(&self, key: &str) -> Result<String> {
        check_key(key)?;
        let key = format!("{}{key}", self.prefix);
        check_key(&key)?;
        Ok(key)
    }

    /// Whether what this event has changed goes into one commit with what those before have, and a checkpoint.
    pub(super) fn fits(&self) -> bool {
        let before = self.accepted.iter().filter(|(key, _)| !self.pending.contains_key(*key));
        let (keys, bytes) = before.chain(&self.pending).fold((0, 0_usize), |(keys, bytes), (_, change)| {
            (keys + 1, bytes.saturating_add(change.as_ref().map_or(0, Bytes::len)))
        });
        keys < self.limits.max_batch_keys && bytes <= self.limits.max_batch_bytes.saturating_sub(CHECKPOINT_BYTES)
    }

    /// The event is applied.
    pub(super) fn accept(&mut self) {
        self.accepted.append(&mut self.pending);
    }

    /// The event is not applied.
    pub(super) fn discard(&mut self) {
        self.pending.clear();
    }

    /// What the accepted events have changed. They are in the store now, or nowhere.
    pub(super) fn take(&mut self) -> Vec<Write> {
        let write = |(key, change)| match change {
            Some(value) => Write::save(key, value, SaveOptions::new()),
            None => Write::delete(key, DeleteOptions::new()),
        };
        std::mem::take(&mut self.accepted).into_iter().map(write).collect()
    }
}

/// More than a checkpoint takes in a commit.
const CHECKPOINT_BYTES: usize = 512;
