//! Why there is no server.

use std::{error::Error, fmt};

/// Why a server could not be had, and how to get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// What is missing, or what happened.
    reason: String,
    /// What would help; empty where nothing is known.
    remedy: String,
}

impl Unavailable {
    /// With the reason alone.
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), remedy: String::new() }
    }

    /// With what would help.
    #[must_use]
    pub fn or(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// That neither of two ways leads anywhere.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        let remedies = [self.remedy, other.remedy].into_iter().filter(|remedy| !remedy.is_empty());
        let remedy = remedies.collect::<Vec<_>>().join("; or ");
        Self { reason: format!("{}, and {}", self.reason, other.reason), remedy }
    }
}

/// In one line: the reason, and in parentheses what would help.
impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, " ({})", self.remedy) }
    }
}

impl Error for Unavailable {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_missing_and_what_would_help() {
        let program = Unavailable::new("no program").or("install it");
        assert_eq!(program.to_string(), "no program (install it)");
        assert_eq!(Unavailable::new("no engine").to_string(), "no engine");
        let both = program.and(Unavailable::new("no engine").or("start one"));
        assert_eq!(both.to_string(), "no program, and no engine (install it; or start one)");
    }
}
