//! `cargo xtask tidy`: the conventions of this repository, as checks.
//!
//! A rule is a function of a [`Tree`], the text files of the repository held in memory, so that its test can show it failing
//! on a bad one.

mod contract;
mod coverage;
mod documents;
mod guarantees;
mod json;
mod manifests;
mod sources;
mod suite;
mod tree;

use std::{fs, process::ExitCode};

use self::{suite::Suite, tree::Tree};
use crate::{Problem, programs, tally::Tally};

const HELP: &str = "\
cargo xtask tidy [--write]

Checks the conventions of this repository (CONTRIBUTING.md says what they are for) and prints a line for each place that
breaks one. Lines that begin with `note` break nothing.

  --write   brings generated files (docs/guarantees.md) up to date first

Exit code: 0 all rules hold, 1 some do not, 2 wrong arguments.
";

/// A place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    place: String,
    text: String,
}

impl Finding {
    fn new(place: impl Into<String>, text: impl Into<String>) -> Self {
        Self { place: place.into(), text: text.into() }
    }
}

/// What the rules look at.
#[derive(Debug, Default)]
struct Subject {
    tree: Tree,
    suite: Suite,
}

type Rule = (&'static str, fn(&Subject) -> Vec<Finding>);

/// All rules, by what holds where they find nothing.
const RULES: &[Rule] = &[
    ("files stay below 600 lines", sources::length),
    ("nothing is left for later", sources::leftovers),
    ("files are named for what is in them", sources::names),
    ("packages inherit lints, edition and toolchain", manifests::inheritance),
    ("the bans of the workspace stand", manifests::bans),
    ("dependencies stand in the workspace table, are used and are explained", manifests::dependencies),
    ("arrows between packages point down", manifests::arrows),
    ("the documents are there", documents::present),
    ("links inside the repository lead somewhere", documents::links),
    ("the contract is well-formed", contract::well_formed),
    ("cases, tests and mutants name sentences that exist", coverage::names),
    ("every sentence has a case or a reason", coverage::cases),
    ("every refusal has a mutant", coverage::mutants),
    ("docs/guarantees.md is current", guarantees::current),
];

/// Runs the task.
pub(crate) fn run(mut parser: lexopt::Parser) -> Result<ExitCode, Problem> {
    use lexopt::prelude::{Long, Short};
    let mut write = false;
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Short('h') | Long("help") => {
                print!("{HELP}");
                return Ok(ExitCode::SUCCESS);
            }
            Long("write") => write = true,
            other => return Err(other.unexpected().to_string()),
        }
    }
    if write {
        let subject = subject()?;
        let path = programs::root().join(guarantees::PATH);
        fs::write(&path, guarantees::text(&subject)).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let tally = check()?;
    println!("{tally}");
    Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Checks all rules and prints what breaks them; a rule counts as one.
pub(crate) fn check() -> Result<Tally, Problem> {
    let subject = subject()?;
    for note in sources::long(&subject) {
        println!("note {}: {}", note.place, note.text);
    }
    let mut tally = Tally::default();
    for (holds, rule) in RULES {
        let findings = rule(&subject);
        tally += Tally::of(findings.is_empty());
        if !findings.is_empty() {
            println!("BROKEN: {holds}");
        }
        for finding in findings {
            println!("  {}: {}", finding.place, finding.text);
        }
    }
    Ok(tally)
}

fn subject() -> Result<Subject, Problem> {
    Ok(Subject { tree: Tree::read(&programs::root())?, suite: Suite::ask()? })
}
