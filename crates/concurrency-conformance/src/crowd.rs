//! Clients in a hurry: what the cases of level 4 let loose on one component.

use std::{sync::Arc, time::Duration};

use concurrency_core::{Boxed, clock::BootInstant};
use fastrand::Rng;
use tokio::{
    runtime::Handle,
    sync::{Barrier, watch},
};

/// So many clients at once.
pub(crate) const CLIENTS: u32 = 6;

/// The keys that they meet at; half of the time at the first.
pub(crate) const KEYS: [&str; 8] = ["hot", "k1", "k2", "k3", "k4", "k5", "k6", "k7"];

/// One of the keys.
pub(crate) fn key(rng: &mut Rng) -> &'static str {
    if rng.bool() { KEYS[0] } else { KEYS[rng.usize(..KEYS.len())] }
}

/// How long clients go on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shift {
    /// Each client takes at least so many turns.
    pub(crate) least: u32,
    /// After this it stops, unless hardly any operations have met,
    pub(crate) lasts: Duration,
    /// or after so many turns, if operations have met often enough by then,
    pub(crate) enough: u32,
    /// and in any case after so many.
    pub(crate) most: u32,
}

/// So many operations are to be under way together with another on their key.
const ENOUGH_MET: u64 = 60;
/// Before so many have met, the time is not up: clients that come one after the other, as on a busy machine, prove nothing.
const FEW_MET: u64 = 10;
/// But so many times what it lasts is the end.
const LONGEST: u32 = 12;

/// Lets the clients take turns, all at once, until operations have `met` often enough or the time is up.
///
/// Each has a thread of its own: calls to memory never wait, so that tasks of one thread would never meet.
pub(crate) async fn run<C: Send + 'static>(
    shift: Shift,
    clients: Vec<C>,
    met: impl Fn() -> u64 + Clone + Send + 'static,
    turn: impl for<'a> Fn(&'a mut C) -> Boxed<'a, ()> + Copy + Send + 'static,
) {
    let start = Arc::new(Barrier::new(clients.len()));
    // Dropped with this future: whoever waits then for what never comes goes home.
    let (open, closed) = watch::channel(());
    let work = |mut client| {
        let (start, met, runtime, mut closed) = (Arc::clone(&start), met.clone(), Handle::current(), closed.clone());
        tokio::task::spawn_blocking(move || {
            let turns = async {
                start.wait().await;
                let begun = BootInstant::now();
                let (end, last) = (begun.after(shift.lasts), begun.after(shift.lasts * LONGEST));
                for taken in 0..shift.most {
                    let late = last.has_passed() || (end.has_passed() && met() >= FEW_MET);
                    let tired = late || (taken >= shift.enough && met() >= ENOUGH_MET);
                    if taken >= shift.least && tired {
                        break;
                    }
                    turn(&mut client).await;
                }
            };
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = turns => {}
                    _ = closed.changed() => {}
                }
            });
        })
    };
    let threads: Vec<_> = clients.into_iter().map(work).collect();
    for thread in threads {
        thread.await.expect("a client goes on to its end");
    }
    drop(open);
}
