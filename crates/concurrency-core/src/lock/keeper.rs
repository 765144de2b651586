//! One task for all guards of a lock component, which renews each at a third of its TTL, many in one request.
//!
//! It lives while there are guards. If the runtime that it lives in shuts down, whoever uses a guard in another runtime
//! starts it again there.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{runtime::Handle, sync::Notify, task::JoinSet};

use super::{Lease, agenda::Agenda, guard::Hold, locks::Shared};
use crate::clock::{self, BootInstant};

/// The most renewals in one request.
const BATCH: usize = 500;
/// Guards are renewed a little early to share requests: until about so many come together. More would only make a server's other
/// clients wait.
const TOGETHER: u32 = 1000;
/// The longest pause after a renewal that failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause at all.
const LONGEST_LOOK: Duration = Duration::from_secs(3600);

#[derive(Debug, Default)]
pub(super) struct Keeper {
    book: Mutex<Book>,
    /// Changed under the book's mutex only.
    running: AtomicBool,
    last_id: AtomicU64,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Book {
    /// The guards, and when each of them is renewed next.
    kept: Agenda<Weak<Hold>>,
    /// When the task looks again.
    next: Option<BootInstant>,
    /// How many guards were looked at.
    #[cfg(test)]
    looked_at: u64,
}

impl Book {
    fn plan(&self) -> Plan {
        Plan { guards: u32::try_from(self.kept.len()).unwrap_or(u32::MAX).max(1) }
    }
}

/// When guards are renewed, where there are so many.
#[derive(Debug, Clone, Copy)]
struct Plan {
    guards: u32,
}

impl Plan {
    /// A renewal at a third of the TTL from `now`, or a little earlier, so that guards taken at different times share
    /// requests; at the latest when the lease ends, so that its loss is noticed then.
    fn next(self, now: BootInstant, lease: &Lease) -> (BootInstant, BootInstant) {
        let every = renew_every(lease);
        let due = now.after(every).min(lease.deadline());
        let early = (every / 8).min(every / self.guards * TOGETHER);
        (due.before(early).max(now.after(Duration::from_nanos(1))), due)
    }
}

/// A renewal on its way. It does not keep the guard alive: dropping that one must release at once.
struct Sent {
    id: u64,
    hold: Weak<Hold>,
    lease: Lease,
}

/// A third of the TTL.
fn renew_every(lease: &Lease) -> Duration {
    lease.claim().ttl().as_duration() / 3
}

/// Several times within what is left after a renewal failed.
fn repeat_after(lease: &Lease) -> Duration {
    (renew_every(lease) / 4).min(LONGEST_PAUSE)
}

impl Keeper {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// By what a guard is known here.
    pub(super) fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Begins to renew a guard.
    pub(super) fn add(shared: &Arc<Shared>, id: u64, hold: &Arc<Hold>, lease: &Lease) {
        let mut book = shared.keeper.book();
        book.kept.add(id, Arc::downgrade(hold));
        let (from, due) = book.plan().next(BootInstant::now(), lease);
        book.kept.set(id, from, due);
        let too_late = book.next.is_some_and(|next| due < next);
        drop(book);
        if too_late {
            shared.keeper.wake.notify_one();
        }
        Self::run(shared);
    }

    /// Stops renewing a guard.
    pub(super) fn remove(&self, id: u64) {
        let mut book = self.book();
        book.kept.remove(id);
        if book.kept.is_empty() {
            self.wake.notify_one();
        }
    }

    /// Starts the task, where it is needed, does not run, and there is a runtime here.
    pub(super) fn run(shared: &Arc<Shared>) {
        if shared.keeper.running.load(Ordering::Acquire) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        let book = shared.keeper.book();
        if book.kept.is_empty() || shared.keeper.running.swap(true, Ordering::AcqRel) {
            return;
        }
        // A runtime that shuts down drops the task inside `spawn`, and the task's end needs the book.
        drop(book);
        drop(runtime.spawn(keep(Running { shared: Arc::clone(shared), ended: false })));
    }

