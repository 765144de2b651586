//! Mutants of the lossy channel: hunted by histories under fire, in virtual time.

use std::collections::BTreeMap;

use concurrency_conformance::fault::{self, Ground, Kind, Plan, Subject, channel::Channel};
use mutants_faults::Mutant;

use super::{Fate, Hunt, Prey, in_parallel};
use crate::options::Options;

/// So many histories make a hunt with one seed; the true channel passes all of them.
const HISTORIES: u64 = 100;

/// Hunts, and prints how each mutant fared.
pub(super) fn hunt(options: &Options, seeds: &[u64]) -> Hunt {
    let named = mutants_faults::all().into_iter().filter(|mutant| mutant.name.contains(&options.mutant));
    let is_wanted = |_: &Mutant| options.levels.is_empty() || options.levels.contains(&5);
    let (wanted, beyond): (Vec<Mutant>, Vec<Mutant>) = named.partition(is_wanted);
    let mut fates = in_parallel(&wanted, |mutant| chase(mutant, seeds));
    fates.sort_by_key(|fate| (fate.prey.kind, fate.prey.name));
    fates.iter().for_each(|fate| fate.print(seeds, "; level 5"));
    let subjects: Vec<_> =
        Subject::ALL.iter().filter(|subject| fates.iter().any(|fate| fate.prey.kind == subject.word())).collect();
    let sound = |seed: &u64| {
        let fails = |subject: &&&Subject| violation(&Channel::memory(), ***subject, *seed);
        Some((*seed, subjects.iter().find_map(|subject| fails(&subject))?))
    };
    let failures: BTreeMap<u64, String> = in_parallel(seeds, sound).into_iter().flatten().collect();
    Hunt { of: "true backend behind a lossy channel".to_owned(), fates, beyond: beyond.len(), failures }
}

fn chase(mutant: &Mutant, seeds: &[u64]) -> Fate {
    let subject = mutant.kind.parse().expect("mutants are of a subject");
    let caught = seeds.iter().filter(|seed| violation(&*mutant.ground(), subject, **seed).is_some()).count();
    let prey = Prey { name: mutant.name, kind: mutant.kind, sentences: mutant.sentences };
    Fate { prey, caught: caught as u64, by: None }
}

/// The first history of this seed that is rejected.
fn violation(ground: &dyn Ground, subject: Subject, seed: u64) -> Option<String> {
    (0..HISTORIES).find_map(|number| {
        // Every other one with what reveals most: requests that come late.
        let kinds = if number % 2 == 0 { ground.kinds() } else { &[Kind::Hold, Kind::Delay] };
        let plan = Plan::draw(subject, seed * 1000 + number, kinds);
        let why = fault::run(ground, &plan, None).violation?;
        Some(format!("{plan}: {why}"))
    })
}
