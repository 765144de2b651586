//! In-memory components that are wrong only where calls meet: what the levels of races and histories are for.

use super::Patch;

pub(super) const STATE: &[Patch] = &[Patch {
    name: "deletes_in_two_steps",
    sentences: &["S-17"],
    file: "state.rs",
    find: "let existed = table.remove(key, now);",
    replace: "drop(table);
        std::thread::sleep(std::time::Duration::from_millis(1));
        let (mut table, now) = self.enter();
        let existed = table.remove(key, now);",
}];

pub(super) const CACHE: &[Patch] = &[Patch {
    name: "fills_in_two_steps",
    sentences: &["C-18"],
    file: "cache.rs",
    find: "self.engine.insert(&ticket.key, entry);",
    replace: "drop(stripe);
            std::thread::sleep(std::time::Duration::from_millis(1));
            let mut stripe = self.stripe(&ticket.key);
            self.engine.insert(&ticket.key, entry);",
}];

pub(super) const LOCK: &[Patch] = &[Patch {
    name: "one_token_in_forty_is_given_twice",
    sentences: &["L-24"],
    file: "lock/table.rs",
    find: "let token = FencingToken(issued.last_token);",
    replace: "let token = FencingToken(issued.last_token - u64::from(issued.last_token % 40 == 39));",
}];
