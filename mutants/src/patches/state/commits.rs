//! State: bulk calls and commits.

use super::{Patch, wrong};

pub(super) const PATCHES: [Patch; 11] = [
    wrong(
        "takes_a_repeated_key_to_delete",
        &["S-28"],
        "        check_distinct_keys(keys.iter().copied())?;
        check_batch_keys(keys.len(), &self.capabilities())?;
        let (mut table",
        "        check_keys(keys.iter().copied())?;
        check_batch_keys(keys.len(), &self.capabilities())?;
        let (mut table",
    ),
    wrong(
        "commits_whatever_it_is_given",
        &["S-28", "S-32"],
        "        check_commit(&writes, &self.capabilities())?;
",
        "        check_keys(writes.iter().map(Write::key))?;
",
    ),
    wrong(
        "saves_a_repeated_key",
        &["S-29"],
        "self.session.check_open().and_then(|()| check_save_batch(&saves, &self.capabilities()));",
        "self.session.check_open();",
    ),
    wrong(
        "refuses_all_saves_for_a_bad_one",
        &["S-30"],
        "        if let Err(refused) = refused {",
        "        let refused = refused.and_then(|()| saves.iter().try_for_each(|save| {
            check_key(&save.key)?;
            check_size(save.value.len(), self.space.config.max_value)
        }));
        if let Err(refused) = refused {",
    ),
    wrong(
        "stops_saving_at_the_first_failure",
        &["S-31"],
        "        saves.into_iter().map(|Save { key, value, options }| self.space.save(&key, value, options)).collect()",
        "        let mut failed = None;
        let mut one = |Save { key, value, options }: Save| {
            if let Some(failed) = &failed {
                return Err(Error::clone(failed));
            }
            self.space.save(&key, value, options).inspect_err(|error| failed = Some(error.clone()))
        };
        saves.into_iter().map(|save| one(save)).collect()",
    ),
    wrong(
        "takes_batches_of_any_length",
        &["S-32"],
        "        check_distinct_keys(keys.iter().copied())?;
        check_batch_keys(keys.len(), &self.capabilities())?;
        let (mut table",
        "        check_distinct_keys(keys.iter().copied())?;
        let (mut table",
    ),
    wrong(
        "commits_half",
        &["S-34"],
        "        for write in &writes {
            table.admit(write, now)?;
        }
        let marked_until = now.after(self.config.fence_retention);
        for write in writes {
",
        "        let marked_until = now.after(self.config.fence_retention);
        for write in writes {
            table.admit(&write, now)?;
",
    ),
    wrong(
        "gives_each_key_of_a_commit_its_own_version",
        &["S-35"],
        "table.put(&key, value, version, expires, now);",
        "table.put(&key, value, Version::mint(), expires, now);",
    ),
    wrong(
        "ignores_checks",
        &["S-36"],
        "Write::Check { key, precondition } => self.check(key, *precondition, now),",
        "Write::Check { .. } => Ok(()),",
    ),
    wrong(
        "touches_what_it_checks",
        &["S-37"],
        "                Write::Check { .. } => {}
",
        "                Write::Check { key, .. } => {
                    if let Some(stored) = table.values.get_mut(&key) {
                        stored.version = version;
                    }
                }
",
    ),
    wrong(
        "names_the_last_failed_key",
        &["S-38"],
        "        for write in &writes {
            table.admit",
        "        for write in writes.iter().rev() {
            table.admit",
    ),
];
