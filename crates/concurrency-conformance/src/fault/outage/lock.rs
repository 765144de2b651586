//! Those who hold names, and what the names guard.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use concurrency_core::{Claim, Error, Lock, Memory, Result, SaveOptions, StateStore, clock::BootInstant};

use super::progress::{Progress, Shared, is_outage, locked};

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// Of a lease for a moment: what a failover leaves of it is soon over.
const SHORT: Duration = Duration::from_secs(5);
/// Of one that is held on until the servers are whole again.
const LONG: Duration = Duration::from_secs(120);
/// Before the next one on the name that is held on.
const PAUSE: Duration = Duration::from_millis(10);

/// How somebody holds a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// For a moment, as several do.
    OfMany,
    /// As long as it is told to.
    HoldsOn,
    /// For a moment, on the name that is held on.
    ComesAfter,
}

/// What a name guards: it outlives every failover, and goes by tokens.
#[derive(Debug)]
pub(super) struct Guarded {
    name: &'static str,
    store: Arc<dyn StateStore>,
    /// The highest token that anybody was told of.
    highest: AtomicU64,
    /// Who holds the name, and until when it may rely on that.
    inside: Mutex<Option<(u64, BootInstant)>>,
    held_twice: AtomicUsize,
    caught: AtomicUsize,
    held_on: AtomicUsize,
}

impl Guarded {
    pub(super) fn new(name: &'static str) -> Result<Self> {
        let store = Memory::new().state_store("guarded")?;
        Ok(Self {
            name,
            store,
            highest: AtomicU64::new(0),
            inside: Mutex::new(None),
            held_twice: AtomicUsize::new(0),
            caught: AtomicUsize::new(0),
            held_on: AtomicUsize::new(0),
        })
    }

    /// Leases that were granted while another one was still good.
    pub(super) fn held_twice(&self) -> usize {
        self.held_twice.load(Ordering::Acquire)
    }

    /// Leases that were asked for when they were to be held on, and are or were.
    pub(super) fn held_on(&self) -> usize {
        self.held_on.load(Ordering::Acquire)
    }

    /// Writes of holders that were refused because a later one had written.
    pub(super) fn caught(&self) -> usize {
        self.caught.load(Ordering::Acquire)
    }
}

/// Takes the name, writes what it guards, and gives it back.
pub(super) async fn holds(lock: Arc<dyn Lock>, holder: Holder, shared: Arc<Shared>, seen: Arc<Progress>) {
    while !shared.is_over() {
        match hold_once(&*lock, holder, &shared, &seen).await {
            // Somebody holds it on.
            Err(Error::LockTimeout { .. }) if holder == Holder::ComesAfter => {}
            Err(error) => seen.had_no_answer(error),
            Ok(()) => {}
        }
        if holder != Holder::OfMany {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn hold_once(lock: &dyn Lock, holder: Holder, shared: &Shared, seen: &Progress) -> Result<()> {
    let guarded = shared.guarded(holder);
    let before = guarded.highest.load(Ordering::SeqCst);
    let holds_on = holder == Holder::HoldsOn && *shared.holds_on.borrow();
    let ttl = if holds_on { LONG } else { SHORT };
    let lease = lock.acquire(&Claim::new(guarded.name, ttl)?, PATIENCE).await?;
    let token = lease.fencing_token();
    assert!(token.0 > before, "{token:?} was granted after {before}");
    guarded.highest.fetch_max(token.0, Ordering::SeqCst);
    let other = locked(&guarded.inside).replace((token.0, lease.deadline()));
    let twice = other.is_some_and(|(_, deadline)| !deadline.has_passed());
    guarded.held_twice.fetch_add(usize::from(twice), Ordering::AcqRel);
    if holds_on {
        guarded.held_on.fetch_add(1, Ordering::AcqRel);
        // Its sender is there as long as this.
        drop(shared.holds_on.subscribe().wait_for(|holds_on| !holds_on).await);
    }
    let renewed = lock.renew(&lease).await;
    match guarded.store.save(guarded.name, "v".into(), SaveOptions::new().fenced_by(token)).await {
        Ok(_) => {}
        Err(Error::Fenced { seen, .. }) => {
            assert!(seen > token, "{token:?} was refused because of {seen:?}");
            guarded.caught.fetch_add(1, Ordering::AcqRel);
        }
        Err(error) => return Err(error),
    }
    {
        let mut inside = locked(&guarded.inside);
        if inside.is_some_and(|(now, _)| now == token.0) {
            *inside = None;
        }
    }
    // It is over for this lease, whatever the server says of it.
    match renewed {
        Err(Error::LeaseLost { .. }) => seen.lost(1),
        Err(error) if !is_outage(&error) => return Err(error),
        Err(error) => {
            drop(lock.release(lease.claim(), Some(token)).await);
            return Err(error);
        }
        Ok(_) => {}
    }
    lock.release(lease.claim(), Some(token)).await?;
    seen.succeeded();
    Ok(())
}
