//! How long the history checker of the suite takes.
//!
//! It runs as a program of its own: the suite needs `concurrency-core` with its feature `simulation`, which asks at every
//! reading of a clock whether time is virtual, and the other figures are those of services, without it.

use std::{env, process::Command};

use crate::figure::{Figure, Report, Target, Wanted};

const NAME: &str = "checker: seconds for 100,000 operations on 100 keys";

pub(super) fn figures(wanted: &Wanted<'_>, report: &mut Report<'_>) {
    if !wanted(NAME) {
        return;
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["run", "--quiet", "--release", "-p", "concurrency-conformance", "--example", "judge"];
    let output = Command::new(cargo).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let mut lines = 0;
    for line in text.lines() {
        lines += 1;
        let kind = line.split(' ').next().unwrap_or_default();
        // A good history that is rejected was not judged at all.
        let value = seconds(line).filter(|_| line.contains("Ok(")).unwrap_or(f64::INFINITY);
        report(Figure {
            name: format!("{NAME}, {kind}"),
            value,
            target: Target::AtMost(5.0),
            raw: line.rsplit(" in ").next().unwrap_or_default().to_owned(),
        });
    }
    if lines == 0 {
        let raw = "the example `judge` of concurrency-conformance did not run".to_owned();
        report(Figure { name: NAME.to_owned(), value: f64::INFINITY, target: Target::AtMost(5.0), raw });
    }
}

/// From the end of a line: `in 812.3ms`, `in 1.2s`.
fn seconds(line: &str) -> Option<f64> {
    let took = line.rsplit(" in ").next()?;
    let (number, unit) = match took.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => (took.strip_suffix('s')?, 1.0),
    };
    Some(number.parse::<f64>().ok()? * unit)
}
