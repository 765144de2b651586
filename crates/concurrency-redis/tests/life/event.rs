//! A log that everybody appends to and everybody reads.

use std::{
    collections::{HashMap, HashSet},
    sync::Mutex,
};

use concurrency_core::{AppendOptions, Delivery, EventId, EventStore, NewEvent, Outcome, Position, Subscription};

use super::*;

/// What was appended, by the ids of the events.
#[derive(Debug, Default)]
struct Appends {
    /// With their positions.
    done: Mutex<HashMap<EventId, Position>>,
    unknown: Mutex<Vec<EventId>>,
    /// Those who append yet.
    active: AtomicUsize,
}

impl Appends {
    fn highest(&self) -> Position {
        self.done.lock().unwrap().values().max().copied().unwrap_or(Position::START)
    }
}

async fn append(store: &dyn EventStore, number: usize, appends: &Appends) -> Result<(), Error> {
    let before = appends.highest();
    let event = NewEvent::new("e", number.to_string());
    let id = event.id;
    match store.append(&format!("s{}", number % 4), vec![event], AppendOptions::new()).await {
        Ok(appended) => {
            assert!(appended.position > before, "{} was given after {before}", appended.position);
            appends.done.lock().unwrap().insert(id, appended.position);
            Ok(())
        }
        Err(error) => {
            if error.outcome() != Outcome::NotApplied {
                appends.unknown.lock().unwrap().push(id);
            }
            Err(error)
        }
    }
}

/// Reads until nothing is missing; begins anew where the log says that it was lost.
async fn follow(store: Arc<dyn EventStore>, appends: &Appends, is_kept: bool) {
    let (mut seen, mut last) = (HashSet::new(), Position::START);
    let mut subscription = Subscription::new(Arc::clone(&store), None);
    while appends.active.load(Ordering::Acquire) > 0 || last < appends.highest() {
        match tokio::time::timeout(Duration::from_millis(100), subscription.next()).await {
            Ok(Ok(Delivery::Event(event))) => {
                assert!(event.position > last, "{} came behind {last}", event.position);
                last = event.position;
                seen.insert(event.id);
            }
            Ok(Err(Error::LogRewound)) => {
                assert!(!is_kept, "nothing was lost");
                subscription = Subscription::new(Arc::clone(&store), None);
            }
            Ok(Err(error)) => assert!(is_outage(&error), "{error:?}"),
            Ok(Ok(_)) | Err(_) => {}
        }
    }
    let (done, unknown) = (appends.done.lock().unwrap(), appends.unknown.lock().unwrap());
    assert!(seen.iter().all(|id| done.contains_key(id) || unknown.contains(id)), "nobody has appended that");
    assert!(!is_kept || done.keys().all(|id| seen.contains(id)), "acknowledged, and never delivered");
}

// E-31, E-45, T-50, T-54: over four processes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_step_over_nothing_that_was_acknowledged() {
    let Some(mut scene) = Scene::new() else { return };
    for trouble in Trouble::ALL {
        let namespace = format!("{trouble:?}");
        let appends = Arc::new(Appends { active: AtomicUsize::new(PROCESSES * (TASKS - 1)), ..Appends::default() });
        scene
            .works(trouble, |number, client, load| {
                let (store, appends) = (client.event_store(&namespace).unwrap(), Arc::clone(&appends));
                async move {
                    if number % TASKS == 0 {
                        return follow(store, &appends, !trouble.loses_data()).await;
                    }
                    let mut after = 0;
                    while !load.ends_with(append(&*store, number, &appends).await, &mut after) {}
                    appends.active.fetch_sub(1, Ordering::AcqRel);
                }
            })
            .await;
        println!("{trouble:?}: {} appends", appends.done.lock().unwrap().len());
    }
}
