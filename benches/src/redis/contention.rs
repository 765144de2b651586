//! Fifty who want the same lock, in one process and in ten.

use std::ffi::OsStr;

use benches::pairs::median;

use super::{
    contender::{DONE, Held, LASTS, READY},
    stage::{SCRIPTS, Stage},
};
use crate::{
    figure::{Figure, Report, Target, Wanted},
    part::Process,
};

/// How often they run.
const RUNS: usize = 3;

/// Who wants it.
struct Crowd {
    name: &'static str,
    part: &'static str,
    processes: usize,
}

const CROWDS: &[Crowd] = &[
    Crowd { name: "50 tasks of one process", part: "redis-50-contenders", processes: 1 },
    Crowd { name: "5 tasks in each of 10 processes", part: "redis-5-contenders", processes: 10 },
];

/// What is wanted of them.
const WANTED: &[(&str, Target)] = &[
    ("attempts an acquisition", Target::AtMost(1.05)),
    ("hand-over / PING", Target::AtMost(6.0)),
    ("longest wait / median", Target::AtMost(1.5)),
    ("acquisitions a second / at two PINGs each", Target::AtLeast(0.6)),
];

pub(super) fn figures(wanted: &Wanted<'_>, report: &mut Report<'_>) {
    for crowd in CROWDS {
        let names: Vec<_> = WANTED.iter().map(|(what, _)| format!("lock, {}: {what}", crowd.name)).collect();
        if !names.iter().any(|name| wanted(name)) {
            continue;
        }
        let Some(stage) = Stage::open() else { return };
        let runs: Option<Vec<Run>> = (0..RUNS).map(|_| crowd.run(&stage)).collect();
        let values = runs.map_or_else(nothing, |runs| Run::values(&runs));
        for ((name, (value, raw)), (_, target)) in names.into_iter().zip(values).zip(WANTED) {
            if wanted(&name) {
                report(Figure { name, value, target: *target, raw });
            }
        }
    }
}

fn nothing() -> [(f64, String); 4] {
    std::array::from_fn(|_| (f64::NAN, "the processes did not work".to_owned()))
}

impl Crowd {
    /// `None` where a process fails.
    fn run(&self, stage: &Stage) -> Option<Run> {
        let url = OsStr::new(stage.url());
        let mut crowd: Vec<_> =
            (0..self.processes).map(|_| Process::start(self.part, url)).collect::<Result<_, _>>().ok()?;
        for process in &mut crowd {
            process.hear().filter(|said| said == READY)?;
        }
        let before = stage.calls(SCRIPTS);
        for process in &mut crowd {
            process.go_on().ok()?;
        }
        let round_trip = stage.round_trip(LASTS);
        let mut all = Vec::new();
        for process in &mut crowd {
            loop {
                match &*process.hear()? {
                    DONE => break,
                    said => all.push(Held::heard(said)?),
                }
            }
        }
        // Each acquisition has a release.
        let attempts = (stage.calls(SCRIPTS) - before - all.len() as u64) as f64 / all.len() as f64;
        Some(Run::of(all, attempts, stage.runtime.block_on(round_trip).ok()?))
    }
}

/// What came of one run. Times are nanoseconds.
struct Run {
    attempts: f64,
    round_trip: f64,
    /// From a release that is called to the next one who runs.
    hand_over: f64,
    wait: f64,
    longest_wait: f64,
    work: f64,
    /// Acquisitions a second.
    rate: f64,
}

impl Run {
    fn of(mut all: Vec<Held>, attempts: f64, round_trip: f64) -> Self {
        all.sort_by_key(|held| held.running);
        let lasts = LASTS.as_nanos() as u64;
        let begin = all.first().map_or(0, |held| held.wanted);
        // Afterwards nobody stands in line again.
        all.retain(|held| held.running < begin + lasts);
        let nanos = |of: &dyn Fn(&Held) -> u64| all.iter().map(|held| of(held) as f64).collect::<Vec<_>>();
        let waits = nanos(&|held| held.running - held.wanted);
        let hand_overs = all.windows(2).map(|two| two[1].running.saturating_sub(two[0].releasing) as f64).collect();
        Self {
            attempts,
            round_trip,
            hand_over: median(hand_overs),
            longest_wait: waits.iter().copied().fold(0.0, f64::max),
            wait: median(waits),
            work: median(nanos(&|held| held.releasing - held.running)),
            rate: all.len() as f64 / LASTS.as_secs_f64(),
        }
    }

    /// Of several runs the median, in the order of [`WANTED`], and what stands behind it.
    fn values(runs: &[Self]) -> [(f64, String); 4] {
        let of = |value: &dyn Fn(&Self) -> f64| median(runs.iter().map(value).collect());
        let micros = |value: &dyn Fn(&Self) -> f64| of(value) / 1e3;
        let bound = |run: &Self| 1e9 / (run.work + 2.0 * run.round_trip);
        let ping = micros(&|run| run.round_trip);
        [
            (of(&|run| run.attempts), "scripts less one release each".to_owned()),
            (
                of(&|run| run.hand_over / run.round_trip),
                format!("{:.0} \u{b5}s; PING {ping:.1} \u{b5}s", micros(&|run| run.hand_over)),
            ),
            (
                of(&|run| run.longest_wait / run.wait),
                format!(
                    "{:.1} ms, median {:.1} ms; of the {RUNS} runs {}",
                    micros(&|run| run.longest_wait) / 1e3,
                    micros(&|run| run.wait) / 1e3,
                    each(runs, |run| run.longest_wait / run.wait),
                ),
            ),
            (
                of(&|run| run.rate / bound(run)),
                format!("{:.0}/s with {:.0} \u{b5}s of work", of(&|run| run.rate), micros(&|run| run.work)),
            ),
        ]
    }
}

fn each(runs: &[Run], value: impl Fn(&Run) -> f64) -> String {
    runs.iter().map(|run| format!("{:.2}", value(run))).collect::<Vec<_>>().join(", ")
}
