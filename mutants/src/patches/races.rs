//! In-memory components that are wrong only where calls meet: what the levels of races and histories are for.

use super::Patch;

pub(super) const STATE: &[Patch] = &[
    Patch {
        name: "deletes_in_two_steps",
        sentences: &["S-17"],
        file: "state.rs",
        find: "let existed = table.remove(key, now);",
        replace: "drop(table);
        std::thread::sleep(std::time::Duration::from_micros(100));
        let (mut table, now) = self.enter();
        let existed = table.remove(key, now);",
    },
    Patch {
        name: "loses_one_save_in_two_hundred",
        sentences: &["S-7"],
        file: "state.rs",
        find: "table.put(key, value, version, expires, now);",
        replace: "if version.to_bytes()[0] != 7 {
            table.put(key, value, version, expires, now);
        }",
    },
];

pub(super) const CACHE: &[Patch] = &[Patch {
    name: "fills_in_two_steps",
    sentences: &["C-18"],
    file: "cache.rs",
    find: "self.engine.insert(&ticket.key, entry);",
    replace: "drop(stripe);
            std::thread::sleep(std::time::Duration::from_micros(100));
            let mut stripe = self.stripe(&ticket.key);
            self.engine.insert(&ticket.key, entry);",
}];

pub(super) const LOCK: &[Patch] = &[
    Patch {
        name: "one_grant_in_fifty_is_somebody_elses",
        sentences: &["L-11"],
        file: "lock/table.rs",
        find: "if name.holder_at(now).is_some() {
            return None;",
        replace: "if name.holder_at(now).is_some() && issued.last_token % 50 != 49 {
            return None;",
    },
    Patch {
        name: "one_token_in_forty_is_given_twice",
        sentences: &["L-24"],
        file: "lock/table.rs",
        find: "let token = FencingToken(issued.last_token);",
        replace: "let token = FencingToken(issued.last_token - u64::from(issued.last_token % 40 == 39));",
    },
];
