//! What is given back without anybody waiting for it: places, hand-overs and grants of those who have left, and everything when
//! the client is closed.

use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use concurrency_core::{
    Claim, Namespace,
    clock::BootInstant,
    desk::{Ended, Grant, Waiter},
};
use redis::{Cmd, Pipeline};
use tokio::sync::OwnedRwLockReadGuard;

use super::{Desk, Room};
use crate::{
    connection::{Deadline, Push, Repeat},
    key,
    lock::answer::{self, Handed},
    script,
};

/// So many leases are released in one request when a client is closed.
const AT_ONCE: usize = 500;

/// Wakes whoever stands first, unless the answer was heard that would have told somebody here that it has the name.
pub(super) struct WakesFirst<'a> {
    pub(super) desk: &'a Desk,
    pub(super) namespace: &'a Namespace,
    pub(super) key: &'a str,
    pub(super) heard: bool,
}

impl Drop for WakesFirst<'_> {
    fn drop(&mut self) {
        if !self.heard {
            self.desk.state().lines.wake_first(self.namespace, self.key);
        }
    }
}

impl Desk {
    /// Will never look again: its place goes to the next one here, and what it was handed or granted is passed on.
    /// The answer is there where the server has to be told.
    pub(in crate::lock) fn leaves(self: &Arc<Self>, room: &Arc<Room>, waiter: &Arc<Waiter>) -> Option<Ended> {
        let mut state = self.state();
        // Whoever closes finds it in line, or this request under way.
        let under_way = waiter.has_asked().then(|| self.begin());
        if matches!(under_way, Some(Err(_))) {
            return None;
        }
        let was_first = state.lines.leave_for_good(waiter);
        let Some(Ok(under_way)) = under_way else {
            if was_first {
                state.lines.wake_first_unless_asked(&room.namespace, waiter.key());
            }
            return None;
        };
        drop(state);
        let (desk, room, waiter) = (Arc::clone(self), Arc::clone(room), Arc::clone(waiter));
        Some(self.post(under_way, async move { desk.leave_now(&room, &waiter).await }))
    }

    async fn leave_now(self: Arc<Self>, room: &Room, waiter: &Waiter) {
        let key = waiter.key();
        let mut first = WakesFirst { desk: &self, namespace: &room.namespace, key, heard: false };
        let next = self.state().lines.first(&room.namespace, key, None, BootInstant::now());
        let call = self.calls(room).leave(waiter, next.as_ref().map(|(next, _)| &**next));
        let Some((handed, held_for)) = self.send_leave(&call, room.limit).await else { return };
        first.heard = true;
        if let Some(handed) = handed {
            self.hands(room.namespace.as_str(), key, handed);
        }
        if let Some((next, looks_at)) = next
            && !held_for.is_zero()
            && BootInstant::now().after(held_for) < looks_at
        {
            next.ring();
        }
    }

    async fn send_leave(&self, call: &Cmd, limit: Duration) -> Option<(Option<Handed>, Duration)> {
        let answer = self.client.call(&script::LEAVE, call, Repeat::UntilAnswered, Deadline::after(limit)).await;
        let answer = answer.and_then(|answer| answer::left(&answer.value));
        answer.inspect_err(|error| tracing::debug!(%error, "a waiter's place lapses")).ok()
    }

    /// Gives back what somebody was handed who is not here any more.
    fn pass_on(self: &Arc<Self>, namespace: &str, key: &str, handed: Handed) {
        let Ok(under_way) = self.begin() else { return };
        let Ok(namespace) = Namespace::new(namespace) else { return };
        let room = Room::new(self, namespace, self.limit);
        let (desk, key) = (Arc::clone(self), Box::<str>::from(key));
        drop(self.post(under_way, async move {
            let call = desk.calls(&room).pass_on(&key, handed);
            let mut first = WakesFirst { desk: &desk, namespace: &room.namespace, key: &key, heard: false };
            if let Some((handed, _)) = desk.send_leave(&call, room.limit).await {
                first.heard = true;
                if let Some(handed) = handed {
                    desk.hands(room.namespace.as_str(), &key, handed);
                }
            }
        }));
    }

    /// The name was handed to a waiter of this client.
    pub(super) fn hands(self: &Arc<Self>, namespace: &str, key: &str, handed: Handed) {
        let is_here = self.state().lines.ring(namespace, key, handed.owner);
        if !is_here {
            self.pass_on(namespace, key, handed);
        }
    }

    /// Runs on the connection's task.
    pub(super) fn hears(desk: &Weak<Self>, push: Push<'_>) {
        let Some(desk) = desk.upgrade() else { return };
        let Push::Message(message) = push else {
            return desk.state().lines.ring_all();
        };
        if let Some((handed, record)) = Handed::read(message)
            && let Some((namespace, key)) = key::lock_of(&desk.prefix, record)
        {
            desk.hands(namespace, key, handed);
        }
    }

    /// A grant that came too late: nobody waits for the answer of its release.
    pub(in crate::lock) fn give_back(self: &Arc<Self>, room: &Arc<Room>, claim: &Claim) {
        let waited = self.dies(room, claim);
        let Ok(under_way) = self.begin() else { return };
        let (desk, room, claim) = (Arc::clone(self), Arc::clone(room), claim.clone());
        drop(self.post(under_way, async move {
            // What cannot be released lapses.
            drop(desk.release_now(&room, &claim, None, waited).await);
        }));
    }

    /// Ends those who wait, and releases what was granted through this client and not left to expire.
    pub(crate) async fn close(self: &Arc<Self>, limit: Duration) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        self.state().lines.ring_all();
        let deadline = Deadline::after(limit);
        let ended = tokio::time::timeout(limit, Arc::clone(&self.under_way).write_owned()).await;
        self.state().shut = ended.ok();
        let waiters = self.state().lines.waiters();
        let mut calls = Pipeline::new();
        for waiter in waiters {
            self.state().lines.leave_for_good(&waiter);
            if waiter.has_asked() {
                let room = Room::new(self, waiter.namespace().clone(), limit);
                calls.add_command(self.calls(&room).leave(&waiter, None));
            }
        }
        if !calls.is_empty() {
            // What cannot be given back lapses, here and below.
            drop(self.client.call_many(&script::LEAVE, &calls, Repeat::UntilAnswered, deadline).await);
        }
        loop {
            let granted = self.state().granted.take(AT_ONCE);
            if granted.is_empty() {
                return;
            }
            let mut calls = Pipeline::with_capacity(granted.len());
            for Grant { namespace, claim, token } in granted {
                let room = Room::new(self, namespace, limit);
                calls.add_command(self.calls(&room).release(claim.key(), claim.owner(), Some(token), None));
            }
            if self.client.call_many(&script::RELEASE, &calls, Repeat::UntilAnswered, deadline).await.is_err() {
                return;
            }
        }
    }

    /// Sends something that nobody waits for.
    fn post(&self, under_way: OwnedRwLockReadGuard<()>, request: impl Future<Output = ()> + Send + 'static) -> Ended {
        let (ends, ended) = Ended::new();
        drop(self.runtime.spawn(async move {
            request.await;
            drop((ends, under_way));
        }));
        ended
    }
}
