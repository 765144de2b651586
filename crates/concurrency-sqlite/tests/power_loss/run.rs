//! The rounds: start, look, kill, compare.

use std::{fmt, path::Path, time::Duration};

use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{
    audit::audit,
    image::{Image, torn, without_pages},
    victim::{Said, Victim},
    work::{Kind, Step, TASKS},
};

const KILLS: usize = 200;
/// So often a file is killed before the next one is begun.
const KILLS_PER_FILE: usize = 8;
/// In every so many rounds the file is copied, too.
const COPY_EVERY: usize = 3;

/// What was done and seen.
#[derive(Debug, Default)]
struct Counts {
    kills: usize,
    in_flight: usize,
    acknowledged: u64,
    beyond: u64,
    copies: usize,
    torn: usize,
    torn_beyond: u64,
    without_pages: usize,
    false_claims: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, in_flight, acknowledged, beyond, copies, torn, torn_beyond, without_pages, false_claims } =
            self;
        writeln!(f, "power loss: {kills} kills, {in_flight} of them with a write in flight")?;
        writeln!(
            f,
            "  {acknowledged} writes acknowledged, and all of them found; {beyond} found beyond the acknowledged"
        )?;
        writeln!(f, "  {copies} copies taken in the middle of the work")?;
        writeln!(
            f,
            "  {torn} with a torn end of the log, in which {torn_beyond} writes were found beyond the acknowledged"
        )?;
        writeln!(f, "  {without_pages} without some of the pages that a checkpoint had written")?;
        write!(f, "  {false_claims} of {false_claims} false claims noticed")
    }
}

impl Counts {
    /// Fewer than these, and the run has not been where it hurts.
    fn check(&self) {
        let Self { kills, in_flight, acknowledged, beyond, copies, torn, torn_beyond, without_pages, false_claims } =
            *self;
        let enough = kills == KILLS
            && in_flight >= KILLS / 2
            && acknowledged >= 10 * KILLS as u64
            && beyond >= 5
            && copies >= 50
            && torn >= 20
            && torn_beyond >= 5
            && without_pages >= 5
            && false_claims >= KILLS / KILLS_PER_FILE;
        assert!(enough, "that proves nothing: too little of something happened");
    }
}

pub(crate) fn run() {
    let seed = std::env::var("CONCURRENCY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mut test = Test {
        random: fastrand::Rng::with_seed(seed),
        runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"),
        counts: Counts::default(),
    };
    println!("power loss: seed {seed}");
    while test.counts.kills < KILLS {
        test.file();
    }
    println!("{}", test.counts);
    test.counts.check();
}

struct Test {
    random: fastrand::Rng,
    runtime: Runtime,
    counts: Counts,
}

impl Test {
    /// One file, and those who write to it one after the other until they are killed.
    fn file(&mut self) {
        let folder = tempfile::tempdir().expect("there is room for a temporary folder");
        let path = folder.path().join("power.db");
        let mut done = [0; TASKS];
        for _ in 0..KILLS_PER_FILE {
            let mut victim = Victim::start(&path, done);
            victim.wait_for(self.random.u64(1..25));
            if self.counts.kills.is_multiple_of(COPY_EVERY) {
                self.copies(&mut victim, &path);
                victim.wait_for(1);
            }
            std::thread::sleep(Duration::from_micros(self.random.u64(0..3000)));
            let said = victim.kill();
            self.counts.kills += 1;
            self.counts.in_flight += usize::from(said.in_flight() > 0);
            self.counts.acknowledged += sum(said.done) - sum(done);
            // A copy, so that the next process finds the file as this one has left it.
            done = self.audit("after SIGKILL", &Image::of(&path), said);
            self.counts.beyond += sum(done) - sum(said.done);
        }
        self.false_claim(&Image::of(&path), done);
    }

    /// The audit itself is tested: it notices that one more write is said to have been acknowledged.
    fn false_claim(&mut self, image: &Image, mut done: [u64; TASKS]) {
        let task = self.random.usize(0..TASKS);
        let next = Step { task, number: done[task] + 1 };
        // Where the system has no locks, the grant of one cannot be seen.
        done[task] += if next.kind() == Kind::Grant { 2 } else { 1 };
        let folder = tempfile::tempdir().expect("there is room for a temporary folder");
        let path = folder.path().join("copy.db");
        image.write(&path);
        let found = self.runtime.block_on(audit(&path, Said { begun: done, done }));
        assert!(found.is_err(), "the audit finds what is not there: {done:?}");
        self.counts.false_claims += 1;
    }

    /// Stops the process twice, and audits what a loss of power might have left of its file.
    fn copies(&mut self, victim: &mut Victim, path: &Path) {
        let (first, before) = victim.while_stopped(|| Image::of(path));
        std::thread::sleep(Duration::from_micros(self.random.u64(1000..15_000)));
        let (second, after) = victim.while_stopped(|| Image::of(path));
        self.counts.copies += 2;
        self.audit("copied while it was stopped", &before, first);
        self.audit("copied while it was stopped again", &after, second);
        if let Some(image) = torn(&before, &after, &mut self.random) {
            let found = self.audit("with a torn log", &image, Said { done: first.done, begun: second.begun });
            self.counts.torn += 1;
            self.counts.torn_beyond += sum(found) - sum(first.done);
        }
        if let Some(image) = without_pages(&before, &after, &mut self.random) {
            self.audit("without pages of a checkpoint", &image, second);
            self.counts.without_pages += 1;
        }
    }

    /// The last step of each task that is there.
    fn audit(&self, what: &str, image: &Image, said: Said) -> [u64; TASKS] {
        let folder = tempfile::tempdir().expect("there is room for a temporary folder");
        let path = folder.path().join("copy.db");
        image.write(&path);
        match self.runtime.block_on(audit(&path, said)) {
            Ok(found) => found,
            Err(wrong) => {
                panic!("{what}, kill {}: {wrong}\nthe file is kept: {}", self.counts.kills, keep(folder, image))
            }
        }
    }
}

fn sum(steps: [u64; TASKS]) -> u64 {
    steps.iter().sum()
}

/// As it was before anybody opened it.
fn keep(folder: TempDir, image: &Image) -> String {
    let folder = folder.keep();
    image.write(&folder.join("kept.db"));
    folder.display().to_string()
}
