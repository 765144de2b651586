//! A lock that nobody else wants.

use std::time::Duration;

use benches::pairs::median;
use concurrency_core::{Claim, Lock, clock::BootInstant};

use super::{
    ours::Ours,
    raw::Raw,
    stage::{SCRIPTS, Stage},
};
use crate::figure::{Figure, Report, Target, Wanted};

const REQUESTS: &str = "lock, uncontended: requests an acquisition";
const PINGS: &str = "lock, uncontended: acquisition / PING";

/// So many names are acquired and counted.
const COUNTED: usize = 1000;
/// So many acquisitions are timed, each beside a `PING`.
const TIMED: usize = 10_000;
/// How long a lease counts, and how long a name may be waited for: it is free.
pub(super) const TTL: Duration = Duration::from_secs(30);
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn figures(wanted: &Wanted<'_>, report: &mut Report<'_>) {
    if !wanted(REQUESTS) && !wanted(PINGS) {
        return;
    }
    let Some(stage) = Stage::open() else { return };
    let ours = stage.ours();
    // From then on the server knows the scripts.
    stage.runtime.block_on(acquire_and_release(&ours, "first"));
    if wanted(REQUESTS) {
        report(requests(&stage, &ours));
    }
    if wanted(PINGS) {
        let timing = stage.runtime.spawn(time(ours, stage.raw()));
        let (acquisition, release, ping) = stage.runtime.block_on(timing).expect("it goes on to the end");
        let micros = |nanos: f64| nanos / 1000.0;
        let (ours, release, round_trip) = (micros(acquisition), micros(release), micros(ping));
        report(Figure {
            name: PINGS.to_owned(),
            value: acquisition / ping,
            target: Target::AtMost(1.6),
            raw: format!("{ours:.1} \u{b5}s, and {release:.1} to release; PING {round_trip:.1} \u{b5}s"),
        });
    }
}

fn requests(stage: &Stage, ours: &Ours) -> Figure {
    let requests = || stage.calls(SCRIPTS) + stage.calls(&["ping"]);
    let before = requests();
    stage.runtime.block_on(async {
        for i in 0..COUNTED {
            let claim = Claim::new(&format!("counted:{i}"), TTL).expect("a good claim");
            ours.lock.acquire(&claim, PATIENCE).await.expect("it is free");
        }
    });
    let requests = requests() - before;
    Figure {
        name: REQUESTS.to_owned(),
        value: requests as f64 / COUNTED as f64,
        target: Target::AtMost(1.0),
        raw: format!("{requests} for {COUNTED}"),
    }
}

async fn acquire_and_release(ours: &Ours, name: &str) {
    let claim = Claim::new(name, TTL).expect("a good claim");
    let lease = ours.lock.acquire(&claim, PATIENCE).await.expect("it is free");
    ours.lock.release(&claim, Some(lease.fencing_token())).await.expect("released");
}

/// An acquisition, a release and a `PING` in turn: the nanoseconds of each, the median of all.
async fn time(ours: Ours, raw: Raw) -> (f64, f64, f64) {
    let mut nanos = [const { Vec::new() }; 3];
    for i in 0..TIMED {
        let claim = Claim::new(&format!("timed:{}", i % COUNTED), TTL).expect("a good claim");
        let began = BootInstant::now();
        let lease = ours.lock.acquire(&claim, PATIENCE).await.expect("it is free");
        let acquired = BootInstant::now();
        ours.lock.release(&claim, Some(lease.fencing_token())).await.expect("released");
        let released = BootInstant::now();
        raw.ping().await;
        let ended = BootInstant::now();
        let took = [acquired.since(began), released.since(acquired), ended.since(released)];
        for (nanos, took) in nanos.iter_mut().zip(took) {
            nanos.push(took.as_nanos() as f64);
        }
    }
    let [acquisitions, releases, pings] = nanos.map(median);
    (acquisitions, releases, pings)
}
