//! What a caller can ask of a state store, and what a backend is handed.

use std::time::Duration;

use bytes::Bytes;

use crate::{Current, Error, FencingToken, MAX_KEY_BYTES, Result, Ttl, Version};

/// What must hold for a write. Exhaustive on purpose: a backend that does not know a condition must not compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precondition {
    /// Nothing.
    #[default]
    Any,
    /// No live value.
    Absent,
    /// A live value.
    Present,
    /// A live value of this version.
    Match(Version),
}

impl Precondition {
    /// The check itself, for backends that decide in this process; `current` is the version of the live value.
    ///
    /// # Errors
    /// `Conflict` where it does not hold.
    pub fn check(self, key: &str, current: Option<Version>) -> Result<()> {
        match (self, current) {
            (Self::Any, _) | (Self::Absent, None) | (Self::Present, Some(_)) => Ok(()),
            (Self::Match(wanted), Some(found)) if wanted == found => Ok(()),
            (_, found) => Err(Error::conflict(key, found.map_or(Current::Absent, Current::Version))),
        }
    }
}

/// When a saved value goes. Exhaustive on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Expires<T = Ttl> {
    /// Never, whatever lifetime the key had.
    #[default]
    Never,
    /// After this time to live.
    After(T),
    /// When the value that it replaces would have gone; never, if it replaces a permanent one or none.
    Keep,
}

/// How to save. `SaveOptions::new()` replaces whatever is there, for ever.
#[derive(Debug, Clone, Copy, Default)]
#[must_use]
pub struct SaveOptions {
    precondition: Precondition,
    expires: Expires<Duration>,
    fenced_by: Option<FencingToken>,
}

impl SaveOptions {
    /// Unconditional, permanent, unfenced.
    pub const fn new() -> Self {
        Self { precondition: Precondition::Any, expires: Expires::Never, fenced_by: None }
    }

    /// Only where there is no live value.
    pub const fn if_absent(self) -> Self {
        self.when(Precondition::Absent)
    }

    /// Only where there is a live value.
    pub const fn if_present(self) -> Self {
        self.when(Precondition::Present)
    }

    /// Only over this version.
    pub const fn if_version(self, version: Version) -> Self {
        self.when(Precondition::Match(version))
    }

    /// Under this precondition.
    pub const fn when(mut self, precondition: Precondition) -> Self {
        self.precondition = precondition;
        self
    }

    /// Expires after `ttl`: more than zero, at most ten years, rounded up to 1 ms.
    pub const fn with_ttl(mut self, ttl: Duration) -> Self {
        self.expires = Expires::After(ttl);
        self
    }

    /// Expires when the replaced value would have.
    pub const fn keep_ttl(mut self) -> Self {
        self.expires = Expires::Keep;
        self
    }

    /// Refused once a higher token was accepted for the key.
    pub const fn fenced_by(mut self, token: FencingToken) -> Self {
        self.fenced_by = Some(token);
        self
    }

    /// What must hold, for wrappers that decide by it.
    #[must_use]
    pub const fn precondition(&self) -> Precondition {
        self.precondition
    }

    /// For tests over several processes: unchecked, as it was said.
    #[cfg(feature = "simulation")]
    #[doc(hidden)]
    #[must_use]
    pub const fn unchecked(&self) -> (Precondition, Expires<Duration>, Option<FencingToken>) {
        (self.precondition, self.expires, self.fenced_by)
    }

    /// For backends: everything, checked, in a struct to be taken apart without `..`, so that a new option cannot be
    /// overlooked.
    ///
    /// # Errors
    /// `InvalidArgument` for a TTL or a fencing token out of bounds.
    pub fn into_parts(self) -> Result<SaveParts> {
        let expires = match self.expires {
            Expires::Never => Expires::Never,
            Expires::After(ttl) => Expires::After(Ttl::new(ttl)?),
            Expires::Keep => Expires::Keep,
        };
        let fenced_by = self.fenced_by.map(FencingToken::checked).transpose()?;
        Ok(SaveParts { precondition: self.precondition, expires, fenced_by })
    }
}

