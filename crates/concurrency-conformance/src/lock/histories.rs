//! Recorded histories of concurrent clients, judged by a linearizability checker.

use std::time::Duration;

use concurrency_core::{Claim, Lease, Lock, MIN_LOCK_TTL};
use fastrand::Rng;

use crate::{
    Context,
    crowd::{self, CLIENTS, Shift},
    history::RecordedLock,
};

/// Longer than a TTL, so that leases run out while others wait.
const SHIFT: Shift = Shift { least: 30, lasts: Duration::from_millis(220), enough: 1500, most: 1500 };

/// How long clients wait for a name.
const PATIENCE: Duration = Duration::from_millis(15);

/// Attempts, waits, renewals and releases, in time and late.
pub(super) async fn leases_are_linearizable(cx: Context<dyn Lock>) {
    let inspects = cx.open().await.capabilities().inspection;
    let recorded = RecordedLock::new(cx.open().await);
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let lock = recorded.client(number, cx.other_client().await);
        clients.push(Client { lock, rng: cx.rng(), inspects, held: None, left: Vec::new() });
    }
    let noted = recorded.clone();
    crowd::run(SHIFT, clients, move || noted.met(), |client| Box::pin(client.turn())).await;
    cx.judge("leases_are_linearizable", &recorded.history());
}

struct Client {
    lock: RecordedLock,
    rng: Rng,
    inspects: bool,
    held: Option<Lease>,
    /// Leases that nobody renewed: most of them end before this client comes back to them.
    left: Vec<Lease>,
}

impl Client {
    async fn turn(&mut self) {
        match self.held.take() {
            Some(lease) => self.hold(lease).await,
            None if !self.left.is_empty() && self.rng.u8(..3) == 0 => self.come_back().await,
            None => self.ask().await,
        }
    }

    async fn ask(&mut self) {
        let name = crowd::key(&mut self.rng);
        if self.inspects && self.rng.u8(..8) == 0 {
            drop(self.lock.holder(name).await);
            return;
        }
        let claim = Claim::new(name, MIN_LOCK_TTL).expect("the claim is valid");
        if self.rng.u8(..4) == 0 {
            self.held = self.lock.acquire(&claim, PATIENCE).await.ok();
            if self.held.is_some() {
                return;
            }
        } else if let Ok(Some(lease)) = self.lock.try_acquire(&claim).await {
            if self.rng.u8(..4) > 0 {
                self.held = Some(lease);
            } else {
                // The same claim again is the same lease; another's late answer would be another grant.
                self.held = self.lock.try_acquire(&claim).await.ok().flatten().or(Some(lease));
            }
            return;
        }
        // What was not granted is not there to be released, unless it was granted after all.
        if self.rng.bool() {
            drop(self.lock.release(&claim, None).await);
        }
    }

    async fn hold(&mut self, lease: Lease) {
        match self.rng.u8(..16) {
            0..4 => self.held = self.lock.renew(&lease).await.ok(),
            4 if self.left.len() < 2 => self.left.push(lease),
            _ => drop(self.lock.release(lease.claim(), Some(lease.fencing_token())).await),
        }
    }

    /// To a lease that may have run out, and may be somebody else's now.
    async fn come_back(&mut self) {
        let lease = self.left.swap_remove(self.rng.usize(..self.left.len()));
        if self.rng.bool() {
            self.held = self.lock.renew(&lease).await.ok();
        } else {
            drop(self.lock.release(lease.claim(), Some(lease.fencing_token())).await);
        }
    }
}
