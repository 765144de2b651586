//! The cache, as far as it is about the death of processes.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
    time::Duration,
};

use concurrency_core::{Backend, Cache, Expiry, Lookup, random};
use concurrency_sqlite::{Sqlite, SqliteConfig};

use super::{place, processes};

const KEYS: [&str; 4] = ["a", "b", "c", "d"];
const KILLS: usize = 8;
/// How long a process may write before it is killed.
const LIVES: Duration = Duration::from_millis(60);

/// What a step writes; `None` is a clear.
fn written(step: usize) -> Option<(&'static str, String)> {
    (step % 11 != 10).then(|| (KEYS[step % KEYS.len()], step.to_string()))
}

/// What is there after so many steps.
fn after(steps: usize) -> [Option<String>; 4] {
    let mut values = [const { None }; 4];
    for step in 0..steps {
        match written(step) {
            Some((_, value)) => values[step % KEYS.len()] = Some(value),
            None => values = [const { None }; 4],
        }
    }
    values
}

async fn connect(path: &Path) -> Sqlite {
    Sqlite::connect(SqliteConfig::new(path).operation_timeout(Duration::from_secs(20))).await.expect("it opens")
}

/// Writes until it is killed, and says what was acknowledged.
pub(super) async fn child(path: &Path) {
    let cache = connect(path).await.cache("test").expect("it is open");
    for step in 0.. {
        match written(step) {
            Some((key, value)) => cache.set(key, value.into(), Expiry::Never).await.expect("it is set"),
            None => cache.clear().await.expect("it is cleared"),
        }
        println!("acknowledged {step}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_loses_nothing_that_was_acknowledged() {
    for _ in 0..KILLS {
        let (_folder, path) = place();
        let mut child = processes::spawn("cache", &path, Stdio::piped());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let number = |line: String| line.rsplit_once("acknowledged ").and_then(|(_, step)| step.parse::<usize>().ok());
        let mut last = lines.by_ref().find_map(number).expect("it writes");
        std::thread::sleep(random::up_to(LIVES));
        child.kill().unwrap();
        child.wait().unwrap();
        last = lines.filter_map(number).last().unwrap_or(last);
        let sqlite = connect(&path).await;
        let found = sqlite.cache("test").unwrap().get_many(&KEYS).await.unwrap();
        let found: Vec<_> =
            found.into_iter().map(|value| value.map(|v| String::from_utf8(v.into()).unwrap())).collect();
        // One more step may have been under way.
        assert!(found == after(last + 1) || found == after(last + 2), "{found:?} after step {last}");
        sqlite.close().await;
    }
}

/// Whoever dies while it loads is in the way until its hold is over, and no longer.
#[tokio::test(flavor = "multi_thread")]
async fn the_reservation_of_a_dead_process_ends() {
    let (_folder, path) = place();
    let mut child = processes::spawn("reserve", &path, Stdio::piped());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.ends_with("reserved")), "it reserves");
    child.kill().unwrap();
    child.wait().unwrap();
    let cache = connect(&path).await.cache("test").unwrap();
    let loaded = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            match cache.get_or_reserve("k", Duration::from_secs(60)).await.unwrap() {
                Lookup::Reserved(ticket) => break cache.fill(ticket, "v".into(), Expiry::Never).await.unwrap(),
                Lookup::Loading => cache.filled("k").await.unwrap(),
                Lookup::Hit(_) => panic!("nobody filled it"),
            }
        }
    });
    assert!(loaded.await.expect("a hold of a second is over"), "its own ticket");
}

/// Reserves a key, says so, and waits to be killed.
pub(super) async fn reserve(path: &Path) {
    let cache = connect(path).await.cache("test").expect("it is open");
    assert!(matches!(cache.get_or_reserve("k", Duration::from_secs(1)).await, Ok(Lookup::Reserved(_))));
    println!("reserved");
    std::future::pending::<()>().await;
}
