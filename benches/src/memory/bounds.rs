//! What a bounded cache keeps, and that it stays bounded.

use benches::workload::{value, zipf};
use bytes::Bytes;
use concurrency_core::{Expiry, Memory, MemoryConfig};

use crate::{
    figure::{Figure, Report, Target, Wanted},
    resident::resident,
};

pub(super) fn figures(wanted: &Wanted<'_>, report: &mut Report<'_>) {
    for (percent, exponent) in [(1, 0.8), (1, 0.99), (10, 0.8), (10, 0.99), (10, 1.1)] {
        let name = format!("hit ratio in points: ours - moka's, Zipf {exponent}, room for {percent} %");
        if wanted(&name) {
            report(hit_ratio(name, percent, exponent));
        }
    }
    let name = "bound: most entries / bound, 10 million inserts".to_owned();
    if wanted(&name) {
        many_inserts(name, report);
    }
}

/// A trace over 100,000 keys; whoever misses puts the value in.
fn hit_ratio(name: String, percent: usize, exponent: f64) -> Figure {
    const KEYS: usize = 100_000;
    let trace = zipf(KEYS, exponent, 2_000_000, 3);
    let keys: Vec<String> = (0..KEYS).map(|i| i.to_string()).collect();
    let room = KEYS * percent / 100;
    let config = MemoryConfig::new().cache_max_entries(room);
    let ours = Memory::with_config(config).expect("a good configuration").cache("bench").expect("a good namespace");
    let moka = moka::sync::Cache::<Box<str>, Bytes>::new(room as u64);
    let (mut our_hits, mut their_hits) = (0_u32, 0_u32);
    for i in &trace {
        let key = keys[*i as usize].as_str();
        match ours.get_now(key).expect("open") {
            Some(_) => our_hits += 1,
            None => ours.set_now(key, value(), Expiry::Never).expect("a good key"),
        }
        match moka.get(key) {
            Some(_) => their_hits += 1,
            None => moka.insert(key.into(), value()),
        }
    }
    let percent = |hits: u32| f64::from(hits) * 100.0 / trace.len() as f64;
    Figure {
        name,
        value: percent(our_hits) - percent(their_hits),
        target: Target::AtLeast(-1.0),
        raw: format!("{:.2} % against {:.2} %", percent(our_hits), percent(their_hits)),
    }
}

fn many_inserts(name: String, report: &mut Report<'_>) {
    const BOUND: usize = 100_000;
    const INSERTS: usize = 10_000_000;
    let config = MemoryConfig::new().cache_max_entries(BOUND);
    let cache = Memory::with_config(config).expect("a good configuration").cache("bench").expect("a good namespace");
    let (mut most, mut early) = (0, 0);
    for i in 0..INSERTS {
        cache
            .set_now(&i.to_string(), value(), Expiry::After(std::time::Duration::from_secs(3600)))
            .expect("a good key");
        if i % 1000 == 0 {
            most = most.max(cache.entries());
        }
        if i == INSERTS / 10 {
            early = resident();
        }
    }
    let late = resident();
    let raw = format!("{most} entries of {BOUND}");
    report(Figure { name, value: most as f64 / BOUND as f64, target: Target::AtMost(1.0), raw });
    if early > 0 {
        report(Figure {
            name: "bound: resident memory after 10 million inserts / after 1 million".to_owned(),
            value: late as f64 / early as f64,
            target: Target::AtMost(1.1),
            raw: format!("{} MiB, {} MiB", late >> 20, early >> 20),
        });
    }
}
