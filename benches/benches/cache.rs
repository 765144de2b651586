//! Caches side by side: a hit, with every contender of the ratios; writes, a series for each backend.

use benches::{backends, contenders, workload::Workload, workload::value};
use concurrency_core::Expiry;
use criterion::{Criterion, criterion_group, criterion_main};

fn hits(c: &mut Criterion) {
    for workload in [Workload::uniform(), Workload::zipf()] {
        let mut group = c.benchmark_group(format!("cache: 1,000 hits, {}", workload.name));
        for contender in contenders::all(&workload) {
            let mut at = 0;
            group.bench_function(contender.name(), |b| {
                b.iter(|| {
                    at = (at + 1000) % (workload.trace.len() - 1000);
                    contender.ask(&workload.keys, &workload.trace[at..at + 1000]);
                });
            });
        }
    }
}

fn writes(c: &mut Criterion) {
    let (runtime, folder) = (backends::runtime(), backends::folder());
    for (name, backend) in backends::all(&runtime, folder.path()) {
        let cache = backend.cache("bench").expect("a cache");
        let keys: Vec<String> = (0..1000).map(|i| format!("user:{i:06}")).collect();
        let mut i = 0;
        let mut next = || {
            i = (i + 1) % keys.len();
            keys[i].as_str()
        };
        c.benchmark_group("cache: set").bench_function(name, |b| {
            b.iter(|| runtime.block_on(cache.set(next(), value(), Expiry::Never)).expect("set"));
        });
        c.benchmark_group("cache: get")
            .bench_function(name, |b| b.iter(|| runtime.block_on(cache.get(next())).expect("got")));
        c.benchmark_group("cache: get 100 at once").bench_function(name, |b| {
            let many: Vec<&str> = keys.iter().take(100).map(String::as_str).collect();
            b.iter(|| runtime.block_on(cache.get_many(&many)).expect("got"));
        });
    }
}

criterion_group!(benches, hits, writes);
criterion_main!(benches);
