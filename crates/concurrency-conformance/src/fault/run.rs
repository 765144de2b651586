//! One history under a plan.

use std::{
    any::Any,
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use concurrency_core::{Backend, Boxed, Result, clock};

use super::{
    Kind, Plan, Strikes, Tally,
    work::{self, Judgement, Scene},
};
use crate::{Histories, Time};

/// Opens the client of a number: each of them over a connection that the plan reaches, all of the same data.
pub type Connect = Box<dyn Fn(u32) -> Boxed<'static, Result<Arc<dyn Backend>>> + Send + Sync>;

/// What histories are run on.
pub trait Ground: Send + Sync {
    /// What time it lives by.
    fn time(&self) -> Time;

    /// What can go wrong here.
    fn kinds(&self) -> &'static [Kind];

    /// Before a history: its clients ask `strikes` what is to happen to each of their requests. Called inside of the history's
    /// runtime.
    fn prepare(&self, strikes: &Strikes) -> Connect;
}

/// What a history came to.
#[derive(Debug)]
pub struct Outcome {
    /// What was hit.
    pub tally: Tally,
    /// Why the contract is broken, if it is.
    pub violation: Option<String>,
}

/// How long a history may take in real time: many times what it takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many keys the clients work on.
const KEYS: usize = 8;

/// Lets the clients of a plan work on this ground, in a runtime of their own, and judges what they saw. What was recorded goes
/// to `histories` first, under the plan's text as its name.
///
/// In virtual time the same plan gives the same outcome; in real time the plan is the same, and what comes between is not.
///
/// # Panics
/// If the system gives no threads.
#[must_use]
pub fn run(ground: &dyn Ground, plan: &Plan, histories: Option<&Histories>) -> Outcome {
    let simulated = ground.time() == Time::Virtual;
    let mut builder = if simulated {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.start_paused(true);
        builder
    } else {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(2);
        builder
    };
    let runtime = builder.enable_all().build().expect("a runtime starts");
    let strikes = Strikes::new(plan);
    let history = async {
        let _simulation = simulated.then(|| clock::simulate(plan.seed));
        let unique = u128::from_be_bytes(concurrency_core::random::bytes());
        let scene = Scene {
            plan,
            strikes: strikes.clone(),
            connect: ground.prepare(&strikes),
            namespace: format!("faults-{unique:032x}"),
            time: ground.time(),
            histories,
        };
        tokio::time::timeout(if simulated { Duration::from_secs(86_400) } else { PATIENCE }, work::run(&scene)).await
    };
    let judged = catch_unwind(AssertUnwindSafe(|| runtime.block_on(history)));
    runtime.shutdown_background();
    let nothing = |why: String| Judgement { shown: BTreeSet::new(), broken: Some(why) };
    let Judgement { shown, broken } = match judged {
        Ok(Ok(Ok(judgement))) => judgement,
        Ok(Ok(Err(error))) => nothing(format!("no client, or no last look: {error}")),
        Ok(Err(_)) => nothing("hangs: a call never ends".to_owned()),
        Err(panic) => nothing(text_of(&*panic)),
    };
    Outcome { tally: strikes.tally(plan.clients, KEYS, &shown), violation: broken }
}

/// What a panic said.
pub(super) fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("panicked without a message").to_owned()
}
