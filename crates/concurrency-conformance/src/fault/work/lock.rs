//! Clients of a lock: leases and fencing tokens.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use concurrency_core::{Claim, Error, Lease, MIN_LOCK_TTL, Released, Result};

use super::{Client, Judgement, KEYS, Scene, Worker, key};
use crate::{
    Time,
    history::{Answer, History, Open, OperationOf, RecordedLock},
    linear::{LockAnswer, LockCall, LockModel},
};

pub(super) async fn run(scene: &Scene<'_>) -> Result<Judgement> {
    let open = async |number| scene.backend(number).await?.lock(&scene.namespace);
    let auditor = RecordedLock::new(open(scene.plan.clients).await?);
    let shown = Arc::new(Mutex::new(BTreeSet::new()));
    let mut clients = Vec::new();
    for number in 0..scene.plan.clients {
        clients.push(Holder {
            lock: auditor.client(number, open(number).await?),
            worker: scene.worker(number),
            held: Vec::new(),
            unsure: Vec::new(),
            shown: Arc::clone(&shown),
        });
    }
    scene.let_work(clients).await;
    scene.settle().await;
    let auditor = auditor.client(scene.plan.clients, open(scene.plan.clients).await?);
    for name in KEYS {
        let claim = Claim::new(name, MIN_LOCK_TTL)?;
        // Whatever a late request holds is over after one TTL; where time is real, nobody waits for that.
        drop(auditor.try_acquire(&claim).await);
    }
    let mut shown = std::mem::take(&mut *shown.lock().unwrap_or_else(PoisonError::into_inner));
    let history = auditor.history();
    shown.extend(released_after_all(&history));
    Ok(Judgement { shown, broken: scene.judge::<LockModel>(&history) })
}

/// Owners whose release was not answered and let somebody else in before their own lease would have.
fn released_after_all(history: &History<LockModel>) -> BTreeSet<u64> {
    let granted = |operation: &OperationOf<LockModel>| match operation.answer {
        Answer::Ok(LockAnswer::Granted { owner, deadline, .. }) => Some((owner, deadline)),
        _ => None,
    };
    let mut shown = BTreeSet::new();
    for release in &history.operations {
        let (LockCall::Release { owner, .. }, Answer::Unknown { .. }) = (&release.call, &release.answer) else {
            continue;
        };
        let same = |other: &&OperationOf<LockModel>| other.key == release.key;
        let on_it = || history.operations.iter().filter(same).filter_map(|other| Some((other, granted(other)?)));
        let Some(deadline) = on_it().filter(|(_, (by, _))| by == owner).map(|(_, (_, end))| end).max() else {
            continue;
        };
        let others = on_it().filter(|(_, (by, _))| by != owner);
        let let_in = |time: u64| time > release.invoked && time < deadline;
        if others.into_iter().any(|(other, _)| other.returned.is_some_and(let_in)) {
            shown.insert(*owner);
        }
    }
    shown
}

/// One client: what it believes to hold, and claims of which it does not know whether they hold something.
struct Holder {
    lock: RecordedLock,
    worker: Worker,
    held: Vec<Lease>,
    unsure: Vec<Claim>,
    shown: Arc<Mutex<BTreeSet<u64>>>,
}

impl Client for Holder {
    fn worker(&mut self) -> &mut Worker {
        &mut self.worker
    }

    async fn turn(&mut self) {
        if let Some(claim) = self.unsure.pop() {
            return self.give_up(&claim).await;
        }
        if !self.held.is_empty() && self.worker.rng.u8(..8) > 0 {
            let lease = self.held.swap_remove(self.worker.rng.usize(..self.held.len()));
            return self.hold(lease).await;
        }
        // Shorter than a call may take, and longer.
        let ttl = MIN_LOCK_TTL * if self.worker.rng.bool() { 1 } else { 4 };
        let claim = Claim::new(key(&mut self.worker.rng), ttl).expect("the claim is valid");
        if self.worker.rng.u8(..4) == 0 { self.wait(claim).await } else { self.ask(claim).await }
    }
}

