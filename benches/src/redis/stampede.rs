//! Processes that all miss the same key.

use std::{convert::Infallible, ffi::OsStr, sync::Arc, time::Duration};

use benches::backends;
use concurrency_core::{TypedCache, clock::BootInstant};
use tokio::time::sleep;

use super::{ours::Ours, stage::Stage};
use crate::{
    figure::{Figure, Report, Target, Wanted},
    part::{Process, say, wait},
};

const LOADS: &str = "stampede: loads of a cold key by 16 processes";
const WAITS: &str = "stampede: ms that followers wait longer than the load, 99th percentile";

const PROCESSES: usize = 16;
/// So many keys, one after the other.
const KEYS: usize = 40;
/// How long a load takes.
const LOAD: Duration = Duration::from_millis(50);
/// What a process says when it is there.
const READY: &str = "ready";

pub(super) fn figures(wanted: &Wanted<'_>, report: &mut Report<'_>) {
    if !wanted(LOADS) && !wanted(WAITS) {
        return;
    }
    let Some(stage) = Stage::open() else { return };
    let all = stampede(&stage);
    let did_not_work = || "the processes did not work".to_owned();
    if wanted(LOADS) {
        let most = all.as_ref().map(|all| all.iter().map(Key::loads).max().unwrap_or_default());
        let raw = most.map_or_else(did_not_work, |most| format!("at most {most} of each of {KEYS} keys"));
        let value = most.map_or(f64::NAN, |most| most as f64);
        report(Figure { name: LOADS.to_owned(), value, target: Target::AtMost(1.0), raw });
    }
    if wanted(WAITS) {
        let mut waits: Vec<f64> = all.iter().flatten().flat_map(Key::waits).collect();
        waits.sort_by(f64::total_cmp);
        let of = |percent: usize| waits.get(waits.len() * percent / 100).copied().unwrap_or(f64::NAN);
        let last = waits.last().copied().unwrap_or(f64::NAN);
        let raw = format!("median {:.1} ms, longest {last:.1} ms, of {} waits for {LOAD:?}", of(50), waits.len());
        report(Figure { name: WAITS.to_owned(), value: of(99), target: Target::AtMost(20.0), raw });
    }
}

/// What the processes said of one key.
struct Key(Vec<Call>);

/// One process: how long it waited and, if it loaded, how long that took; in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Call {
    waited: f64,
    loaded: Option<f64>,
}

impl Key {
    fn loads(&self) -> usize {
        self.0.iter().filter(|call| call.loaded.is_some()).count()
    }

    /// How much longer than the load those waited who did not load.
    fn waits(&self) -> impl Iterator<Item = f64> {
        let load = self.0.iter().filter_map(|call| call.loaded).fold(f64::NAN, f64::min);
        self.0.iter().filter(|call| call.loaded.is_none()).map(move |call| call.waited - load)
    }
}

/// `None` where a process fails.
fn stampede(stage: &Stage) -> Option<Vec<Key>> {
    let url = OsStr::new(stage.url());
    let mut processes: Vec<_> =
        (0..PROCESSES).map(|_| Process::start("redis-stampede", url)).collect::<Result<_, _>>().ok()?;
    for process in &mut processes {
        process.hear().filter(|said| said == READY)?;
    }
    let key = |_| {
        for process in &mut processes {
            process.go_on().ok()?;
        }
        let heard = |process: &mut Process| {
            let said = process.hear()?;
            let (waited, loaded) = said.split_once(' ')?;
            Some(Call { waited: waited.parse().ok()?, loaded: loaded.parse().ok() })
        };
        Some(Key(processes.iter_mut().map(heard).collect::<Option<_>>()?))
    };
    (0..KEYS).map(key).collect()
}

/// One of the processes.
pub(super) fn call(url: &OsStr) {
    let runtime = backends::runtime();
    let ours = runtime.block_on(Ours::open(url.to_str().expect("a URL"))).expect("it connects");
    let cache = Arc::new(TypedCache::<Vec<u32>>::new(Arc::clone(&ours.cache)));
    say(READY);
    for key in 0..KEYS {
        wait();
        let cache = Arc::clone(&cache);
        let calling = runtime.spawn(async move {
            let (began, mut loaded) = (BootInstant::now(), None);
            let load = async {
                let began = BootInstant::now();
                sleep(LOAD).await;
                loaded = Some(BootInstant::now().since(began));
                Ok::<_, Infallible>(vec![7; 25])
            };
            cache.get_or_load(&format!("cold:{key}"), load).await.expect("it loads");
            (BootInstant::now().since(began), loaded)
        });
        let (waited, loaded) = runtime.block_on(calling).expect("it goes on to the end");
        let millis = |duration: Duration| (duration.as_secs_f64() * 1000.0).to_string();
        say(format_args!("{} {}", millis(waited), loaded.map_or("-".to_owned(), millis)));
    }
}
