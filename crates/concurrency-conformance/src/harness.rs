//! How a case is run: on which backend, in which runtime, with which seed.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use concurrency_core::{Backend, Boxed, Error, Outcome, Result, clock};
use tokio::sync::{OnceCell, oneshot};

use crate::{
    Case, Client, Component, Context, Declared, Level, Running,
    context::{Histories, OpenComponent, Source},
    peers::Crew,
};

pub(crate) type Connect<C> = Arc<dyn Fn() -> Boxed<'static, Result<Client<C>>> + Send + Sync>;

/// How long a case may take before it counts as hanging, unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a case that hangs has to end after it was told to.
const GRACE: Duration = Duration::from_secs(5);
/// So many threads of cases that cannot be stopped are put up with.
const MOST_STUCK: usize = 4;

/// The threads of cases that hang and cannot be stopped.
static STUCK: Mutex<Vec<JoinHandle<()>>> = Mutex::new(Vec::new());

/// How late a thing may be that happens at once: a tick of tokio's timer on either side.
const VIRTUAL_SLACK: Duration = Duration::from_millis(2);
/// How late it may be on a loaded machine.
const REAL_SLACK: Duration = Duration::from_millis(500);

/// What time a backend lives by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// The real one.
    Real,
    /// tokio's, paused: for backends in this process that read time through `concurrency_core::clock` only. Levels 1 and 3
    /// then take no time at all, and a seed gives the same run again.
    Virtual,
}

/// What the suite runs on. Each case makes one, so a harness that creates its server inside gives every case a fresh one.
pub struct Harness<C: Component + ?Sized> {
    connect: Connect<C>,
    time: Time,
    patience: Duration,
    processes: usize,
    histories: Option<Histories>,
    /// Why there is nothing to run on.
    missing: Option<String>,
}

impl<C: Component + ?Sized> fmt::Debug for Harness<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Harness").field("kind", &C::KIND).field("time", &self.time).finish_non_exhaustive()
    }
}

impl<C: Component + ?Sized> Harness<C> {
    /// A backend: each call of `connect` opens another client of the same data.
    pub fn backend<F, B>(connect: F) -> Self
    where
        F: Fn() -> B + Send + Sync + 'static,
        B: Future<Output = Result<Arc<dyn Backend>>> + Send + 'static,
    {
        let connect = move || -> Boxed<'static, Result<Client<C>>> {
            let backend = connect();
            Box::pin(async move { Ok(Client::new(Source::Backend(backend.await?))) })
        };
        Self::over(Arc::new(connect))
    }

    fn over(connect: Connect<C>) -> Self {
        Self { connect, time: Time::Real, patience: PATIENCE, processes: 1, histories: None, missing: None }
    }

    /// Nothing to run on, for this reason: a server that is not there. A [`test`](fn@test) over it says so and ends, without having shown
    /// anything; [`run`](Self::run) fails.
    #[must_use]
    pub fn missing(why: impl Into<String>) -> Self {
        let connect = || -> Boxed<'static, Result<Client<C>>> {
            let refused = Error::Unavailable { outcome: Outcome::NotApplied, source: None };
            Box::pin(std::future::ready(Err(refused)))
        };
        Self { missing: Some(why.into()), ..Self::over(Arc::new(connect)) }
    }

    /// A single component: each call of `open` gives it in that namespace, over the same data for the same name.
    pub fn component<F>(open: F) -> Self
    where
        F: Fn(&str) -> Result<Arc<C>> + Send + Sync + 'static,
    {
        let open: Arc<OpenComponent<C>> = Arc::new(open);
        let connect = move || -> Boxed<'static, Result<Client<C>>> {
            let open = Arc::clone(&open);
            Box::pin(async move { Ok(Client::new(Source::Component(open))) })
        };
        Self::over(Arc::new(connect))
    }

    /// A backend whose clients are in the processes of a crew, in turn, each connected there to `url`. `connect` opens a client
    /// of the same in this process, to be asked what is declared.
    pub fn crew<F, B>(crew: Arc<Crew>, url: &str, connect: F) -> Self
    where
        F: Fn(String) -> B + Send + Sync + 'static,
        B: Future<Output = Result<Arc<dyn Backend>>> + Send + 'static,
    {
        let processes = crew.processes();
        let (url, connect) = (url.to_owned(), Arc::new(connect));
        let here = Arc::new(OnceCell::<Arc<dyn Backend>>::new());
        let harness = Self::backend(move || {
            let (crew, url, connect, here) = (Arc::clone(&crew), url.clone(), Arc::clone(&connect), Arc::clone(&here));
            async move {
                let here = here.get_or_try_init(|| connect(url.clone())).await?;
                crew.connect(&url, Arc::clone(here)).await
            }
        });
        Self { processes, ..harness }
    }

    /// Lives by virtual time.
    #[must_use]
    pub fn with_virtual_time(mut self) -> Self {
        self.time = Time::Virtual;
        self
    }

    /// Hands every history that a case of level 4 records to `histories`, as JSON lines, before it is judged.
    #[must_use]
    pub fn with_histories(mut self, histories: Histories) -> Self {
        self.histories = Some(histories);
        self
    }

    /// How long a case may take, 30 s unless told: after that it has failed, and is dropped at its next await point.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Runs one case, in a runtime and on a thread of its own.
    ///
    /// A case that hangs and never comes to an await point cannot be stopped: its thread goes on. When four of them do, no
    /// further case of this process is run: each fails at once and says why.
    ///
    /// # Panics
    /// If the system gives no thread.
    pub fn run(self, case: &Case<C>, seed: u64) -> Verdict {
        if let Some(why) = self.missing {
            return Verdict::Failed(format!("not run: {why}"));
        }
        if stuck() >= MOST_STUCK {
            return Verdict::Failed(format!("not run: {MOST_STUCK} cases before it hang and cannot be stopped"));
        }
        let (needs, run, level, patience) = (case.needs, case.run, case.level, self.patience);
        let (done, verdict) = mpsc::channel();
        let (give_up, given_up) = oneshot::channel();
        let work = move || {
            let outcome = catch_unwind(AssertUnwindSafe(|| self.run_here(needs, run, level, seed, given_up)));
            // Nobody listens any more where the case hung and came back after all.
            drop(done.send(outcome.unwrap_or_else(|panic| Verdict::Failed(text_of(&*panic)))));
        };
        let thread = thread::Builder::new().name(case.name.into()).spawn(work).expect("a thread starts");
        if let Ok(verdict) = verdict.recv_timeout(patience) {
            drop(thread.join());
            return verdict;
        }
        drop(give_up);
        let hangs = format!("hangs: no end within {patience:?}");
        if verdict.recv_timeout(GRACE.min(patience)).is_ok() {
            drop(thread.join());
            return Verdict::Failed(hangs);
        }
        STUCK.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Verdict::Failed(format!("{hangs}, and cannot be stopped"))
    }

    fn run_here(
        self,
        needs: fn(&Declared<C::Capabilities>) -> bool,
        run: fn(Context<C>) -> Running,
        level: Level,
        seed: u64,
        given_up: oneshot::Receiver<()>,
    ) -> Verdict {
        let simulated = self.time == Time::Virtual && matches!(level, Level::Sentences | Level::Model);
        let mut builder = if simulated {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.start_paused(true);
            builder
        } else {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(4);
            builder
        };
        let runtime = builder.enable_all().build().expect("a runtime starts");
        let verdict = runtime.block_on(async {
            let _simulation = simulated.then(|| clock::simulate(seed));
            let slack = if simulated { VIRTUAL_SLACK } else { REAL_SLACK };
            let cx = Context::new(self.connect, seed, slack, self.processes, self.histories);
            if lacks(cx.client().await, cx.namespace()) {
                return Some(Verdict::NotDeclared);
            }
            let component = cx.open().await;
            let backend = cx.client().await.has_backend();
            let declared = Declared { capabilities: component.declared(), backend, virtual_time: simulated };
            drop(component);
            if !needs(&declared) {
                return Some(Verdict::NotDeclared);
            }
            tokio::select! {
                biased;
                () = run(cx) => Some(Verdict::Passed),
                _ = given_up => None,
                () = a_century(), if simulated => {
                    Some(Verdict::Failed("hangs: everybody waits, and for nothing".to_owned()))
                }
            }
        });
        if let Some(verdict) = verdict {
            runtime.shutdown_background();
            return verdict;
        }
        // Returns when all that the case started has come to an await point.
        drop(runtime);
        Verdict::Failed("given up".to_owned())
    }
}

