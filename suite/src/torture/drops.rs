//! Every public async method, polled k times and dropped, for k = 0, 1, 2 .. to completion, while others want the same keys.
#![allow(clippy::async_yields_async, reason = "a call is made ready first, and polled and dropped by somebody else")]

mod delayed;
mod methods;
mod server;
mod world;

use std::{
    future::poll_fn,
    io::Write as _,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use concurrency_core::Boxed;
use tokio::{runtime::Handle, task::JoinSet};

use self::{
    methods::Method,
    server::Server,
    world::{Leaks, World},
};
use super::{NOTHING, Options};

/// So many polls at most: contention can make a wait as long as it likes.
const MOST_POLLS: usize = 12;
/// Of a call that never ends.
const MOST_POLLS_WITHOUT_END: usize = 6;
/// Calls at once.
const AT_ONCE: usize = 10;
/// A future that nobody wakes is dropped asleep.
const ASLEEP: Duration = Duration::from_millis(50);
/// How long what was dropped may take to be gone.
const SETTLES: Duration = Duration::from_secs(5);

/// Runs them and prints the table.
pub(super) fn run(options: &Options) -> ExitCode {
    let times = options.rounds.unwrap_or(50);
    let server = match Server::start(options.target.name, options.via) {
        Ok(server) => server,
        Err(why) => {
            eprintln!("error: {}: {why}", options.target.name);
            return ExitCode::from(NOTHING);
        }
    };
    let runtime = super::runtime();
    let declared = runtime.block_on(server.client()).expect("a client opens");
    let (methods, not_declared) = methods::declared(&declared.capabilities);
    runtime.block_on(declared.close());
    drop(declared);
    println!(
        "torture {}: {} methods, each polled k times and dropped, {times} times for each k; how many were dropped",
        options.target.name,
        methods.len()
    );
    if not_declared > 0 {
        println!("{not_declared} more are of components that it does not declare");
    }
    print!("{:<28} k:", "method");
    (0..=MOST_POLLS).for_each(|k| print!("{k:>5}"));
    println!();
    let (dropped, idle, leaks) = runtime.block_on(all(server, &methods, times, SETTLES));
    println!(
        "{} futures dropped, {} of them after a poll",
        dropped.iter().sum::<usize>(),
        dropped[1..].iter().sum::<usize>()
    );
    print!("{leaks}");
    if leaks.sum() > 0 {
        return ExitCode::FAILURE;
    }
    if idle.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("proved nothing: never dropped after a poll: {}", idle.join(", "));
    ExitCode::from(NOTHING)
}

/// Futures dropped by k, methods never dropped after a poll, and what is left.
async fn all(
    server: Server,
    methods: &[Method],
    times: usize,
    settles: Duration,
) -> ([usize; MOST_POLLS + 1], Vec<&'static str>, Leaks) {
    let world = Arc::new(World::new(server).await.expect("the components open"));
    // Those of the client's connections live as long as it.
    let tasks = Handle::current().metrics().num_alive_tasks();
    let stop = Arc::new(AtomicBool::new(false));
    let mut crowd = world.contend(&stop).await;
    let (mut sums, mut idle) = ([0; MOST_POLLS + 1], Vec::new());
    for method in methods {
        print!("{:<28}   ", method.name);
        let most = if method.endless { MOST_POLLS_WITHOUT_END } else { MOST_POLLS };
        let mut after_a_poll = 0;
        for (k, sum) in sums.iter_mut().enumerate().take(most + 1) {
            let dropped = drop_after(&world, method, k, times).await;
            *sum += dropped;
            after_a_poll += if k > 0 { dropped } else { 0 };
            if dropped == 0 {
                print!("    .");
                break;
            }
            print!("{dropped:>5}");
            drop(std::io::stdout().flush());
        }
        println!();
        if after_a_poll == 0 {
            idle.push(method.name);
        }
    }
    stop.store(true, Ordering::Release);
    while let Some(ended) = crowd.join_next().await {
        ended.expect("a contender goes on to its end");
    }
    let world = Arc::into_inner(world).expect("every call is over");
    (sums, idle, world.settle(tasks, settles).await)
}

/// How many of the calls were dropped after k polls: the others were over by then.
async fn drop_after(world: &Arc<World>, method: &Method, k: usize, times: usize) -> usize {
    let (mut dropped, mut calls) = (0, JoinSet::new());
    for n in 0..times {
        if calls.len() == AT_ONCE {
            dropped += ended(calls.join_next().await);
        }
        let call = (method.prepare)(Arc::clone(world), n);
        // Every other one is dropped in place of the poll that it was woken for, so that its wake-up goes with it.
        calls.spawn(async move { poll_and_drop(call.await, k, n % 2 == 1).await });
    }
    while let Some(call) = calls.join_next().await {
        dropped += ended(Some(call));
    }
    dropped
}

/// One if the call was dropped.
fn ended(call: Option<Result<bool, tokio::task::JoinError>>) -> usize {
    call.map_or(0, |call| usize::from(call.expect("a call does not panic")))
}

/// Whether the future was dropped: it was polled k times and is not ready.
async fn poll_and_drop(future: Boxed<'static, ()>, k: usize, when_woken: bool) -> bool {
    let (mut future, mut polls) = (Some(future), 0);
    let polled = poll_fn(|cx| {
        if polls == k {
            future = None;
        }
        let Some(call) = &mut future else { return Poll::Ready(true) };
        polls += 1;
        if call.as_mut().poll(cx).is_ready() {
            return Poll::Ready(false);
        }
        if polls == k && !when_woken {
            future = None;
            return Poll::Ready(true);
        }
        Poll::Pending
    });
    tokio::time::timeout(ASLEEP, polled).await.unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaks_of(prepare: fn(Arc<World>, usize) -> Boxed<'static, Boxed<'static, ()>>) -> (usize, usize) {
        let method = Method { name: "a method", prepare, endless: false };
        let settles = Duration::from_millis(300);
        let server = Server::start("memory", None).expect("there is one");
        let (dropped, idle, leaks) = crate::torture::runtime().block_on(all(server, &[method], 4, settles));
        assert_eq!(dropped[0], 4);
        (leaks.sum(), idle.len())
    }

    #[test]
    fn what_is_forgotten_is_found() {
        let forgets = |world: Arc<World>, n| -> Boxed<'static, Boxed<'static, ()>> {
            Box::pin(async move {
                Box::pin(async move {
                    std::mem::forget(world.guard(n).await);
                }) as Boxed<'static, ()>
            })
        };
        // A guard that nobody drops: its lease, its keeper's task and their references.
        assert!(leaks_of(forgets).0 >= 3);
    }

    #[test]
    fn what_was_never_dropped_after_a_poll_is_told() {
        let at_once = |_: Arc<World>, _| -> Boxed<'static, Boxed<'static, ()>> {
            Box::pin(async { Box::pin(async {}) as Boxed<'static, ()> })
        };
        assert_eq!(leaks_of(at_once), (0, 1));
    }

    #[tokio::test]
    async fn futures_are_dropped_after_so_many_polls() {
        let yields = || Box::pin(async { tokio::task::yield_now().await }) as Boxed<'static, ()>;
        for when_woken in [false, true] {
            assert!(poll_and_drop(yields(), 0, when_woken).await);
            assert!(poll_and_drop(yields(), 1, when_woken).await);
            assert!(!poll_and_drop(yields(), 2, when_woken).await);
        }
        assert!(poll_and_drop(Box::pin(std::future::pending()), 5, true).await);
    }
}
