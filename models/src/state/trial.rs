//! The clauses, and what each is there for.

use super::promise::*;
use crate::{Clause, family::Trial};

pub(crate) const G_50: Clause = Clause::new("G-50", "a call without an answer is called refused");
pub(crate) const G_56: Clause = Clause::new("G-56", "a commit that only checks a version is repeated");
pub(crate) const G_57: Clause = Clause::new("G-57", "each copy of a request has a version of its own");
pub(crate) const G_58: Clause = Clause::new("G-58", "a refused repeat does not look whether its own version is there");
pub(crate) const G_59: Clause = Clause::new("G-59", "a refused repeat is a Conflict");
pub(crate) const G_59_OK: Clause = Clause::new("G-59:ok", "a repeat that finds another version is Ok");
pub(crate) const G_62: Clause = Clause::new("G-62", "a repeat that is refused for another reason is settled");
pub(crate) const G_63: Clause = Clause::new("G-63", "a repeat that meets the mark is Fenced");
pub(crate) const G_64: Clause = Clause::new("G-64", "a write without a version is repeated");
pub(crate) const G_65: Clause = Clause::new("G-65", "a read that does not find the write calls it refused");
pub(crate) const S_6: Clause = Clause::new("S-6", "versions are counters, which begin again with the key");
pub(crate) const S_52: Clause = Clause::new("S-52", "the mark goes with the value");
pub(crate) const S_56: Clause = Clause::new("S-56", "a late fence lowers the mark");

pub(crate) const TRIALS: &[Trial] = &[
    Trial::new(G_50, "versions", REFUSED_IS_NOT_APPLIED, "waits no longer; it answers that it was refused"),
    Trial::new(G_56, "commits", ONCE, "as a repeat; key 1 now has version"),
    Trial::new(G_57, "versions", RECOGNISED, "as a repeat; it is refused by its condition"),
    Trial::new(G_58, "versions", RECOGNISED, "as a repeat; it is refused by its condition"),
    Trial::new(G_59, "versions", REFUSED_IS_NOT_APPLIED, "as a repeat; it is refused by its condition"),
    Trial::new(G_59_OK, "versions", OK_IS_APPLIED, "it answers Ok"),
    Trial::new(G_62, "commits", SETTLED, "it answers Unknown { settled: true }"),
    Trial::new(G_63, "fences", REFUSED_IS_NOT_APPLIED, "as a repeat; it is refused by the mark"),
    Trial::new(G_64, "blind", ONCE, "has no answer, and is sent again"),
    Trial::new(G_65, "blind", REFUSED_IS_NOT_APPLIED, "its version is not there; it answers that it was refused"),
    Trial::new(S_6, "versions", SAME_VALUE, "the key is gone"),
    Trial::new(S_52, "fences", FENCED_OUT, "key 1"),
    Trial::new(S_56, "fences", FENCED_OUT, "the mark is now 1"),
];
