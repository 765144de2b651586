//! The steps of `cargo xtask test`.

use std::{
    env, fs,
    process::{Command, Stdio},
};

use super::{
    Options,
    outcome::{Ending, Outcome, check, count, last},
};
use crate::{programs, tidy};

/// The oldest toolchain that this workspace promises to compile with; tidy compares it with the manifests.
pub(crate) const MSRV: &str = "1.94";

/// One step.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) does: &'static str,
    /// Seconds on two cores: on a fresh clone, and when everything is built.
    pub(super) cold: u64,
    pub(super) warm: u64,
    pub(super) run: fn(&Options) -> Ending,
}

/// All of them, in order.
pub(super) const STEPS: &[Step] = &[
    Step { name: "format", does: "the code is as rustfmt writes it", cold: 1, warm: 1, run: format },
    Step { name: "clippy", does: "no lint warns", cold: 290, warm: 2, run: clippy },
    Step { name: "docs", does: "the documentation builds without a warning", cold: 40, warm: 2, run: docs },
    Step { name: "msrv", does: "it compiles with the oldest supported toolchain", cold: 170, warm: 2, run: msrv },
    Step { name: "tests", does: "unit and documentation tests", cold: 560, warm: 200, run: tests },
    Step { name: "conformance", does: "the contract, sentence by sentence", cold: 180, warm: 180, run: conformance },
    Step { name: "faults", does: "the contract under fire: level 5, a short run", cold: 10, warm: 5, run: faults },
    Step { name: "mutants", does: "the suite notices every lie", cold: 210, warm: 210, run: mutants },
    Step { name: "examples", does: "every example does what it says", cold: 190, warm: 150, run: examples },
    Step { name: "tidy", does: "the conventions of this repository", cold: 5, warm: 2, run: tidy },
];

/// Those that need servers, some of them.
pub(super) const WITH_SERVERS: &[&str] = &["tests", "conformance", "examples"];

fn format(options: &Options) -> Ending {
    if !component("fmt", "rustfmt", options) {
        return Ending::NotRun(missing("rustfmt"));
    }
    check(programs::cargo().args(["fmt", "--all", "--check"]))
}

fn clippy(options: &Options) -> Ending {
    if !component("clippy", "clippy", options) {
        return Ending::NotRun(missing("clippy"));
    }
    check(programs::cargo().args(["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"]))
}

fn docs(_: &Options) -> Ending {
    let mut cargo = programs::cargo();
    cargo.env("RUSTDOCFLAGS", "-D warnings").args(["doc", "--workspace", "--no-deps", "--all-features"]);
    // Programs nobody reads the documentation of; and the mutants, which take as long as all the others together.
    for tool in ["mutants", "mutants-faults", "mutants-sqlite", "suite"] {
        cargo.args(["--exclude", tool]);
    }
    check(&mut cargo)
}

fn msrv(options: &Options) -> Ending {
    let ours = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("--version").output();
    if ours.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).starts_with(&format!("rustc {MSRV}."))) {
        println!("   the toolchain in use is the oldest supported one: every step shows it");
        return Ending::of(true);
    }
    let has = || succeeds(Command::new("rustup").args(["run", MSRV, "rustc", "--version"]));
    if !has() && options.install {
        quietly_install(&["toolchain", "install", MSRV, "--profile", "minimal"]);
    }
    if !has() {
        return Ending::NotRun(format!("Rust {MSRV} is not installed: rustup toolchain install {MSRV}, or --install"));
    }
    let mut cargo = Command::new("rustup");
    cargo.current_dir(programs::root()).args(["run", MSRV, "cargo", "check", "--workspace", "--all-features"]);
    // What users compile. The tools of those who work here, and what only tests need, may want a newer one.
    for tool in ["benches", "models", "mutants", "mutants-faults", "mutants-sqlite", "servers", "suite"] {
        cargo.args(["--exclude", tool]);
    }
    // The programs of the toolchain in use must not be the ones that this cargo calls.
    cargo.env_remove("RUSTC").env_remove("RUSTDOC").env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN");
    check(&mut cargo)
}

fn tests(options: &Options) -> Ending {
    let mut units = workspace_test();
    units.envs(options.servers.environment());
    units.args(["--lib", "--bins"]).args(test_targets(|folder| !folder.starts_with("examples")));
    let mut documentation = workspace_test();
    documentation.arg("--doc");
    match (count(&mut units, options), count(&mut documentation, options)) {
        (Ending::Ran(units), Ending::Ran(more)) => Ending::Ran(units.and(more)),
        (Ending::NotRun(reason), _) | (_, Ending::NotRun(reason)) => Ending::NotRun(reason),
    }
}

