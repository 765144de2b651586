//! Names on the server: what stands under which key, and in which slot of a cluster.
//!
//! | name | holds |
//! |---|---|
//! | `PREFIX:sv:{NAMESPACE}:KEY` | a value of a state store |
//! | `PREFIX:sf:{NAMESPACE}:KEY` | its fencing mark |
//! | `PREFIX:si:{NAMESPACE}` | the index of a state store: a sorted set of keys |
//!
//! A cluster hashes what stands between the first `{` and the next `}` of a name. A prefix and a namespace contain neither, so
//! the braces written here are the first ones, whatever a user's key contains: braces, zero bytes, or nothing but `}`. What a
//! script touches together shares one tag; all of a state store's names do, because its index has to change in the same step as
//! its values.
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

/// The channel at which one client is told things; nobody else knows its name.
pub(crate) fn inbox(prefix: &str, client: u128) -> String {
    format!("{prefix}:inbox:{client:032x}")
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
    fn names_differ_where_anything_does() {
        let mut names = std::collections::HashSet::new();
        for namespace in ["a", "b", "a.b", "A"] {
            let keys = StateKeys::new("app", &Namespace::new(namespace).unwrap());
            for key in ["a", "b", ":", "}:a", "a:"] {
                assert!(names.insert(keys.value(key)) && names.insert(keys.mark(key)));
            }
            assert!(names.insert(keys.index().to_owned()));
        }
    }
}
