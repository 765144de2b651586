//! The suite over a line: a crew of one process, with a memory of its own, has to look as a memory in this process does.

use std::{
    env,
    process::Command,
    sync::{Arc, OnceLock},
};

use concurrency_conformance::{Case, Component, Harness, Level, Verdict, cache, event, lock, peers, state};
use concurrency_core::{Backend, Memory, Result};

/// The same data for all clients in this process, whatever the address.
async fn connect(_: String) -> Result<Arc<dyn Backend>> {
    static MEMORY: OnceLock<Memory> = OnceLock::new();
    Ok(Arc::new(MEMORY.get_or_init(Memory::new).another_client()))
}

/// Not a test of its own: where the process of the crew goes to work. Without a crew it ends at once.
#[test]
fn peer() {
    peers::serve(connect);
}

fn again() -> Command {
    let mut command = Command::new(env::current_exe().expect("this program has a path"));
    command.args(["peer", "--exact", "--quiet"]);
    command
}

/// Runs those that are wanted, and says how many passed.
fn run<C: Component + ?Sized>(
    crew: &Arc<peers::Crew>,
    cases: &[Case<C>],
    wanted: impl Fn(&str, Level) -> bool,
) -> usize {
    let mut passed = 0;
    for case in cases.iter().filter(|case| wanted(case.group, case.level)) {
        let harness = Harness::<C>::crew(Arc::clone(crew), "memory:", connect);
        match harness.run(case, 1) {
            Verdict::Passed => {
                assert_eq!(crew.took_part(), crew.processes(), "{}::{}", case.group, case.name);
                passed += 1;
            }
            Verdict::NotDeclared => {}
            Verdict::Failed(why) => panic!("{}::{}: {why}", case.group, case.name),
        }
    }
    passed
}

fn races(_: &str, level: Level) -> bool {
    matches!(level, Level::Races | Level::Histories)
}

#[test]
fn states_over_a_line() {
    let crew = Arc::new(peers::Crew::start(1, again).expect("it starts"));
    assert!(run(&crew, state::CASES, races) >= 5);
}

#[test]
fn caches_over_a_line() {
    let crew = Arc::new(peers::Crew::start(1, again).expect("it starts"));
    assert!(run(&crew, cache::CASES, races) >= 5);
}

#[test]
fn locks_over_a_line() {
    let crew = Arc::new(peers::Crew::start(1, again).expect("it starts"));
    assert!(run(&crew, lock::CASES, races) >= 5);
}

#[test]
fn events_over_a_line() {
    let crew = Arc::new(peers::Crew::start(1, again).expect("it starts"));
    assert!(run(&crew, event::CASES, races) >= 5);
}

/// Every call has to go over the line as it is: cases of single sentences say so.
#[test]
fn sentences_over_a_line() {
    let crew = Arc::new(peers::Crew::start(1, again).expect("it starts"));
    // Those that wait for nothing, and poll nothing by hand.
    let groups = "basic bulk commits keys listing tickets closing claims inputs append expected idempotent read global \
        snapshot truncate";
    let wanted = |group: &str, level| level == Level::Sentences && groups.split(' ').any(|known| known == group);
    let passed = [
        run(&crew, state::CASES, wanted),
        run(&crew, cache::CASES, wanted),
        run(&crew, lock::CASES, wanted),
        run(&crew, event::CASES, wanted),
    ];
    assert!(passed.iter().all(|passed| *passed >= 10), "{passed:?}");
}

#[test]
fn a_process_that_never_reports_is_not_waited_for() {
    let refused = peers::Crew::start(1, || Command::new("true"));
    assert!(refused.is_err_and(|error| error.to_string().contains("never called `serve`")));
}
