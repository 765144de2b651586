//! What the clients of a history do, and the judgement of it.

mod event;
mod lock;
mod state;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use concurrency_core::{Backend, Outcome, Result, clock};
use fastrand::Rng;

use super::{Connect, Ended, Plan, Strikes, Subject};
use crate::{
    Histories, Time,
    history::{Answer, History},
    linear::{self, Model},
};

/// The keys that clients meet at, at the first a little more often.
const KEYS: [&str; 8] = ["hot", "k1", "k2", "k3", "k4", "k5", "k6", "k7"];

/// How often it is tried again where nothing is on trial: to connect, and to look at the end.
const TRIES: u32 = 10;

/// Each client's marks begin with its number, times this.
const MARKS: u64 = 1_000_000;

fn key(rng: &mut Rng) -> &'static str {
    if rng.u8(..8) == 0 { KEYS[0] } else { KEYS[rng.usize(..KEYS.len())] }
}

/// Where a history takes place.
pub(super) struct Scene<'s> {
    pub(super) plan: &'s Plan,
    pub(super) strikes: Strikes,
    pub(super) connect: Connect,
    pub(super) namespace: String,
    pub(super) time: Time,
    pub(super) histories: Option<&'s Histories>,
}

/// What a history came to.
#[derive(Debug)]
pub(super) struct Judgement {
    /// The marks of operations whose effect somebody was shown.
    pub(super) shown: BTreeSet<u64>,
    /// Why the contract is broken, if it is.
    pub(super) broken: Option<String>,
}

/// Lets the clients of a plan work, and judges what they saw.
///
/// # Errors
/// Those of opening the clients.
pub(super) async fn run(scene: &Scene<'_>) -> Result<Judgement> {
    match scene.plan.subject {
        Subject::State => state::run(scene).await,
        Subject::Lock => lock::run(scene).await,
        Subject::Events => event::run(scene).await,
    }
}

/// What every client has.
#[derive(Debug)]
struct Worker {
    number: u32,
    rng: Rng,
    strikes: Strikes,
    last_mark: u64,
    time: Time,
}

impl Worker {
    fn mark(&mut self) -> u64 {
        self.last_mark += 1;
        self.last_mark
    }

    fn begin(&self) {
        self.strikes.begin(self.number);
    }

    /// How many copies of its request may be under way.
    fn end(&self, outcome: Option<Outcome>, mark: Option<u64>) -> usize {
        self.strikes.end(self.number, Ended { outcome, mark })
    }

    /// Before the next turn. A client of real time has enough to wait for.
    async fn pause(&mut self) {
        if self.time == Time::Virtual {
            tokio::time::sleep(Duration::from_millis(self.rng.u64(..12))).await;
        }
    }
}

/// One client of a kind, which takes turns.
trait Client: Send + 'static {
    fn worker(&mut self) -> &mut Worker;
    fn turn(&mut self) -> impl Future<Output = ()> + Send;
}

impl Scene<'_> {
    /// The client of this number; one beyond those of the plan is struck by nothing but what strikes the server. On a busy
    /// machine connecting may take longer than the short time that calls are given here, so it is tried several times.
    async fn backend(&self, number: u32) -> Result<Arc<dyn Backend>> {
        let mut tries = 0;
        loop {
            match (self.connect)(number).await {
                Err(error) if error.is_retryable() && tries < TRIES => tries += 1,
                connected => return connected,
            }
        }
    }

    fn worker(&self, number: u32) -> Worker {
        let rng = Rng::with_seed(self.plan.seed.wrapping_mul(1000).wrapping_add(u64::from(number)));
        let last_mark = u64::from(number + 1) * MARKS;
        Worker { number, rng, strikes: self.strikes.clone(), last_mark, time: self.time }
    }

    /// All clients at once, each to the end of its turns.
    ///
    /// # Panics
    /// If one of them does: it saw what must not be.
    async fn let_work<C: Client>(&self, clients: Vec<C>) {
        let turns = self.plan.turns;
        let work = |mut client: C| async move {
            for _ in 0..turns {
                client.worker().pause().await;
                client.turn().await;
            }
        };
        let tasks: Vec<_> = clients.into_iter().map(|client| tokio::spawn(work(client))).collect();
        for task in tasks {
            if let Err(ended) = task.await {
                std::panic::resume_unwind(ended.into_panic());
            }
        }
    }

    /// Until what is held back has arrived, where that costs no time.
    async fn settle(&self) {
        if self.time == Time::Virtual {
            let longest = self.plan.faults.iter().map(|fault| fault.length).max().unwrap_or_default();
            clock::sleep_until(clock::BootInstant::now().after(longest * 2 + Duration::from_secs(1))).await;
        }
    }

    fn judge<M: Model>(&self, history: &History<M>) -> Option<String> {
        if let Some(histories) = self.histories {
            let mut lines = Vec::new();
            history.write(&self.plan.to_string(), &mut lines).expect("memory takes all");
            histories(&lines);
        }
        linear::check(history).err().map(|rejected| rejected.to_string())
    }
}

/// What an answer says of its call's effect, where it is an error.
fn outcome<A>(answer: &Answer<A>) -> Option<Outcome> {
    match answer {
        Answer::Ok(_) => None,
        Answer::NotApplied { .. } => Some(Outcome::NotApplied),
        Answer::Unknown { settled, .. } => Some(Outcome::Unknown { settled: *settled }),
    }
}
