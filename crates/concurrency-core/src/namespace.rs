//! Names that keep components apart.

use std::{borrow::Cow, fmt};

use crate::{Error, Result};

/// A checked namespace: 1 to 64 characters of `A-Z a-z 0-9 . _ -`, compared byte for byte.
///
/// Whatever builds a component takes this, so that the check cannot be forgotten. Callers write `&str`.
/// ```
/// use concurrency_core::Namespace;
///
/// const ORDERS: Namespace = Namespace::from_static("orders");
/// assert_eq!(ORDERS, Namespace::new("orders")?);
/// assert!(Namespace::new("no blanks").is_err());
/// # Ok::<_, concurrency_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(Cow<'static, str>);

impl Namespace {
    /// Checks a name known at run time.
    ///
    /// # Errors
    /// `InvalidArgument` for anything but 1 to 64 of the allowed characters.
    pub fn new(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        if is_valid(&name) {
            Ok(Self(Cow::Owned(name)))
        } else {
            Err(Error::invalid("namespace", "1 to 64 characters of A-Z a-z 0-9 . _ -"))
        }
    }

    /// Checks a literal.
    ///
    /// # Panics
    /// For anything but 1 to 64 of the allowed characters; in a `const` that is a compile error.
    #[must_use]
    pub const fn from_static(name: &'static str) -> Self {
        assert!(is_valid(name), "a namespace has 1 to 64 characters of A-Z a-z 0-9 . _ -");
        Self(Cow::Borrowed(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const fn is_valid(name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        if !matches!(bytes[i], b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-') {
            return false;
        }
        i += 1;
    }
    !bytes.is_empty() && bytes.len() <= 64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_allowed_characters() {
        for good in ["a", "A-Z_0.9", &"x".repeat(64)] {
            assert_eq!(Namespace::new(good).unwrap().as_str(), good);
        }
        for bad in ["", " ", "a b", "a/b", "a:b", "é", "a\0", &"x".repeat(65)] {
            assert!(matches!(Namespace::new(bad), Err(Error::InvalidArgument { what: "namespace", .. })), "{bad:?}");
        }
    }
}
