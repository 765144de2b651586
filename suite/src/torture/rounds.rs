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
    Claim, Lease, Lock, Released,
    clock::{self, BootInstant},
    margin,
};
use fastrand::Rng;
use tokio::task::JoinSet;

use super::{
    NOTHING, Options,
    fleet::Fleet,
    release::give_back,
    verdict::{Counts, Grant, stolen},
};
use crate::backends::Ready;

/// Names at once.
const NAMES: usize = 64;
/// Of every claim.
pub(super) const TTL: Duration = Duration::from_millis(100);
/// The first winner releases so much before or after its own expiry, at most.
const AIM: Duration = Duration::from_millis(3);
/// How long a claimant waits: far longer than a round takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// Clients of the backend that the claimants of a round come from.
const CLIENTS: usize = 4;

/// The namespace of all names.
pub(super) const NAMESPACE: &str = "torture";

/// Where the claimants of a round are.
#[derive(Debug, Clone)]
enum Claimants {
    /// In this process, as clients of their own.
    Here(Vec<Arc<dyn Lock>>),
    /// In processes of their own.
    There(Arc<Fleet>),
}

/// Runs them and prints how it went.
pub(super) fn run(options: &Options) -> ExitCode {
    let rounds = options.rounds.unwrap_or(6400);
    let on = match options.target.prepare(options.via) {
        Ok(ready) => ready,
        Err(why) => {
            eprintln!("error: {}: {why}", options.target.name);
            return ExitCode::from(NOTHING);
        }
    };
    let takes = (TTL + AIM) * u32::try_from(rounds.div_ceil(NAMES)).unwrap_or(u32::MAX);
    println!(
        "torture {on}: {rounds} rounds over {NAMES} names at once, 2 to 4 claimants each, in {}, TTL 100 ms, seed {}: about {} s",
        if options.processes > 1 { format!("{} processes", options.processes) } else { "one process".to_owned() },
        options.seed,
        takes.as_secs() + 1
    );
    let counts = super::runtime().block_on(run_all(options, &on, rounds));
    print!("{counts}");
    counts.exit_code()
}

async fn run_all(options: &Options, on: &Ready, rounds: usize) -> Counts {
    let store = on.store();
    // Where processes claim, this one needs a single client, to look at what is left.
    let address = store.address.as_deref().filter(|_| options.processes > 1);
    let mut clients = Vec::with_capacity(CLIENTS);
    for _ in 0..if address.is_some() { 1 } else { CLIENTS } {
        clients.push(store.connect().await.and_then(|client| client.lock(NAMESPACE)).expect("the lock opens"));
    }
    let (lock, done) = (Arc::clone(&clients[0]), Arc::new(AtomicUsize::new(0)));
    let fleet = address.map(|address| {
        let fleet = Fleet::start(options.target.name, address, options.processes, rounds, &done);
        Arc::new(fleet.expect("the processes start"))
    });
    let claimants = fleet.as_ref().map_or(Claimants::Here(clients), |fleet| Claimants::There(Arc::clone(fleet)));
    let mut counts = all(&claimants, rounds, options.seed, &done).await;
    drop(claimants);
    // One TTL after the end nothing holds a name any more.
    clock::sleep_until(BootInstant::now().after(TTL)).await;
    counts.left = left(&*lock).await;
    if let Some(fleet) = fleet.and_then(Arc::into_inner) {
        counts.killed = Some(fleet.killed_holding());
        counts.failed += fleet.end();
    }
    counts
}

