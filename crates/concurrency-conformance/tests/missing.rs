//! A server that is not there is neither a failure of a test nor a success of a run.

use concurrency_conformance::{Harness, Verdict, state, test};
use concurrency_core::StateStore;

fn harness() -> Harness<dyn StateStore> {
    Harness::missing("no server on this machine")
}

#[test]
fn a_test_over_nothing_ends_and_a_run_fails() {
    let case = &state::CASES[0];
    test(harness(), state::CASES, case.group, case.name);
    assert_eq!(harness().run(case, 1), Verdict::Failed("not run: no server on this machine".into()));
}
