//! Wrong in-memory components: state.

#[path = "state/commits.rs"]
mod commits;
#[path = "state/conditions.rs"]
mod conditions;
#[path = "state/expiry.rs"]
mod expiry;
#[path = "state/fences.rs"]
mod fences;
#[path = "state/listing.rs"]
mod listing;
#[path = "state/values.rs"]
mod values;

use super::Patch;

const GROUPS: [&[Patch]; 6] =
    [&values::PATCHES, &conditions::PATCHES, &expiry::PATCHES, &commits::PATCHES, &listing::PATCHES, &fences::PATCHES];

/// All groups, one after the other.
pub(super) const PATCHES: &[Patch] = &joined::<{ count() }>();

const fn count() -> usize {
    let (mut i, mut sum) = (0, 0);
    while i < GROUPS.len() {
        sum += GROUPS[i].len();
        i += 1;
    }
    sum
}

const fn joined<const N: usize>() -> [Patch; N] {
    let (mut all, mut group, mut i, mut n) = ([GROUPS[0][0]; N], 0, 0, 0);
    while group < GROUPS.len() {
        if i < GROUPS[group].len() {
            all[n] = GROUPS[group][i];
            (i, n) = (i + 1, n + 1);
        } else {
            (group, i) = (group + 1, 0);
        }
    }
    all
}

const fn wrong(
    name: &'static str,
    sentences: &'static [&'static str],
    find: &'static str,
    replace: &'static str,
) -> Patch {
    Patch { name, sentences, file: "state.rs", find, replace }
}
