//! What each clause of the lock is there for.

use super::{clause::*, promise::*};
use crate::family::Trial;

pub(crate) const TRIALS: &[Trial] = &[
    Trial::new(L_5, "mixed", NO_PASSING, "the server gives B1"),
    Trial::new(L_6_TOKEN, "repeats", KNOWN, "the token is now"),
    Trial::new(L_6_EXTENDS, "repeats", ONE_HOLDER, "the name is its own already"),
    Trial::new(L_7, "repeats", TOKENS_RISE, "again"),
    Trial::new(L_8, "repeats", ONE_HOLDER, "with the claim that it has released"),
    Trial::new(L_8_DROPPED, "dropped", ONE_HOLDER, "it frees the name, which was granted to that wait"),
    Trial::new(L_9, "repeats", ONE_HOLDER, "A hears that A1's request of 0 was granted"),
    Trial::new(L_13, "repeats", ONE_HOLDER, "arrives and finds its lease"),
    Trial::new(L_16, "renewals", NOT_ANOTHERS, "is carried out"),
    Trial::new(L_17, "renewals", NO_FALSE_RENEWAL, "is carried out"),
    Trial::new(L_18, "statements", ONE_HOLDER, "reads the clock and waits for the row"),
    Trial::new(L_20, "renewals", NO_FALSE_RENEWAL, "is carried out"),
    Trial::new(L_24, "repeats", TOKENS_RISE, "finds its lease"),
    Trial::new(L_26, "losses", TOKENS_RISE, "without its data"),
    Trial::new(L_28, "repeats", ONE_HOLDER, "works until 4"),
    Trial::new(L_31, "renewals", ONE_HOLDER, "it counts on it until"),
    Trial::new(L_32, "repeats", NO_LATE_GRANT, "works until 2"),
    Trial::new(L_33, "renewals", ONE_HOLDER, "it is released, as a late grant is"),
    Trial::new(L_34, "renewals", LOST_FOR_GOOD, "hears that its renewal"),
    Trial::new(L_50, "waiting", KNOWN, "it asks for the rest of its time"),
    Trial::new(L_51, "waiting", ONE_HOLDER, "hears that the name was handed to it"),
    Trial::new(L_52, "counting", KNOWN, "learns that it was 1 at the server"),
    Trial::new(L_53, "waiting", PASSED_AT_ONCE, "it does not wait any more"),
    Trial::new(L_53_TOKEN, "counting", KNOWN, "and passes it on"),
    Trial::new(L_56, "waiting", FREE_IS_TAKEN, "it stands in line"),
    Trial::new(L_57, "waiting", FREE_IS_TAKEN, "stands in line"),
    Trial::new(T_32, "repeats", NO_FALSE_LOSS, "found nothing of its own: lost"),
    Trial::new(T_32_DEADLINE, "repeats", NO_FALSE_OK, "found nothing of its own: Ok"),
    Trial::new(T_33, "repeats", NO_FALSE_OK, "found nothing of its own: Ok"),
];
