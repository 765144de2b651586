//! The command line.

use std::{path::PathBuf, time::Duration};

use concurrency_conformance::fault::Plan;
use servers::Via;

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
usage: cargo xtask conformance [OPTION ..]

  --backend NAME   which backend; may be repeated; all unless given
  --level N        1 sentences, 2 races, 3 model, 4 histories; may be repeated; all four unless given; with --mutants
                   only cases of these levels hunt, and only mutants of sentences that one of them names are hunted
                   5 histories under fire, alone: state, locks and events of memory and redis while connections are cut, stopped
                   and half open and requests come late; 20 rounds of each unless --rounds or --for says more. Ends with 2
                   where too little was hit to prove anything; redis-sentinel and valkey-sentinel: as many failovers under load
  --plan PLAN      with --level 5: this plan, as a failing run prints it
  --case TEXT      only cases whose kind, group and name contain this, as in `lock::queue`
  --seed N         where randomness begins; 1 unless given
  --rounds N       how many seeds, from that one on; 1 unless given, 20 with --mutants
  --for DURATION   one seed after the other until this has passed, as in 90s or 2h; at most --rounds of them if both are given
  --processes N    clients in so many processes, 1 to 16, in turn; levels 2 and 4 only, unless some are named
  --mutants        run the suite's own test instead: every wrong backend must be caught, the true one must pass; those
                   of SQLite with their clients in four processes
  --mutant TEXT    with --mutants: only those whose name contains this
  --require NAME   fail if this backend could not be run; `all` for all that were asked for; may be repeated
  --via HOW        where servers come from: containers (images of docker-compose.yml), local (programs of this machine) or
                   url (CONCURRENCY_<NAME>_URL); containers where a Docker engine answers, else local, unless given
  --report FILE    write the verdicts as JSON (FILE.json) or Markdown (FILE.md)
  --history FILE   write what levels 4 and 5 record as JSON lines, one operation a line, for other checkers
  --list           print all cases and mutants with the sentences that they name, as JSON";

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Run the suite.
    Conformance,
    /// Print what there is.
    List,
    /// Print the usage.
    Help,
}

/// The command line, parsed.
#[derive(Debug)]
pub(crate) struct Options {
    /// What is to be done.
    pub(crate) command: Command,
    /// Empty is all.
    pub(crate) backends: Vec<String>,
    /// Empty is 1 to 4.
    pub(crate) levels: Vec<u8>,
    /// What is to go wrong, instead of what a seed draws.
    pub(crate) plan: Option<Plan>,
    /// Empty is all.
    pub(crate) case: String,
    /// The first seed.
    pub(crate) seed: u64,
    /// How many seeds.
    pub(crate) rounds: Option<u64>,
    /// For how long to go on with further seeds.
    pub(crate) lasts: Option<Duration>,
    /// In how many processes clients are; 1 is this one.
    pub(crate) processes: usize,
    /// Run the mutants instead.
    pub(crate) mutants: bool,
    /// Empty is all.
    pub(crate) mutant: String,
    /// Names, or `all`.
    pub(crate) require: Vec<String>,
    /// Where servers come from.
    pub(crate) via: Option<Via>,
    /// Where to write the verdicts.
    pub(crate) report: Option<PathBuf>,
    /// Where to write recorded histories.
    pub(crate) history: Option<PathBuf>,
}

impl Options {
    /// Whether cases of this level were asked for.
    pub(crate) fn wants(&self, level: u8) -> bool {
        match self.levels.as_slice() {
            // Only where clients meet does it matter where they are.
            [] => self.processes == 1 || matches!(level, 2 | 4),
            levels => levels.contains(&level),
        }
    }

    /// From this process's arguments.
    ///
    /// # Errors
    /// For an option that does not exist, or a value that it does not take.
    pub(crate) fn parse() -> Result<Self, lexopt::Error> {
        use lexopt::prelude::*;
        let mut options = Self {
            command: Command::Conformance,
            backends: Vec::new(),
            levels: Vec::new(),
            plan: None,
            case: String::new(),
            seed: 1,
            rounds: None,
            lasts: None,
            processes: 1,
            mutants: false,
            mutant: String::new(),
            require: Vec::new(),
            via: None,
            report: None,
            history: None,
        };
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Value(command) if command == "conformance" => {}
                Long("backend") => options.backends.push(parser.value()?.string()?),
                Long("level") => options.levels.push(level(&parser.value()?.string()?)?),
                Long("plan") => options.plan = Some(parser.value()?.string()?.parse::<Plan>()?),
                Long("case") => options.case = parser.value()?.string()?,
                Long("seed") => options.seed = parser.value()?.parse()?,
                Long("rounds") => options.rounds = Some(parser.value()?.parse()?),
                Long("for") => options.lasts = Some(parser.value()?.parse_with(humantime::parse_duration)?),
                Long("processes") => options.processes = processes(parser.value()?.parse()?)?,
                Long("mutants") => options.mutants = true,
                Long("mutant") => options.mutant = parser.value()?.string()?,
                Long("require") => options.require.push(parser.value()?.string()?),
                Long("via") => options.via = Some(parser.value()?.parse()?),
                Long("report") => options.report = Some(parser.value()?.into()),
                Long("history") => options.history = Some(parser.value()?.into()),
                Long("list") => options.command = Command::List,
                Long("help") | Short('h') => options.command = Command::Help,
                other => return Err(other.unexpected()),
            }
        }
        if options.levels.contains(&5) && options.levels.len() > 1 {
            return Err("level 5 is run alone".into());
        }
        if options.plan.is_some() && options.levels != [5] {
            return Err("a plan is for --level 5".into());
        }
        Ok(options)
    }
}

fn level(number: &str) -> Result<u8, lexopt::Error> {
    match number.parse() {
        Ok(level @ 1..=5) => Ok(level),
        _ => Err(format!("no level {number:?}: 1 to 5").into()),
    }
}

fn processes(wanted: usize) -> Result<usize, lexopt::Error> {
    if (1..=16).contains(&wanted) { Ok(wanted) } else { Err("1 to 16 processes".into()) }
}
