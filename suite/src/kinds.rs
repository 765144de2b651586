//! The cases of the four traits, in one shape.

use concurrency_conformance::{Case, Component, Harness, Level, Verdict};
use serde::Serialize;

use crate::parallel;

/// A case of any kind, without its function.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Listed {
    /// `state`, `cache`, `lock` or `event`.
    pub(crate) kind: &'static str,
    /// The module it stands in.
    pub(crate) group: &'static str,
    /// Its name.
    pub(crate) name: &'static str,
    /// 1 to 4.
    pub(crate) level: u8,
    /// The sentences that it proves.
    pub(crate) sentences: &'static [&'static str],
}

/// What makes a harness of any kind, each over a fresh server.
pub(crate) trait Start {
    /// A harness over a fresh server.
    fn harness<C: Component + ?Sized>(&self) -> Harness<C>;
}

impl Start for crate::backends::Ready {
    fn harness<C: Component + ?Sized>(&self) -> Harness<C> {
        Self::harness(self)
    }
}

impl Start for mutants::Mutant {
    fn harness<C: Component + ?Sized>(&self) -> Harness<C> {
        crate::backends::harness_of_mutant(self.start())
    }
}

/// A case that is to be run.
struct Job<'s> {
    listed: Listed,
    run: Box<dyn Fn() -> Verdict + Send + Sync + 's>,
}

/// Runs the cases that `wanted` picks, so many at once, each over a server of its own, and hands their verdicts to `report` in
/// the order of the list.
pub(crate) fn run(
    start: &(impl Start + Sync),
    seed: u64,
    at_once: usize,
    wanted: &dyn Fn(&Listed) -> bool,
    report: &mut dyn FnMut(&Listed, Verdict),
) {
    let mut jobs = Vec::new();
    add(&mut jobs, start, concurrency_conformance::state::CASES, seed, wanted);
    add(&mut jobs, start, concurrency_conformance::cache::CASES, seed, wanted);
    add(&mut jobs, start, concurrency_conformance::lock::CASES, seed, wanted);
    add(&mut jobs, start, concurrency_conformance::event::CASES, seed, wanted);
    parallel::in_order(&jobs, at_once, |job| (job.run)(), |job, verdict| report(&job.listed, verdict));
}

fn add<'s, C: Component + ?Sized>(
    jobs: &mut Vec<Job<'s>>,
    start: &'s (impl Start + Sync),
    cases: &'static [Case<C>],
    seed: u64,
    wanted: &dyn Fn(&Listed) -> bool,
) {
    for case in cases {
        let listed = listed(case);
        if wanted(&listed) {
            jobs.push(Job { listed, run: Box::new(move || start.harness::<C>().run(case, seed)) });
        }
    }
}

/// All cases.
#[must_use]
pub(crate) fn all() -> Vec<Listed> {
    let state = concurrency_conformance::state::CASES.iter().map(listed);
    let cache = concurrency_conformance::cache::CASES.iter().map(listed);
    let lock = concurrency_conformance::lock::CASES.iter().map(listed);
    let event = concurrency_conformance::event::CASES.iter().map(listed);
    state.chain(cache).chain(lock).chain(event).collect()
}

fn listed<C: Component + ?Sized>(case: &Case<C>) -> Listed {
    let level = match case.level {
        Level::Sentences => 1,
        Level::Races => 2,
        Level::Model => 3,
        Level::Histories => 4,
    };
    Listed { kind: C::KIND, group: case.group, name: case.name, level, sentences: case.sentences }
}
