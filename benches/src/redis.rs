//! The figures of the Redis backend: beside the same commands and scripts sent by hand on the same driver, beside OpenDAL, and
//! beside the round trip where nobody else has the like (locks that are handed over, leases that are renewed, news, stampedes).
//!
//! Each group has a server of its own, which keeps nothing on disk and ends with the group. A round trip is a `PING` on a
//! connection of the same driver, sent by one task in the same run: the median of many.

mod contender;
mod contention;
mod leases;
mod lock;
mod news;
mod operation;
mod ours;
mod raw;
mod scripts;
mod side;
mod stage;
mod stampede;
mod with_opendal;

use crate::{
    figure::{Report, Wanted},
    part::Part,
};

/// The namespace of everything.
const NAMESPACE: &str = "bench";

/// What processes of these figures do.
pub(crate) const PARTS: &[Part] = &[
    ("redis-5-contenders", contender::five),
    ("redis-50-contenders", contender::fifty),
    ("redis-leases", leases::keep),
    ("redis-stampede", stampede::call),
];

/// Those whose names `wanted` picks, each as soon as it is known.
pub(crate) fn figures(wanted: &Wanted<'_>, report: &mut Report<'_>) {
    side::figures(wanted, report);
    lock::figures(wanted, report);
    contention::figures(wanted, report);
    leases::figures(wanted, report);
    news::figures(wanted, report);
    stampede::figures(wanted, report);
}
