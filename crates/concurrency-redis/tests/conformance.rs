//! The suite, on the server that `CONCURRENCY_REDIS_URL` names.

use std::sync::Arc;

use concurrency_conformance::{Component, Harness};
use concurrency_core::Backend;
use concurrency_redis::{Redis, RedisConfig};

fn harness<C: Component + ?Sized>() -> Harness<C> {
    let url = std::env::var("CONCURRENCY_REDIS_URL").expect("a URL");
    Harness::backend(move || {
        let config = RedisConfig::from_url(&url);
        async { Ok(Arc::new(Redis::connect(config?).await?) as Arc<dyn Backend>) }
    })
}

concurrency_conformance::state_store!(harness());
