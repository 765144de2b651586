//! Values that may disappear at any time, and never lie.

mod bells;
mod counts;
mod find;
mod flight;
mod load;
mod near;
mod typed;

use std::{fmt::Debug, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde::Serialize;

pub use self::{
    bells::Bells,
    counts::CacheCounts,
    typed::{OnError, TypedCache},
};
use crate::{ClockSource, Error, Result, Survives, Ttl, capabilities::MILLISECOND, check_distinct_keys, check_keys};

/// Values that may disappear at any time, and never lie.
///
/// Required are five methods; the others have a body that is correct but slower, or answers `Unsupported`.
///
/// # Contract
/// After `set`, `remove` or `clear` returned `Ok`, no read that starts later, in any process, gets the old value. Keys are
/// 1 to 1024 bytes of UTF-8 and compared byte for byte. A call checks in this order: key, other arguments, size. Sentences
/// and ids: `docs/contract.md`.
///
/// # Errors of every method
/// `Closed` after [`close`](crate::Backend::close); `Timeout`, `Unavailable`, `Unauthorized`, `Exhausted`, `Incompatible`
/// and `Backend` as far as there is a server; `Decode` where foreign bytes stand under our names.
///
/// # Cancel safety of every method
/// The future may be dropped at any point. Nothing leaks and no later call gets its reply; a write that was under way has
/// happened or not, and until it is known to have ended its value may still appear.
#[async_trait]
pub trait Cache: Debug + Send + Sync + 'static {
    /// What this cache promises.
    fn capabilities(&self) -> CacheCapabilities;

    /// The live value under `key`.
    ///
    /// # Errors
    /// `InvalidKey`, and those of every method.
    async fn get(&self, key: &str) -> Result<Option<Bytes>>;

    /// After `Ok` no later read gets an older value.
    ///
    /// # Errors
    /// `InvalidKey`; `InvalidArgument` for a TTL out of bounds; `ValueTooLarge`; and those of every method. On each of the
    /// named ones the old value stays.
    async fn set(&self, key: &str, value: Bytes, expiry: Expiry) -> Result<()>;

    /// After `Ok` no later read gets the old value; true if there was a live one. Ends a reservation of the key. A backend repeats it
    /// after a lost reply, and then answers as the last copy met it: false, where an earlier one had removed the value.
    ///
    /// # Errors
    /// `InvalidKey`, and those of every method.
    async fn remove(&self, key: &str) -> Result<bool>;

    /// After `Ok` no later read in this namespace gets an old value; other namespaces are untouched. Ends all reservations
    /// of the namespace.
    ///
    /// # Errors
    /// Those of every method.
    async fn clear(&self) -> Result<()>;

    /// One answer per key, in request order; a key may stand twice. No keys is no request.
    ///
    /// Provided: one `get` each.
    ///
    /// # Errors
    /// Those of [`get`](Self::get), for any key.
    async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>> {
        check_keys(keys.iter().copied())?;
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            values.push(self.get(key).await?);
        }
        Ok(values)
    }

    /// One outcome per entry, in request order; each is applied or not on its own.
    ///
    /// Provided: one `set` each.
    ///
    /// # Errors
    /// For each entry those of [`set`](Self::set); `InvalidArgument` for every entry where a key stands twice.
    async fn set_many(&self, entries: Vec<(String, Bytes)>, expiry: Expiry) -> Vec<Result<()>> {
        if let Err(refused) = check_set_batch(&entries) {
            return entries.iter().map(|_| Err(refused.clone())).collect();
        }
        let mut outcomes = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            outcomes.push(self.set(&key, value, expiry).await);
        }
        outcomes
    }

    /// How many live values there were; after `Ok` none is.
    ///
    /// Provided: one `remove` each.
    ///
    /// # Errors
    /// Those of [`remove`](Self::remove), for any key; `InvalidArgument` for a key that stands twice.
    async fn remove_many(&self, keys: &[&str]) -> Result<u64> {
        check_distinct_keys(keys.iter().copied())?;
        let mut removed = 0;
        for key in keys {
            removed += u64::from(self.remove(key).await?);
        }
        Ok(removed)
    }

    /// Whether there is a live value.
    ///
    /// Provided: by `get`.
    ///
    /// # Errors
    /// Those of [`get`](Self::get).
    async fn contains(&self, key: &str) -> Result<bool> {
        Ok(self.get(key).await?.is_some())
    }

    /// The live value and what is left of its lifetime by the server's clock; `None` in it is "only by eviction".
    ///
    /// Provided: `Unsupported`.
    ///
    /// # Errors
    /// Those of [`get`](Self::get); `Unsupported` where `capabilities().remaining` is false.
    async fn get_with_expiry(&self, key: &str) -> Result<Option<Cached>> {
        let _ = key;
        Err(Error::unsupported("get_with_expiry"))
    }

    /// The live value, or a ticket to fill the gap, or the word that somebody else holds one.
    ///
    /// A ticket stands for `hold`: more than zero, at most ten years. After that, or once the key is set, removed or cleared,
    /// another caller gets one and this one is void.
    ///
    /// Provided: `Unsupported`; a loader then falls back to `get` and `set`.
    ///
    /// # Errors
    /// Those of [`get`](Self::get); `InvalidArgument` for a `hold` out of bounds; `Unsupported` where
    /// `capabilities().tickets` is false.
    async fn get_or_reserve(&self, key: &str, hold: Duration) -> Result<Lookup> {
        let _ = (key, hold);
        Err(Error::unsupported("tickets"))
    }

    /// Sets the value while the reservation of `ticket` stands, compared in the same step; whether it did. Ends the
    /// reservation.
    ///
    /// Provided: `Unsupported`.
    ///
    /// # Errors
    /// Those of [`set`](Self::set); `Unsupported` where `capabilities().tickets` is false.
    async fn fill(&self, ticket: Ticket, value: Bytes, expiry: Expiry) -> Result<bool> {
        let _ = (ticket, value, expiry);
        Err(Error::unsupported("tickets"))
    }

    /// Returns when a reservation of `key` may have ended, early or for nothing if it must: a hint, after which
    /// [`get_or_reserve`](Self::get_or_reserve) is asked again.
    ///
    /// Provided: a pause of up to 10 ms with jitter.
    ///
    /// # Errors
    /// Those of [`get`](Self::get).
    async fn filled(&self, key: &str) -> Result<()> {
        crate::check_key(key)?;
        tokio::time::sleep(crate::random::up_to(Duration::from_millis(10))).await;
        Ok(())
    }
}

