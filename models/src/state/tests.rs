use super::{StateStore, trial::*};
use crate::family::{holds, needs};

crate::tests! { StateStore:
    holds versions, blind, commits, fences;
    needs G_50, G_56, G_57, G_58, G_59, G_59_OK, G_62, G_63, G_64, G_65, S_6, S_52, S_56;
}
