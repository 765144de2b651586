//! The search against the definition: all orders of small histories, good and bad ones.

use concurrency_conformance::{
    history::{Answer, History, Operation, OperationOf},
    linear::{Model, StateAnswer as A, StateCall as C, StateModel, When, Window, check},
};
use fastrand::Rng;

/// Wing and Gong without any shortcut: an operation may be next if none of the others was answered before it was called.
fn has_order(state: &<StateModel as Model>::State, left: &[OperationOf<StateModel>]) -> bool {
    let end = |op: &OperationOf<StateModel>| match op.answer {
        Answer::Unknown { settled: false, .. } => u64::MAX,
        _ => op.returned.unwrap_or(u64::MAX),
    };
    if left.iter().all(|op| end(op) == u64::MAX) {
        return true;
    }
    (0..left.len()).any(|next| {
        if left.iter().enumerate().any(|(i, op)| i != next && end(op) < left[next].invoked) {
            return false;
        }
        let mut rest = left.to_vec();
        let operation = rest.remove(next);
        let (answer, may_be_nothing) = match &operation.answer {
            Answer::Ok(answer) => (Some(answer), false),
            Answer::NotApplied { .. } => return has_order(state, &rest),
            Answer::Unknown { settled, .. } => (None, *settled),
        };
        let window = Window { from: operation.invoked, until: end(&operation), returned: u64::MAX, contended: false };
        let states = StateModel::step(state, &operation.call, answer, window);
        states.iter().any(|state| has_order(state, &rest)) || (may_be_nothing && has_order(state, &rest))
    })
}

/// Nonsense with a chance to make sense: values and versions from a small range.
fn random(rng: &mut Rng) -> OperationOf<StateModel> {
    let version = rng.u64(1..4);
    let when = match rng.u8(..4) {
        0 => When::Absent,
        1 => When::Match(version),
        _ => When::Any,
    };
    let value = rng.u64(1..3);
    let (call, answer) = match rng.u8(..8) {
        0 => (C::Load, A::Found(None)),
        1..4 => (C::Load, A::Found(Some((value, version)))),
        4 => (C::Delete { when, fence: None }, A::Deleted { existed: rng.bool() }),
        5 => (C::Save { value, when, fence: None }, A::Conflict),
        _ => (C::Save { value, when, fence: None }, A::Saved { version }),
    };
    let answer = match rng.u8(..10) {
        0 => Answer::Unknown { error: "lost".into(), settled: rng.bool() },
        1 => Answer::NotApplied { error: "refused".into() },
        _ => Answer::Ok(answer),
    };
    let invoked = rng.u64(..20);
    Operation { client: 0, key: "k".into(), invoked, returned: Some(invoked + rng.u64(1..15)), call, answer }
}

#[test]
fn small_histories_are_judged_as_by_the_definition() {
    let mut rng = Rng::with_seed(1);
    let (mut good, mut bad) = (0, 0);
    for round in 0..60_000 {
        let mut history = History::<StateModel>::default();
        history.operations.extend((0..rng.usize(2..7)).map(|_| random(&mut rng)));
        let operations: Vec<_> = history.operations.iter().collect();
        if StateModel::check_together(&operations).is_some() {
            continue;
        }
        let expected = has_order(&StateModel::start(), &history.operations);
        let verdict = check(&history);
        assert_eq!(verdict.is_ok(), expected, "round {round}: {verdict:?} of {:#?}", history.operations);
        *(if expected { &mut good } else { &mut bad }) += 1;
    }
    assert!(good > 3_000 && bad > 3_000, "{good} good, {bad} bad");
}

#[test]
fn the_words_name_the_operation_that_fits_nowhere() {
    let operation = |invoked, call, answer| {
        let (key, returned) = ("k".into(), Some(invoked + 500));
        Operation { client: 3, key, invoked, returned, call, answer: Answer::Ok(answer) }
    };
    let history = History::<StateModel> {
        operations: vec![
            operation(5_000, C::Load, A::Found(None)),
            operation(1_000, C::Save { value: 7, when: When::Any, fence: None }, A::Saved { version: 1 }),
            operation(9_000, C::Load, A::Found(Some((7, 1)))),
        ],
    };
    let words = check(&history).expect_err("a stale read").to_string();
    assert_eq!(
        words,
        "state history of \"k\" rejected: the operations up to the 2. answer of 3 have no order; client 3's Load at \
         4.0 us, answered Found(None) at 4.5 us, fits nowhere: the key could then only hold value 7 in version 1"
    );
}
