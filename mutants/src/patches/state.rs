//! Wrong in-memory components: state.

use super::Patch;

pub(super) const PATCHES: &[Patch] = &[];
