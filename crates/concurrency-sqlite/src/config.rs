//! The options of the SQLite backend.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf, time::Duration};

use concurrency_core::{Error, Namespace, Result, Ttl, config};
use serde::Deserialize;

/// The longest that a call may be given.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(3600);
/// The shortest: below this a loaded machine answers by chance.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(10);
/// SQLite's own limit is 10^9 bytes a row; this leaves room for a batch in memory.
const LARGEST_VALUE: usize = 256 << 20;
/// What a sweep and an eviction keep up with.
const MOST_ENTRIES: usize = 100_000_000;
/// The most that SQLite maps: 2 GiB less 64 KiB.
const LARGEST_MAP: u64 = (2 << 30) - (64 << 10);
/// The most that is worth reading on the calling thread.
const LARGEST_INLINE: usize = 1 << 20;

/// The options of a [`Sqlite`](crate::Sqlite), for all namespaces or for one.
///
/// Each option has one name: as a field here, as a parameter of the URL (`sqlite:app.db?operation_timeout=2s`), and as a
/// method. The options of a namespace are those of its components; the file and its connections are one for all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SqliteConfig {
    /// The file, on a local file system. Required; in a URL it is the address. Not for a namespace.
    pub path: PathBuf,
    /// Create the file where there is none; its directory must exist. True by default. Not for a namespace.
    pub create: Option<bool>,
    /// The largest size of the file in bytes, at least 64 KiB, rounded down to pages; a write beyond it is `Exhausted`. No limit
    /// by default. Not for a namespace.
    pub max_file_size: Option<u64>,
    /// How many threads read: 1 to 16, 2 by default. Each has a connection of its own. Not for a namespace.
    pub reader_threads: Option<usize>,
    /// The largest value in bytes that is read on the calling thread, which is several times faster than asking a reader: 0
    /// (never) to 1 MiB, 64 KiB by default. Not for a namespace.
    pub inline_read_bytes: Option<usize>,
    /// How much of the file, from its beginning, reads map into memory instead of copying its pages: 0 to 2 GiB less 64 KiB, in
    /// bytes; 0 by default. Loads from a file that is larger than SQLite's own memory then take less time, but **a file that
    /// another program truncates, or that its disk cannot read, ends the process with a signal** (`SIGBUS`) instead of an error.
    /// Not for a namespace.
    pub mmap_size: Option<u64>,
    /// How long a call may take, from 10 ms to an hour; 5 seconds by default.
    #[serde(with = "config::optional_duration")]
    pub operation_timeout: Option<Duration>,
    /// The largest value and the largest event in bytes, 1 to 256 MiB; 16 MiB by default.
    pub max_value: Option<usize>,
    /// How long a fencing mark outlives the last fenced write of its key. 24 hours by default.
    #[serde(with = "config::optional_duration")]
    pub fence_retention: Option<Duration>,
    /// The most entries of the cache, reservations and what has expired and was not removed yet included: 1 to 100,000,000;
    /// 100,000 by default. Beyond it, what was written longest ago is evicted.
    pub cache_max_entries: Option<usize>,
    /// The TTL of entries set with `Expiry::Default`. By default they go only by eviction.
    #[serde(with = "config::optional_duration")]
    pub cache_default_ttl: Option<Duration>,
    /// Options that differ for a namespace.
    pub namespaces: BTreeMap<String, SqliteConfig>,
}

/// The options of one namespace, with all defaults filled in. Exhaustive on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamespaceConfig {
    /// How long a call may take.
    pub(crate) operation_timeout: Duration,
    /// The largest value that is read on the calling thread; `None` for none at all.
    pub(crate) inline_read_bytes: Option<usize>,
    /// The largest value and the largest event in bytes.
    pub(crate) max_value: usize,
    /// How long a fencing mark outlives the last fenced write of its key.
    pub(crate) fence_retention: Ttl,
    /// The most entries of the cache.
    pub(crate) cache_max_entries: usize,
    /// The TTL of entries set with `Expiry::Default`.
    pub(crate) cache_default_ttl: Option<Ttl>,
}

impl SqliteConfig {
    /// The defaults, on this file.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// The defaults for a namespace: what is set on it differs there.
    #[must_use]
    pub fn for_namespace() -> Self {
        Self::default()
    }

    /// Whether to create the file where there is none.
    #[must_use]
    pub fn create(mut self, create: bool) -> Self {
        self.create = Some(create);
        self
    }

    /// The largest size of the file in bytes.
    #[must_use]
    pub fn max_file_size(mut self, bytes: u64) -> Self {
        self.max_file_size = Some(bytes);
        self
    }

    /// How many threads read.
    #[must_use]
    pub fn reader_threads(mut self, threads: usize) -> Self {
        self.reader_threads = Some(threads);
        self
    }

