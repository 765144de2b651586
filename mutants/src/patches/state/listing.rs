//! State: listing.

use super::{Patch, wrong};

pub(super) const PATCHES: [Patch; 7] = [
    wrong(
        "lists_backwards",
        &["S-40"],
        "        Ok(page)",
        "        page.keys.reverse();
        Ok(page)",
    ),
    wrong(
        "takes_percent_for_a_wildcard",
        &["S-41"],
        "            if !key.starts_with(&prefix) {
                break;
            }
",
        r#"            if !key.starts_with(&prefix.replace('%', "")) {
                continue;
            }
"#,
    ),
    wrong(
        "answers_a_bad_query_with_nothing",
        &["S-42"],
        "        let ListParts { prefix, after, limit } = query.into_parts()?;
",
        "        let Ok(ListParts { prefix, after, limit }) = query.into_parts() else { return Ok(KeyPage::default()) };
",
    ),
    wrong(
        "skips_a_key_between_pages",
        &["S-43"],
        "page.next = page.keys.last().map(|last| last.key.clone());",
        "page.next = Some(key.clone());",
    ),
    wrong(
        "repeats_a_key_between_pages",
        &["S-44"],
        "            Some(after) if after >= prefix => Bound::Excluded(after),",
        "            Some(after) if after >= prefix => Bound::Included(after),",
    ),
    wrong(
        "ends_a_listing_at_a_full_page",
        &["S-43", "S-45"],
        "                page.next = page.keys.last().map(|last| last.key.clone());
                break;",
        "                break;",
    ),
    wrong(
        "commits_and_lists_without_declaring_it",
        &["G-43"],
        "            commit: true,
            list: true,",
        "            commit: false,
            list: false,",
    ),
];
