//! The suite, by a login that may do no more than is documented.

mod login;
mod rights;

use std::{
    sync::{Arc, Once},
    time::Duration,
};

use concurrency_conformance::{Component, Harness};
use concurrency_core::Backend;
use concurrency_redis::{CacheClear, Redis, RedisConfig};
use redis::cmd;
use servers::{Kind, Server, Setup, Shared};

/// What it has answered is on disk, so that the most is declared and has to hold.
static SERVER: Shared = Shared::new(Kind::Redis, Setup::new().durable());
/// Of locks, whose cases look at tenths of a second: what others write at the same time, 64 MiB in one batch, would hold them up on
/// the way to the disk. (That what is durable is kept shows in the tests of locks.)
static QUICK: Shared = Shared::new(Kind::Redis, Setup::new());

fn server() -> Option<&'static Server> {
    static LOGIN: Once = Once::new();
    let server = SERVER.get()?;
    LOGIN.call_once(|| rights::set_user(&mut login::admin(server), "shop", &rights::rights()));
    Some(server)
}

fn quick() -> Option<&'static Server> {
    static LOGIN: Once = Once::new();
    let server = QUICK.get()?;
    LOGIN.call_once(|| rights::set_user(&mut login::admin(server), "shop", &rights::rights()));
    Some(server)
}

fn harness<C: Component + ?Sized>(cache_clear: CacheClear) -> Harness<C> {
    harness_on(server(), cache_clear)
}

fn harness_on<C: Component + ?Sized>(server: Option<&'static Server>, cache_clear: CacheClear) -> Harness<C> {
    let Some(server) = server else { return Harness::missing("no redis") };
    Harness::backend(move || async move {
        // A machine that others keep busy may take seconds for the largest batch, which is nothing that the suite is about.
        let config = RedisConfig::from_url(server.url())?.operation_timeout(Duration::from_secs(20));
        let config = config.user("shop").password(login::PASSWORD).cache_clear(cache_clear);
        Ok(Arc::new(Redis::connect(config).await?) as Arc<dyn Backend>)
    })
}

concurrency_conformance::state_store!(harness(CacheClear::Scan));
concurrency_conformance::cache!(harness(CacheClear::Scan));
concurrency_conformance::lock!(harness_on(quick(), CacheClear::Scan));
concurrency_conformance::event_store!(harness(CacheClear::Scan));

/// The other way to clear a cache.
mod generations {
    use super::*;

    concurrency_conformance::cache!(harness(CacheClear::Generation));
}

/// All of them are what the suite above needs: it does not pass without.
#[test]
fn no_command_is_newer_than_the_oldest_version_that_will_do() {
    let Some(server) = server() else { return };
    let mut admin = login::admin(server);
    for right in rights::rights() {
        let Some(name) = right.strip_prefix('+') else { continue };
        let docs = cmd("COMMAND").arg("DOCS").arg(name).query(&mut admin).expect("Redis 7.0 or newer knows itself");
        let since = since(&docs).unwrap_or_else(|| panic!("{name}: {docs:?}"));
        let version: Vec<u32> = since.split('.').map_while(|number| number.parse().ok()).collect();
        assert!(version[..2] <= [6, 2][..], "{name} is as new as {since}");
    }
}

/// What stands behind `since`, first of the command itself, in flat arrays or in maps.
fn since(docs: &redis::Value) -> Option<String> {
    let mut words = Vec::new();
    flatten(docs, &mut words);
    let place = words.iter().position(|word| word == "since")?;
    words.into_iter().nth(place + 1)
}

fn flatten(value: &redis::Value, words: &mut Vec<String>) {
    match value {
        redis::Value::Array(values) => values.iter().for_each(|value| flatten(value, words)),
        redis::Value::Map(pairs) => pairs.iter().for_each(|(key, value)| {
            flatten(key, words);
            flatten(value, words);
        }),
        redis::Value::BulkString(bytes) => words.push(String::from_utf8_lossy(bytes).into_owned()),
        redis::Value::SimpleString(text) => words.push(text.clone()),
        _ => {}
    }
}
