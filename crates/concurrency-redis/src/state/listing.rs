//! Listing, by the index; and keeping the index tidy.
//!
//! The index holds the keys of all values. A value that expires leaves its key there: whoever meets one takes it out, in a step
//! that looks at the value once more. Those that no listing meets are found by looking at some at random, as the server itself
//! finds what has expired.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use concurrency_core::{KeyPage, KeyVersion, ListParts, Result};
use redis::{Value, cmd};

use super::RedisState;
use crate::{
    connection::{Deadline, Repeat},
    error, script,
    stored::{HEADER, Header},
};

/// So many keys are looked at, once for as many saves with a lifetime.
const SAMPLE: u32 = 100;
/// A sample of which more than one in so many was dead is followed by another one: what is dead stays below this share.
const TOLERATED: usize = 4;
/// At most so many samples follow one another.
const MOST_SAMPLES: usize = 16;

/// When to look for what has expired.
#[derive(Debug, Default)]
pub(super) struct Tidying {
    saves: AtomicU32,
    under_way: AtomicBool,
}

impl RedisState {
    /// A page of live keys in byte order.
    pub(super) async fn page(&self, parts: &ListParts, deadline: Deadline) -> Result<KeyPage> {
        let ListParts { prefix, after, limit } = parts;
        let mut from = match after {
            Some(after) if after >= prefix => [b"(", after.as_bytes()].concat(),
            _ => [b"[", prefix.as_bytes()].concat(),
        };
        let to = behind(prefix);
        let mut page = KeyPage::default();
        loop {
            let wanted = limit - page.keys.len();
            let mut range = cmd("ZRANGEBYLEX");
            range.arg(self.space.keys.index()).arg(&from[..]).arg(&to[..]).arg("LIMIT").arg(0).arg(wanted + 1);
            let mut keys = strings(self.client.read(&range, deadline).await?)?;
            let is_last = keys.len() <= wanted;
            keys.truncate(wanted);
            let Some(last) = keys.last().cloned() else { return Ok(page) };
            let versions = self.look(&keys, deadline).await?;
            let live = keys.into_iter().zip(versions).filter_map(|(key, version)| Some((key, version?)));
            page.keys.extend(live.map(|(key, version)| KeyVersion { key, version }));
            if is_last {
                return Ok(page);
            }
            if page.keys.len() == *limit {
                page.next = Some(last);
                return Ok(page);
            }
            from = [b"(", last.as_bytes()].concat();
        }
    }

    /// The versions of the live values; the keys whose value is gone leave the index.
    async fn look(&self, keys: &[String], deadline: Deadline) -> Result<Vec<Option<concurrency_core::Version>>> {
        let mut call = script::LOOK.call(1 + keys.len());
        call.arg(self.space.keys.index());
        for key in keys {
            call.arg(self.space.keys.value(key));
        }
        call.arg(HEADER);
        for key in keys {
            call.arg(key);
        }
        let said = self.client.call(&script::LOOK, &call, Repeat::UntilAnswered, deadline).await;
        let mut heads = match said.map_err(error::without_effect)?.value {
            Value::Array(heads) if heads.len() == 1 + keys.len() => heads.into_iter(),
            _ => return Err(error::not_understood()),
        };
        let now = heads.next().and_then(number).ok_or_else(error::not_understood)?;
        let version = |head| match head {
            Value::BulkString(head) if head.is_empty() => Ok(None),
            Value::BulkString(head) => Header::read(&head).map(|head| head.is_live(now).then_some(head.version)),
            _ => Err(error::not_understood()),
        };
        heads.map(version).collect()
    }

    /// After a save with a lifetime: now and then looks for what has expired, on a task of its own.
    pub(super) fn tidy_now_and_then(&self) {
        let Tidying { saves, under_way } = &self.space.tidying;
        if saves.fetch_add(1, Ordering::Relaxed) % SAMPLE != SAMPLE - 1 || under_way.swap(true, Ordering::AcqRel) {
            return;
        }
        let store = self.clone();
        tokio::spawn(async move {
            // What failed is done the next time.
            drop(store.tidy().await);
            store.space.tidying.under_way.store(false, Ordering::Release);
        });
    }

    async fn tidy(&self) -> Result<()> {
        let mut sample = cmd("ZRANDMEMBER");
        sample.arg(self.space.keys.index()).arg(SAMPLE);
        for _ in 0..MOST_SAMPLES {
            let keys = strings(self.client.read(&sample, self.deadline()).await?)?;
            let dead = match keys.is_empty() {
                true => 0,
                false => self.look(&keys, self.deadline()).await?.iter().filter(|version| version.is_none()).count(),
            };
            if dead * TOLERATED <= keys.len() {
                break;
            }
        }
        Ok(())
    }
}

/// The bound behind all keys that begin with `prefix`. No byte of UTF-8 is 255.
fn behind(prefix: &str) -> Vec<u8> {
    let mut bytes = [b"(", prefix.as_bytes()].concat();
    match bytes.last_mut() {
        Some(last) if !prefix.is_empty() => *last += 1,
        _ => bytes = b"+".to_vec(),
    }
    bytes
}

fn strings(value: Value) -> Result<Vec<String>> {
    let Value::Array(members) = value else { return Err(error::not_understood()) };
    let string = |member| match member {
        Value::BulkString(bytes) => String::from_utf8(bytes).map_err(|_| crate::stored::foreign()),
        _ => Err(error::not_understood()),
    };
    members.into_iter().map(string).collect()
}

fn number(value: Value) -> Option<u64> {
    match value {
        Value::BulkString(digits) => std::str::from_utf8(&digits).ok()?.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_behind_all_that_begin_with_it() {
        assert_eq!(behind(""), b"+");
        for (prefix, inside, outside) in [("a", "a\u{10ffff}", "b"), ("é", "é\u{10ffff}", "ê"), ("(", "(", ")")] {
            let end = behind(prefix);
            let end = end.strip_prefix(b"(").unwrap();
            assert!(inside.as_bytes() < end && outside.as_bytes() >= end, "{prefix}");
        }
    }
}
