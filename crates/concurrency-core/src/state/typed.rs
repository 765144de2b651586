//! A state store seen as values of one type.

mod queue;
#[cfg(test)]
mod tests;
mod update;

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use self::queue::Queue;
pub use self::update::{Next, UpdateOptions, Updated};
use super::{DeleteOptions, KeyPage, ListQuery, SaveOptions, State, StateStore, StateTransaction, Write};
use crate::{Codec, Result, Version, observe::Counter};

/// A [`StateStore`] seen as values of one type.
///
/// A view: it holds no data, and several of them, of different types, may share one store and one
/// [`commit`](StateStore::commit). Clones share the queue of [`update`](Self::update) and the [counters](Self::counts).
/// ```
/// use concurrency_core::{Memory, SaveOptions, TypedState};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let visits: TypedState<u64> = TypedState::new(Memory::new().state_store("visits")?);
/// visits.save("home", &1, SaveOptions::new()).await?;
/// let after = visits.update("home", |n| n.unwrap_or(0) + 1).await?;
/// assert_eq!(after.value, 2);
/// # Ok::<_, concurrency_core::Error>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct TypedState<T> {
    shared: Arc<Shared>,
    codec: Codec,
    deadline: Duration,
    of: PhantomData<fn() -> T>,
}

/// What clones have in common.
struct Shared {
    store: Arc<dyn StateStore>,
    queue: Queue,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    loads: Counter,
    saves: Counter,
    deletes: Counter,
    conflicts: Counter,
}

impl<T> Clone for TypedState<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), codec: self.codec, deadline: self.deadline, of: PhantomData }
    }
}

impl<T> fmt::Debug for TypedState<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedState")
            .field("store", &self.shared.store)
            .field("codec", &self.codec)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

impl<T> TypedState<T> {
    /// How long [`update`](Self::update) goes on after conflicts, unless told.
    pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(5);

    /// JSON, and updates that go on for five seconds.
    pub fn new(store: Arc<dyn StateStore>) -> Self {
        let shared = Shared { store, queue: Queue::default(), counters: Counters::default() };
        Self { shared: Arc::new(shared), codec: Codec::default(), deadline: Self::DEFAULT_DEADLINE, of: PhantomData }
    }

    /// Another codec. It does not read what the one before wrote.
    #[must_use]
    pub fn with_codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// How long [`update`](Self::update) waits for its turn and goes on after conflicts; zero is one attempt.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The store below: for `commit`, `save_many` and `fence`.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn StateStore> {
        &self.shared.store
    }

    /// What this view and its clones have done so far.
    #[must_use]
    pub fn counts(&self) -> StateCounts {
        let Counters { loads, saves, deletes, conflicts } = &self.shared.counters;
        StateCounts { loads: loads.get(), saves: saves.get(), deletes: deletes.get(), conflicts: conflicts.get() }
    }

    /// How many keys are being updated, or waited for: for those who look for leaks.
    #[doc(hidden)]
    #[must_use]
    pub fn queued(&self) -> usize {
        self.shared.queue.len()
    }

    /// Deletes a key; true if it held a live value.
    ///
    /// # Errors
    /// Those of [`StateStore::delete`].
    ///
    /// # Cancel safety
    /// That of [`StateStore::delete`].
    pub async fn delete(&self, key: &str, options: DeleteOptions) -> Result<bool> {
        self.shared.counted(&self.shared.counters.deletes, self.shared.store.delete(key, options).await)
    }

    /// A page of live keys with their versions, in byte order.
    ///
    /// # Errors
    /// Those of [`StateStore::list`].
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn list(&self, query: ListQuery) -> Result<KeyPage> {
        self.shared.store.list(query).await
    }

    /// The same view of the caller's transaction.
    pub fn within<'t>(&self, transaction: &'t mut dyn StateTransaction) -> TypedTransaction<'t, T> {
        TypedTransaction { transaction, codec: self.codec, of: PhantomData }
    }
}

impl Shared {
    /// Counts a write that was answered: one of its kind, or a conflict.
    fn counted<R>(&self, kind: &Counter, answer: Result<R>) -> Result<R> {
        match &answer {
            Ok(_) => kind.increment(),
            Err(error) if error.is_conflict() => self.counters.conflicts.increment(),
            Err(_) => {}
        }
        answer
    }
}

