//! A primary, its replicas and sentinels: how the primary is found, and what a failover does to those who work.
#![allow(clippy::unwrap_used, reason = "all of it is a test")]

mod failover;
mod finding;
mod losses;

use std::{sync::Arc, time::Duration};

use concurrency_core::{Error, Outcome, clock::BootInstant};
use concurrency_redis::{Redis, RedisConfig};
use servers::{Kind, Sentinels, Setup, Via};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a call may take.
const LIMIT: Duration = Duration::from_secs(3);

/// `None` where no servers can be had, and none have to be. What they have answered is on disk: what is lost here, no setting saves.
/// Nothing is taken for gone until the test says so: this machine may be busy.
fn set() -> Option<Sentinels> {
    servers::sentinels_for_test(Kind::Redis, Some(Via::Local), &Setup::new().durable())
}

fn config(set: &Sentinels) -> RedisConfig {
    RedisConfig::from_url(set.url()).unwrap().operation_timeout(LIMIT)
}

async fn client(set: &Sentinels) -> Redis {
    at_last("connect", async || Redis::connect(config(set)).await).await
}

/// Whether a call may end so because of its server.
fn is_outage(error: &Error) -> bool {
    matches!(error, Error::Unavailable { .. } | Error::Timeout { .. })
}

/// What `call` answers when there is a server again.
async fn at_last<T>(what: &str, mut call: impl AsyncFnMut() -> Result<T, Error>) -> T {
    let end = BootInstant::now().after(PATIENCE);
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(error) => assert!(is_outage(&error) && !end.has_passed(), "{what}: {error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// It says that nobody could be asked, and that nothing was done.
fn is_without_effect(error: &Error) {
    assert!(is_outage(error) && error.outcome() == Outcome::NotApplied, "{error:?}");
}
