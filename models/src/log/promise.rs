//! What always holds.

use stateright::Property;

use super::{Log, Said, State};

pub(crate) const ONCE: &str = "an append is stored at most once (E-14, E-15)";
pub(crate) const OK_STAYS: &str = "what was answered Ok stays in its place (E-36)";
pub(crate) const CONFLICT_IS_NOTHING: &str = "what was answered Conflict is never stored (E-11)";
pub(crate) const DENSE: &str = "places and versions have no gaps, and rise together (E-3, E-33)";
pub(crate) const READ_ONCE: &str = "what was read stays in its place, and nothing new comes before it (E-31)";

pub(super) fn all() -> Vec<Property<Log>> {
    let always = |name, condition: fn(&Log, &State) -> bool| Property::always(name, condition);
    vec![
        always(ONCE, |_, state| state.wrong != Some(ONCE) && is_once(state)),
        always(OK_STAYS, |_, state| {
            !state.said.any(|(_, id, said)| matches!(said, Said::Ok(place) if !state.has(*place, *id)))
        }),
        always(CONFLICT_IS_NOTHING, |_, state| {
            !state
                .said
                .any(|(_, id, said)| *said == Said::Conflict && state.view(false).any(|document| document.id == *id))
        }),
        always(DENSE, |_, state| is_dense(state)),
        always(READ_ONCE, |_, state| (0..).zip(&state.read).all(|(place, id)| state.has(place, *id))),
    ]
}

impl State {
    /// Whether the append stands in this place, or was truncated there.
    fn has(&self, place: u8, id: u8) -> bool {
        place < self.truncated || self.at(place).is_some_and(|stored| stored.document.id == id)
    }
}

/// Ids that were minted anew for one call are 100 apart.
fn is_once(state: &State) -> bool {
    let mut calls: Vec<u8> = state.view(true).map(|document| document.id % 100).collect();
    calls.sort_unstable();
    calls.windows(2).all(|two| two[0] != two[1])
}

/// In what a majority holds.
fn is_dense(state: &State) -> bool {
    let mut place = state.truncated;
    let mut versions = [None::<u8>; 4];
    for document in state.view(true).filter(|document| document.place >= state.truncated) {
        let last = &mut versions[usize::from(document.stream)];
        if document.place != place || last.is_some_and(|last| document.version != last + 1) {
            return false;
        }
        (*last, place) = (Some(document.version), place + 1);
    }
    true
}
