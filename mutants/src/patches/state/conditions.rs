//! State: preconditions and deletes.

use super::{Patch, wrong};

pub(super) const PATCHES: [Patch; 16] = [
    wrong(
        "refuses_any_over_a_live_key",
        &["S-10"],
        "        precondition.check(key, table.version(key, now))?;
        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        table.put(",
        "        let careful = if precondition == Precondition::Any { Precondition::Absent } else { precondition };
        careful.check(key, table.version(key, now))?;
        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        table.put(",
    ),
    wrong(
        "ignores_absent",
        &["S-11", "S-18"],
        "        precondition.check(key, table.version(key, now))?;
        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        table.put(",
        "        if precondition != Precondition::Absent {
            precondition.check(key, table.version(key, now))?;
        }
        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        table.put(",
    ),
    wrong(
        "ignores_present",
        &["S-13"],
        "        precondition.check(key, table.version(key, now))?;
        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        table.put(",
        "        if precondition != Precondition::Present {
            precondition.check(key, table.version(key, now))?;
        }
        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        table.put(",
    ),
    wrong(
        "ignores_match",
        &["S-15", "S-16"],
        "        precondition.check(key, table.version(key, now))?;
        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        table.put(",
        "        if !matches!(precondition, Precondition::Match(_)) {
            precondition.check(key, table.version(key, now))?;
        }
        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        table.put(",
    ),
    wrong(
        "takes_match_for_present",
        &["S-15"],
        "        precondition.check(key, table.version(key, now))?;
        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        table.put(",
        "        let lax = if matches!(precondition, Precondition::Match(_)) { Precondition::Present } else { precondition };
        lax.check(key, table.version(key, now))?;
        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        table.put(",
    ),
    wrong(
        "creates_under_match",
        &["S-16"],
        "        precondition.check(key, table.version(key, now))?;
        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        table.put(",
        "        if table.live(key, now).is_some() || !matches!(precondition, Precondition::Match(_)) {
            precondition.check(key, table.version(key, now))?;
        }
        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        table.put(",
    ),
    wrong(
        "checks_and_saves_in_two_steps",
        &["S-17", "S-18"],
        "        precondition.check(key, table.version(key, now))?;
        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        table.put(",
        "        precondition.check(key, table.version(key, now))?;
        drop(table);
        std::thread::sleep(std::time::Duration::from_micros(50));
        let (mut table, now) = self.enter();
        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        table.put(",
    ),
    wrong(
        "sees_expired_values_in_conditions",
        &["S-12", "S-13", "S-16", "G-24"],
        "        self.live(key, now).map(|stored| stored.version)",
        "        self.values.get(identity(key)).map(|stored| stored.version)",
    ),
    wrong(
        "deletes_nothing",
        &["S-19"],
        "self.values.remove(identity(key)).is_some_and(",
        "self.values.get(identity(key)).is_some_and(",
    ),
    wrong(
        "deletes_what_begins_alike",
        &["S-19"],
        "        self.values.remove(identity(key)).is_some_and(|stored| stored.is_live(now))",
        "        let existed = self.live(key, now).is_some();
        self.values.retain(|other, _| !other.starts_with(key));
        existed",
    ),
    wrong(
        "says_that_the_expired_existed",
        &["S-20", "S-24"],
        "self.values.remove(identity(key)).is_some_and(|stored| stored.is_live(now))",
        "self.values.remove(identity(key)).is_some()",
    ),
    wrong(
        "ignores_match_on_delete",
        &["S-21"],
        "        precondition.check(key, table.version(key, now))?;
        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        let existed",
        "        if !matches!(precondition, Precondition::Match(_)) || table.live(key, now).is_none() {
            precondition.check(key, table.version(key, now))?;
        }
        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        let existed",
    ),
    wrong(
        "deletes_the_missing_under_any_condition",
        &["S-22"],
        "        precondition.check(key, table.version(key, now))?;
        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        let existed",
        "        if table.live(key, now).is_some() {
            precondition.check(key, table.version(key, now))?;
        }
        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        let existed",
    ),
    wrong(
        "deletes_under_absent",
        &["S-23"],
        "        let DeleteParts { precondition, fenced_by } = options.into_parts()?;
        let (mut table, now) = self.enter();",
        "        let Ok(DeleteParts { precondition, fenced_by }) = options.into_parts() else { return Ok(false) };
        let (mut table, now) = self.enter();",
    ),
    wrong(
        "counts_what_it_was_asked_to_delete",
        &["S-24"],
        "map(|key| u64::from(table.remove(key, now))).sum();",
        "map(|key| { table.remove(key, now); 1 }).sum();",
    ),
    wrong(
        "checks_and_commits_in_two_steps",
        &["S-17", "S-36"],
        "        let marked_until = now.after(self.config.fence_retention);
        for",
        "        drop(table);
        std::thread::sleep(std::time::Duration::from_micros(50));
        let (mut table, now) = self.enter();
        let marked_until = now.after(self.config.fence_retention);
        for",
    ),
];
