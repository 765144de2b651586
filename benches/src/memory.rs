//! The figures of the in-memory backend, and of the suite's checker.

mod bounds;
mod checker;
mod hits;

use crate::figure::{Report, Wanted};

/// Those whose names `wanted` picks, each as soon as it is known.
pub(crate) fn figures(wanted: &Wanted<'_>, report: &mut Report<'_>) {
    hits::figures(wanted, report);
    bounds::figures(wanted, report);
    checker::figures(wanted, report);
}
