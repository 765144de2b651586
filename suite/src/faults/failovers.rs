//! Failovers under load, on sets of servers that are started for it.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc, time::Duration};

use concurrency_conformance::fault::outage::{self, Blow, Load, Round, Servers};
use concurrency_core::{Backend, clock::BootInstant};
use concurrency_redis::{Redis, RedisConfig};
use servers::{Kind, SentinelOutages, Sentinels, Setup, Via};

use super::Sum;
use crate::options::Options;

/// Each kind of blow five times.
const ROUNDS: u64 = 20;
/// What a call may take: less than most failovers.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(3);

/// A set, and how a client of it is opened.
struct Place {
    name: String,
    config: RedisConfig,
    servers: Box<dyn Servers>,
}

/// What is run on such sets: `None` for another backend.
///
/// # Errors
/// Why there is none.
fn prepare(name: &str, via: Option<Via>) -> Option<Result<Place, String>> {
    let kind = Kind::find(name.strip_suffix("-sentinel")?)?;
    Some(sentinels(kind, via))
}

fn sentinels(kind: Kind, via: Option<Via>) -> Result<Place, String> {
    if via == Some(Via::Url) {
        return Err("servers of somebody else's are not struck".to_owned());
    }
    let set = Sentinels::start(kind, via, &Setup::new().durable()).map_err(|why| why.to_string())?;
    let config = RedisConfig::from_url(set.url()).map_err(|why| why.to_string())?;
    Ok(Place { name: set.to_string(), config, servers: Box::new(SentinelOutages::new(set)) })
}

/// Runs it, where the backend of this name is one of sets; `None` for another one.
///
/// # Errors
/// Why it was not run.
pub(super) fn run(name: &str, options: &Options, sum: &mut Sum) -> Option<Result<(), String>> {
    let place = match prepare(name, options.via)? {
        Ok(place) => place,
        Err(why) => return Some(Err(why)),
    };
    let name = place.name.clone();
    let mut rounds = Vec::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let ended = runtime.expect("a runtime starts").block_on(fall_by_turns(place, options, &mut rounds));
    println!("{name}, failovers under load:\n{}", table(&rounds));
    sum.passed += rounds.len() as u64;
    match ended {
        Ok(()) => {
            println!("violations 0");
            for why in proves_nothing(&rounds) {
                println!("proved nothing: {why}");
                sum.proved_nothing = true;
            }
        }
        Err(why) => {
            println!("violations 1\nVIOLATION in round {}: {why}", rounds.len() + 1);
            sum.failed += 1;
        }
    }
    Some(Ok(()))
}

async fn fall_by_turns(place: Place, options: &Options, rounds: &mut Vec<Round>) -> Result<(), String> {
    let Place { config, mut servers, .. } = place;
    let config = config.operation_timeout(OPERATION_TIMEOUT);
    let connect = async || Ok(Arc::new(Redis::connect(config.clone()).await?) as Arc<dyn Backend>);
    let mut load = Load::start(connect).await.map_err(|why| why.to_string())?;
    let end = options.lasts.map(|lasts| BootInstant::now().after(lasts));
    let most = options.rounds.unwrap_or(if end.is_some() { u64::MAX } else { ROUNDS });
    for (number, blow) in (1..=most).zip(servers.blows().iter().cycle()) {
        let round = outage::fall(&mut *servers, *blow, &mut load).await?;
        println!("{number} {round}");
        rounds.push(round);
        if end.is_some_and(BootInstant::has_passed) {
            break;
        }
    }
    load.end().await
}

/// By kind of blow.
fn by_blow(rounds: &[Round]) -> BTreeMap<&'static str, (Blow, Vec<&Round>)> {
    let mut kinds = BTreeMap::new();
    for round in rounds {
        kinds.entry(round.blow.name).or_insert_with(|| (round.blow, Vec::new())).1.push(round);
    }
    kinds
}

/// Of each kind of blow why none of its rounds has shown anything.
fn proves_nothing(rounds: &[Round]) -> Vec<String> {
    let unproved = |(name, (_, rounds)): (&str, (Blow, Vec<&Round>))| {
        let why: Vec<_> = rounds.iter().map(|round| round.proves_nothing()).collect::<Option<_>>()?;
        Some(format!("{name}: {}", why.first()?))
    };
    by_blow(rounds).into_iter().filter_map(unproved).collect()
}

/// Unavailability by kind of blow and component, and what was lost.
fn table(rounds: &[Round]) -> String {
    let mut text = format!(
        "{:<20} {:>6} {:<8} {:>9} {:>9} {:>9} {:>10} {:>8}\n",
        "blow", "rounds", "tasks", "least ms", "median", "most", "unanswered", "lost"
    );
    for (name, (_, rounds)) in by_blow(rounds) {
        let whats = rounds.first().map(|round| round.seen.iter().map(|seen| seen.what).collect::<Vec<_>>());
        for what in whats.unwrap_or_default() {
            let of: Vec<_> = rounds.iter().flat_map(|round| &round.seen).filter(|seen| seen.what == what).collect();
            let mut without: Vec<_> = of.iter().map(|seen| seen.without.as_millis()).collect();
            without.sort_unstable();
            let (least, most) =
                (without.first().copied().unwrap_or_default(), without.last().copied().unwrap_or_default());
            let median = without.get(without.len() / 2).copied().unwrap_or_default();
            let unanswered: usize = of.iter().map(|seen| seen.unanswered).sum();
            let lost: usize = of.iter().map(|seen| seen.lost).sum();
            let count = rounds.len();
            writeln!(
                text,
                "{name:<20} {count:>6} {what:<8} {least:>9} {median:>9} {most:>9} {unanswered:>10} {lost:>8}"
            )
            .expect("a string takes all");
        }
    }
    let sum = |of: fn(&Round) -> usize| rounds.iter().map(of).sum::<usize>();
    let (told, twice) = (sum(|round| usize::from(round.told)), sum(|round| round.held_twice));
    let (caught, back) = (sum(|round| round.caught), sum(|round| round.went_back));
    let (first, second) = ("rounds in which the follower was told of a loss", "writes of earlier holders caught");
    writeln!(text, "{first} {told}; names held twice {twice}; {second} {caught}; positions back {back}")
        .expect("a string takes all");
    text
}
