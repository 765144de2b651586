//! The clauses, and what each is there for.

use crate::{Clause, family::Trial};

pub(crate) const WOKEN: &str = "nobody sleeps over what is new with nothing under way that wakes it (E-35, T-50)";

pub(crate) const REGISTER: Clause = Clause::new("E-35:register", "who waits looks first, and registers then");
pub(crate) const LEVEL: Clause =
    Clause::new("E-35:level", "a push wakes those who sleep, and is not counted for the others");
pub(crate) const GAP: Clause = Clause::new("E-35:gap", "a new connection says nothing of what the old one lost");
pub(crate) const SUBSCRIBED: Clause =
    Clause::new("E-35:subscribed", "the gap is said before the new connection is subscribed");
pub(crate) const ORDER: Clause = Clause::new("E-35:order", "a write is told of before it is there");

pub(crate) const TRIALS: &[Trial] = &[
    Trial::new(REGISTER, "pushes", WOKEN, "looks, and sees version 0"),
    Trial::new(LEVEL, "pushes", WOKEN, "the client hears of a write"),
    Trial::new(GAP, "pushes", WOKEN, "the connection is cut"),
    Trial::new(SUBSCRIBED, "pushes", WOKEN, "all who wait hear of a gap"),
    Trial::new(ORDER, "pushes", WOKEN, "is told, and not yet written"),
];
