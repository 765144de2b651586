//! Names on the server: what stands under which key, and in which slot of a cluster.
//!
//! | name | holds |
//! |---|---|
//! | `PREFIX:sv:{NAMESPACE}:KEY` | a value of a state store |
//! | `PREFIX:sf:{NAMESPACE}:KEY` | its fencing mark |
//! | `PREFIX:si:{NAMESPACE}` | the index of a state store: a sorted set of keys |
//! | `PREFIX:lr:{NAMESPACE:NAME}` | who holds a lock, and its last token |
//! | `PREFIX:lq:{NAMESPACE:NAME}` | the clients that wait for it, a sorted set |
//! | `PREFIX:lp:{NAMESPACE:NAME}` | what each of them wants, a hash |
//! | `PREFIX:cv:NAMESPACE:KEY` | an entry of a cache that is cleared by a scan |
//! | `PREFIX:cg:{NAMESPACE}:KEY` | an entry of a cache with generations |
//! | `PREFIX:cn:{NAMESPACE}` | its generation |
//! | `PREFIX:el:{NAMESPACE}` | the log of an event store: a sorted set of events |
//! | `PREFIX:ec:{NAMESPACE}` | its counters |
//! | `PREFIX:ed:{NAMESPACE}` | its streams with append ids to forget: a sorted set |
//! | `PREFIX:es:{NAMESPACE}:STREAM` | a stream: where its events stand in the log |
//! | `PREFIX:ea:{NAMESPACE}:STREAM` | its append ids: a hash |
//! | `PREFIX:ep:{NAMESPACE}:STREAM` | its snapshot |
//! | `PREFIX:en:{NAMESPACE}` | a channel: something was appended to the log |
//! | `PREFIX:inbox:CLIENT` | a channel: what one client is told |
//!
//! A cluster hashes what stands between the first `{` and the next `}` of a name. A prefix and a namespace contain neither, so
//! the braces written here are the first ones, whatever a user's key contains: braces, zero bytes, or nothing but `}`. What a
//! script touches together shares one tag; all of a state store's names do, because its index has to change in the same step as
//! its values, all of an event store's, because its log has to, and all of a cache with generations. An entry of a cache without
//! is touched alone: it is wherever its name falls.
//! Locks are told apart by name, so that a cluster spreads them: a name's three tags are the same even where it contains a `}`,
//! and never empty.
//!
//! No script makes a name: it gets them all, so that a cluster knows where to run it.

use concurrency_core::Namespace;

/// The names of one state store.
#[derive(Debug, Clone)]
pub(crate) struct StateKeys {
    values: Box<str>,
    marks: Box<str>,
    index: Box<str>,
}

impl StateKeys {
    pub(crate) fn new(prefix: &str, namespace: &Namespace) -> Self {
        let namespace = namespace.as_str();
        Self {
            values: format!("{prefix}:sv:{{{namespace}}}:").into(),
            marks: format!("{prefix}:sf:{{{namespace}}}:").into(),
            index: format!("{prefix}:si:{{{namespace}}}").into(),
        }
    }

    /// Where the value of a key stands.
    pub(crate) fn value(&self, key: &str) -> String {
        [&*self.values, key].concat()
    }

    /// Where its fencing mark stands.
    pub(crate) fn mark(&self, key: &str) -> String {
        [&*self.marks, key].concat()
    }

    /// The sorted set of all keys.
    pub(crate) fn index(&self) -> &str {
        &self.index
    }
}

/// The names of the locks of one namespace.
#[derive(Debug, Clone)]
pub(crate) struct LockKeys {
    records: Box<str>,
    queues: Box<str>,
    places: Box<str>,
}

impl LockKeys {
    pub(crate) fn new(prefix: &str, namespace: &Namespace) -> Self {
        let namespace = namespace.as_str();
        Self {
            records: format!("{prefix}:lr:{{{namespace}:").into(),
            queues: format!("{prefix}:lq:{{{namespace}:").into(),
            places: format!("{prefix}:lp:{{{namespace}:").into(),
        }
    }

    /// Where it stands who holds a lock.
    pub(crate) fn record(&self, name: &str) -> String {
        [&*self.records, name, "}"].concat()
    }

