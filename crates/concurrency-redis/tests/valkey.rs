//! The suite on Valkey, by a login that may do no more than is documented for Redis.

mod login;
mod rights;

use std::{
    sync::{
        Arc, Once,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use concurrency_conformance::{Case, Component, Harness, Verdict, cache, event, lock, state};
use concurrency_core::Backend;
use concurrency_redis::{Redis, RedisConfig};
use servers::{Kind, Server, Setup, Shared};

/// Cases at once: they wait most of the time.
const AT_ONCE: usize = 8;

static SERVER: Shared = Shared::new(Kind::Valkey, Setup::new().durable());
static LOGIN: Once = Once::new();

fn harness<C: Component + ?Sized>(server: &'static Server) -> Harness<C> {
    Harness::backend(move || async move {
        let config = RedisConfig::from_url(server.url())?.operation_timeout(Duration::from_secs(20));
        Ok(Arc::new(Redis::connect(config.user("shop").password(login::PASSWORD)).await?) as Arc<dyn Backend>)
    })
}

fn run<C: Component + ?Sized>(cases: &[Case<C>]) {
    let Some(server) = SERVER.get() else { return };
    LOGIN.call_once(|| rights::set_user(&mut login::admin(server), "shop", &rights::rights()));
    let (next, passed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match harness::<C>(server).run(case, 1) {
                        Verdict::Passed => drop(passed.fetch_add(1, Ordering::Relaxed)),
                        Verdict::NotDeclared => {}
                        Verdict::Failed(why) => panic!("{}::{}::{}: {why}", C::KIND, case.group, case.name),
                    }
                }
            });
        }
    });
    let passed = passed.into_inner();
    println!("{server}, {}: {passed} of {} cases passed", C::KIND, cases.len());
    assert!(passed * 2 > cases.len(), "it proved nothing");
}

#[test]
fn states() {
    run(state::CASES);
}

#[test]
fn caches() {
    run(cache::CASES);
}

#[test]
fn locks() {
    run(lock::CASES);
}

#[test]
fn events() {
    run(event::CASES);
}
