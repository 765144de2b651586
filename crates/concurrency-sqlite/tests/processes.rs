//! The suite's races and histories over four processes on one file: the harness starts this program again.

use std::{env, path::Path, process::Command, sync::Arc};

use concurrency_conformance::{Case, Component, Harness, Level, Verdict, cache, event, lock, peers::Crew, state};
use concurrency_core::{Backend, Result};
use concurrency_sqlite::{Sqlite, SqliteConfig};

const PROCESSES: usize = 4;

async fn connect(url: String) -> Result<Arc<dyn Backend>> {
    Ok(Arc::new(Sqlite::connect(SqliteConfig::from_url(&url)?).await?))
}

/// Not a test of its own: where a process of the crew goes to work. Without a crew it ends at once.
#[test]
fn peer() {
    concurrency_conformance::peers::serve(connect);
}

fn crew() -> Arc<Crew> {
    let again = || {
        let mut command = Command::new(env::current_exe().expect("this program has a path"));
        command.args(["peer", "--exact", "--quiet"]);
        command
    };
    Arc::new(Crew::start(PROCESSES, again).expect("four processes start"))
}

fn url(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("test.db").display())
}

/// Runs all cases of both levels, each on a file of its own, and says how many processes took part in each.
fn run<C: Component + ?Sized>(cases: &[Case<C>]) {
    let crew = crew();
    let (mut passed, mut everywhere) = (0, 0);
    for case in cases.iter().filter(|case| matches!(case.level, Level::Races | Level::Histories)) {
        let folder = tempfile::tempdir().expect("there is room for a temporary folder");
        let harness = Harness::<C>::crew(Arc::clone(&crew), &url(folder.path()), connect);
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
    run(state::CASES);
}

#[test]
fn caches() {
    run(cache::CASES);
}

#[test]
fn locks() {
    run(lock::CASES);
}

#[test]
fn events() {
    run(event::CASES);
}
