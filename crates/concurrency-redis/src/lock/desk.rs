//! What the locks of one client have in common: who waits here, what was granted through it, and the way to the server.
//!
//! Requests of one client arrive in the order in which they were sent, as long as its connection lasts. Where it does not, an
//! earlier one may arrive after a later one; what that leaves behind either carries the place of a waiter that has left, and
//! lapses with it, or lapses within one TTL.

mod counting;
mod giving_back;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use concurrency_core::{
    Claim, Error, FencingToken, Lease, Namespace, Released, Result,
    clock::BootInstant,
    desk::{Granted, Lines, Turn, Waiter},
    random,
    retry::Backoff,
};
use redis::{Cmd, Pipeline};
use tokio::{
    runtime::Handle,
    sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock},
};

use self::giving_back::WakesFirst;
use super::{
    answer::{self, Acquired, Found},
    call::{self, Calls, Place},
};
use crate::{
    connection::{Client, Deadline, Repeat, Server},
    error,
    key::LockKeys,
    script,
};

/// What our messages in the inbox begin with.
const MARK: u8 = b'l';

/// The locks of one client.
#[derive(Debug)]
pub(crate) struct Desk {
    client: Client,
    prefix: Box<str>,
    /// How long requests may take that belong to no component.
    limit: Duration,
    /// What tells this client's places from those of others.
    origin: [u8; 8],
    attempts: AtomicU64,
    /// Where requests are sent from for which nobody waits.
    runtime: Handle,
    closed: AtomicBool,
    /// Held by requests that are under way, and by whoever closes once those have ended.
    under_way: Arc<RwLock<()>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    lines: Lines,
    granted: Granted,
    /// Since closing; nothing is sent any more.
    shut: Option<OwnedRwLockWriteGuard<()>>,
}

/// What the locks of one namespace have in common.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) namespace: Namespace,
    keys: LockKeys,
    /// How long a call may take.
    pub(super) limit: Duration,
}

impl Room {
    pub(super) fn new(desk: &Desk, namespace: Namespace, limit: Duration) -> Self {
        Self { keys: LockKeys::new(&desk.prefix, &namespace), namespace, limit }
    }
}

/// A request that its caller repeats until there is an answer.
pub(super) struct Sending {
    deadline: Deadline,
    backoff: Backoff,
    /// A copy may have been carried out.
    sent: bool,
}

impl Sending {
    /// Returns when it is time for another copy.
    ///
    /// # Errors
    /// The error, where another copy would not help or come too late; with what that says of all copies.
    pub(super) async fn goes_on_after(&mut self, failed: Error) -> Result<()> {
        let may_pass = matches!(failed, Error::Timeout { .. } | Error::Unavailable { .. });
        let failed = if self.sent { error::with_outcome(failed, error::UNKNOWN) } else { failed };
        self.sent |= failed.outcome() != concurrency_core::Outcome::NotApplied;
        if may_pass && self.backoff.sleep_before(self.deadline.at).await { Ok(()) } else { Err(failed) }
    }
}

impl Desk {
    pub(crate) fn new(client: Client, prefix: &str, limit: Duration) -> Arc<Self> {
        let [a, b, c, d, e, f, g, h, ..] = random::bytes();
        let desk = Arc::new(Self {
            client,
            prefix: prefix.into(),
            limit,
            origin: [a, b, c, d, e, f, g, h],
            attempts: AtomicU64::new(0),
            runtime: Handle::current(),
            closed: AtomicBool::new(false),
            under_way: Arc::default(),
            state: Mutex::default(),
        });
        let weak = Arc::downgrade(&desk);
        desk.client.pushes().on(MARK, Arc::new(move |push| Self::hears(&weak, push)));
        desk
    }

    pub(super) fn server(&self) -> &Server {
        self.client.server()
    }

