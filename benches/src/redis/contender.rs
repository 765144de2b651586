//! A process of those who want the same lock.

use std::{ffi::OsStr, thread, time::Duration};

use benches::backends;
use concurrency_core::{Claim, Lock, clock::BootInstant};

use super::{
    lock::{PATIENCE, TTL},
    ours::Ours,
};
use crate::part::{say, wait};

/// What everybody wants.
const NAME: &str = "contended";
/// What whoever has it does: waits for something, as most work does, without holding up others of its process.
const WORK: Duration = Duration::from_micros(500);
/// How long they go on. Whoever waits then still gets it, and that does not count.
pub(super) const LASTS: Duration = Duration::from_secs(3);
/// What a process says first and last.
pub(super) const READY: &str = "ready";
pub(super) const DONE: &str = "done";

/// An acquisition: nanoseconds since the boot, which all processes of a machine count alike.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) wanted: u64,
    pub(super) running: u64,
    pub(super) releasing: u64,
}

impl Held {
    fn say(self) {
        let Self { wanted, running, releasing } = self;
        say(format_args!("{wanted} {running} {releasing}"));
    }

    pub(super) fn heard(said: &str) -> Option<Self> {
        let mut numbers = said.split(' ').map(|number| number.parse().ok());
        Some(Self { wanted: numbers.next()??, running: numbers.next()??, releasing: numbers.next()?? })
    }
}

/// Five tasks, on a server.
pub(super) fn five(url: &OsStr) {
    contend(url, 5);
}

/// Fifty tasks, on a server.
pub(super) fn fifty(url: &OsStr) {
    contend(url, 50);
}

fn contend(url: &OsStr, tasks: usize) {
    let runtime = backends::runtime();
    let ours = runtime.block_on(Ours::open(url.to_str().expect("a URL"))).expect("it connects");
    say(READY);
    wait();
    let until = BootInstant::now().after(LASTS);
    let tasks: Vec<_> = (0..tasks).map(|_| runtime.spawn(take_turns(ours.clone(), until))).collect();
    for task in tasks {
        let all = runtime.block_on(task).expect("it goes on to the end");
        all.into_iter().for_each(Held::say);
    }
    say(DONE);
}

async fn take_turns(ours: Ours, until: BootInstant) -> Vec<Held> {
    let now = || u64::try_from(BootInstant::now().since_boot().as_nanos()).expect("584 years fit");
    let mut all = Vec::new();
    while !until.has_passed() {
        let claim = Claim::new(NAME, TTL).expect("a good claim");
        let wanted = now();
        let lease = ours.lock.acquire(&claim, PATIENCE).await.expect("its turn comes");
        let running = now();
        tokio::task::spawn_blocking(|| thread::sleep(WORK)).await.expect("it sleeps");
        let releasing = now();
        ours.lock.release(&claim, Some(lease.fencing_token())).await.expect("released");
        all.push(Held { wanted, running, releasing });
    }
    all
}
