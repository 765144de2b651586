//! Side by side with the same commands and scripts by hand, and with OpenDAL.

use std::{cell::OnceCell, time::Duration};

use benches::pairs::{self, Times};
use tokio::runtime::Runtime;

use super::{
    operation::{Doing, Kind},
    ours::Ours,
    raw::Raw,
    stage::Stage,
    with_opendal::{Get, Set, WithOpendal},
};
use crate::{
    figure::{Figure, Report, Target, Wanted},
    names::Names,
    turn::Work,
};

/// Keys of caches and states, and streams.
pub(super) const NAMES: Names = Names::users(1000);
/// Keys of values that are swapped.
pub(super) const SWAPPED: Names = Names { prefix: "swapped:", count: 1000 };
/// The backend.
const OURS: &str = "concurrency";
/// One connection of the driver.
const RAW: &str = "redis-rs";
const OPENDAL: &str = "OpenDAL";
/// So many tasks at once.
const TASKS: &[usize] = &[1, 16, 64, 256];
/// How many turns there are, and how long one is: short ones, so that both sides have the same weather.
const ROUNDS: usize = 31;
const TURN: Duration = Duration::from_millis(40);

/// What is compared, and how many times as fast the backend is to be.
struct Subject {
    what: &'static str,
    kind: Kind,
    names: Names,
    least: &'static [(&'static str, f64)],
}

const SUBJECTS: &[Subject] = &[
    Subject { what: "get", kind: Kind::Get, names: NAMES, least: &[(RAW, 0.9), (OPENDAL, 1.9)] },
    Subject { what: "set", kind: Kind::Set, names: NAMES, least: &[(RAW, 0.9), (OPENDAL, 1.9)] },
    Subject { what: "get_many of 64", kind: Kind::GetMany, names: NAMES, least: &[(RAW, 0.85)] },
    Subject { what: "save", kind: Kind::Save, names: NAMES, least: &[(RAW, 0.9)] },
    Subject { what: "compare-and-swap", kind: Kind::Swap, names: SWAPPED, least: &[(RAW, 0.9)] },
    Subject { what: "append", kind: Kind::Append, names: NAMES, least: &[(RAW, 0.8)] },
];

pub(super) fn figures(wanted: &Wanted<'_>, report: &mut Report<'_>) {
    let everybody = OnceCell::new();
    for subject in SUBJECTS {
        for tasks in TASKS {
            let is_wanted = |(other, _): &&(&str, f64)| wanted(&subject.name(other, *tasks));
            let least: Vec<_> = subject.least.iter().filter(is_wanted).collect();
            if least.is_empty() {
                continue;
            }
            let Some((stage, everybody)) = everybody.get_or_init(Everybody::open) else { return };
            let times = everybody.compare(&stage.runtime, subject, *tasks);
            for (other, least) in least {
                report(Figure {
                    name: subject.name(other, *tasks),
                    value: times.ratio(OURS, other),
                    target: Target::AtLeast(*least),
                    raw: format!("{}, {}", times.raw(OURS), times.raw(other)),
                });
            }
        }
    }
}

impl Subject {
    fn name(&self, other: &str, tasks: usize) -> String {
        let plural = if tasks == 1 { "" } else { "s" };
        format!("{}: {OURS} / {other}, {tasks} task{plural}", self.what)
    }
}

/// Each with the same under names of its own.
struct Everybody {
    ours: Ours,
    raw: Raw,
    opendal: WithOpendal,
}

impl Everybody {
    /// With their server; `None` where there is none.
    fn open() -> Option<(Stage, Self)> {
        let stage = Stage::open()?;
        let (mut ours, raw) = (stage.ours(), stage.raw());
        let opendal = stage.runtime.block_on(async {
            ours.fill().await.expect("it fills");
            raw.fill().await;
            WithOpendal::open(stage.url()).await.expect("it fills")
        });
        Some((stage, Self { ours, raw, opendal }))
    }

    fn compare(&self, runtime: &Runtime, subject: &Subject, tasks: usize) -> Times {
        let Subject { kind, names, least, .. } = *subject;
        let work = Work { names, tasks, lasts: TURN };
        let ours = |round| work.turn(runtime, &Doing(kind, self.ours.clone()), round).nanos();
        let raw = |round| work.turn(runtime, &Doing(kind, self.raw.clone()), round).nanos();
        let opendal = |round| match kind {
            Kind::Get => work.turn(runtime, &Get(self.opendal.clone()), round).nanos(),
            _ => work.turn(runtime, &Set(self.opendal.clone()), round).nanos(),
        };
        let all: [(&str, &dyn Fn(usize) -> f64); 3] = [(OURS, &ours), (RAW, &raw), (OPENDAL, &opendal)];
        let takes_part = |who: &str| who == OURS || least.iter().any(|(other, _)| *other == who);
        let all: Vec<_> = all.into_iter().filter(|(who, _)| takes_part(who)).collect();
        pairs::rounds(all.iter().map(|(who, _)| *who).collect(), ROUNDS, |i, round| all[i].1(round))
    }
}
