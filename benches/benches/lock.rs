//! Locks side by side: a group for each operation, a series for each backend.

use std::time::Duration;

use benches::backends;
use concurrency_core::{LockOptions, Locks};
use criterion::{Criterion, criterion_group, criterion_main};

/// How many tasks want one name in the group of that name.
const CONTENDERS: u32 = 8;

fn lock(c: &mut Criterion) {
    let (runtime, folder) = (backends::runtime(), backends::folder());
    for (name, backend) in backends::all(&runtime, folder.path()) {
        let locks = Locks::new(backend.lock("bench").expect("locks"));
        c.benchmark_group("lock: acquire and release, a free name").bench_function(name, |b| {
            b.iter(|| {
                runtime.block_on(async {
                    let guard = locks.acquire("free", LockOptions::new()).await.expect("nobody else");
                    guard.release().await.expect("held");
                });
            });
        });
        c.benchmark_group("lock: a turn each of 8 contenders for one name").bench_function(name, |b| {
            b.iter(|| {
                runtime.block_on(async {
                    let options = LockOptions::new().with_timeout(Duration::from_secs(60));
                    let turn = |locks: Locks| async move {
                        let guard = locks.acquire("wanted", options).await.expect("within a minute");
                        guard.release().await.expect("held");
                    };
                    let turns: Vec<_> = (0..CONTENDERS).map(|_| tokio::spawn(turn(locks.clone()))).collect();
                    for turn in turns {
                        turn.await.expect("it ends");
                    }
                });
            });
        });
    }
}

criterion_group!(benches, lock);
criterion_main!(benches);
