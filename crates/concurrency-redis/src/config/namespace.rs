//! The options that may differ for a namespace.

use std::time::Duration;

use concurrency_core::{Error, Result, Ttl};

use super::{CacheClear, RedisConfig};

/// The longest that a call may be given.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(3600);
/// The shortest: below this a loaded machine answers by chance.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(10);
/// The server's own limit is 512 MiB (`proto-max-bulk-len`); this leaves room for a batch in memory.
const LARGEST_VALUE: usize = 256 << 20;
/// The options of one namespace, with all defaults filled in. Exhaustive on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamespaceConfig {
    /// How long a call may take.
    pub(crate) operation_timeout: Duration,
    /// The largest value and the largest event in bytes.
    pub(crate) max_value: usize,
    /// How long a fencing mark outlives the last fenced write of its key.
    pub(crate) fence_retention: Ttl,
    /// Whether locks may be given out on a server that may drop them.
    pub(crate) allow_eviction: bool,
    /// The TTL of entries set with `Expiry::Default`.
    pub(crate) cache_default_ttl: Option<Ttl>,
    /// How a cache is cleared.
    pub(crate) cache_clear: CacheClear,
}

impl RedisConfig {
    /// Only options that may differ for a namespace are set.
    pub(super) fn is_of_namespace(&self) -> bool {
        let Self { host, port, db, user, password, tls, tls_ca_file, key_prefix, namespaces, .. } = self;
        let address = host.is_none() && port.is_none() && db.is_none() && user.is_none() && password.is_none();
        address
            && !self.has_sentinel_options()
            && tls.is_none()
            && tls_ca_file.is_none()
            && key_prefix.is_none()
            && namespaces.is_empty()
    }

    /// # Errors
    /// `InvalidArgument` for a value out of bounds.
    pub(super) fn check_of_namespace(&self) -> Result<()> {
        if self.operation_timeout.is_some_and(|timeout| !(SHORTEST_TIMEOUT..=LONGEST_TIMEOUT).contains(&timeout)) {
            return Err(Error::invalid("operation_timeout", "10 ms to an hour"));
        }
        if self.max_value.is_some_and(|bytes| !(1..=LARGEST_VALUE).contains(&bytes)) {
            return Err(Error::invalid("max_value", "1 byte to 256 MiB"));
        }
        self.fence_retention.map(Ttl::new).transpose()?;
        self.cache_default_ttl.map(Ttl::new).transpose()?;
        Ok(())
    }

    /// What holds for a namespace. The configuration was checked.
    pub(crate) fn of(&self, namespace: &str) -> NamespaceConfig {
        let own = self.namespaces.get(namespace).unwrap_or(self);
        let retention = own.fence_retention.or(self.fence_retention).unwrap_or(Duration::from_secs(86_400));
        let default_ttl = own.cache_default_ttl.or(self.cache_default_ttl);
        NamespaceConfig {
            operation_timeout: own.operation_timeout.or(self.operation_timeout).unwrap_or(Duration::from_secs(5)),
            max_value: own.max_value.or(self.max_value).unwrap_or(16 << 20),
            fence_retention: Ttl::new(retention).expect("checked"),
            allow_eviction: own.allow_eviction.or(self.allow_eviction).unwrap_or(false),
            cache_default_ttl: default_ttl.map(|ttl| Ttl::new(ttl).expect("checked")),
            cache_clear: own.cache_clear.or(self.cache_clear).unwrap_or_default(),
        }
    }
}
