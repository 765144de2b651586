//! Rounds: two or more claimants of one name, whose first winner releases at the very moment of its own expiry.

use std::{
    io::{IsTerminal, Write as _},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use concurrency_core::{
    Claim, Error, Lease, Lock, Released,
    clock::{self, BootInstant},
};
use fastrand::Rng;
use tokio::task::JoinSet;

use super::{
    Options,
    verdict::{Counts, Grant, stolen},
};

/// Names at once.
const NAMES: usize = 64;
/// Of every claim.
const TTL: Duration = Duration::from_millis(100);
/// The first winner releases so much before or after its own expiry, at most.
const AIM: Duration = Duration::from_millis(3);
/// How long a claimant waits: far longer than a round takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// Clients of the backend that the claimants of a round come from.
const CLIENTS: usize = 4;

/// Runs them and prints how it went.
pub(super) fn run(options: &Options) -> ExitCode {
    let rounds = options.rounds.unwrap_or(6400);
    let takes = (TTL + AIM) * u32::try_from(rounds.div_ceil(NAMES)).unwrap_or(u32::MAX);
    println!(
        "torture {}: {rounds} rounds over {NAMES} names at once, 2 to 4 claimants each, TTL 100 ms, seed {}: about {} s",
        options.target.name,
        options.seed,
        takes.as_secs() + 1
    );
    let counts = super::runtime().block_on(async {
        let connect = options.target.connect();
        let mut clients = Vec::with_capacity(CLIENTS);
        for _ in 0..CLIENTS {
            clients.push(connect().await.and_then(|client| client.lock("torture")).expect("the lock opens"));
        }
        let mut counts = all(&clients, rounds, options.seed).await;
        // One TTL after the end nothing holds a name any more.
        clock::sleep_until(BootInstant::now().after(TTL)).await;
        counts.left = left(&*clients[0]).await;
        counts
    });
    print!("{counts}");
    counts.exit_code()
}

async fn all(clients: &[Arc<dyn Lock>], rounds: usize, seed: u64) -> Counts {
    let done = Arc::new(AtomicUsize::new(0));
    let mut names = JoinSet::new();
    for name in 0..NAMES {
        let mine = rounds / NAMES + usize::from(name < rounds % NAMES);
        let (clients, done) = (clients.to_vec(), Arc::clone(&done));
        let rng = Rng::with_seed(seed.wrapping_mul(NAMES as u64).wrapping_add(name as u64));
        names.spawn(one_name(clients, name, mine, rng, done));
    }
    let progress = tokio::spawn(async move {
        while std::io::stderr().is_terminal() {
            clock::sleep_until(BootInstant::now().after(Duration::from_millis(500))).await;
            eprint!("\r{} of {rounds} rounds ", done.load(Ordering::Relaxed));
            drop(std::io::stderr().flush());
        }
    });
    let mut counts = Counts::of(rounds);
    while let Some(one) = names.join_next().await {
        counts.add(&one.expect("a name's rounds go on to their end"));
    }
    progress.abort();
    if std::io::stderr().is_terminal() {
        eprint!("\r{:30}\r", "");
    }
    counts
}

async fn one_name(
    clients: Vec<Arc<dyn Lock>>,
    name: usize,
    rounds: usize,
    mut rng: Rng,
    done: Arc<AtomicUsize>,
) -> Counts {
    let mut counts = Counts::of(rounds);
    let mut grants = Vec::new();
    for _ in 0..rounds {
        let order = Arc::new(AtomicUsize::new(0));
        let mut claimants = JoinSet::new();
        let some = rng.usize(2..=CLIENTS);
        for client in clients.iter().take(some) {
            let aim = Duration::from_micros(rng.u64(..=2 * AIM.as_micros() as u64));
            let (lock, order) = (Arc::clone(client), Arc::clone(&order));
            claimants.spawn(claimant(lock, format!("name {name}"), aim, order));
        }
        let mut turns = Vec::new();
        while let Some(turn) = claimants.join_next().await {
            turns.push(turn.expect("a claimant goes on to its end"));
        }
        counts.count(&turns);
        grants.extend(turns.into_iter().filter_map(|turn| turn.grant));
        done.fetch_add(1, Ordering::Relaxed);
    }
    counts.stolen = stolen(&mut grants);
    counts
}

/// How it went for one claimant.
pub(super) struct Turn {
    pub(super) asked: BootInstant,
    /// `None` where it was not granted the name, or not in time.
    pub(super) grant: Option<Grant>,
    /// What its release was answered, where it was the first winner of the round.
    pub(super) aimed: Option<Released>,
    pub(super) failed: Option<Error>,
}

async fn claimant(lock: Arc<dyn Lock>, name: String, aim: Duration, order: Arc<AtomicUsize>) -> Turn {
    let asked = BootInstant::now();
    let claim = Claim::new(&name, TTL).expect("the claim is valid");
    let lease = match lock.acquire(&claim, PATIENCE).await {
        Ok(lease) => lease,
        Err(error) => return Turn { asked, grant: None, aimed: None, failed: Some(error) },
    };
    let granted = BootInstant::now();
    let first = order.fetch_add(1, Ordering::AcqRel) == 0;
    if first {
        clock::sleep_until(granted.after(TTL + aim).before(AIM)).await;
    }
    let grant = Grant { from: granted, until: until(&lease), token: lease.fencing_token() };
    let released = lock.release(lease.claim(), Some(lease.fencing_token())).await;
    let (answer, failed) = released.map_or_else(|error| (None, Some(error)), |answer| (Some(answer), None));
    Turn { asked, grant: Some(grant), aimed: answer.filter(|_| first), failed }
}

/// The end of the time in which a holder that releases now believes in its lease.
fn until(lease: &Lease) -> BootInstant {
    lease.deadline().min(BootInstant::now())
}

/// How many names cannot be taken.
async fn left(lock: &dyn Lock) -> usize {
    let mut left = 0;
    for name in 0..NAMES {
        let claim = Claim::new(&format!("name {name}"), TTL).expect("the claim is valid");
        left += usize::from(!matches!(lock.try_acquire(&claim).await, Ok(Some(_))));
    }
    left
}