    /// How long that name is.
    pub(crate) fn record_len(&self, name: &str) -> usize {
        self.records.len() + name.len() + 1
    }

    /// Puts it in the place of what was in `buffer`.
    pub(crate) fn record_into(&self, name: &str, buffer: &mut String) {
        buffer.clear();
        buffer.extend([&*self.records, name, "}"]);
    }

    /// What the records of all locks match, and what their queues do; for those who look for leaks.
    pub(crate) fn patterns(&self) -> [String; 2] {
        [&self.records, &self.queues].map(|begins| [&**begins, "*"].concat())
    }

    /// The order of those who wait for it.
    pub(crate) fn queue(&self, name: &str) -> String {
        [&*self.queues, name, "}"].concat()
    }

    /// What those want who wait for it.
    pub(crate) fn places(&self, name: &str) -> String {
        [&*self.places, name, "}"].concat()
    }
}

/// The namespace and the name of a lock, from where it stands who holds it.
pub(crate) fn lock_of<'r>(prefix: &str, record: &'r [u8]) -> Option<(&'r str, &'r str)> {
    let record = std::str::from_utf8(record).ok()?.strip_prefix(prefix)?;
    record.strip_prefix(":lr:{")?.strip_suffix('}')?.split_once(':')
}

/// The names of one cache.
#[derive(Debug, Clone)]
pub(crate) struct CacheKeys {
    entries: Box<str>,
    generation: Option<Box<str>>,
}

impl CacheKeys {
    pub(crate) fn new(prefix: &str, namespace: &Namespace, has_generations: bool) -> Self {
        let namespace = namespace.as_str();
        if has_generations {
            let generation = format!("{prefix}:cn:{{{namespace}}}");
            return Self {
                entries: format!("{prefix}:cg:{{{namespace}}}:").into(),
                generation: Some(generation.into()),
            };
        }
        Self { entries: format!("{prefix}:cv:{namespace}:").into(), generation: None }
    }

    /// Where the entry of a key stands.
    pub(crate) fn entry(&self, key: &str) -> String {
        [&*self.entries, key].concat()
    }

    /// Puts that name in the place of what was in `buffer`.
    pub(crate) fn entry_into(&self, key: &str, buffer: &mut String) {
        buffer.clear();
        buffer.extend([&*self.entries, key]);
    }

    /// Where the generation stands, if there is one.
    pub(crate) fn generation(&self) -> Option<&str> {
        self.generation.as_deref()
    }

    /// What all entries match, and nothing else: neither a prefix nor a namespace has characters that mean something in it.
    pub(crate) fn pattern(&self) -> String {
        [&*self.entries, "*"].concat()
    }
}

/// The names of one event store.
#[derive(Debug, Clone)]
pub(crate) struct EventKeys {
    log: Box<str>,
    counters: Box<str>,
    to_forget: Box<str>,
    streams: Box<str>,
    appends: Box<str>,
    snapshots: Box<str>,
    news: Box<str>,
}

impl EventKeys {
    pub(crate) fn new(prefix: &str, namespace: &Namespace) -> Self {
        let namespace = namespace.as_str();
        Self {
            log: format!("{prefix}:el:{{{namespace}}}").into(),
            counters: format!("{prefix}:ec:{{{namespace}}}").into(),
            to_forget: format!("{prefix}:ed:{{{namespace}}}").into(),
            streams: format!("{prefix}:es:{{{namespace}}}:").into(),
            appends: format!("{prefix}:ea:{{{namespace}}}:").into(),
            snapshots: format!("{prefix}:ep:{{{namespace}}}:").into(),
            news: format!("{prefix}:en:{{{namespace}}}").into(),
        }
    }

    /// The sorted set of all events.
    pub(crate) fn log(&self) -> &str {
        &self.log
    }

    /// What is known of the log as a whole.
    pub(crate) fn counters(&self) -> &str {
        &self.counters
    }

    /// The sorted set of streams with append ids that are to be forgotten some time.
    pub(crate) fn to_forget(&self) -> &str {
        &self.to_forget
    }

    /// Where a stream's events stand in the log.
    pub(crate) fn stream(&self, stream: &str) -> String {
        [&*self.streams, stream].concat()
    }

    /// The append ids of a stream.
    pub(crate) fn appends(&self, stream: &str) -> String {
        [&*self.appends, stream].concat()
    }

