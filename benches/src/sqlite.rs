//! The figures of the SQLite backend: beside what one writes by hand on rusqlite and on sqlx, over several processes, and with
//! a lot in the file.
//!
//! All have the same tables, run the same statements on them and are as durable (a write-ahead log, `synchronous=FULL`), in files
//! side by side in one folder beside this program, which stands on a disk where a folder for temporary files may be memory.

mod batches;
mod by_hand;
mod fill;
mod operation;
mod ours;
mod processes;
mod side;
mod size;
mod statements;
mod with_sqlx;

use crate::{
    figure::{Report, Wanted},
    part::Part,
};

/// What processes of these figures do.
pub(crate) const PARTS: &[Part] = &[
    ("processes-ours", processes::ours),
    ("processes-by-hand", processes::by_hand),
    ("size-keys", size::keys),
    ("size-events", size::events),
    ("size-leases", size::leases),
];

/// The namespace of everything.
const NAMESPACE: &str = "bench";

/// Those whose names `wanted` picks, each as soon as it is known.
pub(crate) fn figures(wanted: &Wanted<'_>, report: &mut Report<'_>) {
    side::figures(wanted, report);
    processes::figures(wanted, report);
    size::figures(wanted, report);
}
