//! Who waits in this client, in order of arrival, by name. Nothing here asks the server: of each line only the first does.
//!
//! A place counts as long as its waiter looks at it now and then, as places at the server do: a future that nobody polls any
//! more holds nobody up for longer than two refreshes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use crate::{Claim, FencingToken, Namespace, Owner, clock::BootInstant};

/// The longest pause between two refreshes of a place.
const REFRESH: Duration = Duration::from_secs(1);

/// How often a waiter refreshes its place: every third of its TTL, or every second.
#[must_use]
pub fn refresh_every(claim: &Claim) -> Duration {
    (claim.ttl().as_duration() / 3).min(REFRESH)
}

/// Somebody who waits: what its future and the requests that it sent have in common.
#[derive(Debug)]
pub struct Waiter {
    namespace: Namespace,
    claim: Claim,
    bell: Notify,
    /// Where it stands; it joins one line, once.
    place: AtomicU64,
    /// The server may know of it.
    asked: AtomicBool,
    /// Nothing may be taken for it any more.
    left: AtomicBool,
    /// What it was granted while it waited; 0 for nothing.
    granted: AtomicU64,
}

impl Waiter {
    /// Not in line yet. Under a fresh owner, if the claim is dead.
    #[must_use]
    pub fn new(namespace: &Namespace, claim: &Claim) -> Arc<Self> {
        let claim = if claim.is_dead() { claim.renamed() } else { claim.clone() };
        Arc::new(Self {
            namespace: namespace.clone(),
            claim,
            bell: Notify::new(),
            place: AtomicU64::new(0),
            asked: AtomicBool::new(false),
            left: AtomicBool::new(false),
            granted: AtomicU64::new(0),
        })
    }

    /// Of the locks that it waits for.
    #[must_use]
    pub const fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// What it waits under.
    #[must_use]
    pub const fn claim(&self) -> &Claim {
        &self.claim
    }

    /// The name.
    #[must_use]
    pub fn key(&self) -> &str {
        self.claim.key()
    }

    /// What tells it from all others that stood in a line of this client; 0 before it stood in one.
    #[must_use]
    pub fn place(&self) -> u64 {
        self.place.load(Ordering::Acquire)
    }

    /// Wakes it: the name was handed to it, or it should look where it stands. Rung several times it wakes once.
    pub fn ring(&self) {
        self.bell.notify_one();
    }

    pub(super) async fn is_rung(&self) {
        self.bell.notified().await;
    }

    /// Whether the server may know of it.
    #[must_use]
    pub fn has_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// Whether it will never look again: nothing may be taken for it.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.left.load(Ordering::Acquire)
    }

    /// What it was granted while it waited.
    #[must_use]
    pub fn granted(&self) -> Option<FencingToken> {
        Some(FencingToken(self.granted.load(Ordering::Acquire))).filter(|token| token.0 > 0)
    }

    /// The server says that it has the name, and had not before.
    pub fn grant(&self, token: FencingToken) {
        self.granted.store(token.0, Ordering::Release);
    }
}

/// The lines of one client. Methods take the instant from the caller and read no clock.
#[derive(Debug, Default)]
pub struct Lines {
    lines: HashMap<Namespace, HashMap<Box<str>, Line>>,
    last_place: u64,
}

/// By place; places grow, so the first is the one that waits longest.
type Line = BTreeMap<u64, Place>;

#[derive(Debug)]
struct Place {
    waiter: Arc<Waiter>,
    counts_until: BootInstant,
    /// When it looks by itself.
    looks_at: BootInstant,
}

/// Where a waiter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its turn to ask the server.
    First,
    /// Somebody is before it.
    Behind {
        /// When to look again.
        until: BootInstant,
    },
    /// It is in no line: it was not looked after, or its claim was released.
    Lost,
}

impl Lines {
    /// At the end of the line for its name.
    pub fn join(&mut self, waiter: &Arc<Waiter>, now: BootInstant) {
        self.last_place += 1;
        waiter.place.store(self.last_place, Ordering::Release);
        let place = Place { waiter: Arc::clone(waiter), counts_until: counts_until(waiter, now), looks_at: now };
        let names = self.lines.entry(waiter.namespace.clone()).or_default();
        match names.get_mut(waiter.key()) {
            Some(line) => drop(line.insert(self.last_place, place)),
            None => drop(names.insert(waiter.key().into(), Line::from([(self.last_place, place)]))),
        }
    }

