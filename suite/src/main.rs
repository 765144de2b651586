//! The program behind `cargo xtask conformance` and `cargo xtask torture`: runs the suite on backends and on mutants of them,
//! and drives locks and dropped calls to where they break.

mod backends;
mod conformance;
mod faults;
mod kinds;
mod list;
mod mutation;
mod options;
mod parallel;
mod torture;

use std::process::ExitCode;

use self::options::{Command, Options};

fn main() -> ExitCode {
    // This may be a process of a crew, started by another one of this program.
    if concurrency_conformance::peers::serve(backends::join) {
        return ExitCode::SUCCESS;
    }
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|task| task == "torture") {
        return torture::run(lexopt::Parser::from_args(arguments));
    }
    let options = match Options::parse() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("error: {error}\n\n{}", options::USAGE);
            return ExitCode::from(64);
        }
    };
    match options.command {
        Command::Help => {
            println!("{}", options::USAGE);
            ExitCode::SUCCESS
        }
        Command::List => list::run(),
        Command::Conformance if options.mutants => mutation::run(&options),
        Command::Conformance if options.levels == [5] => faults::run(&options),
        Command::Conformance => conformance::run(&options),
    }
}

/// Cases report by panicking; the verdict carries the message, so the default report on standard error is noise.
fn silence_panics() {
    std::panic::set_hook(Box::new(|_| {}));
}
