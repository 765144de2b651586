//! Trying every order of events.

use std::{
    collections::BTreeMap,
    collections::BTreeSet,
    fmt::{self, Debug},
    hash::Hash,
    time::Duration,
};

use stateright::{
    Checker as _, Expectation, HasDiscoveries, Model,
    report::{ReportData, ReportDiscovery, Reporter},
};

use crate::{Sights, Tale};

/// A model whose steps can be told.
pub(crate) trait Protocol:
    Model<State: Hash + Eq + Clone + Debug + Send + Sync, Action: Eq + Clone + Debug> + Send + Sync
{
    /// Takes the step; tells it.
    fn take(&self, state: &mut Self::State, step: &Self::Action, tale: &mut Tale);

    /// What has to happen in this scope.
    fn sights(&self) -> &Sights;

    /// The state after a step: what a model answers as its `next_state`.
    fn after(&self, state: &Self::State, step: &Self::Action) -> Self::State {
        let mut next = state.clone();
        self.take(&mut next, step, &mut Tale::untold());
        next
    }
}

/// What came of trying everything.
#[derive(Debug)]
pub(crate) struct Report {
    /// Different states that can be reached.
    pub(crate) states: usize,
    /// Steps to the one that is furthest away; with several threads roughly.
    pub(crate) depth: usize,
    /// How long that took.
    pub(crate) took: Duration,
    /// What was met how often.
    pub(crate) sights: Vec<(&'static str, u64)>,
    /// A promise that does not hold.
    pub(crate) broken: Option<Counterexample>,
}

impl Report {
    /// What should have happened and never did.
    pub(crate) fn unseen(&self) -> Vec<&'static str> {
        self.sights.iter().filter(|(_, times)| *times == 0).map(|(name, _)| *name).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, depth, took, .. } = self;
        write!(f, "{states} states, depth {depth}, {:.1} s", took.as_secs_f64())
    }
}

/// How a promise is broken, in the fewest steps.
#[derive(Debug)]
pub(crate) struct Counterexample {
    /// The promise.
    pub(crate) promise: &'static str,
    /// A sentence for each step.
    pub(crate) tale: Vec<String>,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (step, sentence) in (1..).zip(&self.tale) {
            writeln!(f, "{step:4}. {sentence}")?;
        }
        write!(f, "   => broken: {}", self.promise)
    }
}

/// Tries every order of events, until a promise is broken.
pub(crate) fn check<P: Protocol + 'static>(protocol: P, threads: usize) -> Report {
    let promises = promises(&protocol);
    let checker = protocol.checker().threads(threads).finish_when(HasDiscoveries::AnyFailures).spawn_bfs();
    let mut took = Took::default();
    let checker = checker.join_and_report(&mut took);
    let model = checker.model();
    let broken = promises.iter().find_map(|promise| Some((*promise, checker.discovery(promise)?)));
    Report {
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        took: took.0,
        sights: model.sights().times().collect(),
        broken: broken.map(|(promise, path)| told(model, promise, path.into_vec())),
    }
}

/// The shortest way to break this promise, if there is one. One thread, so that it is the shortest, and the same every time.
pub(crate) fn counterexample<P: Protocol + 'static>(protocol: P, promise: &'static str) -> Option<Counterexample> {
    let wanted = HasDiscoveries::AnyOf(BTreeSet::from([promise]));
    let checker = protocol.checker().threads(1).finish_when(wanted).spawn_bfs().join();
    let path = checker.discovery(promise)?;
    Some(told(checker.model(), promise, path.into_vec()))
}

fn promises<P: Protocol>(protocol: &P) -> Vec<&'static str> {
    let always = |property: &stateright::Property<P>| property.expectation == Expectation::Always;
    protocol.properties().iter().filter(|property| always(property)).map(|property| property.name).collect()
}

fn told<P: Protocol>(protocol: &P, promise: &'static str, path: Vec<(P::State, Option<P::Action>)>) -> Counterexample {
    let sentence = |(mut state, step): (P::State, Option<P::Action>)| {
        let mut tale = Tale::told();
        protocol.take(&mut state, &step?, &mut tale);
        Some(tale.words())
    };
    Counterexample { promise, tale: path.into_iter().filter_map(sentence).collect() }
}

/// How long the checker says that it took.
#[derive(Debug, Default)]
struct Took(Duration);

impl<M: Model> Reporter<M> for Took {
    fn report_checking(&mut self, data: ReportData) {
        self.0 = data.duration;
    }

    fn report_discoveries(&mut self, _: &M, _: BTreeMap<&'static str, ReportDiscovery<M>>)
    where
        M::Action: Debug + PartialEq,
        M::State: Debug + Hash + PartialEq,
    {
    }

    fn delay(&self) -> Duration {
        Duration::from_millis(20)
    }
}