    /// Refreshes its place, passes over those before it that no longer count, and says where it stands. Whoever stands first
    /// counts as one that the server may know of from now on.
    #[must_use]
    pub fn look(&mut self, waiter: &Arc<Waiter>, now: BootInstant) -> Standing {
        let Some(line) = self.line(&waiter.namespace, waiter.key()) else { return Standing::Lost };
        let Some(mine) = place_of(line, waiter) else { return Standing::Lost };
        if line[&mine].counts_until <= now {
            self.leave(waiter);
            return Standing::Lost;
        }
        while let Some(first) = line.first_entry().filter(|first| *first.key() < mine) {
            if first.get().counts_until > now {
                break;
            }
            first.remove();
        }
        let mut until = now.after(refresh_every(&waiter.claim));
        let mut before = line.range(..mine).map(|(_, place)| place.counts_until);
        let first = before.next();
        // The second takes over as soon as the first no longer counts; those behind it find out in good time.
        if let (Some(first), None) = (first, before.next()) {
            until = until.min(first);
        }
        let place = line.get_mut(&mine).expect("it was found");
        (place.counts_until, place.looks_at) = (counts_until(waiter, now), until);
        if first.is_some() {
            return Standing::Behind { until };
        }
        waiter.asked.store(true, Ordering::Release);
        Standing::First
    }

    /// When it will look again by itself, unless somebody rings.
    pub fn sleeps_until(&mut self, waiter: &Arc<Waiter>, until: BootInstant) {
        if let Some(line) = self.line(&waiter.namespace, waiter.key())
            && let Some(mine) = place_of(line, waiter)
        {
            line.get_mut(&mine).expect("it was found").looks_at = until;
        }
    }

    /// Whether it stands first, as far as that was looked at.
    #[must_use]
    pub fn is_first(&self, waiter: &Arc<Waiter>) -> bool {
        let line = self.lines.get(&waiter.namespace).and_then(|names| names.get(waiter.key()));
        line.and_then(|line| line.values().next()).is_some_and(|first| Arc::ptr_eq(&first.waiter, waiter))
    }

    /// Out of the line. True if it stood first.
    pub fn leave(&mut self, waiter: &Arc<Waiter>) -> bool {
        let was_first = self.is_first(waiter);
        if let Some(line) = self.line(&waiter.namespace, waiter.key())
            && let Some(mine) = place_of(line, waiter)
        {
            line.remove(&mine);
            self.drop_empty(&waiter.namespace, waiter.key());
        }
        was_first
    }

    /// As [`leave`](Self::leave), and no request that it sent may take anything for it from now on.
    pub fn leave_for_good(&mut self, waiter: &Arc<Waiter>) -> bool {
        waiter.left.store(true, Ordering::Release);
        self.leave(waiter)
    }

    /// Takes those who wait under this owner out of the line and wakes them. True if there were any.
    pub fn remove(&mut self, namespace: &Namespace, key: &str, owner: Owner) -> bool {
        let Some(line) = self.line(namespace, key) else { return false };
        let removed: Vec<_> = line.extract_if(.., |_, place| place.waiter.claim.owner() == owner).collect();
        removed.iter().for_each(|(_, place)| place.waiter.ring());
        self.drop_empty(namespace, key);
        !removed.is_empty()
    }

    /// Whoever stands first of those that count, but for `besides`, and when it looks by itself: the server is about to be told of
    /// it.
    #[must_use]
    pub fn first(
        &mut self,
        namespace: &Namespace,
        key: &str,
        besides: Option<&Arc<Waiter>>,
        now: BootInstant,
    ) -> Option<(Arc<Waiter>, BootInstant)> {
        let counts = |place: &&Place| {
            place.counts_until > now && besides.is_none_or(|besides| !Arc::ptr_eq(besides, &place.waiter))
        };
        let first = self.line(namespace, key)?.values().find(counts)?;
        first.waiter.asked.store(true, Ordering::Release);
        Some((Arc::clone(&first.waiter), first.looks_at))
    }

    /// Wakes whoever stands first, if the server cannot know of it.
    pub fn wake_first_unless_asked(&mut self, namespace: &Namespace, key: &str) {
        let first = self.line(namespace, key).and_then(|line| line.values().next());
        if let Some(first) = first.filter(|first| !first.waiter.has_asked()) {
            first.waiter.ring();
        }
    }