    /// # Errors
    /// `Closed`.
    pub(super) fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { self.client.check_open() }
    }

    /// A request is under way until this is dropped.
    ///
    /// # Errors
    /// `Closed`.
    fn begin(&self) -> Result<OwnedRwLockReadGuard<()>> {
        self.check_open()?;
        Arc::clone(&self.under_way).try_read_owned().map_err(|_| Error::Closed)
    }

    pub(super) fn calls<'a>(&'a self, room: &'a Room) -> Calls<'a> {
        Calls { keys: &room.keys, inbox: self.client.pushes().inbox(), origin: self.origin }
    }

    pub(super) fn sending(&self, room: &Room) -> Sending {
        Sending { deadline: Deadline::after(room.limit), backoff: Backoff::new(), sent: false }
    }

    /// Of an attempt. Waiters have the lower half of the numbers.
    pub(super) fn next_place(&self) -> Place {
        call::place(self.origin, 1 << 63 | self.attempts.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn with_lines<T>(&self, step: impl FnOnce(&mut Lines) -> T) -> T {
        step(&mut self.state().lines)
    }

    /// One copy of a call of `ACQUIRE`.
    pub(super) async fn acquire(&self, room: &Room, call: &Cmd) -> Result<Acquired> {
        let _under_way = self.begin()?;
        let answer = self.client.call(&script::ACQUIRE, call, Repeat::ByCaller, Deadline::after(room.limit)).await?;
        Acquired::read(&answer.value)
    }

    /// What the waiter is answered, once; `None` where it has lost its place.
    pub(super) async fn ask(self: &Arc<Self>, room: &Arc<Room>, waiter: &Arc<Waiter>) -> Result<Option<Turn>> {
        if waiter.has_left() || waiter.claim().is_dead() {
            return Ok(None);
        }
        let (call, next) = self.next_and(room, waiter, |is_first, next| match (is_first, next) {
            (true, next) => self.calls(room).wait(waiter, next),
            // It was not looked after for a while; what it was handed before that may still be there.
            (false, _) => self.calls(room).take_up(waiter),
        });
        match self.acquire(room, &call).await? {
            Acquired::Granted { token, is_new } => {
                self.note(room, waiter.claim(), token, is_new);
                if waiter.claim().is_dead() {
                    self.give_back(room, waiter.claim());
                    return Ok(None);
                }
                // The name may come free before the next one would look by itself.
                next.filter(|(_, looks_at)| BootInstant::now().after(waiter.claim().ttl().as_duration()) < *looks_at)
                    .inspect(|(next, _)| next.ring());
                Ok(Some(Turn::Granted(token)))
            }
            Acquired::Wait(wait) => Ok(Some(Turn::Wait(wait))),
            Acquired::None => Ok(None),
        }
    }

    /// Makes the call of a waiter, with whether it stands first and, if so, who stands next.
    fn next_and(
        &self,
        room: &Room,
        waiter: &Arc<Waiter>,
        call: impl FnOnce(bool, Option<&Waiter>) -> Cmd,
    ) -> (Cmd, Option<(Arc<Waiter>, BootInstant)>) {
        let mut state = self.state();
        let is_first = state.lines.is_first(waiter);
        let mut next = || state.lines.first(&room.namespace, waiter.key(), Some(waiter), BootInstant::now());
        let next = if is_first { next() } else { None };
        drop(state);
        (call(is_first, next.as_ref().map(|(next, _)| &**next)), next)
    }

    /// The claim holds nothing afterwards.
    ///
    /// # Errors
    /// `Closed`; why there was no answer; `Unavailable` where an earlier copy may have released it.
    pub(super) async fn release(
        self: &Arc<Self>,
        room: &Room,
        claim: &Claim,
        token: Option<FencingToken>,
    ) -> Result<Released> {
        self.check_open()?;
        let waited = self.dies(room, claim);
        let _under_way = self.begin()?;
        self.release_now(room, claim, token, waited).await
    }

    async fn release_now(
        self: &Arc<Self>,
        room: &Room,
        claim: &Claim,
        token: Option<FencingToken>,
        waited: bool,
    ) -> Result<Released> {
        let (namespace, key) = (&room.namespace, claim.key());
        let mut first = WakesFirst { desk: self, namespace, key, heard: false };
        let next = || self.state().lines.first(namespace, key, None, BootInstant::now()).map(|(next, _)| next);
        let next = waited.then(next);
        let call = self.calls(room).release(key, claim.owner(), token, next.as_ref().map(Option::as_deref));
        let deadline = Deadline::after(room.limit);
        let answer = self.client.call(&script::RELEASE, &call, Repeat::UntilAnswered, deadline).await?;
        let (released, handed) = answer::released(&answer.value)?;
        first.heard = !answer.repeated;
        self.state().granted.forget(claim.owner(), token);
        if let Some(handed) = handed {
            self.hands(namespace.as_str(), key, handed);
        }
        // The copy before may have been ours: the caller counts that, and asks again.
        if answer.repeated && released != Released::Ours {
            return Err(error::unavailable(error::SETTLED));
        }
        Ok(released)
    }

    /// A release of the claim is about to be sent. True if somebody waited here under it.
    fn dies(&self, room: &Room, claim: &Claim) -> bool {
        claim.die();
        self.state().lines.remove(&room.namespace, claim.key(), claim.owner())
    }

    /// What a name looks like.
    pub(super) async fn find(&self, room: &Room, call: &Cmd, repeat: Repeat) -> Result<Found> {
        let answer = self.client.call(&script::FIND, call, repeat, Deadline::after(room.limit)).await;
        Found::read(&answer.map_err(error::without_effect)?.value)
    }

    /// One copy of renewals; bytes in their order.
    pub(super) async fn renew(&self, calls: &Pipeline, deadline: Deadline) -> Result<Vec<Result<redis::Value>>> {
        let _under_way = self.begin()?;
        let answers = self.client.call_many(&script::RENEW, calls, Repeat::ByCaller, deadline).await?;
        Ok(answers.into_iter().map(|answer| Ok(answer?.value)).collect())
    }

    /// For closing: granted through this client, unless it was extended.
    pub(super) fn note(&self, room: &Room, claim: &Claim, token: FencingToken, is_new: bool) {
        if is_new {
            self.state().granted.remember(&room.namespace, claim, token);
        }
    }

    /// Closing will leave it alone.
    pub(super) fn leave(&self, lease: &Lease) {
        self.state().granted.forget(lease.claim().owner(), Some(lease.fencing_token()));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
