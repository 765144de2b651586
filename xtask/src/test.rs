//! `cargo xtask test`: everything that has to pass, one step after the other, and one line at the end.

mod outcome;
mod steps;

pub(crate) use self::steps::MSRV;

use std::{fmt::Write as _, process::ExitCode, time::Duration};

use self::{
    outcome::{Ending, Outcome},
    steps::{STEPS, Step, WITH_SERVERS},
};
use crate::{
    Problem,
    engine::Daemon,
    servers::{self, Wanted},
    tally::Tally,
};

/// What comes before the list of steps in the help.
const HELP: &str = "\
cargo xtask test [options]

Runs everything that has to pass and ends with the line `N passed, N failed, N skipped`. Skipped is what was NOT RUN; each
stands above that line with its reason. A failing step does not keep the others from running.

  --only STEP ..    these steps only; the others are NOT RUN
  --via HOW         where servers come from: containers (images of docker-compose.yml), local (programs of this machine) or
                    url (CONCURRENCY_<NAME>_URL); containers where a Docker engine answers, else local, unless given. May be
                    repeated: then the contract is tested on servers of each
  --require NAME .. a backend that must have been tested (memory, sqlite, redis, valkey, or all), by every way or, as in
                    local:redis, by this one; if it could not be had, that is a failure
  --install         adds what is missing: rustfmt, clippy and the oldest supported toolchain through rustup; and on Debian, as
                    root, server programs, a Docker engine, which runs meanwhile, and images where none can be pulled
  --verbose         passing tests, too, a line each

Exit code: 0 nothing failed, 1 something did, 2 wrong arguments.

";

/// What the caller wants.
#[derive(Debug, Default)]
struct Options {
    only: Vec<String>,
    servers: Wanted,
    install: bool,
    verbose: bool,
    help: bool,
}

/// Runs the task.
pub(crate) fn run(parser: lexopt::Parser) -> Result<ExitCode, Problem> {
    let options = read(parser)?;
    if options.help {
        print!("{HELP}{}", plan(&options));
        return Ok(ExitCode::SUCCESS);
    }
    println!("{}", plan(&options));
    let _engine = servers(&options);
    let mut total = Tally::default();
    let mut not_run = Vec::new();
    for (index, step) in STEPS.iter().enumerate() {
        if !wanted(step, &options) {
            total.skipped += 1;
            not_run.push(format!("{}: not among the steps asked for", step.name));
            continue;
        }
        println!("== {}/{} {}", index + 1, STEPS.len(), step.name);
        let (ending, took) = timed(|| (step.run)(&options));
        match ending {
            Ending::Ran(Outcome { tally, not_run: reasons }) => {
                println!("   {}: {tally} ({:.0} s)\n", step.name, took.as_secs_f64());
                total += tally;
                if tally.skipped > 0 && reasons.is_empty() {
                    not_run.push(format!("{}: {} that the step itself names above", step.name, tally.skipped));
                }
                not_run.extend(reasons.into_iter().map(|reason| format!("{}: {reason}", step.name)));
            }
            Ending::NotRun(reason) => {
                println!("   {}: NOT RUN, {reason}\n", step.name);
                total.skipped += 1;
                not_run.push(format!("{}: {reason}", step.name));
            }
        }
    }
    if !not_run.is_empty() {
        println!("NOT RUN:");
        not_run.iter().for_each(|line| println!("  {line}"));
    }
    println!("{total}");
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(mut parser: lexopt::Parser) -> Result<Options, Problem> {
    use lexopt::prelude::{Long, Short};
    let mut options = Options::default();
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Short('h') | Long("help") => options.help = true,
            Long("install") => options.install = true,
            Short('v') | Long("verbose") => options.verbose = true,
            Long("via") => options.servers.via(&text(&mut parser)?)?,
            Long("require") => {
                for name in texts(&mut parser)? {
                    options.servers.require(&name)?;
                }
            }
            Long("only") => {
                for name in texts(&mut parser)? {
                    if !STEPS.iter().any(|step| step.name == name) {
                        return Err(format!("no step is called {name:?}; cargo xtask test --help lists them"));
                    }
                    options.only.push(name);
                }
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    options.servers.check()?;
    Ok(options)
}

/// Installs what is missing, if that is wanted, where a step needs servers. The engine that it had to start ends with
/// the result.
fn servers(options: &Options) -> Option<Daemon> {
    if !STEPS.iter().any(|step| WITH_SERVERS.contains(&step.name) && wanted(step, options)) {
        return None;
    }
    if !options.install {
        return servers::engine_for(&options.servers.runs().concat());
    }
    println!("== servers");
    let (engine, took) = timed(|| servers::install(&options.servers));
    println!("   servers: ({:.0} s)\n", took.as_secs_f64());
    engine
}

fn text(parser: &mut lexopt::Parser) -> Result<String, Problem> {
    let value = parser.value().map_err(|error| error.to_string())?;
    value.into_string().map_err(|_| "an argument is not UTF-8".to_owned())
}

/// One value or several, also with commas between them.
fn texts(parser: &mut lexopt::Parser) -> Result<Vec<String>, Problem> {
    let values = parser.values().map_err(|error| error.to_string())?;
    let mut texts = Vec::new();
    for value in values {
        let value = value.into_string().map_err(|_| "an argument is not UTF-8".to_owned())?;
        texts.extend(value.split(',').map(str::to_owned));
    }
    Ok(texts)
}

fn wanted(step: &Step, options: &Options) -> bool {
    options.only.is_empty() || options.only.iter().any(|name| name == step.name)
}

/// What will happen and about how long it takes.
fn plan(options: &Options) -> String {
    let steps: Vec<_> = STEPS.iter().filter(|step| wanted(step, options)).collect();
    let cold: u64 = steps.iter().map(|step| step.cold).sum();
    let warm: u64 = steps.iter().map(|step| step.warm).sum();
    let mut text = format!(
        "{} steps; on two cores about {} on a fresh clone, about {} once it is built:\n",
        steps.len(),
        about(cold),
        about(warm)
    );
    for step in steps {
        writeln!(text, "  {:<12} {}", step.name, step.does).expect("a string takes everything");
    }
    text
}

fn about(seconds: u64) -> String {
    if seconds < 90 { format!("{} s", seconds.next_multiple_of(10)) } else { format!("{} min", seconds.div_ceil(60)) }
}

#[allow(clippy::disallowed_methods, reason = "a stopwatch for people; nothing is decided by it")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = std::time::Instant::now();
    let result = work();
    (result, start.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> Result<Options, Problem> {
        read(lexopt::Parser::from_args(arguments))
    }

    #[test]
    fn arguments_are_read() {
        let read = options(&["--only", "tidy,format", "--require", "memory", "--install"]).unwrap();
        assert_eq!(read.only, ["tidy", "format"]);
        assert_eq!(read.servers.runs(), [["--require", "memory"]]);
        assert!(read.install && !read.verbose);
        for wrong in [
            &["--nonsense"][..],
            &["--only", "nonsense"],
            &["--require", "nonsense"],
            &["--only"],
            &["--require", "local:redis"],
        ] {
            assert!(options(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_plan_lists_the_steps_and_the_time() {
        let all = plan(&options(&[]).unwrap());
        assert!(STEPS.iter().all(|step| all.contains(step.name)), "{all}");
        assert!(all.contains(" min on a fresh clone"), "{all}");
        let one = plan(&options(&["--only", "tidy"]).unwrap());
        assert!(one.starts_with("1 steps") && !one.contains("clippy"), "{one}");
    }
}