    /// The largest value that is read on the calling thread.
    #[must_use]
    pub fn inline_read_bytes(mut self, bytes: usize) -> Self {
        self.inline_read_bytes = Some(bytes);
        self
    }

    /// How much of the file reads map into memory, in bytes. **With more than 0 a truncated file ends the process**: see the
    /// [field](Self::mmap_size).
    #[must_use]
    pub fn mmap_size(mut self, bytes: u64) -> Self {
        self.mmap_size = Some(bytes);
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

    /// The most entries of the cache.
    #[must_use]
    pub fn cache_max_entries(mut self, entries: usize) -> Self {
        self.cache_max_entries = Some(entries);
        self
    }

    /// The TTL of entries set with `Expiry::Default`.
    #[must_use]
    pub fn cache_default_ttl(mut self, ttl: Duration) -> Self {
        self.cache_default_ttl = Some(ttl);
        self
    }

    /// Other options for one namespace; what they leave out is as for all.
    #[must_use]
    pub fn namespace(mut self, name: impl Into<String>, options: Self) -> Self {
        self.namespaces.insert(name.into(), options);
        self
    }

    /// From `sqlite:PATH` or `sqlite:PATH?option=value&..`. The path is relative or absolute (`sqlite:///var/app.db` is
    /// absolute, too); in it `%` and two hexadecimal digits stand for a byte, as in `%3F` for a question mark. Durations are
    /// written as `90s` or `24h`.
    ///
    /// # Errors
    /// `InvalidArgument` without a path, for `sqlite::memory:` (processes could not share it; `memory:` is made for that), for a
    /// host, an unknown option, and a value out of bounds.
    pub fn from_url(url: &str) -> Result<Self> {
        let (address, options) = url.split_once('?').unwrap_or((url, ""));
        let address = address.strip_prefix("sqlite:").ok_or_else(|| Error::invalid("URL", "sqlite:PATH"))?;
        let mut config: Self = config::from_options(options)?;
        if !config.path.as_os_str().is_empty() {
            return Err(Error::invalid("URL", "the path stands before the question mark: sqlite:PATH?option=value"));
        }
        config.path = path_of(address)?;
        config.check()?;
        Ok(config)
    }

    /// # Errors
    /// `InvalidArgument` for an option out of bounds.
    pub(crate) fn check(&self) -> Result<()> {
        if self.path.as_os_str().is_empty() {
            return Err(Error::invalid("path", "it is missing: sqlite:PATH"));
        }
        if self.path.as_os_str() == ":memory:" {
            return Err(Error::invalid(
                "path",
                "a database in memory cannot be shared; `memory:` is the backend for it",
            ));
        }
        if self.max_file_size.is_some_and(|bytes| bytes < 64 << 10) {
            return Err(Error::invalid("max_file_size", "64 KiB or more"));
        }
        if self.reader_threads.is_some_and(|threads| !(1..=16).contains(&threads)) {
            return Err(Error::invalid("reader_threads", "1 to 16"));
        }
        if self.inline_read_bytes.is_some_and(|bytes| bytes > LARGEST_INLINE) {
            return Err(Error::invalid("inline_read_bytes", "0 to 1 MiB"));
        }
        if self.mmap_size.is_some_and(|bytes| bytes > LARGEST_MAP) {
            return Err(Error::invalid("mmap_size", "0 to 2147418112 bytes"));
        }
        self.check_of_namespace()?;
        for (name, options) in &self.namespaces {
            Namespace::new(name.as_str())?;
            if !options.is_of_namespace() {
                return Err(Error::invalid("namespaces", "an option of the file cannot differ for a namespace"));
            }
            options.check_of_namespace()?;
        }
        Ok(())
    }

    /// Only options that may differ for a namespace are set.
    fn is_of_namespace(&self) -> bool {
        let Self { path, create, max_file_size, reader_threads, inline_read_bytes, mmap_size, namespaces, .. } = self;
        let file = path.as_os_str().is_empty() && create.is_none() && max_file_size.is_none();
        let reads = reader_threads.is_none() && inline_read_bytes.is_none() && mmap_size.is_none();
        file && reads && namespaces.is_empty()
    }

    fn check_of_namespace(&self) -> Result<()> {
        if self.operation_timeout.is_some_and(|timeout| !(SHORTEST_TIMEOUT..=LONGEST_TIMEOUT).contains(&timeout)) {
            return Err(Error::invalid("operation_timeout", "10 ms to an hour"));
        }
        if self.max_value.is_some_and(|bytes| !(1..=LARGEST_VALUE).contains(&bytes)) {
            return Err(Error::invalid("max_value", "1 byte to 256 MiB"));
        }
        if self.cache_max_entries.is_some_and(|entries| !(1..=MOST_ENTRIES).contains(&entries)) {
            return Err(Error::invalid("cache_max_entries", "1 to 100,000,000"));
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
            inline_read_bytes: Some(self.inline_read_bytes.unwrap_or(64 << 10)).filter(|bytes| *bytes > 0),
            max_value: own.max_value.or(self.max_value).unwrap_or(16 << 20),
            fence_retention: Ttl::new(retention).expect("checked"),
            cache_max_entries: own.cache_max_entries.or(self.cache_max_entries).unwrap_or(100_000),
            cache_default_ttl: default_ttl.map(|ttl| Ttl::new(ttl).expect("checked")),
        }
    }
}

/// The path in a URL's address.
fn path_of(address: &str) -> Result<PathBuf> {
    if address.starts_with("//") && !address.starts_with("///") {
        return Err(Error::invalid("URL", "it has no host: sqlite:relative/path or sqlite:/absolute/path"));
    }
    let bytes = config::percent_decoded(address)?;
    if bytes.contains(&0) {
        return Err(Error::invalid("URL", "a path has no zero byte"));
    }
    os_string(bytes).map(PathBuf::from)
}

#[cfg(unix)]
fn os_string(bytes: Vec<u8>) -> Result<OsString> {
    Ok(std::os::unix::ffi::OsStringExt::from_vec(bytes))
}

#[cfg(not(unix))]
fn os_string(bytes: Vec<u8>) -> Result<OsString> {
    String::from_utf8(bytes).map(OsString::from).map_err(|_| Error::invalid("URL", "the path is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_carries_the_same_options() {
        let url = "sqlite:data/app.db?operation_timeout=2s&max_value=10&reader_threads=1&create=false&inline_read_bytes=0\
            &max_file_size=65536&mmap_size=1024&fence_retention=1h&cache_max_entries=7&cache_default_ttl=90s";
        let config = SqliteConfig::new("data/app.db")
            .operation_timeout(Duration::from_secs(2))
            .max_value(10)
            .reader_threads(1)
            .create(false)
            .inline_read_bytes(0)
            .max_file_size(65536)
            .mmap_size(1024)
            .fence_retention(Duration::from_secs(3600))
            .cache_max_entries(7)
            .cache_default_ttl(Duration::from_secs(90));
        assert_eq!(SqliteConfig::from_url(url).unwrap(), config);
        assert_eq!(SqliteConfig::from_url("sqlite:/a%20b%3f.db").unwrap(), SqliteConfig::new("/a b?.db"));
        assert_eq!(SqliteConfig::from_url("sqlite:///a").unwrap(), SqliteConfig::new("/a"));
    }

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        for bad in [
            "sqlite:",
            "sqlite::memory:",
            "sqlite://host/a",
            "sqlite:a%2",
            "sqlite:a%00b",
            "sqlite:a?nonsense=1",
            "sqlite:a?path=b",
            "sqlite:a?operation_timeout=0s",
            "sqlite:a?operation_timeout=2h",
            "sqlite:a?max_value=0",
            "sqlite:a?max_value=268435457",
            "sqlite:a?fence_retention=0s",
            "sqlite:a?cache_max_entries=0",
            "sqlite:a?cache_max_entries=100000001",
            "sqlite:a?cache_default_ttl=0s",
            "sqlite:a?reader_threads=0",
            "sqlite:a?reader_threads=17",
            "sqlite:a?inline_read_bytes=1048577",
            "sqlite:a?max_file_size=1",
            "sqlite:a?mmap_size=2147418113",
            "file:a",
        ] {
            assert!(matches!(SqliteConfig::from_url(bad), Err(Error::InvalidArgument { .. })), "{bad}");
        }
    }

    #[test]
    fn a_namespace_has_its_own_options() {
        let json =
            r#"{"path": "a", "max_value": 10, "namespaces": {"big": {"max_value": 20, "operation_timeout": "1s"}}}"#;
        let config: SqliteConfig = serde_json::from_str(json).unwrap();
        let big = SqliteConfig::for_namespace().max_value(20).operation_timeout(Duration::from_secs(1));
        assert_eq!(config, SqliteConfig::new("a").max_value(10).namespace("big", big));
        assert_eq!((config.of("big").max_value, config.of("other").max_value), (20, 10));
        assert_eq!(config.of("big").operation_timeout, Duration::from_secs(1));
        for bad in [
            SqliteConfig::new("b"),
            SqliteConfig::for_namespace().reader_threads(1),
            SqliteConfig::for_namespace().mmap_size(0),
        ] {
            assert!(SqliteConfig::new("a").namespace("big", bad).check().is_err());
        }
        assert!(SqliteConfig::new("a").namespace("a b", SqliteConfig::for_namespace()).check().is_err());
        assert!(serde_json::from_str::<SqliteConfig>(r#"{"path": "a", "nonsense": 1}"#).is_err());
    }
}
