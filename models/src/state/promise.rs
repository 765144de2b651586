//! What always holds.

use stateright::Property;

use super::{State, StateStore};

pub(crate) const REFUSED_IS_NOT_APPLIED: &str = "what was refused was not applied and never will be (G-49)";
pub(crate) const OK_IS_APPLIED: &str = "what was answered Ok was applied (G-58)";
pub(crate) const SETTLED: &str = "what is unknown and settled is not applied any more (G-50)";
pub(crate) const ONCE: &str = "no write is applied twice, over what others wrote in between (G-64)";
pub(crate) const SAME_VALUE: &str = "a write under a version replaces the value that was read, and no other (S-8)";
pub(crate) const FENCED_OUT: &str = "no write is applied behind a higher token (S-52)";
pub(crate) const RECOGNISED: &str = "a repeat recognises its own write where that stands (G-58)";

pub(super) fn all() -> Vec<Property<StateStore>> {
    let always = |name, condition: fn(&StateStore, &State) -> bool| Property::always(name, condition);
    vec![
        always(REFUSED_IS_NOT_APPLIED, |_, state| state.wrong != Some(REFUSED_IS_NOT_APPLIED)),
        always(OK_IS_APPLIED, |_, state| state.wrong != Some(OK_IS_APPLIED)),
        always(SETTLED, |_, state| state.wrong != Some(SETTLED)),
        always(ONCE, |_, state| state.wrong != Some(ONCE)),
        always(SAME_VALUE, |_, state| state.wrong != Some(SAME_VALUE)),
        always(FENCED_OUT, |_, state| state.wrong != Some(FENCED_OUT)),
        always(RECOGNISED, |_, state| state.wrong != Some(RECOGNISED)),
    ]
}
