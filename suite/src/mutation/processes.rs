//! Mutants of SQLite, whose clients are in processes of their own: hunted by the cases in which clients meet.
//!
//! The true SQLite runs each case that caught a mutant with the seed that it was caught with, in the same processes.

use std::{collections::BTreeMap, io, process::Command, sync::Arc};

use concurrency_conformance::{Component, Harness, peers::Crew};
use mutants_sqlite::Mutant;

use super::{Fate, Hunt, Prey, chase, failure, in_parallel};
use crate::{backends, kinds::Start, options::Options};

/// In so many processes are the clients of each mutant.
const PROCESSES: usize = 4;

/// A backend by its name, in the processes of a crew.
struct Over {
    name: &'static str,
    crew: Arc<Crew>,
}

impl Start for Over {
    fn harness<C: Component + ?Sized>(&self) -> Harness<C> {
        backends::harness_in_folder(self.name, &self.crew)
    }
}

/// Starts the processes, hunts, and prints how each mutant fared.
pub(super) fn hunt(options: &Options, seeds: &[u64]) -> io::Result<Hunt> {
    let named = mutants_sqlite::all().into_iter().filter(|mutant| mutant.name.contains(&options.mutant));
    let (wanted, beyond): (Vec<Prey>, Vec<Prey>) =
        named.map(prey).partition(|prey| options.levels.is_empty() || !hunters(prey, options).is_empty());
    let this = std::env::current_exe()?;
    let mut crews = Vec::with_capacity(wanted.len());
    for prey in wanted {
        crews.push((prey, Arc::new(Crew::start(PROCESSES, || Command::new(&this))?)));
    }
    let mut hunted = in_parallel(&crews, |(prey, crew)| chase_over(*prey, crew, seeds, options));
    hunted.sort_by_key(|(fate, _)| (fate.prey.kind, fate.prey.name));
    hunted.iter().for_each(|(fate, _)| fate.print(seeds, &format!("; SQLite, {PROCESSES} processes")));
    let (fates, failures): (Vec<Fate>, Vec<_>) = hunted.into_iter().unzip();
    let of = format!("true SQLite, {PROCESSES} processes");
    Ok(Hunt { of, fates, beyond: beyond.len(), failures: failures.into_iter().flatten().collect() })
}

fn prey(mutant: Mutant) -> Prey {
    Prey { name: mutant.name, kind: mutant.kind, sentences: mutant.sentences }
}

/// Only where clients meet does it matter that they are in processes of their own.
fn hunters(prey: &Prey, options: &Options) -> Vec<crate::kinds::Listed> {
    let mut cases = prey.hunters(options);
    cases.retain(|case| matches!(case.level, 2 | 4));
    cases
}

/// How it fared, and what the true backend failed in with the same cases and seeds.
fn chase_over(prey: Prey, crew: &Arc<Crew>, seeds: &[u64], options: &Options) -> (Fate, BTreeMap<u64, String>) {
    let over = |name| Over { name, crew: Arc::clone(crew) };
    let (mutant, sound, mut failures) = (over(prey.name), over(backends::SQLITE), BTreeMap::new());
    let fate = chase(prey, &mutant, &hunters(&prey, options), seeds, |seed, case| {
        failures.extend(failure(&sound, case, seed).map(|why| (seed, why)));
    });
    (fate, failures)
}
