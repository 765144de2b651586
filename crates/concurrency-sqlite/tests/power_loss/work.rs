//! What the writing process does: for each task a sequence of steps that everybody can compute, so that what is found can be
//! compared byte for byte with what it should be.

use concurrency_core::{AppendId, NewEvent};

/// How many tasks write at once, each one step after the other.
pub(crate) const TASKS: usize = 6;

/// The namespace of everything.
pub(crate) const NAMESPACE: &str = "power";

/// The caller's own table.
pub(crate) const THEIR_TABLE: &str = "CREATE TABLE IF NOT EXISTS theirs (task INTEGER, step INTEGER, body BLOB)";

/// One write of a task; steps count from 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) task: usize,
    pub(crate) number: u64,
}

/// What a step writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Three states in one commit.
    Commit,
    /// One to three events in one append.
    Append,
    /// Events, a state and a row of the caller's own, in one transaction.
    Together,
    /// A lock of its own, which is kept.
    Grant,
}

impl Step {
    pub(crate) fn kind(self) -> Kind {
        [Kind::Commit, Kind::Append, Kind::Together, Kind::Grant][usize::try_from(self.number % 4).expect("below 4")]
    }

    /// The keys of its states.
    pub(crate) fn keys(self) -> Vec<String> {
        keys_of(self.kind(), self.task)
    }

    pub(crate) fn lock(self) -> String {
        format!("{} {}", self.task, self.number)
    }

    pub(crate) fn append_id(self) -> AppendId {
        AppendId::named(&self.lock())
    }

    /// Its events, with the same bytes each time.
    pub(crate) fn events(self) -> Vec<NewEvent> {
        let count = match self.kind() {
            Kind::Append => 1 + self.number / 4 % 3,
            Kind::Together => 2,
            Kind::Commit | Kind::Grant => 0,
        };
        (0..count).map(|n| NewEvent::new(format!("{} {n}", self.number), self.body(10 + n))).collect()
    }

    /// Up to two pages of bytes, which are of no other step or part.
    pub(crate) fn body(self, part: u64) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(self.number * 1000 + self.task as u64 * 100 + part);
        let length = if part.is_multiple_of(3) { random.usize(0..8000) } else { random.usize(0..500) };
        let mut bytes = vec![0; length];
        random.fill(&mut bytes);
        bytes
    }
}

/// The name of a task's stream.
pub(crate) fn stream(task: usize) -> String {
    format!("stream {task}")
}

/// The states that steps of this kind write.
pub(crate) fn keys_of(kind: Kind, task: usize) -> Vec<String> {
    let parts: &[&str] = match kind {
        Kind::Commit => &["a", "b", "c"],
        Kind::Together => &["x"],
        Kind::Append | Kind::Grant => &[],
    };
    parts.iter().map(|part| format!("{task} {part}")).collect()
}