/// Whether it is of a backend that has no such component, and says so when it is asked for one.
fn lacks<C: Component + ?Sized>(client: &Client<C>, namespace: &str) -> bool {
    if !client.has_backend() || C::is_in(&client.backend().capabilities()) {
        return false;
    }
    let opened = client.open(namespace).map(drop);
    assert!(matches!(opened, Err(Error::Unsupported { .. })), "declares no such component and opens one: {opened:?}");
    true
}

/// How many cases hang and cannot be stopped.
fn stuck() -> usize {
    let mut stuck = STUCK.lock().unwrap_or_else(PoisonError::into_inner);
    stuck.retain(|thread| !thread.is_finished());
    stuck.len()
}

/// Comes in virtual time as soon as everybody waits for what will never happen: no case waits that long for anything.
async fn a_century() {
    for _ in 0..100 {
        // The timers of tokio reach little more than two years.
        tokio::time::sleep(Duration::from_secs(86_400 * 365)).await;
    }
}

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Its sentences hold.
    Passed,
    /// The component does not declare what the case is about.
    NotDeclared,
    /// A sentence is broken: what the case saw.
    Failed(String),
}

/// What the macros call: runs the named case with a seed from `CONCURRENCY_SEED` (1 unless set), and panics if it fails.
///
/// # Panics
/// If the case fails, or does not exist.
pub fn test<C: Component + ?Sized>(harness: Harness<C>, cases: &[Case<C>], group: &str, name: &str) {
    let case = cases.iter().find(|case| case.group == group && case.name == name).expect("listed by the same macro");
    if let Some(why) = &harness.missing {
        println!("not run: {why}");
        return;
    }
    let seed = std::env::var("CONCURRENCY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    match harness.run(case, seed) {
        Verdict::Passed => {}
        Verdict::NotDeclared => println!("not declared"),
        Verdict::Failed(why) => panic!("{:?} broken (seed {seed}): {why}", case.sentences),
    }
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("panicked without a message").to_owned()
}