impl<T: Serialize + DeserializeOwned + Send + Sync> TypedState<T> {
    /// The live value under `key`.
    ///
    /// # Errors
    /// Those of [`StateStore::load`]; `Decode` where the stored bytes are not a `T` of this codec: they stay where they are.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn load(&self, key: &str) -> Result<Option<State<T>>> {
        let state = self.shared.store.load(key).await?;
        self.shared.counters.loads.increment();
        state.map(|state| decoded(self.codec, state)).transpose()
    }

    /// One answer per key, in request order; a key may stand twice.
    ///
    /// # Errors
    /// As [`load`](Self::load), for any key.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn load_many(&self, keys: &[&str]) -> Result<Vec<Option<State<T>>>> {
        let states = self.shared.store.load_many(keys).await?;
        self.shared.counters.loads.add(keys.len() as u64);
        states.into_iter().map(|state| state.map(|state| decoded(self.codec, state)).transpose()).collect()
    }

    /// After `Ok(version)` the key holds `value` under that version, with the lifetime that `options` say and no other.
    ///
    /// # Errors
    /// `Encode` where the codec cannot write the value, before anything is sent; and those of [`StateStore::save`].
    ///
    /// # Cancel safety
    /// That of [`StateStore::save`].
    pub async fn save(&self, key: &str, value: &T, options: SaveOptions) -> Result<Version> {
        let bytes = self.codec.encode(value)?;
        self.shared.counted(&self.shared.counters.saves, self.shared.store.save(key, bytes, options).await)
    }

    /// A save for [`StateStore::commit`], beside those of other views of the same store.
    ///
    /// # Errors
    /// `Encode` where the codec cannot write the value.
    pub fn write(&self, key: impl Into<String>, value: &T, options: SaveOptions) -> Result<Write> {
        Ok(Write::save(key, self.codec.encode(value)?, options))
    }
}

fn decoded<T: DeserializeOwned>(codec: Codec, state: State) -> Result<State<T>> {
    Ok(State::new(codec.decode(&state.value)?, state.version, state.expires_in))
}

/// What a [`TypedState`] and its clones have done; updates included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct StateCounts {
    /// Keys that were loaded.
    pub loads: u64,
    /// Values that were saved. Writes through `store()` are not seen here.
    pub saves: u64,
    /// Deletes that were answered with `Ok`.
    pub deletes: u64,
    /// Writes that a precondition refused.
    pub conflicts: u64,
}

/// A [`TypedState`] inside the caller's transaction: see [`StateTransaction`]. There is no `update` here, because nothing is
/// repeated inside a transaction.
///
/// # Cancel safety of every method
/// A statement whose future was dropped has taken effect in the transaction or not: roll it back.
pub struct TypedTransaction<'t, T> {
    transaction: &'t mut dyn StateTransaction,
    codec: Codec,
    of: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for TypedTransaction<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedTransaction").field("codec", &self.codec).finish_non_exhaustive()
    }
}

impl<T: Serialize + DeserializeOwned + Send + Sync> TypedTransaction<'_, T> {
    /// The live value under `key`, as the transaction sees it.
    ///
    /// # Errors
    /// Those of [`StateTransaction::load`], and `Decode`.
    pub async fn load(&mut self, key: &str) -> Result<Option<State<T>>> {
        self.transaction.load(key).await?.map(|state| decoded(self.codec, state)).transpose()
    }

    /// One answer per key, in request order, as the transaction sees them.
    ///
    /// # Errors
    /// Those of [`StateTransaction::load_many`], and `Decode`.
    pub async fn load_many(&mut self, keys: &[&str]) -> Result<Vec<Option<State<T>>>> {
        let states = self.transaction.load_many(keys).await?;
        states.into_iter().map(|state| state.map(|state| decoded(self.codec, state)).transpose()).collect()
    }

    /// Saves, if the transaction commits.
    ///
    /// # Errors
    /// `Encode`, and those of [`StateTransaction::save`].
    pub async fn save(&mut self, key: &str, value: &T, options: SaveOptions) -> Result<Version> {
        let bytes = self.codec.encode(value)?;
        self.transaction.save(key, bytes, options).await
    }

    /// Deletes, if the transaction commits.
    ///
    /// # Errors
    /// Those of [`StateTransaction::delete`].
    pub async fn delete(&mut self, key: &str, options: DeleteOptions) -> Result<bool> {
        self.transaction.delete(key, options).await
    }
}
