//! `cargo xtask torture`: locks at the edge of their expiry, and futures dropped at every poll.

mod drops;
mod fleet;
mod part;
mod release;
mod rounds;
mod verdict;

use std::process::ExitCode;

use servers::Via;

use crate::backends::{self, Target};

/// What `--help` prints.
const USAGE: &str = "\
usage: cargo xtask torture --backend NAME [OPTION ..]

  --backend NAME    which server: memory, sqlite, redis, valkey
  --rounds N        how many rounds, 6,400 unless given; with --drops how often each method is dropped at each poll,
                    50 unless given
  --drops           instead of rounds: every public async method, polled k times and dropped, for k = 0, 1, 2 ..
  --processes N     claimants in so many processes, of which some are killed while they hold a name; 1 unless given, and
                    memory has one
  --via HOW         where servers come from: containers, local or url; containers where a Docker engine answers, else local,
                    unless given
  --seed N          where randomness begins; 1 unless given

Exit code: 0 nothing left, stolen or leaked; 1 something was; 2 it proved nothing, or could not be started as asked.";

/// It proved nothing, or was not asked right.
const NOTHING: u8 = 2;

const MOST_PROCESSES: usize = 64;

/// What was asked for.
#[derive(Debug)]
struct Options {
    target: &'static Target,
    rounds: Option<usize>,
    drops: bool,
    seed: u64,
    processes: usize,
    via: Option<Via>,
    /// This process is one of those of a run, on the store at this address.
    part: Option<String>,
}

/// Does what the arguments behind `torture` say.
pub(crate) fn run(arguments: lexopt::Parser) -> ExitCode {
    let options = match parse(arguments) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("error: {error}\n\n{USAGE}");
            return ExitCode::from(NOTHING);
        }
    };
    match &options.part {
        Some(address) => part::run(address),
        None if options.drops => drops::run(&options),
        None => rounds::run(&options),
    }
}

fn parse(mut parser: lexopt::Parser) -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let (mut target, mut rounds, mut drops, mut seed, mut processes) = (None, None, false, 1, 1);
    let (mut via, mut part) = (None, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("backend") => target = Some(find(&parser.value()?.string()?)?),
            Long("rounds") => rounds = Some(parser.value()?.parse()?).filter(|rounds| *rounds > 0),
            Long("drops") => drops = true,
            Long("processes") => processes = parser.value()?.parse()?,
            Long("part") => part = Some(parser.value()?.string()?),
            Long("via") => via = Some(parser.value()?.parse()?),
            Long("seed") => seed = parser.value()?.parse()?,
            Long("help") | Short('h') => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    let target: &Target = target.ok_or("which backend? --backend NAME")?;
    if processes != 1 && !target.is_shared() {
        return Err(format!("{} is seen by one process only: --processes 1", target.name).into());
    }
    if !(1..=MOST_PROCESSES).contains(&processes) || drops && processes != 1 {
        return Err(format!("--processes: 1 to {MOST_PROCESSES}, and 1 with --drops").into());
    }
    Ok(Some(Options { target, rounds, drops, seed, processes, via, part }))
}

fn find(name: &str) -> Result<&'static Target, lexopt::Error> {
    let known = backends::ALL.iter().find(|target| target.name == name);
    known.ok_or_else(|| format!("this version has no backend {name:?}").into())
}

/// A runtime with as many threads as there are processors, two at least.
fn runtime() -> tokio::runtime::Runtime {
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get().max(2));
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(threads).enable_all().build().expect("a runtime starts")
}
