//! State: keys, values, reading and versions.

use super::{Patch, wrong};

pub(super) const PATCHES: [Patch; 24] = [
    wrong(
        "folds_the_case_of_keys",
        &["G-8"],
        "fn identity(key: &str) -> &str {
    key
}",
        "fn identity(key: &str) -> &str {
    Box::leak(key.to_lowercase().into_boxed_str())
}",
    ),
    wrong(
        "trims_keys",
        &["G-8"],
        "fn identity(key: &str) -> &str {
    key
}",
        "fn identity(key: &str) -> &str {
    key.trim_end()
}",
    ),
    wrong(
        "cuts_keys_at_nul",
        &["G-7", "G-8"],
        "fn identity(key: &str) -> &str {
    key
}",
        r"fn identity(key: &str) -> &str {
    key.split('\0').next().unwrap_or(key)
}",
    ),
    wrong(
        "ignores_accents_in_keys",
        &["G-8"],
        "fn identity(key: &str) -> &str {
    key
}",
        r#"fn identity(key: &str) -> &str {
    Box::leak(key.replace("e\u{301}", "e").replace('é', "e").into_boxed_str())
}"#,
    ),
    wrong(
        "cuts_keys_at_250_bytes",
        &["G-5", "G-8"],
        "fn identity(key: &str) -> &str {
    key
}",
        "fn identity(key: &str) -> &str {
    if key.len() > 250 && key.is_char_boundary(250) { &key[..250] } else { key }
}",
    ),
    wrong(
        "loads_any_key",
        &["G-6"],
        "        check_key(key)?;
        let (table, now) = self.space.enter();",
        "        let (table, now) = self.space.enter();",
    ),
    wrong(
        "saves_any_key",
        &["G-6"],
        "        check_key(key)?;
        let SaveParts",
        "        let SaveParts",
    ),
    wrong(
        "takes_an_empty_value_for_none",
        &["G-11"],
        ".filter(|stored| stored.is_live(now))
    }",
        ".filter(|stored| stored.is_live(now) && !stored.value.is_empty())
    }",
    ),
    wrong(
        "stores_values_as_text",
        &["G-10"],
        "Stored { value, version, deadline });",
        "Stored { value: String::from_utf8_lossy(&value).into_owned().into(), version, deadline });",
    ),
    wrong(
        "takes_values_of_any_size",
        &["G-13"],
        "        check_size(value.len(), self.config.max_value)?;
",
        "",
    ),
    wrong(
        "drops_the_old_value_for_one_too_large",
        &["G-14"],
        "        check_size(value.len(), self.config.max_value)?;
",
        "        if let Err(refused) = check_size(value.len(), self.config.max_value) {
            self.enter().0.values.remove(key);
            return Err(refused);
        }
",
    ),
    wrong(
        "refuses_the_largest_value",
        &["G-12"],
        "        check_size(value.len(), self.config.max_value)?;
",
        "        check_size(value.len(), self.config.max_value - 1)?;
",
    ),
    wrong(
        "checks_the_size_before_the_arguments",
        &["G-15"],
        "        let SaveParts { precondition, expires, fenced_by } = options.into_parts()?;
        check_size(value.len(), self.config.max_value)?;
",
        "        check_size(value.len(), self.config.max_value)?;
        let SaveParts { precondition, expires, fenced_by } = options.into_parts()?;
",
    ),
    wrong(
        "shows_values_in_debug",
        &["G-51"],
        r#"f.debug_struct("Stored").field("version", &self.version)"#,
        r#"f.debug_struct("Stored").field("value", &self.value)"#,
    ),
    wrong(
        "tells_the_expected_version_as_the_current",
        &["G-47"],
        "        precondition.check(key, table.version(key, now))?;
        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        table.put(",
        "        precondition.check(key, table.version(key, now)).map_err(|refused| match precondition {
            Precondition::Match(expected) => Error::conflict(key, crate::Current::Version(expected)),
            _ => refused,
        })?;
        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        table.put(",
    ),
    wrong("tells_no_remaining_lifetime", &["S-1"], "self.deadline.map(|deadline| deadline.since(now))", "None"),
    wrong(
        "loads_many_in_another_order",
        &["S-2"],
        "Ok(keys.iter().map(|key| table.live",
        "Ok(keys.iter().rev().map(|key| table.live",
    ),
    wrong(
        "refuses_a_long_load_many",
        &["S-4"],
        "        check_keys(keys.iter().copied())?;
",
        "        check_keys(keys.iter().copied())?;
        check_batch_keys(keys.len(), &self.capabilities())?;
",
    ),
    wrong(
        "loads_many_one_by_one",
        &["S-5"],
        "        let (table, now) = self.space.enter();
        Ok(keys.iter().map(|key| table.live(key, now).map(|stored| stored.state(now))).collect())",
        "        let one = |key: &&str| {
            std::thread::sleep(std::time::Duration::from_micros(50));
            let (table, now) = self.space.enter();
            table.live(key, now).map(|stored| stored.state(now))
        };
        Ok(keys.iter().map(one).collect())",
    ),
    wrong(
        "hashes_the_value_for_a_version",
        &["S-6", "S-9"],
        "        let version = Version::mint();
        let (mut table, now) = self.enter();
        table.check_fence(key, fenced_by, now)?;",
        "        let mut hash = std::collections::hash_map::DefaultHasher::new();
        std::hash::Hash::hash(&value, &mut hash);
        let version = Version::from_bytes(u128::from(std::hash::Hasher::finish(&hash)).to_be_bytes());
        let (mut table, now) = self.enter();
        table.check_fence(key, fenced_by, now)?;",
    ),
    wrong(
        "counts_versions_from_one",
        &["S-6", "S-8"],
        "        let version = Version::mint();
        let (mut table, now) = self.enter();
        table.check_fence(key, fenced_by, now)?;",
        "        let (mut table, now) = self.enter();
        let last = table.version(key, now).map_or(0, |version| u128::from_be_bytes(version.to_bytes()));
        let version = Version::from_bytes((last + 1).to_be_bytes());
        table.check_fence(key, fenced_by, now)?;",
    ),
    wrong(
        "returns_another_version",
        &["S-7"],
        "        table.put(key, value, version, expires, now);
        table.sweep(now);
        Ok(version)",
        "        table.put(key, value, version, expires, now);
        table.sweep(now);
        Ok(Version::mint())",
    ),
    wrong(
        "compares_half_of_a_version",
        &["S-6", "S-15"],
        "        precondition.check(key, table.version(key, now))?;
        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        table.put(",
        "        let found = table.version(key, now);
        match (precondition, found) {
            (Precondition::Match(wanted), Some(found)) if wanted.to_bytes()[..8] == found.to_bytes()[..8] => {}
            _ => precondition.check(key, found)?,
        }
        table.raise_mark(key, fenced_by, now.after(self.config.fence_retention));
        table.put(",
    ),
    wrong(
        "answers_after_close",
        &["G-75"],
        "        self.session.check_open()?;
        check_key(key)?;
        let (table",
        "        check_key(key)?;
        let (table",
    ),
];
