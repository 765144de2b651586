//! The options of the Redis backend.

mod namespace;
mod sentinel;

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use concurrency_core::{Error, Namespace, Result, config};
use serde::Deserialize;

pub(crate) use self::{
    namespace::NamespaceConfig,
    sentinel::{Place, SentinelConfig},
};

/// What every name on the server begins with, unless told otherwise.
const PREFIX: &str = "concurrency";

/// The options of a [`Redis`](crate::Redis), for all namespaces or for one.
///
/// Each option has one name: as a field here, as a parameter of the URL (`redis://localhost?operation_timeout=2s`), and as a
/// method. Where the server is and who asks stand in the URL's address instead: `redis://user:password@host:port/db`, with
/// `rediss:` for TLS; or, where sentinels know which server it is, `redis+sentinel://user:password@host:port,host:port/primary/db`.
/// The options of a namespace are those of its components; the connections are one for all.
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisConfig {
    /// The server's name or address; `localhost` by default. In a URL it is in the address. Not for a namespace.
    pub host: Option<String>,
    /// Its port; 6379 by default. In a URL it is in the address. Not for a namespace.
    pub port: Option<u16>,
    /// Sentinels, each as `host` or `host:port`, with 26379 as the default port: they are asked where the primary is. Needs
    /// `primary`, and takes the place of `host` and `port`. In a URL they are in the address. Not for a namespace.
    pub sentinels: Option<Vec<String>>,
    /// What the sentinels call the primary. In a URL it is the path. Not for a namespace.
    pub primary: Option<String>,
    /// The user at the sentinels, who needs `sentinel_password`; their default user unless set. Not for a namespace.
    pub sentinel_user: Option<String>,
    /// The password at the sentinels; none by default. Not for a namespace.
    pub sentinel_password: Option<String>,
    /// The number of the database, 0 by default. In a URL it is the path, or follows `primary` there. Not for a namespace.
    pub db: Option<u16>,
    /// The user, who needs a password; the server's default user unless set. In a URL it is in the address. Not for a namespace.
    pub user: Option<String>,
    /// The password; none by default. In a URL it is in the address. Not for a namespace.
    pub password: Option<String>,
    /// Encrypt the connections, and check the server's certificate, those of sentinels as well. False by default; in a URL it is
    /// the scheme. Not for a namespace.
    pub tls: Option<bool>,
    /// A file with the certificates to trust, in PEM; the system's own by default. Needs `tls`. Not for a namespace.
    pub tls_ca_file: Option<PathBuf>,
    /// What every name on the server begins with: 1 to 64 characters of `A-Z a-z 0-9 . _ - :`; `concurrency` by default. Clients
    /// with different ones never meet. Not for a namespace.
    pub key_prefix: Option<String>,
    /// How long a call may take, from 10 ms to an hour; 5 seconds by default.
    #[serde(with = "config::optional_duration")]
    pub operation_timeout: Option<Duration>,
    /// The largest value and the largest event in bytes, 1 to 256 MiB; 16 MiB by default.
    pub max_value: Option<usize>,
    /// How long a fencing mark outlives the last fenced write of its key. 24 hours by default.
    #[serde(with = "config::optional_duration")]
    pub fence_retention: Option<Duration>,
    /// Give out locks although the server may drop live ones, because its `maxmemory-policy` is not `noeviction` or cannot be
    /// read. False by default: they are refused then.
    pub allow_eviction: Option<bool>,
    /// The TTL of entries set with `Expiry::Default`. By default they go only by eviction.
    #[serde(with = "config::optional_duration")]
    pub cache_default_ttl: Option<Duration>,
    /// How a cache is cleared: `scan` by default. All processes must have the same: entries of one way are not seen in the other.
    pub cache_clear: Option<CacheClear>,
    /// Options that differ for a namespace.
    pub namespaces: BTreeMap<String, RedisConfig>,
}

