//! A server, and what is asked of it beside the measuring.

use std::time::Duration;

use benches::{backends, pairs::median};
use concurrency_core::clock::BootInstant;
use servers::{Kind, Server, Setup};
use tokio::{runtime::Runtime, task::JoinHandle};

use super::{ours::Ours, raw::Raw};

/// What the library calls scripts by.
pub(super) const SCRIPTS: &[&str] = &["evalsha", "eval"];

/// Between two round trips.
const PAUSE: Duration = Duration::from_millis(1);

/// A server for one group of figures; it ends when this is dropped.
pub(super) struct Stage {
    pub(super) runtime: Runtime,
    server: Server,
    raw: Raw,
}

impl Stage {
    /// Where there is no server, `None`, and it is said why.
    pub(super) fn open() -> Option<Self> {
        let server = Server::start(Kind::Redis, None, &Setup::new());
        let server = server.inspect_err(|why| eprintln!("redis: NOT RUN: {why}")).ok()?;
        let runtime = backends::runtime();
        let raw = runtime.block_on(Raw::open(server.url())).expect("it connects");
        Some(Self { runtime, server, raw })
    }

    pub(super) fn url(&self) -> &str {
        self.server.url()
    }

    pub(super) fn raw(&self) -> Raw {
        self.raw.clone()
    }

    /// A client of its own.
    pub(super) fn ours(&self) -> Ours {
        self.runtime.block_on(Ours::open(self.url())).expect("it connects")
    }

    /// How long a `PING` takes in nanoseconds, now and then while others work, for so long: the median.
    pub(super) fn round_trip(&self, lasts: Duration) -> JoinHandle<f64> {
        let (raw, until) = (self.raw(), BootInstant::now().after(lasts));
        self.runtime.spawn(async move {
            let mut nanos = Vec::new();
            while !until.has_passed() {
                let began = BootInstant::now();
                raw.ping().await;
                nanos.push(BootInstant::now().since(began).as_nanos() as f64);
                tokio::time::sleep(PAUSE).await;
            }
            median(nanos)
        })
    }

    /// So often one of these was called since the server started.
    pub(super) fn calls(&self, commands: &[&str]) -> u64 {
        let info = self.info("commandstats");
        let calls = |command: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(&*format!("cmdstat_{command}:calls=")));
            line.and_then(|line| line.split(',').next()?.parse::<u64>().ok()).unwrap_or_default()
        };
        commands.iter().map(|command| calls(command)).sum()
    }

    /// Processor time that the server has used.
    pub(super) fn server_time(&self) -> Duration {
        let info = self.info("cpu");
        let seconds = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|seconds| seconds.trim().parse::<f64>().ok()).unwrap_or(f64::NAN)
        };
        Duration::from_secs_f64(seconds("used_cpu_user") + seconds("used_cpu_sys"))
    }

    fn info(&self, section: &str) -> String {
        self.runtime.block_on(self.raw.info(section))
    }
}
