//! The writing process, as who stops and kills it sees it.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use concurrency_core::clock::BootInstant;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::work::TASKS;

/// So long it may take to say something.
const PATIENCE: Duration = Duration::from_secs(30);

/// What it has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Said {
    /// The last step of each task that it has begun.
    pub(crate) begun: [u64; TASKS],
    /// The last step of each task that was acknowledged.
    pub(crate) done: [u64; TASKS],
}

impl Said {
    /// How many writes are under way.
    pub(crate) fn in_flight(&self) -> usize {
        self.begun.iter().zip(self.done).filter(|(begun, done)| **begun > *done).count()
    }
}

pub(crate) struct Victim {
    child: Child,
    said: Arc<Mutex<Said>>,
    listener: Option<JoinHandle<()>>,
}

impl Victim {
    /// Starts it; it writes on from the steps that are done.
    pub(crate) fn start(path: &Path, done: [u64; TASKS]) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
        command.arg(crate::CHILD).arg(path).args(done.map(|step| step.to_string()));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("it starts");
        let said = Arc::new(Mutex::new(Said { begun: done, done }));
        let listener = std::thread::spawn({
            let (said, stdout) = (Arc::clone(&said), child.stdout.take().expect("it is piped"));
            move || listen(&said, stdout)
        });
        Self { child, said, listener: Some(listener) }
    }

    pub(crate) fn said(&self) -> Said {
        *self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when it has been acknowledged this many more steps.
    pub(crate) fn wait_for(&mut self, steps: u64) {
        let (deadline, sum) = (BootInstant::now().after(PATIENCE), |said: Said| said.done.iter().sum::<u64>());
        let wanted = sum(self.said()) + steps;
        while sum(self.said()) < wanted {
            assert!(!deadline.has_passed(), "the writing process does nothing for {PATIENCE:?}");
            assert!(matches!(self.child.try_wait(), Ok(None)), "the writing process has ended by itself");
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Stops it in the middle of whatever it does, looks, and lets it go on. What it has said is known at least as far as it was
    /// acknowledged by then.
    pub(crate) fn while_stopped<T>(&mut self, look: impl FnOnce() -> T) -> (Said, T) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::STOP).expect("it lives");
        let stopped = waitpid(Some(pid), WaitOptions::UNTRACED).expect("it is a child");
        assert!(stopped.is_some_and(|(_, status)| status.stopped()), "the writing process has ended by itself");
        // What it has said before stands in the pipe.
        std::thread::sleep(Duration::from_millis(2));
        let done = self.said();
        let seen = look();
        kill_process(pid, Signal::CONT).expect("it is stopped");
        (done, seen)
    }

    /// SIGKILL. Everything that it has said is known.
    pub(crate) fn kill(mut self) -> Said {
        self.child.kill().expect("it lives");
        let status = self.child.wait().expect("it is a child");
        assert_eq!(status.code(), None, "the writing process has ended by itself");
        self.listener.take().expect("once").join().expect("it listens to the end");
        self.said()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // It has ended already, unless something is wrong.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn listen(said: &Mutex<Said>, stdout: ChildStdout) {
    let (mut reader, mut line) = (BufReader::new(stdout), String::new());
    while reader.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
        // Its last words may be half a line.
        let Some(whole) = line.strip_suffix('\n') else { return };
        let words: Vec<_> = whole.split(' ').collect();
        let [what, task, step] = words[..] else { panic!("the writing process says {line:?}") };
        let (task, step): (usize, u64) = (task.parse().expect("a task"), step.parse().expect("a step"));
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        match what {
            "begun" => said.begun[task] = step,
            "done" => said.done[task] = step,
            _ => panic!("the writing process says {line:?}"),
        }
        drop(said);
        line.clear();
    }
}
