//! `cargo xtask bench`: the figures, a line each. Exits with 1 if one is missed.

mod figure;
mod memory;
mod names;
mod options;
mod part;
mod redis;
mod resident;
mod sqlite;
mod turn;

use std::process::ExitCode;

use self::{figure::Figure, options::Options};

fn main() -> ExitCode {
    // This may be a process of a figure, started by another one of this program.
    if part::serve() {
        return ExitCode::SUCCESS;
    }
    let options = match Options::parse() {
        Ok(options) if options.help => {
            println!("{}", options::USAGE);
            return ExitCode::SUCCESS;
        }
        Ok(options) => options,
        Err(error) => {
            eprintln!("error: {error}\n\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    if cfg!(debug_assertions) {
        eprintln!("not a release build: these figures say nothing");
    }
    let (mut met, mut missed) = (0, 0);
    let mut report = |figure: Figure| {
        println!("{figure}");
        *(if figure.is_met() { &mut met } else { &mut missed }) += 1;
    };
    let wanted = |name: &str| name.contains(&options.only);
    for backend in &options.backends {
        (backend.figures)(&wanted, &mut report);
    }
    println!("{met} ok, {missed} MISSED");
    ExitCode::from(u8::from(missed > 0 || met == 0))
}
