//! The figures of the SQLite backend: beside what one writes by hand on rusqlite and on sqlx, over several processes, and with
//! a lot in the file.
//!
//! All have the same tables, run the same statements on them and are as durable (a write-ahead log, `synchronous=FULL`), in files
//! side by side in one folder beside this program, which stands on a disk where a folder for temporary files may be memory.

mod batches;
mod by_hand;
mod fill;
mod names;
mod operation;
mod ours;
mod part;
mod processes;
mod side;
mod size;
mod statements;
mod turn;
mod with_sqlx;

pub(crate) use self::part::serve;
use crate::figure::{Report, Wanted};

/// The namespace of everything.
const NAMESPACE: &str = "bench";

/// Those whose names `wanted` picks, each as soon as it is known.
pub(crate) fn figures(wanted: &Wanted<'_>, report: &mut Report<'_>) {
    side::figures(wanted, report);
    processes::figures(wanted, report);
    size::figures(wanted, report);
}
