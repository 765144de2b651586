use super::{Lock, clause::*};
use crate::family::{holds, needs};

crate::tests! { Lock:
    holds repeats, renewals, statements, waiting, mixed, dropped, counting, losses;
    needs L_5, L_6_TOKEN, L_6_EXTENDS, L_7, L_8, L_8_DROPPED, L_9, L_13, L_16, L_17, L_18, L_20, L_24, L_26, L_28, L_31, L_32,
        L_33, L_34, L_50, L_51, L_52, L_53, L_53_TOKEN, L_56, L_57, T_32, T_32_DEADLINE, T_33;
}
