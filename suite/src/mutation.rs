//! The suite's own test: every wrong backend must be caught by a case that names the sentence it breaks, with every seed,
//! while the true backend passes with the same seeds.

use std::process::ExitCode;

use concurrency_conformance::Verdict;
use mutants::Mutant;

use crate::{
    backends, kinds,
    options::Options,
    parallel::{in_order, processors},
};

/// How a mutant fared: in how many seeds it was caught, and by which case first.
struct Fate {
    mutant: Mutant,
    caught: u64,
    by: Option<String>,
}

/// Runs it.
pub(crate) fn run(options: &Options) -> ExitCode {
    crate::silence_panics();
    let seeds: Vec<u64> = (options.seed..options.seed + options.rounds.unwrap_or(20)).collect();
    let named = mutants::all().into_iter().filter(|mutant| mutant.name.contains(&options.mutant));
    // With levels of the caller's choice, those that no case of these levels is about have not escaped.
    let (wanted, beyond): (Vec<Mutant>, Vec<Mutant>) =
        named.partition(|mutant| options.levels.is_empty() || kinds::all().iter().any(|c| hunts(c, mutant, options)));
    let mut fates = in_parallel(&wanted, |mutant| hunt(*mutant, &seeds, options));
    fates.sort_by_key(|fate| (fate.mutant.kind, fate.mutant.name));
    for Fate { mutant, caught, by } in &fates {
        let ids = mutant.sentences.join(", ");
        let by = by.as_deref().unwrap_or("no case");
        let verdict = if *caught == seeds.len() as u64 { "caught" } else { "MISSED" };
        println!(
            "{verdict} {:<6} {:<40} {ids:<12} {caught} of {} seeds, by {by}",
            mutant.kind,
            mutant.name,
            seeds.len()
        );
    }
    if !beyond.is_empty() {
        println!("not hunted: {} mutants of sentences that no case of these levels names", beyond.len());
    }
    let sound = in_parallel(&seeds, |seed| passes(*seed, options));
    let passed = sound.iter().filter(|failure| failure.is_none()).count();
    for failure in sound.iter().flatten() {
        println!("the true backend failed: {failure}");
    }
    let caught = fates.iter().filter(|fate| fate.caught == seeds.len() as u64).count();
    println!("true backend: passed {passed} of {} seeds", seeds.len());
    println!("mutants: {caught} of {} caught", fates.len());
    let failed = (fates.len() - caught) + (seeds.len() - passed);
    println!("{} passed, {failed} failed", caught + passed);
    ExitCode::from(u8::from(failed > 0 || fates.is_empty()))
}

/// Whether the case is of the levels that were asked for, and names a sentence that the mutant breaks.
fn hunts(case: &kinds::Listed, mutant: &Mutant, options: &Options) -> bool {
    let names = case.sentences.iter().any(|id| mutant.sentences.contains(id));
    case.kind == mutant.kind && names && options.wants(case.level)
}

/// Runs the cases that name a broken sentence, per seed until one fails: first the one that caught the last seed.
fn hunt(mutant: Mutant, seeds: &[u64], options: &Options) -> Fate {
    let mut fate = Fate { mutant, caught: 0, by: None };
    for seed in seeds {
        let before = fate.by.clone();
        let found = before.clone().filter(|name| catches(mutant, *seed, options, Some(name)).is_some());
        let found = found.or_else(|| catches(mutant, *seed, options, None));
        let Some(name) = found else { continue };
        fate.caught += 1;
        fate.by = before.or(Some(name));
    }
    fate
}

/// The name of the first case that fails, of all that name a broken sentence, or of one.
fn catches(mutant: Mutant, seed: u64, options: &Options, only: Option<&str>) -> Option<String> {
    let mut found = None;
    for case in kinds::all() {
        let path = format!("{}::{}", case.group, case.name);
        if !hunts(&case, &mutant, options) || only.is_some_and(|only| only != path) {
            continue;
        }
        let this =
            |listed: &kinds::Listed| (listed.kind, listed.group, listed.name) == (case.kind, case.group, case.name);
        kinds::run(&mutant, seed, 1, &this, &mut |_, verdict| {
            if matches!(verdict, Verdict::Failed(_)) {
                found = Some(path.clone());
            }
        });
        if found.is_some() {
            break;
        }
    }
    found
}

/// What the true backend fails in, with this seed.
fn passes(seed: u64, options: &Options) -> Option<String> {
    let mut failure = None;
    kinds::run(&backends::ALL[0], seed, 1, &|case| options.wants(case.level), &mut |case, verdict| {
        if let Verdict::Failed(why) = verdict {
            failure.get_or_insert(format!("{}::{}::{}, seed {seed}: {why}", case.kind, case.group, case.name));
        }
    });
    failure
}

/// As many at once as there are processors.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let mut results = Vec::with_capacity(items.len());
    in_order(items, processors(), work, |_, result| results.push(result));
    results
}
