//! Wrong in-memory components: lock.

use super::Patch;

pub(super) const PATCHES: &[Patch] = &[];
