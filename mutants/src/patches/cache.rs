//! Wrong in-memory components: cache.

use super::Patch;

pub(super) const PATCHES: &[Patch] = &[];
