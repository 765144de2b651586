//! A protocol with its scopes and its clauses, as the program and the tests see it.

use crate::{Clause, Clauses, Counterexample, Protocol, Report, Scope, check, counterexample};

/// A scope with its name, and what has to happen in it.
pub(crate) type Named<S> = (&'static str, S, &'static [&'static str]);

/// A protocol that can be checked in scopes, with clauses switched off.
pub(crate) trait Family: Protocol + Sized + 'static {
    /// On the command line.
    const NAME: &'static str;
    /// How far it goes.
    type Scope: Scope + 'static;
    /// Those that `cargo test` tries in full.
    const SCOPES: &'static [Named<Self::Scope>];
    /// What can be switched off, with what comes of it.
    const TRIALS: &'static [Trial];

    /// The model.
    fn of(scope: Self::Scope, clauses: Clauses, sights: &[&'static str]) -> Self;

    /// A scope by its name.
    fn scope(name: &str) -> Option<(Self::Scope, &'static [&'static str])> {
        Self::SCOPES.iter().find(|(known, ..)| *known == name).map(|(_, scope, sights)| (*scope, *sights))
    }

    /// Tries every order of events in the scope.
    fn check(scope: Self::Scope, clauses: Clauses, sights: &[&'static str], threads: usize) -> Report {
        check(Self::of(scope, clauses, sights), threads)
    }

    /// How the clause is missed.
    fn miss(trial: &Trial) -> Option<Counterexample> {
        let (scope, _) = Self::scope(trial.scope)?;
        counterexample(Self::of(scope, Clauses::without(trial.clause), &[]), trial.breaks)
    }
}

/// A clause that is switched off, and what comes of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trial {
    /// Which one.
    pub(crate) clause: Clause,
    /// In which scope that shows.
    pub(crate) scope: &'static str,
    /// The promise that is broken.
    pub(crate) breaks: &'static str,
    /// Words of the step that decides.
    pub(crate) decides: &'static str,
}

impl Trial {
    pub(crate) const fn new(clause: Clause, scope: &'static str, breaks: &'static str, decides: &'static str) -> Self {
        Self { clause, scope, breaks, decides }
    }
}

/// Everything holds in the scope, and it proves something.
#[cfg(test)]
#[track_caller]
pub(crate) fn holds<F: Family>(name: &str) {
    let (scope, sights) = F::scope(name).expect("a scope has this name");
    let report = F::check(scope, Clauses::ALL, sights, 2);
    println!("{} {name}: {report}", F::NAME);
    if let Some(broken) = &report.broken {
        panic!("{}\n{broken}", broken.promise);
    }
    assert_eq!(report.unseen(), [""; 0], "never happened");
}

/// Without the clause something is broken, and the tale says how.
#[cfg(test)]
#[track_caller]
pub(crate) fn needs<F: Family>(clause: Clause) {
    let trial = F::TRIALS.iter().find(|trial| trial.clause == clause).expect("the clause can be switched off");
    let found = F::miss(trial).unwrap_or_else(|| panic!("{clause}: nothing is broken"));
    println!("{clause}\n{found}");
    let words = found.tale.join("\n");
    assert!(words.contains(trial.decides), "{:?} is not in\n{words}", trial.decides);
}