/// [`SaveOptions`], checked. Exhaustive on purpose.
#[derive(Debug, Clone, Copy)]
pub struct SaveParts {
    /// What must hold.
    pub precondition: Precondition,
    /// When it goes.
    pub expires: Expires,
    /// Who else must not have been there.
    pub fenced_by: Option<FencingToken>,
}

/// How to delete.
#[derive(Debug, Clone, Copy, Default)]
#[must_use]
pub struct DeleteOptions {
    precondition: Precondition,
    fenced_by: Option<FencingToken>,
}

impl DeleteOptions {
    /// Unconditional, unfenced.
    pub const fn new() -> Self {
        Self { precondition: Precondition::Any, fenced_by: None }
    }

    /// Only where there is a live value; otherwise `Conflict` instead of `Ok(false)`.
    pub const fn if_present(self) -> Self {
        self.when(Precondition::Present)
    }

    /// Only this version.
    pub const fn if_version(self, version: Version) -> Self {
        self.when(Precondition::Match(version))
    }

    /// Under this precondition; `Absent` makes no sense and is refused.
    pub const fn when(mut self, precondition: Precondition) -> Self {
        self.precondition = precondition;
        self
    }

    /// Refused once a higher token was accepted for the key.
    pub const fn fenced_by(mut self, token: FencingToken) -> Self {
        self.fenced_by = Some(token);
        self
    }

    /// What must hold, for wrappers that decide by it.
    #[must_use]
    pub const fn precondition(&self) -> Precondition {
        self.precondition
    }

    /// For tests over several processes: unchecked, as it was said.
    #[cfg(feature = "simulation")]
    #[doc(hidden)]
    #[must_use]
    pub const fn unchecked(&self) -> (Precondition, Option<FencingToken>) {
        (self.precondition, self.fenced_by)
    }

    /// For backends, as [`SaveOptions::into_parts`].
    ///
    /// # Errors
    /// `InvalidArgument` for the precondition `Absent`, and for a fencing token out of bounds.
    pub fn into_parts(self) -> Result<DeleteParts> {
        if self.precondition == Precondition::Absent {
            return Err(Error::invalid("precondition", "a delete of what is absent"));
        }
        let fenced_by = self.fenced_by.map(FencingToken::checked).transpose()?;
        Ok(DeleteParts { precondition: self.precondition, fenced_by })
    }
}

/// [`DeleteOptions`], checked. Exhaustive on purpose.
#[derive(Debug, Clone, Copy)]
pub struct DeleteParts {
    /// What must hold.
    pub precondition: Precondition,
    /// Who else must not have been there.
    pub fenced_by: Option<FencingToken>,
}

/// One save of a batch.
#[derive(Clone)]
pub struct Save {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: Bytes,
    /// Its conditions.
    pub options: SaveOptions,
}
debug_without_value!(Save { key, options });

impl Save {
    /// Save a value.
    pub fn new(key: impl Into<String>, value: impl Into<Bytes>, options: SaveOptions) -> Self {
        Self { key: key.into(), value: value.into(), options }
    }
}

/// One step of a commit. Exhaustive on purpose.
#[derive(Debug, Clone)]
pub enum Write {
    /// Save a value.
    Save(Save),
    /// Delete a key.
    Delete {
        /// Its key.
        key: String,
        /// Its conditions.
        options: DeleteOptions,
    },
    /// Change nothing, but require this of a key.
    Check {
        /// Its key.
        key: String,
        /// What must hold.
        precondition: Precondition,
    },
}

impl Write {
    /// Save a value.
    pub fn save(key: impl Into<String>, value: impl Into<Bytes>, options: SaveOptions) -> Self {
        Self::Save(Save::new(key, value, options))
    }

    /// Delete a key.
    pub fn delete(key: impl Into<String>, options: DeleteOptions) -> Self {
        Self::Delete { key: key.into(), options }
    }

