//! Durable key/value state with optimistic concurrency.

mod options;
mod transaction;
mod typed;

use std::{fmt::Debug, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde::Serialize;

pub use self::{
    options::{
        DeleteOptions, DeleteParts, Expires, KeyPage, KeyVersion, ListParts, ListQuery, Precondition, Save,
        SaveOptions, SaveParts, Write,
    },
    transaction::StateTransaction,
    typed::*,
};
use crate::{
    ClockSource, Error, FencingToken, Result, Survives, Version, capabilities::MILLISECOND, check_distinct_keys,
    check_keys,
};

/// Durable key/value state with optimistic concurrency.
///
/// Required are four methods; the others have a body that is correct but slower, or answers `Unsupported`. Every backend of
/// this repository overrides them all.
///
/// # Contract
/// Keys are 1 to 1024 bytes of UTF-8 and compared byte for byte. Every write mints a [`Version`] that is never used again.
/// A call checks its arguments in this order: key, other arguments, size, fence, precondition; what fails first is the
/// error. *Live* means present and not expired; expiry is judged by the server's clock at one instant of the call.
/// Sentences and ids: `docs/contract.md`.
///
/// # Errors of every method
/// `Closed` after [`close`](crate::Backend::close); `Timeout`, `Unavailable`, `Unauthorized`, `Exhausted`, `Incompatible`
/// and `Backend` as far as there is a server, with [`outcome`](Error::outcome) to say whether a write may have happened;
/// `Decode` where foreign bytes stand under our names.
///
/// # Cancel safety of every method
/// The future may be dropped at any point. Nothing leaks and no later call gets its reply; a write that was under way has
/// happened or not, as after an error whose outcome is unknown.
#[async_trait]
pub trait StateStore: Debug + Send + Sync + 'static {
    /// What this store promises.
    fn capabilities(&self) -> StateCapabilities;

    /// The live value under `key`.
    ///
    /// # Errors
    /// `InvalidKey`, and those of every method.
    async fn load(&self, key: &str) -> Result<Option<State>>;

    /// After `Ok(version)` the key holds `value` under that version, with the lifetime that `options` say and no other.
    ///
    /// # Errors
    /// `InvalidKey`; `InvalidArgument` for a TTL out of bounds; `ValueTooLarge`; `Fenced`; `Conflict`; and those of every
    /// method. On each of the named ones nothing is written.
    async fn save(&self, key: &str, value: Bytes, options: SaveOptions) -> Result<Version>;

    /// After `Ok` the key holds nothing; true if it held a live value.
    ///
    /// # Errors
    /// `InvalidKey`; `InvalidArgument` for the precondition `Absent`; `Fenced`; `Conflict` where `Present` or `Match` do not
    /// hold; and those of every method. On each of the named ones nothing is written.
    async fn delete(&self, key: &str, options: DeleteOptions) -> Result<bool>;

    /// One answer per key, in request order; a key may stand twice. No keys is no request.
    ///
    /// Provided: one `load` each.
    ///
    /// # Errors
    /// Those of [`load`](Self::load), for any key.
    async fn load_many(&self, keys: &[&str]) -> Result<Vec<Option<State>>> {
        check_keys(keys.iter().copied())?;
        let mut states = Vec::with_capacity(keys.len());
        for key in keys {
            states.push(self.load(key).await?);
        }
        Ok(states)
    }

    /// One outcome per save, in request order; each is applied or not on its own.
    ///
    /// Provided: one `save` each.
    ///
    /// # Errors
    /// For each entry those of [`save`](Self::save). A key that stands twice, or more than `max_batch_keys` or
    /// `max_batch_bytes`: `InvalidArgument` for every entry, and nothing is sent.
    async fn save_many(&self, saves: Vec<Save>) -> Vec<Result<Version>> {
        if let Err(refused) = check_save_batch(&saves, &self.capabilities()) {
            return saves.iter().map(|_| Err(refused.clone())).collect();
        }
        let mut versions = Vec::with_capacity(saves.len());
        for save in saves {
            versions.push(self.save(&save.key, save.value, save.options).await);
        }
        versions
    }

    /// How many of the keys held a live value; after `Ok` none does.
    ///
    /// Provided: one unconditional `delete` each.
    ///
    /// # Errors
    /// Those of [`delete`](Self::delete), for any key; `InvalidArgument` for a key that stands twice or more than
    /// `max_batch_keys`, and nothing is sent.
    async fn delete_many(&self, keys: &[&str]) -> Result<u64> {
        check_distinct_keys(keys.iter().copied())?;
        check_batch_keys(keys.len(), &self.capabilities())?;
        let mut deleted = 0;
        for key in keys {
            deleted += u64::from(self.delete(key, DeleteOptions::new()).await?);
        }
        Ok(deleted)
    }

    /// All writes or none, in one atomic step; every key saved then has the one version returned.
    ///
    /// Provided: `Unsupported`.
    ///
    /// # Errors
    /// As for the single writes; on refusal the first failed key in request order is named. `InvalidArgument` for no writes,
    /// for a key that stands twice, and for more than `max_batch_keys` or `max_batch_bytes`. `Unsupported` where
    /// `capabilities().commit` is false. On each of these nothing is written.
    async fn commit(&self, writes: Vec<Write>) -> Result<Version> {
        drop(writes);
        Err(Error::unsupported("commit"))
    }

    /// A page of live keys with their versions, in byte order.
    ///
    /// Every key that lives from the first page's start to the last page's end appears exactly once; others may or may not,
    /// and none twice. Only `next: None` ends the listing.
    ///
    /// Provided: `Unsupported`.
    ///
    /// # Errors
    /// `InvalidArgument` for a prefix or `after` of more than 1024 bytes or a limit outside 1 to 1,000; `Unsupported` where
    /// `capabilities().list` is false; and those of every method.
    async fn list(&self, query: ListQuery) -> Result<KeyPage> {
        drop(query);
        Err(Error::unsupported("list"))
    }

    /// Raises the fencing marks of `keys` to `token`, without writing a value: for keys that a holder only reads.
    ///
    /// A mark that is `token` already stays. All marks are raised in one step, or none; repeating is harmless.
    ///
    /// Provided: `Unsupported`.
    ///
    /// # Errors
    /// `Fenced` where the mark of a key is above `token`: a later holder was here; no mark is raised then. `InvalidKey`;
    /// `InvalidArgument` for a key that stands twice, for more than `max_batch_keys`, and for a token of 2^53 or above;
    /// `Unsupported` where `capabilities().fencing` is false; and those of every method.
    async fn fence(&self, keys: &[&str], token: FencingToken) -> Result<()> {
        let _ = (keys, token);
        Err(Error::unsupported("fencing"))
    }
}

