//! State: fencing.

use super::{Patch, wrong};

pub(super) const PATCHES: [Patch; 17] = [
    wrong(
        "commits_over_a_fence",
        &["S-47"],
        "                let SaveParts { precondition, expires: _, fenced_by } = options.into_parts()?;
                self.check_fence(key, fenced_by, now)?;
",
        "                let SaveParts { precondition, expires: _, fenced_by: _ } = options.into_parts()?;
",
    ),
    wrong(
        "forgets_to_mark_a_delete_in_a_commit",
        &["S-46"],
        "                    table.raise_mark(&key, fenced_by, marked_until);
                    table.remove",
        "                    table.remove",
    ),
    wrong(
        "forgets_to_mark_a_delete",
        &["S-46"],
        "        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        let existed",
        "        let existed",
    ),
    wrong("accepts_a_lower_token", &["S-47"], "given < mark.token =>", "given.0 + 1 < mark.token.0 =>"),
    wrong(
        "judges_the_precondition_before_the_fence",
        &["S-48"],
        "        table.check_fence(key, fenced_by, now)?;
        precondition.check(key, table.version(key, now))?;
        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        table.put(",
        "        precondition.check(key, table.version(key, now))?;
        table.check_fence(key, fenced_by, now)?;
        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        table.put(",
    ),
    wrong("refuses_the_token_of_the_mark", &["S-49"], "given < mark.token =>", "given <= mark.token =>"),
    wrong(
        "raises_the_mark_on_a_refused_write",
        &["S-50"],
        "        precondition.check(key, table.version(key, now))?;
        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        table.put(",
        "        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        precondition.check(key, table.version(key, now))?;
        table.put(",
    ),
    wrong(
        "clears_the_mark_on_a_write_without_a_token",
        &["S-51", "S-52"],
        "        let Some(token) = token else { return };",
        "        let Some(token) = token else {
            self.marks.remove(key);
            return;
        };",
    ),
    wrong(
        "drops_the_mark_on_delete",
        &["S-52"],
        "        self.values.remove(identity(key)).is_some_and(|stored| stored.is_live(now))",
        "        self.marks.remove(key);
        self.values.remove(identity(key)).is_some_and(|stored| stored.is_live(now))",
    ),
    wrong(
        "drops_the_mark_on_expiry",
        &["S-52"],
        "        match self.marks.get(identity(key)) {",
        "        let expired = self.values.get(key).is_some_and(|stored| !stored.is_live(now));
        match self.marks.get(identity(key)).filter(|_| !expired) {",
    ),
    wrong(
        "drops_marks_in_a_sweep",
        &["S-52", "G-25"],
        "self.marks.retain(|_, mark| now < mark.until);",
        "self.marks.retain(|key, mark| now < mark.until && self.values.contains_key(key));",
    ),
    wrong(
        "forgets_marks_after_half_a_day",
        &["S-53"],
        "Some(mark) if now < mark.until",
        "Some(mark) if now < mark.until.before(std::time::Duration::from_secs(43_200))",
    ),
    wrong(
        "counts_retention_from_the_first_write",
        &["S-53"],
        "        self.marks.insert(identity(key).to_owned(), Mark { token, until });",
        "        let until = self.marks.get(key).map_or(until, |mark| mark.until);
        self.marks.insert(identity(key).to_owned(), Mark { token, until });",
    ),
    wrong(
        "fences_the_first_key_alone",
        &["S-54", "S-55"],
        "        for key in keys {
            table.raise_mark",
        "        for key in keys.iter().take(1) {
            table.raise_mark",
    ),
    wrong(
        "lowers_marks",
        &["S-56", "S-71"],
        "            table.check_fence(key, Some(token), now)?;
",
        "            let _ = key;
",
    ),
    wrong(
        "fences_some_keys_and_refuses_others",
        &["S-71"],
        "            table.check_fence(key, Some(token), now)?;
        }
        for key in keys {
",
        "            table.check_fence(key, Some(token), now)?;
",
    ),
    wrong(
        "fences_without_declaring_it",
        &["S-59", "G-44"],
        "            fencing: true,",
        "            fencing: false,",
    ),
];
