//! A search that finds no end is given up, and that is no acceptance.

use concurrency_conformance::{
    history::{Answer, History, Operation},
    linear::{STEPS, StateAnswer as A, StateCall as C, StateModel, When, check, check_within},
};

/// Saves that are all under way at once, so that each order of any of them is possible, and then a value that nobody saved.
fn hopeless(clients: u32) -> History<StateModel> {
    let save = |client| Operation {
        client,
        key: "k".into(),
        invoked: 1,
        returned: Some(10),
        call: C::Save { value: u64::from(client), when: When::Any, fence: None },
        answer: Answer::Ok(A::Saved { version: u64::from(client) }),
    };
    let mut operations: Vec<_> = (1..=clients).map(save).collect();
    let answer = Answer::Ok(A::Found(Some((1_000, 1_000))));
    operations.push(Operation { client: 0, key: "k".into(), invoked: 20, returned: Some(30), call: C::Load, answer });
    History { operations }
}

#[test]
fn a_wrong_history_of_few_clients_is_rejected() {
    let rejected = check(&hopeless(8)).expect_err("nobody saved that value");
    assert!(!rejected.undecided && rejected.to_string().contains("rejected"), "{rejected}");
}

#[test]
fn a_wrong_history_of_many_clients_is_given_up_within_the_budget() {
    // All orders of 40 operations: more than any memory holds.
    let rejected = check_within(&hopeless(40), STEPS / 10).expect_err("nobody saved that value");
    let told = rejected.to_string();
    assert!(rejected.undecided && told.contains("undecided: more than 50000 steps"), "{told}");
}

#[test]
fn a_good_history_that_needs_more_steps_is_not_accepted() {
    let history = super::sample_of_state();
    let judged = check(&history).expect("the sample is good");
    assert!(judged.steps > 10, "{judged:?}");
    assert!(check_within(&history, judged.steps).is_ok());
    let given_up = check_within(&history, 10).expect_err("ten steps are too few");
    assert!(given_up.undecided, "{given_up}");
}
