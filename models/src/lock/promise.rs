//! What always holds.

use stateright::Property;

use super::{
    Lock, TWO_AFTER_LOSS,
    state::{State, Wrong},
};

pub(crate) const ONE_HOLDER: &str = "no two work under a lease of the name at once (L-11)";
pub(crate) const KNOWN: &str = "who works has the name at the server, under the same token (L-28, L-50)";
pub(crate) const TOKENS_RISE: &str = "the token of a grant is above all before (L-24)";
pub(crate) const NO_PASSING: &str = "nobody is granted the name past a live waiter (L-5)";
pub(crate) const NO_LATE_GRANT: &str = "nobody is told of a grant while another works (L-32)";
pub(crate) const LOST_FOR_GOOD: &str = "a lost lease never comes back (L-34)";
pub(crate) const NO_FALSE_RENEWAL: &str = "only the live grant that is meant is renewed (L-17, L-20, L-21)";
pub(crate) const NOT_ANOTHERS: &str = "a late holder does not renew its successor's lock (L-16)";
pub(crate) const NO_FALSE_OK: &str = "a release says Ok only for a lease that it gave back (T-33)";
pub(crate) const NO_FALSE_LOSS: &str = "a release that freed the lease in time is no loss (T-32)";
pub(crate) const FREE_IS_TAKEN: &str = "a free name is not refused to a waiter with nobody live before it (L-56, L-57)";
pub(crate) const PASSED_AT_ONCE: &str = "a hand-over that nobody waits for is passed on at once (L-53)";

pub(crate) fn all() -> Vec<Property<Lock>> {
    let always = |name, condition: fn(&Lock, &State) -> bool| Property::always(name, condition);
    vec![
        always(ONE_HOLDER, |_, state| state.losses > 0 || state.working().count() <= 1),
        always(KNOWN, |_, state| state.losses > 0 || state.working().all(|who| is_known(state, who))),
        always(TOKENS_RISE, |_, state| state.wrong != Some(Wrong::Token)),
        always(NO_PASSING, |_, state| state.wrong != Some(Wrong::PastAWaiter)),
        always(NO_LATE_GRANT, |_, state| state.wrong != Some(Wrong::LateGrant)),
        always(LOST_FOR_GOOD, |_, state| state.wrong != Some(Wrong::Revived)),
        always(NO_FALSE_RENEWAL, |_, state| state.wrong != Some(Wrong::RenewedNothing)),
        always(NOT_ANOTHERS, |_, state| state.wrong != Some(Wrong::RenewedAnothers)),
        always(NO_FALSE_OK, |_, state| state.wrong != Some(Wrong::FalseOk)),
        always(NO_FALSE_LOSS, |_, state| state.wrong != Some(Wrong::FalseLoss)),
        always(FREE_IS_TAKEN, |_, state| state.wrong != Some(Wrong::Refused)),
        always(PASSED_AT_ONCE, |_, state| state.wrong != Some(Wrong::Kept)),
    ]
}

fn is_known(state: &State, (client, token): (u8, u8)) -> bool {
    state.live().is_some_and(|held| held.owner.client == client) && state.record.last == token
}

impl Lock {
    /// After each step.
    pub(crate) fn judge(&self, state: &mut State) {
        if state.losses == 0 {
            return;
        }
        let tokens: Vec<u8> = state.working().map(|(_, token)| token).collect();
        if let [one, other] = tokens[..] {
            if one == other {
                state.wrong(Wrong::Token);
            }
            self.sights.see(TWO_AFTER_LOSS);
        }
    }
}
