//! Who waits in this client, in order of arrival, by name. Nothing here asks the file: of each line only the first does.
//!
//! A place counts as long as its waiter looks at it now and then, as places in the file do: a future that nobody polls any more
//! holds nobody up for longer than two refreshes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use concurrency_core::{Claim, FencingToken, Namespace, Owner, clock::BootInstant};
use tokio::sync::Notify;

/// The longest pause between two refreshes of a place.
const REFRESH: Duration = Duration::from_secs(1);

/// How often a waiter refreshes its place.
pub(super) fn refresh_every(claim: &Claim) -> Duration {
    (claim.ttl().as_duration() / 3).min(REFRESH)
}

/// Somebody who waits: what its future and the requests that it sent have in common.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) namespace: Namespace,
    pub(super) claim: Claim,
    /// Rings when the name was handed to it, or it should look again.
    pub(super) bell: Notify,
    /// Where it stands; it joins one line, once.
    place: AtomicU64,
    /// The file may know of it.
    asked: AtomicBool,
    /// Nothing may be taken for it any more.
    left: AtomicBool,
    /// What it was granted while it waited; 0 for nothing.
    granted: AtomicU64,
}

impl Waiter {
    pub(super) fn new(namespace: &Namespace, claim: Claim) -> Arc<Self> {
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

    pub(super) fn key(&self) -> &str {
        self.claim.key()
    }

    pub(super) fn has_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    pub(super) fn has_left(&self) -> bool {
        self.left.load(Ordering::Acquire)
    }

    pub(super) fn granted(&self) -> u64 {
        self.granted.load(Ordering::Acquire)
    }

    pub(super) fn grant(&self, token: FencingToken) {
        self.granted.store(token.0, Ordering::Release);
    }
}

/// The lines of one client.
#[derive(Debug, Default)]
pub(super) struct Lines {
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
pub(super) enum Standing {
    /// Its turn to ask the file.
    First,
    /// Somebody is before it; to look again at this instant.
    Behind { until: BootInstant },
    /// It is in no line: it was not looked after, or its claim was released.
    Lost,
}

impl Lines {
    /// At the end.
    pub(super) fn join(&mut self, waiter: &Arc<Waiter>, now: BootInstant) {
        self.last_place += 1;
        waiter.place.store(self.last_place, Ordering::Release);
        let place = Place { waiter: Arc::clone(waiter), counts_until: counts_until(waiter, now), looks_at: now };
        let names = self.lines.entry(waiter.namespace.clone()).or_default();
        match names.get_mut(waiter.key()) {
            Some(line) => drop(line.insert(self.last_place, place)),
            None => drop(names.insert(waiter.key().into(), Line::from([(self.last_place, place)]))),
        }
    }

    /// Refreshes its place, passes over those before it that no longer count, and says where it stands.
    pub(super) fn look(&mut self, waiter: &Arc<Waiter>, now: BootInstant) -> Standing {
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
    pub(super) fn sleeps_until(&mut self, waiter: &Arc<Waiter>, until: BootInstant) {
        if let Some(line) = self.line(&waiter.namespace, waiter.key())
            && let Some(mine) = place_of(line, waiter)
        {
            line.get_mut(&mine).expect("it was found").looks_at = until;
        }
    }

    /// Whether it stands first, as far as that was looked at.
    pub(super) fn is_first(&mut self, waiter: &Arc<Waiter>) -> bool {
        let line = self.line(&waiter.namespace, waiter.key());
        line.and_then(|line| line.values().next()).is_some_and(|first| Arc::ptr_eq(&first.waiter, waiter))
    }

    /// Out of the line. True if it stood first.
    pub(super) fn leave(&mut self, waiter: &Arc<Waiter>) -> bool {
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
    pub(super) fn leave_for_good(&mut self, waiter: &Arc<Waiter>) -> bool {
        waiter.left.store(true, Ordering::Release);
        self.leave(waiter)
    }

    /// Takes those who wait under this owner out of the line and wakes them.
    pub(super) fn remove(&mut self, namespace: &Namespace, key: &str, owner: Owner) -> bool {
        let Some(line) = self.line(namespace, key) else { return false };
        let removed: Vec<_> = line.extract_if(.., |_, place| place.waiter.claim.owner() == owner).collect();
        removed.iter().for_each(|(_, place)| place.waiter.bell.notify_one());
        self.drop_empty(namespace, key);
        !removed.is_empty()
    }

    /// The first that counts, but for `besides`; the file will know of it.
    pub(super) fn first(
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

    /// Wakes whoever stands first, if the file does not know of it.
    pub(super) fn wake_first_unless_asked(&mut self, namespace: &Namespace, key: &str) {
        let first = self.line(namespace, key).and_then(|line| line.values().next());
        if let Some(first) = first.filter(|first| !first.waiter.has_asked()) {
            first.waiter.bell.notify_one();
        }
    }

    /// Wakes the waiter that the name was handed to, if it is here.
    pub(super) fn ring(&mut self, namespace: &str, key: &str, owner: Owner) {
        // Compared as text, because a hint from the file comes as such.
        let names = self.lines.iter().find(|(name, _)| name.as_str() == namespace).map(|(_, names)| names);
        let line = names.and_then(|names| names.get(key)).into_iter().flat_map(BTreeMap::values);
        for place in line.filter(|place| place.waiter.claim.owner() == owner) {
            place.waiter.bell.notify_one();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.values().all(HashMap::is_empty)
    }

    pub(super) fn has_line(&self, namespace: &Namespace, key: &str) -> bool {
        self.lines.get(namespace).is_some_and(|names| names.contains_key(key))
    }

    pub(super) fn waiters(&self) -> Vec<Arc<Waiter>> {
        let places = self.lines.values().flat_map(HashMap::values).flat_map(BTreeMap::values);
        places.map(|place| Arc::clone(&place.waiter)).collect()
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
