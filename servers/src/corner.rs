//! A place of one's own on a server that others use, too.

use std::{
    hash::{BuildHasher, RandomState},
    io, process,
};

use crate::{
    Unavailable,
    resp::{Answer, Connection, Target, decoded},
};

/// What names of ours begin with where a URL says nothing else.
const PREFIX: &str = "concurrency";
/// The option of a URL that says so.
const OPTION: &str = "key_prefix=";
/// How many names the server looks at in one step.
const STEP: &str = "1000";
/// How often the server is looked through for what is left: what somebody had sent before it died may arrive later.
const LOOKS: usize = 10;

/// A part of a server's names that nobody else has: clients at its URL see nothing of others, and others nothing of
/// them. Its names begin as those of any client of that server would, so that a login's rights go for them as well.
#[derive(Clone, PartialEq, Eq)]
pub struct Corner {
    url: String,
    prefix: String,
}

impl Corner {
    /// A new one on the server at this URL, with `label` and a random number in its names; `None` where no kind of server
    /// has such a URL.
    #[must_use]
    pub fn new(url: &str, label: &str) -> Option<Self> {
        Target::parse(url)?;
        // The standard library's hash tables take their seed from the operating system.
        let random = RandomState::new().hash_one(process::id());
        let (address, options) = url.split_once('?').unwrap_or((url, ""));
        let (theirs, mut options): (Vec<_>, Vec<_>) =
            options.split('&').filter(|option| !option.is_empty()).partition(|option| option.starts_with(OPTION));
        let before = theirs.last().map_or(PREFIX, |option| &option[OPTION.len()..]);
        let option = format!("{OPTION}{before}:{label}-{random:016x}");
        let prefix = decoded(&option[OPTION.len()..]);
        options.push(&option);
        Some(Self { url: format!("{address}?{}", options.join("&")), prefix })
    }

    /// The URL for its clients. It may hold a password.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What all of its names begin with, followed by a colon.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Removes everything that stands there; how many names that were. The server is looked through name by name, a
    /// thousand in a step, which takes about a second for a million of anybody's.
    ///
    /// # Errors
    /// If the server does not answer, refuses, or is reached by TLS, of which this package knows nothing. What is left
    /// then, and how to remove it, is in the text.
    pub fn clear(&self) -> Result<u64, Unavailable> {
        let prefix = &self.prefix;
        let left = |why: String| {
            Unavailable::new(format!("names that begin with {prefix}: are left over: {why}"))
                .or(format!("redis-cli --scan --pattern '{prefix}:*' | xargs redis-cli unlink"))
        };
        let target = Target::parse(&self.url).ok_or_else(|| left("its URL is not one of Redis".to_owned()))?;
        if target.is_tls {
            return Err(left("they cannot be removed over TLS".to_owned()));
        }
        self.remove(&target).map_err(|error| left(error.to_string()))
    }

    fn remove(&self, target: &Target) -> io::Result<u64> {
        let mut connection = Connection::open(target)?;
        if !target.db.is_empty() {
            connection.call(&["SELECT", &target.db])?;
        }
        let mut removed = 0;
        for _ in 0..LOOKS {
            match self.remove_once(&mut connection)? {
                0 => return Ok(removed),
                more => removed += more,
            }
        }
        Err(io::Error::other("somebody goes on writing there"))
    }

    fn remove_once(&self, connection: &mut Connection) -> io::Result<u64> {
        let (begins, mut cursor, mut removed) = (format!("{}:", self.prefix), "0".to_owned(), 0);
        loop {
            let found = connection.call(&["SCAN", &cursor, "MATCH", &format!("{begins}*"), "COUNT", STEP])?;
            let Answer::Many(mut parts) = found else { return Err(io::Error::other("a list was to come")) };
            if let Some(Answer::Many(names)) = parts.pop() {
                let mut unlink = vec![b"UNLINK".to_vec()];
                let names =
                    names.into_iter().filter_map(|name| if let Answer::Text(name) = name { Some(name) } else { None });
                // What is special in a pattern is not in a name of ours; nobody else's may go for that.
                unlink.extend(names.filter(|name| name.starts_with(begins.as_bytes())));
                if unlink.len() > 1
                    && let Answer::Number(gone) = connection.call(&unlink)?
                {
                    removed += u64::try_from(gone).unwrap_or_default();
                }
            }
            cursor = parts.pop().map(|cursor| cursor.text()).unwrap_or_default();
            if cursor == "0" || cursor.is_empty() {
                return Ok(removed);
            }
        }
    }
}

/// Without the URL, which may hold a password.
impl std::fmt::Debug for Corner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Corner").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_names_begin_as_the_urls_would_and_are_nobody_elses() {
        let corner = Corner::new("redis://u:p@h/2?max_value=10", "demo").unwrap();
        let random = corner.prefix.strip_prefix("concurrency:demo-").unwrap();
        assert!(random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit()), "{random}");
        assert_eq!(corner.url, format!("redis://u:p@h/2?max_value=10&key_prefix=concurrency:demo-{random}"));
        let theirs = Corner::new("valkeys://h?key_prefix=app%3A1&max_value=10", "demo").unwrap();
        assert!(theirs.prefix.starts_with("app:1:demo-"), "{theirs:?}");
        assert!(theirs.url.starts_with("valkeys://h?max_value=10&key_prefix=app%3A1:demo-"), "{}", theirs.url);
        assert_ne!(Corner::new("redis://h", "demo"), Corner::new("redis://h", "demo"));
        assert_eq!(Corner::new("sqlite:shop.db", "demo"), None);
        assert!(!format!("{corner:?}").contains("u:p"));
    }

    #[test]
    fn what_cannot_be_removed_is_named_with_the_way_to_do_it() {
        let corner = Corner::new("rediss://h", "demo").unwrap();
        let why = corner.clear().unwrap_err().to_string();
        assert!(why.contains("over TLS") && why.contains(&format!("--pattern '{}:*'", corner.prefix)), "{why}");
    }
}
