//! The tasks of this repository: `cargo xtask <task>`. Thin on purpose, so that it is compiled in seconds: what needs the
//! libraries is a program of its own, which a task starts through cargo.

mod debian;
mod demo;
mod engine;
mod hand_on;
mod images;
mod programs;
mod servers;
mod tally;
mod test;
mod tidy;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <task> [options]

  test         everything that has to pass: format, lints, documentation, tests, conformance, mutants, examples, tidy
  demo         a running service, instances of which are killed and frozen, on a page, with an audit of the result
  conformance  the contract, sentence by sentence, on a backend; --mutants shows that the suite notices a lie
  torture      locks under contention, releases aimed at their own expiry; --drops drops every future at every poll
  bench        the figures, as ratios to what else there is
  images       images of servers from packages of Debian, where no image registry can be reached
  tidy         the conventions of this repository, as checks; --write brings generated files up to date

cargo xtask <task> --help tells more.
";

/// What went wrong in a task, as a line for people.
type Problem = String;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("cargo xtask: {problem}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode, Problem> {
    let mut parser = lexopt::Parser::from_env();
    let task = match parser.next().map_err(|error| error.to_string())? {
        None => return Err(format!("which task?\n\n{HELP}")),
        Some(lexopt::Arg::Short('h') | lexopt::Arg::Long("help")) => {
            print!("{HELP}");
            return Ok(ExitCode::SUCCESS);
        }
        Some(lexopt::Arg::Value(task)) => task.to_string_lossy().into_owned(),
        Some(other) => return Err(format!("{}; a task comes first\n\n{HELP}", other.unexpected())),
    };
    match task.as_str() {
        "help" => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        "test" => test::run(parser),
        "tidy" => tidy::run(parser),
        "demo" => demo::run(parser),
        "images" => images::run(parser),
        task => match hand_on::find(task) {
            Some(program) => program.run(parser),
            None => Err(format!("no task is called {task:?}\n\n{HELP}")),
        },
    }
}