fn examples(options: &Options) -> Ending {
    let mut cargo = workspace_test();
    cargo.envs(options.servers.environment());
    count(cargo.args(test_targets(|folder| folder.starts_with("examples"))), options)
}

/// `cargo test` of the workspace, always of all of it and with all features: with fewer packages cargo would choose other
/// features for what they depend on, and compile that once more for each choice. Targets tell the steps apart.
fn workspace_test() -> Command {
    let mut cargo = programs::cargo();
    cargo.args(["test", "--workspace", "--all-features", "--no-fail-fast"]);
    cargo
}

/// `--test NAME` for each integration test of the packages in folders that are wanted.
fn test_targets(wanted: fn(&str) -> bool) -> Vec<String> {
    let folders = ["crates/*", "examples", "examples/*", "mutants", "servers", "suite", "xtask", "benches"];
    let tests = folders.iter().flat_map(|folder| subfolders(folder)).filter(|folder| wanted(folder));
    tests.flat_map(|folder| names_in(&folder)).flat_map(|name| ["--test".to_owned(), name]).collect()
}

/// A folder of the workspace, or all folders in it where it ends with `*`.
fn subfolders(folder: &str) -> Vec<String> {
    let Some(parent) = folder.strip_suffix("/*") else { return vec![folder.to_owned()] };
    let entries = fs::read_dir(programs::root().join(parent)).into_iter().flatten().flatten();
    entries.map(|entry| format!("{parent}/{}", entry.file_name().to_string_lossy())).collect()
}

/// The integration tests of a package: `tests/NAME.rs` or `tests/NAME/main.rs`.
fn names_in(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(programs::root().join(folder).join("tests")).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .filter(|entry| {
            entry.path().join("main.rs").exists() || entry.path().extension().is_some_and(|end| end == "rs")
        })
        .filter_map(|entry| Some(entry.path().file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    names
}

/// Once for each way to servers.
fn conformance(options: &Options) -> Ending {
    let mut all = Outcome::default();
    for arguments in options.servers.runs() {
        match suite(&arguments) {
            Ending::Ran(outcome) => all = all.and(outcome),
            not_run => return not_run,
        }
    }
    Ending::Ran(all)
}

/// In virtual time only: in real time a machine that is busy with other steps is one more fault.
fn faults(_: &Options) -> Ending {
    let words = ["--level", "5", "--backend", "memory", "--rounds", "100"];
    suite(&words.map(str::to_owned))
}

fn mutants(_: &Options) -> Ending {
    suite(&["--mutants".to_owned()])
}

fn suite(arguments: &[String]) -> Ending {
    match programs::suite(false) {
        Ok(mut suite) => last(suite.arg("conformance").args(arguments)),
        Err(problem) => {
            println!("   {problem}");
            Ending::of(false)
        }
    }
}

fn tidy(_: &Options) -> Ending {
    match tidy::check() {
        Ok(tally) => Ending::Ran(tally.into()),
        Err(problem) => {
            println!("   {problem}");
            Ending::of(false)
        }
    }
}

/// Whether the cargo subcommand of a rustup component can be had.
fn component(subcommand: &str, component: &str, options: &Options) -> bool {
    if !programs::has(subcommand) && options.install {
        quietly_install(&["component", "add", component]);
    }
    programs::has(subcommand)
}

fn missing(component: &str) -> String {
    format!("{component} is not installed: rustup component add {component}, or --install")
}

/// If it fails, whoever called looks again and says that it is missing.
fn quietly_install(arguments: &[&str]) {
    println!("   rustup {}", arguments.join(" "));
    if !succeeds(Command::new("rustup").args(arguments)) {
        println!("   rustup could not");
    }
}

fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_integration_test_belongs_to_a_step() {
        let all = test_targets(|_| true);
        assert!(["events", "program", "output"].iter().all(|name| all.iter().any(|target| target == name)), "{all:?}");
        let examples = test_targets(|folder| folder.starts_with("examples"));
        assert!(examples.contains(&"output".to_owned()) && !examples.contains(&"program".to_owned()), "{examples:?}");
        // `--test NAME` means every test of that name.
        let others = test_targets(|folder| !folder.starts_with("examples"));
        let twice = |name: &&String| *name != "--test" && others.contains(name);
        assert_eq!(examples.iter().find(twice), None, "of an example and of something else");
    }
}
