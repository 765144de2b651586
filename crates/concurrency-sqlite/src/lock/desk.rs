//! What the locks of one client have in common: who waits here, what was granted through it, and the way to the file.
//!
//! Whatever changes the file runs on the writer's thread, one step after another in the order in which it was sent. So a step
//! may look at the lines here and find them as they are: the step that a waiter sends when it leaves comes after all that it
//! asked before.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use concurrency_core::{
    Claim, Error, FencingToken, Lease, Namespace, Owner, Result,
    clock::BootInstant,
    desk::{self, Ended, Granted, Lines, Look, UnderWay, Waiter},
};
use rusqlite::Connection;

use super::{
    sweep::Sweep,
    table::{BootId, ClientId, Grant, Handed, Moment, Table, Turn, look},
    watch,
};
use crate::{
    connection::{Database, Kind},
    error::Fault,
};

/// So many leases are released in one step when a client is closed.
const AT_ONCE: usize = 500;

/// The locks of one client.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(super) database: Database,
    pub(super) boot: BootId,
    client: ClientId,
    closed: AtomicBool,
    state: Mutex<State>,
    sweep: Sweep,
    /// How many steps were sent that nobody waits for, and are not committed yet.
    on_their_way: Arc<AtomicUsize>,
}

/// Counts a step, until it is committed or has failed.
struct OnItsWay {
    count: Arc<AtomicUsize>,
    /// Dropped with it, for whoever wants to know.
    _under_way: UnderWay,
}

impl OnItsWay {
    fn new(count: &Arc<AtomicUsize>) -> (Self, Ended) {
        count.fetch_add(1, Ordering::AcqRel);
        let (under_way, ended) = Ended::new();
        (Self { count: Arc::clone(count), _under_way: under_way }, ended)
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::AcqRel);
    }
}

#[derive(Debug, Default)]
struct State {
    lines: Lines,
    granted: Granted,
    /// A task listens for what other processes hand over.
    is_watched: bool,
}

impl Desk {
    /// `None` where the system does not tell one boot from another, or no clock that all processes share: then nothing could
    /// judge a lease that another process took.
    pub(crate) fn new(database: Database, boot: Option<BootId>) -> Option<Arc<Self>> {
        let client = concurrency_core::random::bytes();
        let state = Mutex::default();
        Some(Arc::new(Self {
            database,
            boot: boot?,
            client,
            closed: AtomicBool::new(false),
            state,
            sweep: Sweep::new(),
            on_their_way: Arc::default(),
        }))
    }