    /// Require something of a key that is only read.
    pub fn check(key: impl Into<String>, precondition: Precondition) -> Self {
        Self::Check { key: key.into(), precondition }
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Save(Save { key, .. }) | Self::Delete { key, .. } | Self::Check { key, .. } => key,
        }
    }

    /// The size of its value in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Save(save) => save.value.len(),
            Self::Delete { .. } | Self::Check { .. } => 0,
        }
    }
}

/// Which keys to list: a literal prefix, after a key, so many a page.
#[derive(Debug, Clone)]
#[must_use]
pub struct ListQuery {
    prefix: String,
    after: Option<String>,
    limit: usize,
}

impl ListQuery {
    /// How many keys a page has unless told.
    pub const DEFAULT_LIMIT: usize = 100;
    /// The most keys that a page may have.
    pub const MAX_LIMIT: usize = 1000;

    /// All keys, 100 a page.
    pub const fn all() -> Self {
        Self { prefix: String::new(), after: None, limit: Self::DEFAULT_LIMIT }
    }

    /// All keys that begin with these bytes, 0 to 1024 of them, taken literally.
    pub fn prefix(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..Self::all() }
    }

    /// Go on after this key: [`KeyPage::next`].
    pub fn after(mut self, key: impl Into<String>) -> Self {
        self.after = Some(key.into());
        self
    }

    /// At most so many keys a page, 1 to 1,000.
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// For tests over several processes: unchecked, as it was said.
    #[cfg(feature = "simulation")]
    #[doc(hidden)]
    #[must_use]
    pub fn unchecked(self) -> ListParts {
        ListParts { prefix: self.prefix, after: self.after, limit: self.limit }
    }

    /// For backends: everything, checked.
    ///
    /// # Errors
    /// `InvalidArgument` for a prefix or an `after` of more than 1024 bytes, and for a limit outside 1 to 1,000.
    pub fn into_parts(self) -> Result<ListParts> {
        if self.prefix.len() > MAX_KEY_BYTES {
            return Err(Error::invalid("prefix", "at most 1024 bytes"));
        }
        if self.after.as_ref().is_some_and(|after| after.len() > MAX_KEY_BYTES) {
            return Err(Error::invalid("after", "at most 1024 bytes"));
        }
        let limit = crate::check_limit(self.limit)?;
        Ok(ListParts { prefix: self.prefix, after: self.after, limit })
    }
}

/// [`ListQuery`], checked. Exhaustive on purpose.
#[derive(Debug, Clone)]
pub struct ListParts {
    /// Literal; empty lists all.
    pub prefix: String,
    /// The key to go on after.
    pub after: Option<String>,
    /// At most so many, 1 to 1,000.
    pub limit: usize,
}

/// A page of keys; only `next: None` says that it is the last: a page may be short, even empty, before that.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyPage {
    /// In byte order.
    pub keys: Vec<KeyVersion>,
    /// What to pass to [`ListQuery::after`].
    pub next: Option<String>,
}

/// A live key and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyVersion {
    /// The key.
    pub key: String,
    /// Its version when the page was read.
    pub version: Version,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_checked_when_taken_apart() {
        assert!(SaveOptions::new().with_ttl(Duration::ZERO).into_parts().is_err());
        assert!(SaveOptions::new().fenced_by(FencingToken(1 << 53)).into_parts().is_err());
        assert!(DeleteOptions::new().when(Precondition::Absent).into_parts().is_err());
        assert!(ListQuery::all().limit(0).into_parts().is_err());
        assert!(ListQuery::all().limit(1001).into_parts().is_err());
        assert!(ListQuery::prefix("x".repeat(1025)).into_parts().is_err());
        assert_eq!(ListQuery::prefix("a").limit(1000).into_parts().unwrap().limit, 1000);
    }

    #[test]
    fn a_precondition_names_what_it_found() {
        let version = Version::mint();
        assert!(Precondition::Match(version).check("k", Some(version)).is_ok());
        let refused = Precondition::Absent.check("k", Some(version)).unwrap_err();
        assert!(matches!(refused, Error::Conflict { current: Current::Version(v), .. } if v == version));
        let refused = Precondition::Match(version).check("k", None).unwrap_err();
        assert!(matches!(refused, Error::Conflict { current: Current::Absent, .. }));
    }
}
