//! The configuration of whichever backend it names.

use std::sync::Arc;

use serde::Deserialize;

use crate::{Backend, Memory, MemoryConfig, Null, Result, later::Later};

/// Which backend, and its options, as they stand in a file.
///
/// The field `backend` names the technology; the other fields are the options of its own configuration, under the same names
/// as the parameters of its URL. Unknown fields are refused, so that a misspelt option is not silently a default.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use concurrency::Config;
///
/// let config: Config = serde_json::from_str(r#"{"backend": "memory", "cache_max_entries": 1000}"#)?;
/// let backend = config.connect().await?;
/// assert_eq!(backend.name(), "memory");
///
/// assert!(serde_json::from_str::<Config>(r#"{"backend": "memory", "cache_max_entry": 1000}"#).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Tagged")]
#[non_exhaustive]
pub enum Config {
    /// Everything in this process.
    Memory(MemoryConfig),
    /// Accepts everything and remembers nothing; has no options.
    Null,
    /// Redis or Valkey.
    #[cfg(feature = "redis")]
    Redis(crate::RedisConfig),
    /// One file, for the processes of one machine.
    #[cfg(feature = "sqlite")]
    Sqlite(crate::SqliteConfig),
}

impl Config {
    /// Connects, and proves that it can talk.
    ///
    /// # Errors
    /// `InvalidArgument` for an option out of bounds, and those of the backend's own connecting.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn connect(self) -> Result<Arc<dyn Backend>> {
        match self {
            Self::Memory(config) => Ok(Arc::new(Memory::with_config(config)?)),
            Self::Null => Ok(Arc::new(Null::new())),
            #[cfg(feature = "redis")]
            Self::Redis(config) => Ok(Arc::new(crate::Redis::connect(config).await?)),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(config) => Ok(Arc::new(crate::Sqlite::connect(config).await?)),
        }
    }
}

/// What is read: [`Config`], and the names that this version refuses with a reason.
#[derive(Deserialize)]
#[serde(tag = "backend", rename_all = "lowercase")]
enum Tagged {
    Memory(MemoryConfig),
    Null(NoOptions),
    #[cfg(feature = "sqlite")]
    Sqlite(crate::SqliteConfig),
    #[cfg(not(feature = "sqlite"))]
    Sqlite(Later<0>),
    #[cfg(feature = "redis")]
    Redis(crate::RedisConfig),
    #[cfg(not(feature = "redis"))]
    Redis(Later<1>),
    Memcached(Later<2>),
    Postgres(Later<3>),
    Mysql(Later<4>),
    Mongodb(Later<5>),
}

/// Refuses any.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoOptions {}

impl From<Tagged> for Config {
    fn from(tagged: Tagged) -> Self {
        match tagged {
            Tagged::Memory(config) => Self::Memory(config),
            Tagged::Null(NoOptions {}) => Self::Null,
            #[cfg(feature = "sqlite")]
            Tagged::Sqlite(config) => Self::Sqlite(config),
            #[cfg(not(feature = "sqlite"))]
            Tagged::Sqlite(_) => unreachable!("{NEVER}"),
            #[cfg(feature = "redis")]
            Tagged::Redis(config) => Self::Redis(config),
            #[cfg(not(feature = "redis"))]
            Tagged::Redis(_) => unreachable!("{NEVER}"),
            Tagged::Memcached(_) => unreachable!("{NEVER}"),
            Tagged::Postgres(_) | Tagged::Mysql(_) | Tagged::Mongodb(_) => unreachable!("{NEVER}"),
        }
    }
}

const NEVER: &str = "the options of a backend that does not exist cannot be read";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::later::{LATER, is_here};

    #[test]
    fn a_configuration_is_told_apart_by_its_backend() {
        let json = r#"{"backend": "memory", "cache_max_entries": 7, "cache_default_ttl": "90s", "namespaces": {"a": {"max_value": 5}}}"#;
        let wanted = MemoryConfig::new()
            .cache_max_entries(7)
            .cache_default_ttl(std::time::Duration::from_secs(90))
            .namespace("a", MemoryConfig::new().max_value(5));
        assert_eq!(serde_json::from_str::<Config>(json).unwrap(), Config::Memory(wanted));
    }

    #[tokio::test]
    async fn null_has_no_options() {
        let config: Config = serde_json::from_str(r#"{"backend": "null"}"#).unwrap();
        assert_eq!(config.connect().await.unwrap().name(), "null");
        assert!(serde_json::from_str::<Config>(r#"{"backend": "null", "cache_max_entries": 1}"#).is_err());
        assert_eq!(crate::connect("null:").await.unwrap().name(), "null");
    }

    #[cfg(feature = "sqlite")]
    #[tokio::test]
    async fn a_file_can_be_had_by_configuration_and_by_url() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a b.db");
        let json =
            format!(r#"{{"backend": "sqlite", "path": {:?}, "operation_timeout": "2s"}}"#, path.to_str().unwrap());
        let config: Config = serde_json::from_str(&json).unwrap();
        let backend = config.connect().await.unwrap();
        assert_eq!(backend.name(), "sqlite");
        backend.close().await;
        let url = format!("sqlite:{}?create=false", path.to_str().unwrap().replace(' ', "%20"));
        assert_eq!(crate::connect(&url).await.unwrap().name(), "sqlite");
        assert!(serde_json::from_str::<Config>(r#"{"backend": "sqlite", "path": "a", "nonsense": 1}"#).is_err());
    }

    #[cfg(feature = "redis")]
    #[test]
    fn a_server_can_be_had_by_configuration() {
        let json = r#"{"backend": "redis", "host": "h", "password": "secret", "operation_timeout": "2s"}"#;
        let config: Config = serde_json::from_str(json).unwrap();
        let wanted =
            crate::RedisConfig::new("h").password("secret").operation_timeout(std::time::Duration::from_secs(2));
        assert!(!format!("{config:?}").contains("secret"));
        assert_eq!(config, Config::Redis(wanted));
        assert!(serde_json::from_str::<Config>(r#"{"backend": "redis", "host": "a", "nonsense": 1}"#).is_err());
    }

    #[test]
    fn what_is_unknown_is_refused() {
        for (json, names) in [
            (r#"{"backend": "memory", "nonsense": 1}"#, "nonsense"),
            (r#"{"backend": "nonsense"}"#, "memory"),
            (r#"{"cache_max_entries": 7}"#, "backend"),
        ] {
            let text = serde_json::from_str::<Config>(json).unwrap_err().to_string();
            assert!(text.contains(names), "{json}: {text}");
        }
    }

    #[test]
    fn a_planned_backend_names_its_feature() {
        for (feature, _) in LATER.into_iter().filter(|(feature, _)| !is_here(feature)) {
            let json = format!(r#"{{"backend": "{feature}", "url": "x://u:secret@h"}}"#);
            let text = serde_json::from_str::<Config>(&json).unwrap_err().to_string();
            assert!(text.contains(&format!("feature `{feature}`")), "{text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
