//! The suite's races and histories over four processes on one server: the harness starts this program again.

mod crew;

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use concurrency_conformance::{Case, Component, Harness, Level, Verdict, cache, event, lock, state};
use servers::{Kind, Setup, Shared};

use self::crew::{PROCESSES, connect};

static SERVER: Shared = Shared::new(Kind::Redis, Setup::new().durable());

/// Runs all cases of both levels, each under names of its own, and says how many processes took part in each.
fn run<C: Component + ?Sized>(cases: &[Case<C>], options: &str) {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let Some(server) = SERVER.get() else { return };
    let crew = crew::start();
    let (mut passed, mut everywhere) = (0, 0);
    for case in cases.iter().filter(|case| matches!(case.level, Level::Races | Level::Histories)) {
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let url = format!("{}?operation_timeout=20s&key_prefix=run-{run}{options}", server.url());
        let harness = Harness::<C>::crew(Arc::clone(&crew), &url, connect);
        match harness.run(case, 1) {
            Verdict::Passed => {
                let took_part = crew.took_part();
                println!("{}::{}::{}: {took_part} processes took part", C::KIND, case.group, case.name);
                assert!(took_part >= 1, "{}::{}: over no line at all", case.group, case.name);
                passed += 1;
                everywhere += usize::from(took_part == PROCESSES);
            }
            Verdict::NotDeclared => println!("{}::{}::{}: not declared", C::KIND, case.group, case.name),
            Verdict::Failed(why) => panic!("{}::{}::{}: {why}", C::KIND, case.group, case.name),
        }
    }
    println!("{}: {passed} cases passed, {everywhere} of them over all {PROCESSES} processes", C::KIND);
    assert!(passed >= 5 && everywhere * 2 > passed, "it proved nothing");
}

#[test]
fn states() {
    run(state::CASES, "");
}

#[test]
fn caches() {
    run(cache::CASES, "");
}

#[test]
fn caches_with_generations() {
    run(cache::CASES, "&cache_clear=generation");
}

#[test]
fn locks() {
    run(lock::CASES, "");
}

#[test]
fn events() {
    run(event::CASES, "");
}
