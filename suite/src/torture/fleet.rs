//! Claimants in processes of their own: this program again, told what to claim and when to release, and killed where it hurts.
//!
//! A process is told in lines on its standard input and answers on its standard output; [`part`](super::part) is the other end.
//! One that is to be killed has just said that it was granted a name, and has not been told to release it: it holds the name.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use concurrency_core::{FencingToken, clock::BootInstant};
use tokio::sync::mpsc;

use super::{
    part::{Said, instant},
    rounds::Turn,
    verdict::Grant,
};

/// So many processes are killed while they hold a name, spread over all rounds.
pub(super) const KILLS: usize = 32;

/// The processes of a run.
#[derive(Debug)]
pub(super) struct Fleet {
    parts: Vec<Arc<Part>>,
    start: Start,
    rounds: usize,
    done: Arc<AtomicUsize>,
    last_id: AtomicUsize,
    kills: Mutex<Kills>,
}

/// How a process is started.
#[derive(Debug, Clone)]
struct Start {
    backend: &'static str,
    address: String,
}

#[derive(Debug, Default)]
struct Kills {
    /// Asked for so far.
    begun: usize,
    /// Of processes that held a live lease when they were dead.
    holding: usize,
}

/// One place in the fleet: when its process is killed, another takes it.
#[derive(Debug, Default)]
struct Part {
    process: Mutex<Option<Process>>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    input: ChildStdin,
    answers: Arc<Answers>,
    /// It was killed, so that its end is no failure.
    is_killed: bool,
}

/// Who waits for answers, by the number of the claim; `None` when the process is gone.
#[derive(Debug)]
struct Answers(Mutex<Option<HashMap<usize, mpsc::UnboundedSender<Said>>>>);

impl Fleet {
    /// Starts so many processes on the store at this address.
    pub(super) fn start(
        backend: &'static str,
        address: &str,
        processes: usize,
        rounds: usize,
        done: &Arc<AtomicUsize>,
    ) -> std::io::Result<Self> {
        let start = Start { backend, address: address.to_owned() };
        let parts: Vec<_> = (0..processes).map(|_| Arc::<Part>::default()).collect();
        for part in &parts {
            *part.process() = Some(start.process()?);
        }
        let (done, kills) = (Arc::clone(done), Mutex::default());
        Ok(Self { parts, start, rounds, done, last_id: AtomicUsize::new(0), kills })
    }

    /// Processes that were killed while they held a name.
    pub(super) fn killed_holding(&self) -> usize {
        self.kills.lock().unwrap_or_else(PoisonError::into_inner).holding
    }

    /// One claimant's part in a round, in one of the processes.
    pub(super) async fn turn(&self, which: usize, name: usize, aim: Duration, order: &AtomicUsize) -> Turn {
        let part = &self.parts[which % self.parts.len()];
        let id = self.last_id.fetch_add(1, Ordering::Relaxed);
        let asked = BootInstant::now();
        let Some(mut answers) = part.claim(id, name) else { return Turn::gone(asked, None) };
        let (from, until, token) = match answers.recv().await {
            Some(Said::Granted { from, until, token, .. }) => (instant(from), instant(until), FencingToken(token)),
            Some(Said::Failed { why, .. }) => return Turn::failed(asked, None, why),
            _ => return Turn::gone(asked, None),
        };
        let is_first = order.fetch_add(1, Ordering::AcqRel) == 0;
        if is_first && self.is_time_to_kill(until) {
            self.kill(part, until);
            // The dead cannot release it, so nobody else may have it before the end.
            return Turn { is_first, ..Turn::gone(asked, Some(Grant { from, until, token })) };
        }
        part.tell(&format!("release {id} {}", if is_first { aim.as_micros().to_string() } else { "now".to_owned() }));
        match answers.recv().await {
            Some(Said::Released { until, given, .. }) => {
                let grant = Some(Grant { from, until: instant(until), token });
                let aimed = given.found().filter(|_| is_first);
                Turn { asked, grant, is_first, aimed, repeats: given.repeats, failed: None, is_gone: false }
            }
            Some(Said::Failed { why, .. }) => Turn::failed(asked, Some(Grant { from, until: from, token }), why),
            // Its release may have been done: how long it believed in its lease is not known.
            _ => Turn { is_first, ..Turn::gone(asked, Some(Grant { from, until: from, token })) },
        }
    }

