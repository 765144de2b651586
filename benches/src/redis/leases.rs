//! A lot of leases, held by one process.

use std::{ffi::OsStr, sync::Arc, time::Duration};

use benches::backends;
use concurrency_core::{LockOptions, Locks, clock::BootInstant};
use rustix::time::{ClockId, clock_gettime};

use super::{
    lock::{PATIENCE, TTL},
    ours::Ours,
    stage::{SCRIPTS, Stage},
};
use crate::{
    figure::{Figure, Report, Target, Wanted},
    part::{Process, say, wait},
};

const NAME: &str = "leases: % of a core of the process that renews 100,000 of 30 s";

const LEASES: usize = 100_000;
/// So many tasks acquire them.
const TASKS: usize = 64;
/// How long they are watched: each is renewed at a third of its TTL.
const LASTS: Duration = Duration::from_secs(30);

pub(super) fn figures(wanted: &Wanted<'_>, report: &mut Report<'_>) {
    if !wanted(NAME) {
        return;
    }
    let Some(stage) = Stage::open() else { return };
    let (value, raw) = watch(&stage).unwrap_or((f64::NAN, "the process did not work".to_owned()));
    report(Figure { name: NAME.to_owned(), value, target: Target::AtMost(1.5), raw });
}

fn watch(stage: &Stage) -> Option<(f64, String)> {
    let mut process = Process::start("redis-leases", OsStr::new(stage.url())).ok()?;
    process.hear()?;
    let (before, requests) = (stage.server_time(), stage.calls(SCRIPTS));
    process.go_on().ok()?;
    let said = process.hear()?;
    let server = stage.server_time().checked_sub(before)?.as_secs_f64() / LASTS.as_secs_f64() * 100.0;
    let scripts = stage.calls(SCRIPTS) - requests;
    let (percent, renewals) = said.split_once(' ')?;
    let each = renewals.parse::<f64>().ok()? / scripts as f64;
    let raw = format!("{renewals} renewals in {LASTS:?}, {each:.0} a script; server {server:.1} %");
    Some((percent.parse().ok()?, raw))
}

/// Processor time that this process has used.
fn used() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec.unsigned_abs(), u32::try_from(used.tv_nsec).expect("below a second"))
}

/// The process that holds them.
pub(super) fn keep(url: &OsStr) {
    let runtime = backends::runtime();
    let ours = runtime.block_on(Ours::open(url.to_str().expect("a URL"))).expect("it connects");
    let locks = Locks::new(Arc::clone(&ours.lock));
    let acquiring = (0..TASKS).map(|task| {
        let locks = locks.clone();
        runtime.spawn(async move {
            let mut guards = Vec::new();
            for i in (task..LEASES).step_by(TASKS) {
                let options = LockOptions::new().with_ttl(TTL).with_timeout(PATIENCE);
                guards.push(locks.acquire(&format!("lease:{i}"), options).await.expect("it is free"));
            }
            guards
        })
    });
    let acquiring: Vec<_> = acquiring.collect();
    let _guards: Vec<_> =
        acquiring.into_iter().map(|task| runtime.block_on(task).expect("it goes on to the end")).collect();
    say("held");
    wait();
    let (before, counts, until) = (used(), locks.counts(), BootInstant::now().after(LASTS));
    runtime.block_on(concurrency_core::clock::sleep_until(until));
    let (used, now) = (used().saturating_sub(before), locks.counts());
    assert_eq!(now.losses, 0, "all are held");
    say(format_args!("{} {}", used.as_secs_f64() / LASTS.as_secs_f64() * 100.0, now.renewals - counts.renewals));
    // Nobody waits for a hundred thousand releases: the server ends.
    std::process::exit(0);
}