    /// The snapshot of a stream.
    pub(crate) fn snapshot(&self, stream: &str) -> String {
        [&*self.snapshots, stream].concat()
    }

    /// The channel at which every append is told.
    pub(crate) fn news(&self) -> &str {
        &self.news
    }
}

/// What the channels of all clients begin with.
pub(crate) fn inboxes(prefix: &str) -> String {
    format!("{prefix}:inbox:")
}

/// A client's own part of its channel, at which it is told things; nobody else knows it.
pub(crate) fn inbox_of(client: u128) -> String {
    format!("{client:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a cluster hashes of a name.
    fn tag(name: &str) -> &str {
        let Some((_, behind)) = name.split_once('{') else { return name };
        match behind.split_once('}') {
            Some((tag, _)) if !tag.is_empty() => tag,
            _ => name,
        }
    }

    #[test]
    fn a_state_store_is_in_one_slot_whatever_its_keys_are() {
        let keys = StateKeys::new("app", &Namespace::new("users").unwrap());
        for key in ["a", "}", "{", "{}", "}{x}", "{other}", "\0", "a:{b}", "é}{"] {
            for name in [keys.value(key), keys.mark(key), keys.index().to_owned()] {
                assert_eq!(tag(&name), "users", "{name:?}");
            }
        }
    }

    #[test]
    fn a_lock_is_in_one_slot_and_found_by_its_record() {
        let keys = LockKeys::new("app", &Namespace::new("jobs").unwrap());
        for name in ["a", "}", "{", "{}", "}{x}", "a:b", ":", "\0", "é}{"] {
            let names = [keys.record(name), keys.queue(name), keys.places(name)];
            assert!(
                names.iter().all(|other| tag(other) == tag(&names[0]) && tag(other).starts_with("jobs:")),
                "{name:?}"
            );
            assert_eq!(lock_of("app", names[0].as_bytes()), Some(("jobs", name)));
        }
        for other in ["app:lr:{jobs}", "other:lr:{jobs:a}", "app:lq:{jobs:a}", "app:lr:{jobs:a"] {
            assert_eq!(lock_of("app", other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_cache_with_generations_is_in_one_slot() {
        let keys = CacheKeys::new("app", &Namespace::new("users").unwrap(), true);
        for key in ["a", "}", "{other}"] {
            assert_eq!(tag(&keys.entry(key)), "users");
        }
        assert_eq!(tag(keys.generation().unwrap()), "users");
    }

    #[test]
    fn an_event_store_is_in_one_slot_whatever_its_streams_are() {
        let keys = EventKeys::new("app", &Namespace::new("users").unwrap());
        for name in [keys.log(), keys.counters(), keys.to_forget(), keys.news()] {
            assert_eq!(tag(name), "users", "{name:?}");
        }
        for stream in ["a", "}", "{other}"] {
            for name in [keys.stream(stream), keys.appends(stream), keys.snapshot(stream)] {
                assert_eq!(tag(&name), "users", "{name:?}");
            }
        }
    }

    #[test]
    fn names_differ_where_anything_does() {
        let mut names = std::collections::HashSet::new();
        for namespace in ["a", "b", "a.b", "A"] {
            let namespace = Namespace::new(namespace).unwrap();
            let keys = StateKeys::new("app", &namespace);
            let events = EventKeys::new("app", &namespace);
            let caches = [false, true].map(|has_generations| CacheKeys::new("app", &namespace, has_generations));
            for key in ["a", "b", ":", "}:a", "a:"] {
                assert!(names.insert(keys.value(key)) && names.insert(keys.mark(key)));
                assert!(caches.iter().all(|keys| names.insert(keys.entry(key))));
                assert!(
                    [events.stream(key), events.appends(key), events.snapshot(key)]
                        .into_iter()
                        .all(|name| names.insert(name))
                );
            }
            let of_events = [events.log(), events.counters(), events.to_forget(), events.news()];
            assert!(of_events.into_iter().all(|name| names.insert(name.to_owned())));
            assert!(names.insert(keys.index().to_owned()));
            assert!(caches.iter().filter_map(CacheKeys::generation).all(|name| names.insert(name.to_owned())));
        }
    }
}
