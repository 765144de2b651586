//! The suite, on one server for all cases.

use std::sync::{Arc, LazyLock};

use concurrency_conformance::{Component, Harness};
use concurrency_core::Backend;
use concurrency_redis::{Redis, RedisConfig};
use servers::{Kind, Server, Setup};

/// What it has answered is on disk, so that the most is declared and has to hold.
static SERVER: LazyLock<Option<Server>> =
    LazyLock::new(|| servers::for_test(Kind::Redis, None, &Setup::new().durable()));

/// `None` where no server can be had, and none has to be.
fn harness<C: Component + ?Sized>() -> Option<Harness<C>> {
    let url = SERVER.as_ref()?.url();
    Some(Harness::backend(move || async move {
        Ok(Arc::new(Redis::connect(RedisConfig::from_url(url)?).await?) as Arc<dyn Backend>)
    }))
}

/// Ends the test where there is no server.
macro_rules! harness {
    () => {
        match harness() {
            Some(harness) => harness,
            None => return,
        }
    };
}

concurrency_conformance::state_store!(harness!());
concurrency_conformance::lock!(harness!());