macro_rules! pointer {
    ($ptr:ident) => {
        impl<S: StateStore + ?Sized> StateStore for $ptr<S> {
            fn capabilities(&self) -> StateCapabilities {
                (**self).capabilities()
            }
            forward!(load<'k>(key: &'k str) -> Result<Option<State>>);
            forward!(save<'k>(key: &'k str, value: Bytes, options: SaveOptions) -> Result<Version>);
            forward!(delete<'k>(key: &'k str, options: DeleteOptions) -> Result<bool>);
            forward!(load_many<'k, 'l>(keys: &'k [&'l str]) -> Result<Vec<Option<State>>>);
            forward!(save_many(saves: Vec<Save>) -> Vec<Result<Version>>);
            forward!(delete_many<'k, 'l>(keys: &'k [&'l str]) -> Result<u64>);
            forward!(commit(writes: Vec<Write>) -> Result<Version>);
            forward!(list(query: ListQuery) -> Result<KeyPage>);
            forward!(fence<'k, 'l>(keys: &'k [&'l str], token: FencingToken) -> Result<()>);
        }
    };
}
pointer!(Arc);
pointer!(Box);

/// A live value: bytes from a [`StateStore`], a `T` from a [`TypedState`].
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct State<T = Bytes> {
    /// The value.
    pub value: T,
    /// Its version, for [`SaveOptions::if_version`].
    pub version: Version,
    /// What was left of its lifetime by the server's clock; `None` is permanent.
    pub expires_in: Option<Duration>,
}
debug_without_value!(State<T> { version, expires_in });

impl<T> State<T> {
    /// For backends.
    pub const fn new(value: T, version: Version, expires_in: Option<Duration>) -> Self {
        Self { value, version, expires_in }
    }
}

