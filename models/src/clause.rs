//! Clauses of the contract that can be switched off.

use std::fmt;

/// A clause, by its id in `docs/contract.md`; with a word behind it where a sentence has several parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clause {
    /// As `L-28`, or `L-6:extends`.
    pub(crate) id: &'static str,
    /// What is done instead when it is switched off.
    pub(crate) instead: &'static str,
}

impl Clause {
    pub(crate) const fn new(id: &'static str, instead: &'static str) -> Self {
        Self { id, instead }
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} switched off: {}", self.id, self.instead)
    }
}

/// All of the contract, or all but one clause of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Clauses(Option<Clause>);

impl Clauses {
    /// The whole contract.
    pub(crate) const ALL: Self = Self(None);

    /// With one clause switched off.
    #[must_use]
    pub(crate) const fn without(clause: Clause) -> Self {
        Self(Some(clause))
    }

    /// Whether the clause is kept.
    #[must_use]
    pub(crate) fn keep(self, clause: Clause) -> bool {
        self.0 != Some(clause)
    }
}
