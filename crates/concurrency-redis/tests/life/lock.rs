//! A lock that everybody wants.

use std::sync::{Mutex, atomic::AtomicU64};

use concurrency_core::{Claim, Lease, Lock, clock::BootInstant};

use super::*;

const TTL: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct Holders {
    /// The highest token that anybody was told of.
    highest: AtomicU64,
    /// Who has the name: the token, and until when it may rely on that.
    inside: Mutex<Option<(u64, BootInstant)>>,
}

impl Holders {
    /// The one who had it before has given it back or, where the store loses nothing, knows that its lease is over.
    fn enter(&self, lease: &Lease, is_kept: bool) {
        let before = self.inside.lock().unwrap().replace((lease.fencing_token().0, lease.deadline()));
        assert!(
            !is_kept || before.is_none_or(|(_, deadline)| deadline.has_passed()),
            "two have it: {before:?}, {lease:?}"
        );
    }

    fn leave(&self, lease: &Lease) {
        let mut inside = self.inside.lock().unwrap();
        if inside.is_some_and(|(token, _)| token == lease.fencing_token().0) {
            *inside = None;
        }
    }
}

/// Takes the name, renews it and gives it back.
async fn turn(lock: &dyn Lock, holders: &Holders, is_kept: bool) -> Result<(), Error> {
    let claim = Claim::new("k", TTL).unwrap();
    let before = holders.highest.load(Ordering::SeqCst);
    let mut lease = lock.acquire(&claim, PATIENCE).await?;
    let token = lease.fencing_token().0;
    assert!(token > before, "{token} was granted after {before}");
    holders.highest.fetch_max(token, Ordering::SeqCst);
    holders.enter(&lease, is_kept);
    let renewed = lock.renew(&lease).await;
    holders.leave(&lease);
    match renewed {
        Ok(renewed) => lease = renewed,
        Err(Error::LeaseLost { .. }) => assert!(!is_kept || lease.deadline().has_passed(), "{lease:?} was lost"),
        Err(error) => assert!(is_outage(&error), "{error:?}"),
    }
    lock.release(lease.claim(), Some(lease.fencing_token())).await.map(drop)
}

// L-24, L-25, L-46: over four processes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_rise_and_nobody_waits_for_ever() {
    let Some(mut scene) = Scene::new() else { return };
    let holders = Arc::new(Holders::default());
    for trouble in Trouble::ALL {
        scene
            .works(trouble, |_, client, load| {
                let (lock, holders) = (client.lock("n").unwrap(), Arc::clone(&holders));
                async move {
                    let mut after = 0;
                    while !load.ends_with(turn(&*lock, &holders, !trouble.loses_data()).await, &mut after) {}
                }
            })
            .await;
    }
}
