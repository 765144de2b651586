//! The clauses, and what each is there for.

use super::promise::*;
use crate::{Clause, family::Trial};

pub(crate) const E_9: Clause =
    Clause::new("E-9:majority", "the expected version is judged by what the primary alone has");
pub(crate) const E_14: Clause =
    Clause::new("E-14", "who is refused does not look for its own append id, and appends anew");
pub(crate) const E_19: Clause =
    Clause::new("E-19", "append ids have no unique key, and are looked up before the head is read");
pub(crate) const E_31_HEAD: Clause = Clause::new("E-31:head", "a writer goes behind a head that the primary alone has");
pub(crate) const E_31_READER: Clause = Clause::new("E-31:reader", "a reader reads what the primary alone has");
pub(crate) const E_36: Clause = Clause::new("E-36", "an append is answered before a majority holds it");
pub(crate) const E_38: Clause = Clause::new("E-38:stub", "a truncated document leaves no stub");

pub(crate) const TRIALS: &[Trial] = &[
    Trial::new(E_9, "elections", CONFLICT_IS_NOTHING, "finds its version taken: Conflict"),
    Trial::new(E_14, "elections", ONCE, "is refused by a unique key"),
    Trial::new(E_19, "same_id", ONCE, "the primary has it"),
    Trial::new(E_31_HEAD, "elections", DENSE, "another primary is elected"),
    Trial::new(E_31_READER, "elections", READ_ONCE, "another primary is elected"),
    Trial::new(E_36, "elections", OK_STAYS, "another primary is elected"),
    Trial::new(E_38, "truncated", ONCE, "is truncated"),
];
