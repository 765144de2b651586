//! Event stores side by side: a group for each operation, a series for each backend.

use benches::{backends, workload::value};
use concurrency_core::{AppendOptions, NewEvent, Position, ReadQuery};
use criterion::{Criterion, criterion_group, criterion_main};

fn event(c: &mut Criterion) {
    let (runtime, folder) = (backends::runtime(), backends::folder());
    for (name, backend) in backends::all(&runtime, folder.path()) {
        let store = backend.event_store("bench").expect("an event store");
        let batch = |count: usize| (0..count).map(|_| NewEvent::new("happened", value())).collect::<Vec<_>>();
        let append = |stream: &str, count| {
            runtime.block_on(store.append(stream, batch(count), AppendOptions::new())).expect("appended")
        };
        // Streams of a hundred events, so that no stream grows without end.
        let mut appends = 0_u64;
        let mut stream = || {
            appends += 1;
            format!("stream-{}", appends / 100)
        };
        c.benchmark_group("event: append 1").bench_function(name, |b| b.iter(|| append(&stream(), 1)));
        c.benchmark_group("event: append 10 at once").bench_function(name, |b| b.iter(|| append(&stream(), 10)));
        append("read", 100);
        c.benchmark_group("event: read a stream of 100").bench_function(name, |b| {
            b.iter(|| runtime.block_on(store.read("read", ReadQuery::forwards(1))).expect("read"));
        });
        c.benchmark_group("event: read 100 of all streams").bench_function(name, |b| {
            b.iter(|| runtime.block_on(store.read_all(Position::START, 100)).expect("read"));
        });
    }
}

criterion_group!(benches, event);
criterion_main!(benches);