    /// # Errors
    /// `Closed`.
    pub(super) fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { self.database.check_open() }
    }

    /// Runs a step on the writer's thread.
    pub(super) async fn step<T: Send + 'static>(
        self: &Arc<Self>,
        namespace: &Namespace,
        limit: Duration,
        step: impl FnOnce(&Self, &Table<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        self.check_open()?;
        self.database.write(Kind::Durable, limit, self.work(namespace, step)).await
    }

    /// As [`step`](Self::step), for nobody who waits.
    fn post(
        self: &Arc<Self>,
        namespace: &Namespace,
        limit: Duration,
        step: impl FnOnce(&Self, &Table<'_>) -> Result<(), Fault> + Send + 'static,
    ) -> Ended {
        let (on_its_way, ended) = OnItsWay::new(&self.on_their_way);
        let step = move |desk: &Self, table: &Table<'_>| step(desk, table).map(|()| on_its_way);
        self.database.post(Kind::Durable, limit, self.work(namespace, step));
        ended
    }

    fn work<T>(
        self: &Arc<Self>,
        namespace: &Namespace,
        step: impl FnOnce(&Self, &Table<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static {
        let (desk, namespace) = (Arc::clone(self), namespace.clone());
        move |connection| {
            let now = Moment::now(desk.boot);
            let done = step(&desk, &Table::new(connection, namespace.as_str(), now))?;
            desk.sweep.now_and_then(connection, now)?;
            Ok(done)
        }
    }

    /// What the claim would find: an answer for some microseconds, where asking takes a commit. `besides` leaves out the
    /// places of this client.
    pub(super) async fn look(
        &self,
        namespace: &Namespace,
        claim: &Claim,
        besides: bool,
        limit: Duration,
    ) -> Result<Look> {
        self.check_open()?;
        let (owner, client, boot) = (claim.owner(), besides.then_some(self.client), self.boot);
        let (namespace, key) = (namespace.clone(), claim.key().to_owned());
        let read = move |connection: &Connection| look(connection, namespace.as_str(), &key, owner, client, boot);
        self.database.read_little(limit, read).await
    }

    /// Whether a look sees all that this client has given back.
    pub(super) fn is_settled(&self) -> bool {
        self.on_their_way.load(Ordering::Acquire) == 0
    }

    /// Sees to it that whoever waits is woken.
    ///
    /// # Errors
    /// `Closed`.
    pub(super) fn attend(self: &Arc<Self>) -> Result<()> {
        self.check_open()?;
        self.watch();
        Ok(())
    }

    pub(super) fn with_lines<T>(&self, step: impl FnOnce(&mut Lines) -> T) -> T {
        step(&mut self.state().lines)
    }

    /// On the writer's thread: what a waiter is answered; `None` where it has lost its place. Where it is granted the name, the
    /// next one of its line takes its place in the queue, so that it need not be woken for that.
    pub(super) fn ask(&self, table: &Table<'_>, waiter: &Arc<Waiter>) -> Result<Option<desk::Turn>, Fault> {
        self.check_open()?;
        if waiter.has_left() || waiter.claim().is_dead() {
            return Ok(None);
        }
        let is_first = self.state().lines.is_first(waiter);
        let turn = if is_first {
            Some(table.wait(waiter.claim(), self.client)?)
        } else {
            // It was not looked after for a while; what it was handed before that may still be there.
            table.take_up(waiter.claim())?.map(Turn::Granted)
        };
        if let Some(Turn::Granted(grant)) = turn {
            if grant.is_new {
                waiter.grant(grant.token);
            }
            self.note(waiter.namespace(), waiter.claim(), grant);
            if is_first {
                self.next_stands(table, waiter.namespace(), waiter.key(), Some(waiter))?;
            }
        }
        Ok(turn.map(|turn| match turn {
            Turn::Granted(grant) => desk::Turn::Granted(grant.token),
            Turn::Wait(wait) => desk::Turn::Wait(wait),
        }))
    }

    /// On the writer's thread: whoever is first here, but for `besides`, has this client's place in the queue.
    fn next_stands(
        &self,
        table: &Table<'_>,
        namespace: &Namespace,
        key: &str,
        besides: Option<&Arc<Waiter>>,
    ) -> Result<(), Fault> {
        let now = BootInstant::now();
        let Some((next, looks_at)) = self.state().lines.first(namespace, key, besides, now) else {
            return table.step_out(key, self.client);
        };
        table.stand(key, next.claim(), self.client)?;
        if now.after(table.held_for(key)?) < looks_at {
            // The name comes free before it would look by itself.
            next.ring();
        }
        Ok(())
    }

    /// Will never look again: its place goes to the next one here, and what it was handed or granted is passed on.
    /// The answer is there where the file had to be told.
    pub(super) fn leaves(self: &Arc<Self>, waiter: &Arc<Waiter>, limit: Duration) -> Option<Ended> {
        let mut state = self.state();
        let was_first = state.lines.leave_for_good(waiter);
        if !waiter.has_asked() {
            if was_first {
                state.lines.wake_first_unless_asked(waiter.namespace(), waiter.key());
            }
            return None;
        }
        let gone = Arc::clone(waiter);
        // Sent while the lines are locked, so that whoever closes finds the waiter in line, or its step on the way.
        Some(self.post(waiter.namespace(), limit, move |desk, table| {
            let (namespace, key, owner) = (gone.namespace(), gone.key(), gone.claim().owner());
            desk.next_stands(table, namespace, key, None)?;
            table.give_up(key, owner, gone.granted())?;
            if let Some(token) = gone.granted() {
                desk.state().granted.forget(owner, Some(token));
            }
            desk.pass_on(table, namespace, key)
        }))
    }

    /// On the writer's thread: after something of the name was given back.
    pub(super) fn pass_on(&self, table: &Table<'_>, namespace: &Namespace, key: &str) -> Result<(), Fault> {
        if let Some(Handed { client, owner }) = table.hand_over(key)?
            && client == self.client
        {
            // It asks after this transaction, whatever becomes of it.
            self.state().lines.ring(namespace.as_str(), key, owner);
        }
        Ok(())
    }

    /// A release of the claim is about to be sent. True if somebody waited here under it.
    pub(super) fn dies(&self, namespace: &Namespace, claim: &Claim) -> bool {
        claim.die();
        let mut state = self.state();
        state.lines.remove(namespace, claim.key(), claim.owner())
    }

    /// On the writer's thread: the claim holds nothing afterwards.
    pub(super) fn release(
        &self,
        table: &Table<'_>,
        namespace: &Namespace,
        claim: &Claim,
        token: Option<FencingToken>,
        waited: bool,
    ) -> Result<concurrency_core::Released, Fault> {
        let released = table.release(claim.key(), claim.owner(), token)?;
        if waited {
            self.next_stands(table, namespace, claim.key(), None)?;
        }
        self.state().granted.forget(claim.owner(), token);
        self.pass_on(table, namespace, claim.key())?;
        Ok(released)
    }

    /// A grant that came too late: nobody waits for the answer of its release.
    pub(super) fn give_back(self: &Arc<Self>, namespace: &Namespace, claim: &Claim, limit: Duration) {
        let waited = self.dies(namespace, claim);
        let claim = claim.clone();
        let of = namespace.clone();
        drop(self.post(namespace, limit, move |desk, table| desk.release(table, &of, &claim, None, waited).map(drop)));
    }

    /// For closing: it was granted through this client, unless it was extended.
    pub(super) fn note(&self, namespace: &Namespace, claim: &Claim, grant: Grant) {
        if grant.is_new {
            self.state().granted.remember(namespace, claim, grant.token);
        }
    }

    /// Closing will leave it alone.
    pub(super) fn leave(&self, lease: &Lease) {
        self.state().granted.forget(lease.claim().owner(), Some(lease.fencing_token()));
    }

    /// Ends those who wait, and releases what was granted through this client and not left to expire.
    pub(crate) async fn close(self: &Arc<Self>, limit: Duration) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        self.wake_all();
        loop {
            let desk = Arc::clone(self);
            let released = self.database.write(Kind::Durable, limit, move |connection| desk.release_some(connection));
            // What cannot be released lapses.
            if !released.await.unwrap_or(false) {
                break;
            }
        }
    }

    /// On the writer's thread. True if there is more.
    fn release_some(&self, connection: &Connection) -> Result<bool, Fault> {
        let now = Moment::now(self.boot);
        let waiters = self.state().lines.waiters();
        for waiter in &waiters {
            self.state().lines.leave_for_good(waiter);
            let (namespace, key) = (waiter.namespace(), waiter.key());
            let table = Table::new(connection, namespace.as_str(), now);
            table.step_out(key, self.client)?;
            table.give_up(key, waiter.claim().owner(), waiter.granted())?;
            self.pass_on(&table, namespace, key)?;
        }
        let granted = self.state().granted.take(AT_ONCE);
        for desk::Grant { namespace, claim, token } in &granted {
            let table = Table::new(connection, namespace.as_str(), now);
            table.release(claim.key(), claim.owner(), Some(*token))?;
            self.pass_on(&table, namespace, claim.key())?;
        }
        Ok(granted.len() == AT_ONCE)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.check_open().is_err()
    }

    pub(super) fn wake_all(&self) {
        self.state().lines.ring_all();
    }

    pub(super) fn ring(&self, namespace: &str, key: &str, owner: Owner) {
        self.state().lines.ring(namespace, key, owner);
    }

    /// How many wait here.
    pub(super) fn waiting(&self) -> usize {
        self.state().lines.waiters().len()
    }

    pub(super) fn has_waiters(&self) -> bool {
        !self.state().lines.is_empty()
    }

    /// Sees to it that a task listens for what other processes hand over to those who wait here.
    fn watch(self: &Arc<Self>) {
        let mut state = self.state();
        // Outside a runtime nobody can sleep, so nobody gets here; if so, waiters look by themselves.
        if !state.is_watched
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            state.is_watched = true;
            drop(state);
            watch::start(self, &runtime);
        }
    }

    /// Whether the task that listens may end: nobody waits. It is not counted any more then.
    pub(super) fn may_stop_watching(&self) -> bool {
        let mut state = self.state();
        if state.lines.is_empty() {
            state.is_watched = false;
        }
        !state.is_watched
    }

    /// The task that listens is gone, with the runtime that it ran on.
    pub(super) fn is_unwatched(&self) {
        self.state().is_watched = false;
        // One of those who wait starts another.
        self.wake_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
