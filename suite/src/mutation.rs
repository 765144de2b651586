//! The suite's own test: every wrong backend must be caught by a case that names the sentence it breaks, with every seed,
//! while the true backend passes with the same seeds.

mod faults;
mod processes;

use std::{collections::BTreeMap, process::ExitCode};

use concurrency_conformance::Verdict;
use mutants::Mutant;

use crate::{
    backends,
    kinds::{self, Listed, Start},
    options::Options,
    parallel::{in_order, processors},
};

/// What is told of a wrong backend.
#[derive(Debug, Clone, Copy)]
struct Prey {
    name: &'static str,
    kind: &'static str,
    sentences: &'static [&'static str],
}

/// How a mutant fared: in how many seeds it was caught, and by which case first.
struct Fate {
    prey: Prey,
    caught: u64,
    by: Option<Listed>,
}

/// How the mutants of a backend fared, and that backend itself.
struct Hunt {
    /// The true backend, as the report calls it.
    of: String,
    fates: Vec<Fate>,
    /// How many mutants are of sentences that no case of the levels asked for names.
    beyond: usize,
    /// What the true backend failed in, by seed.
    failures: BTreeMap<u64, String>,
}

/// Runs it.
pub(crate) fn run(options: &Options) -> ExitCode {
    crate::silence_panics();
    let seeds: Vec<u64> = (options.seed..options.seed + options.rounds.unwrap_or(20)).collect();
    let mut hunts = vec![in_memory(options, &seeds)];
    match processes::hunt(options, &seeds) {
        Ok(hunt) => hunts.push(hunt),
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    }
    hunts.push(faults::hunt(options, &seeds));
    let of_all = |count: fn(&Hunt) -> usize| hunts.iter().map(count).sum::<usize>();
    let (mutants, beyond) = (of_all(|hunt| hunt.fates.len()), of_all(|hunt| hunt.beyond));
    if beyond > 0 {
        println!("not hunted: {beyond} mutants of sentences that no case of these levels names");
    }
    let (mut caught, mut passed, mut runs) = (0, 0, 0);
    for hunt in hunts.iter().filter(|hunt| !hunt.fates.is_empty()) {
        hunt.failures.values().for_each(|failure| println!("{} failed: {failure}", hunt.of));
        let sound = seeds.len() - hunt.failures.len();
        println!("{}: passed {sound} of {} seeds", hunt.of, seeds.len());
        caught += hunt.fates.iter().filter(|fate| fate.caught == seeds.len() as u64).count();
        (passed, runs) = (passed + sound, runs + seeds.len());
    }
    println!("mutants: {caught} of {mutants} caught");
    let failed = (mutants - caught) + (runs - passed);
    println!("{} passed, {failed} failed", caught + passed);
    ExitCode::from(u8::from(failed > 0 || mutants == 0))
}

impl Prey {
    /// The cases that name a sentence that it breaks, of levels that were asked for.
    fn hunters(&self, options: &Options) -> Vec<Listed> {
        let names = |case: &Listed| case.sentences.iter().any(|id| self.sentences.contains(id));
        let mut cases = kinds::all();
        cases.retain(|case| case.kind == self.kind && names(case) && options.wants(case.level));
        cases
    }
}

impl Fate {
    fn print(&self, seeds: &[u64], at: &str) {
        let Self { prey: Prey { name, kind, sentences }, caught, by } = self;
        let by = match by {
            Some(case) => format!("{}::{}", case.group, case.name),
            None if *caught > 0 => "histories".to_owned(),
            None => "nothing".to_owned(),
        };
        let verdict = if *caught == seeds.len() as u64 { "caught" } else { "MISSED" };
        let ids = sentences.join(", ");
        println!("{verdict} {kind:<6} {name:<40} {ids:<12} {caught} of {} seeds, by {by}{at}", seeds.len());
    }
}

/// Those of the in-memory backend, in this process.
fn in_memory(options: &Options, seeds: &[u64]) -> Hunt {
    let prey = |mutant: &Mutant| Prey { name: mutant.name, kind: mutant.kind, sentences: mutant.sentences };
    let named = mutants::all().into_iter().filter(|mutant| mutant.name.contains(&options.mutant));
    // With levels of the caller's choice, those that no case of these levels is about have not escaped.
    let is_wanted = |mutant: &Mutant| options.levels.is_empty() || !prey(mutant).hunters(options).is_empty();
    let (wanted, beyond): (Vec<Mutant>, Vec<Mutant>) = named.partition(is_wanted);
    let hunted = |mutant: &Mutant| chase(prey(mutant), mutant, &prey(mutant).hunters(options), seeds, |_, _| {});
    let mut fates = in_parallel(&wanted, hunted);
    fates.sort_by_key(|fate| (fate.prey.kind, fate.prey.name));
    fates.iter().for_each(|fate| fate.print(seeds, ""));
    let failures = if fates.is_empty() {
        BTreeMap::new()
    } else {
        let ran = in_parallel(seeds, |seed| (*seed, failure_of_memory(*seed, options)));
        ran.into_iter().filter_map(|(seed, failure)| Some((seed, failure?))).collect()
    };
    Hunt { of: "true backend".to_owned(), fates, beyond: beyond.len(), failures }
}

/// Runs the cases per seed until one fails: first the one that caught the last seed. Whoever catches it is told to `caught`.
fn chase(
    prey: Prey,
    start: &(impl Start + Sync),
    cases: &[Listed],
    seeds: &[u64],
    mut caught: impl FnMut(u64, &Listed),
) -> Fate {
    let mut fate = Fate { prey, caught: 0, by: None };
    for seed in seeds {
        let fails = |case: &Listed| failure(start, case, *seed).is_some();
        let again = fate.by.filter(fails);
        let Some(case) = again.or_else(|| cases.iter().copied().find(fails)) else { continue };
        caught(*seed, &case);
        fate.caught += 1;
        fate.by.get_or_insert(case);
    }
    fate
}

/// Why the case fails, if it does.
fn failure(start: &(impl Start + Sync), case: &Listed, seed: u64) -> Option<String> {
    let mut failure = None;
    let this = |listed: &Listed| (listed.kind, listed.group, listed.name) == (case.kind, case.group, case.name);
    kinds::run(start, seed, 1, &this, &mut |_, verdict| {
        if let Verdict::Failed(why) = verdict {
            failure = Some(format!("{}::{}::{}, seed {seed}: {why}", case.kind, case.group, case.name));
        }
    });
    failure
}

/// What the true in-memory backend fails in, of all cases, with this seed.
fn failure_of_memory(seed: u64, options: &Options) -> Option<String> {
    let model = backends::model();
    let wanted = kinds::all().into_iter().filter(|case| options.wants(case.level));
    wanted.map(|case| failure(&model, &case, seed)).find(Option::is_some).flatten()
}

/// As many at once as there are processors.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let mut results = Vec::with_capacity(items.len());
    in_order(items, processors(), work, |_, result| results.push(result));
    results
}