/// How a cache is cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheClear {
    /// By looking through all names of the database and removing the entries: reads are plain, a clear takes about a second for
    /// a million names, and has to end within `operation_timeout`.
    #[default]
    Scan,
    /// By a token that every entry has a copy of: a clear is one small write however much there is, reads compare it.
    Generation,
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, db, user, password, tls, tls_ca_file, key_prefix, .. } = self;
        let Self { operation_timeout, max_value, fence_retention, allow_eviction, .. } = self;
        let Self { cache_default_ttl, cache_clear, namespaces, .. } = self;
        let Self { sentinels, primary, sentinel_user, sentinel_password, .. } = self;
        let hidden = |password: &Option<String>| password.as_ref().map(|_| "***");
        let mut debug = f.debug_struct("RedisConfig");
        debug.field("host", host).field("port", port).field("sentinels", sentinels).field("primary", primary);
        debug.field("sentinel_user", sentinel_user).field("sentinel_password", &hidden(sentinel_password));
        debug.field("db", db).field("user", user).field("password", &hidden(password));
        debug.field("tls", tls).field("tls_ca_file", tls_ca_file).field("key_prefix", key_prefix);
        debug.field("operation_timeout", operation_timeout).field("max_value", max_value);
        debug.field("fence_retention", fence_retention).field("allow_eviction", allow_eviction);
        debug.field("cache_default_ttl", cache_default_ttl).field("cache_clear", cache_clear);
        debug.field("namespaces", namespaces).finish()
    }
}

impl RedisConfig {
    /// The defaults, on this server.
    #[must_use]
    pub fn new(host: impl Into<String>) -> Self {
        Self { host: Some(host.into()), ..Self::default() }
    }

    /// The defaults for a namespace: what is set on it differs there.
    #[must_use]
    pub fn for_namespace() -> Self {
        Self::default()
    }

    /// The server's port.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// The number of the database.
    #[must_use]
    pub fn db(mut self, db: u16) -> Self {
        self.db = Some(db);
        self
    }

    /// The user.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// The password.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Whether to encrypt the connections.
    #[must_use]
    pub fn tls(mut self, tls: bool) -> Self {
        self.tls = Some(tls);
        self
    }

