//! Four processes that write to one file.

use std::{ffi::OsStr, path::Path, time::Duration};

use benches::{backends, pairs::median};

use super::{
    batches::Batches,
    operation::{Doing, Kind},
    ours::Ours,
};
use crate::{
    figure::{Figure, Report, Target, Wanted},
    names::Names,
    part::{Process, say, wait},
    turn::{Operation, Work},
};

const PROCESSES: usize = 4;
const TASKS: usize = 64;
const NAMES: Names = Names::users(1000);
/// How long they write at a time, and how often: the backend and what is by hand in turn.
const LASTS: Duration = Duration::from_secs(2);
const ROUNDS: usize = 5;

const EVEN: &str = "processes: 4 with 64 tasks each, saves of the slowest / of the fastest";
const WAIT: &str = "processes: 4 with 64 tasks each, longest wait / with SQLite's own handler";

pub(super) fn figures(wanted: &Wanted<'_>, report: &mut Report<'_>) {
    if !wanted(EVEN) && !wanted(WAIT) {
        return;
    }
    let rounds: Option<Vec<[Crew; 2]>> =
        (0..ROUNDS).map(|_| Some([Crew::write("processes-ours")?, Crew::write("processes-by-hand")?])).collect();
    let (even, wait, raw) = match rounds {
        Some(rounds) => {
            let [ours, by_hand] = [0, 1].map(|which| Crews::of(rounds.iter().map(|round| &round[which])));
            let wait = ours.longest.as_secs_f64() / by_hand.longest.as_secs_f64();
            (ours.evenness, wait, format!("{}; by hand {}", ours.raw(), by_hand.raw()))
        }
        None => (f64::NAN, f64::NAN, "the processes did not work".to_owned()),
    };
    for (name, value, target) in [(EVEN, even, Target::AtLeast(0.5)), (WAIT, wait, Target::AtMost(0.1))] {
        if wanted(name) {
            report(Figure { name: name.to_owned(), value, target, raw: raw.clone() });
        }
    }
}

/// What the processes of one run did.
#[derive(Debug)]
struct Crew {
    /// Saves of each process.
    saves: Vec<f64>,
    longest: Duration,
}

impl Crew {
    /// Has processes of this kind write to a new file. `None` where one of them cannot.
    fn write(part: &str) -> Option<Self> {
        let folder = backends::folder();
        let path = folder.path().join("shared.db");
        let runtime = backends::runtime();
        // The tables are there before the processes begin.
        runtime.block_on(runtime.block_on(Ours::open(&path)).ok()?.close());
        let mut crew: Vec<_> =
            (0..PROCESSES).map(|_| Process::start(part, path.as_os_str())).collect::<Result<_, _>>().ok()?;
        for process in &mut crew {
            process.hear().filter(|said| said == READY)?;
        }
        for process in &mut crew {
            process.go_on().ok()?;
        }
        let mut all = Self { saves: Vec::new(), longest: Duration::ZERO };
        for process in &mut crew {
            let said = process.hear()?;
            let (saves, longest) = said.split_once(' ')?;
            all.saves.push(saves.parse().ok()?);
            all.longest = all.longest.max(Duration::from_micros(longest.parse().ok()?));
        }
        Some(all)
    }

    fn slowest(&self) -> f64 {
        self.saves.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn fastest(&self) -> f64 {
        self.saves.iter().copied().fold(0.0, f64::max)
    }
}

/// All runs of one kind.
struct Crews {
    /// What the slowest process did for one write of the fastest: the median of the runs.
    evenness: f64,
    /// Of all runs.
    longest: Duration,
    /// Saves a second of all processes: the median of the runs.
    rate: f64,
}

impl Crews {
    fn of<'c>(crews: impl Iterator<Item = &'c Crew> + Clone) -> Self {
        let rate = |crew: &Crew| crew.saves.iter().sum::<f64>() / LASTS.as_secs_f64();
        Self {
            evenness: median(crews.clone().map(|crew| crew.slowest() / crew.fastest()).collect()),
            longest: crews.clone().map(|crew| crew.longest).max().unwrap_or_default(),
            rate: median(crews.map(rate).collect()),
        }
    }

    fn raw(&self) -> String {
        let Self { evenness, longest, rate } = self;
        format!("longest {:.1} ms, evenness {evenness:.2}, {rate:.0}/s", longest.as_secs_f64() * 1000.0)
    }
}

const READY: &str = "ready";

/// One of the processes, on the backend.
pub(super) fn ours(file: &OsStr) {
    let runtime = backends::runtime();
    let ours = runtime.block_on(Ours::open(Path::new(file))).expect("it opens");
    write(&runtime, &Doing(Kind::Save, ours));
}

/// One of the processes, by hand.
pub(super) fn by_hand(file: &OsStr) {
    write(&backends::runtime(), &Batches::open(Path::new(file)).expect("it opens"));
}

fn write(runtime: &tokio::runtime::Runtime, save: &impl Operation) {
    let work = Work { names: NAMES, tasks: TASKS, lasts: LASTS };
    // Everything is open and prepared when it begins.
    runtime.block_on(save.once(&NAMES.at(0)));
    say(READY);
    wait();
    let turn = work.turn(runtime, save, std::process::id() as usize);
    say(format_args!("{} {}", turn.done, turn.longest.as_micros()));
}
