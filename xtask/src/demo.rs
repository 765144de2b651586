//! `cargo xtask demo`: supervises a shop of several processes, kills and freezes them in the worst places, shows it on a page,
//! and has what they stored judged.
//!
//! It stands here and not beside the service, so that its page is there while the service is still being compiled.

mod aims;
mod folder;
mod incident;
mod memory;
mod options;
mod outage;
mod page;
mod place;
mod process;
mod report;
mod snapshot;
mod stopwatch;
mod supervisor;
mod world;

use std::process::ExitCode;

pub(crate) use self::options::HELP;
use self::options::Options;
use crate::Problem;

/// Runs the task.
pub(crate) fn run(parser: lexopt::Parser) -> Result<ExitCode, Problem> {
    let Some(options) = Options::parse(parser)? else {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    };
    if options.is_memory() { memory::run(&options) } else { supervisor::run(options) }
}

/// With a comma at each thousand.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// "1 kill", "2 kills".
fn count(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(number))
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!([0, 999, 1000, 1_234_567].map(super::grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 1, 2].map(|number| super::count(number, "kill")), ["0 kills", "1 kill", "2 kills"]);
    }
}
