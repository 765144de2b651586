//! Level 5: histories under fire, on the backends that were asked for.

mod failovers;

use std::{
    fs::File,
    io::Write as _,
    net::{SocketAddr, ToSocketAddrs},
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use concurrency_conformance::{
    Histories,
    fault::{self, Ground, Plan, Proxied, Subject, Tally, channel::Channel},
};
use concurrency_core::{Backend, clock::BootInstant};
use concurrency_redis::{Redis, RedisConfig};
use servers::{Kind, Server, Setup};

use crate::{
    options::Options,
    parallel::{in_order, processors},
};

/// So many histories by real time are run at once: each waits most of its time.
const REAL_AT_ONCE: usize = 24;
/// So many are judged before the next ones begin.
const BATCH: u64 = 60;
/// What a call may take by real time.
const OPERATION_TIMEOUT: Duration = Duration::from_millis(250);
/// How many shorter plans are tried, and how often each before it counts as one that does not fail.
#[derive(Clone, Copy)]
struct Effort {
    plans: usize,
    tries: usize,
}

/// The same plan gives the same history.
const VIRTUAL: Effort = Effort { plans: 400, tries: 1 };
/// It does not, and each takes seconds.
const REAL: Effort = Effort { plans: 40, tries: 3 };
/// What `proved nothing` ends with.
const PROVED_NOTHING: u8 = 2;

/// What is run on, and what it needs.
struct Place {
    name: String,
    ground: Box<dyn Ground>,
    at_once: usize,
    effort: Effort,
    _server: Option<Server>,
}

/// How it went so far.
#[derive(Default)]
struct Sum {
    passed: u64,
    failed: u64,
    skipped: u64,
    proved_nothing: bool,
}

/// Runs it.
pub(crate) fn run(options: &Options) -> ExitCode {
    crate::silence_panics();
    let names: Vec<_> = if options.backends.is_empty() { vec!["memory".to_owned()] } else { options.backends.clone() };
    let histories = match options.history.as_deref().map(File::create).transpose() {
        Ok(file) => file.map(collect),
        Err(error) => {
            eprintln!("error: the file for histories: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut sum = Sum::default();
    let mut lacks = false;
    for name in &names {
        let place = match failovers::run(name, options, &mut sum) {
            Some(Ok(())) => continue,
            Some(Err(why)) => Err(why),
            None => prepare(name, options),
        };
        let place = match place {
            Ok(place) => place,
            Err(why) => {
                println!("NOT RUN {name}: {why}");
                sum.skipped += 1;
                lacks |= options.require.iter().any(|required| required == name || required == "all");
                continue;
            }
        };
        for subject in subjects(options) {
            hunt(&place, subject, options, histories.as_ref(), &mut sum);
        }
    }
    let Sum { passed, failed, skipped, proved_nothing } = sum;
    let skipped = if skipped == 0 { String::new() } else { format!(", {skipped} skipped") };
    println!("{passed} passed, {failed} failed{skipped}");
    if passed == 0 {
        println!("nothing was run");
    }
    match (failed > 0 || passed == 0 || lacks, proved_nothing) {
        (true, _) => ExitCode::FAILURE,
        (false, true) => ExitCode::from(PROVED_NOTHING),
        (false, false) => ExitCode::SUCCESS,
    }
}

/// Those whose name is part of `--case`, or contains it; that of a plan.
fn subjects(options: &Options) -> Vec<Subject> {
    if let Some(plan) = &options.plan {
        return vec![plan.subject];
    }
    let is_wanted =
        |subject: &&Subject| subject.word().contains(&options.case) || options.case.contains(subject.word());
    Subject::ALL.iter().filter(is_wanted).copied().collect()
}

fn prepare(name: &str, options: &Options) -> Result<Place, String> {
    let kind = match name {
        "memory" => {
            let (name, ground) = ("memory, lossy channel".to_owned(), Box::new(Channel::memory()));
            return Ok(Place { name, ground, at_once: processors(), effort: VIRTUAL, _server: None });
        }
        "redis" => Kind::Redis,
        "valkey" => Kind::Valkey,
        _ => return Err("level 5 does not reach it in this version".to_owned()),
    };
    let server = Server::start(kind, options.via, &Setup::new().durable()).map_err(|why| why.to_string())?;
    let address = address(server.url()).ok_or("its address is not one of TCP without TLS")?;
    let ground = Proxied::new(address, |port| async move {
        let config = RedisConfig::new("127.0.0.1").port(port).operation_timeout(OPERATION_TIMEOUT);
        Ok(Arc::new(Redis::connect(config).await?) as Arc<dyn Backend>)
    });
    let name = format!("{server}, proxies");
    Ok(Place { name, ground: Box::new(ground), at_once: REAL_AT_ONCE, effort: REAL, _server: Some(server) })
}

fn address(url: &str) -> Option<SocketAddr> {
    let authority = url.strip_prefix("redis://")?.split('/').next()?;
    authority.rsplit('@').next()?.to_socket_addrs().ok()?.next()
}

/// All rounds of one subject on one backend.
fn hunt(place: &Place, subject: Subject, options: &Options, histories: Option<&Histories>, sum: &mut Sum) {
    let end = options.lasts.map(|lasts| BootInstant::now().after(lasts));
    let rounds = match &options.plan {
        Some(_) => 1,
        None => options.rounds.unwrap_or(if end.is_some() { u64::MAX } else { 20 }),
    };
    let (mut tally, mut violations) = (Tally::default(), Vec::new());
    let (mut next, last) = (options.seed, options.seed.saturating_add(rounds));
    while next < last && violations.is_empty() && !end.is_some_and(BootInstant::has_passed) {
        let seeds: Vec<u64> = (next..last.min(next.saturating_add(BATCH))).collect();
        next = next.saturating_add(BATCH);
        let plan = |seed: &u64| match &options.plan {
            Some(plan) => plan.clone(),
            None => Plan::draw(subject, *seed, place.ground.kinds()),
        };
        let work = |seed: &u64| fault::run(&*place.ground, &plan(seed), histories);
        in_order(&seeds, place.at_once, work, |seed, outcome| {
            tally.add(&outcome.tally);
            violations.extend(outcome.violation.map(|why| (plan(seed), why)));
        });
    }
    println!("{}, {}:\n{tally}\nviolations {}", place.name, subject.word(), violations.len());
    sum.failed += violations.len() as u64;
    sum.passed += tally.histories - violations.len() as u64;
    if let Some((plan, why)) = violations.into_iter().next() {
        println!("VIOLATION seed {}: {why}", plan.seed);
        tell_shortest(place, &plan, options);
    } else if options.plan.is_none()
        && let Err(why) = tally.proves()
    {
        // A plan of the caller's is what it is.
        println!("proved nothing: {why}");
        sum.proved_nothing = true;
    }
}

/// The shortest plan that still fails, as a command.
fn tell_shortest(place: &Place, plan: &Plan, options: &Options) {
    let mut last = None;
    let shortest = fault::shrink(plan, place.effort.plans, |plan| {
        let found = (0..place.effort.tries).find_map(|_| fault::run(&*place.ground, plan, None).violation);
        let fails = found.is_some();
        last = found.or(last.take());
        fails
    });
    let backend = options.backends.first().map_or("memory", String::as_str);
    println!(
        "the shortest plan found: {} faults, {} clients, {} turns",
        shortest.faults.len(),
        shortest.clients,
        shortest.turns
    );
    println!("    {}", last.unwrap_or_else(|| "it did not fail again".to_owned()));
    println!("    cargo xtask conformance --level 5 --backend {backend} --plan {shortest}");
}

fn collect(file: File) -> Histories {
    let file = Mutex::new(file);
    Arc::new(move |lines| {
        let written = file.lock().unwrap_or_else(PoisonError::into_inner).write_all(lines);
        written.expect("the file for histories takes what is written");
    })
}
