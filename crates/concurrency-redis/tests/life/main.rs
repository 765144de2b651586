//! What happens to every server some time, in the middle of everything: connections that are cut, scripts that are forgotten,
//! data that are emptied, a crash with or without the data. Clients in four processes go on, and what the contract says holds.
#![allow(clippy::unwrap_used, reason = "all of it is a test")]

#[path = "../crew/mod.rs"]
mod crew;

mod cache;
mod event;
mod lock;
mod state;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use concurrency_conformance::peers::Crew;
use concurrency_core::{Backend, Error};
use concurrency_redis::{Redis, RedisConfig};
use redis::cmd;
use servers::{Data, Kind, Server, Setup};
use tokio::task::JoinSet;

use self::crew::PROCESSES;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// Of the same kind, one after the other.
const STRIKES: usize = 12;
/// Tasks of each client.
const TASKS: usize = 3;
/// So many turns of each task have to succeed after the last strike.
const TURNS_AFTER: usize = 5;

/// What happens to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    CutConnections,
    ForgottenScripts,
    Crash,
    EmptiedData,
    CrashWithoutData,
}

impl Trouble {
    const ALL: [Self; 5] =
        [Self::CutConnections, Self::ForgottenScripts, Self::Crash, Self::EmptiedData, Self::CrashWithoutData];

    /// Whether what was acknowledged is gone.
    fn loses_data(self) -> bool {
        matches!(self, Self::EmptiedData | Self::CrashWithoutData)
    }

    fn strike(self, server: &mut Server) {
        let commands: &[&[&str]] = match self {
            Self::CutConnections => &[
                &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"],
                &["CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes"],
            ],
            Self::ForgottenScripts => &[&["SCRIPT", "FLUSH"]],
            Self::EmptiedData => &[&["FLUSHALL"]],
            Self::Crash | Self::CrashWithoutData => {
                server.kill().unwrap();
                return server.restart(if self == Self::Crash { Data::Kept } else { Data::Lost }).unwrap();
            }
        };
        let mut admin = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
        for words in commands {
            cmd(words[0]).arg(&words[1..]).exec(&mut admin).unwrap();
        }
    }
}

/// What those who work have to know.
#[derive(Debug, Default)]
struct Load {
    is_over: AtomicBool,
    turns: AtomicUsize,
    /// Calls that got no answer.
    unanswered: AtomicUsize,
}

impl Load {
    /// A turn ended so. True once the task has done enough since the last strike, of which it counts the turns in `after`.
    fn ends_with<T>(&self, turn: Result<T, Error>, after: &mut usize) -> bool {
        match turn {
            Ok(_) => {
                self.turns.fetch_add(1, Ordering::Relaxed);
                *after += usize::from(self.is_over.load(Ordering::Acquire));
            }
            Err(error) => {
                assert!(is_outage(&error), "{error:?}");
                self.unanswered.fetch_add(1, Ordering::Relaxed);
            }
        }
        *after >= TURNS_AFTER
    }
}

/// Whether a call may end so because of its server.
fn is_outage(error: &Error) -> bool {
    matches!(error, Error::Unavailable { .. } | Error::Timeout { .. })
}

/// A server, and processes that are its clients.
struct Scene {
    server: Server,
    crew: Arc<Crew>,
    /// More parameters of the URL.
    options: &'static str,
}

impl Scene {
    /// `None` where no server can be had, and none has to be.
    fn new() -> Option<Self> {
        let server = servers::for_test(Kind::Redis, None, &Setup::new().durable())?;
        Some(Self { server, crew: crew::start(), options: "" })
    }

    fn url(&self) -> String {
        format!("{}?operation_timeout=20s{}", self.server.url(), self.options)
    }

    async fn here(&self) -> Redis {
        Redis::connect(RedisConfig::from_url(&self.url()).unwrap()).await.unwrap()
    }

    /// Tasks of one client in each process, and the trouble again and again meanwhile. They end some time after it.
    async fn works<W>(&mut self, trouble: Trouble, work: impl Fn(usize, Arc<dyn Backend>, Arc<Load>) -> W)
    where
        W: Future<Output = ()> + Send + 'static,
    {
        let (load, mut tasks) = (Arc::new(Load::default()), JoinSet::new());
        for process in 0..PROCESSES {
            let client = self.crew.connect(&self.url(), Arc::new(self.here().await)).await.unwrap();
            for task in 0..TASKS {
                tasks.spawn(work(process * TASKS + task, Arc::clone(&client), Arc::clone(&load)));
            }
        }
        for strike in 1..=STRIKES {
            // In the middle of things: everybody has gone on since the last one.
            let goal = load.turns.load(Ordering::Relaxed) + PROCESSES * TASKS;
            let goes_on = async {
                while load.turns.load(Ordering::Relaxed) < goal {
                    assert!(tasks.try_join_next().is_none_or(|ended| ended.is_ok()), "{trouble:?}: a task has failed");
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            tokio::time::timeout(PATIENCE, goes_on)
                .await
                .unwrap_or_else(|_| panic!("stuck after {trouble:?} {strike}"));
            trouble.strike(&mut self.server);
        }
        load.is_over.store(true, Ordering::Release);
        let ended = async {
            while let Some(ended) = tasks.join_next().await {
                ended.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.unwrap_or_else(|_| panic!("{trouble:?}: somebody has not gone on"));
        let count = |of: &AtomicUsize| of.load(Ordering::Relaxed);
        println!("{trouble:?}: {} turns, {} without an answer", count(&load.turns), count(&load.unanswered));
    }
}