/// So many copies of a request may be noted of which nobody will hear.
const COPIES: usize = 6;

impl Holder {
    /// Makes a call, and notes its copies of which there is no answer.
    async fn under_fire<T>(
        &mut self,
        claim: &Claim,
        copy: impl Fn(&RecordedLock) -> Open<LockModel>,
        call: impl AsyncFnOnce(&RecordedLock) -> Result<T>,
    ) -> Result<T> {
        let copies: Vec<_> = (0..COPIES).map(|_| copy(&self.lock)).collect();
        self.worker.begin();
        let answer = call(&self.lock).await;
        let outcome = match &answer {
            Err(Error::LeaseLost { .. } | Error::LockTimeout { .. }) | Ok(_) => None,
            Err(error) => Some(error.outcome()),
        };
        let sent = self.worker.end(outcome, Some(self.lock.owner(claim)));
        for (number, copy) in copies.into_iter().enumerate() {
            if number < sent { drop(copy) } else { copy.withdraw() }
        }
        answer
    }

    async fn ask(&mut self, claim: Claim) {
        let call = async |lock: &RecordedLock| lock.try_acquire(&claim).await;
        match self.under_fire(&claim, |lock| lock.begin_acquire(&claim), call).await {
            Ok(Some(lease)) => self.take(lease),
            Ok(None) => {}
            Err(_) => self.unsure.push(claim),
        }
    }

    async fn wait(&mut self, claim: Claim) {
        let patience = Duration::from_millis(self.worker.rng.u64(10..80));
        let call = async |lock: &RecordedLock| lock.acquire(&claim, patience).await;
        match self.under_fire(&claim, |lock| lock.begin_acquire(&claim), call).await {
            Ok(lease) => self.take(lease),
            Err(_) => self.unsure.push(claim),
        }
    }

    fn take(&mut self, lease: Lease) {
        // In virtual time nothing passes between the answer and this look.
        let in_time = self.worker.time == Time::Real || lease.is_valid();
        assert!(in_time, "L-32: a lease on {:?} was delivered past its own local deadline", lease.key());
        self.held.push(lease);
    }

    async fn hold(&mut self, lease: Lease) {
        match self.worker.rng.u8(..8) {
            0..4 => self.renew(lease).await,
            4 => {
                self.look(lease.key()).await;
                self.held.push(lease);
            }
            _ => {
                let call = async |lock: &RecordedLock| lock.release(lease.claim(), Some(lease.fencing_token())).await;
                let copy = |lock: &RecordedLock| lock.begin_release(lease.claim(), Some(lease.fencing_token()));
                let released = self.under_fire(lease.claim(), copy, call).await;
                drop(released);
            }
        }
    }

    async fn look(&mut self, name: &str) {
        self.worker.begin();
        drop(self.lock.holder(name).await);
        self.worker.end(None, None);
    }

    async fn renew(&mut self, lease: Lease) {
        let call = async |lock: &RecordedLock| lock.renew(&lease).await;
        match self.under_fire(lease.claim(), |lock| lock.begin_renew(&lease), call).await {
            Ok(renewed) => {
                let in_time = self.worker.time == Time::Real || lease.is_valid();
                assert!(in_time, "L-34: a lease on {:?} was revived past its local deadline", lease.key());
                self.held.push(renewed);
            }
            // The old deadline stands.
            Err(Error::Timeout { .. } | Error::Unavailable { .. }) if lease.is_valid() => self.held.push(lease),
            Err(_) => {}
        }
    }

    /// A claim of which a request may be under way: releases it, and learns from the answer.
    async fn give_up(&mut self, claim: &Claim) {
        let call = async |lock: &RecordedLock| lock.release(claim, None).await;
        let released = self.under_fire(claim, |lock| lock.begin_release(claim, None), call).await;
        if matches!(released, Ok(Released::Ours)) {
            self.shown.lock().unwrap_or_else(PoisonError::into_inner).insert(self.lock.owner(claim));
        }
    }
}
