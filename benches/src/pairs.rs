//! Measuring side by side: everybody takes turns in one process, and what counts is who was how much faster in the same
//! round. So it is the same for all when the machine slows down.

use std::sync::Barrier;

use concurrency_core::clock::BootInstant;

use crate::{contenders::Contender, workload::Workload};

/// How often everybody has a turn.
pub const ROUNDS: usize = 9;

/// How many questions a thread asks in one turn.
const QUESTIONS: usize = 200_000;

/// Nanoseconds a question or another operation, by contender and round.
#[derive(Debug)]
pub struct Times {
    names: Vec<&'static str>,
    nanos: Vec<Vec<f64>>,
}

/// Lets everybody have its turns, with so many threads asking at once.
#[must_use]
pub fn measure(contenders: &[Box<dyn Contender>], workload: &Workload, threads: usize) -> Times {
    let names = contenders.iter().map(|contender| contender.name()).collect();
    rounds(names, ROUNDS, |i, round| turn_of(&*contenders[i], workload, threads, round))
}

/// Lets each of these have so many turns. `turn` is told whose it is and the number of the round, and says how many nanoseconds
/// an operation took.
pub fn rounds(names: Vec<&'static str>, rounds: usize, mut turn: impl FnMut(usize, usize) -> f64) -> Times {
    let mut nanos = vec![Vec::new(); names.len()];
    for round in 0..=rounds {
        for next in 0..names.len() {
            // Another one begins each round.
            let i = (next + round) % names.len();
            let took = turn(i, round);
            // The first round warms up.
            if round > 0 {
                nanos[i].push(took);
            }
        }
    }
    Times { names, nanos }
}

fn turn_of(contender: &dyn Contender, workload: &Workload, threads: usize, round: usize) -> f64 {
    let start = Barrier::new(threads);
    let ask = |thread: usize| {
        let offset = (round * 7 + thread * 3) * 10_000 % (workload.trace.len() - QUESTIONS);
        let trace = &workload.trace[offset..offset + QUESTIONS];
        start.wait();
        let began = BootInstant::now();
        contender.ask(&workload.keys, trace);
        (began, BootInstant::now())
    };
    let times: Vec<_> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|thread| scope.spawn(move || ask(thread))).collect();
        let own = ask(0);
        others.into_iter().map(|other| other.join().expect("it asks to the end")).chain([own]).collect()
    });
    let began = times.iter().map(|(began, _)| *began).min().expect("somebody asked");
    let ended = times.iter().map(|(_, ended)| *ended).max().expect("somebody asked");
    ended.since(began).as_nanos() as f64 / (QUESTIONS * threads) as f64
}

impl Times {
    /// How many times as fast the one was as the other: the median of the rounds.
    ///
    /// # Panics
    /// If nobody is called so.
    #[must_use]
    pub fn ratio(&self, who: &str, to: &str) -> f64 {
        let (who, to) = (self.of(who), self.of(to));
        median(who.iter().zip(to).map(|(own, other)| other / own).collect())
    }

    /// The time of an operation: the median of the rounds, and the fastest and slowest.
    ///
    /// # Panics
    /// If nobody is called so.
    #[must_use]
    pub fn raw(&self, who: &str) -> String {
        let nanos = self.of(who);
        let (fastest, slowest) = nanos.iter().fold((f64::MAX, 0.0_f64), |(f, s), n| (f.min(*n), s.max(*n)));
        let median = median(nanos.to_vec());
        let (unit, is_worth) = if median < 1000.0 { ("ns", 1.0) } else { ("\u{b5}s", 1000.0) };
        let [median, fastest, slowest] = [median, fastest, slowest].map(|nanos| nanos / is_worth);
        format!("{who} {median:.1} {unit} ({fastest:.1} to {slowest:.1})")
    }

    fn of(&self, who: &str) -> &[f64] {
        let i = self.names.iter().position(|name| *name == who).expect("a contender of this name");
        &self.nanos[i]
    }
}

/// The middle one.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