macro_rules! pointer {
    ($ptr:ident) => {
        impl<C: Cache + ?Sized> Cache for $ptr<C> {
            fn capabilities(&self) -> CacheCapabilities {
                (**self).capabilities()
            }
            forward!(get<'k>(key: &'k str) -> Result<Option<Bytes>>);
            forward!(set<'k>(key: &'k str, value: Bytes, expiry: Expiry) -> Result<()>);
            forward!(remove<'k>(key: &'k str) -> Result<bool>);
            forward!(clear() -> Result<()>);
            forward!(get_many<'k, 'l>(keys: &'k [&'l str]) -> Result<Vec<Option<Bytes>>>);
            forward!(set_many(entries: Vec<(String, Bytes)>, expiry: Expiry) -> Vec<Result<()>>);
            forward!(remove_many<'k, 'l>(keys: &'k [&'l str]) -> Result<u64>);
            forward!(contains<'k>(key: &'k str) -> Result<bool>);
            forward!(get_with_expiry<'k>(key: &'k str) -> Result<Option<Cached>>);
            forward!(get_or_reserve<'k>(key: &'k str, hold: Duration) -> Result<Lookup>);
            forward!(fill(ticket: Ticket, value: Bytes, expiry: Expiry) -> Result<bool>);
            forward!(filled<'k>(key: &'k str) -> Result<()>);
        }
    };
}
pointer!(Arc);
pointer!(Box);