    /// What is to be renewed now, as far as one request goes, and when to look again; `None` ends the task, since there are no
    /// guards.
    ///
    /// Costs as much as what is due, not as much as what is held: it runs after every answer.
    fn due(&self) -> Option<(Vec<Sent>, BootInstant)> {
        let now = BootInstant::now();
        // Dropped after the mutex is free: the last owner of a guard releases it, and that needs the book.
        let (mut due, mut held, mut lost) = (Vec::new(), Vec::new(), Vec::new());
        let mut book = self.book();
        let plan = book.plan();
        #[cfg(test)]
        let mut looked_at = 0;
        book.kept.take(now, BATCH, |id, known| {
            #[cfg(test)]
            {
                looked_at += 1;
            }
            // A guard that is being dropped at this moment removes itself as well.
            let hold = known.upgrade()?;
            let Some(lease) = hold.lease_now() else {
                lost.push(hold);
                return None;
            };
            let next = plan.next(now, &lease);
            due.push(Sent { id, hold: Weak::clone(known), lease });
            held.push(hold);
            Some(next)
        });
        #[cfg(test)]
        {
            book.looked_at += looked_at;
        }
        let ended = book.kept.is_empty();
        let next = book.kept.next().unwrap_or(BootInstant::NEVER).min(now.after(LONGEST_LOOK));
        book.next = (!ended).then_some(next);
        if ended {
            self.running.store(false, Ordering::Release);
        }
        drop(book);
        lost.iter().for_each(|hold| hold.look());
        (!ended).then_some((due, next))
    }

    fn repeat(&self, sent: &Sent) {
        let again = BootInstant::now().after(repeat_after(&sent.lease));
        self.book().kept.bring_forward(sent.id, again);
    }

    /// How many guards were looked at so far.
    #[cfg(test)]
    pub(super) fn looked_at(&self) -> u64 {
        self.book().looked_at
    }
}

/// The task, as long as it runs. Where it ends otherwise than by itself, guards that somebody waits on start another.
struct Running {
    shared: Arc<Shared>,
    ended: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let keeper = &self.shared.keeper;
        let mut book = keeper.book();
        book.next = None;
        keeper.running.store(false, Ordering::Release);
        let holds: Vec<Arc<Hold>> = book.kept.all().filter_map(Weak::upgrade).collect();
        drop(book);
        holds.iter().for_each(|hold| hold.wake());
    }
}

async fn keep(mut running: Running) {
    let shared = Arc::clone(&running.shared);
    let mut renewals = JoinSet::new();
    while let Some((due, next)) = shared.keeper.due() {
        if !due.is_empty() {
            renewals.spawn(renew(Arc::clone(&shared), due));
            // Sent while what was just looked at is still in the processor's cache.
            tokio::task::yield_now().await;
        }
        tokio::select! {
            () = clock::sleep_until(next) => {}
            () = shared.keeper.wake.notified() => {}
            // A repeat may be due sooner.
            Some(_) = renewals.join_next() => {}
        }
    }
    // The book says so already, and another may run by now.
    running.ended = true;
}

/// One request. Given up when its last lease has run out: no answer counts any more.
async fn renew(shared: Arc<Shared>, batch: Vec<Sent>) {
    let Some(end) = batch.iter().map(|sent| sent.lease.deadline()).max() else { return };
    let leases: Vec<&Lease> = batch.iter().map(|sent| &sent.lease).collect();
    let answers = tokio::select! {
        answers = shared.lock.renew_many(&leases) => answers,
        () = clock::sleep_until(end) => return,
    };
    for (sent, answer) in batch.iter().zip(answers) {
        let repeat = sent.hold.upgrade().is_some_and(|hold| hold.answered(&sent.lease, answer));
        if repeat {
            shared.keeper.repeat(sent);
        }
    }
}
