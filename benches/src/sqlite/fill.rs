//! Files with much in them.

use std::sync::Arc;

use bytes::Bytes;
use concurrency_core::{AppendOptions, Claim, Lease, NewEvent, Save, SaveOptions};
use tokio::{runtime::Runtime, task::JoinSet};

use super::{
    operation::VALUE,
    ours::{Ours, TTL},
};
use crate::names::Names;

/// So many keys in one bulk write.
const AT_ONCE: usize = 1000;
/// So many tasks fill at once.
const TASKS: usize = 64;

/// A value for each key.
pub(super) fn keys(runtime: &Runtime, ours: &Ours, keys: Names) {
    let save = |index| Save { key: keys.at(index), value: Bytes::from_static(VALUE), options: SaveOptions::new() };
    for first in (0..keys.count).step_by(AT_ONCE) {
        let saves = (first..keys.count.min(first + AT_ONCE)).map(save).collect();
        let saved = runtime.block_on(ours.state.save_many(saves));
        assert!(saved.iter().all(Result::is_ok), "saved");
    }
}

/// So many events in each stream.
pub(super) fn events(runtime: &Runtime, ours: &Ours, streams: Names, events: usize) {
    in_parallel(runtime, streams, |stream| {
        let ours = ours.clone();
        async move {
            let events = (0..events).map(|_| NewEvent::new("happened", VALUE)).collect();
            ours.events.append(&stream, events, AppendOptions::new()).await.expect("appended");
        }
    });
}

/// A lease of each name.
pub(super) fn leases(runtime: &Runtime, ours: &Ours, names: Names) -> Arc<[Lease]> {
    let leases = in_parallel(runtime, names, |name| {
        let (ours, claim) = (ours.clone(), Claim::new(&name, TTL).expect("a good claim"));
        async move { ours.lock.try_acquire(&claim).await.expect("answered").expect("it is free") }
    });
    leases.into()
}

fn in_parallel<T, F>(runtime: &Runtime, names: Names, what: impl Fn(String) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    runtime.block_on(async {
        let (mut running, mut done) = (JoinSet::new(), Vec::with_capacity(names.count));
        for name in names.all() {
            if running.len() >= TASKS {
                done.extend(running.join_next().await.map(|ended| ended.expect("it does not panic")));
            }
            running.spawn(what(name));
        }
        done.extend(running.join_all().await);
        done
    })
}