/// When an entry goes. Three cases, so not an `Option`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expiry {
    /// After the component's default TTL.
    #[default]
    Default,
    /// After this TTL: more than zero, at most ten years, rounded up to 1 ms.
    After(Duration),
    /// Only by eviction.
    Never,
}

impl Expiry {
    /// For backends: the TTL to write, checked; `None` is never.
    ///
    /// # Errors
    /// `InvalidArgument` for a TTL out of bounds.
    pub fn resolve(self, default: Option<Ttl>) -> Result<Option<Ttl>> {
        match self {
            Self::Default => Ok(default),
            Self::After(ttl) => Ttl::new(ttl).map(Some),
            Self::Never => Ok(None),
        }
    }
}

impl From<Duration> for Expiry {
    fn from(ttl: Duration) -> Self {
        Self::After(ttl)
    }
}

/// A live value and what is left of its lifetime.
#[derive(Clone, PartialEq, Eq)]
pub struct Cached {
    /// The value.
    pub value: Bytes,
    /// By the server's clock; `None` goes only by eviction.
    pub expires_in: Option<Duration>,
}
debug_without_value!(Cached { expires_in });

/// What [`Cache::get_or_reserve`] found.
#[derive(Clone)]
pub enum Lookup {
    /// The live value.
    Hit(Bytes),
    /// Nothing, and nobody is loading: load it, then [`fill`](Cache::fill).
    Reserved(Ticket),
    /// Nothing yet; somebody is loading: [`filled`](Cache::filled), then ask again.
    Loading,
}

impl Debug for Lookup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Hit(_) => "Hit(..)",
            Self::Reserved(_) => "Reserved(..)",
            Self::Loading => "Loading",
        })
    }
}

/// The right to fill one key, void as soon as the key is set, removed, cleared or reserved again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Whose key.
    pub key: Box<str>,
    /// Known to the server.
    pub token: [u8; 16],
}

/// What a cache promises. Exhaustive, as [`StateCapabilities`](crate::StateCapabilities).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CacheCapabilities {
    /// Seen by other processes.
    pub shared: bool,
    /// What entries survive, as far as they are not evicted.
    pub survives: Survives,
    /// The server may drop live values.
    pub evictable: bool,
    /// `get_or_reserve`, `fill` and `filled` are there.
    pub tickets: bool,
    /// `get_with_expiry` is there.
    pub remaining: bool,
    /// Bulk calls are one round trip.
    pub bulk: bool,
    /// Whose clock decides what is expired.
    pub clock: ClockSource,
    /// The largest value in bytes.
    pub max_value: usize,
    /// The longest TTL; a longer one is `InvalidArgument`. `None` where there are no TTLs, and any is `Unsupported`.
    pub max_ttl: Option<Duration>,
    /// The TTL of `Expiry::Default`; `None` is that of `Expiry::Never`.
    pub default_ttl: Option<Duration>,
    /// TTLs are rounded up to a multiple of this, and may last this much longer.
    pub ttl_granularity: Duration,
}

impl CacheCapabilities {
    /// Promises nothing.
    pub const NONE: Self = Self {
        shared: false,
        survives: Survives::Nothing,
        evictable: true,
        tickets: false,
        remaining: false,
        bulk: false,
        clock: ClockSource::Server,
        max_value: usize::MAX,
        max_ttl: None,
        default_ttl: None,
        ttl_granularity: MILLISECOND,
    };
}

/// For backends: what [`Cache::set_many`] refuses as a whole. A bad key or size refuses its entry alone.
///
/// # Errors
/// `InvalidArgument` for a key that stands twice.
pub fn check_set_batch(entries: &[(String, Bytes)]) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    if entries.iter().all(|(key, _)| seen.insert(key.as_str())) {
        return Ok(());
    }
    Err(Error::invalid("keys", "a key stands twice in one batch"))
}
