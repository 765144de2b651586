//! Wrong in-memory components: event.

use super::Patch;

pub(super) const PATCHES: &[Patch] = &[];