    /// A process that holds a name is killed each time when another part of the rounds is done.
    fn is_time_to_kill(&self, until: BootInstant) -> bool {
        let mut kills = self.kills.lock().unwrap_or_else(PoisonError::into_inner);
        let due = self.done.load(Ordering::Relaxed) * (KILLS + 2) / self.rounds.max(1);
        // The last part goes without, so that nobody dead stands in line at the end.
        let is_time = kills.begun < due.min(KILLS) && !until.has_passed();
        kills.begun += usize::from(is_time);
        is_time
    }

    fn kill(&self, part: &Arc<Part>, until: BootInstant) {
        let killed = {
            let mut process = part.process();
            let Some(process) = process.as_mut() else { return };
            process.is_killed = true;
            process.child.kill().and_then(|()| process.child.wait())
        };
        let was_holding = killed.is_ok() && !until.has_passed();
        self.kills.lock().unwrap_or_else(PoisonError::into_inner).holding += usize::from(was_holding);
        let next = self.start.process();
        *part.process() = next.ok();
    }

    /// Ends all processes; how many of them had failed by themselves.
    pub(super) fn end(self) -> usize {
        let mut failed = 0;
        for part in &self.parts {
            let Some(Process { mut child, input, is_killed, .. }) = part.process().take() else {
                failed += 1;
                continue;
            };
            // It ends when nobody can tell it anything any more.
            drop(input);
            failed += usize::from(!is_killed && !child.wait().is_ok_and(|status| status.success()));
        }
        failed
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for part in &self.parts {
            if let Some(mut process) = part.process().take() {
                // Somebody panicked; nobody is left behind.
                drop(process.child.kill().and_then(|()| process.child.wait()));
            }
        }
    }
}

impl Start {
    fn process(&self) -> std::io::Result<Process> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["torture", "--backend", self.backend, "--part", &self.address]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (input, output) = (input.expect("it was asked for"), output.expect("it was asked for"));
        let answers = Arc::new(Answers(Mutex::new(Some(HashMap::new()))));
        let heard = Arc::clone(&answers);
        thread::Builder::new().name("part".to_owned()).spawn(move || {
            let told = BufReader::new(output).lines().map_while(Result::ok);
            for said in told.filter_map(|line| Said::parse(&line)) {
                heard.hand_on(said);
            }
            drop(heard.waiting().take());
        })?;
        Ok(Process { child, input, answers, is_killed: false })
    }
}

impl Answers {
    fn waiting(&self) -> MutexGuard<'_, Option<HashMap<usize, mpsc::UnboundedSender<Said>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand_on(&self, said: Said) {
        let mut waiting = self.waiting();
        let Some(waiting) = waiting.as_mut() else { return };
        let (id, is_last) = (said.id(), !matches!(said, Said::Granted { .. }));
        if let Some(answer) = waiting.get(&id) {
            // Nobody listens where the run was given up.
            drop(answer.send(said));
        }
        if is_last {
            waiting.remove(&id);
        }
    }
}

impl Part {
    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claim(&self, id: usize, name: usize) -> Option<mpsc::UnboundedReceiver<Said>> {
        let (answer, answers) = mpsc::unbounded_channel();
        self.process().as_ref()?.answers.waiting().as_mut()?.insert(id, answer);
        self.tell(&format!("claim {id} {name}"));
        Some(answers)
    }

    /// Whoever is dead does not hear it, and whoever waits for its answer is told so.
    fn tell(&self, line: &str) {
        if let Some(process) = self.process().as_mut() {
            drop(writeln!(process.input, "{line}"));
        }
    }
}
