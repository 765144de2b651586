//! Counters that everybody raises.

use concurrency_core::{Outcome, SaveOptions, StateStore};

use super::*;

const COUNTERS: usize = 4;

/// Increments that were done, and those of which nobody knows.
#[derive(Debug, Default)]
struct Sums {
    done: AtomicUsize,
    unknown: AtomicUsize,
}

async fn increment(store: &dyn StateStore, key: &str, sums: &Sums) -> Result<(), Error> {
    loop {
        let state = store.load(key).await?;
        let (options, count) = match &state {
            None => (SaveOptions::new().if_absent(), 0),
            Some(state) => {
                let text = std::str::from_utf8(&state.value).unwrap();
                (SaveOptions::new().if_version(state.version), text.parse::<u64>().unwrap())
            }
        };
        match store.save(key, (count + 1).to_string().into(), options).await {
            Ok(_) => {
                sums.done.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            Err(error) if error.is_conflict() => {}
            Err(error) => {
                sums.unknown.fetch_add(usize::from(error.outcome() != Outcome::NotApplied), Ordering::Relaxed);
                return Err(error);
            }
        }
    }
}

// S-67, G-54, G-70, G-71: over four processes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_lose_nothing_that_was_acknowledged() {
    let Some(mut scene) = Scene::new() else { return };
    for trouble in Trouble::ALL {
        let sums = Arc::new(Sums::default());
        let namespace = format!("{trouble:?}");
        scene
            .works(trouble, |number, client, load| {
                let (store, sums) = (client.state_store(&namespace).unwrap(), Arc::clone(&sums));
                async move {
                    let (key, mut after) = (format!("k{}", number % COUNTERS), 0);
                    while !load.ends_with(increment(&*store, &key, &sums).await, &mut after) {}
                }
            })
            .await;
        let store = scene.here().await.state_store(&namespace).unwrap();
        let mut found = 0;
        for counter in 0..COUNTERS {
            let state = store.load(&format!("k{counter}")).await.unwrap().expect("it was raised after the last strike");
            found += std::str::from_utf8(&state.value).unwrap().parse::<usize>().unwrap();
        }
        let (done, unknown) = (sums.done.load(Ordering::Relaxed), sums.unknown.load(Ordering::Relaxed));
        println!("{trouble:?}: {done} done, {unknown} unknown, {found} found");
        // Of those after the last strike each task may have begun one before it.
        let least = if trouble.loses_data() { PROCESSES * TASKS * (TURNS_AFTER - 1) } else { done };
        assert!(
            (least..=done + unknown).contains(&found),
            "{trouble:?}: {done} done, {unknown} unknown, {found} found"
        );
    }
}