    /// A file with the certificates to trust.
    #[must_use]
    pub fn tls_ca_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.tls_ca_file = Some(file.into());
        self
    }

    /// What every name on the server begins with.
    #[must_use]
    pub fn key_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.key_prefix = Some(prefix.into());
        self
    }

    /// How long a call may take.
    #[must_use]
    pub fn operation_timeout(mut self, timeout: Duration) -> Self {
        self.operation_timeout = Some(timeout);
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

    /// Whether to give out locks on a server that may drop live ones.
    #[must_use]
    pub fn allow_eviction(mut self, allow: bool) -> Self {
        self.allow_eviction = Some(allow);
        self
    }

    /// The TTL of entries set with `Expiry::Default`.
    #[must_use]
    pub fn cache_default_ttl(mut self, ttl: Duration) -> Self {
        self.cache_default_ttl = Some(ttl);
        self
    }

    /// How a cache is cleared.
    #[must_use]
    pub fn cache_clear(mut self, how: CacheClear) -> Self {
        self.cache_clear = Some(how);
        self
    }

    /// Other options for one namespace; what they leave out is as for all.
    #[must_use]
    pub fn namespace(mut self, name: impl Into<String>, options: Self) -> Self {
        self.namespaces.insert(name.into(), options);
        self
    }

    /// From `redis://user:password@host:port/db?option=value&..`; `rediss:` for TLS, `valkey:` and `valkeys:` mean the same. All
    /// parts of the address may be left out but the host. With `+sentinel` behind the scheme it is the address of sentinels:
    /// `redis+sentinel://user:password@host:port,host:port/primary/db`, of which all but a host and the primary's name may be left
    /// out; user and password are those at the primary. In an address `%` and two hexadecimal digits stand for a byte. Durations
    /// are written as `90s` or `24h`.
    ///
    /// # Errors
    /// `InvalidArgument` for another scheme, no host, an unknown option, one that belongs into the address, and a value out of
    /// bounds. No text of it contains a password.
    pub fn from_url(url: &str) -> Result<Self> {
        let (address, options) = url.split_once('?').unwrap_or((url, ""));
        let (scheme, address) = address.split_once(':').unwrap_or((address, ""));
        let (plain, sentinels) = scheme.strip_suffix("+sentinel").map_or((scheme, false), |plain| (plain, true));
        let tls = match plain {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            _ => {
                return Err(Error::invalid(
                    "URL",
                    "redis://HOST, or redis+sentinel://HOST,HOST/PRIMARY; rediss for TLS",
                ));
            }
        };
        let mut config: Self = config::from_options(options)?;
        let Self { host, port, db, user, password, tls: encrypted, .. } = &config;
        let elsewhere = [host.is_some(), port.is_some(), db.is_some(), user.is_some(), password.is_some()];
        if elsewhere.contains(&true) || encrypted.is_some() || config.sentinels.is_some() || config.primary.is_some() {
            return Err(Error::invalid("URL", "redis://user:password@host:port/db stands before the question mark"));
        }
        config.tls = tls.then_some(true);
        if sentinels {
            config.take_address_of_sentinels(address)?;
        } else {
            config.take_address(address)?;
        }
        config.check()?;
        Ok(config)
    }

    fn take_address(&mut self, address: &str) -> Result<()> {
        let config::Address { user, password, host, port, path } = config::Address::parse(address)?;
        self.user = Some(user).filter(|user| !user.is_empty());
        self.password = password;
        self.host = Some(host);
        self.port = port;
        self.take_db(&path)
    }

    fn take_db(&mut self, path: &str) -> Result<()> {
        let number = |path: &str| path.parse().map_err(|_| Error::invalid("db", "a number from 0 to 65,535"));
        self.db = (!path.is_empty()).then(|| number(path)).transpose()?;
        Ok(())
    }

    /// # Errors
    /// `InvalidArgument` for a value out of bounds, a bad namespace, and an option of the connection in a namespace.
    pub(crate) fn check(&self) -> Result<()> {
        if self.host.as_ref().is_some_and(String::is_empty) {
            return Err(Error::invalid("host", "the server's name or address"));
        }
        if self.user.is_some() && self.password.is_none() {
            return Err(Error::invalid("user", "a user needs a password"));
        }
        self.check_sentinels()?;
        if self.tls_ca_file.is_some() && self.tls != Some(true) {
            return Err(Error::invalid("tls_ca_file", "it needs tls"));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
        let fits = |prefix: &String| (1..=64).contains(&prefix.len()) && prefix.chars().all(allowed);
        if !self.key_prefix.as_ref().is_none_or(fits) {
            return Err(Error::invalid("key_prefix", "1 to 64 characters of A-Z a-z 0-9 . _ - :"));
        }
        self.check_of_namespace()?;
        for (namespace, options) in &self.namespaces {
            Namespace::new(namespace.as_str())?;
            if !options.is_of_namespace() {
                return Err(Error::invalid("namespaces", "an option of the connections cannot differ for a namespace"));
            }
            options.check_of_namespace()?;
        }
        Ok(())
    }

    /// What all names on the server begin with.
    pub(crate) fn prefix(&self) -> &str {
        self.key_prefix.as_deref().unwrap_or(PREFIX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_carries_the_same_options() {
        let url = "rediss://me:p%40ss@[::1]:7000/3?operation_timeout=2s&max_value=10&fence_retention=1h&key_prefix=app:1\
            &allow_eviction=true&tls_ca_file=/ca.pem&cache_default_ttl=90s&cache_clear=generation";
        let config = RedisConfig::new("::1")
            .port(7000)
            .db(3)
            .user("me")
            .password("p@ss")
            .tls(true)
            .tls_ca_file("/ca.pem")
            .key_prefix("app:1")
            .operation_timeout(Duration::from_secs(2))
            .max_value(10)
            .fence_retention(Duration::from_secs(3600))
            .allow_eviction(true)
            .cache_default_ttl(Duration::from_secs(90))
            .cache_clear(CacheClear::Generation);
        assert_eq!(RedisConfig::from_url(url).unwrap(), config);
        for url in ["redis://h", "valkey://h", "redis://h/"] {
            assert_eq!(RedisConfig::from_url(url).unwrap(), RedisConfig::new("h"), "{url}");
        }
        assert_eq!(RedisConfig::from_url("valkeys://:x@h").unwrap(), RedisConfig::new("h").tls(true).password("x"));
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_without_a_secret() {
        for bad in [
            "redis:",
            "redis://",
            "redis:secret",
            "redis://:secret@",
            "redis://secret@h",
            "redis://:secret@h/x",
            "redis://:secret@h/65536",
            "redis://:secret@h:port",
            "redis+cluster://:secret@h",
            "redis+sentinel://:secret@h",
            "redis+sentinel://:secret@/main",
            "redis+sentinel://:secret@h,/main",
            "redis+sentinel://:secret@h:port/main",
            "redis+sentinel://:secret@h/main/x",
            "redis+sentinel://:secret@h/main/1/2",
            "redis+sentinel://:secret@h/",
            "redis+sentinel://h/main?primary=secret",
            "redis+sentinel://h/main?sentinels=secret",
            "redis+sentinel://h/main?sentinel_user=secret",
            "redis://h?sentinel_password=secret",
            "sentinel://:secret@h/main",
            "redis://:secret@h?nonsense=1",
            "redis://h?password=secret",
            "redis://:secret@h?tls=true",
            "redis://:secret@h?db=1",
            "redis://h?max_value=secret",
            "redis://h?tls_ca_file=/secret",
            "redis://h?operation_timeout=9ms",
            "redis://h?operation_timeout=2h",
            "redis://h?max_value=0",
            "redis://h?max_value=268435457",
            "redis://h?fence_retention=0s",
            "redis://h?cache_default_ttl=0s",
            "redis://h?cache_clear=secret",
            "redis://h?key_prefix=",
            "redis://h?key_prefix=a%7B",
        ] {
            let error = RedisConfig::from_url(bad).unwrap_err();
            assert!(matches!(error, Error::InvalidArgument { .. }), "{bad}: {error:?}");
            assert!(!format!("{error} {error:?}").contains("secret"), "{bad}: {error:?}");
        }
        assert!(!format!("{:?}", RedisConfig::new("h").password("secret")).contains("secret"));
    }

    #[test]
    fn a_namespace_has_its_own_options() {
        let json =
            r#"{"host": "h", "max_value": 10, "namespaces": {"big": {"max_value": 20, "operation_timeout": "1s"}}}"#;
        let config: RedisConfig = serde_json::from_str(json).unwrap();
        let big = RedisConfig::for_namespace().max_value(20).operation_timeout(Duration::from_secs(1));
        assert_eq!(config, RedisConfig::new("h").max_value(10).namespace("big", big));
        assert_eq!((config.of("big").max_value, config.of("other").max_value), (20, 10));
        assert_eq!(config.of("big").operation_timeout, Duration::from_secs(1));
        for bad in [RedisConfig::new("b"), RedisConfig::for_namespace().key_prefix("p")] {
            assert!(RedisConfig::new("a").namespace("big", bad).check().is_err());
        }
        assert!(RedisConfig::new("a").namespace("a b", RedisConfig::for_namespace()).check().is_err());
        assert!(serde_json::from_str::<RedisConfig>(r#"{"host": "a", "nonsense": 1}"#).is_err());
    }
}
