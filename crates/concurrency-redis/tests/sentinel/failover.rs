//! Failovers under load: how long nothing is had, what is lost, and that nothing worse happens.

use std::sync::atomic::Ordering;

use servers::Data;

use super::{load::Load, *};

/// So often each kind of them.
const STRIKES: usize = 1;
/// So many turns of each task have to succeed after a strike.
const TURNS_AFTER: usize = 5;

/// What happens to a primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strike {
    /// An administrator makes another server the primary.
    Told,
    /// It is killed.
    Killed,
    /// It is killed after its replicas got nothing from it any more.
    CutOffAndKilled,
    /// It stands still for longer than it takes to make another one the primary, and goes on then as if nothing had happened.
    Frozen,
}

impl Strike {
    const ALL: [Self; 4] = [Self::Told, Self::Killed, Self::CutOffAndKilled, Self::Frozen];

    /// The set is whole again in the end.
    async fn fall(self, set: &mut Sentinels, load: &mut Load) {
        let primary = set.primary().unwrap();
        match self {
            Self::Told => set.fail_over().unwrap(),
            Self::Killed => {
                set.kill(primary).unwrap();
                set.until_replaced(primary).unwrap();
            }
            Self::CutOffAndKilled => {
                set.cut_off_replicas(primary).unwrap();
                // What is acknowledged from here on is lost, and the follower has seen some of it.
                load.goes_on(TURNS_AFTER).await;
                let (shared, seen) = (Arc::clone(&load.shared), load.shared.appends.highest());
                load.until("the follower gets there", || shared.appends.is_delivered(seen)).await;
                set.kill(primary).unwrap();
                set.until_replaced(primary).unwrap();
            }
            Self::Frozen => {
                set.set_frozen(primary, true).unwrap();
                set.until_replaced(primary).unwrap();
                set.set_frozen(primary, false).unwrap();
            }
        }
        load.goes_on(TURNS_AFTER).await;
        if matches!(self, Self::Killed | Self::CutOffAndKilled) {
            set.restart(primary, Data::Kept).unwrap();
        }
        set.until_whole().unwrap();
        load.goes_on(TURNS_AFTER).await;
    }
}

// G-54, G-70, G-71, L-24, E-36
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failover_all_go_on_and_what_was_lost_is_told() {
    let Some(mut set) = set() else { return };
    let mut load = Load::start(&set).await;
    let store = client(&set).await.event_store("n").unwrap() as Arc<dyn concurrency_core::EventStore>;
    load.goes_on(TURNS_AFTER).await;
    load.report();
    let (mut rewound, mut elections) = (0, 0);
    for strike in Strike::ALL.into_iter().cycle().take(Strike::ALL.len() * STRIKES) {
        strike.fall(&mut set, &mut load).await;
        let (lost, was_seen) = load.shared.appends.lost(&store).await;
        let shared = Arc::clone(&load.shared);
        let told = || shared.appends.rewound.load(Ordering::Acquire) > rewound;
        if was_seen {
            load.until("the follower is told of the loss", told).await;
        }
        assert!(strike != Strike::CutOffAndKilled || (lost > 0 && was_seen), "nothing was lost that had to be");
        let count = set.elections().unwrap() - elections;
        println!("{strike:?}, {count} elections{}; {lost} events lost, told: {}", load.report(), told());
        (rewound, elections) = (load.shared.appends.rewound.load(Ordering::Acquire), elections + count);
    }
    let count = |of: &std::sync::atomic::AtomicUsize| of.load(Ordering::Acquire);
    println!("held twice: {}, writes caught: {}", count(&load.shared.held_twice), count(&load.shared.caught));
    load.end().await;
}
