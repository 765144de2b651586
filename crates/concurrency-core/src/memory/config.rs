//! The options of the in-memory backend.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use crate::{Error, Namespace, Result, Ttl, config};

/// The options of a [`Memory`](super::Memory), for all namespaces or for one.
///
/// Each option has one name: as a field here, as a parameter of the URL (`memory:?cache_max_entries=1000`), and as a method.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MemoryConfig {
    /// The most entries that the cache of a namespace holds. 1 or more; 10,000 by default.
    pub cache_max_entries: Option<usize>,
    /// The most bytes of keys and values that the cache of a namespace holds. 1 or more; no limit by default.
    pub cache_max_bytes: Option<u64>,
    /// The TTL of entries set with `Expiry::Default`. By default they go only by eviction.
    #[serde(with = "config::optional_duration")]
    pub cache_default_ttl: Option<Duration>,
    /// The largest value and the largest event in bytes. 1 or more; 16 MiB by default.
    pub max_value: Option<usize>,
    /// How long a fencing mark outlives the last fenced write of its key. 24 hours by default.
    #[serde(with = "config::optional_duration")]
    pub fence_retention: Option<Duration>,
    /// Options that differ for a namespace.
    pub namespaces: BTreeMap<String, MemoryConfig>,
}

/// The options of one namespace, with all defaults filled in. Exhaustive on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceConfig {
    /// The most entries of the cache.
    pub cache_max_entries: usize,
    /// The most bytes of keys and values in the cache.
    pub cache_max_bytes: Option<u64>,
    /// The TTL of entries set with `Expiry::Default`.
    pub cache_default_ttl: Option<Ttl>,
    /// The largest value and the largest event in bytes.
    pub max_value: usize,
    /// How long a fencing mark outlives the last fenced write of its key.
    pub fence_retention: Duration,
}

impl MemoryConfig {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The most entries that the cache of a namespace holds.
    #[must_use]
    pub fn cache_max_entries(mut self, entries: usize) -> Self {
        self.cache_max_entries = Some(entries);
        self
    }

    /// The most bytes of keys and values that the cache of a namespace holds.
    #[must_use]
    pub fn cache_max_bytes(mut self, bytes: u64) -> Self {
        self.cache_max_bytes = Some(bytes);
        self
    }

    /// The TTL of entries set with `Expiry::Default`.
    #[must_use]
    pub fn cache_default_ttl(mut self, ttl: Duration) -> Self {
        self.cache_default_ttl = Some(ttl);
        self
    }

    /// The largest value and the largest event in bytes.
    #[must_use]
    pub fn max_value(mut self, bytes: usize) -> Self {
        self.max_value = Some(bytes);
        self
    }

    /// How long a fencing mark outlives the last fenced write of its key.
    #[must_use]
    pub fn fence_retention(mut self, retention: Duration) -> Self {
        self.fence_retention = Some(retention);
        self
    }

    /// Other options for one namespace; what they leave out is as for all.
    #[must_use]
    pub fn namespace(mut self, name: impl Into<String>, options: Self) -> Self {
        self.namespaces.insert(name.into(), options);
        self
    }

    /// From `memory:` or `memory:?option=value&..`; durations are written as `90s` or `24h`.
    ///
    /// # Errors
    /// `InvalidArgument` for an address behind the scheme, an unknown option, and a value out of bounds.
    pub fn from_url(url: &str) -> Result<Self> {
        let options = config::options_of(url, "memory")?;
        let config: Self = config::from_options(options)?;
        config.check()?;
        Ok(config)
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.cache_max_entries == Some(0) {
            return Err(Error::invalid("cache_max_entries", "1 or more"));
        }
        if self.cache_max_bytes == Some(0) {
            return Err(Error::invalid("cache_max_bytes", "1 or more"));
        }
        if self.max_value == Some(0) {
            return Err(Error::invalid("max_value", "1 or more"));
        }
        self.cache_default_ttl.map(Ttl::new).transpose()?;
        self.fence_retention.map(Ttl::new).transpose()?;
        for (name, options) in &self.namespaces {
            Namespace::new(name.as_str())?;
            if !options.namespaces.is_empty() {
                return Err(Error::invalid("namespaces", "the options of a namespace have no namespaces of their own"));
            }
            options.check()?;
        }
        Ok(())
    }

    /// What holds for a namespace.
    ///
    /// # Panics
    /// If the configuration has an option out of bounds; a [`Memory`](super::Memory) has checked its own.
    #[must_use]
    pub fn of(&self, namespace: &str) -> NamespaceConfig {
        let own = self.namespaces.get(namespace).unwrap_or(self);
        let ttl = own.cache_default_ttl.or(self.cache_default_ttl);
        NamespaceConfig {
            cache_max_entries: own.cache_max_entries.or(self.cache_max_entries).unwrap_or(10_000),
            cache_max_bytes: own.cache_max_bytes.or(self.cache_max_bytes),
            cache_default_ttl: ttl.map(|ttl| Ttl::new(ttl).expect("checked")),
            max_value: own.max_value.or(self.max_value).unwrap_or(16 << 20),
            fence_retention: own.fence_retention.or(self.fence_retention).unwrap_or(Duration::from_secs(86_400)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_carries_the_same_options() {
        let config = MemoryConfig::from_url("memory:?cache_max_entries=7&cache_default_ttl=90s").unwrap();
        assert_eq!(config, MemoryConfig::new().cache_max_entries(7).cache_default_ttl(Duration::from_secs(90)));
        assert_eq!(MemoryConfig::from_url("memory:").unwrap(), MemoryConfig::new());
        for bad in
            ["memory://host", "memory:?nonsense=1", "memory:?cache_max_entries=0", "memory:?cache_default_ttl=0s"]
        {
            assert!(matches!(MemoryConfig::from_url(bad), Err(Error::InvalidArgument { .. })), "{bad}");
        }
    }

    #[test]
    fn a_namespace_has_its_own_options() {
        let config = MemoryConfig::new().max_value(10).namespace("big", MemoryConfig::new().max_value(20));
        assert_eq!((config.of("big").max_value, config.of("other").max_value), (20, 10));
        assert!(MemoryConfig::new().namespace("a b", MemoryConfig::new()).check().is_err());
        let json = r#"{"max_value": 10, "namespaces": {"big": {"max_value": 20}}}"#;
        assert_eq!(serde_json::from_str::<MemoryConfig>(json).unwrap(), config);
        assert!(serde_json::from_str::<MemoryConfig>(r#"{"nonsense": 1}"#).is_err());
    }
}