/// What a state store promises. Exhaustive: whoever writes a backend declares every point, or takes
/// `..StateCapabilities::NONE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StateCapabilities {
    /// What acknowledged writes survive.
    pub survives: Survives,
    /// The server may drop live values.
    pub evictable: bool,
    /// `fenced_by` and `fence` are enforced.
    pub fencing: bool,
    /// How long a fencing mark outlives the last fenced write of its key, at least. Zero without `fencing`.
    pub fence_retention: Duration,
    /// `commit` is there.
    pub commit: bool,
    /// `list` is there.
    pub list: bool,
    /// Bulk calls are one round trip, within the limits.
    pub bulk: bool,
    /// One `load_many` within the limits is one snapshot.
    pub snapshot_reads: bool,
    /// The same operations can run inside the caller's own transaction.
    pub transactions: bool,
    /// Whose clock decides what is expired.
    pub clock: ClockSource,
    /// The largest value in bytes.
    pub max_value: usize,
    /// The most keys in one bulk write.
    pub max_batch_keys: usize,
    /// The most bytes of values in one bulk write.
    pub max_batch_bytes: usize,
    /// The longest TTL; a longer one is `InvalidArgument`. `None` where there are no TTLs, and any is `Unsupported`.
    pub max_ttl: Option<Duration>,
    /// TTLs are rounded up to a multiple of this, and may last this much longer.
    pub ttl_granularity: Duration,
}

impl StateCapabilities {
    /// Promises nothing.
    pub const NONE: Self = Self {
        survives: Survives::Nothing,
        evictable: true,
        fencing: false,
        fence_retention: Duration::ZERO,
        commit: false,
        list: false,
        bulk: false,
        snapshot_reads: false,
        transactions: false,
        clock: ClockSource::Server,
        max_value: usize::MAX,
        max_batch_keys: usize::MAX,
        max_batch_bytes: usize::MAX,
        max_ttl: None,
        ttl_granularity: MILLISECOND,
    };
}

/// For backends: what [`StateStore::save_many`] refuses as a whole. A bad key or size refuses its entry alone.
///
/// # Errors
/// `InvalidArgument` for a key that stands twice, too many keys, or too many bytes together.
pub fn check_save_batch(saves: &[Save], limits: &StateCapabilities) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    if !saves.iter().all(|save| seen.insert(save.key.as_str())) {
        return Err(Error::invalid("keys", "a key stands twice in one batch"));
    }
    check_batch_keys(saves.len(), limits)?;
    check_batch_bytes(saves.iter().map(|save| save.value.len()), limits)
}

/// For backends: what [`StateStore::commit`] refuses before it sends anything. `size` of a single value is checked after.
///
/// # Errors
/// `InvalidKey`; `InvalidArgument` for no writes, a key that stands twice, a TTL out of bounds, the precondition `Absent`
/// on a delete, too many keys, or too many bytes together; `ValueTooLarge` for a single value.
pub fn check_commit(writes: &[Write], limits: &StateCapabilities) -> Result<()> {
    check_distinct_keys(writes.iter().map(Write::key))?;
    if writes.is_empty() {
        return Err(Error::invalid("writes", "a commit has at least one"));
    }
    check_batch_keys(writes.len(), limits)?;
    for write in writes {
        match write {
            Write::Save(save) => drop(save.options.into_parts()?),
            Write::Delete { options, .. } => drop(options.into_parts()?),
            Write::Check { .. } => {}
        }
    }
    let sizes = || writes.iter().map(Write::size);
    sizes().try_for_each(|size| crate::check_size(size, limits.max_value))?;
    check_batch_bytes(sizes(), limits)
}

/// For backends: the most keys of one bulk write.
///
/// # Errors
/// `InvalidArgument` for more than `max_batch_keys`.
pub fn check_batch_keys(keys: usize, limits: &StateCapabilities) -> Result<()> {
    if keys <= limits.max_batch_keys {
        return Ok(());
    }
    Err(Error::invalid("batch", format!("{keys} keys, the limit is {}", limits.max_batch_keys)))
}

fn check_batch_bytes(sizes: impl Iterator<Item = usize>, limits: &StateCapabilities) -> Result<()> {
    let sum = sizes.fold(0_usize, usize::saturating_add);
    if sum <= limits.max_batch_bytes {
        return Ok(());
    }
    Err(Error::invalid("batch", format!("{sum} bytes of values, the limit is {}", limits.max_batch_bytes)))
}
