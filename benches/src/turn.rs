//! A turn: tasks that do one thing over and over, for a while.

use std::time::Duration;

use concurrency_core::clock::BootInstant;
use tokio::runtime::Runtime;

use crate::names::Names;

/// Something that is done over and over.
pub(crate) trait Operation: Clone + Send + Sync + 'static {
    /// Does it once, with what is called so.
    fn once(&self, name: &str) -> impl Future<Output = ()> + Send;
}

/// What there is to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    /// What operations name: each task its own part, so that no two want the same.
    pub(crate) names: Names,
    pub(crate) tasks: usize,
    /// How long. What has begun by then is finished, and counts.
    pub(crate) lasts: Duration,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    pub(crate) done: usize,
    pub(crate) took: Duration,
    /// The longest that one operation took.
    pub(crate) longest: Duration,
}

impl Turn {
    /// From the first beginning to the last end, by operations.
    pub(crate) fn nanos(&self) -> f64 {
        self.took.as_nanos() as f64 / self.done as f64
    }
}

impl Work {
    /// Has it done. Another round names others.
    pub(crate) fn turn(self, runtime: &Runtime, operation: &impl Operation, round: usize) -> Turn {
        assert!(self.names.count >= self.tasks, "a name for each task");
        let began = BootInstant::now();
        let until = began.after(self.lasts);
        let tasks: Vec<_> =
            (0..self.tasks).map(|task| runtime.spawn(self.part(operation.clone(), task, round, until))).collect();
        let mut turn = Turn { done: 0, took: Duration::ZERO, longest: Duration::ZERO };
        for task in tasks {
            let (done, longest) = runtime.block_on(task).expect("it goes on to the end");
            turn = Turn { done: turn.done + done, longest: turn.longest.max(longest), ..turn };
        }
        Turn { took: BootInstant::now().since(began), ..turn }
    }

    async fn part(self, operation: impl Operation, task: usize, round: usize, until: BootInstant) -> (usize, Duration) {
        let mut random = fastrand::Rng::with_seed((round * self.tasks + task) as u64);
        let own = self.names.count / self.tasks;
        let (mut done, mut longest, mut before) = (0, Duration::ZERO, BootInstant::now());
        loop {
            operation.once(&self.names.at(random.usize(..own) * self.tasks + task)).await;
            let now = BootInstant::now();
            done += 1;
            longest = longest.max(now.since(before));
            if now >= until {
                return (done, longest);
            }
            before = now;
        }
    }
}
