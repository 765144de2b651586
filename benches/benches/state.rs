//! State stores side by side: a group for each operation, a series for each backend.

use benches::{backends, workload::value};
use concurrency_core::{ListQuery, Save, SaveOptions, StateStore, Write};
use criterion::{Criterion, criterion_group, criterion_main};
use std::sync::Arc;

const KEYS: usize = 1000;

fn state(c: &mut Criterion) {
    let (runtime, folder) = (backends::runtime(), backends::folder());
    for (name, backend) in backends::all(&runtime, folder.path()) {
        let store = backend.state_store("bench").expect("a state store");
        let keys: Vec<String> = (0..KEYS).map(|i| format!("user:{i:06}")).collect();
        runtime.block_on(fill(&store, &keys));
        let mut i = 0;
        let mut next = || {
            i = (i + 1) % KEYS;
            keys[i].as_str()
        };
        c.benchmark_group("state: load")
            .bench_function(name, |b| b.iter(|| runtime.block_on(store.load(next())).expect("loaded")));
        c.benchmark_group("state: save")
            .bench_function(name, |b| b.iter(|| runtime.block_on(replace(&store, next())).expect("saved")));
        c.benchmark_group("state: load, then save that version").bench_function(name, |b| {
            b.iter(|| {
                runtime.block_on(async {
                    let key = next();
                    let version = store.load(key).await.expect("loaded").expect("filled").version;
                    let options = SaveOptions::new().if_version(version);
                    store.save(key, value(), options).await.expect("nobody else writes")
                })
            });
        });
        c.benchmark_group("state: commit of two keys").bench_function(name, |b| {
            b.iter(|| runtime.block_on(commit(&store, [next(), next()])).expect("committed"));
        });
        c.benchmark_group("state: list, a page of 100").bench_function(name, |b| {
            b.iter(|| {
                let query = ListQuery::prefix("user:0005").limit(100);
                runtime.block_on(store.list(query)).expect("listed")
            });
        });
    }
}

async fn fill(store: &Arc<dyn StateStore>, keys: &[String]) {
    for key in keys {
        replace(store, key).await.expect("saved");
    }
}

async fn replace(store: &Arc<dyn StateStore>, key: &str) -> concurrency_core::Result<concurrency_core::Version> {
    store.save(key, value(), SaveOptions::new()).await
}

async fn commit(store: &Arc<dyn StateStore>, keys: [&str; 2]) -> concurrency_core::Result<concurrency_core::Version> {
    let save = |key: &str| Write::Save(Save { key: key.to_owned(), value: value(), options: SaveOptions::new() });
    store.commit(keys.map(save).into()).await
}

criterion_group!(benches, state);
criterion_main!(benches);
