//! Wrong backends that no patch inside one component can express: wrappers around the whole backend.

use crate::Mutant;

/// The mutants of this kind.
pub(crate) fn all() -> Vec<Mutant> {
    Vec::new()
}
