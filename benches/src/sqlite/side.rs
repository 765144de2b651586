//! Side by side with what one writes without the backend.

use std::{
    error::Error,
    path::{Path, PathBuf},
    time::Duration,
};

use benches::{
    backends,
    pairs::{self, Times},
};
use tokio::runtime::Runtime;

use super::{
    by_hand::ByHand,
    fill,
    operation::{Doing, Kind},
    ours::Ours,
    with_sqlx::WithSqlx,
};
use crate::{
    figure::{Figure, Report, Target, Wanted},
    names::Names,
    turn::Work,
};

/// Keys, streams and names of locks.
const NAMES: Names = Names::users(1000);
/// The backend.
const OURS: &str = "concurrency";
/// A pool of so many connections on rusqlite.
const RUSQLITE: &str = "rusqlite";
const CONNECTIONS: usize = 8;
const SQLX: &str = "sqlx";

/// What is compared, and how many times as fast the backend is to be.
struct Comparison {
    what: &'static str,
    kind: Kind,
    tasks: usize,
    least: &'static [(&'static str, f64)],
}

const COMPARISONS: &[Comparison] = &[
    Comparison { what: "load", kind: Kind::Load, tasks: 1, least: &[(RUSQLITE, 2.0)] },
    Comparison { what: "load", kind: Kind::Load, tasks: 16, least: &[(RUSQLITE, 0.9), (SQLX, 2.0)] },
    Comparison { what: "load", kind: Kind::Load, tasks: 64, least: &[(RUSQLITE, 0.9), (SQLX, 2.0)] },
    Comparison { what: "save", kind: Kind::Save, tasks: 1, least: &[(RUSQLITE, 0.8)] },
    Comparison { what: "save", kind: Kind::Save, tasks: 64, least: &[(RUSQLITE, 2.0), (SQLX, 5.0)] },
    Comparison { what: "append", kind: Kind::Append, tasks: 1, least: &[(RUSQLITE, 0.8)] },
    Comparison { what: "append", kind: Kind::Append, tasks: 64, least: &[(RUSQLITE, 2.0), (SQLX, 5.0)] },
    Comparison { what: "lock, acquire and release", kind: Kind::Lock, tasks: 1, least: &[(RUSQLITE, 0.8)] },
    Comparison {
        what: "lock, acquire and release",
        kind: Kind::Lock,
        tasks: 64,
        least: &[(RUSQLITE, 2.0), (SQLX, 5.0)],
    },
];

pub(super) fn figures(wanted: &Wanted<'_>, report: &mut Report<'_>) {
    let comparisons: Vec<_> =
        COMPARISONS.iter().filter(|one| one.least.iter().any(|(other, _)| wanted(&one.name(other)))).collect();
    if comparisons.is_empty() {
        return;
    }
    let runtime = backends::runtime();
    let folder = backends::folder();
    let everybody = Everybody::open(&runtime, folder.path()).expect("they open their files");
    for comparison in comparisons {
        let times = everybody.compare(&runtime, comparison);
        for (other, least) in comparison.least.iter().filter(|(other, _)| wanted(&comparison.name(other))) {
            report(Figure {
                name: comparison.name(other),
                value: times.ratio(OURS, other),
                target: Target::AtLeast(*least),
                raw: format!("{}, {}", times.raw(OURS), times.raw(other)),
            });
        }
    }
    everybody.close(&runtime);
}

impl Comparison {
    fn name(&self, other: &str) -> String {
        let Self { what, tasks, .. } = self;
        let plural = if *tasks == 1 { "" } else { "s" };
        format!("{what}: {OURS} / {other}, {tasks} task{plural}")
    }

    /// How many turns, and how long one is: some hundred loads or commits by one task; longer where tasks wait for each other,
    /// because SQLite's own handler sleeps for up to 100 ms.
    fn turns(&self) -> (usize, Duration) {
        let (rounds, millis) = match (self.kind, self.tasks) {
            (Kind::Load, _) => (25, 20),
            (_, 1) => (25, 100),
            _ => (9, 250),
        };
        (rounds, Duration::from_millis(millis))
    }
}

/// Each with a file of its own, in which the same stands.
struct Everybody {
    ours: Ours,
    by_hand: ByHand,
    with_sqlx: WithSqlx,
}

impl Everybody {
    fn open(runtime: &Runtime, folder: &Path) -> Result<Self, Box<dyn Error>> {
        let path = |name: &str| -> PathBuf { folder.join(name) };
        for who in [OURS, RUSQLITE, SQLX] {
            let filler = runtime.block_on(Ours::open(&path(who)))?;
            fill::keys(runtime, &filler, NAMES);
            fill::events(runtime, &filler, NAMES, 1);
            runtime.block_on(filler.close());
        }
        runtime.block_on(async {
            let ours = Ours::open(&path(OURS)).await?;
            let with_sqlx = WithSqlx::open(&path(SQLX)).await?;
            Ok(Self { ours, by_hand: ByHand::open(&path(RUSQLITE), CONNECTIONS)?, with_sqlx })
        })
    }

    fn compare(&self, runtime: &Runtime, comparison: &Comparison) -> Times {
        let Comparison { kind, tasks, least, .. } = *comparison;
        let (rounds, lasts) = comparison.turns();
        let work = Work { names: NAMES, tasks, lasts };
        let ours = |round| work.turn(runtime, &Doing(kind, self.ours.clone()), round).nanos();
        let by_hand = |round| work.turn(runtime, &Doing(kind, self.by_hand.clone()), round).nanos();
        let with_sqlx = |round| work.turn(runtime, &Doing(kind, self.with_sqlx.clone()), round).nanos();
        let all: [(&str, &dyn Fn(usize) -> f64); 3] = [(OURS, &ours), (RUSQLITE, &by_hand), (SQLX, &with_sqlx)];
        let all: Vec<_> =
            all.into_iter().filter(|(who, _)| *who == OURS || least.iter().any(|(other, _)| other == who)).collect();
        pairs::rounds(all.iter().map(|(who, _)| *who).collect(), rounds, |i, round| all[i].1(round))
    }

    fn close(self, runtime: &Runtime) {
        runtime.block_on(async {
            self.ours.close().await;
            self.with_sqlx.close().await;
        });
    }
}
