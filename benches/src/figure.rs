//! A figure: what was measured, and what was wanted.

use std::fmt;

/// Which figures are to be measured, by their names.
pub(crate) type Wanted<'a> = dyn Fn(&str) -> bool + 'a;

/// What takes each figure as soon as it is known.
pub(crate) type Report<'a> = dyn FnMut(Figure) + 'a;

/// One line of the report.
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) target: Target,
    /// What stands behind the value.
    pub(crate) raw: String,
}

/// What a value must reach.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
}

impl Figure {
    pub(crate) fn is_met(&self) -> bool {
        match self.target {
            Target::AtLeast(least) => self.value >= least,
            Target::AtMost(most) => self.value <= most,
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = match self.target {
            Target::AtLeast(least) => format!(">= {least:.2}"),
            Target::AtMost(most) => format!("<= {most:.2}"),
        };
        let verdict = if self.is_met() { "ok" } else { "MISSED" };
        write!(f, "{:<66} {:>6.2}  {target:<8} {verdict:<6}  {}", self.name, self.value, self.raw)
    }
}
