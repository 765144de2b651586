//! What of the lock can be switched off.

use crate::Clause;

/// The owner of a live lease that asks again.
pub(crate) const L_6_TOKEN: Clause =
    Clause::new("L-6:token", "a repeated acquire of the live owner gets another fencing token");
/// As above.
pub(crate) const L_6_EXTENDS: Clause =
    Clause::new("L-6:extends", "a repeated acquire of the live owner does not extend the lease");
/// Owner equal, but expired.
pub(crate) const L_7: Clause =
    Clause::new("L-7", "an owner whose lease has expired gets it again under the same token");
/// Claims die with their release.
pub(crate) const L_8: Clause = Clause::new("L-8", "the claim of a release is used again");
/// Claims of dropped waits.
pub(crate) const L_8_DROPPED: Clause = Clause::new("L-8:dropped", "the claim of a dropped wait is used again");
/// Answers to dead claims.
pub(crate) const L_9: Clause = Clause::new("L-9", "an answer to a claim that was released is believed");
/// Who may release.
pub(crate) const L_13: Clause = Clause::new("L-13", "a release frees the name whoever holds it");
/// Who may renew.
pub(crate) const L_16: Clause = Clause::new("L-16", "a renewal extends the lease whoever holds it");
/// Which lease is renewed.
pub(crate) const L_17: Clause = Clause::new("L-17", "a renewal compares the owner alone");
/// Overtaken renewals.
pub(crate) const L_18: Clause = Clause::new("L-18", "a renewal sets the expiry, also to an earlier one");
/// Renewals that come late.
pub(crate) const L_20: Clause = Clause::new("L-20", "a renewal revives an expired lease");
/// What tokens are counted on from.
pub(crate) const L_24: Clause = Clause::new("L-24", "a release deletes the record with its token");
/// As above, where it is lost.
pub(crate) const L_26: Clause = Clause::new("L-26", "tokens are plain counters, and the record may be lost");
/// What a deadline counts from.
pub(crate) const L_28: Clause = Clause::new("L-28", "the local deadline counts from the answer");
/// Which request moves a deadline.
pub(crate) const L_31: Clause = Clause::new("L-31", "a renewal moves the local deadline before it is answered");
/// Grants that come late.
pub(crate) const L_32: Clause = Clause::new("L-32", "a grant is delivered although its local deadline has passed");
/// Renewals answered late.
pub(crate) const L_33: Clause =
    Clause::new("L-33", "a renewal's answer that comes too late releases the lease, as a late grant does");
/// Lost is lost.
pub(crate) const L_34: Clause = Clause::new("L-34", "a late answer revives a lost lease");
/// Who comes first.
pub(crate) const L_5: Clause = Clause::new("L-5", "an attempt takes the free name past those who wait");
/// Whose token counts.
pub(crate) const L_50: Clause =
    Clause::new("L-50", "a hand-over is taken up by owner, and keeps the token of the notification");
/// From when a hand-over counts.
pub(crate) const L_51: Clause = Clause::new("L-51", "a hand-over counts from its notification");
/// Hand-overs that are over.
pub(crate) const L_52: Clause = Clause::new("L-52", "an expiry behind the server's time counts as far ahead");
/// Hand-overs that nobody waits for.
pub(crate) const L_53: Clause = Clause::new("L-53", "a hand-over to a waiter that has left is kept until it lapses");
/// What is passed on.
pub(crate) const L_53_TOKEN: Clause =
    Clause::new("L-53:token", "what is passed on is whatever was handed to that wait last");
/// What a refresh does.
pub(crate) const L_56: Clause = Clause::new("L-56", "a refresh keeps the place, and only a release gives the name");
/// How long a place counts.
pub(crate) const L_57: Clause = Clause::new("L-57", "the place of a waiter counts until it leaves");
/// Verdicts on releases.
pub(crate) const T_32: Clause = Clause::new("T-32", "a repeated release that finds nothing of ours is a loss");
/// As above.
pub(crate) const T_32_DEADLINE: Clause =
    Clause::new("T-32:deadline", "a repeated release that finds nothing of ours is Ok, also past the deadline");
/// As above.
pub(crate) const T_33: Clause = Clause::new("T-33", "a release that finds nothing of ours is Ok, sent once or late");
