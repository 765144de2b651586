//! What came of a step: programs are run, and their output is counted.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use super::Options;
use crate::tally::Tally;

/// How a step ended.
pub(super) enum Ending {
    Ran(Outcome),
    NotRun(String),
}

/// What came of a step that ran.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) tally: Tally,
    /// Why some of it was not run, as far as that is known.
    pub(super) not_run: Vec<String>,
}

impl Ending {
    /// Of a step that is one check.
    pub(super) fn of(held: bool) -> Self {
        Self::Ran(Tally::of(held).into())
    }
}

impl Outcome {
    /// Both together.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.tally += other.tally;
        self.not_run.extend(other.not_run);
        self
    }
}

impl From<Tally> for Outcome {
    fn from(tally: Tally) -> Self {
        Self { tally, not_run: Vec::new() }
    }
}

/// A program that is one check: it ends well, or not.
pub(super) fn check(command: &mut Command) -> Ending {
    match command.stdin(Stdio::null()).status() {
        Ok(status) => Ending::of(status.success()),
        Err(error) => Ending::NotRun(format!("{:?} cannot be started: {error}", command.get_program())),
    }
}

/// A program whose lines of results are added up. Lines about single passing tests are left out, unless they are
/// wanted.
pub(super) fn count(command: &mut Command, options: &Options) -> Ending {
    let not_run = match tempfile::NamedTempFile::new() {
        Ok(file) => file,
        Err(error) => return Ending::NotRun(format!("no file for what is not run: {error}")),
    };
    let mut total = Tally::default();
    let ended = lines(command.env(servers::NOT_RUN, not_run.path()), |line| {
        let result = Tally::read(line);
        total += result.unwrap_or_default();
        let dull = line.is_empty() || line.starts_with("running ") || line.ends_with(" ... ok");
        let good = result.is_some_and(|tally| tally.failed == 0 && tally.skipped == 0);
        if options.verbose || !(dull || good) {
            println!("   {line}");
        }
    });
    let (count, reasons) = without_servers(&fs::read_to_string(not_run.path()).unwrap_or_default());
    // Each of them has ended at once, and counts as passed so far.
    total.passed = total.passed.saturating_sub(count);
    total.skipped += count;
    settle(ended, Outcome { tally: total, not_run: reasons })
}

/// How many tests had no server, and a line for each reason, from what [`servers::for_test`] writes.
fn without_servers(lines: &str) -> (u64, Vec<String>) {
    let (mut tests, mut reasons) = (BTreeSet::new(), BTreeMap::<_, BTreeSet<_>>::new());
    for line in lines.lines() {
        let mut fields = line.splitn(3, '\t');
        let (Some(kind), Some(test), Some(why)) = (fields.next(), fields.next(), fields.next()) else { continue };
        tests.insert(test);
        reasons.entry((kind, why)).or_default().insert(test);
    }
    let line = |((kind, why), tests): ((&str, &str), BTreeSet<&str>)| {
        format!("{} {}, without {kind}: {why}", tests.len(), if tests.len() == 1 { "test" } else { "tests" })
    };
    (tests.len() as u64, reasons.into_iter().map(line).collect())
}

/// A program whose last line of results is the sum; all that it prints is shown.
pub(super) fn last(command: &mut Command) -> Ending {
    let (mut total, mut reasons) = (None, Vec::new());
    let ended = lines(command, |line| {
        total = Tally::read(line).or(total);
        reasons.extend(line.strip_prefix("NOT RUN ").map(str::to_owned));
        println!("   {line}");
    });
    // Without such a line nothing was shown, whatever the exit code.
    let outcome = Outcome { tally: total.unwrap_or_default(), not_run: reasons };
    settle(ended.map(|well| well && total.is_some()), outcome)
}

/// What could not be built, or died before it could report, is a failure that its own counts do not show.
fn settle(ended: Result<bool, String>, mut outcome: Outcome) -> Ending {
    match ended {
        Err(reason) => return Ending::NotRun(reason),
        Ok(false) if outcome.tally.failed == 0 => outcome.tally.failed = 1,
        Ok(_) => {}
    }
    Ending::Ran(outcome)
}

/// Runs to the end and hands on each line of the output; whether it ended well.
fn lines(command: &mut Command, mut each: impl FnMut(&str)) -> Result<bool, String> {
    let cannot = |error| format!("cargo cannot be started: {error}");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(cannot)?;
    let output = child.stdout.take().expect("it was asked for");
    for line in BufReader::new(output).split(b'\n') {
        match line {
            Ok(line) => each(&String::from_utf8_lossy(&line)),
            Err(error) => return Err(format!("the output of cargo cannot be read: {error}")),
        }
    }
    child.wait().map(|status| status.success()).map_err(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn tally(ending: Ending) -> (u64, u64, u64) {
        match ending {
            Ending::Ran(Outcome { tally, .. }) => (tally.passed, tally.failed, tally.skipped),
            Ending::NotRun(reason) => panic!("not run: {reason}"),
        }
    }

    #[test]
    fn results_are_added_up() {
        let two =
            "echo 'test result: ok. 2 passed; 0 failed; 1 ignored;'; echo 'test result: FAILED. 1 passed; 1 failed;'";
        assert_eq!(tally(count(&mut shell(two), &Options::default())), (3, 1, 1));
    }

    #[test]
    fn what_dies_without_a_word_has_failed() {
        let dies = "echo 'test result: ok. 2 passed; 0 failed; 0 ignored;'; exit 101";
        assert_eq!(tally(count(&mut shell(dies), &Options::default())), (2, 1, 0));
        assert_eq!(tally(last(&mut shell("exit 0"))), (0, 1, 0));
        assert_eq!(tally(check(&mut shell("exit 1"))), (0, 1, 0));
    }

    #[test]
    fn the_last_sum_counts() {
        let table = "echo '3 passed, 0 failed'; echo '5 passed, 0 failed'";
        assert_eq!(tally(last(&mut shell(table))), (5, 0, 0));
    }

    #[test]
    fn reasons_are_told() {
        let run = "echo 'NOT RUN redis: no program'; echo '5 passed, 0 failed, 1 skipped'";
        let Ending::Ran(outcome) = last(&mut shell(run)) else { panic!("it ran") };
        assert_eq!((outcome.tally.skipped, outcome.not_run), (1, vec!["redis: no program".to_owned()]));
    }

    #[test]
    fn tests_without_a_server_are_skipped_and_not_passed() {
        let two = r#"printf 'redis\ta::x\tno program\nvalkey\ta::x\tno engine\nredis\ta::y\tno program\n' >> "$CONCURRENCY_NOT_RUN""#;
        let run = format!("{two}; echo 'test result: ok. 5 passed; 0 failed; 0 ignored;'");
        let Ending::Ran(outcome) = count(&mut shell(&run), &Options::default()) else { panic!("it ran") };
        assert_eq!((outcome.tally.passed, outcome.tally.skipped), (3, 2));
        assert_eq!(outcome.not_run, ["2 tests, without redis: no program", "1 test, without valkey: no engine"]);
    }

    #[test]
    fn what_is_not_there_is_not_run() {
        assert!(matches!(check(&mut Command::new("/no/such/program")), Ending::NotRun(_)));
    }
}
