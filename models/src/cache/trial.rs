//! What holds, and the clauses that it takes.

use super::{Cache, State};
use crate::{Clause, family::Trial};

pub(crate) const FRESH: &str = "after a change was answered nobody reads what was true before it (C-11, C-12, C-13)";

/// Of all that can be read now.
pub(crate) fn is_fresh(cache: &Cache, state: &State) -> bool {
    let fresh = |generation| state.store.read(generation).is_none_or(|truth| truth >= state.floor);
    let remembers = |generation: Option<u8>| generation.is_none() || fresh(generation);
    let remembered = cache.clauses.keep(C_29) || state.loaders.iter().all(|loader| remembers(loader.remembers));
    fresh(state.store.generation) && remembered
}

pub(crate) const C_18: Clause = Clause::new("C-18", "a fill sets the value, whatever stands");
pub(crate) const C_18_COPIES: Clause = Clause::new("C-18:copies", "all copies of a reserve have the same ticket");
pub(crate) const C_20: Clause = Clause::new("C-20", "a remove leaves the reservation");
pub(crate) const C_21: Clause = Clause::new("C-21", "a reservation outlives a clear");
pub(crate) const C_22: Clause = Clause::new("C-22", "a set leaves the reservation");
pub(crate) const C_23: Clause = Clause::new("C-23", "a fill asks whether there is a reservation, not whose");
pub(crate) const C_26: Clause = Clause::new("C-26", "the generation is a counter");
pub(crate) const C_27: Clause = Clause::new("C-27", "all copies of a request have the same generation");
pub(crate) const C_29: Clause = Clause::new("C-29", "a process remembers the generation");

pub(crate) const TRIALS: &[Trial] = &[
    Trial::new(C_18, "tickets", FRESH, "value 0 stands"),
    Trial::new(C_18_COPIES, "tickets", FRESH, "the key is reserved for it"),
    Trial::new(C_20, "tickets", FRESH, "value 0 stands"),
    Trial::new(C_21, "generations", FRESH, "value 0 stands"),
    Trial::new(C_22, "tickets", FRESH, "value 0 stands"),
    Trial::new(C_23, "tickets", FRESH, "value 0 stands"),
    Trial::new(C_26, "generations", FRESH, "the generation is evicted"),
    Trial::new(C_27, "generations", FRESH, "the generation is evicted"),
    Trial::new(C_29, "generations", FRESH, "the writer is answered"),
];
