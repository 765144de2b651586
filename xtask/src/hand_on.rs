//! Tasks that another package of this workspace does: it is built and started, with the arguments as they are.

use std::process::ExitCode;

use crate::{Problem, programs, servers};

/// A task, and what does it.
#[derive(Debug)]
pub(crate) struct Program {
    task: &'static str,
    /// Said again here, so that nobody waits for a build to read it.
    help: &'static str,
    by: By,
}

#[derive(Debug)]
enum By {
    /// The program `suite`, which is told the task.
    Suite { release: bool },
    /// `cargo run` of a package, in a folder, with the features that it needs and no other.
    Package { package: &'static str, folder: &'static str, release: bool },
}

const PROGRAMS: &[Program] = &[
    Program { task: "conformance", help: CONFORMANCE, by: By::Suite { release: false } },
    Program { task: "torture", help: TORTURE, by: By::Suite { release: true } },
    Program { task: "bench", help: BENCH, by: By::Package { package: "benches", folder: "benches", release: true } },
];

const CONFORMANCE: &str = "\
cargo xtask conformance [options]

Runs the cases of the contract and prints a table of groups: passed, failed, not declared.

  --backend NAME    which backend (memory, sqlite, redis, valkey); may be repeated; all unless given
  --level N         1 sentences, 2 races, 3 model, 4 histories; may be repeated; all four unless given; with --mutants
                    only cases of these levels hunt. 5 histories under fire, alone: state, locks and events of memory and redis,
                    20 rounds of each unless told otherwise
  --plan PLAN       with --level 5: this plan, as a failing run prints it
  --case TEXT       only cases whose kind, group and name contain this, as in `lock::queue`
  --seed N          where randomness begins; 1 unless given; at levels 1 and 3 a seed gives the same run again
  --rounds N        how many seeds, from that one on; 1 unless given, 20 with --mutants
  --for DURATION    one seed after the other until this has passed, as in 90s or 2h
  --processes N     clients in so many processes, 1 to 16, in turn; levels 2 and 4 only, unless some are named
  --mutants         the suite's own test: each wrong backend must be caught with every seed, the true one must pass; those
                    of SQLite with their clients in four processes
  --mutant TEXT     with --mutants: only those whose name contains this
  --require NAME    fail if this backend could not be run; `all` for all that were asked for; may be repeated
  --via HOW         where servers come from: containers (images of docker-compose.yml), local (programs of this machine) or
                    url (CONCURRENCY_<NAME>_URL); containers where a Docker engine answers, else local, unless given
  --report FILE     the verdicts as JSON, or as Markdown where FILE ends with .md
  --history FILE    what levels 4 and 5 record as JSON lines, one operation a line, for other checkers
  --list            all cases and mutants with the sentences that they name, as JSON

Exit code: 0 all passed, 1 something failed or nothing was run, 2 level 5 proved nothing, anything else: it could
not be started as asked.
";

const TORTURE: &str = "\
cargo xtask torture --backend NAME [options]

Locks under contention: two or more claimants a name, TTL 100 ms, a release aimed at its own expiry, 64 names at once.
Reports names that stayed taken (left) and overlapping holders (stolen). Built in release mode: the first time takes longer.

  --backend NAME    which server: memory, sqlite, redis, valkey
  --rounds N        how many rounds, 6,400 unless given; with --drops how often each method is dropped at each poll,
                    50 unless given
  --drops           instead of rounds: every public async method, polled k times and dropped, for k = 0, 1, 2 ..
  --processes N     claimants in so many processes, of which some are killed while they hold a name; 1 unless given, and
                    memory has one
  --via HOW         where servers come from: containers, local or url; containers where a Docker engine answers, else local,
                    unless given
  --seed N          where randomness begins; 1 unless given

Exit code: 0 nothing left, stolen or leaked; 1 something was; 2 it proved nothing, or could not be started as asked.
";

const BENCH: &str = "\
cargo xtask bench [options]

The figures, as ratios: a line each with name, value, target, and `ok` or `MISSED`. Built in release mode.

  --backend NAME      whose figures (memory, sqlite, redis); may be repeated; all unless given
  --only TEXT         only figures whose name contains this

Exit code: 0 all reached, 1 at least one MISSED, 2 it could not be started as asked.
Close other programs, and read the medians and raw numbers beside a ratio before you believe it.
";

/// The program that does `task`, if one does.
pub(crate) fn find(task: &str) -> Option<&'static Program> {
    PROGRAMS.iter().find(|program| program.task == task)
}

impl Program {
    /// Builds it, starts it, and ends as it does.
    pub(crate) fn run(&self, mut arguments: lexopt::Parser) -> Result<ExitCode, Problem> {
        let rest: Vec<_> = arguments.raw_args().map_err(|error| error.to_string())?.collect();
        if rest.iter().any(|argument| argument == "--help" || argument == "-h") {
            print!("{}", self.help);
            return Ok(ExitCode::SUCCESS);
        }
        let mut command = match self.by {
            By::Suite { release } => {
                let mut suite = programs::suite(release)?;
                suite.arg(self.task);
                suite
            }
            By::Package { folder, .. } if !programs::root().join(folder).join("Cargo.toml").exists() => {
                return Err(format!("{} is yet to come: this version has no folder {folder}", self.task));
            }
            By::Package { package, release, .. } => {
                let mut cargo = programs::cargo();
                cargo.args(["run", "--quiet", "--package", package, "--manifest-path"]);
                cargo.arg(programs::root().join("Cargo.toml"));
                cargo.args(release.then_some("--release")).arg("--");
                cargo
            }
        };
        let _engine = servers::engine_for(&rest);
        // What a caller calls a path is meant from where the caller stands.
        command.current_dir(std::env::current_dir().map_err(|error| format!("no current folder: {error}"))?);
        let status = command.args(rest).status().map_err(|error| format!("{}: {error}", self.task))?;
        Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::from(2), ExitCode::from))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use super::*;

    #[test]
    fn every_help_begins_with_its_command() {
        for program in PROGRAMS {
            assert!(program.help.starts_with(&format!("cargo xtask {}", program.task)), "{}", program.task);
            assert!(find(program.task).is_some());
        }
        assert!(find("nonsense").is_none());
    }

    /// The options that a help text explains: `--name` at the beginning of an indented line.
    fn explained(text: &str) -> BTreeSet<&str> {
        text.lines().filter_map(|line| line.strip_prefix("  --")?.split([' ', ',', '=']).next()).collect()
    }

    /// Where the programs explain their options themselves.
    const OPTIONS: &[(&str, &str)] = &[
        ("conformance", "suite/src/options.rs"),
        ("torture", "suite/src/torture.rs"),
        ("bench", "benches/src/options.rs"),
    ];

    #[test]
    fn help_explains_the_options_that_there_are() {
        for (task, path) in OPTIONS {
            if let Ok(source) = fs::read_to_string(programs::root().join(path)) {
                let program = find(task).expect("a task");
                assert_eq!(explained(program.help), explained(&source), "{task}: {path}");
            }
        }
    }
}
