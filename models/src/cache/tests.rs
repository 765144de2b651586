use super::{Cache, trial::*};
use crate::family::{holds, needs};

crate::tests! { Cache:
    holds tickets, generations;
    needs C_18, C_18_COPIES, C_20, C_21, C_22, C_23, C_26, C_27, C_29;
}
