//! Judges histories.
//!
//! `cargo run --release -p concurrency-conformance --example judge` judges 100,000 generated operations over 100 keys of
//! each kind and prints the time; with a file name it judges the histories in that file (`--history` of the suite).

use std::{fs::File, io::BufReader, process::ExitCode, time::Duration};

use concurrency_conformance::{
    history::History,
    linear::{CacheModel, EventModel, LockModel, Model, StateModel, check, sample},
};
use concurrency_core::clock::BootInstant;

fn main() -> ExitCode {
    let size = sample::Size { operations: 100_000, keys: 100, clients: 100, lost: 5 };
    let good = match std::env::args().nth(1) {
        Some(file) => judge_file(&file),
        None => [
            time(&sample::state(1, size)),
            time(&sample::cache(1, size)),
            time(&sample::lock(1, size)),
            time(&sample::events(1, size)),
        ]
        .into_iter()
        .all(|good| good),
    };
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn time<M: Model>(history: &History<M>) -> bool {
    let start = BootInstant::now();
    let verdict = check(history);
    let took = BootInstant::now().since(start);
    println!("{:<6} {verdict:?} in {took:.1?}", M::KIND);
    verdict.is_ok() && took < Duration::from_secs(5)
}

fn judge_file(file: &str) -> bool {
    [judge::<StateModel>(file), judge::<CacheModel>(file), judge::<LockModel>(file), judge::<EventModel>(file)]
        .into_iter()
        .all(|good| good)
}

fn judge<M: Model>(file: &str) -> bool {
    let histories = match File::open(file).and_then(|file| History::<M>::read(BufReader::new(file))) {
        Ok(histories) => histories,
        Err(error) => {
            eprintln!("{file}: {error}");
            return false;
        }
    };
    let mut good = true;
    for (name, history) in &histories {
        let verdict = check(history);
        good &= verdict.is_ok();
        match verdict {
            Ok(judged) => println!("{name}: {judged:?}"),
            Err(rejected) => println!("{name}: {rejected}"),
        }
    }
    good
}
