//! Clients in processes of their own: a test program starts itself again.

use std::{env, process::Command, sync::Arc};

use concurrency_conformance::peers::{self, Crew};
use concurrency_core::{Backend, Result};
use concurrency_redis::{Redis, RedisConfig};

pub(crate) const PROCESSES: usize = 4;

pub(crate) async fn connect(url: String) -> Result<Arc<dyn Backend>> {
    Ok(Arc::new(Redis::connect(RedisConfig::from_url(&url)?).await?))
}

/// Not a test of its own: where a process of the crew goes to work. Without a crew it ends at once.
#[test]
fn peer() {
    peers::serve(connect);
}

pub(crate) fn start() -> Arc<Crew> {
    let again = || {
        let mut command = Command::new(env::current_exe().expect("this program has a path"));
        command.args(["crew::peer", "--exact", "--quiet"]);
        command
    };
    Arc::new(Crew::start(PROCESSES, again).expect("four processes start"))
}