    /// Wakes whoever stands first.
    pub fn wake_first(&self, namespace: &Namespace, key: &str) {
        let line = self.lines.get(namespace).and_then(|names| names.get(key));
        if let Some(first) = line.and_then(|line| line.values().next()) {
            first.waiter.ring();
        }
    }

    /// Wakes whoever waits under the owner that the name was handed to. False if nobody here does.
    pub fn ring(&self, namespace: &str, key: &str, owner: Owner) -> bool {
        // Compared as text, because a hint from the server comes as such.
        let names = self.lines.iter().find(|(name, _)| name.as_str() == namespace).map(|(_, names)| names);
        let mut line = names.and_then(|names| names.get(key)).into_iter().flat_map(BTreeMap::values);
        let place = line.find(|place| place.waiter.claim.owner() == owner);
        place.inspect(|place| place.waiter.ring()).is_some()
    }

    /// Wakes all who wait: what one of them was to hear may be lost.
    pub fn ring_all(&self) {
        self.places().for_each(|place| place.waiter.ring());
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.values().all(HashMap::is_empty)
    }

    /// Whether somebody waits for the name.
    #[must_use]
    pub fn has_line(&self, namespace: &Namespace, key: &str) -> bool {
        self.lines.get(namespace).is_some_and(|names| names.contains_key(key))
    }

    /// All who wait.
    #[must_use]
    pub fn waiters(&self) -> Vec<Arc<Waiter>> {
        self.places().map(|place| Arc::clone(&place.waiter)).collect()
    }

    fn places(&self) -> impl Iterator<Item = &Place> {
        self.lines.values().flat_map(HashMap::values).flat_map(BTreeMap::values)
    }

    fn line(&mut self, namespace: &Namespace, key: &str) -> Option<&mut Line> {
        self.lines.get_mut(namespace)?.get_mut(key)
    }

    fn drop_empty(&mut self, namespace: &Namespace, key: &str) {
        if let Some(names) = self.lines.get_mut(namespace)
            && names.get(key).is_some_and(BTreeMap::is_empty)
        {
            names.remove(key);
        }
    }
}

/// After two missed refreshes it counts for nothing.
fn counts_until(waiter: &Waiter, now: BootInstant) -> BootInstant {
    now.after(refresh_every(&waiter.claim) * 2)
}

fn place_of(line: &Line, waiter: &Arc<Waiter>) -> Option<u64> {
    let place = waiter.place.load(Ordering::Acquire);
    line.contains_key(&place).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_of_a_line_asks() {
        let (mut lines, namespace) = (Lines::default(), Namespace::from_static("n"));
        let now = BootInstant::now();
        let claim = || Claim::new("k", REFRESH * 3).unwrap();
        let waiters: Vec<_> = (0..3).map(|_| Waiter::new(&namespace, &claim())).collect();
        waiters.iter().for_each(|waiter| lines.join(waiter, now));
        let after = |seconds| now.after(Duration::from_secs(seconds));
        assert_eq!(lines.look(&waiters[0], now), Standing::First);
        assert_eq!(lines.look(&waiters[1], now), Standing::Behind { until: after(1) });
        assert_eq!(lines.look(&waiters[2], now), Standing::Behind { until: after(1) });
        assert!(waiters[0].has_asked() && !waiters[1].has_asked());
        // The first is not looked after: the second takes over when it no longer counts, not a refresh later.
        assert_eq!(lines.look(&waiters[1], after(1)), Standing::Behind { until: after(2) });
        assert_eq!(lines.look(&waiters[1], after(2)), Standing::First);
        assert_eq!(lines.look(&waiters[0], after(2)), Standing::Lost);
        // The third neither.
        assert!(lines.leave(&waiters[1]));
        assert_eq!(lines.look(&waiters[2], after(2)), Standing::Lost);
        assert!(lines.is_empty());
    }

    #[test]
    fn a_bell_rings_for_those_under_the_owner() {
        let (mut lines, namespace) = (Lines::default(), Namespace::from_static("n"));
        let waiter = Waiter::new(&namespace, &Claim::new("k", REFRESH).unwrap());
        lines.join(&waiter, BootInstant::now());
        let owner = waiter.claim().owner();
        assert!(lines.ring("n", "k", owner));
        assert!(
            !lines.ring("other", "k", owner)
                && !lines.ring("n", "other", owner)
                && !lines.ring("n", "k", Owner::mint())
        );
        assert!(lines.leave_for_good(&waiter) && waiter.has_left());
        assert!(!lines.ring("n", "k", owner));
    }
}
