//! What a hit costs, in relation to others.

use benches::{contenders, pairs, workload::Workload};

use crate::figure::{Figure, Report, Target, Wanted};

const RATIOS: &[(&str, &str, f64)] = &[
    ("get_now", "bare quick_cache", 0.85),
    ("get_now", "moka::sync", 2.5),
    ("Arc<dyn Cache>", "bare quick_cache", 0.55),
    ("Arc<dyn Cache>", "moka::sync", 1.8),
    ("Arc<dyn Cache>", "amalgam-cache", 1.8),
    ("typed near tier", "bare quick_cache", 1.0),
];

pub(super) fn figures(wanted: &Wanted<'_>, report: &mut Report<'_>) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut threads = vec![1, cores];
    threads.dedup();
    for workload in [Workload::uniform(), Workload::zipf()] {
        for threads in threads.iter().copied() {
            let plural = if threads == 1 { "" } else { "s" };
            let name = |who, to| format!("hit: {who} / {to}, {}, {threads} thread{plural}", workload.name);
            let ratios: Vec<_> = RATIOS.iter().filter(|(who, to, _)| wanted(&name(who, to))).collect();
            if ratios.is_empty() {
                continue;
            }
            let mut contenders = contenders::all(&workload);
            contenders.retain(|one| ratios.iter().any(|(who, to, _)| [*who, *to].contains(&one.name())));
            let times = pairs::measure(&contenders, &workload, threads);
            for (who, to, least) in ratios {
                report(Figure {
                    name: name(who, to),
                    value: times.ratio(who, to),
                    target: Target::AtLeast(*least),
                    raw: format!("{}, {}", times.raw(who), times.raw(to)),
                });
            }
        }
    }
}
