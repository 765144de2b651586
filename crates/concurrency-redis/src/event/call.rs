//! The calls of the scripts: names, conditions and events as they expect them.

use std::time::Duration;

use concurrency_core::{
    AppendParts, ExpectedVersion, FencingToken, NewEvent, Position, ReadParts, Snapshot, Ttl, append_content,
};
use redis::Cmd;

use super::stored;
use crate::{key::EventKeys, script};

/// A page of events ends with the one that reaches this: a thousand of the largest would not fit into memory.
const PAGE_BYTES: usize = 16 << 20;
/// So many events one call removes at most: nobody else is served meanwhile.
const MOST_REMOVED: usize = 1000;

/// Makes the calls of one namespace.
pub(super) struct Calls<'a> {
    pub(super) keys: &'a EventKeys,
    /// How long a fencing mark is kept.
    pub(super) mark_kept: Ttl,
    /// How long an append id is known at least.
    pub(super) id_kept: Duration,
}

impl Calls<'_> {
    pub(super) fn append(&self, stream: &str, events: &[NewEvent], parts: &AppendParts) -> Cmd {
        let AppendParts { expected, append_id, fenced_by } = *parts;
        let bytes: Vec<Vec<u8>> = events.iter().map(|event| stored::event(stream, event)).collect();
        let mut call = script::APPEND.call(4);
        call.arg(self.keys.counters()).arg(self.keys.log());
        call.arg(self.keys.stream(stream)).arg(self.keys.appends(stream));
        call.arg(&append_id.to_bytes()[..]).arg(&append_content(events)[..]);
        match expected {
            ExpectedVersion::Any => call.arg("a"),
            ExpectedVersion::NoStream => call.arg("n"),
            ExpectedVersion::Exists => call.arg("e"),
            ExpectedVersion::Exact(version) => call.arg(version),
        };
        match fenced_by {
            Some(FencingToken(token)) => call.arg(token),
            None => call.arg(""),
        };
        call.arg(self.mark_kept.as_millis()).arg(micros(self.id_kept)).arg(self.keys.news());
        call.arg(bytes.iter().map(|event| stored::size_with_header(event)).max().unwrap_or_default());
        for event in &bytes {
            call.arg(&event[..]);
        }
        call
    }

    pub(super) fn read(&self, stream: &str, parts: &ReadParts) -> Cmd {
        let ReadParts { from, backwards, limit } = *parts;
        let mut call = script::READ_STREAM.call(3);
        call.arg(self.keys.counters()).arg(self.keys.log()).arg(self.keys.stream(stream));
        call.arg(from).arg(if backwards { "b" } else { "f" }).arg(limit).arg(PAGE_BYTES);
        call
    }

    pub(super) fn read_all(&self, after: Position, limit: usize) -> Cmd {
        let mut call = script::READ_LOG.call(2);
        call.arg(self.keys.counters()).arg(self.keys.log());
        // What is not a number of ours is behind all that are.
        call.arg(u64::try_from(after.to_u128()).unwrap_or(u64::MAX)).arg(limit).arg(PAGE_BYTES);
        call
    }

    pub(super) fn truncate(&self, stream: &str, version: u64) -> Cmd {
        let mut call = script::TRUNCATE.call(5);
        call.arg(self.keys.counters()).arg(self.keys.log());
        call.arg(self.keys.stream(stream)).arg(self.keys.appends(stream)).arg(self.keys.to_forget());
        call.arg(stream).arg(version).arg(MOST_REMOVED).arg(micros(self.id_kept));
        call
    }

    pub(super) fn save_snapshot(&self, stream: &str, snapshot: &Snapshot) -> Cmd {
        let mut call = script::SAVE_SNAPSHOT.call(1);
        call.arg(self.keys.snapshot(stream)).arg(stored::snapshot(snapshot));
        call
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
