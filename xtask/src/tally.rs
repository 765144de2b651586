//! Counting what passed, failed and was not run, from what other programs print.

use std::{fmt, ops::AddAssign};

/// What came of a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Checks that held.
    pub(crate) passed: u64,
    /// Checks that did not, steps that could not be built included.
    pub(crate) failed: u64,
    /// Checks that were NOT RUN.
    pub(crate) skipped: u64,
}

impl Tally {
    /// A step that is one check.
    pub(crate) fn of(held: bool) -> Self {
        Self { passed: held.into(), failed: (!held).into(), skipped: 0 }
    }

    /// From a line of libtest, `test result: ok. 3 passed; 0 failed; 1 ignored; ..`, or of the suite, `3 passed, 0 failed`
    /// with more behind it; `None` for any other line.
    pub(crate) fn read(line: &str) -> Option<Self> {
        let counts = match line.strip_prefix("test result: ") {
            Some(rest) => rest.split_once(". ")?.1,
            None => line,
        };
        let mut tally = Self::default();
        let mut fields = counts.split([';', ',']).map(|field| field.trim().split_once(' '));
        tally.passed = fields.next()?.filter(|(_, what)| *what == "passed")?.0.parse().ok()?;
        tally.failed = fields.next()?.filter(|(_, what)| *what == "failed")?.0.parse().ok()?;
        let not_run = fields.flatten().filter(|(_, what)| *what == "ignored" || *what == "skipped");
        tally.skipped = not_run.filter_map(|(count, _)| count.parse::<u64>().ok()).sum();
        Some(tally)
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: u64, failed: u64, skipped: u64) -> Option<Tally> {
        Some(Tally { passed, failed, skipped })
    }

    #[test]
    fn lines_of_libtest_are_read() {
        let line = "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.00s";
        assert_eq!(Tally::read(line), tally(5, 0, 1));
        assert_eq!(Tally::read("test result: FAILED. 5 passed; 2 failed; 0 ignored; 0 measured"), tally(5, 2, 0));
        assert_eq!(Tally::read("test tally::tests::lines_of_libtest_are_read ... ok"), None);
        assert_eq!(Tally::read("running 5 tests"), None);
        assert_eq!(Tally::read(""), None);
    }

    #[test]
    fn lines_of_the_suite_are_read() {
        assert_eq!(Tally::read("182 passed, 0 failed"), tally(182, 0, 0));
        assert_eq!(Tally::read("182 passed, 1 failed, 4 not declared"), tally(182, 1, 0));
        assert_eq!(Tally::read("many passed, 1 failed"), None);
    }

    #[test]
    fn the_last_line_is_as_promised() {
        assert_eq!(tally(3, 2, 1).unwrap().to_string(), "3 passed, 2 failed, 1 skipped");
    }
}