async fn all(claimants: &Claimants, rounds: usize, seed: u64, done: &Arc<AtomicUsize>) -> Counts {
    let mut names = JoinSet::new();
    for name in 0..NAMES {
        let mine = rounds / NAMES + usize::from(name < rounds % NAMES);
        let (claimants, done) = (claimants.clone(), Arc::clone(done));
        let rng = Rng::with_seed(seed.wrapping_mul(NAMES as u64).wrapping_add(name as u64));
        names.spawn(one_name(claimants, name, mine, rng, done));
    }
    let done = Arc::clone(done);
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

async fn one_name(claimants: Claimants, name: usize, rounds: usize, mut rng: Rng, done: Arc<AtomicUsize>) -> Counts {
    let mut counts = Counts::of(rounds);
    let mut grants = Vec::new();
    for _ in 0..rounds {
        let order = Arc::new(AtomicUsize::new(0));
        let (mut asking, first) = (JoinSet::new(), rng.usize(..CLIENTS));
        for who in first..first + rng.usize(2..=CLIENTS) {
            let aim = Duration::from_micros(rng.u64(..=2 * AIM.as_micros() as u64));
            let (claimants, order) = (claimants.clone(), Arc::clone(&order));
            asking.spawn(async move {
                match claimants {
                    Claimants::Here(clients) => claimant(&*clients[who % CLIENTS], name, aim, &order).await,
                    Claimants::There(fleet) => fleet.turn(who, name, aim, &order).await,
                }
            });
        }
        let mut turns = Vec::new();
        while let Some(turn) = asking.join_next().await {
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
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) asked: BootInstant,
    /// `None` where it was not granted the name, or not in time.
    pub(super) grant: Option<Grant>,
    /// It was the first winner of the round.
    pub(super) is_first: bool,
    /// What its release was answered, where it was the first winner.
    pub(super) aimed: Option<Released>,
    /// How often its release was sent again.
    pub(super) repeats: usize,
    pub(super) failed: Option<String>,
    /// Its process was killed.
    pub(super) is_gone: bool,
}

impl Turn {
    pub(super) fn failed(asked: BootInstant, grant: Option<Grant>, why: String) -> Self {
        Self { asked, grant, is_first: false, aimed: None, repeats: 0, failed: Some(why), is_gone: false }
    }

    pub(super) fn gone(asked: BootInstant, grant: Option<Grant>) -> Self {
        Self { asked, grant, is_first: false, aimed: None, repeats: 0, failed: None, is_gone: true }
    }
}

pub(super) fn name_of(name: usize) -> String {
    format!("name {name}")
}

async fn claimant(lock: &dyn Lock, name: usize, aim: Duration, order: &AtomicUsize) -> Turn {
    let asked = BootInstant::now();
    let claim = Claim::new(&name_of(name), TTL).expect("the claim is valid");
    let lease = match lock.acquire(&claim, PATIENCE).await {
        Ok(lease) => lease,
        Err(error) => return Turn::failed(asked, None, format!("{error:?}")),
    };
    let granted = BootInstant::now();
    let is_first = order.fetch_add(1, Ordering::AcqRel) == 0;
    if is_first {
        clock::sleep_until(aimed_at(&lease, aim)).await;
    }
    let grant = Grant { from: granted, until: until(&lease), token: lease.fencing_token() };
    match give_back(lock, &lease).await {
        Ok(given) => {
            let aimed = given.found().filter(|_| is_first);
            Turn { asked, grant: Some(grant), is_first, aimed, repeats: given.repeats, failed: None, is_gone: false }
        }
        Err(error) => Turn { is_first, ..Turn::failed(asked, Some(grant), format!("{error:?}")) },
    }
}

/// Before or after the end of the lease by the holder's clock; the store counts from a little later than that.
pub(super) fn aimed_at(lease: &Lease, aim: Duration) -> BootInstant {
    lease.deadline().after(margin(lease.claim().ttl())).after(aim).before(AIM)
}

/// The end of the time in which a holder that releases now believes in its lease.
pub(super) fn until(lease: &Lease) -> BootInstant {
    lease.deadline().min(BootInstant::now())
}

/// How many names cannot be taken.
async fn left(lock: &dyn Lock) -> usize {
    let mut left = 0;
    for name in 0..NAMES {
        let claim = Claim::new(&name_of(name), TTL).expect("the claim is valid");
        left += usize::from(!matches!(lock.try_acquire(&claim).await, Ok(Some(_))));
    }
    left
}
