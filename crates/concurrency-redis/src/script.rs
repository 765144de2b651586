//! What runs on the server: one script for each conditional write, so that check and write are one step.
//!
//! Scripts are small, get all names as keys and all values as arguments, touch at most as many keys as one batch may have, and
//! never hand them to `unpack`, which fails beyond some thousands. They are sent by their hash; a server that does not know one
//! (it was restarted, or somebody flushed the scripts) gets its text and keeps it.

use std::sync::LazyLock;

use redis::{Cmd, Pipeline, cmd};

/// The most values of the largest size in one call.
const MOST_VALUES: usize = 4;
/// The most bytes in one call, beside names: a server ends a connection whose request has 1 GiB (`client-query-buffer-limit`).
const MOST_BYTES: usize = 512 << 20;

/// The most bytes in one bulk write or append, where so many are the largest value.
pub(crate) fn max_batch_bytes(max_value: usize) -> usize {
    max_value.saturating_mul(MOST_VALUES).min(MOST_BYTES)
}

/// A script and its hash.
#[derive(Debug)]
pub(crate) struct Script {
    text: &'static str,
    hash: String,
}

impl Script {
    fn new(text: &'static str) -> Self {
        Self { text, hash: redis::Script::new(text).get_hash().to_owned() }
    }

    /// A call of it by its hash, with so many keys; keys and arguments follow.
    pub(crate) fn call(&self, keys: usize) -> Cmd {
        let mut call = cmd("EVALSHA");
        call.arg(&self.hash).arg(keys);
        call
    }

    /// As [`call`](Self::call), with room for one argument for each key, all of so many bytes.
    pub(crate) fn large_call(&self, keys: usize, bytes: usize) -> Cmd {
        let mut call = Cmd::with_capacity(3 + 2 * keys, 64 + bytes);
        call.arg("EVALSHA").arg(&self.hash).arg(keys);
        call
    }

    /// The same call with the text instead of the hash.
    pub(crate) fn in_full(&self, call: &Cmd) -> Cmd {
        let mut full = cmd("EVAL");
        full.arg(self.text);
        for arg in call.args_iter().skip(2) {
            if let redis::Arg::Simple(arg) = arg {
                full.arg(arg);
            }
        }
        full
    }

    /// The calls at these places, the first of them with the text: the server knows the script when it comes to the others.
    pub(crate) fn again(&self, calls: &Pipeline, places: &[usize]) -> Pipeline {
        let mut again = Pipeline::with_capacity(places.len());
        let mut calls = calls.cmd_iter().enumerate().filter(|(place, _)| places.contains(place)).map(|(_, call)| call);
        again.add_command(calls.next().map_or_else(Cmd::new, |first| self.in_full(first)));
        for call in calls {
            again.add_command(call.clone());
        }
        again
    }
}

macro_rules! script {
    ($(#[$doc:meta])* $name:ident = $($file:literal)+) => {
        $(#[$doc])*
        pub(crate) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!($(include_str!(concat!("script/", $file)), "\n"),+)));
    };
}

script! {
    /// Saves one value.
    SAVE = "value.lua" "save.lua"
}
script! {
    /// Deletes one value.
    DELETE = "value.lua" "delete.lua"
}
script! {
    /// All of several writes, or none.
    COMMIT = "value.lua" "commit.lua"
}
script! {
    /// Raises several fencing marks, or none.
    FENCE = "value.lua" "fence.lua"
}
script! {
    /// Takes a lock, or stands in line for it.
    ACQUIRE = "lock.lua" "acquire.lua" "queue.lua" "wait.lua"
}
script! {
    /// Releases a lock, and hands it over.
    RELEASE = "lock.lua" "release.lua" "queue.lua" "pass.lua"
}
script! {
    /// Gives back what a waiter left behind, and hands it over.
    LEAVE = "lock.lua" "queue.lua" "leave.lua"
}
script! {
    /// Renews several leases.
    RENEW = "renew.lua"
}
script! {
    /// Who holds a lock.
    FIND = "lock.lua" "queue.lua" "find.lua"
}
script! {
    /// Reads the first bytes of values, and takes the dead out of the index.
    LOOK = "value.lua" "look.lua"
}
script! {
    /// Sets a value of a cache.
    SET = "set_plain.lua" "entry.lua" "set.lua"
}
script! {
    /// Sets a value while a reservation stands.
    FILL = "entry.lua" "fill.lua"
}
script! {
    /// Removes a value, or ends a reservation.
    REMOVE = "entry.lua" "remove.lua"
}
script! {
    /// Finds a value, or reserves its key.
    RESERVE = "entry.lua" "reserve.lua"
}
script! {
    /// Has a client told when a reservation ends.
    WATCH = "entry.lua" "watch.lua"
}
script! {
    /// Reads a value with what is left of its lifetime.
    REMAINING = "entry.lua" "remaining.lua"
}
script! {
    /// Begins another generation of a cache.
    CLEAR = "entry.lua" "clear.lua"
}
script! {
    /// Removes what was cleared.
    SWEEP = "entry.lua" "sweep.lua"
}
script! {
    /// Appends events to a stream.
    APPEND = "event.lua" "event_append.lua"
}
script! {
    /// Reads a stretch of a stream.
    READ_STREAM = "event.lua" "event_read.lua"
}
script! {
    /// Reads what follows a position in the global order.
    READ_LOG = "event.lua" "event_follow.lua"
}
script! {
    /// Removes the first events of a stream.
    TRUNCATE = "event.lua" "event_truncate.lua"
}
script! {
    /// Keeps a snapshot, unless a newer one is there.
    SAVE_SNAPSHOT = "event.lua" "event_snapshot.lua"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_no_larger_than_a_server_takes() {
        for (max_value, most) in [(1, 4), (16 << 20, 64 << 20), (128 << 20, 512 << 20), (256 << 20, 512 << 20)] {
            assert_eq!(max_batch_bytes(max_value), most);
        }
    }
}
