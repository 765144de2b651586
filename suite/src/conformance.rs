//! The suite on the backends that were asked for, and a table of how it went.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::File,
    io::Write as _,
    path::Path,
    process::{Command, ExitCode},
    sync::{Arc, Mutex, PoisonError},
};

use concurrency_conformance::{Component, Harness, Histories, Verdict, peers::Crew};
use concurrency_core::clock::BootInstant;
use serde::Serialize;

use crate::{
    backends::{self, Ready, Target},
    kinds::{self, Listed, Start},
    options::Options,
};

#[derive(Debug, Serialize)]
struct Line {
    backend: &'static str,
    /// What it ran on.
    on: String,
    #[serde(flatten)]
    case: Listed,
    seed: u64,
    verdict: &'static str,
    why: Option<String>,
}

/// Runs it.
pub(crate) fn run(options: &Options) -> ExitCode {
    let (targets, mut not_run) = pick(options);
    crate::silence_panics();
    let crew = match crew(options.processes) {
        Ok(crew) => crew,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let histories = match options.history.as_deref().map(File::create).transpose() {
        Ok(file) => file.map(collect),
        Err(error) => {
            eprintln!("error: the file for histories: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut lines = Vec::new();
    let mut ran = Vec::new();
    for target in targets {
        let on = match target.prepare(options.via) {
            Ok(ready) => ready,
            Err(why) => {
                not_run.push((target.name.to_owned(), why.to_string()));
                continue;
            }
        };
        ran.push((target.name, on.to_string()));
        let recording = Recording { on, histories: histories.clone(), crew: crew.clone() };
        let end = options.lasts.map(|lasts| BootInstant::now().after(lasts));
        let rounds = options.rounds.unwrap_or(if end.is_some() { u64::MAX } else { 1 });
        for seed in options.seed..options.seed.saturating_add(rounds) {
            run_on(&recording, options, seed, &mut lines);
            if end.is_some_and(BootInstant::has_passed) {
                break;
            }
        }
    }
    print!("{}", table(&lines));
    for (name, why) in &not_run {
        println!("NOT RUN {name}: {why}");
    }
    if let Some(path) = &options.report
        && let Err(error) = write_report(path, &lines)
    {
        eprintln!("error: {}: {error}", path.display());
        return ExitCode::FAILURE;
    }
    for (name, on) in &ran {
        println!("{on}: {}", sum(lines.iter().filter(|line| line.backend == *name)));
    }
    let count = |verdict: &str| lines.iter().filter(|line| line.verdict == verdict).count();
    let (passed, failed) = (count("passed"), count("failed"));
    let required = not_run.iter().any(|(name, _)| options.require.iter().any(|r| r == name || r == "all"));
    let skipped = if not_run.is_empty() { String::new() } else { format!(", {} skipped", not_run.len()) };
    println!("{passed} passed, {failed} failed{skipped}");
    if passed == 0 {
        println!("nothing was run");
    }
    ExitCode::from(u8::from(failed > 0 || passed == 0 || required))
}

/// A backend whose recorded histories are collected.
struct Recording {
    on: Ready,
    histories: Option<Histories>,
    /// Where the clients are, if not in this process.
    crew: Option<Arc<Crew>>,
}

impl Start for Recording {
    fn harness<C: Component + ?Sized>(&self) -> Harness<C> {
        let harness = match &self.crew {
            Some(crew) => self.on.harness_over(crew),
            None => self.on.harness(),
        };
        match &self.histories {
            Some(histories) => harness.with_histories(Arc::clone(histories)),
            None => harness,
        }
    }
}

/// This program again, so often; `None` for this process alone.
fn crew(processes: usize) -> std::io::Result<Option<Arc<Crew>>> {
    if processes == 1 {
        return Ok(None);
    }
    let this = std::env::current_exe()?;
    Crew::start(processes, || Command::new(&this)).map(|crew| Some(Arc::new(crew)))
}

fn collect(file: File) -> Histories {
    let file = Mutex::new(file);
    Arc::new(move |lines| {
        let written = file.lock().unwrap_or_else(PoisonError::into_inner).write_all(lines);
        written.expect("the file for histories takes what is written");
    })
}

/// How the cases of one backend went.
fn sum<'l>(lines: impl Iterator<Item = &'l Line>) -> String {
    let [mut passed, mut failed, mut not_declared] = [0; 3];
    for line in lines {
        match line.verdict {
            "passed" => passed += 1,
            "failed" => failed += 1,
            _ => not_declared += 1,
        }
    }
    format!("{} cases ran, {passed} passed, {failed} failed; {not_declared} not declared", passed + failed)
}

/// The backends that can be run, and the names that cannot, with the reason.
fn pick(options: &Options) -> (Vec<&'static Target>, Vec<(String, String)>) {
    let (mut targets, mut not_run) = (Vec::new(), Vec::new());
    let all = || backends::ALL.iter().map(|target| target.name.to_owned()).collect();
    let names: Vec<_> = if options.backends.is_empty() { all() } else { options.backends.clone() };
    for name in &names {
        match backends::ALL.iter().find(|target| target.name == name) {
            Some(target) if options.processes > 1 && !target.is_shared() => {
                not_run.push((name.clone(), "one process alone sees it".to_owned()));
            }
            Some(target) => targets.push(target),
            None => not_run.push((name.clone(), "this version has no such backend".to_owned())),
        }
    }
    (targets, not_run)
}

fn run_on(recording: &Recording, options: &Options, seed: u64, lines: &mut Vec<Line>) {
    let wanted = |case: &Listed| {
        let path = format!("{}::{}::{}", case.kind, case.group, case.name);
        options.wants(case.level) && path.contains(&options.case)
    };
    let (backend, on) = (recording.on.target.name, recording.on.to_string());
    // A crew takes part in one case at a time.
    let at_once = if recording.crew.is_some() { 1 } else { recording.on.at_once() };
    kinds::run(recording, seed, at_once, &wanted, &mut |case, verdict| {
        let (verdict, why) = match verdict {
            Verdict::Passed => {
                if let Some(crew) = &recording.crew {
                    let (took_part, all) = (crew.took_part(), crew.processes());
                    println!("{}::{}::{}: {took_part} of {all} processes took part", case.kind, case.group, case.name);
                }
                ("passed", None)
            }
            Verdict::NotDeclared => ("not declared", None),
            Verdict::Failed(why) => ("failed", Some(why)),
        };
        if let Some(why) = &why {
            let (name, ids) = (case.name, case.sentences.join(", "));
            println!("FAILED {backend} {}::{}::{name} ({ids}), seed {seed}:\n    {why}", case.kind, case.group);
        }
        lines.push(Line { backend, on: on.clone(), case: *case, seed, verdict, why });
    });
}

/// Backend by group of cases.
fn table(lines: &[Line]) -> String {
    let mut groups = BTreeMap::<_, [usize; 3]>::new();
    for line in lines {
        let counts = groups.entry((line.backend, line.case.kind, line.case.level, line.case.group)).or_default();
        counts[["passed", "failed", "not declared"].iter().position(|v| *v == line.verdict).expect("one of three")] +=
            1;
    }
    let mut text = format!(
        "{:<10} {:<6} {:<5} {:<16} {:>6} {:>6} {:>12}\n",
        "backend", "trait", "level", "group", "passed", "failed", "not declared"
    );
    for ((backend, kind, level, group), [passed, failed, not_declared]) in groups {
        writeln!(text, "{backend:<10} {kind:<6} {level:<5} {group:<16} {passed:>6} {failed:>6} {not_declared:>12}")
            .expect("a string takes all");
    }
    text
}

fn write_report(path: &Path, lines: &[Line]) -> std::io::Result<()> {
    if path.extension().is_some_and(|extension| extension == "md") {
        return std::fs::write(path, format!("# Conformance\n\n```text\n{}```\n", table(lines)));
    }
    std::fs::write(path, serde_json::to_string_pretty(lines).expect("plain data"))
}
