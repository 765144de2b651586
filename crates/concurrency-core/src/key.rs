//! Keys, and how many bytes they may have.

use crate::{Error, Result};

/// The longest key in bytes.
pub const MAX_KEY_BYTES: usize = 1024;

/// The one key check: 1 to 1024 bytes. Backends call it first in every method.
///
/// Keys are any UTF-8 and are compared byte for byte: case, accents, trailing spaces and normal form all matter.
///
/// # Errors
/// `InvalidKey` for an empty or a longer key.
pub const fn check_key(key: &str) -> Result<()> {
    match key.len() {
        1..=MAX_KEY_BYTES => Ok(()),
        len => Err(Error::InvalidKey { len }),
    }
}

/// Checks several keys, in order.
///
/// # Errors
/// `InvalidKey` for the first that is empty or too long.
pub fn check_keys<'k>(keys: impl IntoIterator<Item = &'k str>) -> Result<()> {
    keys.into_iter().try_for_each(check_key)
}

/// As [`check_keys`], and no key may stand twice.
///
/// # Errors
/// `InvalidKey` as above, then `InvalidArgument` for a repeated key.
pub fn check_distinct_keys<'k>(keys: impl IntoIterator<Item = &'k str> + Clone) -> Result<()> {
    check_keys(keys.clone())?;
    let mut seen = std::collections::HashSet::new();
    if keys.into_iter().all(|key| seen.insert(key)) {
        Ok(())
    } else {
        Err(Error::invalid("keys", "a key stands twice in one batch"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_not_characters() {
        assert!(check_key("a").is_ok());
        assert!(check_key(&"é".repeat(512)).is_ok());
        assert!(matches!(check_key(&"é".repeat(513)), Err(Error::InvalidKey { len: 1026 })));
        assert!(matches!(check_key(""), Err(Error::InvalidKey { len: 0 })));
    }

    #[test]
    fn a_bad_key_comes_before_a_repeated_one() {
        assert!(check_distinct_keys(["a", "b"]).is_ok());
        assert!(matches!(check_distinct_keys(["a", "a"]), Err(Error::InvalidArgument { what: "keys", .. })));
        assert!(matches!(check_distinct_keys(["a", "a", ""]), Err(Error::InvalidKey { .. })));
    }
}
