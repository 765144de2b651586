//! The checker's own test: good histories are accepted, and every corrupted one is rejected.
//!
//! A corruption carries its own proof: each is made so that no order of the operations can exist, for the reason given beside
//! it, whatever else the history holds.

mod brute;
mod budget;
mod cache;
mod events;
mod lock;
mod state;

use concurrency_conformance::{
    history::{Answer, History, Operation, OperationOf},
    linear::{Model, check, sample::Size},
};
use fastrand::Rng;

/// What a corruption works on: the operations of one good history, and randomness.
struct Victim<'a, M: Model> {
    rng: &'a mut Rng,
    operations: &'a mut Vec<OperationOf<M>>,
}

/// Corrupts a history, or says that this one does not lend itself to it.
type Corruption<M> = fn(&mut Victim<'_, M>) -> Option<()>;

/// 500 corrupted histories, as many of each corruption; all have to be rejected.
fn all_rejected<M: Model>(sample: fn(u64, Size) -> History<M>, corruptions: &[(&str, Corruption<M>)]) {
    let each = 500_usize.div_ceil(corruptions.len());
    let mut rejected = 0;
    for (name, corrupt) in corruptions {
        let mut done = 0;
        for seed in 0.. {
            assert!(seed < 40 * each as u64, "{name}: only {done} histories lend themselves to it");
            if done == each {
                break;
            }
            let mut history = sample(seed, Size { operations: 150, keys: 2, clients: 5, lost: 12 });
            check(&history).expect("the sample is good");
            let mut rng = Rng::with_seed(seed);
            if corrupt(&mut Victim { rng: &mut rng, operations: &mut history.operations }).is_some() {
                let verdict = check(&history);
                assert!(verdict.is_err(), "{name}, seed {seed}: accepted {verdict:?}");
                done += 1;
            }
        }
        rejected += done;
    }
    assert!(rejected >= 500, "{rejected}");
}

fn all_accepted<M: Model>(sample: fn(u64, Size) -> History<M>) {
    for seed in 0..200 {
        let size = Size { operations: 200, keys: 2, clients: 2 + seed as u32 % 7, lost: (seed as u32 % 3) * 10 };
        let judged = check(&sample(seed, size)).unwrap_or_else(|rejected| panic!("seed {seed}: {rejected}"));
        assert!(judged.operations > 190 && judged.overlapping > 20, "{judged:?}");
    }
}

/// Judges generated histories as large as the project's figure asks, in whatever build the tests run.
#[test]
fn a_large_history_is_judged() {
    let size = Size { operations: 100_000, keys: 100, clients: 100, lost: 5 };
    let judged = check(&concurrency_conformance::linear::sample::state(7, size)).expect("the sample is good");
    assert!(judged.operations > 99_000 && judged.keys == 100, "{judged:?}");
}

/// A good history of a state store.
fn sample_of_state() -> History<concurrency_conformance::linear::StateModel> {
    concurrency_conformance::linear::sample::state(3, Size { operations: 200, keys: 2, clients: 5, lost: 10 })
}

impl<M: Model> Victim<'_, M> {
    fn key(&self, index: usize) -> Box<str> {
        self.operations[index].key.clone()
    }

    fn ok(&self, index: usize) -> Option<&M::Answer> {
        match &self.operations[index].answer {
            Answer::Ok(answer) => Some(answer),
            _ => None,
        }
    }

    /// One of the operations for which this holds.
    fn pick(&mut self, holds: impl Fn(&Self, usize) -> bool) -> Option<usize> {
        let fit: Vec<usize> = (0..self.operations.len()).filter(|&index| holds(self, index)).collect();
        self.rng.choice(fit)
    }

    /// One that was called after `index` was answered, on the same key, for which this holds.
    fn after(&mut self, index: usize, holds: impl Fn(&Self, usize) -> bool) -> Option<usize> {
        self.pick(|v, other| v.follows(index, other) && holds(v, other))
    }

    /// Whether `second` was called after `first` was answered, on one key.
    fn follows(&self, first: usize, second: usize) -> bool {
        let (first, second) = (&self.operations[first], &self.operations[second]);
        first.key == second.key && first.returned.is_some_and(|returned| returned < second.invoked)
    }

    fn returned(&self, index: usize) -> u64 {
        self.operations[index].returned.expect("the samples are answered")
    }

    /// Whether an operation for which `holds` may have taken effect between the two times.
    fn any_between(&self, key: &str, from: u64, until: u64, holds: impl Fn(&OperationOf<M>) -> bool) -> bool {
        self.operations.iter().any(|operation| {
            let unsettled = matches!(operation.answer, Answer::Unknown { settled: false, .. });
            let end = if unsettled { u64::MAX } else { operation.returned.unwrap_or(u64::MAX) };
            *operation.key == *key && operation.invoked <= until && end >= from && holds(operation)
        })
    }

    fn insert(&mut self, key: &str, invoked: u64, returned: u64, call: M::Call, answer: M::Answer) {
        let (key, returned, answer) = (key.into(), Some(returned), Answer::Ok(answer));
        self.operations.push(Operation { client: 999, key, invoked, returned, call, answer });
    }

    fn set(&mut self, index: usize, answer: M::Answer) -> Option<()> {
        self.operations[index].answer = Answer::Ok(answer);
        Some(())
    }

    /// No clock runs backwards.
    fn answered_before_its_call(&mut self) -> Option<()> {
        let index = self.pick(|v, index| v.ok(index).is_some() && v.operations[index].invoked > 1)?;
        self.operations[index].returned = Some(self.operations[index].invoked - 1);
        Some(())
    }

    /// An operation as it is, but over before `cause` was called.
    fn move_before(&mut self, index: usize, cause: usize) -> Option<()> {
        let invoked = self.operations[cause].invoked.checked_sub(3)?;
        self.operations[index].invoked = invoked;
        self.operations[index].returned = Some(invoked + 1);
        Some(())
    }
}
