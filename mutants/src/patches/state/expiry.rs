//! State: lifetimes.

use super::{Patch, wrong};

pub(super) const PATCHES: [Patch; 13] = [
    wrong(
        "expires_early",
        &["G-19"],
        "is_none_or(|deadline| now < deadline)",
        "is_none_or(|deadline| now.after(std::time::Duration::from_millis(10)) < deadline)",
    ),
    wrong(
        "expires_late",
        &["G-20"],
        "is_none_or(|deadline| now < deadline)",
        "is_none_or(|deadline| now.before(std::time::Duration::from_millis(10)) < deadline)",
    ),
    wrong(
        "lives_at_its_deadline",
        &["G-21"],
        "is_none_or(|deadline| now < deadline)",
        "is_none_or(|deadline| now <= deadline)",
    ),
    wrong(
        "takes_any_lifetime",
        &["G-16"],
        "        let SaveParts { precondition, expires, fenced_by } = options.into_parts()?;
        check_size(",
        "        let SaveParts { precondition, expires, fenced_by } =
            options.into_parts().or_else(|_| SaveOptions::new().into_parts())?;
        check_size(",
    ),
    wrong(
        "loads_the_expired",
        &["G-24"],
        ".filter(|stored| stored.is_live(now))
    }",
        "
    }",
    ),
    wrong(
        "lists_the_expired",
        &["G-24", "S-40"],
        "            if !stored.is_live(now) {
                continue;
            }
",
        "",
    ),
    wrong(
        "forgets_the_permanent_in_a_sweep",
        &["G-25"],
        "self.values.retain(|_, stored| stored.is_live(now));",
        "self.values.retain(|_, stored| stored.is_live(now) && (stored.deadline.is_some() || self.marks.is_empty()));",
    ),
    wrong(
        "keeps_the_lifetime_on_a_plain_save",
        &["S-25"],
        "            Expires::Never => None,
",
        "            Expires::Never => self.live(key, now).and_then(|stored| stored.deadline),
",
    ),
    wrong(
        "never_shortens_a_lifetime",
        &["S-26"],
        "            Expires::After(ttl) => Some(now.after(ttl.as_duration())),
",
        "            Expires::After(ttl) => {
                let old = self.live(key, now).and_then(|stored| stored.deadline);
                Some(now.after(ttl.as_duration())).max(old)
            }
",
    ),
    wrong(
        "clears_the_lifetime_on_keep",
        &["S-27"],
        "            Expires::Keep => self.live(key, now).and_then(|stored| stored.deadline),
",
        "            Expires::Keep => None,
",
    ),
    wrong(
        "keeps_the_lifetime_of_the_expired",
        &["S-27"],
        "            Expires::Keep => self.live(key, now)",
        "            Expires::Keep => self.values.get(key)",
    ),
    wrong(
        "takes_a_lifetime_without_declaring_any",
        &["G-88", "G-44"],
        "            max_ttl: Some(Ttl::MAX),",
        "            max_ttl: None,",
    ),
    wrong(
        "takes_a_longer_lifetime_than_it_declares",
        &["G-88"],
        "            max_ttl: Some(Ttl::MAX),",
        "            max_ttl: Some(std::time::Duration::from_secs(86_400)),",
    ),
];
